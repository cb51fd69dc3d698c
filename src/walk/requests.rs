//! Which request comes next, in each phase, and by which number the server knows its page.

use super::goal::Goal;
use super::plan::{Phase, Plan};
use crate::list::{Request, Window};

/// What a phase does next.
enum Step {
    /// It asks for a window.
    Ask(Window),
    /// It sends a request that is named already.
    Send(Request),
    /// It has given way to another phase, which is to be asked.
    Turned,
    /// It waits for answers, or all is done.
    Nothing,
}

impl Plan {
    pub(super) fn request(&mut self) -> Option<Request> {
        if self.log.counts.requests == 0 && self.pace.flying == 0 {
            self.server.unordered |= !self.recall.close();
        }
        let (base, own) = (self.server.base.number(), self.server.sizes.are_the_servers());
        if let Some(doubt) = &mut self.doubt {
            return doubt.next(base, own);
        }
        match self.step(base, own) {
            Step::Ask(window) => {
                let goes_on = matches!(self.phase, Phase::Walking | Phase::Heading(_));
                let is_behind = goes_on && self.is_behind(window);
                Some(self.named(window, is_behind, own))
            }
            Step::Send(request) => Some(request),
            Step::Turned => self.request(),
            Step::Nothing => None,
        }
    }

    /// `base`, `own`: the number of the first page, and whether the server chooses the size. All phases but the opening, the walk
    /// and the passes wait until no request is in flight.
    fn step(&mut self, base: u64, own: bool) -> Step {
        let is_still = self.pace.flying == 0;
        match &mut self.phase {
            Phase::Opening(opening) => opening.next().map_or(Step::Nothing, Step::Send),
            Phase::Walking => self.walk_on(),
            Phase::Passing => self.pass_on(own),
            Phase::Locating(locate) if is_still => match locate.window() {
                Some(window) => Step::Ask(window),
                None => self.located(),
            },
            Phase::Salvaging(_) if is_still => match self.salvage() {
                // It may fail once more.
                Some(window) => Step::Send(self.named(window, true, own)),
                None => Step::Turned,
            },
            Phase::Heading(head) if is_still => match head.window() {
                // By its other name, so that both are known to be the head.
                window if window.page == 1 && head.reads_page_zero() => Step::Send(Request::probe(window, 0)),
                window => Step::Ask(window),
            },
            Phase::Tailing(tail) if is_still => Step::Ask(tail.window()),
            Phase::Closing(closing) if is_still => closing.next(base, own).map_or_else(
                || {
                    self.phase = Phase::Done;
                    Step::Nothing
                },
                Step::Send,
            ),
            _ => Step::Nothing,
        }
    }

    /// The search is over: the walk begins where it has led, or at the head where the list is not in the order for a search.
    fn located(&mut self) -> Step {
        let Phase::Locating(locate) = &self.phase else { return Step::Turned };
        let (found, is_sorted) = (locate.found(), locate.is_newest_first());
        if self.goal == Goal::Survey {
            (self.round.reach, self.phase) = (found.end(), Phase::Done);
            return Step::Nothing;
        }
        self.server.unordered |= !is_sorted;
        let first = Window { size: self.server.sizes.largest(), page: 1 };
        self.begin(if is_sorted { found } else { first });
        Step::Turned
    }

    fn walk_on(&mut self) -> Step {
        if self.round.is_spent(self.server.sizes.largest(), self.server.depths.most()) {
            let why = "the list was asked for three times over: it has no end, or it moves as fast as it is read";
            self.log.reasons.push(why.to_owned());
            self.finish_at_head();
            return Step::Turned;
        }
        match self.walking() {
            Some(window) => {
                self.round.spent.ask();
                Step::Ask(window)
            }
            None if matches!(self.phase, Phase::Walking) => Step::Nothing,
            None => Step::Turned,
        }
    }

    fn pass_on(&mut self, own: bool) -> Step {
        let window = self.passes.as_mut().and_then(|passes| passes.next());
        window.map_or(Step::Nothing, |window| Step::Send(self.named(window, self.is_passed_over(window), own)))
    }

    /// A request for a window, by the number that the server gives its page. `is_behind`: nothing may be there.
    fn named(&self, window: Window, is_behind: bool, own_size: bool) -> Request {
        let page = window.page - 1 + self.server.base.number();
        let request = if is_behind { Request::probe(window, page) } else { Request::documented(window, page) };
        Request { own_size, ..request }
    }

    /// Whether nothing may be there, as far as is known.
    pub(super) fn is_behind(&self, window: Window) -> bool {
        window.page > 1 && window.offset() >= self.known_end()
    }
}
