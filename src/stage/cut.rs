//! Sessions that were listed and get no rows, since they started outside of what a run is for. They count for the proof.
//!
//! One identity each, in a file without a name.

use std::fs::File;
use std::io::{BufWriter, Write};

use super::identity::{self, Identity};
use crate::error::Result;
use crate::list::Listed;
use crate::store::failed;
use crate::store::files::{Below, Folder};

/// Sessions that were listed and get no rows, in a file beside the stage.
pub struct Cut {
    folder: Folder,
    file: BufWriter<File>,
    len: u64,
}

impl Cut {
    /// None yet; the file is made in this folder, which is made if it is missing.
    pub fn new(folder: &Below) -> Result<Self> {
        let made = folder.make().and_then(|folder| Ok((folder.nameless()?, folder)));
        let made = made.map_err(|error| failed("cannot create the stage", folder.place().display(), error));
        let (file, folder) = made?;
        Ok(Self { folder, file: BufWriter::new(file), len: 0 })
    }

    /// How many there are, repeated ones included.
    pub const fn count(&self) -> u64 {
        self.len
    }

    /// Adds one that a response listed.
    pub fn add(&mut self, row: Listed, response: u64) -> Result<()> {
        self.len += 1;
        let record = Identity::without_row(row.id, response, row.start).bytes();
        self.file
            .write_all(&record)
            .map_err(|error| failed("cannot write the stage", self.folder.place("").display(), error))
    }

    /// Reads all of them, a bounded number at a time.
    pub fn each(&mut self, each: impl FnMut(Identity)) -> Result<()> {
        let read = self.file.flush().and_then(|()| identity::each(self.file.get_ref(), self.len, each));
        read.map_err(|error| failed("cannot read the stage back", self.folder.place("").display(), error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut cut = Cut::new(&Below::named(folder.path())).unwrap();
        let rows: Vec<_> = (0..10_000_u64)
            .map(|number| Listed {
                id: u128::from(number) << 70 | 7,
                start: (number % 3 > 0).then(|| -i64::try_from(number).unwrap()),
                ..Listed::default()
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
