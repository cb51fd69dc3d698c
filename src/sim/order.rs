//! The order of the list, and which of an account's sessions stands where in it at the start.

use std::cmp::Ordering;
use std::sync::Arc;

use super::account::Account;
use super::random::Random;
use super::session::Session;

/// In which order an account's sessions are listed at the start, and new ones come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By start, newest first, as the documentation shows the list.
    #[default]
    NewestFirst,
    /// By start, oldest first: the list grows at its end.
    OldestFirst,
    /// None that anyone could name, fixed by this seed.
    Shuffled(u64),
    /// By end, the latest first, running sessions before all.
    ByEnd,
    /// As a database sorts; equal keys by id.
    Sorted(Sort),
}

/// What a database is told to sort by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By which key.
    pub key: Key,
    /// Whether the smallest, or oldest, comes first.
    pub rising: bool,
    /// How much of a time counts.
    pub grain: Grain,
    /// Where running sessions stand in a list by end.
    pub running: Running,
}

/// What a list is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The start; sessions without one are the smallest.
    Start,
    /// The end; where running sessions stand, [`Running`] says.
    End,
    /// The id as text, byte by byte.
    Id,
    /// The time in the first eight digits of the id.
    IdTime,
}

/// How much of a time counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// The whole time, to the microsecond.
    Fine,
    /// Whole seconds: sessions of one second are equal, though their milliseconds differ.
    Second,
}

/// Where running sessions stand in a list by end; databases differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Running {
    /// Before all others, whether the list rises or falls.
    First,
    /// Behind all others, whether the list rises or falls.
    Last,
}

impl Sort {
    /// The largest first, by the whole key, running sessions before all.
    #[must_use]
    pub const fn by(key: Key) -> Self {
        Self { key, rising: false, grain: Grain::Fine, running: Running::First }
    }

    /// The same with the smallest first.
    #[must_use]
    pub const fn rising(mut self) -> Self {
        self.rising = true;
        self
    }

    /// Which of two sessions comes first, as far as the key tells.
    fn compare(self, one: &Session, other: &Session) -> Ordering {
        let time = |time: Option<i64>| match self.grain {
            Grain::Fine => time,
            Grain::Second => time.map(|time| time.div_euclid(1_000_000)),
        };
        let by_key = match self.key {
            Key::Start => time(one.start).cmp(&time(other.start)),
            Key::Id => one.id.cmp(&other.id),
            Key::IdTime => one.id.get(..8).cmp(&other.id.get(..8)),
            Key::End => match (one.end, other.end) {
                (Some(_), Some(_)) => time(one.end).cmp(&time(other.end)),
                (one, other) => return self.by_running(one.is_none(), other.is_none()),
            },
        };
        if self.rising { by_key } else { by_key.reverse() }
    }

    fn by_running(self, one: bool, other: bool) -> Ordering {
        match self.running {
            Running::First => other.cmp(&one),
            Running::Last => one.cmp(&other),
        }
    }
}

impl Order {
    /// The key, if there is one, and whether equal keys are sorted by id.
    const fn sort(self) -> Option<(Sort, bool)> {
        match self {
            Self::NewestFirst => Some((Sort::by(Key::Start), false)),
            Self::OldestFirst => Some((Sort::by(Key::Start).rising(), false)),
            Self::ByEnd => Some((Sort::by(Key::End), false)),
            Self::Sorted(sort) => Some((sort, true)),
            Self::Shuffled(_) => None,
        }
    }

    /// Whether the list must have one session before the other. In a list without order that is so for any two: what
    /// comes in comes last.
    pub(super) fn precedes(self, one: &Session, other: &Session) -> bool {
        self.sort().is_none_or(|(sort, by_id)| {
            let order = sort.compare(one, other);
            order.is_lt() || order.is_eq() && by_id && one.id < other.id
        })
    }

    /// Whether the key does not tell which of two sessions comes first.
    pub(super) fn is_tied(self, one: &Session, other: &Session) -> bool {
        self.sort().is_some_and(|(sort, _)| sort.compare(one, other).is_eq())
    }

    /// Whether sessions move when they end.
    pub(super) const fn is_by_end(self) -> bool {
        matches!(self.sort(), Some((Sort { key: Key::End, .. }, _)))
    }

    /// Whether starts rise along the list.
    pub(super) fn is_oldest_first(self) -> bool {
        self.sort().is_some_and(|(sort, _)| sort.rising)
    }
}

/// From a rank, the place in the list as it was first, to an index of the account and back.
#[derive(Debug, Clone)]
pub(super) struct Ranks {
    order: Order,
    len: u64,
    /// Index by rank, for orders that can't be computed.
    table: Option<Arc<[u64]>>,
}

impl Ranks {
    /// The ranks of an account; in other orders than by start, they take eight bytes a session.
    pub(super) fn new(account: &Account, order: Order) -> Self {
        let table = match order {
            Order::NewestFirst | Order::OldestFirst => None,
            Order::Shuffled(seed) => Some(shuffled(account.len(), seed)),
            Order::ByEnd => Some(sorted(account, Sort::by(Key::End), false)),
            Order::Sorted(sort) => Some(sorted(account, sort, true)),
        };
        Self { order, len: account.len(), table }
    }

    pub(super) const fn order(&self) -> Order {
        self.order
    }

    /// The index at this rank, which must be below the number of sessions.
    pub(super) fn index(&self, rank: u64) -> u64 {
        match (&self.table, self.order) {
            (Some(table), _) => usize::try_from(rank).ok().and_then(|rank| table.get(rank)).copied().unwrap_or(0),
            (None, Order::OldestFirst) => self.len - 1 - rank,
            (None, _) => rank,
        }
    }

    /// The rank of this index, which must be below the number of sessions.
    pub(super) fn rank(&self, index: u64) -> Option<u64> {
        match (&self.table, self.order) {
            (Some(table), _) => table.iter().position(|other| *other == index).map(|rank| rank as u64),
            (None, Order::OldestFirst) => Some(self.len - 1 - index),
            (None, _) => Some(index),
        }
    }
}

fn shuffled(len: u64, seed: u64) -> Arc<[u64]> {
    let mut ranks: Vec<u64> = (0..len).collect();
    Random::new(seed, len).shuffle(&mut ranks);
    ranks.into()
}

fn sorted(account: &Account, sort: Sort, by_id: bool) -> Arc<[u64]> {
    // All that a key can be made of.
    let bare = |index| Session { participants: Vec::new(), ..account.session(index) };
    let mut sessions: Vec<(Session, u64)> = (0..account.len()).map(|index| (bare(index), index)).collect();
    sessions.sort_by(|(one, _), (other, _)| {
        let order = sort.compare(one, other);
        if by_id { order.then_with(|| one.id.cmp(&other.id)) } else { order }
    });
    sessions.into_iter().map(|(_, index)| index).collect()
}
