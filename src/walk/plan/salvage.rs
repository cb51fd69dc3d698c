//! Gaps in the midst of the list that the server does not give, read in ever smaller pieces: one session that can't be had must
//! not hide its neighbours. What is read so proves nothing, as the gap stays; it is in the tables all the same.

use super::{Phase, Plan};
use crate::list::{Outcome, Request, Window};
use crate::walk::sizes::Sizes;
use crate::walk::slot::State;

/// Requests at most for all gaps of a walk; what is left then is told.
const MOST: u32 = 200;

/// Positions that were not read, from and to.
pub(in crate::walk) type Gap = (u64, u64);

/// Gaps that are read piece by piece; where a piece fails, it is read in pieces of at most half its size.
#[derive(Debug)]
pub(in crate::walk) struct Salvage {
    /// Windows that are still to come, the next one last, and the gap that each belongs to.
    left: Vec<(Window, Gap)>,
    /// The first of them is under way.
    flying: bool,
    asked: u32,
    /// Positions that can't be had one by one.
    lost: Vec<u64>,
}

impl Salvage {
    pub(in crate::walk) fn of(gaps: Vec<Gap>, sizes: &Sizes) -> Self {
        let mut salvage = Self { left: Vec::new(), flying: false, asked: 0, lost: Vec::new() };
        for gap in gaps.into_iter().rev() {
            salvage.cover(gap, gap, u32::try_from(gap.1 - gap.0).unwrap_or(u32::MAX), sizes);
        }
        salvage
    }

    /// Plans the part of a gap in pages of half a size, the first one to be asked for first; false where there are none.
    fn cover(&mut self, (from, to): Gap, gap: Gap, size: u32, sizes: &Sizes) -> bool {
        let half = (size / 2).max(1);
        let Some(size) = sizes.each().find(|smaller| *smaller <= half).filter(|smaller| *smaller < size) else {
            return false;
        };
        let pages = from / u64::from(size)..to.div_ceil(u64::from(size));
        self.left.extend(pages.rev().map(|page| (Window { size, page: page + 1 }, gap)));
        true
    }

    /// The window to ask for next; `None` when all gaps are read, or too many requests were made for them.
    fn next(&mut self) -> Option<Window> {
        if self.asked >= MOST {
            return None;
        }
        let (window, _) = self.left.last()?;
        (self.asked, self.flying) = (self.asked + 1, true);
        Some(*window)
    }

    /// Takes an answer: what is missing in it is asked for in smaller pieces.
    fn answer(&mut self, window: Window, state: &State, sizes: &Sizes) {
        if !std::mem::take(&mut self.flying) {
            return; // It was in flight before.
        }
        let Some((_, gap)) = self.left.pop_if(|(asked, _)| *asked == window) else { return };
        let is_whole = matches!(state, State::Here(page) if !page.is_short());
        let part = (window.offset().max(gap.0), window.end().min(gap.1));
        if !is_whole && !self.cover(part, gap, window.size, sizes) {
            self.lost.extend(part.0..part.1);
        }
    }

    /// What can't be had, in words.
    fn says(&self) -> Option<String> {
        let (first, last) = self.lost.first().zip(self.lost.last())?;
        let (count, noun) = (self.lost.len(), if self.lost.len() == 1 { "session" } else { "sessions" });
        let left = if self.left.is_empty() { "" } else { "; the rest was not asked for any more" };
        Some(format!("the API does not give {count} {noun} between positions {first} and {last}, page size 1{left}"))
    }
}

impl Plan {
    /// The next request for a piece of a gap; goes over to the head when all is asked for.
    pub(in crate::walk) fn salvage(&mut self) -> Option<Window> {
        let Phase::Salvaging(salvage) = &mut self.phase else { return None };
        if let Some(window) = salvage.next() {
            return Some(window);
        }
        self.log.reasons.extend(salvage.says());
        self.turn_from_gaps();
        None
    }

    /// Takes a piece of a gap.
    pub(in crate::walk) fn salvaged(&mut self, request: Request, outcome: Outcome) {
        let state = State::of(request.window, outcome);
        if let State::Here(page) = &state {
            self.server.base.meet(&page.rows);
        }
        if let Phase::Salvaging(salvage) = &mut self.phase {
            salvage.answer(request.window, &state, &self.server.sizes);
        }
    }
}
