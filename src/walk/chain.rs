//! Chains: answers joined by the sessions that they share.
//!
//! Let unchanged rows keep their relative order. Every answer is a gapless interval of it, so two answers that share a
//! session have a gapless union, whenever they were fetched. Groups of equal keys may change places between requests;
//! so a joint also needs *strict descent*: the older answer begins strictly before the newer one's last row, by the key of
//! the list. Then every group of equal keys lies whole in one of the two, and no order within a group matters.

use std::collections::HashMap;

use super::order::{Orders, Sort, Sorts};
use crate::list::Listed;

/// What two neighbouring answers are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// They share sessions in one order. `new`: rows of the older answer from this index on lie behind the newer one.
    Linked {
        /// Index in the older answer of the first row that the newer one lacks. With 5 rows of which the first 2 are
        /// shared, 2.
        new: usize,
        /// Whether the shared rows follow one another in both, up to the end of one: nothing changed between.
        exact: bool,
        /// The orders in which the joint descends strictly.
        descends: Sorts,
    },
    /// They share no session, so that nothing shows whether some lie between them.
    Apart,
    /// They share sessions in different orders.
    Reordered,
}

/// Compares a newer answer with the older one that should follow it. A session whose key in one of the orders that fit
/// (`fits`) has changed is not the same row any more. `ties`: an order in which rows of equal key are a set, so that they
/// may have changed places.
pub fn joint(newer: &[Listed], older: &[Listed], fits: Sorts, ties: Option<Sort>) -> Joint {
    let places: HashMap<u128, usize> = newer.iter().enumerate().map(|(place, row)| (row.id, place)).collect();
    let is_same = |place: &usize, row: &Listed| fits.each().all(|sort| sort.is_equal(&newer[*place], row));
    let place = |row: &Listed| places.get(&row.id).copied().filter(|place| is_same(place, row));
    let shared: Vec<(usize, usize)> =
        older.iter().enumerate().filter_map(|(at, row)| Some((place(row)?, at))).collect();
    let (Some(&(first, _)), Some(&(_, last))) = (shared.first(), shared.last()) else { return Joint::Apart };
    let mut in_order = shared.clone();
    in_order.sort_unstable();
    let agree = |(a, b): (&(usize, usize), &(usize, usize))| {
        a == b || ties.is_some_and(|sort| sort.is_equal(&newer[a.0], &newer[b.0]))
    };
    if !shared.iter().zip(&in_order).all(agree) {
        return Joint::Reordered;
    }
    let begin = shared[0].1;
    let exact = (first == 0 || begin == 0) && newer[first..].iter().zip(&older[begin..]).all(|(a, b)| a.id == b.id);
    let ends = newer.last().zip(older.first());
    let descends = Sorts::of(|sort| ends.is_some_and(|(last, first)| sort.descends(first, last)));
    Joint::Linked { new: last + 1, exact, descends }
}

/// A gapless piece of the list, from its newest answer to its oldest. Holds the rows of those two only.
#[derive(Debug, Clone)]
pub struct Chain {
    head: Vec<Listed>,
    tail: Vec<Listed>,
    /// Ids of the answer before that.
    before: Vec<u128>,
    orders: Orders,
    /// Of what lies below the newest answer.
    below: Orders,
    exact: bool,
    /// The orders in which every joint descended strictly.
    strict: Sorts,
    links: u64,
}

/// What came of an answer that should follow a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// The chain goes on with it.
    Further,
    /// It holds nothing that the chain's last answer has not.
    Contained,
    /// A group of equal keys lies across the joint.
    Tied,
    /// The answer shares no session with the chain's last one.
    Apart,
    /// The shared sessions stand in another order: the list was sorted anew between.
    Reordered,
}

/// How an answer joins a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Index in the answer of the first row that the chain's last answer lacks.
    pub new: usize,
    exact: bool,
    /// The orders in which the joint descends strictly.
    pub descends: Sorts,
    /// Whether the answer has something that the chain's last ones lack.
    pub is_further: bool,
}

/// Which ties across a joint are put up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ties {
    /// None in the likeliest order, and none in these.
    Parted(Sorts),
    /// All: such a chain proves something of a still list only.
    Kept,
}

impl Chain {
    /// A chain of one answer. `limit`: inversions of times that are put up with, in microseconds.
    pub fn new(rows: Vec<Listed>, limit: i64) -> Self {
        let orders = Orders::of(&rows, limit);
        let below = Orders::new(limit);
        Self {
            head: rows.clone(),
            tail: rows,
            before: Vec::new(),
            orders,
            below,
            exact: true,
            strict: Sorts::ALL,
            links: 0,
        }
    }

    /// Rows of its newest answer, the one nearest to the head of the list.
    pub fn head(&self) -> &[Listed] {
        &self.head
    }

    /// Rows of its oldest answer, the one that further answers must join.
    pub fn tail(&self) -> &[Listed] {
        &self.tail
    }

    /// The orders that all rows so far fit, with how well they fit.
    pub const fn orders(&self) -> &Orders {
        &self.orders
    }

    /// Whether every joint was exact: nothing moved between any two answers.
    pub const fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether some order fits, and every joint descended strictly in each that does: no group of equal keys lies across
    /// one, whichever of them the list is sorted by. One answer alone needs no order.
    pub fn is_strict(&self, fits: Sorts) -> bool {
        self.links == 0 || !fits.is_empty() && fits.are_among(self.strict)
    }

    /// Whether these rows all stand before the chain's last answer, as far as the order can tell.
    pub fn is_above(&self, rows: &[Listed]) -> bool {
        let ends = rows.last().zip(self.tail.first());
        let sort = self.orders.first();
        ends.zip(sort).is_some_and(|((above, below), sort)| sort.is_above(above, below))
    }

    /// How many joints hold it together: one less than the answers that it was made of.
    pub const fn links(&self) -> u64 {
        self.links
    }

    /// Tries to go on with an answer. In a list of known order, joints must descend strictly unless ties are put up with;
    /// in any other, the order of ties is all there is.
    pub fn extend(&mut self, rows: &[Listed], ties: Ties) -> Extended {
        let Link { new, exact, descends, is_further } = match self.link(rows, ties) {
            Ok(link) => link,
            Err(why) => return why,
        };
        self.exact &= exact;
        if !is_further {
            return Extended::Contained;
        }
        self.strict = self.strict.and(descends);
        self.observe(&rows[new..]);
        self.links += 1;
        self.before = self.tail.iter().map(|row| row.id).collect();
        self.tail = rows.to_vec();
        Extended::Further
    }

    /// How an answer joins the chain's last one; else why it does not.
    pub fn link(&self, rows: &[Listed], ties: Ties) -> Result<Link, Extended> {
        let (fits, first) = (self.orders.fits(), self.orders.first());
        let free = first.filter(|sort| self.orders.slack(*sort) == 0);
        let (new, exact, descends) = match joint(&self.tail, rows, fits, free) {
            Joint::Linked { new, exact, descends } => (new, exact, descends),
            Joint::Apart => return Err(Extended::Apart),
            Joint::Reordered => return Err(Extended::Reordered),
        };
        if let Ties::Parted(asked) = ties
            && (first.is_some_and(|sort| !descends.has(sort)) || !asked.and(fits).are_among(descends))
        {
            return Err(Extended::Tied);
        }
        let is_further = !rows[new..].iter().all(|row| self.knows(row));
        Ok(Link { new, exact, descends, is_further })
    }

    /// Rows of the chain's last answer behind the last one of an answer that it shares; `None` where they share none.
    pub fn behind(&self, rows: &[Listed]) -> Option<u64> {
        let last = self.tail.iter().rposition(|row| rows.iter().any(|other| other.id == row.id))?;
        Some((self.tail.len() - 1 - last) as u64)
    }

    /// Whether a session is in one of the last two answers.
    fn knows(&self, row: &Listed) -> bool {
        self.before.contains(&row.id) || self.tail.iter().any(|other| other.id == row.id)
    }

    /// Whether an answer holds nothing but what the last two have: the last page once more.
    pub fn knows_all(&self, rows: &[Listed]) -> bool {
        rows.iter().all(|row| self.knows(row))
    }

    /// Whether an answer ends with the chain's last row, so that nothing lies behind it: the last page once more.
    pub fn ends_like(&self, rows: &[Listed]) -> bool {
        rows.last().zip(self.tail.last()).is_some_and(|(a, b)| a.id == b.id)
    }

    /// Goes on with a chain of an earlier run, whose newest answer joins this one's oldest; `descends`: in which orders strictly. Of what an earlier run has read
    /// only starts are kept, so no other order can be told from here on.
    pub fn bridge(&mut self, older: &Self, descends: Sorts) {
        let Self { head, tail, before, orders, below, exact, strict, links } = older;
        let reaches_below = self.tail.last().is_some_and(|last| !head.iter().any(|row| row.id == last.id));
        if reaches_below {
            // The two hold the same rows there, so that the other one does not begin below this one.
            self.orders = self.orders.beside(orders);
            self.below = self.below.beside(below);
        } else {
            let shared = |row: &Listed| self.tail.iter().any(|other| other.id == row.id);
            let new = head.iter().rposition(shared).map_or(0, |last| last + 1);
            self.observe(&head[new..]);
            self.orders = self.orders.and(below);
            self.below = self.below.and(below);
        }
        self.tail.clone_from(tail);
        self.before.clone_from(before);
        self.exact &= exact;
        self.strict = self.strict.and(*strict).and(descends);
        self.links += links + 1;
    }

    fn observe(&mut self, rows: &[Listed]) {
        self.orders.observe(rows);
        self.below.observe(rows);
    }

    /// The chain was made by an earlier run: the list may have changed meanwhile.
    pub fn aged(mut self) -> Self {
        self.exact = false;
        self
    }

    /// Goes on with an answer across a gap.
    pub fn leap(&mut self, rows: &[Listed]) {
        self.observe(rows);
        self.exact = false;
        self.tail = rows.to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::order::Key;

    const SECOND: i64 = 1_000_000;
    const LIMIT: i64 = 1;

    fn rows(rows: &[(u128, i64)]) -> Vec<Listed> {
        rows.iter().map(|&(id, start)| Listed { id, start: Some(start * SECOND), ..Listed::default() }).collect()
    }

    fn newest_first() -> Sorts {
        Sorts::of(|sort| sort.key == Key::Start && sort.descending)
    }

    #[test]
    fn a_chain_of_an_earlier_run_is_met_by_an_answer_that_reaches_further_than_its_first() {
        let row =
            |id: u128| Listed { id, start: Some(-i64::try_from(id).unwrap() * 180 * SECOND), ..Listed::default() };
        let of = |rows: std::ops::Range<u128>| rows.map(row).collect::<Vec<_>>();
        for head in [2..5, 2..8, 2..9] {
            let mut earlier = Chain::new(of(head), LIMIT);
            assert_eq!(earlier.extend(&of(3..20), Ties::Parted(Sorts::NONE)), Extended::Further);
            let mut today = Chain::new(of(0..8), LIMIT);
            today.bridge(&earlier.aged(), Sorts::ALL);
            assert!(today.orders().fits().has(newest_first().each().next().unwrap()));
            assert_eq!(today.orders().oldest(), row(19).start);
        }
    }

    /// How an older answer follows a newer one in a list by start: new rows, exact, descending.
    fn linked(newer: &[Listed], older: &[Listed], ties: bool) -> Result<(usize, bool, bool), Joint> {
        let free = newest_first().each().next().filter(|_| !ties);
        match joint(newer, older, newest_first(), free) {
            Joint::Linked { new, exact, descends } => Ok((new, exact, newest_first().are_among(descends))),
            other => Err(other),
        }
    }

    #[test]
    fn joints() {
        let newer = rows(&[(1, 90), (2, 80), (3, 70), (4, 60)]);
        for (older, expected) in [
            (rows(&[(3, 70), (4, 60), (5, 50)]), Ok((2, true, true))),
            (rows(&[(4, 60), (5, 50)]), Ok((1, true, false))),
            (rows(&[(2, 80), (4, 60), (5, 50)]), Ok((2, false, true))),
            (rows(&[(9, 95), (1, 90), (2, 80)]), Ok((3, true, true))),
            (rows(&[(5, 50)]), Err(Joint::Apart)),
            (rows(&[(4, 61), (5, 50)]), Err(Joint::Apart)),
            (rows(&[(4, 60), (3, 70), (5, 50)]), Err(Joint::Reordered)),
        ] {
            assert_eq!(linked(&newer, &older, true), expected, "{older:?}");
        }
    }

    #[test]
    fn ties_are_a_set_where_the_order_is_by_start() {
        let newer = rows(&[(1, 90), (2, 60), (3, 60)]);
        let older = rows(&[(1, 90), (3, 60), (2, 60), (4, 60)]);
        assert_eq!(linked(&newer, &older, true), Err(Joint::Reordered));
        assert_eq!(linked(&newer, &older, false), Ok((3, false, true)));
        // A group across the joint can hide a row.
        let mut chain = Chain::new(newer, LIMIT);
        assert_eq!(chain.extend(&rows(&[(3, 60), (4, 60)]), Ties::Parted(Sorts::NONE)), Extended::Tied);
        assert_eq!(chain.extend(&older, Ties::Parted(Sorts::NONE)), Extended::Further);
    }

    #[test]
    fn what_a_server_sorts_by_the_second_is_a_tie_within_a_second() {
        let millis = |rows: &[(u128, i64)]| {
            let row = |&(id, ms): &(u128, i64)| Listed { id, start: Some(ms * 1_000), ..Listed::default() };
            rows.iter().map(row).collect::<Vec<_>>()
        };
        let newer = millis(&[(1, 9_900), (2, 5_900), (3, 5_100)]);
        let older = millis(&[(2, 5_900), (3, 5_100), (4, 3_000)]);
        assert_eq!(linked(&newer, &older, true), Ok((2, true, false)));
    }
}
