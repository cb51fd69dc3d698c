//! The commit: `lake/snapshots/<n>.json`, which is made only if it is not there. Whoever loses that looks at the dataset anew.

use std::sync::Arc;

use super::paths::{self, SNAPSHOTS};
use super::snapshot::{Made, Snapshot};
use super::{Held, Lake, WAY_OUT};
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::store::{Access, ROUNDS, Store, Swap, failed, raced, unless_raced};
use crate::words::clock::Clock;
use crate::words::timestamp;

/// Who makes a snapshot.
#[derive(Clone)]
pub struct Author {
    /// The run.
    pub run_id: String,
    /// What tells when a snapshot is made.
    pub clock: Clock,
}

/// The number of the newest snapshot; 0 where there is none.
pub(super) fn last(store: &dyn Store) -> Result<u64> {
    Ok(numbers(store)?.last().copied().unwrap_or_default())
}

/// The numbers of all snapshots that are there, in order.
pub(super) fn numbers(store: &dyn Store) -> Result<Vec<u64>> {
    let mut numbers: Vec<_> = store.list(SNAPSHOTS)?.iter().filter_map(|(path, _)| paths::number(path)).collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// The newest snapshot; `None` where there is none.
pub(super) fn newest(layout: &Layout) -> Result<Option<Snapshot>> {
    let attempt = || match last(layout.store())? {
        0 => Ok(Some(None)),
        // One that is gone by now was an old one.
        number => Ok(read(layout, number)?.map(Some)),
    };
    unless_raced(ROUNDS, || layout.store().place(SNAPSHOTS), attempt)
}

/// A snapshot; `None` where there is none of this number.
///
/// # Errors
/// `Unreadable` where it can't be understood; `Config` where the dataset is cut otherwise; `Destination`.
pub(super) fn read(layout: &Layout, number: u64) -> Result<Option<Snapshot>> {
    let path = paths::snapshot(number);
    let Some((text, _)) = layout.store().read(&path)? else { return Ok(None) };
    let read = Snapshot::read(&text).and_then(|snapshot| {
        if snapshot.snapshot == number { Ok(snapshot) } else { Err(format!("says that it is {}", snapshot.snapshot)) }
    });
    let unreadable = |why| {
        Error::new(Kind::Unreadable, format!("the record of a snapshot {why}: {}", layout.store().place(&path)))
            .hint(WAY_OUT)
    };
    let read = read.map_err(unreadable)?;
    if read.by() == Some(layout.by()) { Ok(Some(read)) } else { Err(layout.another_cut(&path)) }
}

impl Lake {
    /// Makes what was changed visible, all at once: the next snapshot. `erasures`: the number of the last purge, where this command
    /// has taken out of every file what it names. Returns the number of the new snapshot; `None` where nothing is other than before.
    ///
    /// # Errors
    /// `Raced` where another run has committed meanwhile: nothing is changed then, and the newest snapshot is read from now on;
    /// `Destination`.
    pub fn commit(&self, author: &Author, erasures: Option<u64>) -> Result<Option<u64>> {
        self.commit_as(author, erasures, Made::by(self.plain.method()))
    }

    /// The same of rows that were made so.
    pub(super) fn commit_as(&self, author: &Author, erasures: Option<u64>, made: Made) -> Result<Option<u64>> {
        let held = self.held().clone();
        let before = held.base.as_deref();
        let is_purged = before.is_some_and(|before| erasures.is_some_and(|erasures| erasures > before.erasures));
        if !held.is_changed() && !is_purged {
            self.held().pending.clear();
            return Ok(None);
        }
        let mut next = Snapshot::after(before, self.plain.by(), &held.all(), made);
        next.erasures = erasures.unwrap_or(next.erasures).max(next.erasures);
        next.delta = before.and_then(|before| before.delta.clone()).map_or(held.begins, |delta| Some(delta.next()));
        self.create(next, author).map(Some)
    }

    /// Writes the record of a snapshot. Returns its number.
    pub(super) fn create(&self, mut next: Snapshot, author: &Author) -> Result<u64> {
        let (path, number) = (paths::snapshot(next.snapshot), next.snapshot);
        next.run_id.clone_from(&author.run_id);
        next.created_at = timestamp::text(author.clock.micros());
        let text = next.text().map_err(|error| failed("cannot write the file", self.store().place(&path), error))?;
        let draft = self.store().draft(&path, text.as_bytes())?;
        // A file that was there already may have been old enough to be removed by somebody else.
        let is_whole = match self.refuse_missing(&next) {
            Err(error) if error.kind() != Kind::Unreadable => return Err(error),
            found => found.is_ok(),
        };
        let is_made =
            is_whole && self.store().swap(draft, None, Access::Usual)? != Swap::Lost && self.is_followed(&next)?;
        if !is_made {
            let newest = Held::of(newest(&self.plain)?, &self.plain);
            *self.held() = newest;
            return Err(raced(&self.store().place(&path)));
        }
        tracing::info!("the tables are those of snapshot {number} from now on");
        let files = next.files(self.plain.by());
        *self.held() = Held { base: Some(Arc::new(next)), files: Arc::new(files), is_whole: true, ..Held::default() };
        Ok(number)
    }

    /// Whether a snapshot that was just made is the newest, or what came after it rests on it. A run that had slept while its number
    /// was used and removed again would else make an old number once more, which nobody reads.
    fn is_followed(&self, made: &Snapshot) -> Result<bool> {
        let last = last(self.store())?;
        if last <= made.snapshot {
            return Ok(true);
        }
        let next = read(&self.plain, made.snapshot + 1)?;
        let is_followed = next.is_some_and(|next| next.after.as_ref() == Some(&made.run_id));
        if !is_followed {
            self.store().remove(&paths::snapshot(made.snapshot))?;
        }
        Ok(is_followed)
    }
}
