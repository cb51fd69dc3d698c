//! The order of the list, as it is found: by which key it may be sorted, in which direction, and how well that fits.
//!
//! Nobody knows by what the real list is sorted, so every key is held against every row. A time may be a little off (the
//! slack): servers sort by what was written first, and clocks differ. An order that does not fit any more is never
//! taken up again.

mod sort;

use crate::list::Listed;
use sort::SORTS;
pub use sort::{Key, Sort};

/// Some of the ten orders in `SORTS`, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sorts(u16);

impl Sorts {
    /// No order: nothing fits, or nothing is asked for.
    pub const NONE: Self = Self(0);
    /// All ten: nothing was ruled out yet.
    pub const ALL: Self = Self((1 << SORTS.len()) - 1);

    /// Those that a rule holds for.
    pub fn of(rule: impl Fn(Sort) -> bool) -> Self {
        let bits = SORTS.iter().enumerate().filter(|(_, sort)| rule(**sort)).map(|(at, _)| 1 << at);
        Self(bits.fold(0, |all, bit| all | bit))
    }

    /// One after the other, the likeliest first.
    pub fn each(self) -> impl Iterator<Item = Sort> {
        (0..).zip(SORTS).filter(move |(at, _)| self.0 >> at & 1 == 1).map(|(_, sort)| sort)
    }

    /// Whether this order is one of them.
    pub fn has(self, sort: Sort) -> bool {
        self.each().any(|other| other == sort)
    }

    /// The orders that are in both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Whether all of these are among the others.
    pub const fn are_among(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// Whether no order is among them, as in a list whose rows stand at random.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How well one order fits the rows seen so far, in numbers that fall along a list of this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fit {
    /// Lowest and highest number that should fall.
    bounds: Option<(i128, i128)>,
    /// The same of sessions that have the key.
    known: Option<(i128, i128)>,
    /// The largest step against the order so far: microseconds, or the difference of two ids.
    slack: i64,
}

/// The bounds of two sets together.
fn both(one: Option<(i128, i128)>, other: Option<(i128, i128)>) -> Option<(i128, i128)> {
    let joined = |((low, high), (lower, higher)): ((i128, i128), (i128, i128))| (low.min(lower), high.max(higher));
    one.zip(other).map(joined).or(one).or(other)
}

/// What the rows seen so far say of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orders {
    fits: Sorts,
    each: [Fit; SORTS.len()],
    /// Oldest and newest start of those that have one.
    starts: Option<(i64, i64)>,
    /// Inversions of times that are put up with, in microseconds.
    limit: i64,
}

impl Orders {
    /// Nothing seen yet. `limit`: inversions of times that are put up with, in microseconds.
    pub const fn new(limit: i64) -> Self {
        Self { fits: Sorts::ALL, each: [Fit { bounds: None, known: None, slack: 0 }; SORTS.len()], starts: None, limit }
    }

    /// What some rows say by themselves.
    pub fn of(rows: &[Listed], limit: i64) -> Self {
        let mut orders = Self::new(limit);
        orders.observe(rows);
        orders
    }

    /// Takes rows into account that follow those before.
    pub fn observe(&mut self, rows: &[Listed]) {
        for start in rows.iter().filter_map(|row| row.start) {
            self.widen((start, start));
        }
        for (at, sort) in SORTS.iter().enumerate() {
            for row in rows {
                if self.fits.0 >> at & 1 == 0 {
                    break;
                }
                match sort.fall(row) {
                    Some(fall) => {
                        let is_known = fall != i128::MAX && fall != i128::MIN;
                        let bounds = Some((fall, fall));
                        self.follow(at, &Fit { bounds, known: bounds.filter(|_| is_known), slack: 0 });
                    }
                    None => self.fits.0 &= !(1 << at),
                }
            }
        }
    }

    fn widen(&mut self, (oldest, newest): (i64, i64)) {
        let (low, high) = self.starts.unwrap_or((oldest, newest));
        self.starts = Some((low.min(oldest), high.max(newest)));
    }

    /// Takes in one order what follows below: its bounds, and by how much it steps back up.
    fn follow(&mut self, at: usize, below: &Fit) {
        let Some((_, high)) = below.bounds else { return };
        let fit = &mut self.each[at];
        let (lowest, _) = fit.bounds.unwrap_or((high, high));
        let back = i64::try_from(high.saturating_sub(lowest).max(0)).unwrap_or(i64::MAX);
        fit.slack = fit.slack.max(below.slack).max(back);
        fit.bounds = both(fit.bounds, below.bounds);
        fit.known = both(fit.known, below.known);
        if fit.slack > SORTS[at].limit(self.limit) {
            self.fits.0 &= !(1 << at);
        }
    }

    /// What rows further down say besides.
    #[must_use]
    pub fn and(mut self, below: &Self) -> Self {
        if let Some(starts) = below.starts {
            self.widen(starts);
        }
        self.fits = self.fits.and(below.fits);
        for at in 0..SORTS.len() {
            if self.fits.0 >> at & 1 == 1 {
                self.follow(at, &below.each[at]);
            }
        }
        self
    }

    /// What rows say besides that are in part the same ones: those are not below the others.
    #[must_use]
    pub fn beside(mut self, other: &Self) -> Self {
        if let Some(starts) = other.starts {
            self.widen(starts);
        }
        self.fits = self.fits.and(other.fits);
        for (mine, other) in self.each.iter_mut().zip(&other.each) {
            mine.slack = mine.slack.max(other.slack);
            mine.bounds = both(mine.bounds, other.bounds);
            mine.known = both(mine.known, other.known);
        }
        self
    }

    /// The orders that fit. One that all rows are equal in, but for what is put up with, says nothing as long as another one
    /// says something; where none does, one without any inversion says more than the rest.
    pub fn fits(&self) -> Sorts {
        let those = |rule: &dyn Fn(usize) -> bool| {
            let fitting = (0..SORTS.len()).filter(|at| self.fits.0 >> at & 1 == 1 && rule(*at));
            Sorts(fitting.fold(0, |all, at| all | 1 << at))
        };
        let is_even = |at: usize| self.each[at].slack == 0 && self.each[at].known.is_some_and(|(low, high)| low < high);
        let tiers = [those(&|at| self.tells_at(at)), those(&is_even)];
        // Rows that are equal in all that fits are in no order, unless nothing was ruled out yet.
        let all = if self.fits.has(SORTS[0]) { self.fits } else { Sorts::NONE };
        tiers.into_iter().find(|tier| !tier.is_empty()).unwrap_or(all)
    }

    fn tells_at(&self, at: usize) -> bool {
        let limit = i128::from(SORTS[at].limit(self.limit));
        self.each[at].known.is_some_and(|(low, high)| high.saturating_sub(low) > limit)
    }

    /// Whether some order fits, and the rows differ so much in it that another one would have shown.
    pub fn tells(&self) -> bool {
        (0..SORTS.len()).any(|at| self.fits.0 >> at & 1 == 1 && self.tells_at(at))
    }

    /// The orders that nothing speaks against, whether they say something or not.
    pub const fn allowed(&self) -> Sorts {
        self.fits
    }

    /// The likeliest of the orders that fit; `None` where none does.
    pub fn first(&self) -> Option<Sort> {
        self.fits().each().next()
    }

    /// The largest inversion in an order: by how much a row should have stood before another one. Microseconds.
    pub fn slack(&self, sort: Sort) -> i64 {
        SORTS.iter().position(|other| *other == sort).map_or(0, |at| self.each[at].slack)
    }

    /// Whether the newest start comes first, as far as was seen, and that can be told.
    pub fn is_newest_first(&self) -> bool {
        self.first().is_some_and(|sort| sort.key == Key::Start && sort.descending)
    }

    /// The oldest start of the rows so far, in microseconds; `None` where no row has one.
    pub fn oldest(&self) -> Option<i64> {
        self.starts.map(|(oldest, _)| oldest)
    }

    /// The newest start of the rows so far, in microseconds; `None` where no row has one.
    pub fn newest(&self) -> Option<i64> {
        self.starts.map(|(_, newest)| newest)
    }
}

#[cfg(test)]
mod tests {
    use super::sort::SECOND;
    use super::*;

    const LIMIT: i64 = 60 * SECOND;

    fn rows(starts: &[Option<i64>]) -> Vec<Listed> {
        let start = |start: &Option<i64>| start.map(|start| start * SECOND);
        (0..).zip(starts).map(|(id, at)| Listed { id, start: start(at), ..Listed::default() }).collect()
    }

    fn newest_first() -> Sort {
        SORTS[0]
    }

    fn slack(starts: &[Option<i64>]) -> Option<i64> {
        let orders = Orders::of(&rows(starts), LIMIT);
        orders.fits().has(newest_first()).then(|| orders.slack(newest_first()) / SECOND)
    }

    #[test]
    fn inversions_are_measured_against_the_lowest() {
        assert_eq!(slack(&[Some(900), Some(900), Some(500), None, None]), Some(0));
        assert_eq!(slack(&[Some(900), Some(500), Some(506), Some(507)]), Some(7));
        assert_eq!(slack(&[Some(900), Some(500), Some(561)]), None);
        assert_eq!(slack(&[None, Some(700)]), None);
    }

    #[test]
    fn what_lies_below_may_be_newer_than_what_lies_above() {
        let of = |starts: &[i64]| Orders::of(&rows(&starts.iter().map(|at| Some(*at)).collect::<Vec<_>>()), LIMIT);
        let same = |a: Orders, b: Orders| {
            assert_eq!((a.fits, a.starts, a.each[0]), (b.fits, b.starts, b.each[0]));
        };
        same(of(&[90, 50]).and(&of(&[80, 10])), of(&[90, 50, 80, 10]));
        same(Orders::new(LIMIT).and(&of(&[80, 10])), of(&[80, 10]));
        assert!(of(&[80, 10]).tells() && !of(&[80, 20]).tells());
    }

    #[test]
    fn every_key_is_found_in_both_directions() {
        let row = |start: i64, end: Option<i64>, made: u128, low: u128| Listed {
            id: low,
            start: Some(start * SECOND),
            end: end.map(|end| end * SECOND),
            rank: made << 64 | low,
        };
        let found = |rows: &[Listed]| Orders::of(rows, LIMIT).first().map(|sort| (sort.key, sort.descending));
        let by_end = [row(100, None, 5, 1), row(500, Some(9_000), 900, 2), row(900, Some(8_000), 7, 3)];
        assert_eq!(found(&by_end), Some((Key::Start, false)));
        let by_end = [row(800, None, 5, 1), row(500, Some(9_000), 900, 2), row(900, Some(8_000), 7, 3)];
        assert_eq!(found(&by_end), Some((Key::End, true)));
        let mut back = by_end;
        back.reverse();
        assert_eq!(found(&back), Some((Key::End, false)));
        let by_made = [row(1, Some(500), 900, 1), row(500, Some(100), 700, 2), row(9, Some(800), 500, 3)];
        assert_eq!(found(&by_made), Some((Key::IdTime, true)));
        let by_id = [row(1, Some(500), 7, 3), row(500, Some(100), 7, 2), row(9, Some(800), 7, 1)];
        assert_eq!(found(&by_id), Some((Key::Id, true)));
        let by_none = [row(1, Some(500), 7, 3), row(500, Some(100), 900, 9), row(9, Some(800), 7, 1)];
        assert_eq!(found(&by_none), None);
    }
}
