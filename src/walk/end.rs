//! How the end of the list is shown: by an answer that overshoots it and so comes back short, and by one behind it that
//! brings nothing. Where the server gives no total to hold against, both are asked twice, with different sizes.

use std::collections::BTreeSet;

use super::Page;
use super::totals::believable;
use super::window::{Window, behind, reaching};

/// Requests at most that are spent on the end alone.
const ATTEMPTS: u32 = 8;

/// What is known of the end.
#[derive(Debug, Clone, Default)]
pub struct End {
    /// Sizes of short answers that end with the chain's last row.
    short: BTreeSet<u32>,
    /// Sizes of answers behind it that brought nothing.
    behind: BTreeSet<u32>,
    /// Whether a short answer agreed with its own total and last page.
    agreed: bool,
    attempts: u32,
}

impl End {
    /// The chain goes on: what was known of its end is void.
    pub fn moved(&mut self) {
        let Self { short, behind, agreed, attempts: _ } = self;
        short.clear();
        behind.clear();
        *agreed = false;
    }

    /// An answer that ends with the chain's last row.
    pub fn reached(&mut self, page: &Page) {
        if page.is_short() {
            self.short.insert(page.window.size);
            self.agreed |= agrees(page);
        }
    }

    /// An answer behind the end that brought nothing new.
    pub fn nothing(&mut self, size: u32) {
        self.behind.insert(size);
    }

    /// Whether the end is shown.
    pub fn is_shown(&self) -> bool {
        let needed = self.needed();
        self.short.len() >= needed && self.behind.len() >= needed
    }

    /// Whether something lies behind it already that brought nothing, or is still to be asked.
    pub fn lacks_probe(&self) -> bool {
        self.behind.is_empty()
    }

    fn needed(&self) -> usize {
        if self.agreed { 1 } else { 2 }
    }

    /// The next window to ask for the end's sake, `None` when it is shown or can't be. `reach`: the position behind the
    /// last row.
    pub fn next(&mut self, reach: u64, overlap: u64, largest: u32) -> Option<(Window, bool)> {
        if self.is_shown() || self.attempts >= ATTEMPTS {
            return None;
        }
        self.attempts += 1;
        let fresh = |seen: &BTreeSet<u32>, window: &Window| !seen.contains(&window.size);
        if self.short.len() < self.needed() {
            let sizes = (2..=largest).rev().take(64);
            let found =
                sizes.filter_map(|size| reaching(reach, overlap, size)).find(|window| fresh(&self.short, window));
            if let Some(window) = found.or_else(|| reaching(reach, 1, largest)) {
                return Some((window, false));
            }
        }
        let size = (1..=largest).rev().find(|size| !self.behind.contains(size))?;
        Some((behind(reach, size), true))
    }
}

/// Whether a short answer's own total, and its last page where it names one, say that it is the last.
fn agrees(page: &Page) -> bool {
    let last_page = page.end().div_ceil(u64::from(page.window.size));
    let agrees = |named: i64| u64::try_from(named).is_ok_and(|named| named == last_page || named + 1 == last_page);
    believable(page) == Some(page.end()) && page.info.last_page.is_none_or(agrees)
}
