//! Snapshots: immutable files, and which of them are the three tables at one moment.
//!
//! A [`Lake`] is a store in front of a dataset's own. Whoever reads the tables through it sees one snapshot, and the newest one where
//! nothing is changed yet; what is written goes into new immutable files and is seen by nobody else before [`Lake::commit`]. The plain files,
//! the Delta logs and `lake/current.json` follow a commit ([`Lake::follow`]): by whoever made it, or, where that run has died, by the
//! next one that writes.

mod change;
mod commit;
mod current;
pub mod delta;
mod follow;
mod inspect;
mod keep;
mod mend;
mod paths;
mod restore;
mod snapshot;

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::encode;
use super::layout::Layout;
use super::published::damaged;
use crate::config::Format;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{Access, Draft, Form, Store, Survey, Swap, Version, failed, raced};
use crate::words::stop::Stop;
pub use change::{Wish, end};
pub use commit::Author;
pub use inspect::{Finding, inspect};
pub use keep::{Terms, erase};
use snapshot::Delta;
pub use snapshot::{Entry, Files, Made, Snapshot};

/// What to do about a file or a record in the lake that is not what it should be.
const WAY_OUT: &str =
    "put it back from a copy of the dataset, or run `rollbook verify --repair`, which says what to do next";

/// A dataset with snapshots, as one command sees it.
#[derive(Debug)]
pub struct Lake {
    /// The dataset's own store, and how it is cut.
    plain: Layout,
    stop: Stop,
    held: Mutex<Held>,
}

/// What a command sees, and what it has changed.
#[derive(Debug, Default, Clone)]
struct Held {
    /// The snapshot that is read; `None` before the first.
    base: Option<Arc<Snapshot>>,
    /// Its files, by the plain file that each stands for.
    files: Arc<Files>,
    /// What the next snapshot has instead; `None` where it has no such file.
    pending: BTreeMap<String, Option<Entry>>,
    /// The Delta logs that begin with the next snapshot.
    begins: Option<Delta>,
    /// Whether the files of `base` are known to be there.
    is_whole: bool,
}

impl Held {
    fn of(snapshot: Option<Snapshot>, layout: &Layout) -> Self {
        let files = snapshot.as_ref().map(|snapshot| snapshot.files(layout.by())).unwrap_or_default();
        Self { base: snapshot.map(Arc::new), files: Arc::new(files), ..Self::default() }
    }

    /// The file that stands for a plain one.
    fn entry(&self, plain: &str) -> Option<&Entry> {
        match self.pending.get(plain) {
            Some(changed) => changed.as_ref(),
            None => self.files.get(plain),
        }
    }

    /// All files, with what is changed.
    fn all(&self) -> Files {
        let mut files = Files::clone(&self.files);
        for (plain, changed) in &self.pending {
            match changed {
                Some(entry) => drop(files.insert(plain.clone(), entry.clone())),
                None => drop(files.remove(plain)),
            }
        }
        files
    }

    /// Whether the next snapshot would have other files.
    fn is_changed(&self) -> bool {
        self.pending.iter().any(|(plain, changed)| self.files.get(plain) != changed.as_ref())
    }

    fn number(&self) -> u64 {
        self.base.as_ref().map_or(0, |base| base.snapshot)
    }
}

/// The version of an immutable file.
fn version(entry: &Entry) -> Version {
    Version::of_content(entry.sha256(), entry.bytes)
}

impl Lake {
    /// The snapshots of a dataset; `None` where it has none.
    ///
    /// # Errors
    /// `Unreadable` where the newest can't be read; `Destination`.
    pub fn open(plain: &Layout, stop: &Stop) -> Result<Option<Arc<Self>>> {
        let newest = commit::newest(plain)?;
        Ok(newest.map(|newest| Arc::new(Self::showing(plain, stop, Some(newest)))))
    }

    /// The dataset as its newest snapshot shows it, or as it is where it has none.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub fn shown(plain: &Layout, stop: &Stop) -> Result<Layout> {
        Ok(Self::open(plain, stop)?.map_or_else(|| plain.clone(), |lake| lake.layout()))
    }

    fn showing(plain: &Layout, stop: &Stop, snapshot: Option<Snapshot>) -> Self {
        Self { plain: plain.clone(), stop: stop.clone(), held: Mutex::new(Held::of(snapshot, plain)) }
    }

    /// The dataset as the snapshot shows it.
    pub fn layout(self: &Arc<Self>) -> Layout {
        self.plain.over(Arc::clone(self) as Arc<dyn Store>)
    }

    /// The snapshot that is read; `None` before the first.
    pub fn base(&self) -> Option<Arc<Snapshot>> {
        self.held().base.clone()
    }

    /// Where the immutable file beside a plain one is, from the dataset's folder.
    pub fn place_beside(&self, plain: &str) -> Option<String> {
        self.entry(plain).map(|entry| entry.place())
    }

    /// What the dataset has of snapshots.
    pub fn format(&self) -> Format {
        let Held { base, begins, .. } = self.held().clone();
        let is_delta = begins.is_some() || base.is_some_and(|base| base.delta.is_some());
        if is_delta { Format::Delta } else { Format::Files }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn store(&self) -> &dyn Store {
        self.plain.store()
    }

    fn entry(&self, plain: &str) -> Option<Entry> {
        paths::table(plain)?;
        self.held().entry(plain).cloned()
    }

    /// Looks for the newest snapshot, unless something is changed on top of the one that is read.
    fn look(&self) -> Result<Held> {
        let held = self.held().clone();
        if !held.pending.is_empty() || commit::last(self.store())? <= held.number() {
            return Ok(held);
        }
        let newest = Held::of(commit::newest(&self.plain)?, &self.plain);
        self.held().clone_from(&newest);
        Ok(newest)
    }

    /// The files of a table that the snapshot lists, each known again by the plain file beside it.
    fn listed(&self, table: &str) -> Result<Vec<(String, Version)>> {
        let held = self.look()?;
        if !held.is_whole {
            if let Some(base) = &held.base {
                self.refuse_missing(base)?;
            }
            self.held().is_whole = true;
        }
        let plain: BTreeMap<_, _> = self.store().list(table)?.into_iter().collect();
        let files = held.all().into_iter().filter(|(plain, _)| plain.split('/').next() == Some(table));
        Ok(files.map(|(path, entry)| (path.clone(), version(&entry).marked_by(plain.get(&path)))).collect())
    }

    /// Refuses a list of which a file is missing, or has another length: no reader would miss it.
    fn refuse_missing(&self, snapshot: &Snapshot) -> Result<()> {
        for (table, entries) in &snapshot.tables {
            let there: BTreeMap<_, _> = self.store().list(&paths::whole(table.name()))?.into_iter().collect();
            for entry in entries {
                let found = there.get(&entry.place());
                if found.is_none_or(|found| found.length() != entry.bytes) {
                    return Err(self.absent(entry, found));
                }
            }
        }
        Ok(())
    }

    fn absent(&self, entry: &Entry, found: Option<&Version>) -> Error {
        let what = match found {
            None => "a file that a snapshot lists is missing".to_owned(),
            Some(found) => {
                format!("a file that a snapshot lists has {} bytes instead of {}", found.length(), entry.bytes)
            }
        };
        Error::new(Kind::Unreadable, format!("{what}: {}", self.store().place(&entry.place()))).hint(WAY_OUT)
    }

    /// Lists an immutable file in the next snapshot that another process has put there, in place of a plain one.
    ///
    /// # Errors
    /// `Unreadable` where it is not there, or is none; `Destination`.
    pub fn adopt(&self, plain: &str, sha256: &str) -> Result<Version> {
        let place = paths::whole(&paths::immutable(plain, sha256));
        let missing = || {
            let what = format!("an immutable file that a task has made is missing: {}", self.store().place(&place));
            Error::new(Kind::Unreadable, what).hint("plan anew: `rollbook split drop`, then `rollbook split plan`")
        };
        let (file, _) = self.store().open(&place)?.ok_or_else(missing)?;
        let entry = Entry::of(plain, sha256, &file).map_err(|error| damaged(&self.store().place(&place), error))?;
        let new = version(&entry);
        self.held().pending.insert(plain.to_owned(), Some(entry));
        Ok(new)
    }

    /// Puts a draft among the immutable files, by its content.
    fn keep_draft(&self, draft: Draft) -> Result<Entry> {
        let plain = draft.path().to_owned();
        let unreadable = |error| damaged(&self.store().place(&plain), error);
        let (_, sha256) = encode::digest_from_start(draft.writer(), &self.stop)?.map_err(unreadable)?;
        let entry = Entry::of(&plain, &sha256, draft.writer()).map_err(|error| damaged(&plain, error))?;
        let bytes = draft.writer().try_clone().map_err(|error| failed("cannot read the file", &plain, error))?;
        self.place_file(&entry, bytes, |to| self.store().swap(draft.aimed_at(to), None, Access::Usual))?;
        Ok(entry)
    }

    /// Puts an immutable file in its place. One that is there already is the same, unless it is damaged: then these bytes take its
    /// place.
    fn place_file(&self, entry: &Entry, bytes: File, put: impl FnOnce(&str) -> Result<Swap>) -> Result<()> {
        let place = entry.place();
        if put(&place)? != Swap::Lost {
            return Ok(());
        }
        let there = self.store().open(&place)?;
        if let Some((file, _)) = &there
            && self.is_whole(file, entry)?
        {
            return Ok(());
        }
        let found = there.map(|(_, version)| version);
        match self.store().copy_bytes(bytes, &place, found.as_ref())? {
            Swap::Done(_) => Ok(()),
            Swap::Lost => Err(raced(&self.store().place(&place))),
        }
    }

    /// Whether a file's bytes are those of an entry's name.
    fn is_whole(&self, file: &File, entry: &Entry) -> Result<bool> {
        Ok(encode::digest(file, &self.stop)?.is_ok_and(|(_, sha256)| sha256 == entry.sha256()))
    }

    /// The error of an immutable file that somebody, or the disk, has changed.
    fn changed(&self, place: &str) -> Error {
        let what = format!("an immutable file has bytes that are not those of its name: {}", self.store().place(place));
        Error::new(Kind::Unreadable, what).hint(WAY_OUT)
    }
}

impl Store for Lake {
    fn place(&self, path: &str) -> String {
        let entry = self.entry(path);
        self.store().place(&entry.map_or_else(|| path.to_owned(), |entry| entry.place()))
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        let is_table = Table::ALL.iter().any(|table| table.name() == folder);
        if is_table { self.listed(folder) } else { self.store().list(folder) }
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        if paths::table(path).is_none() {
            return self.store().open(path);
        }
        let Some(entry) = self.entry(path) else { return Ok(None) };
        match self.store().open(&entry.place())? {
            Some((file, _)) => Ok(Some((file, version(&entry)))),
            None => Err(self.absent(&entry, None)),
        }
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        if paths::table(path).is_none() {
            return self.store().begin(path);
        }
        Ok(self.store().begin(&paths::whole(path))?.aimed_at(path))
    }

    fn flush(&self, draft: &mut Draft) -> Result<()> {
        self.store().flush(draft)
    }

    fn swap(&self, draft: Draft, expected: Option<&Version>, access: Access) -> Result<Swap> {
        let path = draft.path().to_owned();
        if paths::table(&path).is_none() {
            return self.store().swap(draft, expected, access);
        }
        if self.entry(&path).map(|entry| version(&entry)).as_ref() != expected {
            return Ok(Swap::Lost);
        }
        let entry = self.keep_draft(draft)?;
        let new = version(&entry);
        self.held().pending.insert(path, Some(entry));
        Ok(Swap::Done(new))
    }

    fn copy(&self, from: &str, to: &str, expected: Option<&Version>) -> Result<Swap> {
        self.store().copy(from, to, expected)
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        self.store().set_aside(path, aside)
    }

    fn remove(&self, path: &str) -> Result<()> {
        self.store().remove(path)
    }

    fn survey(&self, folders: &[&str], form: fn(&str) -> Option<Form>, sweep: bool) -> Result<Survey> {
        self.store().survey(folders, form, sweep)
    }

    fn folder(&self) -> Option<&Path> {
        self.store().folder()
    }

    fn heed(&self, stop: &Stop) {
        self.store().heed(stop);
    }
}
