//! The order of the list, and which of an account's sessions stands where in it at the start.

use std::cmp::Reverse;
use std::sync::Arc;

use super::account::{Account, Session};
use super::random::Random;

/// The order of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// By start, newest first.
    #[default]
    NewestFirst,
    /// By start, oldest first.
    OldestFirst,
    /// None that anyone could name, fixed by this seed.
    Shuffled(u64),
    /// By end, the latest first, running sessions before all.
    ByEnd,
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
    /// The ranks of an account; shuffled or by end, they take eight bytes a session.
    pub(super) fn new(account: &Account, order: Order) -> Self {
        let table = match order {
            Order::NewestFirst | Order::OldestFirst => None,
            Order::Shuffled(seed) => Some(shuffled(account.len(), seed)),
            Order::ByEnd => Some(by_end(account)),
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

    /// What falls along a list in this order.
    pub(super) fn key(&self, session: &Session) -> i64 {
        let start = session.start.unwrap_or(i64::MIN + 1);
        match self.order {
            Order::NewestFirst => start,
            Order::OldestFirst => -start,
            Order::Shuffled(_) => 0,
            Order::ByEnd => session.end.unwrap_or(i64::MAX),
        }
    }
}

fn shuffled(len: u64, seed: u64) -> Arc<[u64]> {
    let mut ranks: Vec<u64> = (0..len).collect();
    let mut random = Random::new(seed, len);
    for place in (1..ranks.len()).rev() {
        let other = usize::try_from(random.below(place as u64 + 1)).unwrap_or(0);
        ranks.swap(place, other);
    }
    ranks.into()
}

fn by_end(account: &Account) -> Arc<[u64]> {
    let mut ends: Vec<(Reverse<i64>, u64)> =
        (0..account.len()).map(|index| (Reverse(account.session(index).end.unwrap_or(i64::MAX)), index)).collect();
    ends.sort_unstable();
    ends.into_iter().map(|(_, index)| index).collect()
}
