//! The first answers: how the server counts and cuts its pages.

use super::chain::Chain;
use super::goal::Goal;
use super::locate::Locate;
use super::plan::{Phase, Plan};
use super::slot::State;
use super::{Listed, Page, totals};

/// How often the first page and page 0 are asked for again where they tell nothing.
const TRIES: u32 = 4;

/// The first answers: the first page, and page 0, which tells how the server counts.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// Which of the two are asked for.
    pub(super) asked: u32,
    pub(super) first: Option<Page>,
    pub(super) zero: Option<Page>,
    /// How often they were asked for before, and what they told then.
    tries: u32,
    told: Option<Zero>,
}

/// What page 0 is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zero {
    /// Nothing: pages are counted from 1.
    Nothing,
    /// Page 1 by another name.
    First,
    /// The page before page 1: pages are counted from 0.
    Before,
}

impl Zero {
    /// Page 0 is the same as page 1 where the server takes it for that, and has no session of it where it comes before;
    /// but the list may move between the two answers, so that pages that are the same differ a little, and neighbours
    /// share a little. `None` where that is not clear, unless it `must` be told.
    pub fn tell(first: &[Listed], zero: &[Listed], must: bool) -> Option<Self> {
        let shared = zero.iter().filter(|row| first.iter().any(|other| other.id == row.id)).count();
        let least = first.len().min(zero.len());
        if zero.is_empty() {
            return Some(Self::Nothing);
        }
        let is_clear = shared == 0 || least >= 8 && shared * 4 <= least || shared * 4 >= 3 * least;
        let told = if shared * 2 <= least { Self::Before } else { Self::First };
        (is_clear || must).then_some(told)
    }
}

impl Plan {
    /// Decides from the first answers how the server counts and cuts its pages.
    pub(super) fn open(&mut self) {
        let Phase::Opening(opening) = &mut self.phase else { return };
        let (Some(first), Some(zero)) = (&opening.first, &opening.zero) else { return };
        let is_last = opening.tries >= TRIES;
        let told = Zero::tell(&first.rows, &zero.rows, is_last);
        // A page that is empty, or another one, for a moment would set all pages off by one. Where page 0 is the first
        // one, the head is read by that name again at the end.
        let is_sure = told == Some(Zero::First) || told == opening.told || is_last;
        let Some(told) = told.filter(|_| is_sure) else {
            *opening = Opening { tries: opening.tries + 1, told, ..Opening::default() };
            return;
        };
        let page = if told == Zero::Before { opening.zero.take() } else { opening.first.take() };
        let Some(mut page) = page else { return };
        self.zero = told;
        self.base = u64::from(told != Zero::Before);
        self.echo = page.info.current_page.map(|current| current - 1).filter(|echo| (-1..=0).contains(echo));
        self.totals.observe(&page);
        if page.listed() > u64::from(self.largest) {
            return self.pass(u32::try_from(page.listed()).unwrap_or(u32::MAX));
        }
        self.largest = page_size(&page);
        page.window.size = self.largest;
        let newest_first = Chain::new(page.rows.clone()).order().is_newest_first(self.settings.slack);
        match self.goal {
            Goal::Range { to, .. } if newest_first && !self.unordered => {
                let to = to.saturating_add(self.settings.slack);
                self.phase = Phase::Locating(Locate::new(to, self.largest, self.totals.latest(), &page.rows));
                self.top = page.rows;
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
}

/// The largest page that the server gives, by its first answer. One that is short may be a capped one, unless the
/// server's own total says that it holds the whole list.
fn page_size(page: &Page) -> u32 {
    let listed = u32::try_from(page.listed()).unwrap_or(u32::MAX);
    let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo >= listed.max(1));
    let whole = totals::believable(page) == Some(page.listed());
    match echo {
        Some(echo) => echo.min(page.window.size),
        None if whole || listed == 0 => page.window.size,
        None => listed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_zero_is_told_while_the_list_moves() {
        let rows = |ids: std::ops::Range<u128>| {
            ids.map(|id| Listed { id, start: Some(0), ..Listed::default() }).collect::<Vec<_>>()
        };
        for (first, zero, told) in [
            (0..100, 0..100, Some(Zero::First)),
            (1..101, 0..100, Some(Zero::First)),
            (0..100, 20..120, Some(Zero::First)),
            (100..200, 0..100, Some(Zero::Before)),
            (99..199, 0..100, Some(Zero::Before)),
            (100..120, 0..100, Some(Zero::Before)),
            (0..0, 0..70, Some(Zero::Before)),
            (0..100, 0..0, Some(Zero::Nothing)),
            (50..150, 0..100, None),
            (2..6, 0..4, None),
        ] {
            assert_eq!(Zero::tell(&rows(first.clone()), &rows(zero.clone()), false), told, "{first:?} {zero:?}");
        }
    }
}
