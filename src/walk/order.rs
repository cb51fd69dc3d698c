//! The order of the list, as it is found: newest start first, up to a small slack, or any other.

use super::Listed;

/// What the rows seen so far say of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Order {
    /// Lowest start so far. A missing start counts as older than any.
    lowest: Option<i64>,
    /// The largest step back up, in microseconds.
    slack: i64,
}

impl Order {
    /// Nothing seen yet.
    pub const fn new() -> Self {
        Self { lowest: None, slack: 0 }
    }

    /// Takes rows into account that follow those before.
    pub fn observe(&mut self, rows: &[Listed]) {
        for row in rows {
            let start = row.start.unwrap_or(i64::MIN);
            let lowest = self.lowest.map_or(start, |lowest| lowest.min(start));
            self.slack = self.slack.max(start.saturating_sub(lowest));
            self.lowest = Some(lowest);
        }
    }

    /// What rows further down say besides.
    #[must_use]
    pub fn and(self, below: Self) -> Self {
        let lowest = self.lowest.zip(below.lowest).map(|(a, b)| a.min(b)).or(self.lowest).or(below.lowest);
        Self { lowest, slack: self.slack.max(below.slack) }
    }

    /// The largest inversion: by how much a row was newer than one listed before it. Microseconds.
    pub const fn slack(&self) -> i64 {
        self.slack
    }

    /// Whether the list is newest first, but for inversions of at most `slack` microseconds.
    pub const fn is_newest_first(&self, slack: i64) -> bool {
        self.slack <= slack
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slack(starts: &[Option<i64>]) -> i64 {
        let rows: Vec<_> = starts.iter().map(|&start| Listed { id: 0, start }).collect();
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
}
