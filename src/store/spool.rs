//! What an object store has sent: copies in a folder on this machine, which go with the run.
//!
//! A copy is opened anew for each reader, so that no two share a position, and none is held open between. Copies hold
//! personal data: their folder is closed to others, and what a killed run has left goes when the next one begins.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::Version;
use crate::store::files::{Access, Below, Folder};

/// The name of a run's folder begins with this.
const PREFIX: &str = ".rollbook-read-";

/// Copies by the paths of their files.
#[derive(Debug)]
pub struct Spool {
    folder: Folder,
    own: OnceLock<Own>,
    copies: Mutex<HashMap<String, (String, Version)>>,
    next: AtomicU64,
}

/// A folder of the run's own. While it is locked its run is alive.
#[derive(Debug)]
struct Own {
    above: Folder,
    name: String,
    folder: Folder,
}

impl Drop for Own {
    fn drop(&mut self) {
        // Best effort: what stays is swept by a later run.
        let _ = self.above.remove_folder(&self.name);
    }
}

/// A copy in the making; dropped before it is kept, it leaves nothing behind.
#[derive(Debug)]
pub struct Copy {
    file: File,
    folder: Folder,
    name: Option<String>,
}

impl Copy {
    /// The local file, to be written from its beginning.
    pub const fn writer(&self) -> &File {
        &self.file
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            let _ = self.folder.remove(name);
        }
    }
}

impl Spool {
    /// In a folder, which is made if it is missing, and in which nothing of dead runs stays.
    pub fn new(folder: &Below) -> io::Result<Self> {
        let folder = folder.make()?;
        for (place, error) in sweep(&folder)? {
            tracing::warn!("copies of a dead run stay ({error}): {}", place.display());
        }
        Ok(Self { folder, own: OnceLock::new(), copies: Mutex::default(), next: AtomicU64::new(0) })
    }

    /// A file without a name, for bytes that go when they are read: nothing of it stays after a kill.
    pub fn nameless(&self) -> io::Result<File> {
        self.folder.nameless()
    }

    /// Begins a copy of an object; it counts once it is kept ([`Spool::keep`]).
    pub fn begin(&self) -> io::Result<Copy> {
        let folder = self.own()?.clone();
        let name = self.next.fetch_add(1, Ordering::Relaxed).to_string();
        let file = folder.create(&name, Access::Private)?;
        Ok(Copy { file, folder, name: Some(name) })
    }

    fn own(&self) -> io::Result<&Folder> {
        if self.own.get().is_none() {
            let own = Own::make(&self.folder)?;
            // Two threads may have made one each; the one that is not kept goes.
            let _ = self.own.set(own);
        }
        self.own.get().map(|own| &own.folder).ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Keeps a whole copy, in place of the one before.
    pub fn keep(&self, path: &str, mut copy: Copy, version: Version) -> io::Result<File> {
        let missing = || io::Error::from(ErrorKind::NotFound);
        let name = copy.name.take().ok_or_else(missing)?;
        let opened = copy.folder.open(&name)?.ok_or_else(missing)?;
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((before, _)) = copies.insert(path.to_owned(), (name, version)) {
            copy.folder.remove(&before)?;
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
        match copies.get(path).filter(|(_, kept)| kept == version) {
            Some((name, _)) => self.own()?.open(name),
            None => Ok(None),
        }
    }
}

impl Own {
    fn make(above: &Folder) -> io::Result<Self> {
        loop {
            let mut random = [0; 8];
            getrandom::fill(&mut random)?;
            let name = format!("{PREFIX}{:016x}", u64::from_le_bytes(random));
            let folder = above.make(&name, Access::Private)?;
            // Before it was locked, another run may have swept it.
            if folder.try_lock()? && above.folder(&name)?.is_some() {
                return Ok(Self { above: above.clone(), name, folder });
            }
        }
    }
}

/// Removes what dead runs have left in a folder; returns what stays, and why. What is another user's is let be, also where this
/// user might remove it: it is no copy of a run of his, and anything may be in it.
pub fn sweep(folder: &Folder) -> io::Result<Vec<(PathBuf, io::Error)>> {
    sweep_of(folder, Folder::owner_here)
}

/// `owner`: to whom what this user makes in a folder belongs.
fn sweep_of(folder: &Folder, owner: fn(&Folder) -> io::Result<u32>) -> io::Result<Vec<(PathBuf, io::Error)>> {
    let (mut stays, mut own) = (Vec::new(), None);
    for item in folder.items()? {
        let item = item?;
        if !(item.is_folder() && item.name.starts_with(PREFIX)) {
            continue;
        }
        let Ok(Some(left)) = folder.folder(&item.name) else { continue };
        // It takes a file to find out, and somebody may have made any number of such folders.
        let own = match own {
            Some(own) => own,
            None => *own.insert(owner(folder)?),
        };
        if left.owner()? != own || !left.try_lock().is_ok_and(|is_dead| is_dead) {
            continue;
        }
        match folder.remove_folder(&item.name) {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => stays.push((folder.place(&item.name), error)),
            _ => {}
        }
    }
    Ok(stays)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::path::Path;

    use super::*;

    fn spool(folder: &Path) -> Spool {
        Spool::new(&Below::named(folder)).unwrap()
    }

    fn version(tag: &str) -> Version {
        Version { tag: tag.to_owned(), number: None, mark: None, length: None }
    }

    fn keep(spool: &Spool, text: &str, tag: &str) -> File {
        let copy = spool.begin().unwrap();
        copy.writer().write_all(text.as_bytes()).unwrap();
        spool.keep("a/b", copy, version(tag)).unwrap()
    }

    #[test]
    fn every_reader_has_a_position_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let spool = spool(folder.path());
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
        let dead = folder.path().join(format!("{PREFIX}dead"));
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join("copy"), "personal").unwrap();
        let living = spool(folder.path());
        keep(&living, "first", "1");
        let other = spool(folder.path());
        keep(&other, "other", "1");
        assert!(!dead.exists());
        assert!(living.open("a/b", &version("1")).unwrap().is_some());
        assert!(living.own.get().unwrap().folder.place("").exists());
    }

    #[test]
    fn what_another_user_has_made_is_let_be() {
        let folder = tempfile::tempdir().unwrap();
        let [evil, dead] = ["evil", "dead"].map(|name| folder.path().join(format!("{PREFIX}{name}")));
        fs::create_dir_all(evil.join("sub")).unwrap();
        let opened = Folder::at(folder.path()).unwrap();
        let others = |folder: &Folder| Ok(folder.owner_here()? + 1);
        assert!(sweep_of(&opened, others).unwrap().is_empty() && evil.join("sub").exists());
        // One's own is told where it can't be removed.
        fs::create_dir(&dead).unwrap();
        let stays = sweep(&opened).unwrap();
        assert_eq!(stays.iter().map(|(place, _)| place).collect::<Vec<_>>(), [&evil]);
        assert!(!dead.exists());
    }
}
