//! What lies in the folder of a table's log, and whether that is what rollbook has written.
//!
//! Nobody else is to write there. The files of another writer's commit would be readers' and not the next snapshot's, and the
//! other way round. Checkpoints are not looked into: whoever makes one of rollbook's own commits says nothing new.

use std::collections::BTreeSet;

use super::super::paths;
use super::actions;
use super::checkpoint::Last;
use super::shown::Shown;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{Store, raced};

/// Digits of a version in a file's name.
const DIGITS: usize = 20;
/// The file that names the newest checkpoint.
const LAST: &str = "_last_checkpoint";

/// The folder of a table's log: `lake/sessions/_delta_log`.
pub fn folder(table: Table) -> String {
    paths::whole(&format!("{}/_delta_log", table.name()))
}

/// The path of a commit.
pub fn commit(table: Table, version: u64) -> String {
    format!("{}/{version:020}.json", folder(table))
}

/// The path of a checkpoint.
pub fn checkpoint(table: Table, version: u64) -> String {
    format!("{}/{version:020}.checkpoint.parquet", folder(table))
}

/// The path of the file that names the newest checkpoint.
pub fn last_checkpoint(table: Table) -> String {
    format!("{}/{LAST}", folder(table))
}

/// The version of the checkpoint that a reader begins at; `None` where no file, or one that can't be read, says so.
pub fn last_version(bytes: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Last>(bytes).ok().map(|last| last.version)
}

/// What lies in a log, by the names of its files.
#[derive(Debug, Default)]
pub struct Log {
    /// The versions of which the commit is there.
    pub commits: BTreeSet<u64>,
    /// The versions of which a checkpoint in one file is there.
    pub checkpoints: BTreeSet<u64>,
    /// The path of the file of the highest version, of whatever kind, and that version.
    highest: Option<(u64, String)>,
}

impl Log {
    /// The log of a table.
    ///
    /// # Errors
    /// `Destination`.
    pub fn read(store: &dyn Store, table: Table) -> Result<Self> {
        let mut log = Self::default();
        for (path, _) in store.list(&folder(table))? {
            let name = path.rsplit_once('/').map_or(path.as_str(), |(_, name)| name);
            let Some((version, kind)) = parsed(name) else { continue };
            match kind {
                "json" => log.commits.insert(version),
                "checkpoint.parquet" => log.checkpoints.insert(version),
                _ => false,
            };
            if log.highest.as_ref().is_none_or(|(highest, _)| *highest < version) {
                log.highest = Some((version, path));
            }
        }
        Ok(log)
    }

    /// Refuses a log that is not what these snapshots have made it. Says whether the commit of the second is there.
    ///
    /// # Errors
    /// `Unreadable` where another writer was there, or commits are missing; `Raced` where another run of rollbook has written
    /// more; `Destination`.
    pub fn hold(store: &dyn Store, table: Table, before: Option<&Shown>, after: Option<&Shown>) -> Result<bool> {
        let Some(newest) = after.or(before) else { return Ok(false) };
        let log = Self::read(store, table)?;
        if let Some((version, path)) = &log.highest
            && *version > newest.version()
        {
            return Err(beyond(store, newest, path)?);
        }
        let path = last_checkpoint(table);
        let last = store.read(&path)?.and_then(|(bytes, _)| last_version(&bytes));
        if last.is_some_and(|version| version > newest.version()) {
            return Err(beyond(store, newest, &path)?);
        }
        if let Some(before) = before {
            log.refuse_gaps(store, table, before.version())?;
            let path = commit(table, before.version());
            let is_ours = store.read(&path)?.is_some_and(|(bytes, _)| actions::is_of(&bytes, before));
            if !is_ours {
                return Err(foreign(&store.place(&path)));
            }
        }
        let Some(after) = after.filter(|after| log.commits.contains(&after.version())) else { return Ok(false) };
        refuse_another(store, table, before, after).map(|()| true)
    }

    /// Refuses a log in which a commit is missing that a reader of this version needs.
    fn refuse_gaps(&self, store: &dyn Store, table: Table, version: u64) -> Result<()> {
        let first = self.checkpoints.range(..=version).next_back().copied().unwrap_or(0);
        match (first..=version).find(|version| !self.commits.contains(version)) {
            None => Ok(()),
            Some(missing) => Err(vanished(&store.place(&commit(table, missing)))),
        }
    }
}

/// Refuses the commit of a snapshot that is there, if it is not the one that rollbook would write.
///
/// # Errors
/// `Unreadable`; `Raced` where the commit is gone again; `Destination`.
pub fn refuse_another(store: &dyn Store, table: Table, before: Option<&Shown>, after: &Shown) -> Result<()> {
    let path = commit(table, after.version());
    let Some((found, _)) = store.read(&path)? else { return Err(raced(&store.place(&path))) };
    let ours = actions::commit(table, before, after);
    // Another version of rollbook may have begun what this one finishes: only its name may differ.
    if actions::is_of(&found, after) && actions::change_the_same(&found, &ours) {
        return Ok(());
    }
    Err(foreign(&store.place(&path)))
}

/// The version that a file is of, and the kind of file: 7 and `json`.
fn parsed(name: &str) -> Option<(u64, &str)> {
    let (digits, kind) = name.split_once('.')?;
    let is_version = digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then(|| digits.parse().ok()).flatten().map(|version| (version, kind))
}

/// The error where the log knows more than the snapshots. A commit of rollbook's comes after the record of its snapshot.
fn beyond(store: &dyn Store, newest: &Shown, path: &str) -> Result<Error> {
    let next = paths::snapshot(newest.snapshot().snapshot + 1);
    let is_ours = store.open(&next)?.is_some();
    Ok(if is_ours { raced(&store.place(path)) } else { foreign(&store.place(path)) })
}

fn foreign(place: &str) -> Error {
    let what = format!(
        "something other than rollbook has written to the Delta log (OPTIMIZE, DELETE, VACUUM and the like): {place}"
    );
    Error::new(Kind::Unreadable, what).hint(REMEDY)
}

fn vanished(place: &str) -> Error {
    let what =
        format!("something other than rollbook has removed a commit of the Delta log that readers need: {place}");
    Error::new(Kind::Unreadable, what).hint(REMEDY)
}

const REMEDY: &str = "nothing was overwritten; restore the log as it was, or set `[snapshots] format = \"files\"`, export, and set it to \"delta\" \
                      again, which begins new logs";
