//! The Delta logs, one for each table: `lake/<table>/_delta_log`. They show the snapshots to readers of Delta tables.
//!
//! The logs follow the records of the snapshots, and are never read to learn what a table is. A commit is a pure function of two
//! snapshots, so that a later run writes what a killed one has not. A log that another writer was at is refused, not overwritten.

mod actions;
mod checkpoint;
mod log;
mod schema;
mod shown;
mod stats;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::dataset::lake::paths::ENDED;
use crate::dataset::lake::snapshot::Snapshot;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{Access, ROUNDS, Store, Swap, unless_raced};
use log::Log;
use shown::Shown;

/// Makes the logs show a snapshot. `before`: the one that they show now, or whose next is `after`; `None` where they begin. Does
/// nothing for a snapshot that no log is to show.
///
/// # Errors
/// `Unreadable` where something else than rollbook has written to a log: nothing is written then. `Raced` where another run has
/// gone further; `Destination`.
pub fn follow(store: &dyn Store, before: Option<&Snapshot>, after: &Snapshot) -> Result<()> {
    let Some((before, after)) = steps(before, Some(after))? else { return Ok(()) };
    let (before, Some(after)) = (before.as_ref(), after) else { return Ok(()) };
    // All three are looked at before one is written to.
    let mut missing = Vec::new();
    for table in Table::ALL {
        if !Log::hold(store, table, before, Some(&after))? {
            missing.push(table);
        }
    }
    for table in missing {
        append(store, table, before, &after)?;
    }
    if checkpoint::is_due(after.version()) {
        for table in Table::ALL {
            keep(store, table, &after)?;
        }
    }
    Ok(())
}

/// Refuses logs that are not what rollbook has made them; writes nothing. `shown`: the snapshot that they show, all three;
/// `next`: one that a killed run may have begun to show.
///
/// # Errors
/// As [`follow`].
pub fn inspect(store: &dyn Store, shown: Option<&Snapshot>, next: Option<&Snapshot>) -> Result<()> {
    let Some((shown, next)) = steps(shown, next)? else { return Ok(()) };
    for table in Table::ALL {
        Log::hold(store, table, shown.as_ref(), next.as_ref())?;
    }
    Ok(())
}

/// Moves every file of the logs to `lake/ended/<to>/<table>/`, so that nobody takes them for current. Where it is killed, readers
/// find the newest version or none, and another call moves the rest.
///
/// # Errors
/// `Raced` where a file is at one of these places already; `Destination`.
pub fn move_away(store: &dyn Store, to: &str) -> Result<()> {
    for table in Table::ALL {
        let folder = log::folder(table);
        let mut paths: Vec<_> = store.list(&folder)?.into_iter().map(|(path, _)| path).collect();
        // Without the newest commit, a reader would take an older version for the table: the oldest go first, and before them
        // what readers could begin at.
        paths.sort_by_key(|path| (path != &log::last_checkpoint(table), !path.contains(".checkpoint.")));
        for path in paths {
            let below = path.strip_prefix(&folder).unwrap_or(&path);
            store.set_aside(&path, &format!("{ENDED}/{to}/{}{below}", table.name()))?;
        }
    }
    Ok(())
}

/// Removes the commits and checkpoints that no reader of a version from `oldest_kept` on needs: those before the last checkpoint
/// at or below it, which readers begin at from then on.
///
/// # Errors
/// `Destination`; `Raced` where other runs keep writing.
pub fn tidy(store: &dyn Store, oldest_kept: u64) -> Result<()> {
    for table in Table::ALL {
        let log = Log::read(store, table)?;
        let ours = |version: &&u64| checkpoint::is_due(**version);
        let Some(first) = log.checkpoints.range(..=oldest_kept).rev().find(ours) else { continue };
        let is_first = |versions: &BTreeSet<u64>| versions.range(..first).next().is_none();
        if is_first(&log.commits) && is_first(&log.checkpoints) {
            continue;
        }
        if !point(store, table, *first)? {
            continue;
        }
        // The oldest first: what is left by a run that is killed here has no gap behind its beginning.
        for version in log.commits.range(..first) {
            store.remove(&log::commit(table, *version))?;
        }
        for version in log.checkpoints.range(..first) {
            store.remove(&log::checkpoint(table, *version))?;
        }
    }
    Ok(())
}

/// Has readers begin at a checkpoint, or at a later one where they do so already; false where it is none of rollbook's.
///
/// Not at the newest: Sail reads no version before the one that is named, and every reader goes on to the newest from there.
fn point(store: &dyn Store, table: Table, version: u64) -> Result<bool> {
    let checkpoint = store.read(&log::checkpoint(table, version))?;
    let last = checkpoint.and_then(|(bytes, _)| checkpoint::Last::of(version, &bytes.into()));
    let Some(last) = last else { return Ok(false) };
    let path = log::last_checkpoint(table);
    let attempt = || {
        let (found, expected) = store.read(&path)?.unzip();
        if found.and_then(|found| log::last_version(&found)).is_some_and(|found| found >= version) {
            return Ok(Some(())); // never back
        }
        let draft = store.draft(&path, last.text().as_bytes())?;
        let swap = store.swap(draft, expected.as_ref(), Access::Usual)?;
        Ok(matches!(swap, Swap::Done(_)).then_some(()))
    };
    unless_raced(ROUNDS, || store.place(&path), attempt)?;
    Ok(true)
}

/// A snapshot that the logs show, and the one that comes after it.
type Steps<'a> = (Option<Shown<'a>>, Option<Shown<'a>>);

/// Both as the logs show them; `None` where neither is in a log. The first is none of the second's logs where these begin anew.
fn steps<'a>(before: Option<&'a Snapshot>, after: Option<&'a Snapshot>) -> Result<Option<Steps<'a>>> {
    let of = |snapshot: Option<&'a Snapshot>| snapshot.map(Shown::of).transpose().map(Option::flatten);
    let (before, after) = (of(before)?, of(after)?);
    let Some(next) = &after else { return Ok(before.is_some().then_some((before, None))) };
    let before = before.filter(|before| before.is_of_the_logs_of(next));
    let expected = before.as_ref().map_or(0, |before| before.version() + 1);
    if next.version() != expected {
        let what = format!("a snapshot is at version {} of the Delta logs, not at {expected}", next.version());
        return Err(Error::new(Kind::Unexpected, what));
    }
    Ok(Some((before, after)))
}

/// Writes the commit of a snapshot, if nobody else has.
fn append(store: &dyn Store, table: Table, before: Option<&Shown>, after: &Shown) -> Result<()> {
    let path = log::commit(table, after.version());
    let draft = store.draft(&path, &actions::commit(table, before, after))?;
    match store.swap(draft, None, Access::Usual)? {
        Swap::Done(_) => Ok(()),
        Swap::Lost => log::refuse_another(store, table, before, after),
    }
}

/// Writes the checkpoint of a snapshot, if it is not there.
fn keep(store: &dyn Store, table: Table, shown: &Shown) -> Result<()> {
    let path = log::checkpoint(table, shown.version());
    if store.open(&path)?.is_some() {
        return Ok(()); // of the same commits
    }
    let bytes = checkpoint::bytes(table, shown);
    let bytes = bytes
        .map_err(|error| Error::new(Kind::Unexpected, "cannot make a checkpoint of a Delta log").because(error))?;
    let draft = store.draft(&path, &bytes)?;
    store.swap(draft, None, Access::Usual).map(drop)
}
