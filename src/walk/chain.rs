//! Chains: answers joined by the sessions that they share.
//!
//! Let unchanged rows keep their relative order. Every answer is a gapless interval of it, so two answers that share a
//! session have a gapless union, whenever they were fetched. Groups of equal starts may change places between requests;
//! so a joint also needs *strict descent*: the older answer begins with a start newer than the newer one's last. Then
//! every group of equal starts lies whole in one of the two, and no order within a group matters.

use std::collections::HashMap;

use super::Listed;
use super::order::Order;

/// What two neighbouring answers are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joint {
    /// They share sessions in one order. `new`: rows of the older answer from this index on lie behind the newer one.
    Linked {
        /// See above.
        new: usize,
        /// Whether the shared rows follow one another in both, up to the end of one: nothing changed between.
        exact: bool,
        /// Whether the joint descends strictly.
        descends: bool,
    },
    /// They share no session.
    Apart,
    /// They share sessions in different orders.
    Reordered,
}

/// Compares a newer answer with the older one that should follow it. `ties_matter`: rows of equal start must keep their
/// places too; otherwise a group of equal starts is a set.
pub fn joint(newer: &[Listed], older: &[Listed], ties_matter: bool) -> Joint {
    let places: HashMap<u128, usize> = newer.iter().enumerate().map(|(place, row)| (row.id, place)).collect();
    // A session whose start changed is not the same row any more.
    let place = |row: &Listed| places.get(&row.id).copied().filter(|&place| newer[place].start == row.start);
    let shared: Vec<(usize, usize)> =
        older.iter().enumerate().filter_map(|(at, row)| Some((place(row)?, at))).collect();
    let (Some(&(first, _)), Some(&(_, last))) = (shared.first(), shared.last()) else { return Joint::Apart };
    let mut in_order = shared.clone();
    in_order.sort_unstable();
    let agree =
        |(a, b): (&(usize, usize), &(usize, usize))| a == b || !ties_matter && newer[a.0].start == newer[b.0].start;
    if !shared.iter().zip(&in_order).all(agree) {
        return Joint::Reordered;
    }
    let begin = shared[0].1;
    let exact = (first == 0 || begin == 0) && newer[first..].iter().zip(&older[begin..]).all(|(a, b)| a.id == b.id);
    let starts = newer.last().zip(older.first()).map(|(newer, older)| (newer.start, older.start));
    let descends = starts.is_some_and(|(last_of_newer, first_of_older)| first_of_older > last_of_newer);
    Joint::Linked { new: last + 1, exact, descends }
}

/// A gapless piece of the list, from its newest answer to its oldest. Holds the rows of those two only.
#[derive(Debug, Clone)]
pub struct Chain {
    head: Vec<Listed>,
    tail: Vec<Listed>,
    order: Order,
    /// Of what lies below the newest answer.
    below: Order,
    exact: bool,
    /// Whether every joint descended strictly.
    strict: bool,
    links: u64,
}

/// What came of an answer that should follow a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extended {
    /// The chain goes on with it.
    Further,
    /// It holds nothing that the chain's last answer has not.
    Contained,
    /// A group of equal starts lies across the joint.
    Tied,
    /// No session is shared.
    Apart,
    /// The shared sessions changed places.
    Reordered,
}

impl Chain {
    /// A chain of one answer.
    pub fn new(rows: Vec<Listed>) -> Self {
        let mut order = Order::new();
        order.observe(&rows);
        Self { head: rows.clone(), tail: rows, order, below: Order::new(), exact: true, strict: true, links: 0 }
    }

    /// Rows of its newest answer.
    pub fn head(&self) -> &[Listed] {
        &self.head
    }

    /// Rows of its oldest answer.
    pub fn tail(&self) -> &[Listed] {
        &self.tail
    }

    /// The order found.
    pub const fn order(&self) -> Order {
        self.order
    }

    /// Whether every joint was exact: nothing moved between any two answers.
    pub const fn is_exact(&self) -> bool {
        self.exact
    }

    /// Whether every joint descended strictly, so that no group of equal starts lies across one.
    pub const fn is_strict(&self) -> bool {
        self.strict
    }

    /// Whether these rows are all newer than the chain's last answer, as far as starts can tell.
    pub fn is_above(&self, rows: &[Listed]) -> bool {
        rows.last().zip(self.tail.first()).is_some_and(|(above, below)| above.start > below.start)
    }

    /// Joints so far.
    pub const fn links(&self) -> u64 {
        self.links
    }

    /// Tries to go on with an answer. In a list that is newest first up to `slack`, joints must descend strictly, unless
    /// `ties` are put up with; in any other, the order of ties is all there is.
    pub fn extend(&mut self, rows: &[Listed], slack: i64, ties: bool) -> Extended {
        let newest_first = self.order.is_newest_first(slack);
        let ties_matter = !newest_first || self.order.slack() > 0;
        let (new, exact, descends) = match joint(&self.tail, rows, ties_matter) {
            Joint::Linked { new, exact, descends } => (new, exact, descends),
            Joint::Apart => return Extended::Apart,
            Joint::Reordered => return Extended::Reordered,
        };
        if newest_first && !descends && !ties {
            return Extended::Tied;
        }
        self.exact &= exact;
        if new == rows.len() {
            return Extended::Contained;
        }
        self.strict &= descends;
        self.observe(&rows[new..]);
        self.links += 1;
        self.tail = rows.to_vec();
        Extended::Further
    }

    /// Goes on with a chain whose newest answer joins this one's oldest.
    pub fn bridge(&mut self, older: &Self) {
        let Self { head, tail, order: _, below, exact, strict, links } = older;
        let shared = |row: &Listed| self.tail.iter().any(|other| other.id == row.id);
        let new = head.iter().rposition(shared).map_or(0, |last| last + 1);
        self.observe(&head[new..]);
        self.order = self.order.and(*below);
        self.below = self.below.and(*below);
        self.tail.clone_from(tail);
        self.exact &= exact;
        self.strict &= strict;
        self.links += links + 1;
    }

    fn observe(&mut self, rows: &[Listed]) {
        self.order.observe(rows);
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

    fn rows(rows: &[(u128, i64)]) -> Vec<Listed> {
        rows.iter().map(|&(id, start)| Listed { id, start: Some(start), ..Listed::default() }).collect()
    }

    #[test]
    fn joints() {
        let newer = rows(&[(1, 90), (2, 80), (3, 70), (4, 60)]);
        let linked = |new, exact, descends| Joint::Linked { new, exact, descends };
        for (older, expected) in [
            (rows(&[(3, 70), (4, 60), (5, 50)]), linked(2, true, true)),
            (rows(&[(4, 60), (5, 50)]), linked(1, true, false)),
            (rows(&[(2, 80), (4, 60), (5, 50)]), linked(2, false, true)),
            (rows(&[(9, 95), (1, 90), (2, 80)]), linked(3, true, true)),
            (rows(&[(5, 50)]), Joint::Apart),
            (rows(&[(4, 61), (5, 50)]), Joint::Apart),
            (rows(&[(4, 60), (3, 70), (5, 50)]), Joint::Reordered),
        ] {
            assert_eq!(joint(&newer, &older, true), expected, "{older:?}");
        }
    }

    #[test]
    fn ties_are_a_set_where_the_order_is_by_start() {
        let newer = rows(&[(1, 90), (2, 60), (3, 60)]);
        let older = rows(&[(1, 90), (3, 60), (2, 60), (4, 60)]);
        assert_eq!(joint(&newer, &older, true), Joint::Reordered);
        assert_eq!(joint(&newer, &older, false), Joint::Linked { new: 3, exact: false, descends: true });
        // A group across the joint can hide a row.
        let mut chain = Chain::new(newer);
        assert_eq!(chain.extend(&rows(&[(3, 60), (4, 60)]), 0, false), Extended::Tied);
        assert_eq!(chain.extend(&older, 0, false), Extended::Further);
    }
}
