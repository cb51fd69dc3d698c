//! A folder on this machine. Files appear whole or not at all: written beside their place, flushed to the disk, renamed.
//!
//! A temporary name never ends in `.parquet`, and its file is locked while its writer lives, so that the leftovers of
//! dead runs can be told from the files of live ones.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Access, Draft, Store, Swap, Version, failed, raced};
use crate::error::{Error, Kind, Result};
use crate::signal::Stop;

/// rollbook's own folder.
const OWN: &str = "_rollbook";

/// A dataset in a folder.
#[derive(Debug)]
pub struct Local {
    root: PathBuf,
    run_id: String,
    /// The permissions that the umask gives new files.
    mode: OnceLock<u32>,
    /// Folders of the dataset whose own names are known to be durable.
    named: Mutex<BTreeSet<PathBuf>>,
}

impl Local {
    /// The dataset in this folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>, run_id: &str) -> Self {
        Self { root: root.into(), run_id: run_id.to_owned(), mode: OnceLock::new(), named: Mutex::default() }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// Makes the folder of a file, and refuses one that leads out of the dataset.
    fn folder_for(&self, target: &Path) -> Result<PathBuf> {
        let folder = folder_of(target).to_owned();
        self.refuse_outside(&folder)?;
        let made = make(&self.root).and_then(|()| fs::create_dir_all(&folder));
        made.map_err(|error| failed("cannot create the folder", folder.display(), error))?;
        Ok(folder)
    }

    /// Makes the names in a folder durable, and once a run the names of the folders that lead to it from the dataset's: they
    /// may be of a run that died before it came to that, or of one that has not yet.
    fn flush_names(&self, folder: &Path) -> Result<()> {
        flush_folder(folder)?;
        for folder in folder.ancestors().take_while(|folder| **folder != self.root) {
            let named = || self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if !named().contains(folder) {
                // Its neighbours' names become durable with its own.
                let neighbours = fs::read_dir(folder_of(folder)).into_iter().flatten().flatten();
                let neighbours: Vec<_> = neighbours.map(|entry| entry.path()).collect();
                flush_folder(folder_of(folder))?;
                named().extend(neighbours);
            }
        }
        Ok(())
    }

    /// Refuses a path that a symbolic link leads out of the dataset, or nowhere.
    fn refuse_outside(&self, path: &Path) -> Result<()> {
        let Ok(root) = fs::canonicalize(&self.root) else { return Ok(()) }; // nothing is there yet
        let there = path.ancestors().find(|path| fs::symlink_metadata(path).is_ok()).unwrap_or(path);
        match fs::canonicalize(there) {
            Ok(real) if real.starts_with(&root) => Ok(()),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed("cannot read the folder", there.display(), error))
            }
            _ => {
                let what = format!("a symbolic link leads out of the dataset: {}", there.display());
                Err(Error::new(Kind::Destination, what).hint("replace the link by what it leads to"))
            }
        }
    }

    fn temporary(&self, target: &Path) -> Result<(File, PathBuf)> {
        let folder = self.folder_for(target)?;
        sweep(&folder)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        loop {
            let path = folder.join(self.name(&name));
            // Never a file, nor a link, that is there already.
            let file = OpenOptions::new().write(true).read(true).create_new(true).mode(0o600).open(&path);
            let file = file.map_err(|error| failed("cannot create the file", path.display(), error))?;
            file.lock().map_err(|error| failed("cannot lock the file", path.display(), error))?;
            // Before it was locked, another run may have swept it.
            let same = |file: &File| Ok(fs::metadata(&path)?.ino() == file.metadata()?.ino());
            match same(&file) {
                Ok(true) => return Ok((file, path)),
                Ok(false) => {}
                Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => {}
                Err(error) => return Err(failed("cannot create the file", path.display(), error)),
            }
        }
    }

    /// A temporary name that no other file has.
    fn name(&self, name: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!(".{name}.{}.{}.tmp", self.run_id, NEXT.fetch_add(1, Ordering::Relaxed))
    }

    /// The permissions that the umask gives new files; learnt by making one.
    fn usual_mode(&self) -> Result<u32> {
        if let Some(mode) = self.mode.get() {
            return Ok(*mode);
        }
        let path = self.path(OWN).join(self.name("mode"));
        let folder = self.folder_for(&path)?;
        let trial = OpenOptions::new().write(true).create_new(true).open(&path).and_then(|file| file.metadata());
        // Another run may have swept it.
        let removed = fs::remove_file(&path).or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        });
        let learnt = trial.and_then(|metadata| removed.map(|()| metadata.permissions().mode() & 0o666));
        let mode = learnt.map_err(|error| failed("cannot write to the folder", folder.display(), error))?;
        Ok(*self.mode.get_or_init(|| mode))
    }

    /// Keeps every other swap in this dataset waiting, while it lives.
    fn alone(&self) -> Result<File> {
        let path = self.path(OWN).join("swap");
        self.folder_for(&path)?;
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let locked = opened.and_then(|file| file.lock().map(|()| file));
        locked.map_err(|error| failed("cannot lock the dataset", path.display(), error))
    }

    fn walk(&self, folder: &str, found: &mut Vec<(String, Version)>) -> Result<()> {
        let unreadable = |error| failed("cannot read the folder", self.place(folder), error);
        let entries = match fs::read_dir(self.path(folder)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| !name.starts_with('.')) else { continue };
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                self.refuse_outside(&entry.path())?;
            }
            let path = format!("{folder}/{name}");
            match fs::metadata(entry.path()) {
                Ok(metadata) if metadata.is_dir() => self.walk(&path, found)?,
                Ok(metadata) => found.push((path, version(&metadata))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(unreadable(error)),
            }
        }
        Ok(())
    }
}

impl Store for Local {
    fn place(&self, path: &str) -> String {
        self.path(path).display().to_string()
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        let mut found = Vec::new();
        self.refuse_outside(&self.path(folder))?;
        self.walk(folder, &mut found)?;
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        let place = self.path(path);
        self.refuse_outside(&place)?;
        let file = match File::open(&place) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("cannot read the file", place.display(), error)),
        };
        let metadata = file.metadata().map_err(|error| failed("cannot read the file", place.display(), error))?;
        Ok(Some((file, version(&metadata))))
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        let (file, name) = self.temporary(&self.path(path))?;
        Ok(Draft { file, path: path.to_owned(), name: Some(name), flushed: false })
    }

    fn flush(&self, draft: &mut Draft) -> Result<()> {
        let flushed = draft.file.sync_all();
        flushed.map_err(|error| failed("cannot flush the file to the disk", self.place(&draft.path), error))?;
        draft.flushed = true;
        Ok(())
    }

    fn swap(&self, mut draft: Draft, expected: Option<&Version>, access: Access) -> Result<Swap> {
        let target = self.path(&draft.path);
        let Some(name) = draft.name.clone() else { return Ok(Swap::Lost) };
        let mode = match access {
            Access::Usual => self.usual_mode()?,
            Access::Private => 0o600,
        };
        let permitted = draft.file.set_permissions(fs::Permissions::from_mode(mode));
        permitted.map_err(|error| failed("cannot set permissions", name.display(), error))?;
        // Where the bytes are flushed already, the permissions may follow with the name: losing them harms nobody.
        if !draft.flushed {
            self.flush(&mut draft)?;
        }
        let _alone = self.alone()?;
        self.refuse_outside(&target)?;
        let current = match fs::metadata(&target) {
            Ok(metadata) => Some(version(&metadata)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed("cannot read the file", target.display(), error)),
        };
        if current.as_ref() != expected {
            return Ok(Swap::Lost);
        }
        fs::rename(&name, &target).map_err(|error| failed("cannot replace the file", target.display(), error))?;
        draft.name = None;
        self.flush_names(folder_of(&target))?;
        let metadata = draft.file.metadata();
        let metadata = metadata.map_err(|error| failed("cannot read the file", target.display(), error))?;
        Ok(Swap::Done(version(&metadata)))
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        let (from, to) = (self.path(path), self.path(aside));
        if !from.exists() {
            return Ok(false);
        }
        let folder = self.folder_for(&to)?;
        let _alone = self.alone()?;
        if to.exists() {
            return Err(raced(&to.display().to_string()));
        }
        // A file that can't be read can still be renamed.
        fs::rename(&from, &to).map_err(|error| failed("cannot set the file aside", from.display(), error))?;
        self.flush_names(&folder)?;
        flush_folder(folder_of(&from)).map(|()| true)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let place = self.path(path);
        self.refuse_outside(folder_of(&place))?;
        match fs::remove_file(&place) {
            Ok(()) => flush_folder(folder_of(&place)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(failed("cannot remove the file", place.display(), error)),
        }
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn heed(&self, _: &Stop) {} // no call takes long
}

/// A file that was replaced is another one to the file system, or has another length or time.
fn version(metadata: &fs::Metadata) -> Version {
    let mark = format!("{}-{}.{:09}", metadata.len(), metadata.mtime(), metadata.mtime_nsec());
    Version { tag: format!("{}-{mark}", metadata.ino()), number: None, mark: Some(mark) }
}

/// Makes a folder and those above it, durably.
pub fn make(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    make(parent)?;
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !folder.is_dir() => return Err(error),
        _ => {}
    }
    match File::open(parent) {
        // Who may make a folder in another one and not read that can't flush it.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        opened => opened?.sync_all(),
    }
}

/// Makes names in a folder durable.
fn flush_folder(folder: &Path) -> Result<()> {
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|error| failed("cannot flush the folder to the disk", folder.display(), error))
}

/// Removes temporary files whose writers are dead from a folder.
fn sweep(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with('.') && name.ends_with(".tmp")) {
            continue;
        }
        let Ok(file) = File::open(&path) else { continue };
        // Whoever holds the lock is alive. It is held here until the file is gone, so that nobody begins to use it.
        if file.try_lock().is_ok() {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(failed("cannot remove the leftover", path.display(), error));
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
