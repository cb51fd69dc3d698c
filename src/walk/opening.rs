//! The first answers: how the server counts and cuts its pages, and whether there are sessions at all.
//!
//! Which question comes next follows from what is answered so far ([`Opening::wants`]), and so does what it all shows
//! ([`Opening::shows`]).

use super::base::{Base, Likeness, Word, likeness};
use super::sizes::{Sizes, USUAL};
use super::window::{Window, far_behind};
use super::{Asking, Listed, Outcome, Page, Request, totals};

/// How often the first questions are asked again where they tell nothing.
const TRIES: u32 = 4;

/// How many smaller sizes are tried to show how the pages are counted.
const HALVES: usize = 3;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// The first page: number 1.
    First,
    /// Page 0.
    Zero,
    /// Page 1 once more, since it failed or was empty.
    FirstAgain,
    /// Page 0 once more, since page 1 is empty.
    ZeroAgain,
    /// Page 1 of another size, since that of the first size failed.
    Smaller(u32),
    /// Page 1 of the server's own size.
    Own,
    /// Page 0 of the size that page 1 was given in.
    ZeroOf(u32),
    /// Page 2, where nothing tells whether page 1 is short because the list is.
    Second,
    /// Page 1 of about half the sessions that the first one held: it begins where page 1 does if pages are counted from 1.
    Half(u32),
    /// Page 1 of one session, where page 1 is empty: in a list that is counted from 0 it holds one.
    One,
    /// Page 1 with a wrong token.
    WrongToken,
    /// A page far behind the end.
    Far,
}

/// The questions under way and answered.
#[derive(Debug)]
pub(super) struct Opening {
    asked: Vec<(Question, Request)>,
    answers: Vec<(Question, Outcome)>,
    /// The state says that the pages are counted from 0.
    is_from_zero: bool,
    per_page: u32,
    tries: u32,
    /// How the base looked before the questions were asked again.
    told: Option<Likeness>,
}

/// What the opening shows.
#[derive(Debug)]
pub(super) enum Shown {
    /// The first page, and how to go on.
    List(Box<Start>),
    /// There are no sessions. `None`: that is shown; else why it is not.
    Empty(Option<String>),
    /// The first page can't be had.
    Failed,
}

/// The first page, and how to go on.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) page: Page,
    pub(super) base: Base,
    pub(super) sizes: Sizes,
    /// The size of every page, where the server gives one only.
    pub(super) one_size: Option<u32>,
    /// What a page far behind the end brings, where no total says where that is.
    pub(super) far: Option<Word>,
    /// The server's clock.
    pub(super) at: Option<i64>,
}

impl Opening {
    pub(super) const fn new(per_page: u32, is_from_zero: bool) -> Self {
        Self { asked: Vec::new(), answers: Vec::new(), is_from_zero, per_page, tries: 0, told: None }
    }

    /// The next request, if there is one now.
    pub(super) fn next(&mut self) -> Option<Request> {
        let question =
            self.wants().into_iter().find(|question| !self.asked.iter().any(|(asked, _)| asked == question))?;
        let request = self.request(question);
        self.asked.push((question, request));
        Some(request)
    }

    /// Takes an answer.
    pub(super) fn answer(&mut self, request: Request, outcome: Outcome) {
        let under_way = |(question, asked): &(Question, Request)| {
            *asked == request && !self.answers.iter().any(|(answered, _)| answered == question)
        };
        if let Some((question, _)) = self.asked.iter().copied().find(under_way) {
            self.answers.push((question, outcome));
        }
    }

    fn request(&self, question: Question) -> Request {
        let page = |size: u32| Window { size, page: 1 };
        let probe = |size: u32| Request::probe(page(size), 1);
        match question {
            Question::First | Question::FirstAgain => Request::documented(page(self.per_page), 1),
            Question::Zero | Question::ZeroAgain if self.is_from_zero => Request::documented(page(self.per_page), 0),
            Question::Zero | Question::ZeroAgain => Request::probe(page(self.per_page), 0),
            Question::Smaller(size) | Question::Half(size) => probe(size),
            Question::ZeroOf(size) => Request::probe(page(size), 0),
            Question::Second => Request::probe(Window { size: self.per_page, page: 2 }, 2),
            Question::Own => Request { own_size: true, ..probe(self.per_page) },
            Question::One => probe(1),
            Question::WrongToken => Request { asking: Asking::WrongToken, ..probe(self.per_page) },
            Question::Far => {
                let window = far_behind(self.size());
                Request::probe(window, window.page)
            }
        }
    }

    fn outcome(&self, question: Question) -> Option<&Outcome> {
        self.answers.iter().find(|(answered, _)| *answered == question).map(|(_, outcome)| outcome)
    }

    fn word(&self, question: Question) -> Option<Word> {
        Word::of(self.outcome(question)?)
    }

    /// A page with records.
    fn page(&self, question: Question) -> Option<Page> {
        let (_, request) = self.asked.iter().find(|(asked, _)| *asked == question)?;
        let outcome = self.outcome(question).filter(|outcome| Word::of(outcome).is_none())?;
        let Outcome::Page { info, rows, unusable, .. } = outcome else { return None };
        Some(Page { window: request.window, info: *info, rows: rows.clone(), unusable: *unusable })
    }

    /// The first page, of whatever size it could be had.
    fn first(&self) -> Option<Page> {
        let smaller = || self.ladder().into_iter().find_map(|question| self.page(question));
        self.page(Question::First).or_else(|| self.page(Question::FirstAgain)).or_else(smaller)
    }

    /// Page 0, where it holds sessions.
    fn page_zero(&self) -> Option<Page> {
        let smaller = USUAL.into_iter().map(Question::ZeroOf);
        let page = [Question::Zero].into_iter().chain(smaller).find_map(|question| self.page(question));
        page.filter(|page| !page.rows.is_empty())
    }

    /// Whether a question was answered, and there are no sessions in the answer.
    fn is_empty(&self, question: Question) -> bool {
        match self.outcome(question) {
            Some(outcome @ Outcome::Page { .. }) => Word::of(outcome).is_some(),
            Some(outcome) => matches!(outcome, Outcome::Silent(super::Silence::Bare)),
            None => false,
        }
    }

    fn zero(&self) -> Vec<Listed> {
        self.page_zero().map(|page| page.rows).unwrap_or_default()
    }

    /// What page 0 brings, where it holds no sessions.
    fn word_of_zero(&self) -> Option<Word> {
        let smaller = USUAL.into_iter().map(Question::ZeroOf).find_map(|question| self.word(question));
        smaller.or_else(|| self.word(Question::Zero))
    }

    /// The largest size that the first page shows to be given.
    fn size(&self) -> u32 {
        self.first().map_or(self.per_page, |page| page_size(&page))
    }

    /// Smaller sizes, and at last the server's own, one after the other.
    fn ladder(&self) -> Vec<Question> {
        let smaller = USUAL.into_iter().filter(|size| *size < self.per_page).map(Question::Smaller);
        smaller.chain([Question::Own]).collect()
    }

    /// Whether the first page failed in a way in which a server refuses a size.
    fn may_be_refused(&self) -> bool {
        use super::Silence::{Late, Status};
        match self.outcome(Question::First) {
            Some(Outcome::Nothing { status }) => matches!(status, 400 | 416 | 422),
            Some(Outcome::Silent(silence)) => matches!(silence, Late | Status(_)),
            _ => false,
        }
    }

    /// Whether the first page may be that of an account without sessions.
    fn may_be_empty(&self) -> bool {
        match self.outcome(Question::First) {
            Some(Outcome::Nothing { status: 404 } | Outcome::Silent(super::Silence::Bare)) => true,
            Some(outcome @ Outcome::Page { .. }) => Word::of(outcome).is_some(),
            _ => false,
        }
    }

    /// The questions that are to be answered next; none where everything is.
    fn wants(&self) -> Vec<Question> {
        let asked_for = self.questions();
        asked_for.into_iter().filter(|question| self.outcome(*question).is_none()).collect()
    }

    fn is_open(&self, questions: &[Question]) -> bool {
        questions.iter().any(|question| self.outcome(*question).is_none())
    }

    fn questions(&self) -> Vec<Question> {
        let mut questions = vec![Question::First, Question::Zero];
        if self.is_open(&questions) {
            return questions;
        }
        if self.page(Question::First).is_none() {
            questions.extend(self.without_first());
            let is_smaller = self.ladder().into_iter().any(|question| self.page(question).is_some());
            if self.is_open(&questions) || !is_smaller {
                return questions;
            }
        }
        let Some(first) = self.first() else { return questions };
        if first.window.size < self.per_page {
            questions.push(Question::ZeroOf(first.window.size));
            if self.is_open(&questions) {
                return questions;
            }
        }
        let tells_size = !first.is_short() || first.info.per_page.is_some() || totals::believable(&first).is_some();
        questions.extend((!tells_size).then_some(Question::Second));
        for half in self.halves(&first).map(Question::Half) {
            questions.push(half);
            if self.is_open(&[half]) || self.page(half).is_some() {
                break;
            }
        }
        questions.extend(leaves_the_end_open(&first).then_some(Question::Far));
        questions
    }

    /// What is asked where page 1 was not had by its first request.
    fn without_first(&self) -> Vec<Question> {
        if let Some(zero) = self.page(Question::Zero).filter(|page| !page.rows.is_empty()) {
            // Page 1 lies behind the end, or failed for a moment.
            let far = totals::believable(&zero).is_none().then_some(Question::Far);
            return [Question::FirstAgain].into_iter().chain(far).collect();
        }
        if self.may_be_empty() {
            let is_bare = self.outcome(Question::First).is_some_and(|outcome| !is_page(outcome));
            let token = is_bare.then_some(Question::WrongToken);
            return [Question::FirstAgain, Question::One, Question::ZeroAgain].into_iter().chain(token).collect();
        }
        let mut questions = Vec::new();
        for question in self.ladder().into_iter().filter(|_| self.may_be_refused()) {
            questions.push(question);
            if self.is_open(&[question]) || self.is_empty(question) {
                break; // Where that is empty, all is asked again in this size.
            }
            if self.page(question).is_some() {
                // What failed once may have failed for a moment.
                questions.push(Question::FirstAgain);
                break;
            }
        }
        questions
    }

    /// Sizes that show the base, where page 0 does not.
    fn halves(&self, first: &Page) -> impl Iterator<Item = u32> + use<> {
        // Where page 1 is the last one, page 0 may be the last page again.
        let has_more = totals::believable(first).is_some_and(|total| total > first.listed());
        let is_first =
            has_more && likeness(&first.rows, &self.zero(), false) == Some(Likeness::Same) && !self.zero().is_empty();
        let half = u32::try_from(first.listed() / 2).unwrap_or(u32::MAX).max(1);
        let can_tell = !is_first && self.page(Question::Own).is_none();
        let sizes = [half].into_iter().chain(USUAL);
        let most = first.window.size;
        sizes.filter(move |size| can_tell && *size < most).take(HALVES)
    }

    /// Whether the questions are all answered; then what they show.
    pub(super) fn shows(&mut self) -> Option<Shown> {
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
        if let Some(Question::Smaller(size)) = smaller.filter(|_| self.first().is_none() && zero.is_none()) {
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
        if self.is_from_zero && zero.is_none() {
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
        let mut sizes = Sizes::new(self.per_page);
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
            if !self.is_whole(&page) {
                sizes.cap(page_size(&page));
            }
            sizes.answer(sizes.largest());
            one_size = half_is_more.then_some(sizes.largest());
        }
        page.window.size = one_size.unwrap_or(sizes.largest());
        let at = match self.outcome(Question::First) {
            Some(Outcome::Page { at, .. }) => *at,
            _ => None,
        };
        let far = self.outcome(Question::Far).and_then(|outcome| Word::behind(outcome, &page.rows));
        Shown::List(Box::new(Start { page, base, sizes, one_size, far, at }))
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

const fn is_page(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Page { .. })
}

/// Whether the end can't rest on what the first page says of the list's length: no total, or a last page that belies it.
fn leaves_the_end_open(page: &Page) -> bool {
    let Some(total) = totals::believable(page) else { return true };
    let last = i64::try_from(total.div_ceil(u64::from(page.window.size))).unwrap_or(i64::MAX);
    page.info.last_page.is_some_and(|named| named != last && named + 1 != last)
}

/// The largest page that the server gives, by its first answer. One that is short may be a capped one, unless the
/// server's own total says that it holds the whole list.
fn page_size(page: &Page) -> u32 {
    let listed = u32::try_from(page.listed()).unwrap_or(u32::MAX);
    let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo >= listed.max(1));
    let total = totals::believable(page);
    let whole = total == Some(page.listed());
    // Rows say more than words: a round number of them, where there should be more, is a cap.
    let is_cut = total.is_some_and(|total| page.listed() < total.min(page.window.size.into()));
    if is_cut && listed > 0 && listed.is_multiple_of(5) {
        return listed;
    }
    match echo {
        Some(echo) => echo.min(page.window.size),
        None if whole || listed == 0 => page.window.size,
        None => listed,
    }
}
