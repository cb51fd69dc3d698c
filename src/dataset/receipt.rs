//! The receipt: the JSON record of a run, printed with `--json` and kept in `_rollbook/runs/`, written last.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};

use super::erasures::{Match, Taken, What};
use super::layout::Layout;
use super::publish::Part;
use super::state::version_name;
use crate::api::Clock;
use crate::config;
use crate::error::{Error, Result};
use crate::store::{Access, Swap, raced};
use crate::walk::{Evidence, Verdict};

/// The commands that read sessions from the API.
const READERS: [&str; 3] = ["export", "backfill", "demo"];
/// The receipts' folder in rollbook's own.
const RUNS: &str = "runs";

/// The record of a run. Field names and order are a contract.
#[derive(Debug, Clone, Serialize)]
pub struct Receipt {
    /// Sortable by time, unique.
    pub run_id: String,
    /// The command.
    pub command: &'static str,
    /// RFC 3339.
    pub started_at: String,
    /// RFC 3339.
    pub finished_at: String,
    /// The process's exit code.
    pub exit_code: u8,
    /// In a word: `proven`, `not_proven`, `rejects`, or what failed.
    pub outcome: &'static str,
    /// What failed, where something did.
    pub error: Option<String>,
    /// What the run had to cover.
    pub goal: Goal,
    /// The source.
    pub api: Api,
    /// What the walk showed.
    pub walk: Walk,
    /// Rows read, those that were read twice counted twice.
    pub rows: Rows,
    /// Different sessions that got rows; those that were listed and not wanted count in `walk.distinct` only.
    pub sessions: u64,
    /// Different sessions still running.
    pub open_sessions: u64,
    /// Records kept raw.
    pub rejects: Rejects,
    /// Files this run looked after.
    pub partitions: Vec<File>,
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

/// What a purge has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Rows of `sessions`.
    pub sessions: u64,
    /// Rows of `participants`.
    pub participants: u64,
    /// Rows of `timelogs`.
    pub timelogs: u64,
    /// Raw records that were dropped, or lost somebody.
    pub rejects: u64,
}

/// A rule that a purge was asked for, and what this purge has removed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruled {
    /// Its number; `None` where a dry run would have made it.
    pub number: Option<u32>,
    /// What it is about.
    pub what: What,
    /// How a name or id must be like the one that was given.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<Match>,
    /// Whether it was not in force before.
    pub is_new: bool,
    /// What has gone.
    pub removed: Taken,
}

/// A name that stays, though it looks like one that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Near {
    /// The name as it is listed.
    pub name: String,
    /// How many entries have it.
    pub entries: u64,
}

/// How a run ended: always with a receipt.
pub struct Ended {
    /// The record of the run.
    pub receipt: Receipt,
    /// What stopped it, if anything did.
    pub error: Option<Error>,
}

/// What a run had to cover.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Goal {
    /// `full`, `nightly` or `range`.
    pub kind: &'static str,
    /// The lowest start, RFC 3339, of a nightly run, a range, or a full run that has one.
    pub from: Option<String>,
    /// The first start that is no longer in the range.
    pub to: Option<String>,
    /// Sessions that started earlier get no rows, RFC 3339.
    pub since: Option<String>,
    /// These meetings only; all where empty.
    pub meeting_ids: Vec<String>,
    /// Why a nightly run reads everything, or what a range rests on.
    pub why: Option<String>,
}

/// Sessions that were asked for one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Vanished {
    /// How many were asked for: running ones, and known ones that should have been listed.
    pub asked: u64,
    /// Should have been listed, were not, and are there.
    pub missed: u64,
    /// Ids that the API no longer knows; their rows stay.
    pub gone: Vec<String>,
    /// More than one run asks for.
    pub unasked: u64,
    /// Running ones that are left for the next run.
    pub waiting: u64,
    /// Were asked for and not answered, so that it is not known what became of them.
    pub failed: u64,
    /// More than usual vanished at once.
    pub suspicious: bool,
    /// Those that failed: they are asked for first the next night.
    pub owed: Vec<Owes>,
    /// Ids that have given the same failure for three nights: only full walks ask for them.
    pub unreachable: Vec<String>,
    /// Whether a session that was listed was answered by its id: `answered`, `not_answered`, `none_listed`; null where
    /// every session that was asked for was there.
    pub control: Option<&'static str>,
}

/// Sessions that had ended, and of which an answer lacked what another one, of this run or an earlier one, had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Poorer {
    /// How many.
    pub sessions: u64,
    /// Ids of some of them.
    pub examples: Vec<String>,
}

/// A session whose answer is owed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Owes {
    /// Its id.
    pub session_id: String,
    /// The status that was answered last; null where there was no answer.
    pub status: Option<u16>,
    /// Since when it is answered so, RFC 3339.
    pub since: String,
}

/// The source of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Api {
    /// `v1` or `v2`.
    pub version: &'static str,
    /// The origin.
    pub base_url: String,
}

/// What the walk showed, and how.
#[derive(Debug, Clone, Serialize)]
pub struct Walk {
    /// How strongly the run can show that nothing is missed.
    pub evidence: Evidence,
    /// Its ground in plain words.
    pub reasons: Vec<String>,
    /// Answers used.
    pub requests: u64,
    /// Answers of a stopped run that were used besides.
    pub recalled: u64,
    /// Windows of the list that were put in their place.
    pub windows: u64,
    /// Joints between windows, each by a session that both hold.
    pub links: u64,
    /// Requests that mended a joint which changes of the list had broken.
    pub repairs: u64,
    /// Different sessions read.
    pub distinct: u64,
    /// The list's length by its own account, at the end.
    pub total: Option<u64>,
    /// Sessions that came in at the head while the list was read.
    pub inserted: u64,
    /// Sessions that were asked for one by one.
    pub vanished: Vanished,
    /// Sessions older than what was settled that earlier runs had missed.
    pub late: u64,
    /// Sessions that had ended and came with less than is known of them; the fuller version is kept.
    pub poorer: Poorer,
    /// Why the next run must be a full walk, where this one, a night, has shown that.
    pub full_walk_due: Option<String>,
    /// Fields unknown to this version: names, and how often they were read.
    pub unknown_fields: BTreeMap<String, u64>,
    /// How often fields were read of names beyond those that are told apart.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_unknown_fields: u64,
    /// Rows of other meetings that the API's own filter let through, repeated ones counted; they got no rows.
    pub foreign_meetings: u64,
    /// The same of dates.
    pub foreign_dates: u64,
    /// Meetings that were asked for and that the API lists nothing of.
    pub unlisted_meetings: Vec<String>,
    /// Why a page could not be had, the last time that happened; goes into the reasons.
    #[serde(skip)]
    pub failure: Option<String>,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        let Self { sessions, participants, timelogs, rejects } = other;
        self.sessions += sessions;
        self.participants += participants;
        self.timelogs += timelogs;
        self.rejects += rejects;
    }
}

/// Rows by table.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Rows {
    /// In `sessions`.
    pub sessions: u64,
    /// In `participants`.
    pub participants: u64,
    /// In `timelogs`.
    pub timelogs: u64,
}

/// Records kept raw.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
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

/// A file.
#[derive(Debug, Clone, Serialize)]
pub struct File {
    /// Its table.
    pub table: &'static str,
    /// Relative to the dataset.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
    /// Whether this run replaced it.
    pub changed: bool,
}

impl From<&Part> for File {
    fn from(part: &Part) -> Self {
        let Part { table, path, written, changed, version: _ } = part;
        let (rows, bytes, sha256) = (written.rows, written.bytes, written.sha256.clone());
        Self { table: table.name(), path: path.clone(), rows, bytes, sha256, changed: *changed }
    }
}

/// Seconds by phase.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Timing {
    /// From the first request to the last row staged.
    pub walk_s: f64,
    /// Merging, encoding and replacing.
    pub publish_s: f64,
    /// Everything.
    pub total_s: f64,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            evidence: Evidence::None,
            reasons: Vec::new(),
            requests: 0,
            recalled: 0,
            windows: 0,
            links: 0,
            repairs: 0,
            distinct: 0,
            total: None,
            inserted: 0,
            vanished: Vanished::default(),
            late: 0,
            poorer: Poorer::default(),
            full_walk_due: None,
            unknown_fields: BTreeMap::new(),
            more_unknown_fields: 0,
            foreign_meetings: 0,
            foreign_dates: 0,
            unlisted_meetings: Vec::new(),
            failure: None,
        }
    }
}

impl Walk {
    /// Takes over what the walk showed.
    pub fn show(&mut self, verdict: &Verdict, distinct: u64) {
        let Verdict { evidence, reasons, requests, recalled, windows, links, repairs, total, inserted, caveat, .. } =
            verdict;
        self.evidence = *evidence;
        self.recalled = *recalled;
        self.reasons = reasons.iter().chain(caveat).cloned().collect();
        (self.requests, self.windows, self.links, self.repairs) = (*requests, *windows, *links, *repairs);
        (self.distinct, self.total, self.inserted) = (distinct, *total, *inserted);
        if *evidence == Evidence::None {
            // The walk knows statuses alone, not what the API has said to them.
            self.reasons
                .extend(self.failure.iter().map(|failure| format!("the last page that could not be had: {failure}")));
        }
    }
}

/// A file as a receipt names it.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    /// Relative to the dataset.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// What a receipt says of the dataset.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// The run.
    #[serde(default)]
    pub run_id: String,
    /// RFC 3339.
    #[serde(default)]
    pub started_at: String,
    /// RFC 3339.
    #[serde(default)]
    pub finished_at: String,
    /// Files that the run looked after.
    pub partitions: Vec<Named>,
    /// The number of the last purge.
    #[serde(default)]
    pub erasures: u64,
    /// The command.
    #[serde(default)]
    command: String,
    /// Where the run's sessions came from.
    api: Option<Source>,
}

/// The source of a run, as its receipt names it.
#[derive(Debug, Clone, Deserialize)]
pub struct Source {
    /// `v1` or `v2`.
    pub version: String,
    /// The origin.
    pub base_url: String,
}

/// Calls with the path of each receipt of a dataset and what it says; `None` where it is of no known form, or names what is no
/// file of this dataset.
///
/// # Errors
/// `Destination` where a receipt can't be read.
pub fn each(layout: &Layout, each: impl FnMut(String, Option<Stored>)) -> Result<()> {
    each_since(layout, "", each)
}

/// The same of a run and of those after it.
fn each_since(layout: &Layout, run_id: &str, mut each: impl FnMut(String, Option<Stored>)) -> Result<()> {
    let first = stored_at(run_id);
    let listed = layout.store().list(&Layout::own(RUNS))?.into_iter();
    for path in listed.map(|(path, _)| path).filter(|path| *path >= first) {
        let text = layout.store().read(&path)?.map(|(text, _)| text).unwrap_or_default();
        let stored: Option<Stored> = serde_json::from_slice(&text).ok();
        let is_sound = |stored: &Stored| stored.partitions.iter().all(|file| layout.partition_of(&file.path).is_some());
        each(path, stored.filter(is_sound));
    }
    Ok(())
}

/// Whether a path is one of a receipt.
pub fn is_receipt(path: &str) -> bool {
    let name = path.strip_prefix("_rollbook/runs/").and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| !name.contains('/'))
}

fn stored_at(run_id: &str) -> String {
    Layout::own(&format!("{RUNS}/{run_id}.json"))
}

/// The number of the last purge that the receipts of a run and of those after it name; 0 for none.
///
/// # Errors
/// `Destination` where a receipt can't be read.
pub fn purges_since(layout: &Layout, run_id: &str) -> Result<u64> {
    let mut last = 0;
    each_since(layout, run_id, |_, stored| last = stored.map_or(0, |stored| stored.erasures).max(last))?;
    Ok(last)
}

/// The paths of all files that the receipts of a dataset name, relative to it, and the number of the last purge.
///
/// # Errors
/// `Destination` where a receipt can't be read; one of an unknown form names nothing.
pub fn named(layout: &Layout) -> Result<(BTreeSet<String>, u64)> {
    let (mut paths, mut erasures) = (BTreeSet::new(), 0);
    each(layout, |_, stored| {
        let Some(stored) = stored else { return };
        paths.extend(stored.partitions.into_iter().map(|file| file.path));
        erasures = erasures.max(stored.erasures);
    })?;
    Ok((paths, erasures))
}

/// The source of the last run that has published sessions of the API. Runs that only looked after files have not asked
/// the API, whatever their settings said.
///
/// # Errors
/// `Destination` where a receipt can't be read; one of an unknown form names nothing.
pub fn last_source(layout: &Layout) -> Result<Option<Source>> {
    let mut last: Option<(String, Source)> = None;
    each(layout, |path, stored| {
        let has_read = |stored: &Stored| !stored.partitions.is_empty() && READERS.contains(&stored.command.as_str());
        let source = stored.filter(has_read).and_then(|stored| stored.api);
        if let Some(source) = source.filter(|_| last.as_ref().is_none_or(|(latest, _)| *latest < path)) {
            last = Some((path, source));
        }
    })?;
    Ok(last.map(|(_, source)| source))
}

impl Receipt {
    /// A receipt that says nothing yet.
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
            rejects: Rejects::default(),
            partitions: Vec::new(),
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

    /// Ends it.
    pub fn finish(&mut self, clock: &Clock, took: Duration) {
        self.finished_at = rfc3339(clock);
        self.timing.total_s = took.as_secs_f64();
    }

    /// As JSON, for people too.
    pub fn json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// Stores it in the dataset.
    pub fn store(&self, layout: &Layout) -> Result<()> {
        let path = stored_at(&self.run_id);
        let draft = layout.store().draft(&path, format!("{}\n", self.json()).as_bytes())?;
        match layout.store().swap(draft, None, Access::Usual)? {
            Swap::Done(_) => Ok(()),
            Swap::Lost => Err(raced(&layout.store().place(&path))),
        }
    }
}

fn rfc3339(clock: &Clock) -> String {
    DateTime::<Utc>::from(clock.now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}
