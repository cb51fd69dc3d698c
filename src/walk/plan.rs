//! The plan of a walk: its phases, and where requests and answers meet. Which windows come next is in `ahead`, what
//! answers mean for the chain in `settle`, what is looked at last in `closing`.
//!
//! Each phase has a state of its own, made anew when the phase begins. What answers have shown of the server outlives them.

use super::base::{Base, Word};
use super::closing::Closing;
use super::doubt::{Doubt, Resolved};
use super::goal::{Goal, Settings};
use super::head::Head;
use super::locate::Locate;
use super::opening::{Opening, Shown, Start};
use super::order::Sorts;
use super::passes::Passes;
use super::recall::Recall;
use super::round::Round;
use super::salvage::Salvage;
use super::sizes::Sizes;
use super::slot::{Purpose, Slot, State};
use super::tail::Tail;
use super::window::Window;
use super::{Answer, Contract, Outcome, Page, Request};

/// Counts for the receipt.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub requests: u64,
    pub windows: u64,
    pub repairs: u64,
    pub inserted: u64,
    pub links: u64,
    /// Answers of an earlier run.
    pub recalled: u64,
    /// Records without a usable id, those of overlaps twice.
    pub unusable: u64,
}

/// What answers have shown of the server.
#[derive(Debug)]
pub(super) struct Server {
    pub base: Base,
    pub sizes: Sizes,
    /// By how much the server's own page numbers differ from ours; `None` where they are not to be trusted.
    pub echo: Option<i64>,
    /// Whether the server's word on the size of a page can be trusted.
    pub echoes_sizes: bool,
    /// Windows that were answered with the first page; `None` once another page was answered with something else.
    pub ignored: Option<u32>,
    /// What a page far behind the end brought at the opening, where no total says where that is.
    pub far: Option<Word>,
    /// The server's clock at the first answer, in microseconds.
    pub at: Option<i64>,
    /// The list is known not to allow an early stop or a search: by a stopped run, or by what was read.
    pub unordered: bool,
    /// Orders that fitted in an earlier round, and that a joint was tied in.
    pub parted: Sorts,
}

/// For the verdict.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub counts: Counts,
    /// What speaks against the proof.
    pub reasons: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Phase {
    Opening(Opening),
    Locating(Locate),
    Walking,
    Salvaging(Salvage),
    Heading(Head),
    Tailing(Tail),
    Passing,
    Closing(Closing),
    Done,
}

/// Requests in flight.
#[derive(Debug)]
pub(super) struct Pace {
    pub flying: usize,
    /// Most requests that were ever wanted at once.
    pub width: usize,
}

/// Which round it is, and where it began.
#[derive(Debug)]
struct Rounds {
    number: u32,
    /// Pages so far, and when this round began.
    pages: u64,
    since: u64,
}

/// A walk. See the module.
#[derive(Debug)]
pub struct Plan {
    pub(super) goal: Goal,
    pub(super) settings: Settings,
    pub(super) server: Server,
    pub(super) phase: Phase,
    pub(super) round: Round,
    /// The list read in passes, where its pages can't overlap.
    pub(super) passes: Option<Box<Passes>>,
    /// A page that can't be had, while it is found out why.
    doubt: Option<Doubt>,
    /// The account has no sessions, and that is shown.
    pub(super) is_empty: bool,
    pub(super) recall: Recall,
    pub(super) log: Log,
    pub(super) pace: Pace,
    rounds: Rounds,
}

impl Plan {
    /// A walk with nothing asked yet. `is_from_zero`: an earlier walk has shown that pages are counted from 0.
    pub fn new(goal: Goal, settings: Settings, is_from_zero: bool) -> Self {
        let sizes = Sizes::new(settings.per_page);
        let first = Window { size: sizes.largest(), page: 1 };
        let overlap = u64::from(settings.overlap.max(1));
        Self {
            goal,
            settings,
            server: Server {
                base: Base::default(),
                sizes,
                echo: None,
                echoes_sizes: false,
                ignored: Some(0),
                far: None,
                at: None,
                unordered: false,
                parted: Sorts::NONE,
            },
            phase: Phase::Opening(Opening::new(settings.per_page.max(1), is_from_zero)),
            round: Round::new(first, overlap, Sorts::NONE),
            passes: None,
            doubt: None,
            is_empty: false,
            recall: Recall::default(),
            log: Log::default(),
            pace: Pace { flying: 0, width: 1 },
            rounds: Rounds { number: 1, pages: 0, since: 0 },
        }
    }

    /// Takes an answer of an earlier run that was stopped, before the first request; in the order in which they arrived.
    /// They are numbered like those of this run.
    pub fn recall(&mut self, window: Window, info: super::PageInfo, rows: Vec<super::Listed>, unusable: u64) {
        self.rounds.pages += 1;
        self.log.counts.recalled += 1;
        self.recall.take(&Page { window, info, rows, unusable }, self.settings.slack);
    }

    /// Up to `free` requests to send now. None while nothing is in flight means that the walk is over.
    pub fn next(&mut self, free: usize) -> Vec<Request> {
        self.pace.width = self.pace.width.max(free + self.pace.flying);
        let mut requests = Vec::new();
        while requests.len() < free {
            let Some(request) = self.request() else { break };
            self.pace.flying += 1;
            requests.push(request);
        }
        requests
    }

    /// Takes the answer to a request. Pages are numbered as they come, from 0.
    ///
    /// # Errors
    /// [`Contract`] where the source can't be walked at all.
    pub fn answer(&mut self, answer: Answer) -> Result<(), Contract> {
        let Answer { request, outcome } = answer;
        self.pace.flying = self.pace.flying.saturating_sub(1);
        self.log.counts.requests += 1;
        if let Outcome::Page { unusable, .. } = &outcome {
            self.rounds.pages += 1;
            self.log.counts.unusable += unusable;
        }
        if let Some(doubt) = self.doubt.take_if(|doubt| doubt.is_for(request)) {
            return match doubt.answer(outcome) {
                Ok(doubt) => {
                    self.doubt = Some(doubt);
                    Ok(())
                }
                Err(resolved) => self.resolve(resolved),
            };
        }
        self.arrived(request, outcome)
    }

    fn arrived(&mut self, request: Request, outcome: Outcome) -> Result<(), Contract> {
        match &mut self.phase {
            Phase::Opening(opening) => {
                opening.answer(request, outcome);
                match opening.shows() {
                    Some(shown) => self.open(shown),
                    None => Ok(()),
                }
            }
            Phase::Locating(locate) => {
                let page = State::of(request.window, outcome);
                locate.answer(request.window, if let State::Here(page) = &page { Some(page) } else { None });
                Ok(())
            }
            Phase::Walking => {
                let window = request.window;
                let state = State::of(window, outcome);
                if let State::Here(page) = &state {
                    self.server.sizes.answer(window.size);
                    self.compare_with_head(page);
                }
                let wanted = |slot: &&mut Slot| slot.window == window && slot.state.is_flying();
                if let Some(slot) = self.round.slots.iter_mut().find(wanted) {
                    slot.state = state;
                }
                self.settle()
            }
            Phase::Salvaging(_) => {
                self.salvaged(request, outcome);
                Ok(())
            }
            Phase::Heading(_) => self.heading(request, outcome),
            Phase::Tailing(_) => self.tailing(request, outcome),
            Phase::Passing => {
                self.passed(request.window, State::of(request.window, outcome), false);
                Ok(())
            }
            Phase::Closing(_) => {
                self.close(&outcome);
                Ok(())
            }
            Phase::Done => Ok(()),
        }
    }

    /// Ids to look for among the sessions that are known from earlier runs; the answer goes to [`Plan::known`].
    pub fn question(&self) -> Option<&[u128]> {
        self.round.question.as_deref()
    }

    /// Whether one of the ids of [`Plan::question`] is known.
    pub fn known(&mut self, known: bool) {
        self.round.question = None;
        if known {
            self.finish_at_head();
        }
    }

    /// Requests there will be in all, as far as can be said.
    pub fn expected_requests(&self) -> Option<u64> {
        let Goal::Full = self.goal else { return None };
        let left = self.round.totals.latest()?.saturating_sub(self.round.planned_to);
        let largest = self.server.sizes.largest();
        let gain = u64::from(largest).saturating_sub(u64::from(largest) / 12 + 1).max(1);
        Some(self.log.counts.requests + self.pace.flying as u64 + left.div_ceil(gain) + 1)
    }

    /// Number of the first page (counted as in [`Plan::answer`]) that belongs to the walk as it ended. Those before
    /// are of walks that had to be begun again.
    pub const fn since(&self) -> u64 {
        self.rounds.since
    }

    pub(super) fn request(&mut self) -> Option<Request> {
        if self.log.counts.requests == 0 && self.pace.flying == 0 {
            self.server.unordered |= !self.recall.close();
        }
        let (base, own) = (self.server.base.number(), self.server.sizes.are_the_servers());
        if let Some(doubt) = &mut self.doubt {
            return doubt.next(base, own);
        }
        let window = match &mut self.phase {
            Phase::Opening(opening) => return opening.next(),
            Phase::Locating(locate) if self.pace.flying == 0 => {
                if let Some(window) = locate.window() {
                    window
                } else {
                    let (found, is_sorted) = (locate.found(), locate.is_newest_first());
                    self.server.unordered |= !is_sorted;
                    let first = Window { size: self.server.sizes.largest(), page: 1 };
                    self.begin(if is_sorted { found } else { first });
                    return self.request();
                }
            }
            Phase::Salvaging(_) if self.pace.flying == 0 => match self.salvage() {
                // It may fail once more.
                Some(window) => return Some(self.named(window, true, own)),
                None => return self.request(),
            },
            Phase::Heading(head) if self.pace.flying == 0 => {
                let window = head.window();
                if window.page == 1 && head.reads_page_zero() {
                    // By its other name, so that both are known to be the head.
                    return Some(Request::probe(window, 0));
                }
                window
            }
            Phase::Tailing(tail) if self.pace.flying == 0 => tail.window(),
            Phase::Walking if self.round.is_spent(self.server.sizes.largest()) => {
                self.log.reasons.push("too many requests brought nothing new".to_owned());
                self.finish_at_head();
                return self.request();
            }
            Phase::Walking => match self.walking() {
                Some(window) => {
                    self.round.spent.ask();
                    window
                }
                None if matches!(self.phase, Phase::Walking) => return None,
                None => return self.request(),
            },
            Phase::Passing => {
                let window = self.passes.as_mut()?.next()?;
                return Some(self.named(window, self.is_passed_over(window), own));
            }
            Phase::Closing(closing) if self.pace.flying == 0 => {
                let Some(request) = closing.next(base, own) else {
                    self.phase = Phase::Done;
                    return None;
                };
                return Some(request);
            }
            Phase::Locating(_)
            | Phase::Salvaging(_)
            | Phase::Heading(_)
            | Phase::Tailing(_)
            | Phase::Closing(_)
            | Phase::Done => return None,
        };
        let goes_on = matches!(self.phase, Phase::Walking | Phase::Heading(_));
        let is_behind = goes_on && self.is_behind(window);
        Some(self.named(window, is_behind, own))
    }

    /// A request for a window, by the number that the server gives its page. `is_behind`: nothing may be there.
    fn named(&self, window: Window, is_behind: bool, own_size: bool) -> Request {
        let page = window.page - 1 + self.server.base.number();
        let request = if is_behind { Request::probe(window, page) } else { Request::documented(window, page) };
        Request { own_size, ..request }
    }

    /// Whether nothing may be there, as far as is known.
    pub(super) fn is_behind(&self, window: Window) -> bool {
        window.page > 1 && window.offset() >= self.round.known_end()
    }

    /// Decides from the first answers how to go on.
    fn open(&mut self, shown: Shown) -> Result<(), Contract> {
        let start = match shown {
            Shown::Failed => return Err(Contract::Failed),
            Shown::Empty(objection) => {
                self.is_empty = true;
                self.round.ended = true;
                self.log.reasons.extend(objection);
                self.phase = Phase::Done;
                return Ok(());
            }
            Shown::List(start) => *start,
        };
        let Start { page, mut base, sizes, one_size, far, at } = start;
        base.forget(|row| !self.owes(row));
        if one_size.is_none() {
            base.meet(&page.rows);
        }
        let echo = page.info.per_page.and_then(|echo| u64::try_from(echo).ok());
        self.server.echoes_sizes =
            echo.is_some_and(|echo| echo == page.listed() || echo == u64::from(page.window.size));
        self.server.echo = page.info.current_page.map(|current| current - 1).filter(|echo| (-1..=0).contains(echo));
        let Server { far: is_far, at: first_at, .. } = &mut self.server;
        (*is_far, *first_at) = (far, at);
        (self.server.base, self.server.sizes) = (base, sizes);
        if let Some(size) = one_size {
            self.pass(size);
            self.passes.iter_mut().for_each(|passes| passes.expect(page.listed()));
            return Ok(());
        }
        let newest_first = super::order::Orders::of(&page.rows, self.settings.slack).is_newest_first();
        match self.goal {
            Goal::Range { to, .. } if newest_first && !self.server.unordered => {
                self.round.totals.observe(&page);
                let to = to.saturating_add(self.settings.slack);
                let end = self.round.totals.latest();
                let size = self.server.sizes.largest();
                self.phase = Phase::Locating(Locate::new(to, size, end, &page.rows, self.settings.slack));
                self.round.top = page.rows;
                Ok(())
            }
            _ => {
                self.begin(page.window);
                self.round.totals.observe(&page);
                if let Some(slot) = self.round.slots.front_mut() {
                    slot.state = State::Here(page);
                }
                self.settle()
            }
        }
    }

    /// Whether a session that page 0 has shown must be met again on the way to the goal.
    fn owes(&self, row: &super::Listed) -> bool {
        let start = row.start.unwrap_or(i64::MIN);
        match self.goal {
            Goal::Full => true,
            Goal::Since { from } | Goal::Nightly { down_to: from } => start >= from,
            Goal::Range { from, to } => (from..to).contains(&start),
        }
    }

    /// Begins the walk with this window.
    pub(super) fn begin(&mut self, window: Window) {
        self.phase = Phase::Walking;
        let round = Round::new(window, self.round.overlap, self.server.parted);
        let before = std::mem::replace(&mut self.round, round);
        (self.round.top, self.round.totals) = (before.top, before.totals);
    }

    /// Walks again from the first window, if that is still allowed.
    pub(super) fn begin_again(&mut self) -> bool {
        if self.rounds.number >= self.settings.rounds {
            return false;
        }
        self.rounds.number += 1;
        self.rounds.since = self.rounds.pages;
        self.recall = Recall::default();
        self.server.parted = self.round.fits();
        self.log.counts.links += self.round.chain.as_ref().map_or(0, super::chain::Chain::links);
        self.log.counts.unusable = 0;
        self.log.reasons.clear();
        let window = Window { size: self.server.sizes.largest(), page: 1 };
        self.phase = Phase::Walking;
        self.round = Round::new(window, self.round.overlap, self.server.parted);
        true
    }

    /// Goes over to reading in passes: the server has one page size only.
    pub(super) fn pass(&mut self, size: u32) {
        self.round.slots.clear();
        self.log.reasons.clear();
        self.rounds.since = self.rounds.pages;
        self.round.ended = true;
        self.phase = Phase::Passing;
        self.server.sizes.cap(size);
        self.server.sizes.answer(size);
        self.passes = Some(Box::new(Passes::new(size)));
    }

    /// Whether no page of the passes is known to be there.
    fn is_passed_over(&self, window: Window) -> bool {
        self.passes.as_ref().is_some_and(|passes| window.page > 1 && window.offset() >= passes.known_end())
    }

    /// Takes an answer of the passes. `is_final`: it was found out already why the page can't be had.
    fn passed(&mut self, window: Window, state: State, is_final: bool) {
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

    fn turn_to_closing(&mut self) {
        if let Some(passes) = self.passes.as_ref().filter(|passes| passes.is_over()) {
            if passes.rest_fits() {
                self.server.base.rest_fits();
            }
            self.phase = Phase::Closing(Closing::of(self));
        }
    }

    /// Finds out why a page can't be had.
    pub(super) fn doubt(&mut self, slot: Slot) {
        let sizes = &self.server.sizes;
        let is_answered = sizes.is_answered(slot.window.size) || sizes.are_the_servers();
        self.doubt = Some(Doubt::new(slot, sizes.proven(), is_answered));
    }

    pub(super) const fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    fn resolve(&mut self, resolved: Resolved) -> Result<(), Contract> {
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

    /// Goes over to reading the head again: what moved up while the walk was above it shows there.
    pub(super) fn finish_at_head(&mut self) {
        self.round.slots.clear();
        let is_found = !self.round.begins_at_head();
        if is_found && self.server.unordered {
            // It was looked for by an order that the list has not.
            if !self.begin_again() {
                self.phase = Phase::Done;
            }
            return;
        }
        let gaps = std::mem::take(&mut self.round.gaps);
        self.phase = if gaps.is_empty() {
            Phase::Heading(Head::of(self))
        } else {
            Phase::Salvaging(Salvage::of(gaps, &self.server.sizes))
        };
    }

    /// Whether it came to its end.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }
}
