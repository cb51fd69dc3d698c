//! What the first answers show: the first page, how pages are counted and cut, or that there are no sessions.

use super::depths::POSITIONS;
use super::{Depths, Opening, Question, TRIES, is_page, page_size};
use crate::list::{Listed, Outcome};
use crate::walk::base::{Base, Likeness, Word, likeness};
use crate::walk::goal::Goal;
use crate::walk::locate::Locate;
use crate::walk::order::{Key, Orders};
use crate::walk::plan::{Phase, Plan};
use crate::walk::sizes::Sizes;
use crate::walk::slot::State;
use crate::walk::{Contract, Page, totals};

/// What the opening has found out, once all questions are answered.
#[derive(Debug)]
pub(in crate::walk) enum Shown {
    /// The first page, and how to go on.
    List(Box<Start>),
    /// There are no sessions. `None`: that is shown; else why it is not.
    Empty(Option<String>),
    /// The first page can't be had.
    Failed,
}

/// The first page, and how to go on.
#[derive(Debug)]
pub(in crate::walk) struct Start {
    page: Page,
    base: Base,
    sizes: Sizes,
    /// The size of every page, where the server gives one only.
    one_size: Option<u32>,
    /// How far the list goes, where no total says so.
    depths: Depths,
    /// The server's clock at the first answer, in microseconds since 1970.
    at: Option<i64>,
}

impl Opening {
    /// Whether the questions are all answered; then what they show.
    pub(in crate::walk) fn shows(&mut self) -> Option<Shown> {
        if !self.wants().is_empty() {
            return None;
        }
        let zero = self.page_zero();
        let is_last = self.tries >= TRIES;
        // Page 1 was empty for a moment only, or in one size.
        let again = [Question::FirstAgain, Question::One, Question::ZeroAgain];
        let is_doubtful = self.may_be_empty() || self.page(Question::First).is_none() && !self.zero().is_empty();
        let is_fleeting = again.into_iter().any(|again| self.page(again).is_some()) && is_doubtful;
        if is_fleeting && !is_last {
            return self.ask_again(None);
        }
        let smaller = self.ladder().into_iter().find(|question| self.is_empty(*question));
        if let Some(Question::Other(size)) = smaller.filter(|_| self.first().is_none() && zero.is_none()) {
            self.per_page = size;
            return self.ask_again(None);
        }
        let Some(first) = self.first() else {
            if let Some(zero) = zero {
                // Page 1 lies behind the end.
                let base = Base::from_zero(&zero.rows);
                return Some(self.starts_with(zero, base));
            }
            return Some(if self.may_be_empty() { Shown::Empty(self.objection()) } else { Shown::Failed });
        };
        // A server that has begun to count from 1 since: a smaller page 1 begins where page 1 does.
        let counts_from_one = || self.beside_half(&first) == Some(Some(Likeness::Same));
        if self.is_from_zero && zero.is_none() && !counts_from_one() {
            return Some(Shown::Failed);
        }
        let Some(base) = self.base(&first, zero.as_ref(), is_last) else {
            return self.ask_again(zero.and_then(|zero| likeness(&first.rows, &zero.rows, false)));
        };
        let page = if base.number() == 0 { zero.unwrap_or(first) } else { first };
        Some(self.starts_with(page, base))
    }

    fn ask_again(&mut self, told: Option<Likeness>) -> Option<Shown> {
        let Self { is_from_zero, per_page, tries, .. } = *self;
        *self = Self { tries: tries + 1, told, ..Self::new(per_page, is_from_zero) };
        None
    }

    /// What the answer to a smaller page 1 is beside the first page; `None` where it tells nothing.
    #[allow(clippy::option_option)] // not answered, and answered without a likeness
    fn beside_half(&self, first: &Page) -> Option<Option<Likeness>> {
        self.answers.iter().find_map(|(question, outcome)| match (question, outcome) {
            (Question::Half(size), Outcome::Page { rows, unusable, .. }) => {
                let is_honoured = rows.len() as u64 + unusable <= u64::from(*size) && !rows.is_empty();
                is_honoured.then(|| likeness(&first.rows, rows, false))
            }
            _ => None,
        })
    }

    /// How the pages are counted; `None` where the questions must be asked again.
    fn base(&self, first: &Page, zero: Option<&Page>, is_last: bool) -> Option<Base> {
        use Likeness::{Apart, Same};
        let beside = zero.map(|zero| likeness(&first.rows, &zero.rows, is_last));
        let half = self.beside_half(first);
        let has_no_ids = first.rows.is_empty() && first.unusable > 0;
        match (beside, half) {
            // Records without an id can only be counted.
            _ if has_no_ids && self.page(Question::Zero).is_some_and(|zero| zero.unusable == first.unusable) => {
                Some(Base::same())
            }
            (Some(Some(Same)), None | Some(Some(Same))) => Some(Base::same()),
            (Some(Some(Apart)), Some(Some(Same))) => {
                Some(Base::with_a_far_zero(zero.map_or(&[], |zero| &zero.rows), &first.rows))
            }
            (Some(Some(Apart)), Some(Some(Apart))) => Some(Base::from_zero(zero.map_or(&[], |zero| &zero.rows))),
            // The sizes tell nothing: page 0 must look the same twice.
            (Some(Some(Apart)), None) if is_last || self.told == Some(Apart) => {
                let rows = zero.into_iter().chain([first]).flat_map(|page| page.rows.clone());
                Some(Base::from_zero(&rows.collect::<Vec<_>>()))
            }
            (None, Some(Some(Same))) => Some(Base::from_one(true, self.word_of_zero())),
            (None, None) => Some(Base::from_one(false, self.word_of_zero())),
            (None, _) if is_last => {
                Some(Base::unknown("the pages seem to be counted from 0, but page 0 is not answered"))
            }
            (Some(_), _) if is_last => Some(Base::unknown("it is not clear which page is the first one")),
            _ => None,
        }
    }

    fn starts_with(&self, mut page: Page, base: Base) -> Shown {
        let mut sizes = Sizes::new(self.per_page.max(page.window.size));
        let mut one_size = Some(u32::try_from(page.listed()).unwrap_or(u32::MAX));
        let listed = u32::try_from(page.listed()).unwrap_or(u32::MAX);
        let is_own = self.page(Question::First).is_none()
            && self.page(Question::FirstAgain).is_none()
            && self.page(Question::Own).is_some();
        if is_own {
            let size = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|echo| *echo >= listed);
            sizes.leave_to_server(size.unwrap_or(listed));
            one_size = Some(sizes.largest());
        } else if listed <= page.window.size {
            let half_is_more = self.answers.iter().any(|(question, outcome)| {
                let Question::Half(size) = question else { return false };
                matches!(outcome, Outcome::Page { rows, .. } if rows.len() > *size as usize)
            });
            sizes.answer(page.window.size);
            sizes.cap(if self.is_whole(&page) { page.window.size } else { page_size(&page) });
            sizes.answer(sizes.largest());
            one_size = half_is_more.then_some(sizes.largest());
        }
        page.window.size = one_size.unwrap_or(sizes.largest());
        let times = self.answers.iter().filter_map(|(_, outcome)| match outcome {
            Outcome::Page { at, .. } => *at,
            _ => None,
        });
        let at = times.min();
        let at_positions = POSITIONS.into_iter();
        let positions: Vec<_> = at_positions.filter_map(|at| Some((at, self.outcome(Question::Deep(at))?))).collect();
        let depths = Depths::of(&page.rows, &positions, self.outcome(Question::Far));
        Shown::List(Box::new(Start { page, base, sizes, one_size, depths, at }))
    }

    /// Whether the first page is short because the list is: page 2 holds nothing else.
    fn is_whole(&self, first: &Page) -> bool {
        let is_known = |row: &Listed| first.rows.iter().any(|other| other.id == row.id);
        match self.outcome(Question::Second) {
            Some(Outcome::Page { rows, .. }) => rows.iter().all(is_known),
            Some(outcome) => Word::of(outcome) == Some(Word::Nothing) || self.outcome(Question::Far) == Some(outcome),
            None => false,
        }
    }

    /// What speaks against an empty list; `None` where nothing does.
    fn objection(&self) -> Option<String> {
        let says_more = |question| match self.outcome(question) {
            Some(Outcome::Page { info, rows, .. }) => {
                totals::plausible(*info).is_some() || info.last_page.unwrap_or(0) > 1 || !rows.is_empty()
            }
            _ => false,
        };
        if [Question::First, Question::FirstAgain, Question::One, Question::ZeroAgain].into_iter().any(says_more) {
            return Some("page 1 is empty, but the API says that there are sessions".to_owned());
        }
        let (Some(first), Some(again)) = (self.outcome(Question::First), self.outcome(Question::FirstAgain)) else {
            return Some("page 1 was not answered".to_owned());
        };
        if is_page(first) && is_page(again) {
            return None;
        }
        if !is_page(first) && Word::of(first) != Word::of(again) {
            return Some("page 1 was answered in two ways".to_owned());
        }
        match self.outcome(Question::WrongToken) {
            Some(Outcome::Denied) => None,
            _ => Some(
                "page 1 brings nothing, and a wrong token is not refused: this may be another address than the API's"
                    .to_owned(),
            ),
        }
    }
}

impl Plan {
    /// Decides from the first answers how to go on.
    pub(in crate::walk) fn open(&mut self, shown: Shown) -> Result<(), Contract> {
        let start = match shown {
            Shown::Failed => return Err(Contract::Failed),
            Shown::Empty(objection) => {
                self.is_empty = true;
                self.round.ended = true;
                let held = "the list is empty, though earlier answers of the same run held sessions";
                self.log.reasons.extend(objection.or(self.recall.had_rows().then(|| held.to_owned())));
                self.phase = Phase::Done;
                return Ok(());
            }
            Shown::List(start) => *start,
        };
        let Start { page, mut base, sizes, one_size, depths, at } = start;
        base.forget(|row| !self.owes(row));
        if one_size.is_none() {
            base.meet(&page.rows);
        }
        let echo = page.info.per_page.and_then(|echo| u64::try_from(echo).ok());
        self.server.echoes_sizes =
            echo.is_some_and(|echo| echo == page.listed() || echo == u64::from(page.window.size));
        self.server.echo =
            page.info.current_page.and_then(|current| current.checked_sub(1)).filter(|echo| (-1..=0).contains(echo));
        (self.server.depths, self.server.at) = (depths, at);
        (self.server.base, self.server.sizes) = (base, sizes);
        if let Some(size) = one_size {
            self.pass(size);
            self.passes.iter_mut().for_each(|passes| passes.expect(page.listed()));
            return Ok(());
        }
        self.locate_or_walk(page)
    }

    /// Searches for the beginning of a range where the list's order allows that; else walks from the first page.
    fn locate_or_walk(&mut self, page: Page) -> Result<(), Contract> {
        // By end there is no search: a session that ended late may have begun early.
        let orders = Orders::of(&page.rows, self.settings.slack);
        let by_start = orders.is_newest_first() && orders.fits().each().all(|sort| sort.key != Key::End);
        match self.goal {
            Goal::Range { to, .. } if by_start && !self.server.unordered => {
                self.round.totals.observe(&page);
                let to = to.saturating_add(self.settings.slack);
                let end = self.round.totals.latest();
                let size = self.server.sizes.largest();
                self.phase = Phase::Locating(Locate::new(to, size, end, &page.rows, self.settings.slack));
                self.round.top = page.rows;
                Ok(())
            }
            Goal::Survey => {
                self.round.totals.observe(&page);
                if self.round.totals.latest().is_some() {
                    self.phase = Phase::Done;
                } else {
                    let size = self.server.sizes.largest();
                    self.phase = Phase::Locating(Locate::new(i64::MIN, size, None, &page.rows, self.settings.slack));
                }
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
    fn owes(&self, row: &Listed) -> bool {
        let start = row.start.unwrap_or(i64::MIN);
        match self.goal {
            Goal::Full => true,
            Goal::Since { from } | Goal::Nightly { down_to: from } => start >= from,
            Goal::Range { from, to } => (from..to).contains(&start),
            Goal::Survey | Goal::Stretch { .. } => false,
        }
    }
}
