//! What a walk is for, and how it goes about it.

use std::time::Duration;

/// What a walk must cover before it may end; times in microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// From the first session to the last.
    Full,
    /// From the head to a window wholly before this time (microseconds).
    Since {
        /// The floor: sessions that started earlier get no rows.
        from: i64,
    },
    /// From the head to a window wholly before this time (microseconds) that holds a known session.
    Nightly {
        /// Fence less lookback, in the time that the list is sorted by.
        down_to: i64,
    },
    /// From a row at or after `to` to a row before `from` (microseconds).
    Range {
        /// Sessions that started before this are not in the range.
        from: i64,
        /// The first start that is not in the range any more.
        to: i64,
    },
}

/// How a walk goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Rows of the largest page asked for.
    pub per_page: u32,
    /// Rows by which windows overlap at least.
    pub overlap: u32,
    /// Requests at most for one joint that broke.
    pub repairs: u32,
    /// Inversions up to this many microseconds are no other order.
    pub slack: i64,
    /// Walks at most through a list that is not newest first.
    pub rounds: u32,
    /// How long to wait before the end is looked at once more, where nothing but failures is behind it.
    pub pause: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { per_page: 100, overlap: 2, repairs: 12, slack: 60_000_000, rounds: 3, pause: Duration::from_secs(30) }
    }
}
