//! The records of a split, as they are written down.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Left, is_run};
use crate::dataset::gone::Gone;
use crate::dataset::identity::{Moving, Resolution};
use crate::dataset::known::Older;
use crate::dataset::receipt::walked::Walk;
use crate::dataset::receipt::{Rejects, Rows};
use crate::dataset::state::{Covered, State};
use crate::rows::partition::Partition;
use crate::walk::{Evidence, Survey};

/// Who reads what.
pub const PLAN: &str = "plan.json";
/// What is shown, who wins, and who publishes what.
pub const JOIN: &str = "join.json";
/// How the split ended.
pub const FINISH: &str = "finish.json";

/// More tasks than any cluster needs: the ceiling is what the API answers.
pub const MOST_TASKS: u64 = 256;
/// Version of the records' own form.
pub const FORM: u32 = 1;

/// A record of a split's own run.
pub trait Record: DeserializeOwned {
    /// The form of the record, and the run that it is of.
    fn of(&self) -> (u32, &str);
}

macro_rules! records {
    ($($record:ty),*) => {
        $(impl Record for $record {
            fn of(&self) -> (u32, &str) {
                (self.form, &self.run_id)
            }
        })*
    };
}

records!(Planned, FetchDone, PublishDone, TaskFailed, Joined, Finished);

/// How much of what the API allows a task may use.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Requests that go out in a second at most; 0 sets no limit.
    pub requests_per_second: f64,
}

/// `plan.json`: no secret, no pattern and no name is in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is.
    pub run_id: String,
    /// When it was planned, in microseconds since 1970, UTC: no answer is older.
    pub planned_at: i64,
    /// The dataset.
    pub dataset: String,
    /// Sums of the settings by which rows are made, each by its name for people: all machines must have the same.
    pub settings: BTreeMap<String, String>,
    /// The last run that had published.
    pub last_run: Option<String>,
    /// The number of the last purge.
    pub erasures: u64,
    /// The format of the snapshots that the dataset has, or gets.
    pub snapshots: Option<String>,
    /// Records of runs that had died while they published, by their paths in the dataset.
    pub earlier: BTreeSet<String>,
    /// How the list is cut.
    pub survey: Survey,
    /// For each fetch task, where its part of the list begins, and the position that it must reach.
    pub parts: Vec<(u64, u64)>,
    /// Sessions that started earlier get no rows, in microseconds.
    pub floor: Option<i64>,
    /// What each fetch task may use.
    pub share: Share,
    /// Requests that planning took.
    pub sent: u64,
}

impl Planned {
    /// Whether it is one that was written: another machine, or a person, may have changed it.
    pub fn is_possible(&self) -> bool {
        let Self { run_id, survey, parts, share, .. } = self;
        let is_part = |(from, to): &(u64, u64)| from < to && to >> 48 == 0;
        let is_share = (1..=256).contains(&share.concurrency) && (0.0..=10_000.0).contains(&share.requests_per_second);
        is_run(run_id)
            && survey.is_possible()
            && parts.len() as u64 <= MOST_TASKS
            && parts.iter().all(is_part)
            && is_share
    }
}

/// What reading has shown that only the receipt wants to know.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Rows read.
    pub rows: Rows,
    /// Requests for the list.
    pub requests: u64,
    /// Requests that went out, each attempt counted.
    pub sent: u64,
    /// How many of them were further attempts.
    pub retries: u64,
    /// Fields unknown to this version.
    pub unknown_fields: BTreeMap<String, u64>,
    /// How often fields were read of names beyond those that are told apart.
    pub more_unknown_fields: u64,
}

/// `fetch/<task>.done`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchDone {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is.
    pub run_id: String,
    /// The task.
    pub task: u64,
    /// The attempt that counts.
    pub attempt: String,
    /// What it has left.
    pub left: Left,
    /// What it has read.
    pub counted: Counted,
}

/// `fetch/<task>.failed`, `publish/<task>.failed`: trying again is in vain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailed {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is.
    pub run_id: String,
    /// The task.
    pub task: u64,
    /// The exit code of the attempt.
    pub exit_code: u8,
    /// Why, for people.
    pub message: String,
}

/// `join.json`
#[derive(Debug, Serialize, Deserialize)]
pub struct Joined {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is.
    pub run_id: String,
    /// The attempt that counts.
    pub attempt: String,
    /// How strongly it can be shown that nothing is missed.
    pub evidence: Evidence,
    /// Its ground, or what speaks against it.
    pub reasons: Vec<String>,
    /// Sessions that were asked for by id and not answered.
    pub unanswered: u64,
    /// The partitions that each publish task makes.
    pub tasks: Vec<BTreeSet<Partition>>,
    /// Whose rows there are: what the tasks have left, in their order, and what the join has read itself.
    pub left: Vec<Left>,
    /// Which version of each session wins.
    pub resolution: Resolution,
    /// The marks of the dataset's files as they were found, by path.
    pub found: BTreeMap<String, String>,
    /// The snapshot that they are of, where the dataset has snapshots.
    pub snapshot: Option<u64>,
    /// Sessions that change their partition, and the one that they leave.
    pub moving: Moving,
    /// The state of the dataset, as it is to be stored.
    pub state: State,
    /// What the dataset covers once all is in place.
    pub covered: Option<Covered>,
    /// Sessions that were found to be gone.
    pub noticed: Vec<Gone>,
    /// What the receipt says of the walk.
    pub walk: Walk,
    /// Rows that were read.
    pub rows: Rows,
    /// Sessions that are still running.
    pub open_sessions: u64,
    /// Records that could not be read whole.
    pub rejects: Rejects,
    /// Files of the dataset that are an older run's.
    pub restored: BTreeMap<String, Older>,
    /// Seconds from the plan to the join.
    pub walk_s: f64,
}

/// A file that a publish task has made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFile {
    /// Its path, relative to the dataset; where the dataset has snapshots, that of the plain file for which it stands.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of it.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// What the store says of it.
    pub mark: String,
}

/// `publish/<task>.done`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishDone {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is.
    pub run_id: String,
    /// The task.
    pub task: u64,
    /// The files that it has made.
    pub files: Vec<MadeFile>,
    /// Staged sessions that are in the dataset as they were before.
    pub unchanged: u64,
    /// Files that were there before and were an older run's.
    pub restored: BTreeMap<String, Older>,
}

/// `finish.json`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finished {
    /// The form of the record.
    pub form: u32,
    /// The run that the split is; its receipt is in the dataset.
    pub run_id: String,
    /// When it was finished, in microseconds since 1970, UTC.
    pub finished_at: i64,
    /// The exit code of the run.
    pub exit_code: u8,
}
