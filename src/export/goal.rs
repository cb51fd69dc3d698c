//! What a run has to cover: everything, back to the fence, or a range; of all meetings or of some.

use std::time::Duration;

use super::lookup::Span;
use crate::api::Filter;
use crate::config::{ApiVersion, Config};
use crate::dataset::receipt;
use crate::dataset::state::Covered;
use crate::range::Range;
use crate::timestamp;
use crate::walk::{Goal, Verdict};

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// `export`: back to the fence where that can be, else everything.
    Export {
        /// Everything in any case.
        full: bool,
        /// These meetings only.
        meetings: Vec<String>,
    },
    /// `backfill`: sessions that started in a range.
    Backfill {
        /// The range.
        range: Range,
        /// These meetings only.
        meetings: Vec<String>,
    },
}

/// What a run covers, decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// For the walk.
    pub goal: Goal,
    /// One walk each.
    pub filters: Vec<Filter>,
    /// The range of a backfill.
    pub range: Option<Range>,
    /// For the receipt.
    pub shown: receipt::Goal,
    /// Whether the run may move the fence.
    pub moves_fence: bool,
}

/// One walk of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leg {
    /// From 0.
    pub number: usize,
    /// What the server is asked for.
    pub filter: Filter,
    /// What of it the walk must cover.
    pub goal: Goal,
}

impl Leg {
    /// The range that is cut out here: a search reads pages far from it. What the server's own filter lets through is
    /// kept whole, so that it can be held against the server's total.
    pub const fn cut(&self) -> Option<Range> {
        match self.goal {
            Goal::Range { from, to } => Some(Range { from, to }),
            Goal::Full | Goal::Nightly { .. } => None,
        }
    }
}

impl Chosen {
    /// What must be the same for a stopped run to be continued.
    pub fn key(&self) -> String {
        let receipt::Goal { kind, from, to, meeting_ids, why: _ } = &self.shown;
        format!("{kind} {from:?} {to:?} {meeting_ids:?}")
    }

    /// The walks in their order. Where the server's own filter finds nothing in a range, the list is searched without it.
    pub fn legs(&self) -> Vec<Leg> {
        let mut legs: Vec<_> = self.filters.iter().map(|filter| (filter.clone(), self.goal)).collect();
        if let (Goal::Full, Some(Range { from, to })) = (self.goal, self.range) {
            let search = |filter: &Filter| (Filter { range: None, ..filter.clone() }, Goal::Range { from, to });
            legs.extend(self.filters.iter().map(search));
        }
        legs.into_iter().enumerate().map(|(number, (filter, goal))| Leg { number, filter, goal }).collect()
    }

    /// Whether a leg is not needed, since the server's filter has found something.
    pub fn can_skip(&self, leg: &Leg, found: u64) -> bool {
        matches!((leg.goal, self.goal), (Goal::Range { .. }, Goal::Full)) && found > 0
    }

    /// What the dataset covers after this run; nothing new where the list was empty. `asked_at`: when the oldest of its
    /// responses was asked for, in microseconds; what was listed later is not covered.
    pub fn covered(&self, verdict: &Verdict, before: Option<&Covered>, asked_at: i64) -> Option<Covered> {
        let Some(newest) = verdict.newest else { return before.cloned() };
        let full_at = match self.goal {
            Goal::Nightly { .. } => before.and_then(Covered::full_at).unwrap_or(asked_at),
            Goal::Full | Goal::Range { .. } => asked_at,
        };
        Some(Covered::new(newest.min(asked_at), full_at, verdict.slack.is_some()))
    }

    /// Below this start nightly runs should have found everything: what a full walk finds there was missed.
    pub fn settled(&self, covered: Option<&Covered>, lookback: Duration) -> Option<i64> {
        let fence = covered.filter(|_| self.moves_fence).and_then(Covered::fence)?;
        Some(fence.saturating_sub(micros(lookback)))
    }

    /// Where known sessions must have been listed, if a proven walk can tell.
    pub fn span(&self, verdict: &Verdict) -> Option<Span> {
        if self.filters.iter().any(|filter| filter.meeting.is_some()) {
            return None;
        }
        Some(match (self.range, self.goal) {
            (Some(Range { from, to }), _) => Span { from, to },
            (None, Goal::Nightly { down_to }) => Span { from: down_to, to: i64::MAX },
            // What is older than the list's end has expired.
            (None, _) => Span { from: verdict.oldest.unwrap_or(i64::MIN), to: i64::MAX },
        })
    }

    /// Running sessions that started before this are not asked for. Full walks look for all of them.
    pub fn oldest_open(&self, now: i64, ledger_max_age: Duration) -> i64 {
        match self.goal {
            _ if !self.moves_fence => i64::MAX,
            Goal::Nightly { .. } => now.saturating_sub(micros(ledger_max_age)),
            Goal::Full | Goal::Range { .. } => i64::MIN,
        }
    }
}

/// Decides, from what is asked for and what earlier runs covered. `now` in microseconds.
pub fn choose(work: &Work, covered: Option<&Covered>, config: &Config, now: i64) -> Chosen {
    match work {
        Work::Backfill { range, meetings } => backfill(*range, meetings, config.api.version),
        Work::Export { full, meetings } => {
            let (goal, why) = if *full {
                (Goal::Full, None)
            } else if meetings.is_empty() {
                nightly(covered, config, now)
            } else {
                (Goal::Full, Some("the list of one meeting is read whole".to_owned()))
            };
            let (kind, from) = match goal {
                Goal::Nightly { down_to } => ("nightly", Some(timestamp::text(down_to))),
                Goal::Full | Goal::Range { .. } => ("full", None),
            };
            let shown = receipt::Goal { kind, from, to: None, meeting_ids: meetings.clone(), why };
            let moves_fence = meetings.is_empty();
            Chosen { goal, filters: filters(meetings, None), range: None, shown, moves_fence }
        }
    }
}

fn backfill(range: Range, meetings: &[String], version: ApiVersion) -> Chosen {
    let Range { from, to } = range;
    let (goal, server) = match version {
        ApiVersion::V1 => (Goal::Range { from, to }, None),
        // The server's own filter, wider by a second: whether its bounds belong to it is not documented.
        ApiVersion::V2 => {
            (Goal::Full, Some(Range { from: from.saturating_sub(SECOND), to: to.saturating_add(SECOND) }))
        }
    };
    let shown = receipt::Goal {
        kind: "range",
        from: Some(timestamp::text(from)),
        to: Some(timestamp::text(to)),
        meeting_ids: meetings.to_vec(),
        why: None,
    };
    Chosen { goal, filters: filters(meetings, server), range: Some(range), shown, moves_fence: false }
}

const SECOND: i64 = 1_000_000;

fn filters(meetings: &[String], range: Option<Range>) -> Vec<Filter> {
    if meetings.is_empty() {
        return vec![Filter { meeting: None, range }];
    }
    let mut meetings = meetings.to_vec();
    meetings.sort();
    meetings.dedup();
    meetings.into_iter().map(|meeting| Filter { meeting: Some(meeting), range }).collect()
}

/// Back to the fence, unless something speaks for everything.
fn nightly(covered: Option<&Covered>, config: &Config, now: i64) -> (Goal, Option<String>) {
    let full = |why: &str| (Goal::Full, Some(why.to_owned()));
    let Some(covered) = covered else { return full("nothing was covered before") };
    let (Some(fence), Some(full_at)) = (covered.fence(), covered.full_at()) else {
        return full("nothing was covered before");
    };
    if !covered.newest_first {
        return full("the list is not newest first");
    }
    let every = config.walk.full_every;
    if !every.is_zero() && now.saturating_sub(full_at) >= micros(every) {
        return full("the last full walk is older than walk.full_every");
    }
    (Goal::Nightly { down_to: fence.saturating_sub(micros(config.walk.lookback)) }, None)
}

/// A duration in microseconds.
pub fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
