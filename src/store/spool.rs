//! What an object store has sent: copies in a folder on this machine, which go with the run.
//!
//! A copy is opened anew for each reader, so that no two share a position, and none is held open between.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use tempfile::TempDir;

use super::Version;

/// The name of a run's folder begins with this.
const PREFIX: &str = ".read-";

/// Copies by the paths of their files.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    own: OnceLock<Own>,
    copies: Mutex<HashMap<String, (PathBuf, Version)>>,
}

/// A folder of the run's own. While it is locked its run is alive.
#[derive(Debug)]
struct Own {
    folder: TempDir,
    _alive: File,
}

impl Spool {
    /// In a folder, which is made if it is missing.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: folder.to_owned(), own: OnceLock::new(), copies: Mutex::default() })
    }

    /// A file without a name.
    pub fn nameless(&self) -> io::Result<File> {
        tempfile::tempfile_in(&self.folder)
    }

    /// Begins a copy.
    pub fn begin(&self) -> io::Result<tempfile::NamedTempFile> {
        if self.own.get().is_none() {
            let own = Own::make(&self.folder)?;
            // Two threads may have made one each; the one that is not kept goes.
            let _ = self.own.set(own);
        }
        let folder = self.own.get().map_or(self.folder.as_path(), |own| own.folder.path());
        tempfile::NamedTempFile::new_in(folder)
    }

    /// Keeps a whole copy, in place of the one before.
    pub fn keep(&self, path: &str, copy: tempfile::NamedTempFile, version: Version) -> io::Result<File> {
        let (file, place) = copy.keep().map_err(|error| error.error)?;
        drop(file);
        let opened = File::open(&place)?;
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, _)) = copies.insert(path.to_owned(), (place, version)) {
            fs::remove_file(before)?;
        }
        Ok(opened)
    }

    /// The version of the copy, if there is one.
    pub fn version(&self, path: &str) -> Option<Version> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(path).map(|(_, version)| version.clone())
    }

    /// Opens the copy of a version; `None` where another one is there meanwhile.
    pub fn open(&self, path: &str, version: &Version) -> io::Result<Option<File>> {
        let copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        copies.get(path).filter(|(_, kept)| kept == version).map(|(place, _)| File::open(place)).transpose()
    }
}

impl Own {
    fn make(folder: &Path) -> io::Result<Self> {
        sweep(folder)?;
        loop {
            let made = tempfile::Builder::new().prefix(PREFIX).tempdir_in(folder)?;
            let alive = File::open(made.path())?;
            alive.lock()?;
            // Before it was locked, another run may have swept it.
            match fs::metadata(made.path()) {
                Ok(there) if there.ino() == alive.metadata()?.ino() => return Ok(Self { folder: made, _alive: alive }),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
}

/// Removes what dead runs have left.
fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !name.starts_with(PREFIX) {
            continue;
        }
        let Ok(held) = File::open(&path) else { continue };
        if held.try_lock().is_ok() {
            match fs::remove_dir_all(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    fn version(tag: &str) -> Version {
        Version { tag: tag.to_owned(), number: None, mark: None }
    }

    fn keep(spool: &Spool, text: &str, tag: &str) -> File {
        let mut copy = spool.begin().unwrap();
        copy.write_all(text.as_bytes()).unwrap();
        spool.keep("a/b", copy, version(tag)).unwrap()
    }

    #[test]
    fn every_reader_has_a_position_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let spool = Spool::new(folder.path()).unwrap();
        let mut first = keep(&spool, "first", "1");
        let mut second = spool.open("a/b", &version("1")).unwrap().unwrap();
        let mut text = String::new();
        first.read_to_string(&mut text).unwrap();
        second.read_to_string(&mut text).unwrap();
        assert_eq!(text, "firstfirst");
        keep(&spool, "second", "2");
        assert!(spool.open("a/b", &version("1")).unwrap().is_none());
        assert_eq!(spool.version("a/b"), Some(version("2")));
        drop(spool);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "something is left");
    }

    #[test]
    fn leftovers_of_the_dead_go_and_those_of_the_living_stay() {
        let folder = tempfile::tempdir().unwrap();
        let dead = folder.path().join(".read-dead");
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("copy"), "personal").unwrap();
        let living = Spool::new(folder.path()).unwrap();
        keep(&living, "first", "1");
        let other = Spool::new(folder.path()).unwrap();
        keep(&other, "other", "1");
        assert!(!dead.exists());
        assert!(living.open("a/b", &version("1")).unwrap().is_some());
        assert!(living.own.get().unwrap().folder.path().exists());
    }
}
