//! Sessions that are asked for one by one: those known to be running that the walk did not return, and those that
//! should have been listed and were not.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::drive::Source;
use super::joined;
use crate::dataset::identity::Resolution;
use crate::dataset::published::Published;
use crate::dataset::receipt::Vanished;
use crate::error::{Kind, Result};
use crate::flatten::Flat;
use crate::signal::Stop;

/// Vanished sessions that one run asks for at most.
const VANISHED: usize = 100;
/// Running sessions that one run asks for at most.
const OPEN: usize = 1000;
/// So many may vanish between two runs, or a hundredth of what is known, before a run says that something is wrong.
const SUSPICIOUS: u64 = 5;

/// The part of the list that a walk has covered, by start in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The lowest.
    pub from: i64,
    /// The first above it.
    pub to: i64,
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
    /// The running session that the run before asked for last, where it left some for this one.
    pub asked_to: Option<&'a str>,
}

/// What earlier runs have published and this walk did not return.
#[derive(Debug, Default)]
pub struct Unseen {
    /// Running, outside of what was covered: behind the one that was asked for last, and before it.
    open: [BTreeSet<String>; 2],
    /// How many there are.
    running: usize,
    /// Inside of it, or read by a stopped run while they were running.
    vanished: BTreeSet<String>,
    reread: BTreeSet<String>,
    /// Vanished, not asked for this time.
    more: u64,
    newly: u64,
    /// Known in what was covered.
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
        let Ledger { span, is_empty, gone, asked_to } = *ledger;
        let mut unseen = Self::default();
        for part in published {
            let seen = resolution.superseded.get(&part.partition());
            part.each_session(|row, known| {
                let start = known.start.unwrap_or(i64::MIN);
                let is_covered = span.is_some_and(|span| (span.from..span.to).contains(&start));
                unseen.known += u64::from(is_covered);
                unseen.is_empty |= is_empty && span.is_some_and(|span| span.to == i64::MAX);
                if seen.is_some_and(|seen| seen.has(row)) {
                    unseen.back.extend(gone.contains(known.id).then(|| known.id.to_owned()));
                } else if is_covered && !gone.contains(known.id) {
                    unseen.newly += 1;
                    unseen.more += add(&mut unseen.vanished, known.id, VANISHED);
                } else if known.is_open && looks_for(known.start) && !gone.contains(known.id) {
                    unseen.running += 1;
                    let is_behind = asked_to.is_none_or(|asked_to| known.id > asked_to);
                    keep(&mut unseen.open[usize::from(!is_behind)], known.id, OPEN);
                }
            })?;
        }
        let [behind, before] = &mut unseen.open;
        while behind.len() + before.len() > OPEN {
            before.pop_last();
        }
        Ok(unseen)
    }

    /// Running sessions that a stopped run had read and this one did not read again.
    pub fn also(&mut self, open: Vec<String>) {
        for id in open {
            self.more += add(&mut self.reread, &id, OPEN);
        }
    }

    /// Sessions that had gone and are listed again.
    pub fn back(&self) -> Vec<String> {
        self.back.clone()
    }

    /// Where the next run goes on among the running sessions; `None` where all are asked for.
    pub fn asked_to(&self) -> Option<String> {
        let [behind, before] = &self.open;
        let last = before.last().or_else(|| behind.last());
        last.filter(|_| self.waiting() > 0).cloned()
    }

    fn waiting(&self) -> usize {
        self.running.saturating_sub(self.open.iter().map(BTreeSet::len).sum())
    }

    /// Asks for them; returns the rows of those that are there.
    pub async fn ask(self, source: &Source, stop: &Stop) -> Result<(Vec<Flat>, Vanished)> {
        let waiting = self.waiting() as u64;
        let mut vanished = Vanished { unasked: self.more, waiting, ..Vanished::default() };
        if waiting > 0 {
            tracing::warn!("{waiting} running sessions are left for the next run to ask for");
        }
        vanished.suspicious = self.newly > SUSPICIOUS.max(self.known / 100) || self.is_empty;
        let mut answers = JoinSet::new();
        let [behind, before] = &self.open;
        let ids: BTreeSet<&String> = [behind, before, &self.vanished, &self.reread].into_iter().flatten().collect();
        for id in ids {
            answers.spawn(source.clone().session(id.clone()));
        }
        let mut found = Vec::new();
        loop {
            let answer = tokio::select! {
                biased;
                stopped = stop.wait() => return Err(stopped),
                answer = answers.join_next() => answer,
            };
            let Some(answer) = answer else { break };
            let (id, answer) = joined(answer)?;
            vanished.asked += 1;
            match answer {
                Ok(Some(flat)) => {
                    // One that started earlier than what is kept gets no row, and is not missed.
                    vanished.missed += u64::from(self.vanished.contains(&id) && !flat.entries.is_empty());
                    found.push(flat);
                }
                Ok(None) => vanished.gone.push(id),
                // No other request would be answered either; what was read stays staged.
                Err(error) if error.kind() == Kind::Credentials => return Err(error),
                Err(error) => {
                    tracing::warn!("the session could not be asked for: {id}: {error}");
                    vanished.failed += 1;
                }
            }
        }
        vanished.gone.sort();
        Ok((found, vanished))
    }
}

/// Adds an id, and lets go of the highest where there are more than so many.
fn keep(ids: &mut BTreeSet<String>, id: &str, most: usize) {
    ids.insert(id.to_owned());
    if ids.len() > most {
        ids.pop_last();
    }
}

/// Adds an id while there is room; returns 1 where there is none.
fn add(ids: &mut BTreeSet<String>, id: &str, most: usize) -> u64 {
    if ids.len() < most {
        ids.insert(id.to_owned());
        return 0;
    }
    1
}
