//! The plan of a walk: its phases, and where requests and answers meet. Which windows come next is in `ahead`, what
//! answers mean for the chain in `settle`.

use std::collections::VecDeque;

use super::chain::Chain;
use super::end::End;
use super::goal::{Goal, Settings};
use super::head::Head;
use super::locate::Locate;
use super::opening::{Opening, Zero};
use super::passes::Passes;
use super::recall::Recall;
use super::slot::{Purpose, Slot, State};
use super::totals::Totals;
use super::window::Window;
use super::{Answer, Asking, Contract, Outcome, Page, Request};

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

#[derive(Debug)]
pub(super) enum Phase {
    Opening(Opening),
    Locating(Locate),
    Walking,
    Heading(Head),
    Passing(Box<Passes>),
    Done,
}

/// A walk. See the module.
#[allow(clippy::struct_excessive_bools)] // each is a fact of its own
#[derive(Debug)]
pub struct Plan {
    pub(super) goal: Goal,
    pub(super) settings: Settings,
    /// What the server calls its first page.
    pub(super) base: u64,
    pub(super) zero: Zero,
    /// By how much the server's own page numbers differ from ours; `None` where they are not to be trusted.
    pub(super) echo: Option<i64>,
    pub(super) largest: u32,
    pub(super) overlap: u64,
    pub(super) phase: Phase,
    pub(super) slots: VecDeque<Slot>,
    pub(super) flying: usize,
    /// Most requests that were ever wanted at once.
    pub(super) width: usize,
    /// Where the chain begins.
    pub(super) begun_at: u64,
    /// Windows are planned up to this position.
    pub(super) planned_to: u64,
    pub(super) chain: Option<Chain>,
    /// The head, where the chain does not begin at it.
    pub(super) top: Vec<super::Listed>,
    /// Position behind the chain's last row, as last seen.
    pub(super) reach: u64,
    pub(super) totals: Totals,
    pub(super) end: End,
    /// Repairs of the joint at hand.
    pub(super) seam: u32,
    /// Where the last repair that joined the chain ended.
    pub(super) forward: Option<u64>,
    /// The list was seen not to be newest first: in this walk, one before, or by the run that was stopped.
    pub(super) unordered: bool,
    /// Groups of equal starts lie across joints whatever is done; only a list that is still can be proven then.
    pub(super) ties: bool,
    /// Windows that were answered with the first page; `None` once another page was answered with something else.
    pub(super) ignored: Option<u32>,
    /// Answers in a row that brought nothing.
    pub(super) barren: u32,
    /// The end was walked to.
    pub(super) ended: bool,
    /// Whether nothing changed at the head.
    pub(super) head_unchanged: bool,
    pub(super) counts: Counts,
    pub(super) reasons: Vec<String>,
    /// What was wrong with answers that were left out; speaks only where a joint stayed broken.
    pub(super) faults: Vec<String>,
    pub(super) question: Option<Vec<u128>>,
    pub(super) recall: Recall,
    round: u32,
    pages: u64,
    since: u64,
}

impl Plan {
    /// A walk with nothing asked yet.
    pub fn new(goal: Goal, settings: Settings) -> Self {
        Self {
            goal,
            settings,
            base: 1,
            zero: Zero::Nothing,
            echo: None,
            largest: settings.per_page.max(1),
            overlap: u64::from(settings.overlap.max(1)),
            phase: Phase::Opening(Opening::default()),
            slots: VecDeque::new(),
            flying: 0,
            width: 1,
            begun_at: 0,
            planned_to: 0,
            chain: None,
            top: Vec::new(),
            reach: 0,
            totals: Totals::default(),
            end: End::default(),
            seam: 0,
            forward: None,
            unordered: false,
            ties: false,
            ignored: Some(0),
            barren: 0,
            ended: false,
            head_unchanged: false,
            counts: Counts::default(),
            reasons: Vec::new(),
            faults: Vec::new(),
            question: None,
            recall: Recall::default(),
            round: 1,
            pages: 0,
            since: 0,
        }
    }

    /// Takes an answer of an earlier run that was stopped, before the first request; in the order in which they arrived.
    /// They are numbered like those of this run.
    pub fn recall(&mut self, window: Window, info: super::PageInfo, rows: Vec<super::Listed>, unusable: u64) {
        self.pages += 1;
        self.counts.recalled += 1;
        self.recall.take(&Page { window, info, rows, unusable }, self.settings.slack);
    }

    /// Up to `free` requests to send now. None while nothing is in flight means that the walk is over.
    pub fn next(&mut self, free: usize) -> Vec<Request> {
        self.width = self.width.max(free + self.flying);
        let mut requests = Vec::new();
        while requests.len() < free {
            let Some(request) = self.request() else { break };
            self.flying += 1;
            requests.push(request);
        }
        requests
    }

    /// Takes the answer to a request. Pages are numbered as they come, from 0.
    ///
    /// # Errors
    /// [`Contract`] where the source can't be walked at all.
    pub fn answer(&mut self, answer: Answer) -> Result<(), Contract> {
        self.flying = self.flying.saturating_sub(1);
        self.counts.requests += 1;
        let Answer { request, outcome } = answer;
        let window = request.window;
        let (page, refused) = match outcome {
            Outcome::Page { info, rows, unusable, at: _ } => (Some(Page { window, info, rows, unusable }), None),
            Outcome::Nothing { status } => (None, Some(status)),
            Outcome::Silent(_) | Outcome::Denied if request.asking != Asking::Documented => (None, Some(404)),
            Outcome::Silent(_) | Outcome::Denied => return Err(Contract::Failed),
        };
        self.pages += u64::from(page.is_some());
        self.counts.unusable += page.as_ref().map_or(0, |page| page.unusable);
        if let Phase::Passing(passes) = &mut self.phase {
            passes.answer(window, refused, page.as_ref());
            return Ok(());
        }
        self.arrived(request, page)
    }

    fn arrived(&mut self, request: Request, page: Option<Page>) -> Result<(), Contract> {
        let nothing =
            || Page { window: request.window, info: super::PageInfo::default(), rows: Vec::new(), unusable: 0 };
        match &mut self.phase {
            Phase::Opening(opening) => {
                let slot = if request.page == 0 { &mut opening.zero } else { &mut opening.first };
                *slot = Some(page.unwrap_or_else(nothing));
                self.open();
                self.settle()
            }
            Phase::Locating(locate) => {
                locate.answer(request.window, page.as_ref());
                Ok(())
            }
            Phase::Walking => {
                self.compare_with_head(page.as_ref());
                let wanted = |slot: &&mut Slot| slot.window == request.window && matches!(slot.state, State::Flying);
                if let Some(slot) = self.slots.iter_mut().find(wanted) {
                    slot.state = State::Here(page.unwrap_or_else(nothing));
                }
                self.settle()
            }
            Phase::Heading(_) => {
                self.heading(&page.unwrap_or_else(nothing));
                Ok(())
            }
            Phase::Passing(_) | Phase::Done => Ok(()),
        }
    }

    /// Ids to look for among the sessions that are known from earlier runs; the answer goes to [`Plan::known`].
    pub fn question(&self) -> Option<&[u128]> {
        self.question.as_deref()
    }

    /// Whether one of the ids of [`Plan::question`] is known.
    pub fn known(&mut self, known: bool) {
        self.question = None;
        if known {
            self.finish_at_head();
        }
    }

    /// Requests there will be in all, as far as can be said.
    pub fn expected_requests(&self) -> Option<u64> {
        let Goal::Full = self.goal else { return None };
        let left = self.totals.latest()?.saturating_sub(self.planned_to);
        let gain = u64::from(self.largest).saturating_sub(u64::from(self.largest) / 12 + 1).max(1);
        Some(self.counts.requests + self.flying as u64 + left.div_ceil(gain) + 1)
    }

    /// Number of the first page (counted as in [`Plan::answer`]) that belongs to the walk as it ended. Those before
    /// are of walks that had to be begun again.
    pub const fn since(&self) -> u64 {
        self.since
    }

    pub(super) fn request(&mut self) -> Option<Request> {
        if self.counts.requests == 0 && self.flying == 0 {
            self.unordered |= !self.recall.close(self.settings.slack);
        }
        let window = match &mut self.phase {
            Phase::Opening(opening) => {
                opening.asked += 1;
                let window = Window { size: self.settings.per_page.max(1), page: 1 };
                return match opening.asked {
                    1 => Some(Request::documented(window, 1)),
                    2 => Some(Request::probe(window, 0)),
                    _ => None,
                };
            }
            Phase::Locating(locate) if self.flying == 0 => {
                if let Some(window) = locate.window() {
                    window
                } else {
                    let (found, order, slack) = (locate.found(), locate.order(), self.settings.slack);
                    let is_sorted = order.is_newest_first(slack) && order.tells(slack);
                    self.unordered |= !is_sorted;
                    self.begin(if is_sorted { found } else { Window { size: self.largest, page: 1 } });
                    return self.request();
                }
            }
            Phase::Heading(head) if self.flying == 0 => {
                let window = head.window();
                if window.page == 1 && self.zero == Zero::First {
                    // By its other name, so that both are known to be the head.
                    return Some(Request::probe(window, 0));
                }
                window
            }
            Phase::Walking => match self.walking() {
                Some(window) => window,
                None if matches!(self.phase, Phase::Walking) => return None,
                None => return self.request(),
            },
            Phase::Passing(passes) => passes.next()?,
            Phase::Locating(_) | Phase::Heading(_) | Phase::Done => return None,
        };
        let page = window.page - 1 + self.base;
        Some(if window.page > 1 { Request::probe(window, page) } else { Request::documented(window, page) })
    }

    /// Begins the walk with this window.
    pub(super) fn begin(&mut self, window: Window) {
        self.phase = Phase::Walking;
        self.slots.clear();
        self.slots.push_back(Slot::new(window, Purpose::Walk));
        self.begun_at = window.offset();
        self.planned_to = window.end();
        self.chain = None;
        self.end = End::default();
        (self.seam, self.barren, self.forward) = (0, 0, None);
    }

    /// Walks again from the first window, if that is still allowed.
    pub(super) fn begin_again(&mut self) -> bool {
        if self.round >= self.settings.rounds {
            return false;
        }
        self.round += 1;
        self.since = self.pages;
        self.recall = Recall::default();
        self.counts.links += self.chain.as_ref().map_or(0, Chain::links);
        self.counts.unusable = 0;
        self.totals = Totals::default();
        self.reasons.clear();
        self.begin(Window { size: self.largest, page: 1 });
        true
    }

    /// Goes over to reading in passes: the server has one page size only.
    pub(super) fn pass(&mut self, size: u32) {
        self.slots.clear();
        self.reasons.clear();
        self.since = self.pages;
        self.ended = true;
        self.phase = Phase::Passing(Box::new(Passes::new(size)));
    }

    /// Goes over to reading the head again: what moved up while the walk was above it shows there.
    pub(super) fn finish_at_head(&mut self) {
        self.slots.clear();
        let is_found = !self.begins_at_head();
        if is_found && self.unordered {
            // It was looked for by an order that the list has not.
            if !self.begin_again() {
                self.phase = Phase::Done;
            }
            return;
        }
        let old = self.chain.as_ref().filter(|_| !is_found).map(|chain| chain.head().to_vec());
        let old = old.unwrap_or_else(|| std::mem::take(&mut self.top));
        self.phase = Phase::Heading(Head::new(old, Window { size: self.largest, page: 1 }));
    }

    /// Whether it came to its end.
    pub(super) const fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    pub(super) const fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    pub(super) fn passes(&self) -> Option<&Passes> {
        if let Phase::Passing(passes) = &self.phase { Some(passes) } else { None }
    }
}
