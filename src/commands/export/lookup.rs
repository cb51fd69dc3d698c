//! Which sessions are asked for one by one: those that are owed, those known to be running that the walk did not return,
//! and those that should have been listed and were not. [`super::asking`] asks for them.

use std::collections::BTreeSet;

use crate::dataset::identity::Resolution;
use crate::dataset::published::{Known, Published};
use crate::dataset::state::Owed;
use crate::error::Result;

/// Vanished sessions that one run asks for at most.
const VANISHED: usize = 100;
/// Running sessions that one run asks for at most, and such as are owed.
const OPEN: usize = 1000;
/// So many sessions may be odd, or a hundredth of all, before a run says that something is wrong.
const SUSPICIOUS: u64 = 5;

/// The part of the list that a walk has covered, by start in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lowest start that is covered.
    pub from: i64,
    /// The first start above the span, not covered any more; `i64::MAX` where the walk began at the head.
    pub to: i64,
}

/// Which of the sessions that are owed a run asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dues {
    /// Those in what it has covered.
    Covered,
    /// All but the unreachable ones: a night.
    Reachable,
    /// All, the unreachable ones included, as a full walk asks.
    All,
}

/// What is known before the sessions that earlier runs have published are gone through.
#[derive(Debug, Clone, Copy)]
pub struct Ledger<'a> {
    /// What the walk has covered; nothing can vanish from what was not.
    pub span: Option<Span>,
    /// Whether the walk was shown no session at all.
    pub is_empty: bool,
    /// Sessions that are known to be no longer there.
    pub gone: &'a BTreeSet<String>,
    /// Sessions that an earlier run has asked for and got no usable answer for.
    pub owed: &'a Owed,
    /// Which of them the run asks for.
    pub dues: Dues,
    /// The running session that the run before asked for last, where it left some for this one.
    pub asked_to: Option<&'a str>,
    /// When the last full walk began, in microseconds.
    pub full_at: Option<i64>,
}

/// What earlier runs have published and this walk did not return.
#[derive(Debug, Default)]
pub struct Unseen {
    /// Owed, and asked for by this run.
    owed: BTreeSet<String>,
    /// Running, outside of what was covered, behind the one that was asked for last.
    open_behind: BTreeSet<String>,
    /// The same before that one: asked for where there is room.
    open_before: BTreeSet<String>,
    /// How many running sessions were not covered, those included that are not asked for.
    running: usize,
    /// Inside of it, or read by a stopped run while they were running.
    vanished: BTreeSet<String>,
    /// Of these, those that the last full walk has returned: they had started before.
    listed: BTreeSet<String>,
    reread: BTreeSet<String>,
    /// Should have been listed, by this walk or by the one that came to owe them.
    missing: BTreeSet<String>,
    /// Owed and still not listed, whether or not they are asked for.
    still_owed: BTreeSet<String>,
    /// Of these, those that are not asked for.
    unreachable: BTreeSet<String>,
    /// Vanished, not asked for this time.
    more: u64,
    newly: u64,
    /// How many sessions earlier runs have published in what this walk has covered.
    known: u64,
    /// The list is empty, and should not be.
    is_empty: bool,
    /// Listed again after they had gone.
    back: Vec<String>,
}

impl Unseen {
    /// Finds them. `looks_for`: whether a running session with this start is asked for.
    pub fn find(
        published: &[Published],
        resolution: &Resolution,
        ledger: &Ledger<'_>,
        looks_for: impl Fn(Option<i64>) -> bool,
    ) -> Result<Self> {
        let Ledger { span, is_empty, .. } = *ledger;
        let mut unseen = Self::default();
        for part in published {
            let seen = resolution.superseded.get(&part.partition());
            part.each_session(|row, known| {
                let start = known.start.unwrap_or(i64::MIN);
                let is_covered = span.is_some_and(|span| (span.from..span.to).contains(&start));
                unseen.known += u64::from(is_covered);
                unseen.is_empty |= is_empty && span.is_some_and(|span| span.to == i64::MAX);
                if seen.is_some_and(|seen| seen.has(row)) {
                    unseen.back.extend(ledger.gone.contains(known.id).then(|| known.id.to_owned()));
                } else if !ledger.gone.contains(known.id) {
                    unseen.take(known, is_covered, ledger, &looks_for);
                }
            })?;
        }
        while unseen.asked_open() > OPEN {
            unseen.open_before.pop_last();
        }
        Ok(unseen)
    }

    /// Takes one that was not listed.
    fn take(
        &mut self,
        known: Known<'_>,
        is_covered: bool,
        ledger: &Ledger<'_>,
        looks_for: impl Fn(Option<i64>) -> bool,
    ) {
        let Known { id, start, is_open } = known;
        if let Some(debt) = ledger.owed.get(id) {
            self.still_owed.insert(id.to_owned());
            if is_covered || debt.was_missed {
                self.missing.insert(id.to_owned());
            }
            match ledger.dues {
                Dues::Covered if !is_covered => {}
                Dues::Reachable if debt.is_unreachable() => {
                    self.unreachable.insert(id.to_owned());
                }
                Dues::Covered | Dues::Reachable | Dues::All => keep(&mut self.owed, id, OPEN),
            }
        } else if is_covered {
            self.newly += 1;
            let has_room = add(&mut self.vanished, id, VANISHED);
            self.more += u64::from(!has_room);
            if has_room && start.is_some_and(|start| Some(start) < ledger.full_at) {
                self.listed.insert(id.to_owned());
            }
        } else if is_open && looks_for(start) {
            self.running += 1;
            let is_behind = ledger.asked_to.is_none_or(|asked_to| id > asked_to);
            keep(if is_behind { &mut self.open_behind } else { &mut self.open_before }, id, OPEN);
        }
    }

    /// Running sessions that a stopped run had read and this one did not read again.
    pub fn also(&mut self, open: Vec<String>) {
        for id in open {
            self.more += u64::from(!add(&mut self.reread, &id, OPEN));
        }
    }

    /// Sessions that had gone and are listed again.
    pub fn back(&self) -> Vec<String> {
        self.back.clone()
    }

    /// Where the next run goes on among the running sessions; `None` where all are asked for.
    pub fn asked_to(&self) -> Option<String> {
        let last = self.open_before.last().or_else(|| self.open_behind.last());
        last.filter(|_| self.waiting() > 0).cloned()
    }

    fn asked_open(&self) -> usize {
        self.open_behind.len() + self.open_before.len()
    }

    /// Running sessions that are left for the next run.
    pub fn waiting(&self) -> u64 {
        self.running.saturating_sub(self.asked_open()) as u64
    }

    /// Sessions that should have been listed and are too many to be asked for in one run.
    pub const fn unasked(&self) -> u64 {
        self.more
    }

    /// Whether more sessions vanished than a few deleted ones explain, or the list is empty though sessions are published.
    pub fn is_suspicious(&self) -> bool {
        is_suspicious(self.newly, self.known) || self.is_empty
    }

    /// Whether the list should have held a session.
    pub fn is_missing(&self, id: &str) -> bool {
        self.missing.contains(id) || self.vanished.contains(id)
    }

    /// Whether the last full walk has shown a session that has vanished since.
    pub fn was_listed(&self, id: &str) -> bool {
        self.listed.contains(id)
    }

    /// Sessions that are owed and neither listed again nor removed from the dataset.
    pub const fn still_owed(&self) -> &BTreeSet<String> {
        &self.still_owed
    }

    /// Those of them that have given the same answer for so long that this run does not ask.
    pub const fn unreachable(&self) -> &BTreeSet<String> {
        &self.unreachable
    }

    /// The ids to ask for, those that are owed first; of these another one at each `turn`, since the first may take the
    /// time of all others.
    pub fn ids(&self, turn: u64) -> Vec<String> {
        let mut met = BTreeSet::new();
        let mut owed: Vec<_> = self.owed.iter().collect();
        let first = turn.checked_rem(owed.len() as u64).unwrap_or_default();
        owed.rotate_left(usize::try_from(first).unwrap_or_default());
        let others = [&self.vanished, &self.open_behind, &self.open_before, &self.reread].into_iter().flatten();
        owed.into_iter().chain(others).filter(|id| met.insert(*id)).cloned().collect()
    }
}

/// Whether so many sessions of all are odd that something is wrong with the list or the server.
pub const fn is_suspicious(odd: u64, all: u64) -> bool {
    odd > SUSPICIOUS && odd > all / 100
}

/// Adds an id, and lets go of the highest where there are more than so many.
fn keep(ids: &mut BTreeSet<String>, id: &str, most: usize) {
    ids.insert(id.to_owned());
    if ids.len() > most {
        ids.pop_last();
    }
}

/// Adds an id; false where there is no room.
fn add(ids: &mut BTreeSet<String>, id: &str, most: usize) -> bool {
    let has_room = ids.len() < most;
    if has_room {
        ids.insert(id.to_owned());
    }
    has_room
}
