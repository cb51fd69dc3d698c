//! What the dataset's own records say of its files: the state, and every receipt.

use std::collections::{BTreeMap, BTreeSet};

use super::file::Looked;
use super::findings::Findings;
use super::repair::recovery;
use crate::config::PartitionBy;
use crate::dataset::layout::Layout;
use crate::dataset::receipt;
use crate::dataset::state::{self, Found, State};
use crate::error::Result;
use crate::flatten::identity;

/// So many partitions that were taken away are named.
const NAMED: usize = 10;

/// What the records say.
#[derive(Debug, Default)]
pub struct Records {
    /// By path: rows and SHA-256.
    state: Option<BTreeMap<String, (u64, String)>>,
    /// By path and SHA-256: rows.
    receipts: BTreeMap<String, BTreeMap<String, u64>>,
    last_run: Option<String>,
    /// The last purge that is known of.
    erasures: u64,
    /// Hashes of the ids of sessions that are on their way from one partition to another.
    moving: BTreeSet<u128>,
    any: bool,
    /// Whether a receipt names a file, or may do so.
    names_files: bool,
}

/// What the records say of a file's bytes.
#[derive(Debug, Default)]
pub struct Known {
    /// They say what can't be.
    pub damage: Option<String>,
    /// They don't know them.
    pub notice: Option<String>,
}

impl Records {
    /// Reads them; one that can't be read is told.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, or cut otherwise; `Destination`.
    pub fn read(layout: &Layout, by: PartitionBy, findings: &mut Findings) -> Result<Self> {
        let mut records = Self::default();
        match State::look(layout, by)? {
            Found::Known(state) => {
                let files = state.files().map(|(path, rows, sha256)| (path.to_owned(), (rows, sha256.to_owned())));
                records.state = Some(files.collect());
                records.last_run = state.last_run().map(str::to_owned);
                records.erasures = state.erasures();
                records.moving = state.moving().keys().map(|id| identity(id)).collect();
                records.any = true;
            }
            Found::Damaged => {
                findings.state("the state can't be read");
                records.any = true;
            }
            Found::Nothing => {}
        }
        receipt::each(layout, |path, stored| {
            records.any = true;
            // A run that was stopped before it published anything has made no dataset.
            records.names_files |= stored.as_ref().is_none_or(|stored| !stored.partitions.is_empty());
            let Some(stored) = stored else {
                return findings.notice(&path, "the receipt can't be read; what it named is not known");
            };
            records.erasures = records.erasures.max(stored.erasures);
            for file in stored.partitions {
                records.receipts.entry(file.path).or_default().insert(file.sha256, file.rows);
            }
        })?;
        if records.any && records.state.is_none() && !findings.is_damaged(&state::path()) {
            findings.notice(&state::path(), "there is no state; the next export reads everything and writes it anew");
        }
        Ok(records)
    }

    /// Whether no file was ever recorded, as far as can be told.
    pub fn is_empty(&self, findings: &Findings) -> bool {
        self.state.is_none() && !self.names_files && !findings.is_damaged(&state::path())
    }

    /// The last run that published.
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

    /// Whether state or receipts name a file.
    pub fn names(&self, path: &str) -> bool {
        self.in_state(path).is_some() || self.receipts.contains_key(path)
    }

    fn in_state(&self, path: &str) -> Option<&(u64, String)> {
        self.state.as_ref().and_then(|files| files.get(path))
    }

    /// Holds a file against them. Its bytes are good if any record has their hash: with several writers, the state may
    /// name the files of another one.
    pub fn know(&self, path: &str, looked: &Looked) -> Known {
        let Some(sha256) = &looked.sha256 else { return Known::default() };
        let in_state = self.in_state(path);
        let by_state = in_state.filter(|(_, recorded)| recorded == sha256).map(|(rows, _)| *rows);
        let by_receipt = self.receipts.get(path).and_then(|files| files.get(sha256)).copied();
        let rows = by_state.into_iter().chain(by_receipt);
        let wrong = rows.into_iter().find(|rows| looked.rows.is_some_and(|found| found != *rows));
        let damage = wrong.map(|rows| format!("the file has other rows than were recorded with its bytes: {rows}"));
        let notice = match (by_state, by_receipt, in_state) {
            (Some(_), _, _) | (None, Some(_), None) => None,
            (None, Some(_), Some(_)) => Some("an earlier run's bytes, not those that the state records"),
            (None, None, _) => Some("its bytes are in no receipt: a run that was stopped may have published it"),
        };
        Known { damage, notice: notice.map(str::to_owned) }
    }

    /// Tells which recorded files are gone with their whole partition: damage if the state names them, else the work of
    /// somebody who moved the partition away. `known`: the paths of the partitions that are there.
    pub fn gone(&self, layout: &Layout, known: &BTreeSet<String>, findings: &mut Findings) {
        let named = self.state.iter().flatten().map(|(path, _)| path).filter(|path| !known.contains(*path));
        for path in named {
            findings.damage(layout.partition_of(path), path, "the file is missing");
        }
        let gone = |path: &&String| !known.contains(*path) && self.in_state(path).is_none();
        let partitions: BTreeSet<_> =
            self.receipts.keys().filter(gone).filter_map(|path| layout.partition_of(path)).collect();
        for partition in partitions.iter().take(NAMED) {
            let back = recovery(layout, &BTreeSet::from([*partition])).join(", ");
            let what = format!("taken away whole, though receipts name it; to have it back: {back}");
            findings.notice(&layout.folder(*partition), &what);
        }
        if partitions.len() > NAMED {
            let more = format!("{} more partitions that receipts name were taken away whole", partitions.len() - NAMED);
            findings.notice("_rollbook/runs", &more);
        }
    }
}
