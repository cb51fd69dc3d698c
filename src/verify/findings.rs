//! What a look at the dataset brings to light: damage, and what is only worth knowing.

use std::collections::BTreeSet;
use std::error::Error as _;

use crate::dataset::layout::Partition;
use crate::dataset::{erasures, state};
use crate::error::Error;

/// Sets bad files aside.
const REPAIR: &str = "rollbook verify --repair";

/// Something that readers would stumble over, or that the next run would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Relative to the dataset.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// One step to take.
    pub next: String,
    /// Whose partition's files are to be set aside; `None`: this file alone.
    pub partition: Option<Partition>,
    /// Whether the partition has a file whose bytes no record knows.
    pub is_unrecorded: bool,
}

/// Something that does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Relative to the dataset.
    pub path: String,
    /// What is worth knowing.
    pub what: String,
}

/// All of it.
#[derive(Debug, Default)]
pub struct Findings {
    damages: Vec<Damage>,
    notices: Vec<Notice>,
    /// Partitions with a file whose bytes no record knows.
    unrecorded: BTreeSet<Partition>,
}

impl Findings {
    /// Damage to a file of a partition, or to a file that no partition is known for.
    pub fn damage(&mut self, partition: Option<Partition>, path: &str, what: &str) {
        self.add(partition, path, what, REPAIR);
    }

    /// A file between the tables that is none of rollbook's.
    pub fn stray(&mut self, path: &str) {
        let what = "not a file of rollbook's, and readers take it for one";
        self.add(None, path, what, &format!("move it out of the dataset, or {REPAIR}"));
    }

    /// Damage to the state.
    pub fn state(&mut self, what: &str) {
        self.add(None, &state::path(), what, "rollbook export (it sets the state aside and reads the whole list)");
    }

    /// The list of erasures is lost.
    pub fn erasures(&mut self, error: &Error) {
        let next = "put the file back from the latest copy of the dataset; without it, purged data would return";
        self.add(None, &erasures::path(), &error.to_string(), next);
    }

    /// Something that does no harm.
    pub fn notice(&mut self, path: &str, what: &str) {
        self.notices.push(Notice { path: path.to_owned(), what: what.to_owned() });
    }

    /// A file that is sound, though no record knows its bytes.
    pub fn unrecorded(&mut self, partition: Partition, path: &str, what: &str) {
        self.unrecorded.insert(partition);
        self.notice(path, what);
    }

    /// Whether a file is damaged.
    pub fn is_damaged(&self, path: &str) -> bool {
        self.damages.iter().any(|damage| damage.path == path)
    }

    fn add(&mut self, partition: Option<Partition>, path: &str, what: &str, next: &str) {
        let [path, what, next] = [path, what, next].map(str::to_owned);
        self.damages.push(Damage { path, what, next, partition, is_unrecorded: false });
    }

    /// Damage by path, and notices. A run that was stopped between two swaps leaves tables that disagree; the next one
    /// mends them, without anything being set aside.
    pub fn close(mut self) -> (Vec<Damage>, Vec<Notice>) {
        for damage in &mut self.damages {
            if damage.partition.is_some_and(|partition| self.unrecorded.contains(&partition)) {
                damage.is_unrecorded = true;
                damage.next =
                    format!("rollbook export (a run may have been stopped here), then verify again; else {REPAIR}");
            }
        }
        self.damages.sort_by(|a, b| a.path.cmp(&b.path));
        (self.damages, self.notices)
    }
}

/// Why a file could not be read, in a line.
pub fn cause(error: &Error) -> String {
    match error.source() {
        Some(cause) => format!("the file can't be read to its end: {cause}"),
        None => error.to_string(),
    }
}
