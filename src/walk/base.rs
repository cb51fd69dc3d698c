//! From which number the server counts its pages, and what has shown it. The number that an answer gives itself shows
//! nothing.
//!
//! - From 0 where page 0 holds sessions that page 1 lacks, and a smaller page 1 does not begin where page 1 does.
//! - From 1 where page 0 is page 1; where a smaller page 1 begins where page 1 does; where a page behind the first holds
//!   exactly the rest of a believable total; or, without a total, where page 0 brings the same nothing, or the same failure,
//!   at the opening and after the head was read again.

use crate::list::{Listed, Outcome, Silence};

/// What two pages are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Likeness {
    /// They hold the same sessions, as far as the list has not moved between.
    Same,
    /// They hold different sessions, as neighbouring pages do.
    Apart,
}

/// Compares two answers of a list that may have moved between them, so that pages that are the same differ a little, and
/// neighbours share a little. `None` where that is not clear, unless it `must` be told.
pub fn likeness(first: &[Listed], other: &[Listed], must: bool) -> Option<Likeness> {
    let shared = other.iter().filter(|row| first.iter().any(|other| other.id == row.id)).count();
    let least = first.len().min(other.len());
    let is_clear = shared == 0 || least >= 8 && shared * 4 <= least || shared * 4 >= 3 * least;
    let told = if shared * 2 <= least { Likeness::Apart } else { Likeness::Same };
    (is_clear || must).then_some(told)
}

/// A word on the list that is no page with sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// A page without sessions, or a status that says as much.
    Nothing,
    /// No answer that says anything of the list: an error, a timeout, another shape.
    Silent(Silence),
}

impl Word {
    /// What an outcome says; `None` for a page with records.
    pub fn of(outcome: &Outcome) -> Option<Self> {
        match outcome {
            Outcome::Page { rows, unusable, .. } => (rows.is_empty() && *unusable == 0).then_some(Self::Nothing),
            Outcome::Nothing { .. } => Some(Self::Nothing),
            Outcome::Silent(silence) => Some(Self::Silent(*silence)),
            Outcome::Denied => Some(Self::Silent(Silence::Status(401))),
        }
    }
}

impl Word {
    /// What a page behind the end says: the first page again says nothing of the end. `None` for other sessions.
    pub fn behind(outcome: &Outcome, first: &[Listed]) -> Option<Self> {
        match outcome {
            Outcome::Page { rows, .. }
                if !rows.is_empty() && first.starts_with(&rows[..rows.len().min(first.len())]) =>
            {
                Some(Self::Silent(Silence::Shape))
            }
            _ => Self::of(outcome),
        }
    }
}

/// What is known of the base.
#[derive(Debug, Clone, Default)]
pub struct Base {
    from_zero: bool,
    shown: bool,
    /// What page 0 was at the opening, where it was no page with sessions.
    zero: Option<Word>,
    /// Page 0 is the first page by another name.
    by_zero: bool,
    /// Sessions of a page 0 that is neither the first page nor the one before: the list must hold them further down.
    owed: Vec<Listed>,
    /// Why it can't be shown whatever comes, in words for the receipt.
    against: Option<&'static str>,
}

impl Base {
    /// Pages are counted from 0, and page 0 holds these sessions.
    pub fn from_zero(zero: &[Listed]) -> Self {
        Self { from_zero: true, shown: true, owed: zero.to_vec(), ..Self::default() }
    }

    /// Page 0 is page 1 by another name.
    pub fn same() -> Self {
        Self { shown: true, by_zero: true, ..Self::default() }
    }

    /// Pages are counted from 1, since a smaller page 1 has shown it or page 0 has brought nothing.
    pub fn from_one(shown: bool, zero: Option<Word>) -> Self {
        Self { shown, zero, ..Self::default() }
    }

    /// Pages are counted from 1, and page 0 is one of those further down.
    pub fn with_a_far_zero(zero: &[Listed], first: &[Listed]) -> Self {
        let mut base = Self { shown: true, owed: zero.to_vec(), ..Self::default() };
        base.meet(first);
        base
    }

    /// Nothing shows how the pages are counted.
    pub fn unknown(why: &'static str) -> Self {
        Self { against: Some(why), ..Self::default() }
    }

    /// The number of the first page.
    pub const fn number(&self) -> u64 {
        !self.from_zero as u64
    }

    /// Whether page 0 is the first page by another name.
    pub const fn has_two_names(&self) -> bool {
        self.by_zero
    }

    /// Whether page 0 is to be asked for once more when the walk is over.
    pub const fn wants_zero(&self) -> bool {
        !self.from_zero && !self.by_zero
    }

    /// An answer of the list: what page 0 held may be here.
    pub fn meet(&mut self, rows: &[Listed]) {
        if !self.owed.is_empty() {
            self.owed.retain(|owed| !rows.iter().any(|row| row.id == owed.id));
        }
    }

    /// Some of what page 0 held lies outside of the goal.
    pub fn forget(&mut self, is_outside: impl Fn(&Listed) -> bool) {
        self.owed.retain(|row| !is_outside(row));
    }

    /// A page behind the first held exactly the rest of a believable total.
    pub fn rest_fits(&mut self) {
        self.shown = true;
    }

    /// Page 0 once more, after the head `head` was read again.
    pub fn again(&mut self, outcome: &Outcome, head: &[Listed]) {
        match (Word::of(outcome), outcome) {
            (Some(word), _) => self.shown |= self.zero == Some(word),
            (None, Outcome::Page { rows, .. }) => match likeness(head, rows, true) {
                Some(Likeness::Same) => self.shown = true,
                _ => self.owed.extend(rows.iter().filter(|_| self.zero.is_some())),
            },
            (None, _) => {}
        }
    }

    /// Why the proof can't rest on it; `None` where it can.
    pub fn objection(&self) -> Option<String> {
        if let Some(why) = self.against {
            return Some(why.to_owned());
        }
        if !self.owed.is_empty() {
            return Some(format!("page 0 showed {} sessions that no other page did", self.owed.len()));
        }
        (!self.shown).then(|| "nothing shows whether the pages are counted from 0 or from 1".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_zero_is_told_while_the_list_moves() {
        use Likeness::{Apart, Same};
        let rows = |ids: std::ops::Range<u128>| ids.map(|id| Listed { id, ..Listed::default() }).collect::<Vec<_>>();
        for (first, zero, told) in [
            (0..100, 0..100, Some(Same)),
            (1..101, 0..100, Some(Same)),
            (0..100, 20..120, Some(Same)),
            (100..200, 0..100, Some(Apart)),
            (99..199, 0..100, Some(Apart)),
            (100..120, 0..100, Some(Apart)),
            (0..0, 0..70, Some(Apart)),
            (50..150, 0..100, None),
            (2..6, 0..4, None),
        ] {
            assert_eq!(likeness(&rows(first.clone()), &rows(zero.clone()), false), told, "{first:?} {zero:?}");
        }
    }

    #[test]
    fn the_base_is_shown_or_objected_to() {
        let silent = |status| Outcome::Silent(Silence::Status(status));
        let word = Word::of(&silent(500));
        let mut base = Base::from_one(false, word);
        assert!(base.objection().is_some());
        base.again(&silent(503), &[]);
        assert!(base.objection().is_some(), "another failure is not the same");
        base.again(&silent(500), &[]);
        assert_eq!(base.objection(), None);
        let rows: Vec<_> = (1..5).map(|id| Listed { id, ..Listed::default() }).collect();
        let mut far = Base::with_a_far_zero(&rows, &[]);
        assert!(far.objection().is_some());
        far.meet(&rows);
        assert_eq!(far.objection(), None);
        let mut late = Base::from_one(true, word);
        late.again(&Outcome::Page { info: super::super::PageInfo::default(), rows, unusable: 0, at: None }, &[]);
        assert!(late.objection().is_some(), "page 0 showed sessions that the walk has not read");
    }
}
