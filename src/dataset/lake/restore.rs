//! An older snapshot brought back: its files become those of the next one.

use super::snapshot::{Entry, Snapshot};
use super::{Author, Lake, commit};
use crate::dataset::publishing;
use crate::error::{Error, Kind, Result};

impl Lake {
    /// All snapshots that are there and can be read, in order. Of another one it is told why it can't be.
    ///
    /// # Errors
    /// `Destination`.
    pub fn all(&self) -> Result<Vec<Snapshot>> {
        let mut all = Vec::new();
        for number in commit::numbers(self.store())? {
            match commit::read(&self.plain, number) {
                Err(error) if error.kind() == Kind::Unreadable => tracing::warn!("{}", error.render()),
                read => all.extend(read?),
            }
        }
        Ok(all)
    }

    /// Takes the files of an older snapshot for those of the next one, which [`Lake::commit`] makes.
    ///
    /// # Errors
    /// `Config` where there is no such snapshot, or where it may hold what must not come back; `Unreadable` where one of its files
    /// is damaged; the signal's kind.
    pub fn take_back_to(&self, number: u64) -> Result<Snapshot> {
        let Some(snapshot) = commit::read(&self.plain, number)? else {
            let what = format!("there is no snapshot {number}: {}", self.plain.place());
            return Err(Error::new(Kind::Config, what).hint("`rollbook snapshots` lists those that are there"));
        };
        if let Some(base) = self.base() {
            refuse_across(&snapshot, &base)?;
        }
        for entry in snapshot.tables.values().flatten() {
            self.refuse_damaged(entry)?;
        }
        let files = snapshot.files(self.plain.by());
        let mut held = self.held();
        let gone: Vec<_> = held.files.keys().filter(|plain| !files.contains_key(*plain)).cloned().collect();
        held.pending = files.into_iter().map(|(plain, entry)| (plain, Some(entry))).collect();
        held.pending.extend(gone.into_iter().map(|plain| (plain, None)));
        Ok(snapshot)
    }

    /// The files that the next snapshot has instead of others, as a run writes them down before it puts them in place.
    pub fn coming(&self) -> Vec<publishing::Entry> {
        let held = self.held();
        let changed = held.pending.iter().filter_map(|(plain, entry)| Some((plain, entry.as_ref()?)));
        let of = |(plain, entry): (&String, &Entry)| publishing::Entry {
            path: plain.clone(),
            rows: entry.rows,
            sha256: entry.sha256().to_owned(),
        };
        changed.filter(|(plain, entry)| held.files.get(*plain) != Some(entry)).map(of).collect()
    }

    /// Makes the snapshot that brings another one back.
    ///
    /// # Errors
    /// As [`Lake::commit`].
    pub fn commit_again(&self, author: &Author, taken: &Snapshot) -> Result<Option<u64>> {
        self.commit_as(author, None, taken.method.clone())
    }

    /// Refuses an immutable file that is missing or has other bytes than its name says.
    pub(super) fn refuse_damaged(&self, entry: &Entry) -> Result<()> {
        let place = entry.place();
        let Some((file, _)) = self.store().open(&place)? else { return Err(self.absent(entry, None)) };
        if self.is_whole(&file, entry)? { Ok(()) } else { Err(self.changed(&place)) }
    }
}

/// Refuses a snapshot from before a purge, or of rows that were made otherwise than the present ones.
fn refuse_across(snapshot: &Snapshot, base: &Snapshot) -> Result<()> {
    let what = if snapshot.erasures != base.erasures {
        "a purge has taken something out since"
    } else if snapshot.method.privacy != base.method.privacy {
        "`[privacy]` has changed since"
    } else if snapshot.method.people != base.method.people {
        "`[people]` has changed since"
    } else if snapshot.method.schema_version != base.method.schema_version {
        "the schema version has changed since"
    } else {
        return Ok(());
    };
    let what = format!("snapshot {} can't be brought back: {what}", snapshot.snapshot);
    Err(Error::new(Kind::Config, what).hint("`rollbook export --full` reads everything that the API still lists"))
}
