//! The order of the list, as it is found: newest start first, up to a small slack, or any other.

use super::Listed;

/// What the rows seen so far say of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Lowest and highest start so far. A missing start counts as older than any.
    bounds: Option<(i64, i64)>,
    /// The lowest of those that have one.
    oldest: Option<i64>,
    /// The largest step back up, in microseconds.
    slack: i64,
}

impl Order {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { bounds: None, oldest: None, slack: 0 }
    }

    /// Takes rows into account that follow those before.
    pub fn observe(&mut self, rows: &[Listed]) {
        for row in rows {
            let start = row.start.unwrap_or(i64::MIN);
            let bounds = Some((start, start));
            let oldest = row.start;
            *self = self.and(Self { bounds, oldest, slack: 0 });
        }
    }

    /// What rows further down say besides.
    #[must_use]
    pub fn and(self, below: Self) -> Self {
        let ((Some((lowest, highest)), Some((low, high))), slack) =
            ((self.bounds, below.bounds), self.slack.max(below.slack))
        else {
            return if self.bounds.is_some() { self } else { below };
        };
        Self {
            bounds: Some((lowest.min(low), highest.max(high))),
            oldest: self.oldest.into_iter().chain(below.oldest).min(),
            slack: slack.max(high.saturating_sub(lowest)),
        }
    }

    /// The largest inversion: by how much a row was newer than one listed before it. Microseconds.
    pub const fn slack(&self) -> i64 {
        self.slack
    }

    /// The oldest start.
    pub const fn oldest(&self) -> Option<i64> {
        self.oldest
    }

    /// Whether the list is newest first, but for inversions of at most `slack` microseconds.
    pub const fn is_newest_first(&self, slack: i64) -> bool {
        self.slack <= slack
    }

    /// Whether the starts differ by more than inversions may, so that another order would have shown.
    pub fn tells(&self, slack: i64) -> bool {
        self.bounds.zip(self.oldest).is_some_and(|((_, highest), oldest)| highest.saturating_sub(oldest) > slack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(starts: &[Option<i64>]) -> i64 {
        let rows: Vec<_> = starts.iter().map(|&start| Listed { start, ..Listed::default() }).collect();
        let mut order = Order::new();
        order.observe(&rows);
        order.slack()
    }

    #[test]
    fn inversions_are_measured_against_the_lowest() {
        assert_eq!(slack(&[Some(9), Some(9), Some(5), None, None]), 0);
        assert_eq!(slack(&[Some(9), Some(5), Some(6), Some(7)]), 2);
        assert_eq!(slack(&[None, Some(7)]), i64::MAX);
    }

    #[test]
    fn what_lies_below_may_be_newer_than_what_lies_above() {
        let of = |starts: &[i64]| {
            let rows: Vec<_> = starts.iter().map(|&start| Listed { start: Some(start), ..Listed::default() }).collect();
            let mut order = Order::new();
            order.observe(&rows);
            order
        };
        assert_eq!(of(&[9, 5]).and(of(&[8, 1])), of(&[9, 5, 8, 1]));
        assert_eq!(Order::new().and(of(&[8, 1])), of(&[8, 1]));
        assert!(of(&[8, 1]).tells(6) && !of(&[8, 1]).tells(7));
    }
}
