//! Where a folder is, before it is opened or made.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Access, Folder};

/// A folder that may not be there yet: below one that somebody named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Below {
    /// The folder that somebody named; links that lead to it are followed.
    pub root: PathBuf,
    /// The path from there, through no link, with `/` between names; empty for the folder itself.
    pub path: String,
    /// Whether files of the root's owner are as good as this user's. So it is in a dataset, with which its owner can do whatever
    /// he likes.
    pub is_owners: bool,
}

impl Below {
    /// A folder that somebody named, itself and not one below it.
    pub fn named(root: &Path) -> Self {
        Self { root: root.to_owned(), path: String::new(), is_owners: false }
    }

    /// Whose files may be gone on with, to be looked at before they are: this user's, and perhaps the owner's of the root.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn trusted(&self) -> io::Result<Vec<u32>> {
        let Some(folder) = self.open()? else { return Ok(Vec::new()) };
        let owner = if self.is_owners { Some(Folder::at(&self.root)?.owner()?) } else { None };
        Ok([Some(folder.owner_here()?), owner].into_iter().flatten().collect())
    }

    /// The path by which a person would find the folder.
    pub fn place(&self) -> PathBuf {
        if self.path.is_empty() { self.root.clone() } else { self.root.join(&self.path) }
    }

    /// Opens it; `None` where it is not there.
    ///
    /// # Errors
    /// An [`super::Obstacle`] below the root.
    pub fn open(&self) -> io::Result<Option<Folder>> {
        match Folder::at(&self.root) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            root => root?.folder(&self.path),
        }
    }

    /// Opens it, made if it is missing. Below the root it is its owner's alone.
    ///
    /// # Errors
    /// As [`Below::open`], and where it can't be made.
    pub fn make(&self) -> io::Result<Folder> {
        make(&self.root)?;
        let folder = Folder::at(&self.root)?.make(&self.path, Access::Private)?;
        if !self.path.is_empty() {
            folder.close_to_others()?;
        }
        Ok(folder)
    }
}

/// Makes a folder that somebody named and those above it, durably.
///
/// # Errors
/// Where that fails.
pub fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
        _ => {}
    }
    match File::open(parent) {
        // Who may make a folder in another one and not read that can't flush it.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}
