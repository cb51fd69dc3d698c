//! Which staged rows win, and which published rows they supersede; in bounded memory, before any file is swapped.
//!
//! Identities are compared by the 128-bit hash of the id, a range of hashes at a time. The latest version wins, unless the
//! session has ended and it lacks what is known of it ([`crate::rows::facts`]).

mod known;
mod stored;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use super::lanes::lanes;
use super::published::Published;
use crate::error::Result;
use crate::rows::erasure::Denied;
use crate::rows::partition::Partition;
use crate::stage::{Cut, Identity, Stage};
use crate::walk::Tally;
use known::{Mark, Sought};
use stored::Stored;

/// Identities held in memory at once (64 bytes each).
pub const AT_ONCE: u64 = 1 << 20;

/// Sessions that are given as examples.
const EXAMPLES: usize = 10;

/// Identities that take longer to sort than a thread takes to begin.
const WORTH_A_THREAD: usize = 4096;

/// Rows of a file or of the stage, by their number: one bit a row. In a record they are base64 of the little-endian words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Bits(Vec<u64>);

impl From<Bits> for String {
    fn from(bits: Bits) -> Self {
        let bytes: Vec<u8> = bits.0.iter().flat_map(|word| word.to_le_bytes()).collect();
        STANDARD_NO_PAD.encode(bytes)
    }
}

impl TryFrom<String> for Bits {
    type Error = base64::DecodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes = STANDARD_NO_PAD.decode(text)?;
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        Ok(Self(bytes.chunks(8).map(word).collect()))
    }
}

impl Bits {
    fn set(&mut self, index: u64) {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (index % 64);
    }

    /// Whether any row is marked at all.
    pub fn any(&self) -> bool {
        self.0.iter().any(|bits| *bits != 0)
    }

    /// Those bits that are not set in another set.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        let others = other.0.iter().copied().chain(std::iter::repeat(0));
        Self(self.0.iter().zip(others).map(|(bits, others)| bits & !others).collect())
    }

    /// Whether a row, by its number from 0, is in the set.
    pub fn has(&self, index: u64) -> bool {
        let word = usize::try_from(index / 64).unwrap_or(usize::MAX);
        self.0.get(word).is_some_and(|bits| bits >> (index % 64) & 1 == 1)
    }
}

/// What follows from all staged and published versions: who wins, who leaves, and what the verdicts need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// Staged rows that lost against another version of their id.
    pub lost: Bits,
    /// Published rows that a staged session, or another published row, takes the place of, by partition.
    pub superseded: BTreeMap<Partition, Bits>,
    /// Those of them whose session now belongs to another partition.
    pub leaving: BTreeMap<Partition, Bits>,
    /// Those of them that stay all the same, since the staged session lacks what is known of it.
    pub kept: BTreeMap<Partition, Bits>,
    /// Sessions that had ended, and of which a version lacked what another one, published or staged, had.
    pub poorer: u64,
    /// Staged rows of some of these sessions, by their numbers in the stage.
    pub examples: Vec<u64>,
    /// Different sessions that are staged with rows.
    pub sessions: u64,
    /// Those of them that are in the dataset already.
    pub known: u64,
    /// Those of these of which the published version stays, since the staged one lacks something.
    pub unchanged: u64,
    /// Sessions that are still running by their latest version.
    pub open: u64,
    /// What the verdict of each walk needs, in the order of [`Questions::walks`].
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
    /// Participants who are not kept, so that nobody misses them.
    pub erased: Option<Arc<Denied>>,
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
    cut: Option<&mut Cut>,
    published: &[Published],
    questions: &Questions,
) -> Result<Resolution> {
    resolve_in_passes(stage, cut, published, questions, AT_ONCE)
}

/// `at_once`: identities that are held at a time.
fn resolve_in_passes(
    stage: &Stage,
    mut cut: Option<&mut Cut>,
    published: &[Published],
    questions: &Questions,
    at_once: u64,
) -> Result<Resolution> {
    let tallies = vec![Tally::default(); questions.walks.len()];
    let mut resolution = Resolution { tallies, ..Resolution::default() };
    let listed = stage.sessions() + cut.as_ref().map_or(0, |cut| cut.count());
    let passes = listed.div_ceil(at_once);
    let mut stored = Stored::new(stage.folder().clone(), passes);
    let mut doubled = BTreeSet::new();
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
        let mut found = known::Found::in_list(&mut held);
        let sought = Sought { held: &held, pass, passes, erased: questions.erased.as_deref() };
        found.in_dataset(&mut resolution, &sought, published, &mut stored)?;
        doubled.extend(found.doubled.iter().copied());
        let mut at = 0;
        for versions in held.chunk_by(|a, b| a.id == b.id) {
            let mark = found.marks[at];
            at += versions.len();
            resolution.take(versions, mark, questions);
        }
    }
    resolution.keep_once(published, &doubled, &questions.moving)?;
    resolution.finish_moves(published, &questions.moving)?;
    Ok(resolution)
}

/// Where the dataset has some sessions, by their ids.
fn places(published: &[Published], is_meant: impl Fn(&str) -> bool) -> Result<BTreeMap<String, Vec<(Partition, u64)>>> {
    let mut places: BTreeMap<String, Vec<(Partition, u64)>> = BTreeMap::new();
    for part in published {
        part.each_session(|row, known| {
            if is_meant(known.id) {
                places.entry(known.id.to_owned()).or_default().push((part.partition(), row));
            }
        })?;
    }
    Ok(places)
}

impl Resolution {
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
        let places = places(published, |id| moving.contains_key(id))?;
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
    fn take(&mut self, versions: &[Identity], mark: Mark, questions: &Questions) {
        let Mark { is_known, is_kept, is_poorer } = mark;
        let mut staged = versions.iter().filter(|version| version.has_row());
        if let Some(winner) = staged.next() {
            self.sessions += 1;
            self.known += u64::from(is_known);
            self.unchanged += u64::from(is_kept);
            self.open += u64::from(winner.is_open() && !is_kept);
            let settled = questions.settled.as_ref();
            let is_settled = settled.zip(winner.start()).is_some_and(|(settled, start)| settled.contains(&start));
            self.late += u64::from(is_settled && !is_known);
            staged.for_each(|loser| self.lost.set(loser.ordinal));
            if is_kept {
                self.lost.set(winner.ordinal);
            }
            self.poorer += u64::from(is_poorer);
            if is_poorer && self.examples.len() < EXAMPLES {
                self.examples.push(winner.ordinal);
            }
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
