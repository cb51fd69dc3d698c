//! The plan of a walk: its phases, and where requests and answers meet. Which request comes next is in `requests`
//! and `ahead`, what answers mean for the chain in `settle`, what may be wrong with them in `fault`, what is looked at last in
//! `closing`.
//!
//! Each phase has a state of its own, made anew when the phase begins. What answers have shown of the server outlives them.

mod closing;
mod doubt;
pub(super) mod fault;
mod head;
pub(super) mod passes;
mod passing;
pub(super) mod round;
mod salvage;
mod tail;
mod turns;

use super::base::Base;
use super::counts::Counts;
use super::goal::{Goal, Settings};
use super::grain::Grain;
use super::last_pages::LastPages;
use super::locate::Locate;
use super::opening::{Depths, Opening};
use super::order::Sorts;
use super::recall::Recall;
use super::sizes::Sizes;
use super::slot::{Slot, State};
use super::{Contract, Page};
use crate::list::{Answer, Outcome, Request, Window};
use closing::Closing;
use doubt::Doubt;
use head::Head;
use passes::Passes;
use round::Round;
use salvage::Salvage;
use tail::Tail;

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
    /// How far the list goes, by pages far behind the first one, where no total says so.
    pub depths: Depths,
    /// The same by the numbers of pages that it names.
    pub last_pages: LastPages,
    /// The server's clock at the first answer, in microseconds.
    pub at: Option<i64>,
    /// The list is known not to allow an early stop or a search: by a stopped run, or by what was read.
    pub unordered: bool,
    /// Orders that fitted in an earlier round, and that a joint was tied in.
    pub parted: Sorts,
    pub grain: Grain,
}

/// What the verdict tells besides the evidence.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub counts: Counts,
    /// Sessions that came in at the head while the list was read.
    pub inserted: u64,
    /// Records without a usable id, those of overlaps twice.
    pub unusable: u64,
    /// What speaks against the proof, in words for the receipt; empty where nothing does.
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

/// How many requests are in flight, and how many the driver allows for.
#[derive(Debug)]
pub(super) struct Pace {
    pub flying: usize,
    /// Most requests that were ever wanted at once.
    pub width: usize,
}

/// Which round it is, and where it began.
#[derive(Debug)]
pub(super) struct Rounds {
    pub number: u32,
    /// Pages so far, and when this round began.
    pub pages: u64,
    pub since: u64,
}

/// A walk: requests out, answers in, a verdict at the end. See the module.
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
    pub(super) doubt: Option<Doubt>,
    /// The account has no sessions, and that is shown.
    pub(super) is_empty: bool,
    pub(super) recall: Recall,
    pub(super) log: Log,
    pub(super) pace: Pace,
    pub(super) rounds: Rounds,
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
                depths: Depths::default(),
                last_pages: LastPages::default(),
                at: None,
                unordered: false,
                parted: Sorts::NONE,
                grain: Grain::default(),
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
        self.log.unusable += unusable;
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
        if let Outcome::Page { info, rows, unusable, .. } = &outcome {
            self.rounds.pages += 1;
            self.log.unusable += unusable;
            if request.page + 1 == request.window.page + self.server.base.number() {
                self.server.grain.observe(request.window, rows);
            }
            if rows.len() as u64 + unusable == u64::from(request.window.size) {
                self.server.last_pages.observe(request.window, info.last_page);
            }
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
                    if self.round.totals.most().is_none() {
                        self.round.distinct.observe(&page.rows);
                    }
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
}
