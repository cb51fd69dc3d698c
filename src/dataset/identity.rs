//! Which staged rows win, and which published rows they supersede; in bounded memory, before any file is swapped.
//!
//! Identities are compared by the 128-bit hash of the id, a range of hashes at a time.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;

use super::lanes::lanes;
use super::layout::Partition;
use super::published::Published;
use crate::error::Result;
use crate::flatten::identity;
use crate::stage::{Cut, Identity, Stage};
use crate::walk::Tally;

/// Identities held in memory at once (48 bytes each).
pub const AT_ONCE: u64 = 1 << 20;

/// Identities that take longer to sort than a thread takes to begin.
const WORTH_A_THREAD: usize = 4096;

/// One bit a row.
#[derive(Debug, Clone, Default)]
pub struct Bits(Vec<u64>);

impl Bits {
    fn set(&mut self, index: u64) {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    /// Whether any bit is set.
    pub fn any(&self) -> bool {
        self.0.iter().any(|bits| *bits != 0)
    }

    /// Those bits that are not set in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(others).map(|(bits, others)| bits & !others).collect())
    }

    /// Whether a row's bit is set.
    pub fn has(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        self.0.get(word).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }
}

/// What the identity checks found.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Staged rows that lost against another version of their id.
    pub lost: Bits,
    /// Published rows that a staged session, or another published row, takes the place of, by partition.
    pub superseded: BTreeMap<Partition, Bits>,
    /// Those of them whose session now belongs to another partition.
    pub leaving: BTreeMap<Partition, Bits>,
    /// Different sessions that are staged.
    pub sessions: u64,
    /// Sessions that are still running by their latest version.
    pub open: u64,
    /// Counts of each walk.
    pub tallies: Vec<Tally>,
    /// Sessions that started before a settled time and were not known.
    pub late: u64,
}

/// Starts that earlier runs have settled, in microseconds: at or after `from`, before `to`.
pub type Settled = std::ops::Range<i64>;

/// What to resolve besides who wins.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    /// The responses of each walk, by their number.
    pub walks: Vec<Vec<Range<u64>>>,
    /// What started in it should all be known.
    pub settled: Option<Settled>,
    /// Sessions that an earlier run was moving out of a partition, and may have left there.
    pub moving: Moving,
}

/// Ids of sessions, each with the partition that it leaves.
pub type Moving = BTreeMap<String, Partition>;

/// Resolves every staged identity, and looks for it in what is published.
pub fn resolve(stage: &Stage, published: &[Published], questions: &Questions) -> Result<Resolution> {
    resolve_all(stage, None, published, questions)
}

/// The same with sessions that were listed and get no row: they count for the walks.
pub fn resolve_all(
    stage: &Stage,
    mut cut: Option<&mut Cut>,
    published: &[Published],
    questions: &Questions,
) -> Result<Resolution> {
    let tallies = vec![Tally::default(); questions.walks.len()];
    let mut resolution = Resolution { tallies, ..Resolution::default() };
    let listed = stage.sessions() + cut.as_ref().map_or(0, |cut| cut.count());
    let passes = listed.div_ceil(AT_ONCE);
    for pass in 0..passes {
        let mut held = Vec::new();
        let mut take = |identity: Identity| {
            if pass_of(identity.id, passes) == pass {
                held.push(identity);
            }
        };
        stage.identities(&mut take)?;
        if let Some(cut) = &mut cut {
            cut.each(&mut take)?;
        }
        sort(&mut held, lanes());
        let known = resolution.supersede(&held, (pass, passes), published)?;
        let mut at = 0;
        for versions in held.chunk_by(|a, b| a.id == b.id) {
            let is_known = known[at];
            at += versions.len();
            resolution.take(versions, is_known, questions);
        }
    }
    resolution.finish_moves(published, &questions.moving)?;
    Ok(resolution)
}

impl Resolution {
    /// Marks the published rows whose session is held; returns which of those held were found.
    fn supersede(
        &mut self,
        held: &[Identity],
        (pass, passes): (u64, u64),
        published: &[Published],
    ) -> Result<Vec<bool>> {
        let mut found = vec![false; held.len()];
        for part in published {
            part.each_session(|row, known| {
                let id = identity(known.id);
                let at = held.partition_point(|identity| identity.id < id);
                let Some(winner) =
                    held.get(at).filter(|winner| winner.id == id && winner.has_row() && pass_of(id, passes) == pass)
                else {
                    return;
                };
                found[at] = true;
                self.replace(part.partition(), row, part.home(winner.start()) != part.partition());
            })?;
        }
        Ok(found)
    }

    fn replace(&mut self, partition: Partition, row: u64, leaves: bool) {
        self.superseded.entry(partition).or_default().set(row);
        if leaves {
            self.leaving.entry(partition).or_default().set(row);
        }
    }

    /// A run that was killed while it moved sessions has left some of them in two partitions: they leave the old one. Of
    /// those that are staged nothing is left to finish; the old one may be where they belong by now.
    fn finish_moves(&mut self, published: &[Published], moving: &Moving) -> Result<()> {
        if moving.is_empty() {
            return Ok(());
        }
        let mut places: BTreeMap<String, Vec<(Partition, u64)>> = BTreeMap::new();
        for part in published {
            part.each_session(|row, known| {
                if moving.contains_key(known.id) {
                    places.entry(known.id.to_owned()).or_default().push((part.partition(), row));
                }
            })?;
        }
        for (id, places) in places.into_iter().filter(|(_, places)| places.len() > 1) {
            for (partition, row) in places.into_iter().filter(|(partition, _)| moving.get(&id) == Some(partition)) {
                if !self.superseded.get(&partition).is_some_and(|rows| rows.has(row)) {
                    self.replace(partition, row, true);
                }
            }
        }
        Ok(())
    }

    /// The sessions that leave their partitions.
    pub fn moving(&self, published: &[Published]) -> Result<Moving> {
        let mut moving = Moving::new();
        for part in published {
            let Some(leaving) = self.leaving.get(&part.partition()) else { continue };
            part.each_session(|row, known| {
                if leaving.has(row) {
                    moving.insert(known.id.to_owned(), part.partition());
                }
            })?;
        }
        Ok(moving)
    }

    /// Takes all versions of one session into account: those staged first, the winner before all.
    fn take(&mut self, versions: &[Identity], is_known: bool, questions: &Questions) {
        let mut staged = versions.iter().filter(|version| version.has_row());
        if let Some(winner) = staged.next() {
            self.sessions += 1;
            self.open += u64::from(winner.is_open());
            let settled = questions.settled.as_ref();
            let is_settled = settled.zip(winner.start()).is_some_and(|(settled, start)| settled.contains(&start));
            self.late += u64::from(is_settled && !is_known);
            staged.for_each(|loser| self.lost.set(loser.ordinal));
        }
        for (tally, walk) in self.tallies.iter_mut().zip(&questions.walks) {
            let counts = |version: &&Identity| walk.iter().any(|range| range.contains(&version.response()));
            let mut counted = versions.iter().filter(counts);
            if let Some(first) = counted.next() {
                tally.distinct += 1;
                tally.moved += u64::from(counted.any(|version| version.start() != first.start()));
            }
        }
    }
}

/// Puts all versions of an id together, those staged first, the winner before all; on so many threads.
fn sort(held: &mut [Identity], threads: usize) {
    let order = |identity: &Identity| (identity.id, !identity.has_row(), Reverse(identity.rank));
    if threads < 2 || held.len() < WORTH_A_THREAD {
        held.sort_unstable_by_key(order);
        return;
    }
    let (low, _, high) = held.select_nth_unstable_by_key(held.len() / 2, order);
    thread::scope(|scope| {
        scope.spawn(|| sort(low, threads - threads / 2));
        sort(high, threads / 2);
    });
}

/// The pass, of so many, in which an id is looked at: a range of hashes each.
#[allow(clippy::cast_possible_truncation)] // the upper half of the hash, and a number below `passes`
pub fn pass_of(id: u128, passes: u64) -> u64 {
    ((u128::from((id >> 64) as u64) * u128::from(passes)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_sorted_on_any_number_of_threads() {
        let order = |identity: &Identity| (identity.id, !identity.has_row(), Reverse(identity.rank));
        for len in [0, 1, WORTH_A_THREAD - 1, WORTH_A_THREAD, 20_000] {
            let hash = |number: usize| u128::from(xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes())) % 900;
            let listed: Vec<_> = (0..len).map(|at| Identity::without_row(hash(at), at as u64 % 50, None)).collect();
            let mut wanted = listed.clone();
            wanted.sort_by_key(order);
            for threads in 0..6 {
                let mut held = listed.clone();
                sort(&mut held, threads);
                assert!(held.iter().map(order).eq(wanted.iter().map(order)), "{len} on {threads}");
            }
        }
    }
}
