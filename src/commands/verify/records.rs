//! What the dataset's own records say: the state, what runs were publishing, and every receipt.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::repair::recovery;
use crate::dataset::known::Known;
use crate::dataset::layout::Layout;
use crate::dataset::publishing;
use crate::dataset::receipt::past;
use crate::dataset::state::{self, Found, State};
use crate::error::{Kind, Result};
use crate::rows::partition::Partition;
use crate::words::id;

/// So many partitions that were taken away are named.
const NAMED: usize = 10;

/// What the records say.
#[derive(Debug, Default)]
pub struct Records {
    known: Known,
    last_run: Option<String>,
    /// The last purge that is known of.
    erasures: u64,
    /// Hashes of the ids of sessions that are on their way from one partition to another.
    moving: BTreeSet<u128>,
    any: bool,
    /// Whether a receipt names a file, or may do so.
    names_files: bool,
}

impl Records {
    /// Reads them; one that can't be read is told.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, or cut otherwise; `Destination`.
    pub fn read(layout: &Layout, findings: &mut Findings) -> Result<Self> {
        let mut records = Self::default();
        // A run removes its record after it has stored the state. In this order one of the two is seen.
        let mut left = Vec::new();
        publishing::each(layout, |path, read| {
            match read {
                Ok(record) => left.push(record),
                Err(what) => findings.record(&path, &format!("the record of files that a run was publishing {what}")),
            }
            Ok(())
        })?;
        let mut files = None;
        let found = match State::look(layout) {
            // As a damaged one: it is there, and what it says can't be known.
            Err(error) if error.kind() == Kind::Unreadable => Found::Damaged(format!("can't be read: {error}")),
            found => found?,
        };
        match found {
            Found::Known(state) => {
                records.last_run = state.last_run().map(str::to_owned);
                records.erasures = state.erasures();
                records.moving = state.moving().keys().map(|id| id::hash(id)).collect();
                records.any = true;
                files = Some(state.into_files());
            }
            Found::Damaged(why) => {
                if !findings.is_blocked(&state::path()) {
                    findings.state(&format!("the state {why}"));
                }
                records.any = true;
            }
            Found::Nothing => {}
        }
        records.known = Known::of(files, left);
        past::each(layout, |path, stored| {
            records.any = true;
            // A run that was stopped before it published anything has made no dataset.
            records.names_files |= stored.as_ref().is_none_or(|stored| !stored.partitions.is_empty());
            let Some(stored) = stored else {
                return findings.notice(&path, "the receipt can't be read; what it named is not known");
            };
            records.erasures = records.erasures.max(stored.erasures);
            records.known.mention(stored);
        })?;
        if records.any && records.known.is_lost() && !findings.is_damaged(&state::path()) {
            findings.notice(&state::path(), "there is no state; the next export reads everything and writes it anew");
        }
        Ok(records)
    }

    /// Whether no file was ever recorded, as far as can be told.
    pub fn is_empty(&self, findings: &Findings) -> bool {
        self.known.is_lost() && !self.names_files && !findings.is_damaged(&state::path())
    }

    /// The id of the last run that published, as far as the records tell.
    pub fn last_run(&self) -> Option<&str> {
        self.last_run.as_deref()
    }

    /// The last purge that is known of; 0 for none.
    pub const fn erasures(&self) -> u64 {
        self.erasures
    }

    /// Hashes of the ids of sessions that may be in two partitions, until the next run has moved them.
    pub const fn moving(&self) -> &BTreeSet<u128> {
        &self.moving
    }

    /// Which bytes the records know, by the paths of files.
    pub const fn known(&self) -> &Known {
        &self.known
    }

    /// Tells which recorded files are gone with their whole partition: damage if the state names them, else the work of
    /// somebody who moved the partition away. `known`: the paths of the partitions that are there; `present`: the
    /// partition of this moment.
    pub fn gone(&self, layout: &Layout, present: Partition, known: &BTreeSet<String>, findings: &mut Findings) {
        let is_missing = |path: &&str| !known.contains(*path) && !findings.is_blocked(path);
        let named: Vec<_> = self.known.paths().filter(is_missing).collect();
        for path in named {
            findings.damage(layout.partition_of(path), path, "the file is missing");
        }
        let gone = |path: &&str| !known.contains(*path) && self.known.in_state(path).is_none();
        let partitions: BTreeSet<_> =
            self.known.mentioned().filter(gone).filter_map(|path| layout.partition_of(path)).collect();
        for partition in partitions.iter().take(NAMED) {
            let back = recovery(layout, &BTreeSet::from([*partition]), present).join(", ");
            let what = format!("taken away whole, though receipts name it; to have it back: {back}");
            findings.notice(&layout.folder(*partition), &what);
        }
        if partitions.len() > NAMED {
            let more = format!("{} more partitions that receipts name were taken away whole", partitions.len() - NAMED);
            findings.notice("_rollbook/runs", &more);
        }
    }
}
