//! What a walk showed.

use std::cmp::Ordering;

use super::evidence::Evidence;
use super::goal::Goal;
use super::plan::Plan;
use crate::timestamp;

/// What only the whole stage can tell, counted over the answers from [`Plan::since`] on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Different sessions.
    pub distinct: u64,
    /// Sessions that were listed with two different starts.
    pub moved: u64,
}

/// What a walk showed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How strong it is.
    pub evidence: Evidence,
    /// Its ground, or what speaks against it, in plain words.
    pub reasons: Vec<String>,
    /// Answers used.
    pub requests: u64,
    /// Answers of an earlier run that was stopped.
    pub recalled: u64,
    /// Windows whose answers were put in their place.
    pub windows: u64,
    /// Joints between answers.
    pub links: u64,
    /// Requests that repaired a joint.
    pub repairs: u64,
    /// The list's length by its own account, at the end.
    pub total: Option<u64>,
    /// Sessions that came in at the head while the list was read.
    pub inserted: u64,
    /// The largest inversion of a list that is newest first, in microseconds; `None` where it has another order.
    pub slack: Option<i64>,
    /// Newest and oldest start of the part of the list that was covered.
    pub newest: Option<i64>,
    /// See `newest`.
    pub oldest: Option<i64>,
}

impl Verdict {
    /// What two walks of one run showed together: no more than the weaker one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let Self {
            evidence,
            reasons,
            requests,
            recalled,
            windows,
            links,
            repairs,
            total,
            inserted,
            slack,
            newest,
            oldest,
        } = other;
        match evidence.cmp(&self.evidence) {
            Ordering::Less => self.reasons = reasons,
            Ordering::Equal => self.reasons.extend(reasons),
            Ordering::Greater => {}
        }
        self.reasons.dedup();
        self.evidence = self.evidence.min(evidence);
        self.requests += requests;
        self.recalled += recalled;
        self.windows += windows;
        self.links += links;
        self.repairs += repairs;
        self.inserted += inserted;
        self.total = self.total.zip(total).map(|(a, b)| a + b);
        self.slack = self.slack.zip(slack).map(|(a, b)| a.max(b));
        self.newest = self.newest.max(newest);
        self.oldest = self.oldest.min(oldest);
        self
    }
}

impl Plan {
    /// Ends the walk.
    #[must_use]
    pub fn finish(self, tally: Tally) -> Verdict {
        let (evidence, reasons) = self.judge(tally);
        let is_sorted = self.is_newest_first() && !self.unordered && self.passes().is_none();
        let slack = is_sorted.then(|| self.slack());
        let newest = self.chain().and_then(|chain| chain.head().iter().filter_map(|row| row.start).max());
        let oldest = self.chain().and_then(|chain| chain.order().oldest());
        let (newest, oldest) = self.passes().map_or((newest, oldest), super::passes::Passes::bounds);
        Verdict {
            evidence,
            reasons,
            requests: self.counts.requests,
            recalled: self.counts.recalled,
            windows: self.counts.windows,
            links: self.counts.links + self.chain().map_or(0, super::chain::Chain::links),
            repairs: self.counts.repairs,
            total: self.passes().map_or(&self.totals, super::passes::Passes::totals).latest(),
            inserted: self.counts.inserted,
            slack,
            newest,
            oldest,
        }
    }

    fn judge(&self, tally: Tally) -> (Evidence, Vec<String>) {
        if let Some(passes) = self.passes() {
            return passes.judge(tally.distinct);
        }
        let mut reasons = self.reasons.clone();
        if !self.is_over() {
            reasons.push("the walk did not come to its end".to_owned());
        }
        let Tally { distinct, moved } = tally;
        let whole = self.begins_at_head() && self.covers_all();
        let total = self.totals.constant().filter(|_| whole);
        if let Some(total) = total.filter(|&total| distinct + self.counts.unusable < total) {
            reasons.push(format!("the list has {total} sessions, but {distinct} different ones were read"));
        }
        if !reasons.is_empty() {
            return (Evidence::None, reasons);
        }
        let still = self.is_still() && total.is_some_and(|total| distinct <= total);
        if still {
            return (Evidence::Chain, vec![format!("{}; nothing changed meanwhile", self.ground())]);
        }
        if !self.is_ordered() {
            let what = if self.is_newest_first() {
                "too many sessions have the same start"
            } else {
                "the list is not newest first"
            };
            return (Evidence::None, vec![format!("{what}, and the list changed while it was read")]);
        }
        if moved > 0 {
            return (Evidence::None, vec![format!("{moved} sessions changed their start while the list was read")]);
        }
        (Evidence::Chain, vec![self.ground()])
    }

    /// What a chain has shown, in words.
    fn ground(&self) -> String {
        let text = timestamp::text;
        let whole = self.covers_all() && self.begins_at_head();
        let what = match self.goal {
            Goal::Nightly { down_to } if !whole => {
                format!("from the first session to known ones before {}", text(down_to))
            }
            Goal::Since { from } if !whole => format!("from the first session to one before {}", text(from)),
            Goal::Range { from, to } if !self.unordered => {
                format!("from a session after {} or the first, to one before {} or the last", text(to), text(from))
            }
            _ => "from the first session to the last".to_owned(),
        };
        format!("the answers overlap without a gap {what}")
    }
}
