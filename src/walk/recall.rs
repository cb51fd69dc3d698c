//! What earlier walks have covered already: a run that was stopped before its end, or others that have read parts of the list.
//!
//! Their answers join into chains like any others. The walk that goes on meets one of them somewhere below the head of today's list,
//! continues behind its oldest answer, and meets the next one there.

use super::Page;
use super::chain::{Chain, Extended, Joint, Link, Ties, joint};
use super::order::{Key, Sort, Sorts};
use super::totals::believable;
use crate::list::Listed;

/// Chains kept at once: as many as parts of a list are read beside each other, and requests are in flight for them.
const MOST: usize = 600;

const PARTED: Ties = Ties::Parted(Sorts::NONE);

fn is_newest_first(sort: Sort) -> bool {
    sort.key == Key::Start && sort.descending
}

/// The starts of some sessions, the oldest and the newest; `None` where one has none that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Starts(Option<(i64, i64)>);

impl Starts {
    fn of(rows: &[Listed]) -> Self {
        let add = |span: Option<(i64, i64)>, row: &Listed| {
            let start = row.start?;
            Some(span.map_or((start, start), |(oldest, newest)| (oldest.min(start), newest.max(start))))
        };
        Self(rows.iter().try_fold(None, |span, row| add(span, row).map(Some)).flatten())
    }

    /// Whether the same sessions may be among both: sessions of other starts are others.
    fn may_meet(self, other: Self) -> bool {
        let (Some((oldest, newest)), Some((others_oldest, others_newest))) = (self.0, other.0) else { return true };
        oldest <= others_newest && others_oldest <= newest
    }

    /// Whether all of them started before all others.
    fn are_before(self, other: Self) -> bool {
        self.0.zip(other.0).is_some_and(|((_, newest), (oldest, _))| newest < oldest)
    }
}

/// A chain of an earlier walk.
#[derive(Debug, Clone)]
struct Stretch {
    chain: Chain,
    /// Position of its first row, as it was.
    from: u64,
    /// Rows from the first to the last one: its answers may be of different times, so positions do not tell.
    length: u64,
    /// Starts of its newest answer and of its oldest.
    head: Starts,
    tail: Starts,
}

impl Stretch {
    fn of(page: &Page, slack: i64, starts: Starts) -> Self {
        let (from, length) = (page.window.offset(), page.listed());
        Self { chain: Chain::new(page.rows.clone(), slack), from, length, head: starts, tail: starts }
    }

    /// Goes on with an answer; false where that does not join it, or adds nothing.
    fn extend(&mut self, page: &Page, starts: Starts) -> bool {
        let Some(link) = self.link(&page.rows, starts) else { return false };
        if self.chain.extend(&page.rows, PARTED) != Extended::Further {
            return false;
        }
        self.length += page.listed().saturating_sub(link.new as u64);
        self.tail = starts;
        true
    }

    /// By which joint rows follow, and add something; `None` where they don't.
    fn link(&self, rows: &[Listed], starts: Starts) -> Option<Link> {
        let link = || self.chain.link(rows, PARTED).ok().filter(|link| link.is_further);
        self.tail.may_meet(starts).then(link).flatten()
    }

    fn go_on(&mut self, older: &Self, link: Link) {
        self.chain.bridge(&older.chain, link.descends);
        self.length += older.length.saturating_sub(link.new as u64);
        self.tail = older.tail;
    }
}

/// The answers of earlier walks, joined.
#[derive(Debug, Clone, Default)]
pub struct Recall {
    stretches: Vec<Stretch>,
    /// By how much further down the list the last one that was met stood than it had.
    drift: u64,
    /// What their answers have said of the list's length, and whether they have said several things.
    total: Option<u64>,
    has_moved: bool,
    /// Whether today's walk rests on any of them.
    has_met: bool,
    /// Whether they held sessions.
    had_rows: bool,
}

/// Where a walk goes on after it has met an earlier one.
#[derive(Debug)]
pub struct Met {
    /// The chain of the earlier walk, from its newest answer to its oldest.
    pub chain: Chain,
    /// The orders in which the joint descends strictly.
    pub descends: Sorts,
    /// Position behind its last row in today's list, as far as can be told.
    pub reach: u64,
}

impl Recall {
    /// Takes an answer, in the order in which they arrived.
    pub fn take(&mut self, page: &Page, slack: i64) {
        if let Some(total) = believable(page) {
            self.has_moved |= *self.total.get_or_insert(total) != total;
        }
        if page.rows.is_empty() {
            return;
        }
        self.had_rows = true;
        let starts = Starts::of(&page.rows);
        let at = self.stretches.iter_mut().position(|stretch| stretch.extend(page, starts));
        // It may lie above a stretch, so that it adds nothing at that one's end and yet is new.
        let at = at.unwrap_or_else(|| {
            self.stretches.push(Stretch::of(page, slack, starts));
            self.stretches.len() - 1
        });
        self.unite(at);
        if self.stretches.len() > MOST {
            let shortest = (0..self.stretches.len()).min_by_key(|at| self.stretches[*at].length);
            self.stretches.remove(shortest.unwrap_or_default());
        }
    }

    /// Joins a stretch that has changed with those that it follows, and that follow it.
    fn unite(&mut self, mut at: usize) {
        loop {
            let mut others = (0..self.stretches.len()).filter(|other| *other != at);
            let joint = |newer: usize, older: usize| {
                let Stretch { chain, head, .. } = &self.stretches[older];
                let link = self.stretches[newer].link(chain.head(), *head)?;
                Some((newer, older, link))
            };
            let joined = others.find_map(|other| joint(at, other).or_else(|| joint(other, at)));
            let Some((newer, older, link)) = joined else { return };
            let older_one = self.stretches.remove(older);
            at = newer - usize::from(older < newer);
            self.stretches[at].go_on(&older_one, link);
        }
    }

    /// No more answers come. Nothing of a list that is not newest first can be used, but that it is not says what order to expect:
    /// the first rows of today alone may look otherwise. Returns whether it was newest first.
    pub fn close(&mut self) -> bool {
        let before = self.stretches.len();
        self.stretches.retain(|stretch| stretch.chain.orders().is_newest_first());
        self.stretches.sort_by_key(|stretch| stretch.from);
        self.stretches.len() == before
    }

    /// Whether the earlier walks were shown sessions.
    pub const fn had_rows(&self) -> bool {
        self.had_rows
    }

    /// Whether the list had this length for the earlier walks, too, as far as they were told: what it has had since is no measure of
    /// what they have read.
    pub fn agrees(&self, total: u64) -> bool {
        !self.has_met || !self.has_moved && self.total.is_none_or(|told| told == total)
    }

    /// Whether there is nothing to meet any more.
    pub const fn is_empty(&self) -> bool {
        self.stretches.is_empty()
    }

    /// The position in today's list at which the next one should be met; `None` where there is none.
    pub fn expected(&self) -> Option<u64> {
        let from = self.stretches.iter().map(|stretch| stretch.from).min()?;
        Some(from.saturating_add(self.drift))
    }

    /// Whether an answer of today's walk meets an earlier one, of which it then goes on behind the one that reaches furthest; each can
    /// only be met once. `fits`: the orders that fit today.
    pub fn meet(&mut self, page: &Page, fits: Sorts) -> Option<Met> {
        let starts = Starts::of(&page.rows);
        // What ends above this answer is met no more.
        self.stretches.retain(|stretch| !starts.are_before(stretch.tail));
        let may_meet = (0..self.stretches.len()).filter(|at| self.stretches[*at].head.may_meet(starts));
        let met = may_meet.filter_map(|at| {
            let (begin, descends) = self.begin(at, page, fits)?;
            Some((at, begin, descends))
        });
        let reach = |(at, begin, _): &(usize, u64, Sorts)| begin.saturating_add(self.stretches[*at].length);
        let (at, begin, descends) = met.max_by_key(reach).filter(|met| reach(met) > page.end())?;
        let stretch = self.stretches.remove(at);
        (self.drift, self.has_met) = (begin.saturating_sub(stretch.from), true);
        let reach = begin.saturating_add(stretch.length);
        Some(Met { chain: stretch.chain, descends, reach })
    }

    /// Where a stretch begins in today's list, by an answer that joins its newest one, and in which orders the joint descends;
    /// `None` where the answer joins nothing.
    fn begin(&self, at: usize, page: &Page, fits: Sorts) -> Option<(u64, Sorts)> {
        let chain = &self.stretches[at].chain;
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
        Some(((page.window.offset() + new as u64).saturating_sub(old as u64), descends))
    }
}
