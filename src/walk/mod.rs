//! The walk over the list: which windows to ask for, and what their answers prove. Pure: no I/O, no clock.
//!
//! [`Plan`] is the state machine: requests out, answers in, in any order of arrival, and a [`Verdict`] at the end.
//! It holds the rows of a bounded number of answers, never of the list.

mod ahead;
mod base;
mod chain;
mod counts;
mod distinct;
mod end;
mod evidence;
mod goal;
mod grain;
mod last_pages;
mod locate;
mod opening;
mod order;
mod plan;
mod recall;
mod repairs;
mod requests;
mod settle;
mod sizes;
mod slot;
mod survey;
mod totals;
mod verdict;
mod window;

#[cfg(test)]
mod tests;

use crate::list::{Listed, PageInfo, Window};
pub use base::{Likeness, likeness};
pub use counts::Counts;
pub use evidence::{Evidence, Ground, TABLE};
pub use goal::{Goal, Settings};
pub use order::Key;
pub use plan::Plan;
pub use survey::Survey;
pub use verdict::{Found, Tally, Verdict};
pub use window::can_overlap;

/// Why a list can't be walked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contract {
    /// Every page is the first one.
    #[error("the server ignores `page`: page {page} is the first page again")]
    PageIgnored {
        /// The page asked for, counted from 1.
        page: u64,
    },
    /// A documented request failed for good; whoever asked knows why.
    #[error("a documented request failed")]
    Failed,
}

/// A page as the plan handles it.
#[derive(Debug, Clone)]
struct Page {
    window: Window,
    info: PageInfo,
    rows: Vec<Listed>,
    unusable: u64,
}

impl Page {
    /// What a window without records is.
    const fn empty(window: Window) -> Self {
        let info = PageInfo { current_page: None, per_page: None, last_page: None, total: None };
        Self { window, info, rows: Vec::new(), unusable: 0 }
    }

    /// Whether it holds sessions, and all of them ended before this time (microseconds).
    fn ended_before(&self, time: i64) -> bool {
        !self.rows.is_empty() && self.rows.iter().all(|row| row.end.is_some_and(|end| end < time))
    }

    /// How many records it holds, with and without a usable id: the rows that count for positions.
    const fn listed(&self) -> u64 {
        self.rows.len() as u64 + self.unusable
    }

    /// That no record has a usable id, in words; `None` where one has, or where there are no records.
    fn names_nobody(&self) -> Option<String> {
        let Window { size, page } = self.window;
        let text = || format!("no record of page {page} of {size} sessions each has an id that can be read");
        (self.rows.is_empty() && self.unusable > 0).then(text)
    }

    /// Position behind its last record, from 0.
    const fn end(&self) -> u64 {
        self.window.offset() + self.listed()
    }

    const fn is_short(&self) -> bool {
        self.listed() < self.window.size as u64
    }
}
