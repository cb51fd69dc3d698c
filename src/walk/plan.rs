//! The plan of a walk: which windows to ask for next. What their answers mean for the chain is in `settle`.

use std::collections::VecDeque;

use super::chain::Chain;
use super::end::End;
use super::head::Head;
use super::locate::Locate;
use super::passes::Passes;
use super::recall::Recall;
use super::totals::Totals;
use super::window::{Window, behind, reaching};
use super::{Answer, Contract, Outcome, Page, Request};

/// What a walk must cover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The whole list.
    Full,
    /// From the head to a window wholly before this time (microseconds) that holds a known session.
    Nightly {
        /// The time.
        down_to: i64,
    },
    /// From a row at or after `to` to a row before `from` (microseconds).
    Range {
        /// The lower bound.
        from: i64,
        /// The upper bound.
        to: i64,
    },
}

/// How a walk goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Rows of the largest page asked for.
    pub per_page: u32,
    /// Rows by which windows overlap at least.
    pub overlap: u32,
    /// Requests at most for one joint that broke.
    pub repairs: u32,
    /// Inversions up to this many microseconds are no other order.
    pub slack: i64,
    /// Walks at most through a list that is not newest first.
    pub rounds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { per_page: 100, overlap: 2, repairs: 12, slack: 60_000_000, rounds: 3 }
    }
}

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

/// What a window is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on.
    Walk,
    /// To join the one behind it to the chain.
    Repair,
    /// To see that nothing is there.
    Behind,
}

#[derive(Debug, Clone)]
pub(super) enum State {
    Planned,
    Flying,
    Here(Page),
}

/// A window in its place of the queue; the front one is the next to join the chain.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    pub window: Window,
    pub purpose: Purpose,
    pub tries: u32,
    pub state: State,
}

impl Slot {
    pub(super) const fn new(window: Window, purpose: Purpose) -> Self {
        Self { window, purpose, tries: 0, state: State::Planned }
    }
}

/// The first answers: the first page, and page 0, which tells how the server counts.
#[derive(Debug, Default)]
pub(super) struct Opening {
    asked: u32,
    first: Option<Page>,
    zero: Option<Page>,
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
#[derive(Debug)]
pub struct Plan {
    pub(super) goal: Goal,
    pub(super) settings: Settings,
    /// What the server calls its first page.
    base: u64,
    pub(super) largest: u32,
    pub(super) overlap: u64,
    pub(super) phase: Phase,
    pub(super) slots: VecDeque<Slot>,
    flying: usize,
    /// Most requests that were ever wanted at once.
    width: usize,
    /// Where the chain begins.
    begun_at: u64,
    /// Windows are planned up to this position.
    pub(super) planned_to: u64,
    pub(super) chain: Option<Chain>,
    /// Position behind the chain's last row, as last seen.
    pub(super) reach: u64,
    pub(super) totals: Totals,
    pub(super) end: End,
    /// Repairs of the joint at hand.
    pub(super) seam: u32,
    /// Where the last repair that joined the chain ended.
    pub(super) forward: Option<u64>,
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
            largest: settings.per_page.max(1),
            overlap: u64::from(settings.overlap.max(1)),
            phase: Phase::Opening(Opening::default()),
            slots: VecDeque::new(),
            flying: 0,
            width: 1,
            begun_at: 0,
            planned_to: 0,
            chain: None,
            reach: 0,
            totals: Totals::default(),
            end: End::default(),
            seam: 0,
            forward: None,
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
            Outcome::Page { info, rows, unusable } => (Some(Page { window, info, rows, unusable }), None),
            Outcome::Refused { status } => (None, Some(status)),
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
                self.heading(request.window, page.as_ref().map_or(&[], |page| page.rows.as_slice()));
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

    fn request(&mut self) -> Option<Request> {
        if self.counts.requests == 0 && self.flying == 0 {
            self.recall.close(self.settings.slack);
        }
        let window = match &mut self.phase {
            Phase::Opening(opening) => {
                opening.asked += 1;
                let window = Window { size: self.settings.per_page.max(1), page: 1 };
                return match opening.asked {
                    1 => Some(Request { window, page: 1, refusable: false }),
                    2 => Some(Request { window, page: 0, refusable: true }),
                    _ => None,
                };
            }
            Phase::Locating(locate) if self.flying == 0 => {
                let found = locate.found();
                if let Some(window) = locate.window() {
                    window
                } else {
                    self.begin(found);
                    return self.request();
                }
            }
            Phase::Heading(head) if self.flying == 0 => head.window(),
            Phase::Walking => self.walking()?,
            Phase::Passing(passes) => passes.next()?,
            Phase::Locating(_) | Phase::Heading(_) | Phase::Done => return None,
        };
        Some(Request { window, page: window.page - 1 + self.base, refusable: window.page > 1 })
    }

    /// The next planned window, or one more, or what the end still needs.
    fn walking(&mut self) -> Option<Window> {
        loop {
            if let Some(slot) = self.slots.iter_mut().find(|slot| matches!(slot.state, State::Planned)) {
                slot.state = State::Flying;
                return Some(slot.window);
            }
            if self.question.is_some() || !self.plan_more() {
                return None;
            }
            if !matches!(self.phase, Phase::Walking) {
                return self.request().map(|request| request.window);
            }
        }
    }

    /// Adds a slot, or goes over to the next phase; false where nothing can be done now.
    fn plan_more(&mut self) -> bool {
        if self.barren < 3 && self.slots.len() < 4 * self.width.max(2) && self.planned_to <= self.horizon() {
            match self.totals.latest() {
                Some(total) if self.planned_to <= total => return self.plan_walk(),
                Some(total) if self.end.lacks_probe() && !self.has_probe() => {
                    let window = behind(total.max(self.planned_to), self.largest);
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
            Goal::Range { from, .. } => from,
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

    /// Decides from the first answers how the server counts and cuts its pages.
    fn open(&mut self) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        let (Some(first), Some(zero)) = (&opening.first, &opening.zero) else { return };
        let shares = zero.rows.iter().any(|row| first.rows.iter().any(|other| other.id == row.id));
        let is_zero_based = !zero.rows.is_empty() && !shares && zero.info.current_page != Some(1);
        let page = if is_zero_based { opening.zero.take() } else { opening.first.take() };
        let Some(mut page) = page else { return };
        self.base = u64::from(!is_zero_based);
        self.totals.observe(&page);
        if page.listed() > u64::from(self.largest) {
            return self.pass(u32::try_from(page.listed()).unwrap_or(u32::MAX));
        }
        self.largest = page_size(&page);
        page.window.size = self.largest;
        let newest_first = Chain::new(page.rows.clone()).order().is_newest_first(self.settings.slack);
        match self.goal {
            Goal::Range { to, .. } if newest_first => {
                self.phase = Phase::Locating(Locate::new(to, self.largest, self.totals.latest()));
            }
            _ => {
                let window = page.window;
                self.begin(window);
                if let Some(slot) = self.slots.front_mut() {
                    slot.state = State::Here(page);
                }
            }
        }
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

    /// Goes over to reading the head again. A range is not bound to the head.
    pub(super) fn finish_at_head(&mut self) {
        self.slots.clear();
        let old = self.chain.as_ref().map_or_else(Vec::new, |chain| chain.head().to_vec());
        self.phase = match self.goal {
            Goal::Range { .. } => Phase::Done,
            Goal::Full | Goal::Nightly { .. } => Phase::Heading(Head::new(old, Window { size: self.largest, page: 1 })),
        };
    }

    pub(super) const fn chain(&self) -> Option<&Chain> {
        self.chain.as_ref()
    }

    pub(super) fn passes(&self) -> Option<&Passes> {
        if let Phase::Passing(passes) = &self.phase { Some(passes) } else { None }
    }
}

/// The largest page that the server gives, by its first answer. One that is short may be a capped one, unless the
/// server's own total says that it holds the whole list.
fn page_size(page: &Page) -> u32 {
    let listed = u32::try_from(page.listed()).unwrap_or(u32::MAX);
    let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo >= listed.max(1));
    let whole = super::totals::believable(page) == Some(page.listed());
    match echo {
        Some(echo) => echo.min(page.window.size),
        None if whole || listed == 0 => page.window.size,
        None => listed,
    }
}
