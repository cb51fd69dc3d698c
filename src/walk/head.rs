//! The head of the list, read again at the end: until the last surviving row of the walk's first answer is met in its
//! old order. So a row that moved up while the walk was below it shows, and what is new is taken along.

use super::chain::{Joint, joint};
use super::order::Order;
use super::window::{Window, reaching};
use super::{Listed, Page};

/// Answers at most until the old head must be met.
const MOST: u32 = 64;

/// How often answers that look wrong are asked for again.
const AGAIN: u32 = 3;

/// The head being read again.
#[derive(Debug)]
pub struct Head {
    window: Window,
    /// Rows of the earlier first answer.
    old: Vec<Listed>,
    /// Rows read again so far, from the first.
    rows: Vec<Listed>,
    asked: u32,
    tries: u32,
}

/// What the head shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// More has to be read.
    More,
    /// The old head is met.
    Met {
        /// Rows that were not there before.
        inserted: u64,
        /// Whether nothing changed.
        unchanged: bool,
        /// The order of what was read.
        order: Order,
    },
    /// It is not met.
    Lost,
}

impl Head {
    /// Begins with the window of the earlier first answer.
    pub const fn new(old: Vec<Listed>, window: Window) -> Self {
        Self { window, old, rows: Vec::new(), asked: 0, tries: 0 }
    }

    /// The window to ask for.
    pub const fn window(&self) -> Window {
        self.window
    }

    /// Whether nothing is there where the head was.
    pub const fn is_gone(&self, page: &Page) -> bool {
        page.listed() == 0 && self.rows.is_empty() && !self.old.is_empty()
    }

    /// Whether an answer without rows is the first of its kind here: without a total nothing tells the end of the list
    /// from a page that is empty for a moment.
    pub const fn is_blank(&self, page: &Page) -> bool {
        page.listed() == 0 && !self.old.is_empty() && self.tries == 0
    }

    /// Whether that window is to be asked for once more, since its answer is odd.
    pub const fn ask_again(&mut self) -> bool {
        self.tries += 1;
        self.tries <= AGAIN
    }

    /// Takes the rows of that window.
    pub fn answer(&mut self, rows: &[Listed], overlap: u64, largest: u32) -> Seen {
        self.asked += 1;
        if self.rows.is_empty() {
            self.rows = rows.to_vec();
        } else {
            match joint(&self.rows, rows, false) {
                Joint::Linked { new, .. } => self.rows.extend_from_slice(&rows[new..]),
                Joint::Apart | Joint::Reordered => return Seen::Lost,
            }
        }
        if self.old.is_empty() {
            return self.met();
        }
        match joint(&self.rows, &self.old, false) {
            Joint::Linked { new, .. } if new == self.old.len() || self.passed() => self.met(),
            Joint::Reordered => Seen::Lost,
            Joint::Linked { .. } | Joint::Apart => self.go_on(rows.is_empty(), overlap, largest),
        }
    }

    /// Whether what was read reaches below the old head: its last rows are gone then.
    fn passed(&self) -> bool {
        self.rows.last().zip(self.old.last()).is_some_and(|(row, old)| row.start < old.start)
    }

    fn go_on(&mut self, nothing: bool, overlap: u64, largest: u32) -> Seen {
        let next = reaching(self.window.end(), overlap, largest);
        match next.filter(|_| self.asked < MOST && !nothing) {
            Some(window) => {
                (self.window, self.tries) = (window, 0);
                Seen::More
            }
            // The list ends before the old head is met whole: what is left of it was seen in order.
            None if nothing => self.met(),
            None => Seen::Lost,
        }
    }

    fn met(&self) -> Seen {
        let mut order = Order::new();
        order.observe(&self.rows);
        let known = |row: &&Listed| self.old.iter().any(|old| old.id == row.id);
        let until = self.rows.iter().rposition(|row| known(&row)).map_or(0, |last| last + 1);
        let inserted = self.rows[..until].iter().filter(|row| !known(row)).count() as u64;
        let ids = |rows: &[Listed]| rows.iter().map(|row| (row.id, row.start)).collect::<Vec<_>>();
        Seen::Met { inserted, unchanged: ids(&self.rows) == ids(&self.old), order }
    }
}
