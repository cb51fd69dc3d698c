//! Response bodies: read within bounds, and what may be shown of them.

use bytes::Bytes;
use reqwest::Response;

use super::coding::{Coding, Inflater};
use super::memory::Share;
use crate::rows::model::{message_in, said};
use crate::words::redact::{one_line, redact};

/// Bytes of a refusal's body that are read at most.
const REFUSAL: usize = 16 << 10;
/// Characters of the API's own message, and of an excerpt, that are shown.
const MESSAGE_CHARS: usize = 200;
const EXCERPT_CHARS: usize = 100;

/// What must not be shown of an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Hidden {
    /// What must never be shown, whoever echoes it.
    pub secrets: Vec<String>,
    /// Whether a body may hold what must not be written down, so that only the API's own message is shown.
    pub bodies: bool,
}

/// Why a body did not arrive.
pub(super) enum Unread {
    /// It has more decoded bytes than allowed: `api.max_body_bytes`.
    TooLarge,
    /// The connection broke before the body's end.
    Broken(reqwest::Error),
    /// It is not what its coding says.
    Damaged(std::io::Error),
    /// It is in a coding that was not asked for.
    Coded(String),
}

/// Reads a whole body of `limit` decoded bytes at most, which count for `share`. `guess` is how long bodies usually are, for
/// one whose length is not given.
pub(super) async fn read(response: Response, limit: u64, guess: usize, share: &mut Share) -> Result<Bytes, Unread> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let length = response.content_length().map(|length| usize::try_from(length).unwrap_or(usize::MAX));
    // No coding makes a text longer by more than a little.
    if length.is_some_and(|length| length > limit) {
        return Err(Unread::TooLarge);
    }
    let mut pieces = Pieces::of(response)?;
    let length = length.filter(|_| pieces.inflater.is_none());
    let expected = length.unwrap_or(guess).min(limit);
    let mut body = Vec::new();
    while let Some(piece) = pieces.next().await? {
        if body.is_empty() && length == Some(piece.len()) {
            share.grow_to(piece.len()).await;
            return Ok(pieces.chunk);
        }
        let whole = body.len() + piece.len();
        if whole > limit {
            return Err(Unread::TooLarge);
        }
        if whole > body.capacity() {
            // By halves: what doubles may take twice what is allowed.
            let wanted = expected.max(whole + body.len() / 2).min(limit);
            share.grow_to(wanted).await;
            body.reserve_exact(wanted - body.len());
        }
        body.extend_from_slice(piece);
    }
    Ok(body.into())
}

/// The decoded pieces of a body.
struct Pieces {
    response: Response,
    /// Decodes a body in gzip; `None` for one that comes as it is.
    inflater: Option<Inflater>,
    /// The last that has arrived; it goes before the next is read, so that the connection can use its buffer again.
    chunk: Bytes,
    has_ended: bool,
}

impl Pieces {
    fn of(response: Response) -> Result<Self, Unread> {
        let coding = Coding::of(response.headers()).map_err(Unread::Coded)?;
        let inflater = (coding == Coding::Gzip).then(Inflater::new);
        Ok(Self { response, inflater, chunk: Bytes::new(), has_ended: false })
    }

    /// The next piece; none where the body has ended.
    async fn next(&mut self) -> Result<Option<&[u8]>, Unread> {
        loop {
            // Looked at twice, for the sake of the borrow.
            if self.inflater.as_mut().is_some_and(super::coding::Inflater::has_more) {
                let piece = self.inflater.as_mut().map(Inflater::piece).transpose().map_err(Unread::Damaged)?;
                return Ok(piece);
            }
            if self.has_ended {
                return Ok(None);
            }
            self.chunk = Bytes::new();
            let chunk = self.response.chunk().await.map_err(Unread::Broken)?;
            self.has_ended = chunk.is_none();
            match (&mut self.inflater, chunk) {
                (Some(inflater), chunk) => inflater.feed(chunk),
                (None, Some(chunk)) => {
                    self.chunk = chunk;
                    return Ok(Some(&self.chunk));
                }
                (None, None) => return Ok(None),
            }
        }
    }
}

/// The message in a refusal's body, fit to be shown; empty where there is none.
pub(super) async fn refusal(response: Response, hidden: &Hidden) -> String {
    let Ok(mut pieces) = Pieces::of(response) else { return String::new() };
    let mut body = Vec::new();
    while let Ok(Some(piece)) = pieces.next().await {
        body.extend_from_slice(piece);
        if body.len() > REFUSAL {
            break;
        }
    }
    message(&body, hidden)
}

fn message(body: &[u8], hidden: &Hidden) -> String {
    match said(body).flatten() {
        Some(message) => one_line(&redact(&message, &hidden.secrets), MESSAGE_CHARS),
        None => beginning(body, hidden, MESSAGE_CHARS),
    }
}

/// A body as an error quotes it: the message in it, or else how it begins, without what is hidden.
pub(super) fn quote(body: &[u8], hidden: &Hidden) -> String {
    match message_in(body) {
        Some(message) => format!("it says: {}", one_line(&redact(&message, &hidden.secrets), MESSAGE_CHARS)),
        None => format!("it begins with: {}", excerpt(body, hidden)),
    }
}

/// The start of a body for an error message: one short line, with control characters escaped, and what is hidden and whatever
/// looks like a token left out.
pub(super) fn excerpt(body: &[u8], hidden: &Hidden) -> String {
    if body.trim_ascii().is_empty() {
        return "an empty body".to_owned();
    }
    beginning(body, hidden, EXCERPT_CHARS)
}

/// How a body begins, or how long it is where that is all that may be shown.
fn beginning(body: &[u8], hidden: &Hidden, chars: usize) -> String {
    if hidden.bodies && !body.is_empty() {
        return format!("{} bytes, not shown since `[privacy]` is set", body.len());
    }
    one_line(&redact(&start(body, chars), &hidden.secrets), chars)
}

/// A text in one short line, without these secrets, whatever looks like a token, and characters that act on a terminal.
pub(super) fn line(text: &str, secrets: &[String]) -> String {
    one_line(&redact(text, secrets), MESSAGE_CHARS)
}

/// Whether a body looks like one whole JSON object, from its two ends alone.
pub(super) fn is_object(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    body.len() >= 2 && body.starts_with(b"{") && body.ends_with(b"}")
}

/// Whether a body says nothing at all: it is empty, or an object without a field.
pub(super) fn is_bare(body: &[u8]) -> bool {
    let body = body.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(body).trim_ascii();
    let inside = body.strip_prefix(b"{").and_then(|body| body.strip_suffix(b"}"));
    inside.unwrap_or(body).trim_ascii().is_empty()
}

/// Enough of a body to show `chars` characters of it, a token of usual length that they cut included.
fn start(body: &[u8], chars: usize) -> String {
    let body = body.trim_ascii();
    String::from_utf8_lossy(&body[..body.len().min(chars * 4 + 4096)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hidden(secret: &str) -> Hidden {
        Hidden { secrets: vec![secret.to_owned()], bodies: false }
    }

    #[test]
    fn bodies_that_may_hold_names_are_not_shown() {
        let hidden = Hidden { bodies: true, ..hidden("hush") };
        assert_eq!(message(br#"{"message":"no hush"}"#, &hidden), "no [redacted]");
        for body in [&br#"{"data":[{"name":"Ann"}]}"#[..], b"Ann", br#"[{"message":"Ann"}]"#] {
            for shown in [message(body, &hidden), excerpt(body, &hidden), quote(body, &hidden)] {
                assert!(!shown.contains("Ann") && shown.contains(&format!("{} bytes", body.len())), "{shown}");
            }
        }
        assert_eq!((message(b"", &hidden).as_str(), excerpt(b" ", &hidden).as_str()), ("", "an empty body"));
    }

    #[test]
    fn the_message_is_found_in_every_documented_form() {
        let message = |body: &str| message(body.as_bytes(), &Hidden::default());
        assert_eq!(message(r#""Not found""#), "Not found");
        assert_eq!(message(r#"{"message":"a","error":"b"}"#), "a");
        assert_eq!(message(r#"{"code":7,"error":"b"}"#), "b");
        assert_eq!(message(r#"{"error":{"message":"deep"}}"#), "deep");
        assert_eq!(message(r#"{"message":null,"msg":"c"}"#), "c");
        assert_eq!(message(r#"{"statusMessage":"d"}"#), "d");
        assert_eq!(message(r#"{"other":1}"#), r#"{"other":1}"#);
        assert_eq!(message("  <html>\n<b>Bad gateway"), r"<html>\n<b>Bad gateway");
        assert_eq!(message(""), "");
    }

    #[test]
    fn what_is_shown_is_short_and_harmless() {
        assert_eq!(message(&[b'x'; 5000], &Hidden::default()).len(), 203);
        assert_eq!(excerpt(b"\xff\xfe\x00", &Hidden::default()), "\u{fffd}\u{fffd}\\u{0}");
        assert_eq!(excerpt(b" \n", &Hidden::default()), "an empty body");
        assert_eq!(excerpt("\u{e9}".repeat(10_000).as_bytes(), &Hidden::default()).chars().count(), 103);
    }

    #[test]
    fn tokens_never_show_even_where_the_cut_splits_them() {
        let jwt = format!("eyJ{}.eyJ{}.{}", "a".repeat(3000), "b".repeat(300), "c".repeat(43));
        for body in [
            format!("bad token {jwt}!"),
            format!("{}{jwt}", "x".repeat(150)),
            format!(r#"{{"message":"jwt malformed: {jwt}"}}"#),
            format!("{}opaque-secret", "x".repeat(190)),
        ] {
            for text in
                [message(body.as_bytes(), &hidden("opaque-secret")), excerpt(body.as_bytes(), &hidden("opaque-secret"))]
            {
                assert!(!text.contains("aaaa") && !text.contains("opaq"), "{text}");
            }
        }
    }

    #[test]
    fn an_object_is_known_by_its_ends() {
        assert!([&b"{}"[..], b" \n{\"a\":1}\r\n", b"\xEF\xBB\xBF{}"].into_iter().all(is_object));
        assert!(![&b""[..], b"{", b"}", b"[{}]", b"<html>", b"{\"a\":1", b"null"].into_iter().any(is_object));
    }

    #[test]
    fn a_body_that_says_nothing_is_known_by_its_emptiness() {
        assert!([&b""[..], b" \r\n", b"{}", b" {\n} ", b"\xEF\xBB\xBF{ }", b"\xEF\xBB\xBF"].into_iter().all(is_bare));
        assert!(![&b"{\"a\":1}"[..], b"[]", b"null", b"{", b"}", b"{{}}", b"0"].into_iter().any(is_bare));
    }

    #[test]
    fn a_message_is_quoted_rather_than_the_body_around_it() {
        let quote = |body: &str| quote(body.as_bytes(), &hidden("hush"));
        assert_eq!(quote(r#"{"data":null,"error":{"message":"no hush here"}}"#), "it says: no [redacted] here");
        assert_eq!(quote(r#"{"data":{},"message":" "}"#), r#"it begins with: {"data":{},"message":" "}"#);
        assert_eq!(quote("<html>hush"), "it begins with: <html>[redacted]");
    }
}
