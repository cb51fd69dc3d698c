//! The kept records of a dataset, each once.

use std::collections::{BTreeMap, HashMap};

use super::trial::{self, Now};
use crate::dataset::layout::Layout;
use crate::dataset::rejects::{Kept, each_kept};
use crate::error::Result;
use crate::words::stop::Stop;

/// Bytes of raw text that are held at most; of records beyond, only the place is listed.
const TEXT: usize = 64 << 20;
/// Records that are listed at most; others are counted by their reason.
const LISTED: usize = 100_000;

/// A record, and what became of it.
#[derive(Debug, Clone)]
pub struct Record {
    /// As the last run that met it has kept it; without its text where there is no room for that.
    pub kept: Kept,
    /// How often it is kept: once a run at most.
    pub times: u64,
    /// What this version makes of it, where that was asked for and its text is whole.
    pub now: Option<Now>,
}

/// The kept records of a dataset, and what else stands in their files.
#[derive(Debug, Default)]
pub struct Found {
    /// In the order of the runs, the newest first, then of pages.
    pub records: Vec<Record>,
    /// How many there are for which reason, those included that are not listed.
    pub reasons: BTreeMap<String, u64>,
    /// Different records of which only a hash is left.
    pub hashed: u64,
    /// Files that hold something else, too, relative to the dataset.
    pub damaged: Vec<String>,
}

impl Found {
    /// How many different records are kept raw.
    pub fn total(&self) -> u64 {
        self.reasons.values().sum()
    }

    /// Reads them. `tries`: has each read once more by this version; `now` in microseconds.
    ///
    /// # Errors
    /// `Destination`; the signal's kind.
    pub fn read(layout: &Layout, now: i64, tries: bool, stop: &Stop) -> Result<Self> {
        let (mut found, mut room) = (Self::default(), TEXT);
        // Where each stands in the list, if it is listed; `None` for a record of which only hashes have been met.
        let mut places: HashMap<u128, Option<usize>> = HashMap::new();
        found.damaged = each_kept(layout, now, |kept| {
            stop.check()?;
            let Some(raw) = &kept.raw else {
                places.entry(kept.known_by).or_default();
                return Ok(());
            };
            if let Some(Some(at)) = places.get(&kept.known_by) {
                if let Some(record) = found.records.get_mut(*at) {
                    record.times += 1;
                }
                return Ok(());
            }
            places.insert(kept.known_by, Some(found.records.len().min(LISTED)));
            *found.reasons.entry(kept.reason.clone()).or_default() += 1;
            if found.records.len() < LISTED {
                let now = (tries && !kept.is_shape).then(|| trial::of(raw, &kept.reason)).flatten();
                let fits = raw.len() <= room;
                room -= if fits { raw.len() } else { 0 };
                let raw = kept.raw.clone().filter(|_| fits);
                found.records.push(Record { kept: Kept { raw, ..kept }, times: 1, now });
            }
            Ok(())
        })?;
        found.hashed = places.into_values().filter(Option::is_none).count() as u64;
        Ok(found)
    }
}
