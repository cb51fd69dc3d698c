//! Which windows to ask for ahead of the chain, and what the end still needs.

use super::goal::Goal;
use super::plan::{Phase, Plan};
use super::slot::{Purpose, Slot, State};
use super::window::{Window, behind, reaching};

impl Plan {
    /// The next planned window, or one more, or what the end still needs.
    pub(super) fn walking(&mut self) -> Option<Window> {
        loop {
            if let Some(slot) = self.slots.iter_mut().find(|slot| matches!(slot.state, State::Planned)) {
                slot.state = State::Flying;
                return Some(slot.window);
            }
            if self.question.is_some() || !self.plan_more() {
                return None;
            }
            if !matches!(self.phase, Phase::Walking) {
                return None; // The next phase has requests of its own.
            }
        }
    }

    /// Adds a slot, or goes over to the next phase; false where nothing can be done now.
    fn plan_more(&mut self) -> bool {
        if self.barren < 3 && self.slots.len() < 4 * self.width.max(2) && self.planned_to <= self.horizon() {
            match self.totals.latest() {
                Some(total) if self.planned_to <= total => return self.plan_walk(),
                Some(total) if self.end.lacks_probe() && !self.has_probe() => {
                    let window = behind(total.max(self.planned_to).max(self.reach), self.largest);
                    self.slots.push_back(Slot::new(window, Purpose::Behind));
                    return true;
                }
                None if self.end.lacks_probe() => return self.plan_walk(),
                _ => {}
            }
        }
        self.slots.is_empty() && self.plan_end()
    }

    /// How far the goal may lie, guessed from how dense the sessions were so far: what is asked for beyond it is read in
    /// vain.
    fn horizon(&self) -> u64 {
        // A burst of sessions, or an earlier walk that is soon met, must not send all of them out at once.
        let most = 2 * self.reach.saturating_sub(self.begun_at);
        let down_to = match self.goal {
            Goal::Full if !self.recall.is_empty() => return self.reach.saturating_add(most),
            Goal::Full => return u64::MAX,
            Goal::Nightly { down_to } => down_to,
            Goal::Since { from } | Goal::Range { from, .. } => from,
        };
        let Some(chain) = &self.chain else { return self.planned_to.saturating_sub(1) };
        let start = |row: Option<&super::Listed>| row.and_then(|row| row.start);
        let (Some(newest), Some(oldest)) = (start(chain.tail().first()), start(chain.tail().last())) else {
            return u64::MAX;
        };
        let rows = chain.tail().len() as u128;
        let left = u128::try_from(oldest.saturating_sub(down_to)).unwrap_or(0);
        let guess = u64::try_from(left * rows / u128::from(newest.abs_diff(oldest).max(1))).unwrap_or(u64::MAX);
        self.reach.saturating_add(guess.min(most))
    }

    fn has_probe(&self) -> bool {
        self.slots.back().is_some_and(|slot| slot.purpose == Purpose::Behind)
    }

    fn plan_walk(&mut self) -> bool {
        let Some(window) = reaching(self.planned_to, self.overlap, self.largest) else {
            // No page crosses this position: no overlap can be made with so small pages.
            self.pass(self.largest);
            return true;
        };
        self.planned_to = window.end();
        let slot = Slot::new(window, Purpose::Walk);
        let before_probe = self.slots.len() - usize::from(self.has_probe());
        self.slots.insert(before_probe, slot);
        true
    }

    fn plan_end(&mut self) -> bool {
        self.ended = true;
        if let Some((window, is_behind)) = self.end.next(self.reach, self.overlap, self.largest) {
            let purpose = if is_behind { Purpose::Behind } else { Purpose::Walk };
            self.slots.push_back(Slot::new(window, purpose));
            return true;
        }
        if !self.end.is_shown() {
            let said = self.totals.latest().map_or_else(String::new, |total| format!(" at {total} sessions"));
            self.reasons.push(format!("the end of the list{said} could not be shown"));
            self.reasons.append(&mut self.faults);
        }
        self.finish_at_head();
        true
    }
}
