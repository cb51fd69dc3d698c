//! Sessions that were listed and get no rows, since they started outside of what a run is for. They count for the proof.
//!
//! One fixed record each, in a file without a name.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Identity;
use crate::error::Result;
use crate::store::failed;
use crate::walk::Listed;

/// Id, response, whether there is a start, and the start.
const BYTES: usize = 33;

/// The listed sessions without rows.
pub struct Cut {
    folder: PathBuf,
    file: BufWriter<File>,
    len: u64,
}

impl Cut {
    /// None yet; the file is made in this folder, which must be there.
    pub fn new(folder: &Path) -> Result<Self> {
        let file = tempfile::tempfile_in(folder)
            .map_err(|error| failed("cannot create the stage", folder.display(), error))?;
        Ok(Self { folder: folder.to_owned(), file: BufWriter::new(file), len: 0 })
    }

    /// How many there are, repeated ones included.
    pub const fn count(&self) -> u64 {
        self.len
    }

    /// Adds one that a response listed.
    pub fn add(&mut self, row: Listed, response: u64) -> Result<()> {
        let Listed { id, start } = row;
        let mut record = [0; BYTES];
        record[..16].copy_from_slice(&id.to_le_bytes());
        record[16..24].copy_from_slice(&response.to_le_bytes());
        record[24] = u8::from(start.is_some());
        record[25..].copy_from_slice(&start.unwrap_or_default().to_le_bytes());
        self.len += 1;
        self.file.write_all(&record).map_err(|error| failed("cannot write the stage", self.folder.display(), error))
    }

    /// Reads all of them, a bounded number at a time.
    pub fn each(&mut self, each: impl FnMut(Identity)) -> Result<()> {
        self.read(each).map_err(|error| failed("cannot read the stage back", self.folder.display(), error))
    }

    fn read(&mut self, mut each: impl FnMut(Identity)) -> std::io::Result<()> {
        self.file.flush()?;
        let mut bytes = vec![0; BYTES * 4096];
        let (mut offset, end) = (0, self.len * BYTES as u64);
        while offset < end {
            let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
            self.file.get_ref().read_exact_at(&mut bytes[..length], offset)?;
            bytes[..length].chunks_exact(BYTES).for_each(|record| each(identity(record)));
            offset += length as u64;
        }
        Ok(())
    }
}

fn identity(record: &[u8]) -> Identity {
    let number = |at: usize| record[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
    let id = u128::from(number(8)) << 64 | u128::from(number(0));
    let start = (record[24] != 0).then(|| number(25).cast_signed());
    Identity::without_row(id, number(16), start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = Cut::new(folder.path()).unwrap();
        let rows: Vec<_> = (0..10_000_u64)
            .map(|number| Listed {
                id: u128::from(number) << 70 | 7,
                start: (number % 3 > 0).then(|| -i64::try_from(number).unwrap()),
            })
            .collect();
        rows.iter().zip(5..).for_each(|(row, response)| cut.add(*row, response).unwrap());
        let mut read = Vec::new();
        cut.each(|identity| read.push(identity)).unwrap();
        assert_eq!((cut.count(), read.len()), (10_000, 10_000));
        for ((row, response), identity) in rows.iter().zip(5..).zip(&read) {
            assert_eq!((identity.id, identity.start(), identity.response()), (row.id, row.start, response));
            assert!(!identity.has_row() && identity.is_open());
        }
    }
}
