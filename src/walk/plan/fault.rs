//! What may be wrong with an answer: too few rows, another page, another size, the first page again.

use super::Plan;
use crate::list::{Listed, Window};
use crate::walk::chain::Chain;
use crate::walk::slot::{Purpose, Slot};
use crate::walk::{Page, totals};

/// What is wrong with an answer.
pub(in crate::walk) enum Fault {
    /// Not as many rows as there should be.
    Odd(String),
    /// By its own number, another page than was asked for.
    Other,
    /// More rows than asked for, or another size by its own word: the size is not honoured.
    Size(u32),
    /// The first page again, though another one was asked for: `page` may be ignored.
    First,
}

impl Plan {
    /// What is wrong with the answer to a slot, if anything is.
    pub(in crate::walk) fn fault(&self, slot: &Slot, page: &Page) -> Option<Fault> {
        let Window { size, page: number } = page.window;
        let listed = page.listed();
        let echo = page.info.per_page.and_then(|echo| u32::try_from(echo).ok()).filter(|&echo| echo > 0);
        // Rows say more of the size than words do.
        let is_as_asked = listed == self.wanted(page).unwrap_or(u64::from(size));
        let is_other = size < self.server.sizes.largest()
            && self.server.echoes_sizes
            && echo.is_some_and(|echo| echo != size)
            && !is_as_asked;
        if listed > u64::from(size) || is_other && listed > 0 {
            return Some(Fault::Size(u32::try_from(listed).unwrap_or(u32::MAX).max(echo.unwrap_or(0))));
        }
        // Records without an id look alike on every page.
        let is_head = |chain: &Chain| !page.rows.is_empty() && chain.head().starts_with(&page.rows);
        let is_first = self.round.chain.as_ref().is_some_and(is_head);
        let suspect = self.server.ignored.is_some() && self.round.begins_at_head() && !self.round.totals.grew(page);
        if suspect && is_first && number > 1 && !page.is_short() && self.round.reach > u64::from(size) {
            return Some(Fault::First);
        }
        self.oddity(page, slot.purpose == Purpose::Behind)
    }

    /// Whether an answer has not as many rows as it should have, or is another page than was asked for.
    pub(in crate::walk) fn oddity(&self, page: &Page, may_be_short: bool) -> Option<Fault> {
        let Window { size, page: number } = page.window;
        let (listed, wanted) = (page.listed(), self.wanted(page));
        if let Some(wanted) = wanted.filter(|&wanted| listed < wanted && !may_be_short) {
            return Some(Fault::Odd(format!("page {number} of {size} sessions each had {listed} of {wanted}")));
        }
        let asked = i64::try_from(number).unwrap_or(i64::MAX).saturating_add(self.server.echo?);
        let is_other = |current: &i64| *current != asked && wanted != Some(0);
        page.info.current_page.filter(is_other).map(|_| Fault::Other)
    }

    /// Rows that a page should have, as far as is known.
    pub(in crate::walk) fn wanted(&self, page: &Page) -> Option<u64> {
        let total = totals::believable(page).or_else(|| self.round.totals.latest())?;
        Some(total.saturating_sub(page.window.offset()).min(u64::from(page.window.size)))
    }

    /// Any later page that holds something else than the first one shows that `page` is not ignored.
    pub(in crate::walk) fn compare_with_head(&mut self, page: &Page) {
        let Some(chain) = &self.round.chain else { return };
        let of_head = |row: &Listed| chain.head().iter().any(|other| other.id == row.id);
        if self.server.ignored.is_some() && page.window.page > 1 && !page.rows.iter().all(of_head) {
            self.server.ignored = None;
        }
    }
}
