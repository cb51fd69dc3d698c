//! The walk over the list: which windows to ask for, and what their answers prove. Pure: no I/O, no clock.
//!
//! [`Plan`] is the state machine: requests out, answers in, in any order of arrival, and a [`Verdict`] at the end.
//! It holds the rows of a bounded number of answers, never of the list.

mod ahead;
mod base;
mod chain;
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
mod totals;
mod verdict;
mod window;

use std::time::Duration;

#[cfg(test)]
mod tests;

pub use base::{Likeness, likeness};
pub use evidence::{Evidence, Ground, TABLE};
pub use goal::{Goal, Settings};
pub use order::Key;
pub use plan::Plan;
pub use verdict::{Found, Tally, Verdict};
pub use window::{Window, can_overlap};

/// One listed session, as the walk needs to know it. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Listed {
    /// 128-bit hash of the session's id.
    pub id: u128,
    /// Start; `None` where missing or unreadable.
    pub start: Option<i64>,
    /// End; `None` while the session runs, or where the end is unreadable.
    pub end: Option<i64>,
    /// A number that orders ids: see [`rank`].
    pub rank: u128,
}

/// The digits of an id that begins with its time, as many databases make them.
const HEX_ID: usize = 24;

/// A number by which ids are ordered: the value of a whole number or of 24 hexadecimal digits, else the first 16 bytes.
#[must_use]
pub fn rank(id: &str) -> u128 {
    let is_hex = id.len() == HEX_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = if is_hex { u128::from_str_radix(id, 16).ok() } else { id.parse().ok() };
    number.unwrap_or_else(|| {
        let mut first = [0; 16];
        first.iter_mut().zip(id.bytes()).for_each(|(place, byte)| *place = byte);
        u128::from_be_bytes(first)
    })
}

impl Listed {
    /// The time in an id of 24 hexadecimal digits, in microseconds but to the second; `None` in any other id.
    #[must_use]
    pub fn made(&self) -> Option<i64> {
        let seconds = u32::try_from(self.rank >> 64).ok().filter(|seconds| *seconds > 0)?;
        Some(i64::from(seconds) * 1_000_000)
    }
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

/// How a request is meant, and so what a failure of it is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asking {
    /// A page of the list, such as the documented client asks for: retried, and its failure may end the run.
    Documented,
    /// A page that may not be there (page 0, a page behind the end, a size that may be refused): tried twice at most, and
    /// no answer to it ends a run.
    Probe,
    /// A documented page, asked for with a wrong token: a server that refuses it looks at tokens.
    WrongToken,
}

/// A window to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Request {
    /// The positions that are meant.
    pub window: Window,
    /// The page's number as this server counts.
    pub page: u64,
    /// How the request is meant.
    pub asking: Asking,
    /// Whether the server is to choose the size itself: `perPage` is left out.
    pub own_size: bool,
    /// How long to wait before the request is sent.
    pub after: Duration,
}

impl Request {
    /// A documented request, sent at once.
    #[must_use]
    pub const fn documented(window: Window, page: u64) -> Self {
        Self { window, page, asking: Asking::Documented, own_size: false, after: Duration::ZERO }
    }

    /// The same as a probe.
    #[must_use]
    pub const fn probe(window: Window, page: u64) -> Self {
        Self { asking: Asking::Probe, ..Self::documented(window, page) }
    }
}

/// The answer to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The request.
    pub request: Request,
    /// The server's word on it.
    pub outcome: Outcome,
}

/// The server's word on a window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A page of the documented shape: `data` (also `null`), or at least `pageInfo`.
    Page {
        /// The server's own words on the page.
        info: PageInfo,
        /// Its records in list order. A record without a usable id has none here and counts in `unusable`.
        rows: Vec<Listed>,
        /// Records without a usable id.
        unusable: u64,
        /// The server's `Date`, in microseconds since 1970; `None` where that is missing.
        at: Option<i64>,
    },
    /// 400, 404, 410, 416 or 422: the server says that nothing is there, or refuses.
    Nothing {
        /// The HTTP status.
        status: u16,
    },
    /// Everything else: no word on the list at all.
    Silent(Silence),
    /// A wrong token was refused with 401 or 403.
    Denied,
}

/// A failure that says nothing of the list; two that are equal are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Silence {
    /// Another status than those of [`Outcome::Nothing`].
    Status(u16),
    /// `{}`, or no body at all.
    Bare,
    /// A body of another shape.
    Shape,
    /// No answer in time.
    Late,
    /// The connection failed.
    Broken,
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

    /// Records, usable or not.
    const fn listed(&self) -> u64 {
        self.rows.len() as u64 + self.unusable
    }

    /// That no record has a usable id, in words; `None` where one has, or where there are no records.
    fn names_nobody(&self) -> Option<String> {
        let Window { size, page } = self.window;
        let text = || format!("no record of page {page} of {size} sessions each has an id that can be read");
        (self.rows.is_empty() && self.unusable > 0).then(text)
    }

    /// Position behind its last record.
    const fn end(&self) -> u64 {
        self.window.offset() + self.listed()
    }

    const fn is_short(&self) -> bool {
        self.listed() < self.window.size as u64
    }
}
