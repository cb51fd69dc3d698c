//! The coding of a body on its way: gzip, or none. Names of codings are compared without case, as HTTP has it.

use std::io::{self, BufRead, ErrorKind, Read};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

/// Bytes that are decoded at a time.
const PIECE: usize = 64 << 10;

/// How the bytes of a body are coded on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// The bytes of the body themselves; also where the answer names `identity`.
    None,
    /// gzip, once; also under its old name `x-gzip`.
    Gzip,
}

impl Coding {
    /// The coding that an answer names; an `Err` names one that was not asked for.
    pub fn of(headers: &HeaderMap) -> Result<Self, String> {
        let named = headers.get_all(CONTENT_ENCODING).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let named = named.collect::<Vec<_>>().join(",").to_ascii_lowercase();
        let mut codings = named.split(',').map(str::trim).filter(|name| !matches!(*name, "" | "identity"));
        match (codings.next(), codings.next()) {
            (None, _) => Ok(Self::None),
            (Some("gzip" | "x-gzip"), None) => Ok(Self::Gzip),
            _ => Err(named),
        }
    }
}

/// Decodes gzip, a chunk at a time as they arrive.
pub struct Inflater {
    decoder: MultiGzDecoder<Chunk>,
    piece: Vec<u8>,
    /// What of it is decoded and not yet taken, or why there is nothing.
    ready: io::Result<usize>,
}

/// What has arrived and is not yet decoded.
#[derive(Debug, Default)]
struct Chunk {
    bytes: Bytes,
    is_last: bool,
}

impl Inflater {
    pub fn new() -> Self {
        Self { decoder: MultiGzDecoder::new(Chunk::default()), piece: vec![0; PIECE], ready: Ok(0) }
    }

    /// Takes the next chunk; `None` where the body has ended. The one before must be decoded to its end.
    pub fn feed(&mut self, chunk: Option<Bytes>) {
        let is_last = chunk.is_none();
        *self.decoder.get_mut() = Chunk { bytes: chunk.unwrap_or_default(), is_last };
    }

    /// Whether there is a piece, or an error, before the next chunk is needed.
    pub fn has_more(&mut self) -> bool {
        self.ready = match self.decoder.read(&mut self.piece) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            ready => ready,
        };
        !matches!(self.ready, Ok(0))
    }

    /// The decoded piece that is there; empty at the end.
    pub fn piece(&mut self) -> io::Result<&[u8]> {
        std::mem::replace(&mut self.ready, Ok(0)).map(|length| &self.piece[..length])
    }
}

impl Read for Chunk {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.len().min(into.len());
        self.bytes.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

impl BufRead for Chunk {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.bytes.is_empty() && !self.is_last { Err(ErrorKind::WouldBlock.into()) } else { Ok(&self.bytes) }
    }

    fn consume(&mut self, length: usize) {
        self.bytes.advance(length);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;
    use reqwest::header::HeaderValue;

    use super::*;

    fn zipped(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn inflated(bytes: &[u8], at_once: usize) -> io::Result<Vec<u8>> {
        let (mut inflater, mut text) = (Inflater::new(), Vec::new());
        for chunk in bytes.chunks(at_once).map(|chunk| Some(Bytes::copy_from_slice(chunk))).chain([None]) {
            inflater.feed(chunk);
            while inflater.has_more() {
                text.extend_from_slice(inflater.piece()?);
            }
        }
        Ok(text)
    }

    #[test]
    fn whatever_the_chunks_the_text_is_the_same() {
        let text: Vec<u8> = (0..300_000_u32).flat_map(|number| number.wrapping_mul(number).to_le_bytes()).collect();
        let (first, second) = text.split_at(70_000);
        for whole in [zipped(&text), [zipped(first), zipped(second)].concat()] {
            for at_once in [1, 7, 4096, whole.len()] {
                assert!(inflated(&whole, at_once).unwrap() == text, "{at_once}");
            }
            for cut in [0, 5, 100, whole.len() - 1] {
                assert!(inflated(&whole[..cut], 50).is_err(), "{cut}");
            }
            let mut damaged = whole.clone();
            let at = damaged.len() - 5;
            damaged[at] ^= 1;
            assert!(inflated(&damaged, 1000).is_err());
        }
    }

    #[test]
    fn codings_are_compared_without_case() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(CONTENT_ENCODING, HeaderValue::from_str(value).unwrap());
            }
            Coding::of(&headers)
        };
        for plain in [&[][..], &[""], &["identity"], &["Identity, ,IDENTITY"]] {
            assert_eq!(of(plain), Ok(Coding::None), "{plain:?}");
        }
        for gzip in [&["gzip"][..], &["GZIP"], &["GZip"], &[" x-GZIP "], &["identity", "gzip"]] {
            assert_eq!(of(gzip), Ok(Coding::Gzip), "{gzip:?}");
        }
        for other in [&["br"][..], &["gzip", "gzip"], &["gzip, deflate"], &["Zstd"]] {
            assert_eq!(of(other), Err(other.join(",").to_lowercase()), "{other:?}");
        }
    }
}
