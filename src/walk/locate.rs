//! Finding a date in a list that is newest first: a binary search over positions, about log2 of the number of pages.

use std::collections::BTreeMap;

use super::Page;
use super::order::Orders;
use crate::list::{Listed, Window};

/// The search for a window that begins at a row at or after a time, and as late in the list as that can be.
#[derive(Debug)]
pub struct Locate {
    to: i64,
    size: u32,
    /// The row here, or the head of the list, is at or after `to`.
    low: u64,
    /// The row here is before `to`, or there is none; `None` while no such place is known.
    high: Option<u64>,
    step: u64,
    /// What was seen, by position: another order would show in it.
    seen: BTreeMap<u64, Orders>,
    /// Inversions that are put up with, in microseconds.
    limit: i64,
}

impl Locate {
    /// A search in windows of a size, below these rows of the head. `end`: the list's length, where it is known.
    pub fn new(to: i64, size: u32, end: Option<u64>, head: &[Listed], limit: i64) -> Self {
        let seen = BTreeMap::from([(0, Orders::of(head, limit))]);
        Self { to, size, low: 0, high: end, step: u64::from(size), seen, limit }
    }

    /// Whether what was seen on the way is newest first, and differs so much that another order would have shown.
    pub fn is_newest_first(&self) -> bool {
        let orders = self.seen.values().fold(Orders::new(self.limit), Orders::and);
        orders.is_newest_first() && orders.tells()
    }

    /// The window to look at next, `None` when the place is found.
    pub fn window(&self) -> Option<Window> {
        let size = u64::from(self.size);
        let middle = match self.high {
            Some(high) if high <= self.low + size => return None,
            Some(high) => self.low.midpoint(high),
            None => self.low + self.step,
        };
        // A page's first position that is neither `low` nor at or behind `high`.
        let page = (middle / size).max(self.low / size + 1);
        self.high.is_none_or(|high| page * size < high).then_some(Window { size: self.size, page: page + 1 })
    }

    /// Takes what stands there; `None` is nothing.
    pub fn answer(&mut self, window: Window, page: Option<&Page>) {
        let first = page.and_then(|page| page.rows.first());
        if let Some(page) = page {
            self.seen.insert(window.offset(), Orders::of(&page.rows, self.limit));
        }
        if first.is_some_and(|row| row.start.is_some_and(|start| start >= self.to)) {
            self.low = window.offset();
            self.step *= 2;
        } else {
            self.high = Some(window.offset());
        }
    }

    /// The window that the walk begins with; its first row is at or after `to`, unless it is the head of the list.
    pub fn found(&self) -> Window {
        Window { size: self.size, page: self.low / u64::from(self.size) + 1 }
    }
}
