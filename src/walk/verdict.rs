//! What a walk showed.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

use super::chain::Chain;
use super::counts::Counts;
use super::evidence::Evidence;
use super::goal::Goal;
use super::order::Key;
use super::plan::Plan;
use super::plan::passes::Passes;
use super::totals::is_a_usual_cap;
use crate::words::timestamp;

/// What only the whole stage can tell, counted over the answers from [`Plan::since`] on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Different sessions, by the hashes of their ids.
    pub distinct: u64,
    /// Sessions that were listed with two different starts.
    pub moved: u64,
}

/// The order that a walk has found, on which later runs may rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found {
    /// The key, the likeliest one where several fit.
    pub key: Key,
    /// Whether the newest, or greatest, comes first.
    pub descending: bool,
    /// Whether all that is new, or has changed, comes first.
    pub grows_at_the_head: bool,
    /// The largest inversion, in microseconds.
    pub slack: i64,
}

/// What a walk showed, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// How strongly it can be said that nothing is missed, by the table in [`super::TABLE`].
    pub evidence: Evidence,
    /// Its ground, or what speaks against it, in plain words.
    pub reasons: Vec<String>,
    /// The figures of the walk.
    pub counts: Counts,
    /// The list's length by its own account, at the end.
    pub total: Option<u64>,
    /// Sessions that came in at the head while the list was read.
    pub inserted: u64,
    /// By what the list is sorted, as far as was read; `None` where no order was found.
    pub order: Option<Found>,
    /// The number of the first page.
    pub base: u64,
    /// What the proof can't tell, where that is worth a word.
    pub caveat: Option<String>,
    /// Newest and oldest start of the part of the list that was covered.
    pub newest: Option<i64>,
    /// The oldest start, in microseconds, of the part of the list that was covered.
    pub oldest: Option<i64>,
}

impl Verdict {
    /// What two walks of one run showed together: no more than the weaker one.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        let Self { evidence, reasons, counts, total, inserted, order, base, caveat, newest, oldest } = other;
        match evidence.cmp(&self.evidence) {
            Ordering::Less => self.reasons = reasons,
            Ordering::Equal => self.reasons.extend(reasons),
            Ordering::Greater => {}
        }
        self.reasons.dedup();
        self.evidence = self.evidence.min(evidence);
        self.counts += counts;
        self.inserted += inserted;
        self.total = self.total.zip(total).map(|(a, b)| a + b);
        self.order = self
            .order
            .zip(order)
            .filter(|(a, b)| (a.key, a.descending) == (b.key, b.descending))
            .map(|(a, b)| if a.slack > b.slack { a } else { b });
        self.base = self.base.min(base);
        self.caveat = self.caveat.or(caveat);
        self.newest = self.newest.max(newest);
        self.oldest = self.oldest.min(oldest);
        self
    }
}

impl Plan {
    /// Ends the walk: evidence and its reasons, from what the plan has seen and `tally` has counted.
    #[must_use]
    pub fn finish(self, tally: Tally) -> Verdict {
        let (evidence, mut reasons) = self.judge(tally);
        if evidence == Evidence::None {
            // The cause comes before what came of it.
            reasons.splice(0..0, self.server.grain.oddity());
        }
        let caveat = self.caveat(tally);
        let chain = self.round.chain.as_ref();
        let order = self.order();
        let newest = chain.and_then(|chain| chain.orders().newest());
        let oldest = chain.and_then(|chain| chain.orders().oldest());
        let passes = self.passes.as_deref();
        let (newest, oldest) = passes.map_or((newest, oldest), Passes::bounds);
        let (counts, inserted) = (self.log.counts, self.log.inserted);
        Verdict {
            evidence,
            reasons,
            counts: Counts { links: counts.links + chain.map_or(0, Chain::links), ..counts },
            total: passes.map_or(&self.round.totals, Passes::totals).latest(),
            inserted,
            order,
            base: self.server.base.number(),
            caveat,
            newest,
            oldest,
        }
    }

    /// The order of the list, where it may be relied on.
    fn order(&self) -> Option<Found> {
        let orders = self.round.chain.as_ref()?.orders();
        let sort = self.round.fits().each().next().filter(|_| self.passes.is_none() && !self.server.unordered)?;
        Some(Found {
            key: sort.key,
            descending: sort.descending,
            grows_at_the_head: sort.grows_at_the_head(),
            slack: orders.slack(sort),
        })
    }

    fn judge(&self, tally: Tally) -> (Evidence, Vec<String>) {
        let mut reasons = self.log.reasons.clone();
        reasons.extend(self.server.base.objection().filter(|_| !self.is_empty));
        if let Some(passes) = self.passes.as_deref().filter(|_| reasons.is_empty()) {
            return passes.judge(tally.distinct);
        }
        if !self.is_over() {
            reasons.push("the walk did not come to its end".to_owned());
        }
        let Tally { distinct, moved } = tally;
        let whole = self.round.begins_at_head() && self.round.ended;
        let total = self.round.totals.constant().filter(|total| whole && self.recall.agrees(*total));
        if let Some(total) = total.filter(|&total| distinct + self.log.unusable < total) {
            reasons.push(format!("the list has {total} sessions, but {distinct} different ones were read"));
        }
        if let Some(peak) = self.round.totals.jumped(distinct + self.log.unusable).filter(|_| whole) {
            reasons.push(format!(
                "the list's length jumped while it was read: {peak} sessions at most, and {distinct} different ones were read"
            ));
        }
        if !reasons.is_empty() {
            return (Evidence::None, reasons);
        }
        if self.is_empty {
            return (Evidence::Chain, vec!["the list is empty: its first page says so twice".to_owned()]);
        }
        let still = self.round.is_still() && total.is_some_and(|total| distinct <= total);
        if still {
            return (Evidence::Chain, vec![format!("{}; nothing changed meanwhile", self.ground())]);
        }
        if !self.round.is_ordered() {
            let what = if self.round.fits().is_empty() {
                "the list is in no order that was found"
            } else {
                "too many sessions have the same place in the order"
            };
            return (
                Evidence::None,
                vec![format!("{what}, and nothing shows that the list stood still while it was read")],
            );
        }
        if moved > 0 {
            return (Evidence::None, vec![format!("{moved} sessions changed their start while the list was read")]);
        }
        (Evidence::Chain, vec![self.ground()])
    }

    /// A list without a total that ends at a round number: servers cut lists there.
    fn caveat(&self, tally: Tally) -> Option<String> {
        let passes = self.passes.as_deref();
        let is_told = passes.map_or(&self.round.totals, Passes::totals).is_told();
        let is_whole = self.round.begins_at_head() && self.round.ended;
        let length = tally.distinct;
        (is_whole && !is_told && is_a_usual_cap(length)).then(|| {
            format!(
                "the list ends after {length} sessions and names no total: a server that cuts its list looks the same"
            )
        })
    }

    /// What a chain has shown, in words.
    fn ground(&self) -> String {
        let text = timestamp::text;
        let whole = self.round.ended && self.round.begins_at_head();
        let what = match self.goal {
            Goal::Nightly { down_to } if !whole => {
                format!("from the first session to known ones before {}", text(down_to))
            }
            Goal::Since { from } if !whole => format!("from the first session to one before {}", text(from)),
            Goal::Range { from, to } if !self.server.unordered => {
                format!("from a session after {} or the first, to one before {} or the last", text(to), text(from))
            }
            _ => "from the first session to the last".to_owned(),
        };
        format!("the answers overlap without a gap {what}")
    }
}
