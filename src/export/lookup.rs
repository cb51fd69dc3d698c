//! Sessions that are asked for one by one: those known to be running that the walk did not return, and those that
//! should have been listed and were not.

use std::collections::BTreeSet;

use tokio::task::JoinSet;

use super::drive::Source;
use super::joined;
use crate::dataset::identity::Resolution;
use crate::dataset::published::Published;
use crate::dataset::receipt::Vanished;
use crate::error::Result;
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

/// What earlier runs have published and this walk did not return.
#[derive(Debug, Default)]
pub struct Unseen {
    /// Running, outside of what was covered.
    open: BTreeSet<String>,
    /// Inside of it.
    vanished: BTreeSet<String>,
    /// Running or vanished, not asked for this time.
    more: u64,
    newly: u64,
    known: u64,
}

impl Unseen {
    /// Finds them. `covered`: nothing can vanish from what was not covered. Running sessions older than `oldest` are
    /// left alone; `gone` is known to be no longer there.
    pub fn find(
        published: &[Published],
        resolution: &Resolution,
        covered: Option<Span>,
        oldest: i64,
        gone: &BTreeSet<String>,
    ) -> Result<Self> {
        let mut unseen = Self::default();
        for part in published {
            let seen = resolution.superseded.get(&part.partition());
            part.each_session(|row, known| {
                unseen.known += 1;
                if seen.is_some_and(|seen| seen.has(row)) || gone.contains(known.id) {
                    return;
                }
                let start = known.start.unwrap_or(i64::MIN);
                if covered.is_some_and(|span| (span.from..span.to).contains(&start)) {
                    unseen.newly += 1;
                    unseen.more += add(&mut unseen.vanished, known.id, VANISHED);
                } else if known.is_open && start >= oldest {
                    unseen.more += add(&mut unseen.open, known.id, OPEN);
                }
            })?;
        }
        Ok(unseen)
    }

    /// Running sessions that a stopped run had read and this one did not read again.
    pub fn also(&mut self, open: Vec<String>) {
        for id in open {
            self.more += add(&mut self.open, &id, OPEN);
        }
    }

    /// Asks for them; returns the rows of those that are there.
    pub async fn ask(self, source: &Source, stop: &Stop) -> Result<(Vec<Flat>, Vanished)> {
        let mut vanished = Vanished { unasked: self.more, ..Vanished::default() };
        vanished.suspicious = self.newly > SUSPICIOUS.max(self.known / 100);
        let mut answers = JoinSet::new();
        for id in self.open.iter().chain(&self.vanished) {
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
                    vanished.missed += u64::from(self.vanished.contains(&id));
                    found.push(flat);
                }
                Ok(None) => vanished.gone.push(id),
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

/// Adds an id while there is room; returns 1 where there is none.
fn add(ids: &mut BTreeSet<String>, id: &str, most: usize) -> u64 {
    if ids.len() < most {
        ids.insert(id.to_owned());
        return 0;
    }
    1
}
