//! What of the list is known to be covered.

use serde::{Deserialize, Serialize};

use crate::timestamp;

/// How far unfiltered exports have covered the list. Times are RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    fence: String,
    full_at: String,
    /// Whether the last full walk found the list newest first.
    pub newest_first: bool,
    /// Nothing that started earlier was asked for.
    #[serde(default)]
    since: Option<String>,
}

impl Covered {
    /// Times in microseconds.
    pub fn new(fence: i64, full_at: i64, newest_first: bool) -> Self {
        Self { fence: timestamp::text(fence), full_at: timestamp::text(full_at), newest_first, since: None }
    }

    /// The same of a run that left out what started before this, in microseconds.
    #[must_use]
    pub fn down_to(self, since: Option<i64>) -> Self {
        Self { since: since.map(timestamp::text), ..self }
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
