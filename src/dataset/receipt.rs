//! The receipt: the JSON record of a run, printed with `--json` and kept in `_rollbook/runs/`, written last.

pub mod newest;
pub mod past;
pub mod purged;
pub mod thinned;
pub mod walked;

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::publish::Part;
use super::state::{State, version_name};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{Access, Swap, raced};
use crate::words::clock::Clock;
use crate::words::redact;
use purged::{Near, Removed, Ruled};
use walked::Walk;

/// The receipts' folder in rollbook's own.
const RUNS: &str = "runs";

/// The record of a run. Field names and order are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// When the run began and a random tail, so that names of receipts sort by time: `20261126T064421260Z-8fa0bc`.
    pub run_id: String,
    /// The command: `export`, `backfill`, `split`, `purge`, `demo`, `verify`.
    pub command: &'static str,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// When it was over, RFC 3339; for a run that publishes, after the state was stored.
    pub finished_at: String,
    /// The process's exit code, unless printing the receipt fails (10).
    pub exit_code: u8,
    /// In a word: `proven`, `not_proven`, `rejects`, or what failed.
    pub outcome: &'static str,
    /// The message of what failed, one line; null where nothing did.
    pub error: Option<String>,
    /// What the run had to cover.
    pub goal: Goal,
    /// Where the sessions come from: which version of the API, at which address.
    pub api: Api,
    /// What the walk showed, and what became of sessions that were asked for by their ids.
    pub walk: Walk,
    /// Rows read, those that were read twice counted twice.
    pub rows: Rows,
    /// Different sessions that got rows; those that were listed and not wanted count in `walk.distinct` only.
    pub sessions: u64,
    /// Different sessions that are still running, of those in `sessions`.
    pub open_sessions: u64,
    /// How many of `sessions` were new, other than before, or the same.
    pub changes: Changes,
    /// How many records were kept raw, and why.
    pub rejects: Rejects,
    /// The published files that the run looked after, changed or not.
    pub partitions: Vec<File>,
    /// What the whole dataset holds after the run.
    pub dataset: Holds,
    /// The number of the snapshot that shows it, where the dataset has snapshots.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<u64>,
    /// Rows that a purge has removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Removed>,
    /// The rules that a purge was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Ruled>,
    /// Names that stay and look like one that was given; of a dry run alone, whose receipt is not kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub near_matches: Vec<Near>,
    /// The number of the rule that was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub taken_back: Option<u32>,
    /// Files with the bytes of an older run that somebody had put back, relative to the dataset.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub restored: Vec<String>,
    /// Places that a purge could not reach and that may hold what was purged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unreached: Vec<String>,
    /// The number of the last purge that is in force; 0 for none.
    #[serde(skip_serializing_if = "is_zero")]
    pub erasures: u64,
    /// Where the time went, in seconds.
    pub timing: Timing,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde asks for it
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How a run ended: always with a receipt.
pub struct Ended {
    /// The record of the run.
    pub receipt: Receipt,
    /// What the run falls short of though its data is written, if of anything.
    pub shortfall: Option<Kind>,
    /// What stopped it, if anything did.
    pub error: Option<Error>,
}

/// What a run had to cover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// `full`, `nightly` or `range`: the whole list, back to the fence, or some dates; `purge` of a purge,
    /// empty of `verify`.
    pub kind: &'static str,
    /// The lowest start, RFC 3339, of a nightly run, a range, or a full run that has one.
    pub from: Option<String>,
    /// The first start, RFC 3339, that is no longer in the range; of a purge, the first that stays by `--before`.
    pub to: Option<String>,
    /// Sessions that started earlier get no rows, RFC 3339.
    pub since: Option<String>,
    /// The ids of the only meetings that were asked for; all meetings where there are none.
    pub meeting_ids: Vec<String>,
    /// Why a nightly run reads everything, or what a range rests on.
    pub why: Option<String>,
}

/// Where the sessions come from: version and origin of the API.
#[derive(Debug, Clone, Serialize)]
pub struct Api {
    /// `v1` or `v2`, as `api.version` has it.
    pub version: &'static str,
    /// The origin that was asked, without a path: `https://api.videosdk.live`.
    pub base_url: String,
}

/// How many rows of each table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// Sessions that got a row, each as often as it was read.
    pub sessions: u64,
    /// Entries in sessions' lists of participants.
    pub participants: u64,
    /// Intervals from join to leave, over all entries.
    pub timelogs: u64,
}

/// What a run has changed: its different sessions by how they compare with the dataset before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// Sessions that were not in the dataset.
    pub new: u64,
    /// Sessions that were in it and have other rows now, be it one number in one row.
    pub updated: u64,
    /// Sessions whose rows are what they were, but for when a running one was last seen. Of a dry run they count as updated.
    pub unchanged: u64,
}

/// What a dataset holds, by its state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Holds {
    /// Rows of `sessions`.
    pub sessions: u64,
    /// Rows of `participants`.
    pub participants: u64,
    /// Rows of `timelogs`.
    pub timelogs: u64,
    /// Files of the three tables.
    pub files: u64,
}

impl Holds {
    /// What the state says.
    pub fn of(state: &State) -> Self {
        let [sessions, participants, timelogs] = Table::ALL.map(|table| state.rows(table));
        Self { sessions, participants, timelogs, files: state.files().len() as u64 }
    }
}

/// How many records could not become a row, or not all of one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejects {
    /// In this run: those with an id by id and content, those without one by their number.
    pub total: u64,
    /// Of these, not recorded by an earlier run. One without an id always counts as new.
    pub new: u64,
    /// Records without a usable id: nobody knows which sessions are behind them.
    pub without_id: u64,
    /// How many of the new ones were kept for which reason: names of anomalies with commas, or `no_usable_id`.
    pub reasons: BTreeMap<String, u64>,
}

/// A published file that the run looked after, whether or not it changed.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// The table that its rows are of: `sessions`, `participants` or `timelogs`.
    pub table: &'static str,
    /// Its path, relative to the dataset: `sessions/start_month=2026-11/part-0.parquet`.
    pub path: String,
    /// Rows in it, those of earlier runs included.
    pub rows: u64,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// Whether this run replaced it; an equal file is left alone.
    pub changed: bool,
}

impl From<&Part> for File {
    fn from(part: &Part) -> Self {
        let Part { table, path, written, changed, version: _ } = part;
        let (rows, bytes, sha256) = (written.rows, written.bytes, written.sha256.clone());
        Self { table: table.name(), path: path.clone(), rows, bytes, sha256, changed: *changed }
    }
}

/// How long the phases of a run took, in seconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Timing {
    /// From the first request to the last row staged.
    pub walk_s: f64,
    /// Merging, encoding and replacing, until the state was stored.
    pub publish_s: f64,
    /// From the first look at the dataset to the receipt.
    pub total_s: f64,
}

impl Receipt {
    /// A receipt of a run that has just begun: exit code 1 and `failed`, until it is known better.
    pub fn blank(run_id: &str, command: &'static str, api: &config::Api, clock: &Clock) -> Self {
        Self {
            run_id: run_id.to_owned(),
            command,
            started_at: rfc3339(clock),
            finished_at: String::new(),
            exit_code: 1,
            outcome: "failed",
            error: None,
            goal: Goal::default(),
            api: Api { version: version_name(api.version), base_url: api.base_url.origin().ascii_serialization() },
            walk: Walk::default(),
            rows: Rows::default(),
            sessions: 0,
            open_sessions: 0,
            changes: Changes::default(),
            rejects: Rejects::default(),
            partitions: Vec::new(),
            dataset: Holds::default(),
            snapshot: None,
            removed: None,
            rules: Vec::new(),
            near_matches: Vec::new(),
            taken_back: None,
            restored: Vec::new(),
            unreached: Vec::new(),
            erasures: 0,
            timing: Timing::default(),
        }
    }

    /// Notes that the run began earlier than this process: microseconds since 1970, UTC.
    pub fn began_at(&mut self, micros: i64) {
        let began = DateTime::<Utc>::from_timestamp_micros(micros).unwrap_or_default();
        self.started_at = began.to_rfc3339_opts(SecondsFormat::Millis, true);
    }

    /// Takes over how the run ended: by an error, else by this exit code, in a word.
    pub fn close(&mut self, error: Option<&Error>, otherwise: (u8, &'static str)) {
        (self.exit_code, self.outcome) = error.map_or(otherwise, Error::outcome);
        self.error = error.map(ToString::to_string);
    }

    /// Notes when the run was over, and how long it took in all.
    pub fn finish(&mut self, clock: &Clock, took: Duration) {
        self.finished_at = rfc3339(clock);
        self.timing.total_s = took.as_secs_f64();
    }

    /// As JSON over several lines, for people too; ends in a line break.
    pub fn json(&self) -> String {
        redact::document(self)
    }

    /// Stores it in the dataset, where no receipt of this run is yet.
    pub fn store(&self, layout: &Layout) -> Result<()> {
        let path = stored_at(&self.run_id);
        let draft = layout.store().draft(&path, self.json().as_bytes())?;
        match layout.store().swap(draft, None, Access::Usual)? {
            Swap::Done(_) => Ok(()),
            Swap::Lost => Err(raced(&layout.store().place(&path))),
        }
    }
}

fn stored_at(run_id: &str) -> String {
    Layout::own(&format!("{RUNS}/{run_id}.json"))
}

fn rfc3339(clock: &Clock) -> String {
    DateTime::<Utc>::from(clock.now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}
