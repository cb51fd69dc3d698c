//! What of the list is known to be covered.

use serde::{Deserialize, Serialize};

use crate::walk::{Found, Key};
use crate::words::timestamp;

/// By what a list is sorted, in which direction, and whether new sessions come in at its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    key: Key,
    descending: bool,
    grows_at_the_head: bool,
}

const NEWEST_FIRST: Order = Order { key: Key::Start, descending: true, grows_at_the_head: true };

impl Order {
    /// The order that a walk has found.
    pub const fn of(Found { key, descending, grows_at_the_head, slack: _ }: Found) -> Self {
        Self { key, descending, grows_at_the_head }
    }

    /// Whether sessions of a range of starts can be searched for.
    pub fn can_be_searched(self) -> bool {
        self == NEWEST_FIRST
    }

    /// Whether nothing that started after a time stands behind all that lies before this time.
    pub const fn has_a_floor(self) -> bool {
        self.grows_at_the_head && matches!(self.key, Key::Start | Key::End)
    }

    /// Whether the newest comes first, so that a night may stop at what is old.
    pub const fn has_nights(self) -> bool {
        self.grows_at_the_head && !matches!(self.key, Key::Id)
    }
}

/// How far unfiltered exports have covered the list. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    fence: String,
    full_at: String,
    /// Whether the last full walk found the list newest first.
    newest_first: bool,
    /// By what the last full walk found the list sorted. Older states say no more than `newest_first`.
    #[serde(default)]
    order: Option<Order>,
    /// Whether the API counts pages from 0 and not from 1.
    #[serde(default)]
    from_zero: bool,
    /// Nothing that started earlier was asked for.
    #[serde(default)]
    since: Option<String>,
    /// What has shown since that the last full walk had not found everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    disproven: Option<String>,
}

impl Covered {
    /// Nothing below the fence is missing, by a walk that found this order. Both times in microseconds.
    pub fn new(fence: i64, full_at: i64, order: Option<Order>) -> Self {
        Self {
            fence: timestamp::text(fence),
            full_at: timestamp::text(full_at),
            newest_first: order == Some(NEWEST_FIRST),
            order,
            from_zero: false,
            since: None,
            disproven: None,
        }
    }

    /// The same of a server that counts its pages from this number.
    #[must_use]
    pub fn counted_from(self, base: u64) -> Self {
        Self { from_zero: base == 0, ..self }
    }

    /// Whether the pages are counted from 0.
    pub const fn is_from_zero(&self) -> bool {
        self.from_zero
    }

    /// The order of the list by the last full walk; `None` where it found none.
    pub fn order(&self) -> Option<Order> {
        self.order.or(self.newest_first.then_some(NEWEST_FIRST))
    }

    /// The same of a run that left out what started before this, in microseconds.
    #[must_use]
    pub fn down_to(self, since: Option<i64>) -> Self {
        Self { since: since.map(timestamp::text), ..self }
    }

    /// The same, though something has shown that the last full walk had not found everything.
    #[must_use]
    pub fn disproven_by(self, what: Option<&str>) -> Self {
        Self { disproven: what.map(str::to_owned), ..self }
    }

    /// What has shown that the last full walk had not found everything, if anything has: another one is due.
    pub fn disproof(&self) -> Option<&str> {
        self.disproven.as_deref()
    }

    /// Below this start nothing was asked for, in microseconds.
    pub fn since(&self) -> Option<i64> {
        timestamp::parse(self.since.as_deref()?)
    }

    /// The start below which everything is covered and settled, in microseconds.
    pub fn fence(&self) -> Option<i64> {
        timestamp::parse(&self.fence)
    }

    /// When the last full walk began, in microseconds.
    pub fn full_at(&self) -> Option<i64> {
        timestamp::parse(&self.full_at)
    }
}
