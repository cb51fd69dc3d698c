//! What stands beside a snapshot and follows it: the plain files at their fixed names, the Delta logs, and the pointer that readers
//! ask. The pointer moves last, so it also says how far the plain files are.

use std::collections::{BTreeMap, BTreeSet};

use super::current::{Current, Pointer};
use super::paths::{self, CURRENT};
use super::snapshot::{Entry, Files, Snapshot};
use super::{Lake, WAY_OUT, commit, delta};
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{ROUNDS, Swap, Version, unless_raced};

/// A plain file that is to have the bytes of an immutable one.
struct Step<'a> {
    plain: &'a str,
    entry: &'a Entry,
    /// Whether its partition loses sessions, so that their own table is swapped last.
    is_losing: bool,
}

/// What becomes of the Delta logs where a snapshot is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Logs {
    /// They show it.
    Follow,
    /// They are about to be moved away, whoever has written to them.
    Leave,
}

impl Lake {
    /// Brings the plain files, the Delta logs and the pointer to the newest snapshot, also one whose run has died. Where they are
    /// there already, nothing is written.
    ///
    /// # Errors
    /// `Unreadable` where an immutable file is missing, or where somebody else has written to a Delta log; `Destination`.
    pub fn follow(&self) -> Result<()> {
        self.follow_from(None, Logs::Follow)
    }

    /// The same where the plain files are known to be those of a snapshot, or where the Delta logs are to be left as they are.
    pub(super) fn follow_from(&self, plain_is_at: Option<&Snapshot>, logs: Logs) -> Result<()> {
        let attempt = || {
            if self.is_current()? {
                return Ok(Some(()));
            }
            // Looked at in this order: what somebody swaps in for a newer snapshot is not taken back for an older one.
            let there = self.plain.versions()?;
            let pointer = Pointer::read(&self.plain)?;
            let Some(newest) = commit::newest(&self.plain)? else { return Ok(Some(())) };
            let before = commit::read(&self.plain, newest.snapshot.saturating_sub(1))?;
            let plain = plain_is_at.map(Current::to).or_else(|| pointer.current.clone());
            let has_followed = self.swap_plain(plain.as_ref(), before.as_ref(), &newest, &there)?
                && (logs == Logs::Leave || self.follow_by_logs(pointer.number(), &newest)?);
            if has_followed && pointer.move_to(&self.plain, &newest)? {
                tracing::debug!(snapshot = newest.snapshot, "current");
            }
            // Somebody may have committed meanwhile.
            Ok(None)
        };
        unless_raced(ROUNDS, || self.store().place(CURRENT), attempt)
    }

    /// Has the Delta logs show every snapshot from the one behind `shown` to the newest; false where somebody else has done so, and
    /// removed older ones since.
    fn follow_by_logs(&self, shown: u64, newest: &Snapshot) -> Result<bool> {
        // Where no pointer says how far they are, they are where the newest left them, or one behind.
        let first = if (1..newest.snapshot).contains(&shown) { shown + 1 } else { newest.snapshot };
        let mut before = commit::read(&self.plain, first.saturating_sub(1))?;
        for number in first..=newest.snapshot {
            let Some(next) = commit::read(&self.plain, number)? else { return Ok(false) };
            match (before.filter(|before| before.delta.is_some()), &next.delta) {
                (None, Some(delta)) if delta.version > 0 => return Ok(false),
                (before, Some(_)) => delta::follow(self.store(), before.as_ref(), &next)?,
                (Some(before), None) => delta::move_away(self.store(), &format!("{:08}", before.snapshot))?,
                (None, None) => {}
            }
            before = Some(next);
        }
        Ok(true)
    }

    /// Refuses Delta logs to which somebody else has written.
    ///
    /// # Errors
    /// `Unreadable`, with the log; `Destination`.
    pub fn refuse_foreign(&self) -> Result<()> {
        let Some(base) = self.base().filter(|base| base.delta.is_some()) else { return Ok(()) };
        inspect_logs(&self.plain, &base, self.is_current()?)
    }

    /// Whether all stands where the newest snapshot is.
    ///
    /// # Errors
    /// As [`Lake::follow`].
    pub fn is_current(&self) -> Result<bool> {
        // The pointer first: it never leads beyond the newest.
        let pointer = Pointer::read(&self.plain)?;
        let last = commit::last(self.store())?;
        if pointer.number() > last {
            return Err(self.lost(pointer.number()));
        }
        if pointer.number() < last {
            return Ok(false);
        }
        Ok(last == 0 || commit::read(&self.plain, last)?.is_some_and(|newest| pointer.leads_to(&newest)))
    }

    /// The error where the record of the current snapshot is not there.
    fn lost(&self, number: u64) -> Error {
        let place = self.store().place(&paths::snapshot(number));
        Error::new(Kind::Unreadable, format!("the record of the current snapshot is missing: {place}")).hint(WAY_OUT)
    }

    /// Brings the plain files from where they are to a snapshot, which comes after another one; false where somebody else is at it.
    fn swap_plain(
        &self,
        from: Option<&Current>,
        after: Option<&Snapshot>,
        to: &Snapshot,
        there: &BTreeMap<String, Version>,
    ) -> Result<bool> {
        let by = self.plain.by();
        let (earlier, files) = (after.map(|after| after.files(by)).unwrap_or_default(), to.files(by));
        let before: BTreeMap<_, _> = from.iter().flat_map(|from| from.plain(by)).collect();
        for Step { plain, entry, .. } in steps(&before, &earlier, &files) {
            if self.store().copy(&entry.place(), plain, there.get(plain))? == Swap::Lost {
                return Ok(false);
            }
            tracing::debug!(path = plain, "in place");
        }
        for plain in before.keys().filter(|plain| !files.contains_key(*plain)) {
            self.store().remove(plain)?;
        }
        Ok(true)
    }
}

/// Refuses logs that are not what rollbook has made them. `is_current`: the newest snapshot has been followed.
pub(super) fn inspect_logs(plain: &Layout, newest: &Snapshot, is_current: bool) -> Result<()> {
    let before = if is_current { None } else { commit::read(plain, newest.snapshot.saturating_sub(1))? };
    let before = before.filter(|before| before.delta.is_some());
    let begins = !is_current && newest.delta.as_ref().is_some_and(|delta| delta.version == 0);
    // Without the one before it, the logs can only be where it left them.
    if before.is_none() && !begins {
        return delta::inspect(plain.store(), Some(newest), None);
    }
    delta::inspect(plain.store(), before.as_ref(), Some(newest))
}

/// What is to be swapped, in an order in which no participant lacks its session, and no session that changes its partition is in
/// neither: first the partitions that get sessions, their own table first; then those that lose some, their own table last.
/// `before`: the SHA-256 of each plain file; `earlier`: the files of the snapshot before.
fn steps<'a>(before: &BTreeMap<String, &str>, earlier: &Files, files: &'a Files) -> Vec<Step<'a>> {
    let changed = || files.iter().filter(|(plain, entry)| before.get(*plain).copied() != Some(entry.sha256()));
    let partition = |plain: &str| plain.split_once('/').map(|(_, rest)| rest.to_owned());
    let loses = |(plain, entry): &(&String, &Entry)| {
        let is_fewer = || earlier.get(*plain).is_some_and(|earlier| entry.rows < earlier.rows);
        paths::table(plain) == Some(Table::Sessions) && is_fewer()
    };
    let losing: BTreeSet<_> = changed().filter(loses).map(|(plain, _)| partition(plain)).collect();
    let step =
        |(plain, entry): (&'a String, &'a Entry)| Step { plain, entry, is_losing: losing.contains(&partition(plain)) };
    let mut steps: Vec<_> = changed().map(step).collect();
    steps.sort_by_key(|Step { plain, is_losing, .. }| {
        let place = paths::table(plain).map_or(0, |table| table as usize);
        (*is_losing, partition(plain), if *is_losing { Table::ALL.len() - place } else { place })
    });
    steps
}
