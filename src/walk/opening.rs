//! The first answers: how the server counts and cuts its pages.

use super::chain::Chain;
use super::goal::Goal;
use super::locate::Locate;
use super::plan::{Phase, Plan};
use super::slot::State;
use super::{Page, totals};

/// The first answers: the first page, and page 0, which tells how the server counts.
#[derive(Debug, Default)]
pub(super) struct Opening {
    pub(super) asked: u32,
    pub(super) first: Option<Page>,
    pub(super) zero: Option<Page>,
}

impl Plan {
    /// Decides from the first answers how the server counts and cuts its pages.
    pub(super) fn open(&mut self) {
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
