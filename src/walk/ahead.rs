//! Which windows to ask for ahead of the chain, and what the end still needs.

use super::goal::Goal;
use super::plan::{Phase, Plan};
use super::slot::{Purpose, Slot, State};
use super::window::behind;
use crate::list::Window;

impl Plan {
    /// The next planned window, or one more, or what the end still needs.
    pub(super) fn walking(&mut self) -> Option<Window> {
        loop {
            let known_end = self.known_end();
            if let Some(slot) = self.round.slots.iter_mut().find(|slot| matches!(slot.state, State::Planned)) {
                slot.state = State::Flying;
                slot.is_probe = slot.window.page > 1 && slot.window.offset() >= known_end;
                return Some(slot.window);
            }
            if self.round.question.is_some() || !self.plan_more() {
                return None;
            }
            if !matches!(self.phase, Phase::Walking) {
                return None; // The next phase has requests of its own.
            }
        }
    }

    /// Adds a slot, or goes over to the next phase; false where nothing can be done now.
    fn plan_more(&mut self) -> bool {
        let round = &self.round;
        let room = round.slots.len() < 4 * self.pace.width.max(2);
        if !round.spent.is_barren() && room && round.planned_to <= self.horizon() {
            match round.totals.latest() {
                Some(total) if round.planned_to <= total => return self.plan_walk(),
                // Whether something is behind the end is for the walk that goes on from here.
                Some(_) if self.goal.is_of_positions() => {}
                Some(total) if round.end.lacks_probe() && !self.has_probe() => {
                    let from = total.max(round.planned_to).max(round.reach);
                    let window = behind(from, self.server.sizes.proven());
                    self.round.slots.push_back(Slot::new(window, Purpose::Behind));
                    return true;
                }
                None if round.end.lacks_probe() => return self.plan_walk(),
                _ => {}
            }
        }
        self.round.slots.is_empty() && self.plan_end()
    }

    /// How far the goal may lie, guessed from how dense the sessions were so far: what is asked for beyond it is read in
    /// vain.
    fn horizon(&self) -> u64 {
        let round = &self.round;
        // A burst of sessions must not send all of them out at once.
        let most = 2 * round.reach.saturating_sub(round.begun_at);
        let down_to = match self.goal {
            Goal::Full | Goal::Since { .. } if !self.recall.is_empty() => return self.meeting(),
            Goal::Stretch { to, .. } => return to.saturating_sub(1),
            Goal::Full | Goal::Survey => return u64::MAX,
            Goal::Nightly { down_to } => down_to,
            Goal::Since { from } | Goal::Range { from, .. } => from,
        };
        let Some(chain) = &round.chain else { return round.planned_to.saturating_sub(1) };
        let time = |row: Option<&super::Listed>| chain.orders().first()?.time(row?);
        let (Some(newest), Some(oldest)) = (time(chain.tail().first()), time(chain.tail().last())) else {
            return u64::MAX;
        };
        let rows = chain.tail().len() as u128;
        let left = u128::try_from(oldest.saturating_sub(down_to)).unwrap_or(0);
        let guess = u64::try_from(left * rows / u128::from(newest.abs_diff(oldest).max(1))).unwrap_or(u64::MAX);
        round.reach.saturating_add(guess.min(most))
    }

    /// How far an earlier walk may lie that is to be met: where its next part began, or a little further each time that nothing
    /// was met.
    fn meeting(&self) -> u64 {
        let round = &self.round;
        let read = 2 * round.reach.saturating_sub(round.met_at);
        self.recall.expected().unwrap_or_default().max(round.reach.saturating_add(read))
    }

    /// Where the list ends, as far as is known: pages behind this position may not be there. What a part of the list reaches to is
    /// there as long as no total says otherwise.
    pub(super) fn known_end(&self) -> u64 {
        let end = self.round.known_end();
        match self.goal {
            Goal::Stretch { to, .. } if self.round.totals.latest().is_none() => end.max(to),
            _ => end,
        }
    }

    fn has_probe(&self) -> bool {
        self.round.slots.back().is_some_and(|slot| slot.purpose == Purpose::Behind)
    }

    fn plan_walk(&mut self) -> bool {
        let Some(window) = self.server.sizes.reaching(self.round.planned_to, self.round.overlap) else {
            // No page crosses this position: no overlap can be made with the sizes that there are.
            self.pass(self.server.sizes.proven());
            return true;
        };
        self.round.planned_to = window.end();
        let slot = Slot::new(window, Purpose::Walk);
        let before_probe = self.round.slots.len() - usize::from(self.has_probe());
        self.round.slots.insert(before_probe, slot);
        true
    }

    fn plan_end(&mut self) -> bool {
        if self.goal.is_of_positions() {
            self.finish_at_head();
            return true;
        }
        let round = &mut self.round;
        round.ended = true;
        if let Some((window, is_behind)) = round.end.next(round.reach, round.overlap, &self.server.sizes) {
            let purpose = if is_behind { Purpose::Behind } else { Purpose::Walk };
            round.slots.push_back(Slot::new(window, purpose));
            return true;
        }
        if let Some(doubt) = self.doubt_of_end() {
            self.log.reasons.push(doubt);
            self.log.reasons.append(&mut self.round.seam.faults);
        }
        self.finish_at_head();
        true
    }

    /// Why the list may go on behind what seems to be its end; `None` where it does not.
    fn doubt_of_end(&self) -> Option<String> {
        let Self { round, server, .. } = self;
        let reach = round.reach;
        if let Some(position) = server.depths.beyond(reach) {
            return Some(format!(
                "the list seems to end after {reach} sessions, but there are sessions behind position {position}"
            ));
        }
        if let Some(length) = server.last_pages.belie(reach) {
            return Some(format!(
                "the list seems to end after {reach} sessions, but the pages that it names hold more than {length}"
            ));
        }
        if round.end.is_cut(reach) {
            return Some(format!(
                "the list ends after {reach} sessions, where servers cut lists, and what lies behind is refused"
            ));
        }
        let said = || round.totals.latest().map_or_else(String::new, |total| format!(" at {total} sessions"));
        (!round.end.is_shown(server.depths.far())).then(|| format!("the end of the list{} could not be shown", said()))
    }
}
