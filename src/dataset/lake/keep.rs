//! How long snapshots are kept, and what nobody lists any more.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::snapshot::Snapshot;
use super::{Lake, commit, delta, paths};
use crate::dataset::layout::Layout;
use crate::error::Result;
use crate::rows::tables::Table;
use crate::store::{Access, ROUNDS, Swap, failed, unless_raced};
use crate::words::timestamp;

/// How long an immutable file that no snapshot lists stays after it was first seen so: a run may be about to list it.
const UNLISTED: Duration = Duration::from_hours(24);

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// How long a snapshot is kept after a newer one has taken its place.
    pub keep: Duration,
    /// The present, in microseconds since 1970, UTC.
    pub now: i64,
    /// Whether what no snapshot lists goes at once, since it may hold what was erased.
    pub purges: bool,
    /// Whether a lock or a lease keeps others out, so that nobody is about to list a file that no snapshot lists yet.
    pub alone: bool,
}

impl Lake {
    /// Removes snapshots that have ceased to be current for too long, and at once those that hold what the current one must not: what
    /// a purge, or a rule for what may be written down, has taken out since. Then files that no snapshot lists. What is only old and
    /// can't be removed is told, and a later run removes it.
    ///
    /// # Errors
    /// `Destination` where something can't be removed that must not stay.
    pub fn forget(&self, terms: &Terms) -> Result<()> {
        let all = self.all()?;
        let Some(current) = all.last().cloned() else {
            return if terms.purges && terms.alone { erase(&self.plain) } else { Ok(()) };
        };
        if commit::last(self.store())? != current.snapshot {
            return Ok(()); // what the newest lists is not known here
        }
        // It has ceased to be current when the one after it was made.
        let ended = all.iter().zip(all.iter().skip(1));
        let ended = ended.filter_map(|(it, next)| Some((it.snapshot, timestamp::parse(&next.created_at)?)));
        let ended: BTreeMap<_, _> = ended.collect();
        let is_old = |snapshot: &Snapshot| {
            ended.get(&snapshot.snapshot).is_some_and(|ended| since(*ended, terms.now) > terms.keep)
        };
        let holds_more = |snapshot: &Snapshot| {
            snapshot.erasures < current.erasures || snapshot.method.privacy != current.method.privacy
        };
        let (forbidden, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(holds_more);
        let (old, kept): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_old);
        let must_go = terms.purges || !forbidden.is_empty();
        // The files first: a kill leaves a list of what is not there, which the next run finishes; never a file that nobody knows of.
        let remove = || {
            self.sweep(&files(&kept), &files(&forbidden), terms)?;
            for snapshot in forbidden.iter().chain(&old) {
                self.store().remove(&paths::snapshot(snapshot.snapshot))?;
            }
            let begun = |snapshot: &Snapshot| snapshot.delta.as_ref().map(|delta| delta.began_by.clone());
            let oldest = kept.iter().find(|it| begun(it) == begun(&current)).and_then(|it| it.delta.as_ref());
            oldest.map_or(Ok(()), |oldest| delta::tidy(self.store(), oldest.version))
        };
        let removed = remove().and_then(|()| if terms.purges { erase_ended_logs(&self.plain) } else { Ok(()) });
        match removed {
            Err(error) if !must_go => {
                tracing::warn!("old snapshots stay, which a later run removes: {}", error.render());
                Ok(())
            }
            removed => removed,
        }
    }

    /// Removes files that no snapshot lists which is kept: those that were seen so a day ago, and those that may hold too much.
    /// Remembers when the others were seen first.
    fn sweep(&self, kept: &BTreeSet<String>, forbidden: &BTreeSet<String>, terms: &Terms) -> Result<()> {
        let unlisted = unlisted(&self.plain, kept)?;
        let all = terms.alone && (terms.purges || !forbidden.is_empty());
        let path = seen_path();
        let attempt = || {
            let found = self.store().read(&path)?;
            let before: BTreeMap<String, i64> =
                found.as_ref().and_then(|(text, _)| serde_json::from_slice(text).ok()).unwrap_or_default();
            let mut seen = BTreeMap::new();
            for file in &unlisted {
                let first = before.get(file).copied().unwrap_or(terms.now).min(terms.now);
                if all || forbidden.contains(file) || since(first, terms.now) >= UNLISTED {
                    self.store().remove(file)?;
                } else {
                    seen.insert(file.clone(), first);
                }
            }
            if seen == before {
                return Ok(Some(()));
            }
            if seen.is_empty() {
                return self.store().remove(&path).map(Some);
            }
            let text = serde_json::to_vec_pretty(&seen)
                .map_err(|error| failed("cannot write the file", self.store().place(&path), error))?;
            let draft = self.store().draft(&path, &text)?;
            let version = found.as_ref().map(|(_, version)| version);
            Ok((self.store().swap(draft, version, Access::Private)? != Swap::Lost).then_some(()))
        };
        unless_raced(ROUNDS, || self.store().place(&path), attempt)
    }
}

/// The files of some snapshots, from the dataset's folder.
fn files(snapshots: &[Snapshot]) -> BTreeSet<String> {
    snapshots.iter().flat_map(|it| it.tables.values().flatten()).map(super::Entry::place).collect()
}

/// Removes every immutable file of a dataset whose snapshots have ended: none of them is anybody's, and they may hold what was erased.
///
/// # Errors
/// `Destination`.
pub fn erase(layout: &Layout) -> Result<()> {
    unlisted(layout, &BTreeSet::new())?.iter().try_for_each(|path| layout.store().remove(path))?;
    erase_ended_logs(layout)
}

/// Removes Delta logs that were moved away: what somebody else has written to them may hold anything.
fn erase_ended_logs(layout: &Layout) -> Result<()> {
    let is_of_log =
        |path: &str| path.split('/').nth(3).is_some_and(|name| Table::ALL.iter().any(|table| table.name() == name));
    let ended = layout.store().list(paths::ENDED)?;
    ended.iter().filter(|(path, _)| is_of_log(path)).try_for_each(|(path, _)| layout.store().remove(path))
}

/// The immutable files that are not among these.
pub(super) fn unlisted(layout: &Layout, kept: &BTreeSet<String>) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for table in Table::ALL {
        let listed = layout.store().list(&paths::whole(table.name()))?;
        let is_file = |path: &str| paths::inner(path).is_some_and(|path| paths::plain(layout.by(), path).is_some());
        found.extend(listed.into_iter().map(|(path, _)| path).filter(|path| is_file(path) && !kept.contains(path)));
    }
    Ok(found)
}

/// Where it is written down when files were first seen that no snapshot lists, in microseconds since 1970.
fn seen_path() -> String {
    Layout::own("unlisted.json")
}

fn since(then: i64, now: i64) -> Duration {
    Duration::from_micros(u64::try_from(now.saturating_sub(then)).unwrap_or_default())
}
