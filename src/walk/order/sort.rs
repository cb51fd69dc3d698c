//! A key and a direction by which a list may be sorted, and where a session stands by them.

use serde::{Deserialize, Serialize};

use crate::list::Listed;

/// In microseconds.
pub(super) const SECOND: i64 = 1_000_000;

/// What a list may be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The start of a session; one without a start counts as oldest.
    Start,
    /// The time inside an id of 24 hexadecimal digits.
    IdTime,
    /// The end of a session. Running sessions have none and stand together at one of the two ends.
    End,
    /// The id, by its number ([`crate::list::rank`]).
    Id,
}

/// One order: a key, a direction, and where sessions without the key stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what sessions are compared.
    pub key: Key,
    /// Whether the newest, or greatest, comes first.
    pub descending: bool,
    /// Where sessions without the key stand: before all others.
    missing_first: bool,
}

const fn sort(key: Key, descending: bool, missing_first: bool) -> Sort {
    Sort { key, descending, missing_first }
}

/// Every order that is looked for, the likeliest first. A missing start counts as older than any.
pub(super) const SORTS: [Sort; 10] = [
    sort(Key::Start, true, false),
    sort(Key::Start, false, true),
    sort(Key::IdTime, true, false),
    sort(Key::IdTime, false, false),
    sort(Key::End, true, true),
    sort(Key::End, true, false),
    sort(Key::End, false, true),
    sort(Key::End, false, false),
    sort(Key::Id, true, false),
    sort(Key::Id, false, false),
];

impl Sort {
    /// A number that falls along a list of this order: microseconds, or the rank of an id. `None` where the session has no
    /// such key and can't have.
    pub(super) fn fall(self, row: &Listed) -> Option<i128> {
        let value = match self.key {
            Key::Start => row.start.map(i128::from),
            Key::End => row.end.map(i128::from),
            Key::IdTime => Some(i128::from(row.made().filter(|made| is_near(*made, row.start))?)),
            Key::Id => Some((row.rank ^ 1 << 127).cast_signed()),
        };
        Some(match value {
            None if self.missing_first => i128::MAX,
            None => i128::MIN,
            Some(value) if self.descending => value,
            Some(value) => value.saturating_neg(),
        })
    }

    /// The same in whole seconds: servers may sort by them and show milliseconds.
    pub(super) fn fall_by_second(self, row: &Listed) -> Option<i128> {
        let fall = self.fall(row)?;
        Some(if self.key == Key::Id { fall } else { fall.div_euclid(i128::from(SECOND)) })
    }

    /// Whether two rows stand at the same place of this order.
    pub fn is_equal(self, a: &Listed, b: &Listed) -> bool {
        self.fall(a) == self.fall(b)
    }

    /// Whether `above` stands strictly before `below`, by whole seconds.
    pub fn descends(self, above: &Listed, below: &Listed) -> bool {
        self.fall_by_second(above) > self.fall_by_second(below)
    }

    /// Whether `above` stands before `below`.
    pub fn is_above(self, above: &Listed, below: &Listed) -> bool {
        self.fall(above) > self.fall(below)
    }

    /// The time of a row in this order; `None` where it has none, or where the order is none of times.
    pub fn time(self, row: &Listed) -> Option<i64> {
        match self.key {
            Key::Start => row.start,
            Key::End => row.end,
            Key::IdTime => row.made(),
            Key::Id => None,
        }
    }

    /// Whether a row lies before a time in this order. A missing start is older than any; a session without an end runs.
    pub fn is_before(self, row: &Listed, time: i64) -> bool {
        self.time(row).map_or(self.key == Key::Start, |own| own < time)
    }

    /// Whether all that is new, or has changed, stands before what is old: a walk from the head may stop there.
    pub const fn grows_at_the_head(self) -> bool {
        self.descending && (self.missing_first || !matches!(self.key, Key::End))
    }

    /// Inversions of so many microseconds are no other order: those of ids are never.
    pub(super) const fn limit(self, slack: i64) -> i64 {
        if matches!(self.key, Key::Id) { 0 } else { slack }
    }
}

/// How far the time in an id may be from the start of its session, in microseconds.
const NEAR: i64 = 7 * 86_400 * SECOND;

/// Whether the time in an id can be that of its session. Ids that are drawn at random hold a number, too.
fn is_near(made: i64, start: Option<i64>) -> bool {
    start.is_none_or(|start| made.abs_diff(start) <= NEAR.unsigned_abs())
}
