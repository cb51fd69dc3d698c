//! The first answers: how the server counts and cuts its pages, and whether there are sessions at all.
//!
//! Which question comes next follows from what is answered so far ([`Opening::wants`]), and so does what it all shows
//! ([`Opening::shows`]).

mod depths;
mod questions;
mod shown;

pub(super) use depths::Depths;

use super::base::{Likeness, Word};
use super::sizes::USUAL;
use super::window::{behind, far_behind};
use super::{Page, totals};
use crate::list::{Asking, Listed, Outcome, Request, Silence, Window};

/// How often the first questions are asked again where they tell nothing.
const TRIES: u32 = 4;

/// How many smaller sizes are tried to show how the pages are counted.
const HALVES: usize = 3;

/// What is asked of the server before the walk, each with a request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Question {
    /// Page 1 in the size that is set, the first request of every run.
    First,
    /// Page 0: sessions where pages are counted from 0, else whatever this server does with it.
    Zero,
    /// Page 1 once more, since it failed or was empty.
    FirstAgain,
    /// Page 0 once more, since page 1 is empty.
    ZeroAgain,
    /// Page 1 of another size, since that of the first size failed.
    Other(u32),
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
    /// A page that lies wholly behind a position, one of [`depths::POSITIONS`].
    Deep(u64),
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

    /// Takes the answer to one of the questions; an answer that belongs to none of them is passed over.
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
            Question::Other(size) | Question::Half(size) => probe(size),
            Question::ZeroOf(size) => Request::probe(page(size), 0),
            Question::Second => {
                let size = self.first().map_or(self.per_page, |first| first.window.size);
                Request::probe(Window { size, page: 2 }, 2)
            }
            Question::Own => Request { own_size: true, ..probe(self.per_page) },
            Question::One => probe(1),
            Question::WrongToken => Request { asking: Asking::WrongToken, ..probe(self.per_page) },
            Question::Deep(position) => behind_page(behind(position, self.size())),
            Question::Far => behind_page(far_behind(self.size())),
        }
    }

    fn outcome(&self, question: Question) -> Option<&Outcome> {
        self.answers.iter().find(|(answered, _)| *answered == question).map(|(_, outcome)| outcome)
    }

    fn word(&self, question: Question) -> Option<Word> {
        Word::of(self.outcome(question)?)
    }

    /// The page that a question brought; `None` where it brought none, or one without records.
    fn page(&self, question: Question) -> Option<Page> {
        let (_, request) = self.asked.iter().find(|(asked, _)| *asked == question)?;
        let outcome = self.outcome(question).filter(|outcome| Word::of(outcome).is_none())?;
        let Outcome::Page { info, rows, unusable, .. } = outcome else { return None };
        Some(Page { window: request.window, info: *info, rows: rows.clone(), unusable: *unusable })
    }

    /// The first page, of whatever size it could be had.
    fn first(&self) -> Option<Page> {
        let smaller = || self.ladder().into_iter().find_map(|question| self.page(question));
        let longest = [Question::FirstAgain, Question::First].into_iter().filter_map(|question| self.page(question));
        longest.max_by_key(Page::listed).or_else(smaller)
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
            Some(outcome) => matches!(outcome, Outcome::Silent(Silence::Bare)),
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
}

/// A request for a page that is most likely not there.
const fn behind_page(window: Window) -> Request {
    Request::probe(window, window.page)
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

/// Whether a page has fewer records than its own total leaves it, as one of a server that caps its pages.
fn is_cut(page: &Page) -> bool {
    let wanted = totals::believable(page).map(|total| total.min(page.window.size.into()));
    wanted.is_some_and(|wanted| (1..wanted).contains(&page.listed()))
}

/// The largest page that the server gives, by its first answer. One that is short may be a capped one, unless the
/// server's own total says that it holds the whole list.
fn page_size(page: &Page) -> u32 {
    let listed = u32::try_from(page.listed()).unwrap_or(u32::MAX);
    let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo >= listed.max(1));
    let total = totals::believable(page);
    let whole = total == Some(page.listed());
    if is_cut(page) {
        return listed; // Rows say more than words.
    }
    match echo {
        Some(echo) => echo.min(page.window.size),
        None if whole || listed == 0 => page.window.size,
        None => listed,
    }
}
