//! What an earlier run, stopped before its end, has covered already.
//!
//! Its answers join into chains like any others. The longest is kept; the walk that goes on meets its newest answer
//! somewhere below the head of today's list, and continues behind its oldest one.

use super::Page;
use super::chain::{Chain, Extended, Joint, Ties, joint};
use super::order::{Key, Sort, Sorts};

/// Chains kept at once: as many as there were requests in flight, and then some.
const MOST: usize = 300;

const PARTED: Ties = Ties::Parted(Sorts::NONE);

fn is_newest_first(sort: Sort) -> bool {
    sort.key == Key::Start && sort.descending
}

/// A chain of an earlier run.
#[derive(Debug, Clone)]
struct Stretch {
    chain: Chain,
    /// Positions from its first row to behind its last, as they were.
    from: u64,
    to: u64,
}

/// The answers of an earlier run, joined.
#[derive(Debug, Clone, Default)]
pub struct Recall {
    stretches: Vec<Stretch>,
}

/// Where a walk goes on after it has met an earlier one.
#[derive(Debug)]
pub struct Met {
    /// The chain of the earlier walk, from its newest answer to its oldest.
    pub chain: Chain,
    /// Position behind its last row in today's list, as far as can be told.
    pub reach: u64,
}

impl Recall {
    /// Takes an answer, in the order in which they arrived.
    pub fn take(&mut self, page: &Page, slack: i64) {
        if page.rows.is_empty() {
            return;
        }
        let to = page.end();
        for stretch in &mut self.stretches {
            if stretch.chain.extend(&page.rows, PARTED) == Extended::Further {
                stretch.to = to;
                return self.unite();
            }
        }
        // It may lie above a stretch, so that it adds nothing at that one's end and yet is new.
        self.stretches.push(Stretch { chain: Chain::new(page.rows.clone(), slack), from: page.window.offset(), to });
        self.unite();
        if self.stretches.len() > MOST {
            self.stretches.remove(0);
        }
    }

    /// Joins stretches that follow one another.
    fn unite(&mut self) {
        let mut at = 0;
        while at < self.stretches.len() {
            let next = (0..self.stretches.len()).filter(|other| *other != at).find(|other| {
                self.stretches[at].chain.clone().extend(self.stretches[*other].chain.head(), PARTED)
                    == Extended::Further
            });
            let Some(other) = next else {
                at += 1;
                continue;
            };
            let older = self.stretches.remove(other);
            if other < at {
                at -= 1;
            }
            let stretch = &mut self.stretches[at];
            stretch.chain.bridge(&older.chain);
            stretch.to = older.to;
        }
    }

    /// Leaves the longest chain alone. Nothing of a list that is not newest first can be used, but that it is not says
    /// what order to expect: the first rows of today alone may look otherwise. Returns whether it was newest first.
    pub fn close(&mut self) -> bool {
        let before = self.stretches.len();
        self.stretches.retain(|stretch| stretch.chain.orders().is_newest_first());
        let is_newest_first = self.stretches.len() == before;
        self.stretches.sort_by_key(|stretch| std::cmp::Reverse(stretch.to.saturating_sub(stretch.from)));
        self.stretches.truncate(1);
        is_newest_first
    }

    /// Whether there is nothing to meet.
    pub const fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Whether an answer of today's walk meets the earlier one; it can only be met once. `fits`: the orders that fit today.
    pub fn meet(&mut self, page: &Page, fits: Sorts) -> Option<Met> {
        let Stretch { chain, from, to } = self.stretches.first()?;
        // The list may be sorted by any key that fits both: a session is the same only if it is so in all of these.
        let fits = fits.and(chain.orders().fits());
        let newest_first = fits.each().find(|sort| is_newest_first(*sort))?;
        let free = Some(newest_first).filter(|sort| chain.orders().slack(*sort) == 0);
        let Joint::Linked { descends, .. } = joint(&page.rows, chain.head(), fits, free) else { return None };
        if !fits.are_among(descends) {
            return None;
        }
        let place = |id: u128| page.rows.iter().position(|row| row.id == id);
        let (old, new) = chain.head().iter().enumerate().find_map(|(old, row)| Some((old, place(row.id)?)))?;
        let begin = (page.window.offset() + new as u64).saturating_sub(old as u64);
        let reach = begin + to.saturating_sub(*from);
        (reach > page.end()).then(|| Met { chain: self.stretches.remove(0).chain, reach })
    }
}
