//! What a receipt says of the walk.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_zero;
use crate::walk::{Counts, Evidence, Verdict};

/// What the walk showed, and how.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Walk {
    /// How strongly the run can show that nothing is missed.
    pub evidence: Evidence,
    /// What it rests on, or what speaks against it, in plain words.
    pub reasons: Vec<String>,
    /// How many requests there were, how many windows and joints, and how many repairs.
    #[serde(flatten)]
    pub counts: Counts,
    /// Requests that went out to the API, each attempt counted, those for single sessions included: what `api.max_requests` caps.
    pub sent: u64,
    /// How many of `sent` were further attempts at a request that had failed.
    pub retries: u64,
    /// Different sessions that the list showed, those without a row included.
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
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_unknown_fields: u64,
    /// Rows of other meetings that the API's own filter let through, repeated ones counted; they got no rows.
    pub foreign_meetings: u64,
    /// Rows of other dates that the API's own filter let through, repeated ones counted; they got no rows.
    pub foreign_dates: u64,
    /// Meetings that were asked for and that the API lists nothing of.
    pub unlisted_meetings: Vec<String>,
}

/// Sessions that were asked for one by one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vanished {
    /// How many were asked for: running ones, and known ones that should have been listed.
    pub asked: u64,
    /// Should have been listed, were not, and are there.
    pub missed: u64,
    /// Ids that the API no longer knows; their rows stay.
    pub gone: Vec<String>,
    /// Sessions that should have been listed and were left, since one run asks for so many only.
    pub unasked: u64,
    /// Running ones that are left for the next run.
    pub waiting: u64,
    /// Were asked for and not answered, so that it is not known what became of them.
    pub failed: u64,
    /// Whether more vanished at once than a few deleted sessions explain, which speaks against the proof.
    pub suspicious: bool,
    /// Those that failed: they are asked for first the next night.
    pub owed: Vec<Owes>,
    /// Ids that have given the same failure for three nights: only full walks ask for them.
    pub unreachable: Vec<String>,
    /// Whether a session that was listed was answered by its id: `answered`, `not_answered`, `none_listed`; null where
    /// every session that was asked for was there.
    pub control: Option<String>,
}

/// Sessions that had ended, and of which an answer lacked what another one, of this run or an earlier one, had.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Poorer {
    /// How many sessions came with less than is known of them.
    pub sessions: u64,
    /// Ids of some of these sessions.
    pub examples: Vec<String>,
}

/// A session whose answer is owed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owes {
    /// The session's id, as it was listed.
    pub session_id: String,
    /// The status that was answered last; null where there was no answer.
    pub status: Option<u16>,
    /// Since when it is answered so, RFC 3339.
    pub since: String,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            evidence: Evidence::None,
            reasons: Vec::new(),
            counts: Counts::default(),
            sent: 0,
            retries: 0,
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
        }
    }
}

impl Walk {
    /// Takes over the figures of the walk.
    pub fn show(&mut self, verdict: &Verdict, distinct: u64) {
        let Verdict { counts, total, inserted, .. } = verdict;
        self.counts = *counts;
        (self.distinct, self.total, self.inserted) = (distinct, *total, *inserted);
    }
}
