//! Lists against files, both ways: what `verify` looks at beside the plain files.

use std::collections::{BTreeMap, BTreeSet};

use super::current::Pointer;
use super::follow::inspect_logs;
use super::paths::{self, CURRENT};
use super::snapshot::{Entry, Snapshot};
use super::{commit, keep};
use crate::dataset::encode;
use crate::dataset::known::{Known, Standing};
use crate::dataset::layout::Layout;
use crate::error::{Kind, Result};
use crate::rows::tables::Table;
use crate::store::Version;
use crate::words::stop::Stop;

/// Something about a dataset's snapshots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, relative to the dataset: `lake/current.json`.
    pub path: String,
    /// What is wrong or worth knowing, such as `the file is missing`.
    pub what: String,
    /// Whether readers of the newest snapshot stumble over it, or would read what is wrong.
    pub is_damage: bool,
}

/// A look at the snapshots of a dataset.
struct Look<'a> {
    plain: &'a Layout,
    known: &'a Known,
    /// The plain files that were read already: what each was then, and its SHA-256.
    hashed: &'a BTreeMap<String, (Version, String)>,
    stop: &'a Stop,
    found: Vec<Finding>,
}

/// Looks at the snapshots of a dataset, if it has any: whether each record can be read, whether the files of the newest have the
/// bytes of their names and are known to the records, and those of the others are there, and what lies there that none lists.
/// `hashed`: the plain files that were read already, by path: what each was then, and its SHA-256.
///
/// # Errors
/// `Destination`; the signal's kind.
pub fn inspect(
    plain: &Layout,
    known: &Known,
    hashed: &BTreeMap<String, (Version, String)>,
    stop: &Stop,
) -> Result<Vec<Finding>> {
    let mut look = Look { plain, known, hashed, stop, found: Vec::new() };
    look.snapshots()?;
    Ok(look.found)
}

impl Look<'_> {
    fn add(&mut self, path: &str, what: impl Into<String>, is_damage: bool) {
        self.found.push(Finding { path: path.to_owned(), what: what.into(), is_damage });
    }

    fn snapshots(&mut self) -> Result<()> {
        // The pointer first: it never leads beyond the newest.
        let pointer = Pointer::read(self.plain);
        let numbers = commit::numbers(self.plain.store())?;
        let Some(last) = numbers.last() else { return self.ended() };
        let mut there = BTreeMap::new();
        for table in Table::ALL {
            there.extend(self.plain.store().list(&paths::whole(table.name()))?);
        }
        let (mut kept, mut newest) = (BTreeSet::new(), None);
        for number in &numbers {
            match commit::read(self.plain, *number) {
                Ok(Some(snapshot)) => {
                    self.files(&snapshot, &there, number == last)?;
                    kept.extend(snapshot.tables.values().flatten().map(Entry::place));
                    newest = Some(snapshot);
                }
                Ok(None) => {} // removed meanwhile
                Err(error) if error.kind() == Kind::Unreadable => {
                    self.add(&paths::snapshot(*number), error.to_string(), true);
                }
                Err(error) => return Err(error),
            }
        }
        let newest = newest.filter(|newest| newest.snapshot == *last);
        let is_current = pointer.as_ref().is_ok_and(|pointer| pointer.number() == *last);
        self.pointer(pointer, *last, newest.as_ref())?;
        if let Some(newest) = newest {
            match inspect_logs(self.plain, &newest, is_current) {
                Err(error) if error.kind() == Kind::Unreadable => {
                    self.add(&paths::snapshot(*last), error.to_string(), true);
                }
                looked => looked?,
            }
        }
        self.unlisted(&there, &kept)
    }

    /// What lies among the immutable files and is listed nowhere.
    fn unlisted(&mut self, there: &BTreeMap<String, Version>, kept: &BTreeSet<String>) -> Result<()> {
        for path in there.keys().filter(|path| path.ends_with(".parquet") && !path.contains("/_delta_log/")) {
            if paths::inner(path).is_none_or(|inner| paths::plain(self.plain.by(), inner).is_none()) {
                self.add(path, "not a file of rollbook's; nobody lists it, and no purge removes it", false);
            }
        }
        let unlisted = keep::unlisted(self.plain, kept)?.len();
        if unlisted > 0 {
            let what = format!(
                "{unlisted} immutable files that no snapshot lists; runs remove them a day after they were first seen so"
            );
            self.add(paths::FOLDER, what, false);
        }
        Ok(())
    }

    /// Files of snapshots that were turned off.
    fn ended(&mut self) -> Result<()> {
        if !keep::unlisted(self.plain, &BTreeSet::new())?.is_empty() {
            self.add(
                paths::FOLDER,
                "immutable files that no snapshot lists any more; the folder may be removed",
                false,
            );
        }
        Ok(())
    }

    fn pointer(&mut self, pointer: Result<Pointer>, last: u64, newest: Option<&Snapshot>) -> Result<()> {
        match pointer {
            Ok(pointer) if pointer.number() < last => {
                let what = format!(
                    "it is not at snapshot {last} yet: a run is under way, or was stopped; the next one finishes it"
                );
                self.add(CURRENT, what, false);
            }
            Ok(pointer) if pointer.number() > last => {
                self.add(CURRENT, "the record of the snapshot that it leads to is missing", true);
            }
            Ok(pointer) if newest.is_some_and(|newest| !pointer.leads_to(newest)) => {
                self.add(
                    CURRENT,
                    "it does not list what the newest snapshot lists; the next export puts that right",
                    true,
                );
            }
            Ok(_) => {}
            Err(error) if error.kind() == Kind::Unreadable => self.add(CURRENT, error.to_string(), true),
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Looks at the files of a snapshot; their bytes are read of the newest only.
    fn files(&mut self, snapshot: &Snapshot, there: &BTreeMap<String, Version>, is_newest: bool) -> Result<()> {
        for entry in snapshot.tables.values().flatten() {
            self.stop.check()?;
            let place = entry.place();
            let what = match there.get(&place) {
                None => Some("the file is missing".to_owned()),
                Some(found) if found.length() != entry.bytes => {
                    Some(format!("the file has {} bytes instead of {}", found.length(), entry.bytes))
                }
                Some(found) if is_newest => self.bytes(entry, found)?,
                Some(_) => None,
            };
            match what {
                Some(what) if is_newest => self.add(&place, what, true),
                Some(what) => {
                    let what = format!("snapshot {} can't be read: {what}", snapshot.snapshot);
                    self.add(&place, what, false);
                }
                None if is_newest => self.standing(entry),
                None => {}
            }
        }
        Ok(())
    }

    /// Whether the records of the dataset know a file of the newest snapshot.
    fn standing(&mut self, entry: &Entry) {
        let Some((plain, sha256)) = paths::plain(self.plain.by(), &entry.path) else { return };
        match self.known.standing(&plain, sha256) {
            Standing::Current(_) | Standing::Published(..) => {}
            Standing::Restored(older) => {
                let what =
                    format!("an older run's file (run {}): the next export takes it, and ends with 3", older.run_id);
                self.add(&entry.place(), what, false);
            }
            Standing::Unknown => {
                self.add(&entry.place(), "no record knows it: it was listed, and not by rollbook", true);
            }
        }
    }

    fn bytes(&self, entry: &Entry, found: &Version) -> Result<Option<String>> {
        let other = || Some("its bytes are not those of its name".to_owned());
        let plain = paths::plain(self.plain.by(), &entry.path).and_then(|(path, _)| self.hashed.get(&path));
        // Of one file by two names, the bytes are read once.
        if let Some((_, sha256)) = plain.filter(|(version, _)| version == found) {
            return Ok(if sha256 == entry.sha256() { None } else { other() });
        }
        let Some((file, _)) = self.plain.store().open(&entry.place())? else {
            return Ok(Some("the file is missing".to_owned()));
        };
        Ok(match encode::digest(&file, self.stop)? {
            Ok((_, sha256)) if sha256 == entry.sha256() => None,
            Ok(_) => other(),
            Err(error) => Some(format!("the file can't be read: {error}")),
        })
    }
}
