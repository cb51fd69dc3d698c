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
    /// No session at all: how the server counts and cuts its pages, and how long the list is ([`super::Plan::survey`]).
    Survey,
    /// A part of the list by positions, for a walk that goes on from it: from where the plan begins ([`super::Plan::stretch`]).
    Stretch {
        /// The position that the last window must reach.
        to: u64,
        /// A window wholly before this time (microseconds) ends the part, too.
        floor: Option<i64>,
    },
}

impl Goal {
    /// Whether it is about positions, so that neither the head nor the end of the list is asked for.
    pub(super) const fn is_of_positions(self) -> bool {
        matches!(self, Self::Survey | Self::Stretch { .. })
    }
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
