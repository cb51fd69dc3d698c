//! Which questions are to be answered next, by those that are answered.

use super::{HALVES, Opening, Question, depths, is_cut, is_page, leaves_the_end_open, page_size};
use crate::list::{Outcome, Silence};
use crate::walk::base::{Likeness, Word, likeness};
use crate::walk::sizes::USUAL;
use crate::walk::{Page, totals};

impl Opening {
    /// The largest size that the first page shows to be given.
    pub(super) fn size(&self) -> u32 {
        self.first().map_or(self.per_page, |page| page_size(&page))
    }

    /// Smaller sizes, the server's own, and at last larger ones, one after the other.
    pub(super) fn ladder(&self) -> Vec<Question> {
        let smaller = USUAL.into_iter().filter(|size| *size < self.per_page).map(Question::Other);
        let larger = USUAL.into_iter().rev().filter(|size| *size > self.per_page).map(Question::Other);
        smaller.chain([Question::Own]).chain(larger).collect()
    }

    /// Whether the first page failed in a way in which a server refuses a size.
    pub(super) fn may_be_refused(&self) -> bool {
        use crate::list::Silence::{Late, Status};
        match self.outcome(Question::First) {
            Some(Outcome::Nothing { status }) => matches!(status, 400 | 416 | 422),
            Some(Outcome::Silent(silence)) => matches!(silence, Late | Status(_)),
            _ => false,
        }
    }

    /// Whether the first page may be that of an account without sessions.
    pub(super) fn may_be_empty(&self) -> bool {
        match self.outcome(Question::First) {
            Some(Outcome::Nothing { status: 404 } | Outcome::Silent(Silence::Bare)) => true,
            Some(outcome @ Outcome::Page { .. }) => Word::of(outcome).is_some(),
            _ => false,
        }
    }

    /// The questions that are to be answered next; none where everything is.
    pub(super) fn wants(&self) -> Vec<Question> {
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
        if first.window.size != self.per_page {
            questions.push(Question::ZeroOf(first.window.size));
            if self.is_open(&questions) {
                return questions;
            }
        }
        if is_cut(&first) {
            // For a moment, or as all pages are; or the total is wrong, and the list ends here.
            questions.extend([Question::FirstAgain, Question::Second]);
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
        if leaves_the_end_open(&first) {
            questions.extend(self.depths());
        }
        questions
    }

    /// What is asked where page 1 was not had by its first request.
    fn without_first(&self) -> Vec<Question> {
        if let Some(zero) = self.page(Question::Zero).filter(|page| !page.rows.is_empty()) {
            // Page 1 lies behind the end, or failed for a moment.
            let depths = totals::believable(&zero).is_none().then(|| self.depths());
            return [Question::FirstAgain].into_iter().chain(depths.into_iter().flatten()).collect();
        }
        if self.may_be_empty() {
            let is_bare = self.outcome(Question::First).is_some_and(|outcome| !is_page(outcome));
            let token = is_bare.then_some(Question::WrongToken);
            let again = [Question::FirstAgain, Question::One, Question::ZeroAgain];
            return again.into_iter().chain(self.smaller_zeros()).chain(token).collect();
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
                return questions;
            }
        }
        if self.may_be_refused() && !self.is_open(&questions) {
            questions.extend(self.smaller_zeros());
        }
        questions
    }

    /// What shows how far the list goes.
    fn depths(&self) -> impl Iterator<Item = Question> + use<> {
        let from = 2 * u64::from(self.size());
        let positions = depths::POSITIONS.into_iter().filter(move |position| *position >= from);
        positions.map(Question::Deep).chain([Question::Far])
    }

    /// Page 0 in other sizes: where page 1 lies behind the end, page 0 holds all, and may be refused in the first size or fail
    /// for a moment.
    pub(super) fn smaller_zeros(&self) -> impl Iterator<Item = Question> + use<> {
        let (most, is_answered) = (self.per_page, self.outcome(Question::Zero).is_some_and(is_page));
        USUAL.into_iter().filter(move |size| !is_answered && *size < most).map(Question::ZeroOf)
    }

    /// Sizes that show the base, where page 0 does not.
    pub(super) fn halves(&self, first: &Page) -> impl Iterator<Item = u32> + use<> {
        // Where page 1 is the last one, page 0 may be the last page again.
        let has_more =
            !leaves_the_end_open(first) && totals::believable(first).is_some_and(|total| total > first.listed());
        let is_first =
            has_more && likeness(&first.rows, &self.zero(), false) == Some(Likeness::Same) && !self.zero().is_empty();
        let half = u32::try_from(first.listed() / 2).unwrap_or(u32::MAX).max(1);
        let can_tell = !is_first && self.page(Question::Own).is_none();
        let sizes = [half].into_iter().chain(USUAL);
        let most = first.window.size;
        sizes.filter(move |size| can_tell && *size < most).take(HALVES)
    }
}
