//! The plan while it reads a list without a usable order in passes.

use super::closing::Closing;
use super::passes::Passes;
use super::{Phase, Plan};
use crate::list::Window;
use crate::walk::slot::{Purpose, Slot, State};

impl Plan {
    /// Goes over to reading in passes: the server has one page size only.
    pub(in crate::walk) fn pass(&mut self, size: u32) {
        self.round.slots.clear();
        self.log.reasons.clear();
        self.rounds.since = self.rounds.pages;
        self.round.ended = true;
        if self.goal.is_of_positions() {
            // Pages that can't overlap join nothing.
            self.server.sizes.leave_to_server(size);
            self.phase = Phase::Done;
            return;
        }
        self.phase = Phase::Passing;
        self.server.sizes.cap(size);
        self.server.sizes.answer(size);
        self.passes = Some(Box::new(Passes::new(size)));
    }

    /// Whether no page of the passes is known to be there.
    pub(in crate::walk) fn is_passed_over(&self, window: Window) -> bool {
        self.passes.as_ref().is_some_and(|passes| window.page > 1 && window.offset() >= passes.known_end())
    }

    /// Takes an answer of the passes. `is_final`: it was found out already why the page can't be had.
    pub(in crate::walk) fn passed(&mut self, window: Window, state: State, is_final: bool) {
        let is_behind = self.is_passed_over(window);
        let Some(passes) = &mut self.passes else { return };
        match state {
            State::Failed(failure) if is_final => passes.refuse(window, &failure.text()),
            State::Failed(failure) if !is_behind && passes.is_flying(window) => {
                self.doubt(Slot { state: State::Failed(failure), ..Slot::new(window, Purpose::Walk) });
            }
            State::Failed(_) => passes.answer(window, None),
            State::Here(page) => {
                self.server.base.meet(&page.rows);
                passes.answer(window, Some(&page));
            }
            State::Planned | State::Flying => {}
        }
        self.turn_to_closing();
    }

    pub(in crate::walk) fn turn_to_closing(&mut self) {
        if let Some(passes) = self.passes.as_ref().filter(|passes| passes.is_over()) {
            if passes.rest_fits() {
                self.server.base.rest_fits();
            }
            self.phase = Phase::Closing(Closing::of(self));
        }
    }
}
