//! A look at the end of a Parquet file before its reader sees it: the reader follows the nesting of columns as deep as the file
//! says, and a stack that overflows can't be caught.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use crate::words::foreign::Cause;

/// Bytes of metadata at most: those of a part with a thousand row groups take a tenth of that.
const MOST_BYTES: u32 = 16 << 20;
/// Columns and groups of columns at most.
const MOST_COLUMNS: u64 = 200;
/// How the metadata begins: a version, then a list of structures (Thrift's compact protocol).
const VERSION: u8 = 0x15;
const COLUMNS: u8 = 0x19;
const STRUCTURES: u8 = 0x0c;

/// Refuses metadata that is too large, and more columns than any table has: so they are not nested deeper than that.
///
/// # Errors
/// What is wrong with the end of the file.
pub fn check(mut file: &File) -> Result<(), Cause> {
    let mut tail = [0; 8];
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut tail)?;
    let [a, b, c, d, magic @ ..] = tail;
    let length = u32::from_le_bytes([a, b, c, d]);
    if magic != *b"PAR1" {
        return Err("it does not end as a Parquet file".into());
    }
    if length > MOST_BYTES {
        return Err(format!("its metadata has {length} bytes").into());
    }
    file.seek(SeekFrom::End(-8 - i64::from(length)))?;
    let mut head = [0; 32];
    let head = &mut head[..32.min(length as usize)];
    file.read_exact(head)?;
    file.seek(SeekFrom::Start(0))?;
    match columns(head) {
        Some(columns) if columns <= MOST_COLUMNS => Ok(()),
        Some(columns) => Err(format!("it names {columns} columns").into()),
        None => Err("its metadata does not begin as that of a table".into()),
    }
}

/// How many columns and groups of columns metadata names that begins so.
fn columns(mut bytes: &[u8]) -> Option<u64> {
    if *bytes.split_off_first()? != VERSION {
        return None;
    }
    number(&mut bytes)?;
    let list = (*bytes.split_off_first()? == COLUMNS).then(|| bytes.split_off_first()).flatten()?;
    match (list >> 4, list & 0x0f) {
        (15, STRUCTURES) => number(&mut bytes),
        (short, STRUCTURES) => Some(short.into()),
        _ => None,
    }
}

/// A number of variable length, as the format of the footer has it; takes it off the bytes.
fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn file(metadata: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PAR1").unwrap();
        file.write_all(metadata).unwrap();
        file.write_all(&u32::try_from(metadata.len()).unwrap().to_le_bytes()).unwrap();
        file.write_all(b"PAR1").unwrap();
        file
    }

    #[test]
    fn columns_without_end_are_refused() {
        for (metadata, what) in [
            (&[0x15, 2, 0x19, 0x3c, 0][..], None),
            (&[0x15, 2, 0x19, 0xfc, 20, 0], None),
            (&[0x15, 2, 0x19, 0xfc, 0x90, 0x4e, 0], Some("it names 10000 columns")),
            (&[0x15, 2, 0x19, 0xfc, 0xff, 0xff, 0xff, 0xff, 0x0f], Some("it names 4294967295 columns")),
            (&[0x15, 2, 0x19, 0x35], Some("its metadata does not begin as that of a table")),
            (&[0x26, 2], Some("its metadata does not begin as that of a table")),
            (&[], Some("its metadata does not begin as that of a table")),
        ] {
            let refused = check(&file(metadata)).err().map(|error| error.to_string());
            assert_eq!(refused.as_deref(), what, "{metadata:?}");
        }
        let mut short = file(&[0x15]);
        short.set_len(7).unwrap();
        assert!(check(&short).is_err());
        short.set_len(0).unwrap();
        short.write_all(b"PAR1\xff\xff\xff\xffPAR1").unwrap();
        assert!(check(&short).is_err());
    }
}
