//! What a look at the dataset brings to light: damage, and what is only worth knowing.

use std::collections::BTreeSet;
use std::error::Error as _;

use crate::dataset::forms::PART;
use crate::dataset::known::Older;
use crate::dataset::layout::Layout;
use crate::dataset::{erasures, state};
use crate::error::Error;
use crate::rows::partition::Partition;
use crate::store::files::Obstacle;

/// The next step where files can be set aside.
const REPAIR: &str = "rollbook verify --repair";

/// Something that readers would stumble over, or that the next run would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The file or folder, relative to the dataset: `sessions/start_month=2026-11/part-0.parquet`.
    pub path: String,
    /// What is wrong, such as `the file is missing`.
    pub what: String,
    /// One step to take.
    pub next: String,
    /// Whose partition's files are to be set aside; `None`: this file alone.
    pub partition: Option<Partition>,
    /// Whether the partition has a file that a run was publishing, and no state names.
    pub is_under_way: bool,
    /// Whether nothing else is wrong with the file than that no record knows its bytes.
    pub is_unknown: bool,
    /// Whether it is in the way of a file or a folder.
    pub is_obstacle: bool,
}

/// Something that does no harm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The file or folder, relative to the dataset.
    pub path: String,
    /// What is worth knowing.
    pub what: String,
}

/// All damage and all notices of one look at a dataset.
#[derive(Debug, Default)]
pub struct Findings {
    damages: Vec<Damage>,
    notices: Vec<Notice>,
    /// Partitions with a file that a run was publishing, and no state names.
    under_way: BTreeSet<Partition>,
}

impl Findings {
    /// Damage to a file of a partition, or to a file that no partition is known for.
    pub fn damage(&mut self, partition: Option<Partition>, path: &str, what: &str) {
        self.add(partition, path, what, REPAIR);
    }

    /// Something that is in the way of a file or a folder. What runs lock can't be set aside by a run.
    pub fn obstacle(&mut self, layout: &Layout, path: &str, obstacle: &Obstacle) {
        if path == erasures::path() {
            return; // told of as a list that is lost
        }
        let own = ["_rollbook", "_rollbook/lock", "_rollbook/swap"];
        let next = if own.contains(&path) { "look who has put it there and move it away" } else { REPAIR };
        let what = format!("{} is where none may be", obstacle.what);
        let within = || layout.partition_of(&format!("{path}/{PART}"));
        self.add(layout.partition_of(path).or_else(within), path, &what, next);
        if let Some(damage) = self.damages.last_mut() {
            damage.is_obstacle = true;
        }
    }

    /// Whether an obstacle is where a file should be, or its partition: that the file is missing is then no news.
    pub fn is_blocked(&self, path: &str) -> bool {
        let is_at = |damage: &Damage| {
            let rest = path.strip_prefix(&damage.path);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') && damage.partition.is_some())
        };
        self.damages.iter().any(|damage| damage.is_obstacle && is_at(damage))
    }

    /// A file between the tables that is none of rollbook's.
    pub fn stray(&mut self, path: &str) {
        let what = "not a file of rollbook's, and readers take it for one";
        self.add(None, path, what, &format!("move it out of the dataset, or {REPAIR}"));
    }

    /// Damage to the state, which an export sets aside.
    pub fn state(&mut self, what: &str) {
        self.add(None, &state::path(), what, "rollbook export (it sets the state aside and reads the whole list)");
    }

    /// The list of erasures is lost.
    pub fn erasures(&mut self, error: &Error) {
        let next = "put the file back from the latest copy of the dataset; without it, purged data would return";
        self.add(None, &erasures::path(), &error.to_string(), next);
    }

    /// A record that can't be understood: runs don't go on over it.
    pub fn record(&mut self, path: &str, what: &str) {
        self.add(None, path, what, REPAIR);
    }

    /// A file of rejects that holds something else.
    pub fn rejects(&mut self, path: &str) {
        self.add(None, path, "it holds what is no record of a run, and runs pass over it", REPAIR);
    }

    /// A file whose bytes no record knows.
    pub fn unknown(&mut self, partition: Partition, path: &str) {
        let what = "no record knows its bytes: they were changed, and not by rollbook";
        let next = format!("{REPAIR}; or, if that was on purpose, rollbook verify --accept {path}");
        self.add(Some(partition), path, what, &next);
        if let Some(damage) = self.damages.last_mut() {
            damage.is_unknown = true;
        }
    }

    /// A plain file that is not that of the newest snapshot, though that one is sound.
    pub fn not_listed(&mut self, path: &str) {
        let what = "the plain file is not that of the newest snapshot";
        self.add(None, path, what, "rollbook export (it puts the file of the snapshot back)");
    }

    /// A file with the bytes of an older run. `erasures`: the last purge, which such a file may be from before.
    pub fn restored(&mut self, path: &str, older: &Older, erasures: u64) {
        let purged =
            if older.erasures < erasures { "; it is from before a purge: run the same purge again" } else { "" };
        let what = format!(
            "an older run's file, put back (run {}): the next export takes it, ends with 3, and the one after it reads the \
             whole list{purged}",
            older.run_id
        );
        self.notice(path, &what);
    }

    /// Something that does no harm.
    pub fn notice(&mut self, path: &str, what: &str) {
        self.notices.push(Notice { path: path.to_owned(), what: what.to_owned() });
    }

    /// A file that a run was publishing, and no state names.
    pub fn under_way(&mut self, partition: Partition, path: &str, record: &str) {
        self.under_way.insert(partition);
        self.notice(path, &format!("put in place by a run that was stopped, or is under way: {record}"));
    }

    /// Whether damage was found at this path.
    pub fn is_damaged(&self, path: &str) -> bool {
        self.damages.iter().any(|damage| damage.path == path)
    }

    fn add(&mut self, partition: Option<Partition>, path: &str, what: &str, next: &str) {
        let [path, what, next] = [path, what, next].map(str::to_owned);
        self.damages.push(Damage {
            path,
            what,
            next,
            partition,
            is_under_way: false,
            is_unknown: false,
            is_obstacle: false,
        });
    }

    /// Damage by path, and notices. A run that was stopped between two swaps leaves tables that disagree; the next one
    /// mends them, without anything being set aside.
    pub fn close(mut self) -> (Vec<Damage>, Vec<Notice>) {
        for damage in &mut self.damages {
            let is_under_way = damage.partition.is_some_and(|partition| self.under_way.contains(&partition));
            if is_under_way && !damage.is_unknown {
                damage.is_under_way = true;
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
