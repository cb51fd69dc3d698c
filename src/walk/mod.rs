//! The walk over the list: which windows to ask for, and what their answers prove. Pure: no I/O, no clock.
//!
//! [`Plan`] is the state machine: requests out, answers in, in any order of arrival, and a [`Verdict`] at the end.
//! It holds the rows of a bounded number of answers, never of the list.

mod ahead;
mod chain;
mod end;
mod evidence;
mod goal;
mod head;
mod locate;
mod opening;
mod order;
mod passes;
mod plan;
mod recall;
mod settle;
mod slot;
mod totals;
mod verdict;
mod window;

#[cfg(test)]
mod tests;

pub use evidence::{Evidence, Ground, TABLE};
pub use goal::{Goal, Settings};
pub use opening::Zero;
pub use plan::Plan;
pub use verdict::{Tally, Verdict};
pub use window::{Window, can_overlap};

/// One listed session, as the walk needs to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listed {
    /// 128-bit hash of the session's id.
    pub id: u128,
    /// Start in microseconds since 1970, UTC; `None` where missing or unreadable.
    pub start: Option<i64>,
}

/// What the server said of the page, each field only where present and readable (a number, or text that is one).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PageInfo {
    /// `currentPage`
    pub current_page: Option<i64>,
    /// `perPage`
    pub per_page: Option<i64>,
    /// `lastPage`
    pub last_page: Option<i64>,
    /// `total`
    pub total: Option<i64>,
}

/// A window to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// What is meant.
    pub window: Window,
    /// The page's number as this server counts.
    pub page: u64,
    /// Whether a 400 or 404 is an answer (it may lie behind the end of the list) and not a failure.
    pub refusable: bool,
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub request: Request,
    /// What came back.
    pub outcome: Outcome,
}

/// What came back for a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A page of the documented shape.
    Page {
        /// The server's own words on it.
        info: PageInfo,
        /// Its records in list order. A record without a usable id has none here and counts in `unusable`.
        rows: Vec<Listed>,
        /// Records without a usable id.
        unusable: u64,
    },
    /// A final 400 or 404, which some servers answer behind the end of the list.
    Refused {
        /// The HTTP status.
        status: u16,
    },
}

/// Why a list can't be walked at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contract {
    /// Every page is the first one.
    #[error("the server ignores `page`: page {page} is the first page again")]
    PageIgnored {
        /// The page asked for.
        page: u64,
    },
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
    /// Records, usable or not.
    const fn listed(&self) -> u64 {
        self.rows.len() as u64 + self.unusable
    }

    /// Position behind its last record.
    const fn end(&self) -> u64 {
        self.window.offset() + self.listed()
    }

    const fn is_short(&self) -> bool {
        self.listed() < self.window.size as u64
    }
}
