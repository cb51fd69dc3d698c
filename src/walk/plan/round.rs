//! One reading of the list, from where it begins to its end or to the goal: what is planned, what has joined the chain, and
//! what the end still needs. Made anew whenever the walk begins again.

use std::collections::VecDeque;

use super::salvage::Gap;
use crate::list::{Listed, Window};
use crate::walk::chain::{Chain, Ties};
use crate::walk::distinct::Distinct;
use crate::walk::end::End;
use crate::walk::order::Sorts;
use crate::walk::slot::{Purpose, Slot};
use crate::walk::totals::Totals;

/// Windows in a row that bring nothing new, until no more are asked for.
const BARREN: u32 = 3;

/// What is under way at the joint behind the chain's last answer.
#[derive(Debug, Default)]
pub(in crate::walk) struct Seam {
    /// Windows asked for at this joint so far; after [`crate::walk::Settings::repairs`] the gap is told.
    pub repairs: u32,
    /// Where the last repair that joined the chain ended.
    pub forward: Option<u64>,
    /// The window that was asked for last to repair it, so that the same is not asked for in vain.
    pub last: Option<Window>,
    /// What was wrong with answers that were left out; speaks only where the joint stays broken.
    pub faults: Vec<String>,
}

/// How many requests a reading of the list has cost, and what they brought.
#[derive(Debug, Default)]
pub(in crate::walk) struct Spent {
    asked: u64,
    /// Answers that the chain went on with.
    brought: u64,
    /// Answers in a row that brought nothing.
    barren: u32,
}

impl Spent {
    pub(in crate::walk) const fn ask(&mut self) {
        self.asked += 1;
    }

    pub(in crate::walk) const fn bring(&mut self) {
        self.brought += 1;
        self.barren = 0;
    }

    /// The last answer that was brought lies behind a gap: going on from gap to gap brings nothing that is worth it.
    pub(in crate::walk) const fn leap(&mut self) {
        self.brought = self.brought.saturating_sub(1);
    }

    pub(in crate::walk) const fn bring_nothing(&mut self) {
        self.barren += 1;
    }

    /// Whether nothing comes any more from going on.
    pub(in crate::walk) const fn is_barren(&self) -> bool {
        self.barren >= BARREN
    }

    /// Whether so much was asked for so little that it must end. `length`: how many sessions the list may have; pages of
    /// `size` that overlap are half of one another at most.
    pub(in crate::walk) fn is_over(&self, length: impl FnOnce() -> u64, size: u32) -> bool {
        let most = |pages: u64| 3 * pages + 200;
        self.asked > most(0) && self.asked > most(self.brought.min(2 * length() / u64::from(size) + 50))
    }
}

/// One reading of the list, from its first window to the end or to the goal.
#[derive(Debug)]
pub(in crate::walk) struct Round {
    /// Position of the chain's first row: 0 but for a range that was searched for.
    pub begun_at: u64,
    /// Windows are planned up to this position.
    pub planned_to: u64,
    /// Position behind the chain's last row, as last seen.
    pub reach: u64,
    /// From where on this walk has read itself what joined the chain: where it began, or behind an earlier one that it has met.
    pub met_at: u64,
    pub slots: VecDeque<Slot>,
    pub chain: Option<Chain>,
    /// The head, where the chain does not begin at it.
    pub top: Vec<Listed>,
    pub totals: Totals,
    /// An answer went on behind where its own total ends.
    pub has_false_totals: bool,
    pub end: End,
    pub seam: Seam,
    /// Positions between answers that could not be joined, where the server gave less than it should.
    pub gaps: Vec<Gap>,
    /// Rows by which further windows overlap; grows where the list moves fast.
    pub overlap: u64,
    /// Which ties across a joint are put up with.
    pub ties: Ties,
    pub spent: Spent,
    /// How many different sessions all answers held, estimated.
    pub distinct: Distinct,
    /// A position that the server refuses, whatever is asked for there.
    pub refused_from: Option<u64>,
    /// Whether the list was walked to its end, be that shown or not.
    pub ended: bool,
    /// Whether nothing changed at the head.
    pub head_unchanged: bool,
    /// The head as it was read again.
    pub head: Vec<Listed>,
    /// The orders that the head was in then.
    pub head_fits: Sorts,
    /// Ids to look for among the sessions that are known from earlier runs.
    pub question: Option<Vec<u128>>,
}

impl Round {
    /// A reading that begins with this window. `parted`: orders in which no tie may lie across a joint.
    pub(in crate::walk) fn new(window: Window, overlap: u64, parted: Sorts) -> Self {
        Self {
            begun_at: window.offset(),
            planned_to: window.end(),
            reach: 0,
            met_at: window.offset(),
            slots: VecDeque::from([Slot::new(window, Purpose::Walk)]),
            chain: None,
            top: Vec::new(),
            totals: Totals::default(),
            has_false_totals: false,
            end: End::default(),
            seam: Seam::default(),
            gaps: Vec::new(),
            overlap,
            ties: Ties::Parted(parted),
            spent: Spent::default(),
            distinct: Distinct::default(),
            refused_from: None,
            ended: false,
            head_unchanged: false,
            head: Vec::new(),
            head_fits: Sorts::ALL,
            question: None,
        }
    }

    pub(in crate::walk) const fn begins_at_head(&self) -> bool {
        self.begun_at == 0
    }

    /// The orders that fit, as far as the list was read.
    pub(in crate::walk) fn fits(&self) -> Sorts {
        self.chain.as_ref().map_or(Sorts::ALL, |chain| chain.orders().fits()).and(self.head_fits)
    }

    /// Whether the list is newest first, as far as it was read.
    pub(in crate::walk) fn is_newest_first(&self) -> bool {
        self.chain.as_ref().is_none_or(|chain| chain.orders().is_newest_first())
    }

    /// Whether the chain proves something while the list moves.
    pub(in crate::walk) fn is_ordered(&self) -> bool {
        self.chain.as_ref().is_none_or(|chain| chain.is_strict(self.fits()))
    }

    /// The largest inversion in the likeliest order, in microseconds.
    pub(in crate::walk) fn slack(&self) -> i64 {
        let orders = self.chain.as_ref().map(Chain::orders);
        orders.and_then(|orders| Some(orders.slack(orders.first()?))).unwrap_or(0)
    }

    /// Whether nothing changed while the whole list was read.
    pub(in crate::walk) fn is_still(&self) -> bool {
        let exact = self.chain.as_ref().is_none_or(Chain::is_exact);
        exact && self.head_unchanged && self.ended && self.totals.constant().is_some()
    }

    /// Where the list ends, as far as is known: pages behind this position may not be there.
    pub(in crate::walk) fn known_end(&self) -> u64 {
        self.totals.latest().unwrap_or(0).max(self.reach)
    }

    /// Whether so much was asked for so little that the round must end: the list changes places all the time, has no end, or
    /// grows faster than it is read. How long it is says its first total; where none is told, `most`, what the opening has shown
    /// of its length, or the sessions that came.
    pub(in crate::walk) fn is_spent(&self, largest: u32, most: Option<u64>) -> bool {
        let told = self.totals.first().filter(|_| !self.has_false_totals);
        let length = || told.or(most).unwrap_or_else(|| self.distinct.estimate());
        self.spent.is_over(length, largest)
    }

    /// The last row of the list, where that was walked to.
    pub(in crate::walk) fn last(&self) -> Option<&Listed> {
        self.chain.as_ref().filter(|_| self.ended)?.tail().last()
    }

    pub(in crate::walk) fn begin_at(&mut self, window: Window) {
        (self.begun_at, self.met_at) = (window.offset(), window.offset());
        self.planned_to = window.end();
        self.slots = VecDeque::from([Slot::new(window, Purpose::Walk)]);
    }
}
