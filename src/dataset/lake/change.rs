//! How a dataset comes by its snapshots, and how they end: `[snapshots] format`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::commit::{self, Author};
use super::current::Pointer;
use super::delta;
use super::follow::Logs;
use super::paths::{self, CURRENT, ENDED};
use super::snapshot::{Delta, Entry, Files, Made, Snapshot};
use super::{Held, Lake};
use crate::config::Format;
use crate::dataset::encode;
use crate::dataset::layout::Layout;
use crate::dataset::published::{damaged, method, open};
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{Version, failed, raced};
use crate::words::stop::Stop;
use crate::words::timestamp;

/// What a command that writes wants of the snapshots.
#[derive(Clone)]
pub struct Wish {
    /// The format that is set; `None` for the one that the dataset has.
    pub format: Option<Format>,
    /// Who makes a snapshot, where one is to be made.
    pub author: Author,
    /// The number of the last purge that the dataset is clean of.
    pub purged: u64,
    /// The number of the last purge that was asked for.
    pub asked: u64,
}

impl Wish {
    /// Brings a dataset to the format that is set, and what stands beside its snapshots to the newest of them. `lake`: as it was
    /// found. Returns the snapshots that are in force from now on.
    ///
    /// # Errors
    /// `Unreadable`, `Raced`, `Destination`; as [`Lake::follow`].
    pub fn bring(&self, plain: &Layout, lake: Option<Arc<Lake>>, stop: &Stop) -> Result<Option<Arc<Lake>>> {
        match (lake, self.format) {
            (None, None | Some(Format::None)) => {
                // A run that was turning them off has died.
                if plain.store().open(CURRENT)?.is_some() {
                    end(plain)?;
                }
                Ok(None)
            }
            (None, Some(format)) => {
                end(plain)?;
                self.take_over(plain, stop, format).map(Some)
            }
            (Some(lake), format) => {
                self.refuse_unpurged(&lake)?;
                let ends_logs = matches!(format, Some(Format::None | Format::Files));
                lake.follow_from(None, if ends_logs { Logs::Leave } else { Logs::Follow })?;
                if !ends_logs {
                    lake.refuse_foreign()?;
                }
                match format {
                    Some(Format::None) => {
                        end(plain)?;
                        let place = plain.store().place(paths::FOLDER);
                        tracing::warn!(
                            "snapshots are turned off; the plain files stay, and this folder may be removed: {place}"
                        );
                        Ok(None)
                    }
                    Some(Format::Files) => self.turn(&lake, false).map(|()| Some(lake)),
                    Some(Format::Delta) => self.turn(&lake, true).map(|()| Some(lake)),
                    None => Ok(Some(lake)),
                }
            }
        }
    }

    /// What a dead run has committed while a purge was asked for must not become visible.
    fn refuse_unpurged(&self, lake: &Lake) -> Result<()> {
        let erasures = lake.base().map_or(0, |base| base.erasures);
        if erasures >= self.asked || lake.is_current()? {
            return Ok(());
        }
        let what = format!("a stopped run has committed a snapshot from before the last purge: {}", lake.plain.place());
        Err(Error::new(Kind::Destination, what).hint("run the same purge once more, then this command"))
    }

    /// The first snapshot, of the plain files that are there. A dataset without files gets its first one with them.
    fn take_over(&self, plain: &Layout, stop: &Stop, format: Format) -> Result<Arc<Lake>> {
        let lake = Arc::new(Lake::showing(plain, stop, None));
        let (mut files, mut made) = (Files::new(), Made::by(plain.method()));
        let there = plain.versions()?;
        for path in there.keys().filter(|path| plain.partition_of(path).is_some()) {
            stop.check()?;
            let Some((file, _)) = plain.store().open(path)? else { return Err(raced(&plain.store().place(path))) };
            let place = plain.store().place(path);
            let unreadable = |error| damaged(&place, error);
            let (_, sha256) = encode::digest(&file, stop)?.map_err(|error| damaged(&place, error))?;
            let entry = Entry::of(path, &sha256, &file).map_err(unreadable)?;
            // Rows that were made otherwise can't come back by a restore.
            let table = paths::table(path).unwrap_or(Table::Sessions);
            let bytes = file.try_clone().map_err(|error| failed("cannot read the file", &place, error))?;
            let by = open(file).map_err(unreadable)?;
            let by = method(&by, table).map_err(|what| Error::new(Kind::Unreadable, format!("{what}: {place}")))?;
            if by != **plain.method() {
                made = Made::by(&by);
            }
            lake.place_file(&entry, bytes, |to| plain.store().copy(path, to, None))?;
            files.insert(path.clone(), entry);
        }
        lake.begin_with(&files, made, &there, self, format)?;
        Ok(lake)
    }

    /// Begins or ends the Delta logs beside the snapshots.
    fn turn(&self, lake: &Arc<Lake>, to_delta: bool) -> Result<()> {
        let Some(base) = lake.base().filter(|base| base.delta.is_some() != to_delta) else { return Ok(()) };
        let mut next = Snapshot::after(Some(&base), lake.plain.by(), &lake.held().all(), base.method.clone());
        next.delta = to_delta.then(|| self.begun());
        lake.create(next, &self.author)?;
        lake.follow()
    }

    fn begun(&self) -> Delta {
        Delta {
            version: 0,
            began_at: timestamp::text(self.author.clock.micros()),
            began_by: self.author.run_id.clone(),
        }
    }
}

impl Lake {
    fn begin_with(
        &self,
        files: &Files,
        made: Made,
        there: &BTreeMap<String, Version>,
        wish: &Wish,
        format: Format,
    ) -> Result<()> {
        let delta = (format == Format::Delta).then(|| wish.begun());
        let last = last_ended(&self.plain)?;
        let mut first = Snapshot::after(None, self.plain.by(), files, made);
        (first.snapshot, first.erasures, first.delta) = (last + 1, wish.purged, delta.clone());
        if files.is_empty() {
            // There is nothing to be shown yet; the first commit rests on this, which nobody else sees.
            (first.snapshot, first.delta) = (last, None);
            *self.held() = Held { begins: delta, ..Held::of(Some(first), &self.plain) };
            return Ok(());
        }
        self.create(first.clone(), &wish.author)?;
        if self.plain.versions()? != *there {
            // A run that knows nothing of snapshots yet has published meanwhile.
            self.store().remove(&paths::snapshot(first.snapshot))?;
            return Err(raced(&self.plain.place()));
        }
        self.follow_from(Some(&first), Logs::Follow)
    }
}

/// Ends the snapshots of a dataset, or finishes that: the plain files stay, and so do the immutable ones, which nobody lists any more.
/// The records are moved away, the pointer goes, and so do the logs, so that readers of snapshots fail and don't read on what stands
/// still.
///
/// # Errors
/// `Destination`.
pub fn end(plain: &Layout) -> Result<()> {
    let store = plain.store();
    let numbers = commit::numbers(store)?;
    // A pointer that can't be read leads nowhere.
    let pointer = Pointer::read(plain).map_or(0, |pointer| pointer.number());
    let last = numbers.last().copied().unwrap_or_default().max(pointer).max(last_ended(plain)?);
    // The newest last: as long as one is there, the snapshots are in force, and all that belongs to them is there.
    for number in &numbers {
        let path = paths::snapshot(*number);
        let name = path.rsplit('/').next().unwrap_or(&path);
        store.set_aside(&path, &format!("{ENDED}/{last:08}/{name}"))?;
    }
    store.remove(CURRENT)?;
    delta::move_away(store, &format!("{last:08}"))
}

/// The number of the last snapshot of a dataset whose snapshots have ended; 0 where there were none.
fn last_ended(layout: &Layout) -> Result<u64> {
    let listed = layout.store().list(ENDED)?;
    let number = |(path, _): &(String, _)| path.strip_prefix(ENDED)?.split('/').nth(1)?.parse().ok();
    Ok(listed.iter().filter_map(number).max().unwrap_or_default())
}
