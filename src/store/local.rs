//! A folder on this machine. Files appear whole or not at all: written beside their place, flushed to the disk, renamed.
//!
//! A temporary name never ends in `.parquet`, and its file is locked while its writer lives, so that the leftovers of
//! dead runs can be told from the files of live ones. Everything is found from the dataset's folder, which is held open.

mod lock;
mod survey;
mod temporary;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use super::{Draft, Form, Store, Survey, Swap, Version, failed, missing, raced, too_many};
use crate::error::Result;
use crate::store::files::{Access, Folder, Obstacle, Status, make, status};
use crate::words::limits;
use crate::words::stop::Stop;
use survey::Look;

/// The folder for all that is not a table, within the dataset's.
const OWN: &str = "_rollbook";
/// Names of a path in a dataset at most: of a file that was set aside from a stage.
const DEPTH: usize = 8;

/// A dataset in a folder of this machine; one value for each run, which names its temporary files.
#[derive(Debug)]
pub struct Local {
    root: PathBuf,
    run_id: String,
    /// The folder, once it is there.
    opened: OnceLock<Folder>,
    /// The permissions that the umask gives new files.
    mode: OnceLock<u32>,
    /// Folders of the dataset whose own names are known to be durable.
    named: Mutex<BTreeSet<String>>,
    stop: OnceLock<Stop>,
}

impl Local {
    /// The dataset in this folder, which need not be there yet.
    pub fn new(root: impl Into<PathBuf>, run_id: &str) -> Self {
        let (opened, mode, named, stop) = Default::default();
        Self { root: root.into(), run_id: run_id.to_owned(), opened, mode, named, stop }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The dataset's folder; `None` where it is not there yet.
    fn opened(&self) -> Result<Option<&Folder>> {
        if let Some(folder) = self.opened.get() {
            return Ok(Some(folder));
        }
        match Folder::at(&self.root) {
            Ok(folder) => Ok(Some(self.opened.get_or_init(|| folder))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("cannot open the folder", self.root.display(), error)),
        }
    }

    /// A folder of the dataset, made if it is missing.
    fn made(&self, folder: &str) -> Result<Folder> {
        let made = make(&self.root).map_err(|error| failed("cannot create the folder", self.root.display(), error));
        let Some(root) = made.and_then(|()| self.opened())? else {
            return Err(raced(&self.root.display().to_string()));
        };
        let made = root.make(folder, Access::Usual);
        made.map_err(|error| failed("cannot create the folder", self.path(folder).display(), error))
    }

    /// Makes the names in a folder durable, and once a run the names of the folders that lead to it from the dataset's: they
    /// may be of a run that died before it came to that, or of one that has not yet.
    fn flush_names(&self, path: &str, folder: &Folder) -> Result<()> {
        flush(folder, &self.path(path))?;
        let mut path = path;
        while !path.is_empty() {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            let named = || self.named.lock().unwrap_or_else(PoisonError::into_inner);
            if !named().contains(path) {
                let folder = self.made(above)?;
                // Its neighbours' names become durable with its own.
                let neighbours = folder.items().into_iter().flatten().flatten().take(limits::FILES);
                let neighbours: Vec<_> = neighbours.map(|item| join(above, &item.name)).collect();
                flush(&folder, &self.path(above))?;
                named().extend(neighbours);
            }
            path = above;
        }
        Ok(())
    }

    /// The permissions that the umask gives new files; learnt by making one.
    fn usual_mode(&self) -> Result<u32> {
        if let Some(mode) = self.mode.get() {
            return Ok(*mode);
        }
        let (folder, name) = (self.made(OWN)?, self.name("mode"));
        let trial = folder.create(&name, Access::Usual).and_then(|file| file.metadata());
        // Another run may have swept it.
        let removed = folder.remove(&name);
        let learnt = trial.and_then(|metadata| removed.map(|_| metadata.permissions().mode() & 0o666));
        let mode = learnt.map_err(|error| failed("cannot write to the folder", folder.place("").display(), error))?;
        Ok(*self.mode.get_or_init(|| mode))
    }

    fn walk(&self, path: &str, folder: &Folder, found: &mut Vec<(String, Version)>) -> Result<()> {
        let unreadable = |error| failed("cannot read the folder", self.place(path), error);
        for item in folder.items().map_err(unreadable)? {
            let item = item.map_err(unreadable)?;
            if item.name.starts_with('.') {
                continue;
            }
            let inner = join(path, &item.name);
            // What was something else a moment ago is none of a list's business.
            if item.is_folder() {
                if is_too_deep(&inner) {
                    continue; // a survey tells of it
                }
                if let Some(folder) = apart(folder.folder(&item.name)).map_err(unreadable)? {
                    self.walk(&inner, &folder, found)?;
                }
            } else if let Some(status) = apart(folder.look_at_file(&item.name)).map_err(unreadable)? {
                if found.len() >= limits::FILES {
                    return Err(too_many(&self.place(path)));
                }
                found.push((inner, version(&status)));
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
        let Some(root) = self.opened()? else { return Ok(found) };
        let opened = apart(root.folder(folder));
        if let Some(opened) = opened.map_err(|error| failed("cannot read the folder", self.place(folder), error))? {
            self.walk(folder, &opened, &mut found)?;
        }
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        let unreadable = |error| failed("cannot read the file", self.place(path), error);
        let Some(root) = self.opened()? else { return Ok(None) };
        let Some(file) = root.open(path).map_err(unreadable)? else { return Ok(None) };
        let version = version_of(&file).map_err(unreadable)?;
        Ok(Some((file, version)))
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        let (file, folder, name) = self.temporary(path)?;
        Ok(Draft { file, path: path.to_owned(), name: Some((folder, name)), flushed: false })
    }

    fn flush(&self, draft: &mut Draft) -> Result<()> {
        let flushed = draft.file.sync_all();
        flushed.map_err(|error| failed("cannot flush the file to the disk", self.place(&draft.path), error))?;
        draft.flushed = true;
        Ok(())
    }

    fn swap(&self, mut draft: Draft, expected: Option<&Version>, access: Access) -> Result<Swap> {
        let (place, target) = (self.place(&draft.path), draft.path.clone());
        let ((path, name), Some((folder, temporary))) = (split(&target), draft.name.clone()) else {
            return Ok(Swap::Lost);
        };
        let mode = match access {
            Access::Usual => self.usual_mode()?,
            Access::Private => 0o600,
        };
        let permitted = permit(&draft.file, mode);
        permitted.map_err(|error| failed("cannot set permissions", folder.place(&temporary).display(), error))?;
        // Where the bytes are flushed already, the permissions may follow with the name: losing them harms nobody.
        if !draft.flushed {
            self.flush(&mut draft)?;
        }
        let _alone = self.alone()?;
        let current = folder.look_at_file(name).map_err(|error| failed("cannot read the file", &place, error))?;
        if current.as_ref().map(version).as_ref() != expected {
            return Ok(Swap::Lost);
        }
        let own = version_of(&draft.file).map_err(|error| failed("cannot read the file", &place, error))?;
        // Of two names of one file, renaming removes neither.
        if expected == Some(&own) {
            return Ok(Swap::Done(own));
        }
        let renamed = folder.rename(&temporary, &folder, name);
        renamed.map_err(|error| failed("cannot replace the file", &place, error))?;
        draft.name = None;
        self.flush_names(path, &folder)?;
        Ok(Swap::Done(own))
    }

    fn copy(&self, from: &str, to: &str, expected: Option<&Version>) -> Result<Swap> {
        let Some((file, _)) = self.open(from)? else { return Err(missing(&self.place(from))) };
        let linked = self.linked(from, &file, to)?;
        match linked {
            Some((folder, name)) => {
                let draft = Draft { file, path: to.to_owned(), name: Some((folder, name)), flushed: true };
                self.swap(draft, expected, Access::Usual)
            }
            None => (self as &dyn Store).copy_bytes(file, to, expected),
        }
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        let Some(root) = self.opened()? else { return Ok(false) };
        let unmoved = |error| failed("cannot set the file aside", self.place(path), error);
        let ((from, name), (to, new)) = (split(path), split(aside));
        let Some(old) = apart(root.folder(from)).map_err(unmoved)? else { return Ok(false) };
        // Whatever it is: a file that can't be read can still be renamed, and so can what is none.
        if old.look(name).map_err(unmoved)?.is_none() {
            return Ok(false);
        }
        let folder = self.made(to)?;
        let _alone = self.alone()?;
        if folder.look(new).map_err(unmoved)?.is_some() {
            return Err(raced(&self.place(aside)));
        }
        old.rename(name, &folder, new).map_err(unmoved)?;
        self.flush_names(to, &folder)?;
        flush(&old, &self.path(from)).map(|()| true)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let failed = |error| failed("cannot remove the file", self.place(path), error);
        let (above, name) = split(path);
        let Some(root) = self.opened()? else { return Ok(()) };
        let Some(folder) = root.folder(above).map_err(failed)? else { return Ok(()) };
        if folder.remove(name).map_err(failed)? { flush(&folder, &self.path(above)) } else { Ok(()) }
    }

    fn survey(&self, folders: &[&str], form: fn(&str) -> Option<Form>, sweep: bool) -> Result<Survey> {
        let Some(root) = self.opened()? else { return Ok(Survey::default()) };
        let mut look = Look { form, sweep, survey: Survey::default() };
        folders.iter().try_for_each(|folder| look.walk(root, folder))?;
        Ok(look.survey)
    }

    fn folder(&self) -> Option<&Path> {
        Some(&self.root)
    }

    fn heed(&self, stop: &Stop) {
        let _ = self.stop.set(stop.clone()); // A process has one.
    }
}

/// Gives a file these permissions. Where it has them, nothing is asked of the system: a link may be to another user's file.
fn permit(file: &File, mode: u32) -> io::Result<()> {
    let has = file.metadata()?.permissions().mode() & 0o777;
    if has == mode { Ok(()) } else { file.set_permissions(fs::Permissions::from_mode(mode)) }
}

/// Whether no folder of a dataset lies so deep. Somebody may have made any number of folders in one another; each that is looked
/// into is held open meanwhile.
fn is_too_deep(folder: &str) -> bool {
    folder.split('/').count() >= DEPTH
}

/// A file that was replaced is another one to the file system, or has another length or time.
fn version(status: &Status) -> Version {
    let mark = format!("{}-{}.{:09}", status.st_size, status.st_mtime, status.st_mtime_nsec);
    let length = u64::try_from(status.st_size).ok();
    Version { tag: format!("{}-{mark}", status.st_ino), number: None, mark: Some(mark), length }
}

fn version_of(file: &File) -> io::Result<Version> {
    Ok(version(&status(file)?))
}

/// Takes an obstacle for nothing: a survey tells of it.
fn apart<T>(found: io::Result<Option<T>>) -> io::Result<Option<T>> {
    match found {
        Err(error) if Obstacle::of(&error).is_some() => Ok(None),
        found => found,
    }
}

/// Makes names in a folder durable.
fn flush(folder: &Folder, place: &Path) -> Result<()> {
    folder.flush().map_err(|error| failed("cannot flush the folder to the disk", place.display(), error))
}

/// A path's folder and its name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
