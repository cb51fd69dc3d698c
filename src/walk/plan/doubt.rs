//! A page of the list that can't be had: is it the server, the size, or the position? An outage of some seconds must not be
//! taken for a refusal, so page 1 in a size that works is asked for between the tries.

use super::{Phase, Plan};
use crate::list::{Outcome, Request, Window};
use crate::walk::Contract;
use crate::walk::slot::{Slot, State};

/// What is asked for now, to tell the server, the size and the position apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Page 1 in a size that was answered before: the server is there.
    Control,
    /// Page 1 in the size in doubt, for the first and the second time.
    Size(u32),
    /// The window itself once more: if that fails too, its position is refused.
    Position,
}

/// What a doubt turned out to be.
#[derive(Debug)]
pub(in crate::walk) enum Resolved {
    /// Page 1 fails as well: the server is not there, and the run ends.
    Outage,
    /// Page 1 of this size fails twice while another size is answered.
    Size(u32),
    /// The window's answer: a page, or the refusal of a position.
    Answer(Box<(Slot, Outcome)>),
}

/// A window whose page can't be had, and how far it is known why.
#[derive(Debug)]
pub(in crate::walk) struct Doubt {
    slot: Slot,
    step: Step,
    /// The size of page 1 that was answered before.
    proven: u32,
    /// Whether a page of the window's own size was answered before.
    is_answered: bool,
    flying: Option<Request>,
}

impl Doubt {
    pub(in crate::walk) const fn new(slot: Slot, proven: u32, is_answered: bool) -> Self {
        Self { slot, step: Step::Control, proven, is_answered, flying: None }
    }

    /// The next request; none while one is under way. `base`: the number of the first page.
    pub(in crate::walk) fn next(&mut self, base: u64, own_size: bool) -> Option<Request> {
        if self.flying.is_some() {
            return None;
        }
        let window = match self.step {
            Step::Control => Window { size: self.proven, page: 1 },
            Step::Size(_) => Window { size: self.slot.window.size, page: 1 },
            Step::Position => self.slot.window,
        };
        let request = Request { own_size, ..Request::documented(window, window.page - 1 + base) };
        self.flying = Some(request);
        Some(request)
    }

    /// Whether this is the answer that is waited for.
    pub(in crate::walk) fn is_for(&self, request: Request) -> bool {
        self.flying == Some(request)
    }

    /// Takes the answer that is waited for: the next step, or what the doubt turned out to be.
    pub(in crate::walk) fn answer(mut self, outcome: Outcome) -> Result<Self, Resolved> {
        self.flying = None;
        let is_page = matches!(outcome, Outcome::Page { .. });
        self.step = match (self.step, is_page) {
            (Step::Control, false) => return Err(Resolved::Outage),
            (Step::Control, true) if self.is_answered => Step::Position,
            (Step::Control, true) => Step::Size(1),
            (Step::Size(_), true) => Step::Position,
            (Step::Size(1), false) => Step::Size(2),
            (Step::Size(_), false) => return Err(Resolved::Size(self.slot.window.size)),
            (Step::Position, _) => return Err(Resolved::Answer(Box::new((self.slot, outcome)))),
        };
        Ok(self)
    }
}

impl Plan {
    /// Finds out why a page can't be had.
    pub(in crate::walk) fn doubt(&mut self, slot: Slot) {
        let sizes = &self.server.sizes;
        let is_answered = sizes.is_answered(slot.window.size) || sizes.are_the_servers();
        self.doubt = Some(Doubt::new(slot, sizes.proven(), is_answered));
    }

    pub(in crate::walk) const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    pub(in crate::walk) fn resolve(&mut self, resolved: Resolved) -> Result<(), Contract> {
        match resolved {
            Resolved::Outage => Err(Contract::Failed),
            Resolved::Size(size) => {
                self.server.sizes.refuse(size);
                // What was asked for by sizes that are not given is asked for anew.
                self.round.slots.clear();
                self.round.planned_to = self.round.reach;
                if self.round.chain.is_none() {
                    let window = Window { size: self.server.sizes.largest(), page: 1 };
                    self.round.begin_at(window);
                }
                Ok(())
            }
            Resolved::Answer(answer) if matches!(self.phase, Phase::Passing) => {
                let (slot, outcome) = *answer;
                self.passed(slot.window, State::of(slot.window, outcome), true);
                Ok(())
            }
            Resolved::Answer(answer) => {
                let (mut slot, outcome) = *answer;
                slot.state = State::of(slot.window, outcome);
                if let State::Failed(failure) = slot.state {
                    self.refused(&slot, failure);
                } else {
                    self.round.slots.push_front(slot);
                }
                self.settle()
            }
        }
    }
}
