//! The head of the list, read again at the end: until the last surviving row of the walk's first answer is met in its
//! old order. So a row that moved up while the walk was below it shows, and what is new is taken along.
//!
//! In a list that may be sorted by end, latest first, sessions that ended meanwhile have moved to the head. There the head is
//! read on to a window that lies wholly before the walk.

use super::closing::Closing;
use super::fault::Fault;
use super::tail::Tail;
use super::{Phase, Plan};
use crate::list::{Asking, Listed, Outcome, Request, Window};
use crate::walk::base::Word;
use crate::walk::chain::{Joint, joint};
use crate::walk::order::{Key, Orders, Sort, Sorts};
use crate::walk::sizes::Sizes;
use crate::walk::slot::State;
use crate::walk::{Contract, Page};

/// Answers at most until the old head must be met.
const MOST: u32 = 64;

/// How often answers that look wrong are asked for again.
const AGAIN: u32 = 3;

/// The head of the list, read again downwards.
#[derive(Debug)]
pub struct Head {
    window: Window,
    /// Rows of the earlier first answer.
    old: Vec<Listed>,
    /// Rows read again so far, from the first.
    rows: Vec<Listed>,
    /// The orders that fit, and that what is read is compared by.
    fits: Sorts,
    /// Read on until every session of a window ended before this time (microseconds).
    until: Option<i64>,
    /// The last row of a list that was read to its end: where it stands unchanged, nothing that is owed lies below.
    last: Option<Listed>,
    /// The first window is read by the number 0.
    by_zero: bool,
    asked: u32,
    tries: u32,
}

/// What came of the answers so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A further window has to be read.
    More,
    /// The last surviving row of the old head is met, and nothing that is owed lies below.
    Met {
        /// Rows that were not there before.
        inserted: u64,
        /// Whether the head holds the same rows as at first, in the same places.
        unchanged: bool,
    },
    /// The old head can't be met any more: its rows are gone, out of order, or more than `MOST` answers up.
    Lost,
}

impl Head {
    /// Begins with the window of the earlier first answer of a walk.
    pub(in crate::walk) fn of(plan: &mut Plan) -> Self {
        let is_found = !plan.round.begins_at_head();
        let old = plan.round.chain.as_ref().filter(|_| !is_found).map(|chain| chain.head().to_vec());
        let old = old.unwrap_or_else(|| std::mem::take(&mut plan.round.top));
        let fits = if is_found { Orders::of(&old, plan.settings.slack).fits() } else { plan.round.fits() };
        let by_end = fits.each().any(|sort| sort.key == Key::End && sort.descending);
        let before = plan.server.at.unwrap_or(i64::MIN).saturating_sub(plan.settings.slack);
        Self {
            window: Window { size: plan.server.sizes.largest(), page: 1 },
            old,
            rows: Vec::new(),
            fits,
            until: by_end.then_some(before),
            last: plan.round.last().copied(),
            by_zero: plan.server.base.has_two_names(),
            asked: 0,
            tries: 0,
        }
    }

    /// The window to ask for next, downwards.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Whether page 1 is to be asked for by the number 0.
    pub const fn reads_page_zero(&self) -> bool {
        self.by_zero
    }

    /// Whether nothing is there where the head was.
    const fn is_gone(&self, page: &Page) -> bool {
        page.listed() == 0 && self.rows.is_empty() && !self.old.is_empty()
    }

    /// Whether an answer without rows is the first of its kind here: without a total nothing tells the end of the list
    /// from a page that is empty for a moment.
    const fn is_blank(&self, page: &Page) -> bool {
        page.listed() == 0 && !self.old.is_empty() && self.tries == 0
    }

    /// Whether that window is to be asked for once more, since its answer is odd.
    const fn ask_again(&mut self) -> bool {
        self.tries += 1;
        self.tries <= AGAIN
    }

    fn first(&self) -> Option<Sort> {
        self.fits.each().next()
    }

    /// Takes the rows of that window.
    fn answer(&mut self, page: &Page, overlap: u64, sizes: &Sizes) -> Seen {
        let rows = &page.rows;
        self.asked += 1;
        if self.rows.is_empty() {
            self.rows.clone_from(rows);
        } else {
            match joint(&self.rows, rows, self.fits, self.first()) {
                Joint::Linked { new, .. } => self.rows.extend_from_slice(&rows[new..]),
                Joint::Apart | Joint::Reordered if !rows.is_empty() => return Seen::Lost,
                Joint::Apart | Joint::Reordered => {}
            }
        }
        let is_end = rows.is_empty() || self.last.is_some_and(|last| rows.contains(&last));
        let is_settled = is_end || self.until.is_none_or(|time| page.ended_before(time));
        if self.old.is_empty() {
            return if is_settled { self.met() } else { self.go_on(rows.is_empty(), overlap, sizes) };
        }
        match joint(&self.rows, &self.old, self.fits, self.first()) {
            Joint::Linked { new, .. } if (new == self.old.len() || self.passed()) && is_settled => self.met(),
            Joint::Reordered => Seen::Lost,
            Joint::Linked { .. } | Joint::Apart => self.go_on(rows.is_empty(), overlap, sizes),
        }
    }

    /// Whether what was read reaches below the old head: its last rows are gone then.
    fn passed(&self) -> bool {
        let ends = self.rows.last().zip(self.old.last());
        ends.zip(self.first()).is_some_and(|((row, old), sort)| sort.is_above(old, row))
    }

    fn go_on(&mut self, nothing: bool, overlap: u64, sizes: &Sizes) -> Seen {
        let next = sizes.reaching(self.window.end(), overlap);
        match next.filter(|_| self.asked < MOST && !nothing) {
            Some(window) => {
                (self.window, self.tries, self.by_zero) = (window, 0, false);
                Seen::More
            }
            // The list ends before the old head is met whole: what is left of it was seen in order.
            None if nothing => self.met(),
            None => Seen::Lost,
        }
    }

    fn met(&self) -> Seen {
        let known = |row: &&Listed| self.old.iter().any(|old| old.id == row.id);
        let until = self.rows.iter().rposition(|row| known(&row)).map_or(0, |last| last + 1);
        let inserted = self.rows[..until].iter().filter(|row| !known(row)).count() as u64;
        let ids = |rows: &[Listed]| rows.iter().map(|row| (row.id, row.start)).collect::<Vec<_>>();
        let read = &self.rows[..self.rows.len().min(self.old.len())];
        Seen::Met { inserted, unchanged: ids(read) == ids(&self.old) }
    }
}

impl Plan {
    /// Takes the head as it is at the end.
    pub(in crate::walk) fn heading(&mut self, request: Request, outcome: Outcome) -> Result<(), Contract> {
        let Phase::Heading(head) = &mut self.phase else { return Ok(()) };
        if head.window() != request.window {
            return Ok(()); // an answer that was in flight when the goal was reached
        }
        let page = match State::of(request.window, outcome) {
            State::Here(page) => page,
            State::Failed(_) if head.by_zero => {
                head.by_zero = false; // by its first name, then
                return Ok(());
            }
            State::Failed(failure) if matches!(failure.word, Word::Nothing) => Page::empty(request.window),
            State::Failed(_) if request.asking == Asking::Probe => {
                // Behind the end of the list as it was: whether that has moved is not known.
                self.headed(Seen::Lost);
                return Ok(());
            }
            _ => return Err(Contract::Failed),
        };
        self.see(&page);
        Ok(())
    }

    fn see(&mut self, page: &Page) {
        let oddity = self.oddity(page, false);
        let Phase::Heading(head) = &mut self.phase else { return };
        let oddity = oddity.filter(|oddity| !head.by_zero || !matches!(oddity, Fault::Other));
        let gone = head.is_gone(page).then(|| Fault::Odd("nothing is there".to_owned()));
        let oddity = oddity.or(gone);
        if (oddity.is_some() || head.is_blank(page)) && head.ask_again() {
            return;
        }
        match oddity {
            Some(Fault::Odd(oddity)) => {
                self.log.reasons.push(format!("the head of the list could not be read again: {oddity}"));
            }
            oddity => {
                // Rows say more than numbers.
                self.server.echo = self.server.echo.filter(|_| oddity.is_none());
                self.round.totals.observe(page);
            }
        }
        let Phase::Heading(head) = &mut self.phase else { return };
        let seen = head.answer(page, self.round.overlap, &self.server.sizes);
        self.headed(seen);
    }

    fn headed(&mut self, seen: Seen) {
        match seen {
            Seen::More => return,
            Seen::Lost => self.log.reasons.push("the head of the list moved too fast to be read again".to_owned()),
            Seen::Met { inserted, unchanged } => {
                self.log.inserted = inserted;
                self.round.head_unchanged = unchanged;
            }
        }
        let Phase::Heading(head) = &mut self.phase else { return };
        self.round.head = std::mem::take(&mut head.rows);
        self.server.base.meet(&self.round.head);
        self.compare_orders();
        let again = !self.round.is_ordered() && !self.round.is_still() && self.begin_again();
        if !again {
            self.turn_to_tail();
        }
    }

    /// The head must be in an order that the rest of the list is in, too: else something older has moved up to it.
    fn compare_orders(&mut self) {
        let had_an_order =
            !self.round.fits().is_empty() && self.round.chain.as_ref().is_some_and(|chain| chain.links() > 0);
        self.round.head_fits = Orders::of(&self.round.head, self.settings.slack).allowed();
        if had_an_order && self.round.fits().is_empty() {
            self.log.reasons.push("an older session moved to the head of the list while it was read".to_owned());
        }
    }

    fn turn_to_tail(&mut self) {
        self.phase = match Tail::of(self) {
            Some(tail) => Phase::Tailing(tail),
            None => Phase::Closing(Closing::of(self)),
        };
    }
}
