//! A joint that does not hold: windows that should join the two answers, and what is done where none does.

use super::Page;
use super::chain::{Extended, Ties};
use super::plan::Plan;
use super::slot::{Purpose, Slot, State};
use crate::list::Window;

impl Plan {
    /// Asks for a window that should join this answer to the chain; where too many were asked for already, goes on
    /// without.
    pub(super) fn repair(&mut self, mut slot: Slot, page: Page, why: Extended) {
        let is_above = why == Extended::Apart && self.is_above(&page);
        let seam = &mut self.round.seam;
        if is_above {
            // So many new sessions that the chain's end is further down: what is here is behind it already.
            self.round.reach = self.round.reach.max(page.end());
            seam.forward = Some(page.end());
            seam.repairs += u32::from(slot.purpose == Purpose::Repair);
            return;
        }
        slot.state = State::Here(page);
        if seam.repairs >= self.settings.repairs {
            self.round.slots.push_front(slot);
            return self.give_up(why);
        }
        seam.repairs += 1;
        self.log.counts.repairs += 1;
        let largest = u64::from(self.server.sizes.largest());
        if why == Extended::Apart && seam.faults.is_empty() {
            // Changes came faster than the overlap allows for.
            self.round.overlap = (self.round.overlap * 2).min((largest / 2).max(1));
        }
        if slot.purpose == Purpose::Repair {
            self.round.seam.forward = None;
        }
        let window = self.repair_window(slot.window.offset());
        if self.round.seam.last == Some(window) && why == Extended::Tied {
            // No page of another size parts the tie.
            self.round.seam.repairs = self.settings.repairs;
        }
        self.round.seam.last = Some(window);
        self.round.slots.push_front(slot);
        self.round.slots.push_front(Slot::new(window, Purpose::Repair));
    }

    fn is_above(&self, page: &Page) -> bool {
        self.round.chain.as_ref().is_some_and(|chain| chain.is_above(&page.rows))
    }

    /// Onwards from what joined the chain last, else back from the answer that does not join; further each time.
    fn repair_window(&self, offset: u64) -> Window {
        let round = &self.round;
        let step = round.overlap + 4 * u64::from(round.seam.repairs);
        let wider = round.overlap.saturating_mul(1 << round.seam.repairs.min(20));
        let (from, overlap) = match round.seam.forward {
            Some(forward) => (forward, step),
            None if round.reach < offset => (round.reach, step),
            None => (offset, wider),
        };
        let sizes = &self.server.sizes;
        // What a page of one size never gives, one of another size may.
        let most = if round.seam.faults.is_empty() { sizes.largest() } else { sizes.largest().div_ceil(2) };
        let size = sizes.each().find(|size| *size <= most).unwrap_or_else(|| sizes.proven());
        let start = from.saturating_sub(overlap) / u64::from(size);
        sizes.reaching_within(from, overlap, most).unwrap_or(Window { size, page: start + 1 })
    }

    /// The joint stays broken: what was asked for its sake is let go, and the walk goes on behind the gap. Ties that
    /// can't be parted are no gap in a list that is still.
    fn give_up(&mut self, why: Extended) {
        let round = &mut self.round;
        while round.slots.front().is_some_and(|slot| slot.purpose == Purpose::Repair) {
            round.slots.pop_front();
        }
        (round.seam.repairs, round.seam.forward) = (0, None);
        if why == Extended::Tied && round.ties != Ties::Kept {
            round.ties = Ties::Kept;
            return; // `settle` takes the front slot once more.
        }
        let Some(Slot { state: State::Here(page), .. }) = round.slots.pop_front() else { return };
        let from = page.window.offset();
        let reason = match why {
            _ if !round.seam.faults.is_empty() => {
                round.gaps.extend((round.reach < from).then_some((round.reach, from)));
                std::mem::take(&mut round.seam.faults).join(", ")
            }
            Extended::Reordered => "sessions changed places".to_owned(),
            _ => "the list moved too fast".to_owned(),
        };
        self.log.reasons.push(format!("a gap before position {from} could not be closed: {reason}"));
        if let Some(chain) = &mut round.chain {
            chain.leap(&page.rows);
        }
        self.advanced(Purpose::Walk, &page);
        self.round.spent.leap();
    }
}
