//! The status as JSON, whose field names are a contract.

use serde::Serialize;

use super::holding::Holding;
use super::notice::Notice;
use super::runs;
use crate::dataset::receipt::newest::Run;
use crate::rows::partition::PartitionBy;
use crate::rows::privacy::Privacy;
use crate::rows::tables::Tables;
use crate::stage::Waiting;
use crate::words::redact;
use crate::words::timestamp;

/// What is known of a dataset. Times are in microseconds since 1970, UTC.
#[derive(Debug, Clone)]
pub struct Status {
    /// As a person would find it.
    pub dataset: String,
    /// Whose sessions it holds, where that is known.
    pub account: Option<String>,
    /// The version of the API, and its origin.
    pub source: Option<(String, String)>,
    /// The version of the schema that the dataset was written in; `None` where no state tells.
    pub schema_version: Option<u32>,
    /// How the dataset is cut into partitions.
    pub by: PartitionBy,
    /// What is in its files.
    pub holding: Holding,
    /// The last run of which a receipt can be read, whatever its command and its end.
    pub last: Option<Run>,
    /// The last run that has shown that nothing was missed.
    pub proven: Option<Run>,
    /// Sessions that started earlier are settled: the fence less the lookback.
    pub settled_until: Option<i64>,
    /// When the whole list is read again.
    pub due: Option<Due>,
    /// Different records that runs have kept raw.
    pub rejects: u64,
    /// Sessions that the API no longer knows.
    pub gone: Option<u64>,
    /// What may be written down, if that is not everything.
    pub privacy: Option<Privacy>,
    /// How many rules of purges are in force, as `purge --list` shows them.
    pub rules: Option<u64>,
    /// What a stopped run has left and the next one can go on with.
    pub stopped: Option<Waiting>,
    /// Whether a run is writing.
    pub is_running: bool,
    /// What is not as it should be.
    pub notices: Vec<Notice>,
    /// When the report was made: ages are counted up to here.
    pub now: i64,
}

/// When the whole list is read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// From then on; the present where it is due already.
    pub at: i64,
    /// Why it is due already; `None` where it is due by the calendar only.
    pub why: Option<String>,
}

impl Status {
    /// Whether the last run, whatever it was, has shown that nothing was missed.
    pub fn last_is_proof(&self) -> bool {
        self.last.as_ref().is_some_and(Run::is_proof)
    }

    /// The report as one JSON object, for scripts; ends in a line break.
    pub fn json(&self) -> String {
        let Tables { sessions, participants, timelogs } = self.holding.rows;
        redact::document(&Document {
            dataset: &self.dataset,
            account: self.account.as_deref(),
            api_version: self.source.as_ref().map(|(version, _)| version.as_str()),
            schema_version: self.schema_version,
            partition_by: self.by.name(),
            sessions,
            participants,
            timelogs,
            first_started_at: self.holding.starts.map(|(first, _)| timestamp::text(first)),
            last_started_at: self.holding.starts.map(|(_, last)| timestamp::text(last)),
            bytes: self.holding.bytes,
            last_run: self.last.as_ref().map(Line::of),
            last_proven: self.proven.as_ref().map(Line::of),
            settled_until: self.settled_until.map(timestamp::text),
            full_walk_due: self.due.as_ref().map(|due| timestamp::text(due.at)),
            open_sessions: self.holding.open,
            rejects: self.rejects,
            gone: self.gone,
            erasures: self.rules,
            privacy: self.privacy.as_ref(),
            stopped_run: self.stopped.as_ref().map(|waiting| waiting.run_id.as_str()),
            running: self.is_running,
            snapshots: None,
            notices: &self.notices,
        })
    }

    /// When the last run was over that has shown that nothing was missed.
    pub fn proven_at(&self) -> Option<i64> {
        self.proven.as_ref().and_then(runs::ended_at)
    }
}

#[derive(Serialize)]
struct Document<'a> {
    dataset: &'a str,
    account: Option<&'a str>,
    api_version: Option<&'a str>,
    schema_version: Option<u32>,
    partition_by: &'static str,
    sessions: Option<u64>,
    participants: Option<u64>,
    timelogs: Option<u64>,
    first_started_at: Option<String>,
    last_started_at: Option<String>,
    bytes: u64,
    last_run: Option<Line<'a>>,
    last_proven: Option<Line<'a>>,
    settled_until: Option<String>,
    full_walk_due: Option<String>,
    open_sessions: Option<u64>,
    rejects: u64,
    gone: Option<u64>,
    erasures: Option<u64>,
    /// The member is there only where something is protected, or somebody excluded.
    #[serde(skip_serializing_if = "Option::is_none")]
    privacy: Option<&'a Privacy>,
    stopped_run: Option<&'a str>,
    running: bool,
    /// Always null: no version keeps snapshots yet.
    snapshots: Option<()>,
    /// The member is there only where there is a notice.
    #[serde(skip_serializing_if = "<[Notice]>::is_empty")]
    notices: &'a [Notice],
}

#[derive(Serialize)]
struct Line<'a> {
    run_id: &'a str,
    command: &'a str,
    finished_at: &'a str,
    exit_code: u8,
    outcome: &'a str,
    evidence: Option<&'a str>,
}

impl<'a> Line<'a> {
    fn of(run: &'a Run) -> Self {
        let Run { run_id, command, finished_at, exit_code, outcome, .. } = run;
        Self { run_id, command, finished_at, exit_code: *exit_code, outcome, evidence: run.evidence() }
    }
}
