//! What is where only a file or a folder may be, and is none.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use rustix::fs::FileType;

/// Something that is in the way of a file or a folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} is in the way: {}", .path.display())]
pub struct Obstacle {
    /// What it is, in words: "a symbolic link".
    pub what: &'static str,
    /// The path where a file or folder should be.
    pub path: PathBuf,
}

impl Obstacle {
    /// An obstacle of this kind at a path.
    pub fn new(kind: FileType, path: PathBuf) -> Self {
        Self { what: name(kind), path }
    }

    /// The obstacle that is the cause of an error, if one is.
    pub fn of<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
    }
}

impl From<Obstacle> for io::Error {
    fn from(obstacle: Obstacle) -> Self {
        Self::other(obstacle)
    }
}

/// The kind in words for a person, with its article.
pub const fn name(kind: FileType) -> &'static str {
    match kind {
        FileType::RegularFile => "a file",
        FileType::Directory => "a folder",
        FileType::Symlink => "a symbolic link",
        FileType::Fifo => "a named pipe",
        FileType::Socket => "a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Unknown => "something unknown",
    }
}
