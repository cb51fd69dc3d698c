//! Where one phase gives way to the next: a round begins, begins again, or is finished at the head.

use super::head::Head;
use super::round::Round;
use super::salvage::Salvage;
use super::{Phase, Plan};
use crate::list::Window;
use crate::walk::recall::Recall;

impl Plan {
    /// Begins the walk with this window.
    pub(in crate::walk) fn begin(&mut self, window: Window) {
        self.phase = Phase::Walking;
        let round = Round::new(window, self.round.overlap, self.server.parted);
        let before = std::mem::replace(&mut self.round, round);
        (self.round.top, self.round.totals) = (before.top, before.totals);
    }

    /// Walks again from the first window, if that is still allowed.
    pub(in crate::walk) fn begin_again(&mut self) -> bool {
        if self.rounds.number >= self.settings.rounds {
            return false;
        }
        self.rounds.number += 1;
        self.rounds.since = self.rounds.pages;
        self.recall = Recall::default();
        self.server.parted = self.round.fits();
        self.log.counts.links += self.round.chain.as_ref().map_or(0, crate::walk::chain::Chain::links);
        self.log.unusable = 0;
        self.log.reasons.clear();
        let window = Window { size: self.server.sizes.largest(), page: 1 };
        self.phase = Phase::Walking;
        self.round = Round::new(window, self.round.overlap, self.server.parted);
        true
    }

    /// Goes over to reading the head again: what moved up while the walk was above it shows there.
    pub(in crate::walk) fn finish_at_head(&mut self) {
        self.round.slots.clear();
        if self.goal.is_of_positions() {
            return self.finish_part();
        }
        let is_found = !self.round.begins_at_head();
        if is_found && self.server.unordered {
            // It was looked for by an order that the list has not.
            if !self.begin_again() {
                self.phase = Phase::Done;
            }
            return;
        }
        self.fill_gaps().unwrap_or_else(|| self.turn_to_head());
    }

    /// A part of the list is read, as far as it can be had.
    fn finish_part(&mut self) {
        self.fill_gaps().unwrap_or_else(|| self.phase = Phase::Done);
    }

    /// Goes over to reading the gaps piece by piece; `None` where there are none.
    fn fill_gaps(&mut self) -> Option<()> {
        let gaps = std::mem::take(&mut self.round.gaps);
        let has_gaps = !gaps.is_empty();
        has_gaps.then(|| self.phase = Phase::Salvaging(Salvage::of(gaps, &self.server.sizes)))
    }

    fn turn_to_head(&mut self) {
        self.phase = Phase::Heading(Head::of(self));
    }

    /// All gaps are read that could be.
    pub(in crate::walk) fn turn_from_gaps(&mut self) {
        if self.goal.is_of_positions() { self.phase = Phase::Done } else { self.turn_to_head() }
    }

    /// Whether it came to its end.
    pub(in crate::walk) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }
}
