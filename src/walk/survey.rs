//! A list that is read in parts: how long it is and how it is cut, and a part of it by positions.
//!
//! Parts are answers like any others: it does not matter when or by whom a window was asked for. The walk that goes on from them
//! ([`Plan::recall`]) joins them, reads what is missing between them, and alone says what they prove.

use serde::{Deserialize, Serialize};

use super::base::Base;
use super::goal::{Goal, Settings};
use super::order::Sorts;
use super::plan::round::Round;
use super::plan::{Phase, Plan};
use crate::list::Window;

/// More rows than are asked for in one page.
const MOST_PAGE: u32 = 10_000;

/// What the first answers have shown of a list, for those who read parts of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survey {
    /// The number of the first page: 0 or 1.
    pub base: u64,
    /// Rows of the largest page that the server gives.
    pub per_page: u32,
    /// How many sessions the list has, by its own account or by a search for its end.
    pub length: u64,
    /// Whether its pages can overlap, so that parts of it can be joined at all.
    pub can_overlap: bool,
}

impl Survey {
    /// Whether a list can be so: another machine may have written it down.
    #[must_use]
    pub const fn is_possible(&self) -> bool {
        self.base <= 1 && 1 <= self.per_page && self.per_page <= MOST_PAGE && self.length >> 48 == 0
    }

    /// Cuts the list into at most so many parts of about the same length: where each begins, a multiple of the page size, and the
    /// position that it must reach. The end of the list is left to the walk that goes on from them: sessions may expire there, and a
    /// chain whose last session is gone shows no end. None where parts can't be joined.
    #[must_use]
    pub fn parts(&self, most: u64, overlap: u32) -> Vec<(u64, u64)> {
        if !self.can_overlap || self.length == 0 {
            return Vec::new();
        }
        let size = u64::from(self.per_page.max(1));
        let length = self.length.saturating_sub((2 * size).max(self.length / 100)).max(1);
        let pages = length.div_ceil(size);
        let parts = most.clamp(1, pages);
        let begin = |part: u64| pages * part / parts * size;
        // So far into the next part that a joint descends, whatever a few changes of the list do to it.
        let beyond = u64::from(overlap).max(size.div_ceil(8).min(25));
        let end = |part: u64| if part == parts { length } else { begin(part) + beyond };
        (0..parts).map(|part| (begin(part), end(part + 1))).collect()
    }
}

impl Plan {
    /// What the walk has found out of the list, whose goal was [`Goal::Survey`].
    pub fn survey(&self) -> Survey {
        let sizes = &self.server.sizes;
        let length = if self.is_empty { 0 } else { self.round.totals.latest().unwrap_or(self.round.reach) };
        let can_overlap = !sizes.are_the_servers() && sizes.largest() > 1;
        Survey { base: self.server.base.number(), per_page: sizes.largest(), length, can_overlap }
    }

    /// A walk of a part of a list, from a position to another one, or to a window wholly before `floor` (microseconds).
    pub fn stretch(survey: Survey, settings: Settings, from: u64, to: u64, floor: Option<i64>) -> Self {
        let mut plan = Self::new(Goal::Stretch { to, floor }, settings, survey.base == 0);
        if survey.base == 0 {
            plan.server.base = Base::from_zero(&[]);
        }
        plan.server.sizes.cap(survey.per_page);
        plan.server.sizes.answer(survey.per_page);
        let size = plan.server.sizes.largest();
        let first = Window { size, page: from / u64::from(size) + 1 };
        plan.round = Round::new(first, plan.round.overlap, Sorts::NONE);
        plan.phase = if from < to { Phase::Walking } else { Phase::Done };
        plan
    }
}
