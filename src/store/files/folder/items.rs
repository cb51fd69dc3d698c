//! What is in a folder.

use std::io;

use rustix::fs::{AtFlags, Dir, DirEntry, FileType, statat};
use rustix::io::Errno;

use super::Folder;

/// What a look into a folder finds, without following it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The name within the folder, without a path: `part-0.parquet`.
    pub name: String,
    /// What it is, itself and not what it leads to.
    pub kind: FileType,
}

impl Item {
    /// Whether it is a folder, not a link to one.
    pub fn is_folder(&self) -> bool {
        self.kind == FileType::Directory
    }

    /// Whether it is neither a file nor a folder, and so an obstacle.
    pub fn is_odd(&self) -> bool {
        !matches!(self.kind, FileType::RegularFile | FileType::Directory)
    }
}

impl Folder {
    /// What is in it, in no order, read as it is asked for: somebody else may have put any number of names there. Names that
    /// are no Unicode are none of rollbook's and left out.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn items(&self) -> io::Result<impl Iterator<Item = io::Result<Item>>> {
        let entries = Dir::read_from(&self.handle)?;
        Ok(entries.filter_map(|entry| entry.map_err(io::Error::from).and_then(|entry| self.item(&entry)).transpose()))
    }

    fn item(&self, entry: &DirEntry) -> io::Result<Option<Item>> {
        let Ok(name) = entry.file_name().to_str() else { return Ok(None) };
        if matches!(name, "." | "..") {
            return Ok(None);
        }
        let kind = match entry.file_type() {
            // Some file systems don't say.
            FileType::Unknown => match statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(status) => FileType::from_raw_mode(status.st_mode),
                Err(Errno::NOENT) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
            kind => kind,
        };
        Ok(Some(Item { name: name.to_owned(), kind }))
    }
}
