//! What is known of the sessions that are held: other versions of them in the stage, and those in the dataset.
//!
//! Of the dataset, the ids of all sessions are read, and of those that are held and have ended also how much of them is filled
//! in: nothing of partitions in which there is none.

use std::collections::BTreeSet;

use super::stored::Stored;
use super::{Moving, Resolution, pass_of, places};
use crate::dataset::published::Published;
use crate::error::Result;
use crate::rows::erasure::Denied;
use crate::rows::facts::{Facts, is_poorer};
use crate::rows::partition::Partition;
use crate::stage::Identity;
use crate::words::id;

/// What is known of one session.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// Whether the session is in the dataset.
    pub is_known: bool,
    /// Its published row stays as it is, though another version is staged.
    pub is_kept: bool,
    /// A version lacks what another one has.
    pub is_poorer: bool,
}

/// What is looked for in the dataset.
pub(super) struct Sought<'a> {
    /// Identities, the winner of each session first.
    pub held: &'a [Identity],
    /// Which range of hashes is looked at, from 0.
    pub pass: u64,
    /// In how many ranges all hashes are looked at.
    pub passes: u64,
    /// Participants who were purged: entries of theirs are not missed.
    pub erased: Option<&'a Denied>,
}

/// What is known of the sessions that are held, from the stage or from the dataset.
pub(super) struct Found {
    /// By the place of the session's first identity among those held.
    pub marks: Vec<Mark>,
    /// Sessions that are in the dataset twice.
    pub doubled: BTreeSet<u128>,
}

/// A published row, and the place of its session among those held.
type Match = (u64, usize);

impl Found {
    /// Puts the version that wins before all others of its session: the latest that lacks nothing which an earlier one has.
    pub fn in_list(held: &mut [Identity]) -> Self {
        let mut marks = vec![Mark::default(); held.len()];
        let mut at = 0;
        for versions in held.chunk_by_mut(|a, b| a.id == b.id) {
            marks[at].is_poorer = choose(versions);
            at += versions.len();
        }
        Self { marks, doubled: BTreeSet::new() }
    }

    /// Marks the published rows whose session is held.
    pub fn in_dataset(
        &mut self,
        resolution: &mut Resolution,
        sought: &Sought<'_>,
        published: &[Published],
        stored: &mut Stored,
    ) -> Result<()> {
        let Sought { held, pass, passes, .. } = *sought;
        for part in published {
            let partition = part.partition();
            let leaves = |at: usize| part.home(held[at].start()) != partition;
            let mut ended: Vec<Match> = Vec::new();
            part.each_session(|row, known| {
                let id = id::hash(known.id);
                let at = held.partition_point(|identity| identity.id < id);
                let is_held = |winner: &Identity| winner.id == id && winner.has_row() && pass_of(id, passes) == pass;
                if !held.get(at).is_some_and(is_held) {
                    return;
                }
                if std::mem::replace(&mut self.marks[at].is_known, true) {
                    self.doubled.insert(id);
                }
                if known.is_open {
                    resolution.replace(partition, row, leaves(at));
                } else {
                    ended.push((row, at));
                }
            })?;
            let mut poorer = sought.poorer(part, &ended, stored)?.into_iter().peekable();
            for (row, at) in ended {
                if poorer.next_if_eq(&(row, at)).is_some() {
                    (self.marks[at].is_kept, self.marks[at].is_poorer) = (true, true);
                    resolution.keep(partition, row);
                } else {
                    resolution.replace(partition, row, leaves(at));
                }
            }
        }
        Ok(())
    }
}

impl Sought<'_> {
    /// Of published rows those whose session lacks something, as it is held.
    fn poorer(&self, part: &Published, rows: &[Match], stored: &mut Stored) -> Result<Vec<Match>> {
        let poorer = self.lacking(rows, |each| stored.each(part, numbers(rows), each))?;
        match self.erased {
            // Whether somebody is erased takes longest to find out.
            Some(_) => self.lacking(&poorer, |each| part.each_facts(numbers(&poorer), self.erased, each)),
            None => Ok(poorer),
        }
    }

    fn lacking(&self, rows: &[Match], read: impl FnOnce(&mut dyn FnMut(Facts)) -> Result<()>) -> Result<Vec<Match>> {
        let (mut pending, mut lacking) = (rows.iter(), Vec::new());
        if !rows.is_empty() {
            read(&mut |known| {
                let lacks = |(_, at): &&Match| is_poorer(&self.held[*at].facts, &known);
                lacking.extend(pending.next().filter(lacks));
            })?;
        }
        Ok(lacking)
    }
}

fn numbers(rows: &[Match]) -> impl Iterator<Item = u64> {
    rows.iter().map(|(row, _)| *row)
}

/// Puts the version that wins first; says whether one that has ended lacks what another one has. They come with the latest
/// ended one first. Which of two answers was given later is not quite certain, so either may be the one that lacks something.
fn choose(versions: &mut [Identity]) -> bool {
    let ended = versions.iter().take_while(|version| version.has_row() && !version.is_open()).count();
    let (mut winner, mut lacks) = (ended.saturating_sub(1), false);
    for at in (0..winner).rev() {
        let (newer, known) = (versions[at].facts, versions[winner].facts);
        let is_behind = is_poorer(&newer, &known);
        lacks |= is_behind || is_poorer(&known, &newer);
        if !is_behind {
            winner = at;
        }
    }
    versions.swap(0, winner);
    lacks
}

impl Resolution {
    fn keep(&mut self, partition: Partition, row: u64) {
        self.superseded.entry(partition).or_default().set(row);
        self.kept.entry(partition).or_default().set(row);
    }

    /// A run that was killed while it moved sessions has left some of them in two partitions. Those that are kept are kept in
    /// one of them, not the one that they were to leave.
    pub(super) fn keep_once(
        &mut self,
        published: &[Published],
        doubled: &BTreeSet<u128>,
        moving: &Moving,
    ) -> Result<()> {
        if doubled.is_empty() || self.kept.is_empty() {
            return Ok(());
        }
        for (id, places) in places(published, |id| doubled.contains(&id::hash(id)))? {
            let is_kept =
                |(partition, row): &(Partition, u64)| self.kept.get(partition).is_some_and(|rows| rows.has(*row));
            let kept = places.iter().copied().filter(is_kept);
            let Some(stays) = kept.max_by_key(|(partition, _)| (moving.get(&id) != Some(partition), *partition)) else {
                continue;
            };
            for (partition, row) in places.into_iter().filter(|place| *place != stays) {
                self.replace(partition, row, true);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::facts::Own;
    use crate::rows::flatten::Entry;

    /// A version with so many participants, as they come: ended ones first, the latest of them first.
    fn versions(listed: &[(bool, u32)]) -> Vec<Identity> {
        let mut versions: Vec<_> = (0..)
            .zip(listed)
            .map(|(response, (is_open, participants))| {
                let own = Own::of([(Own::ENDED, !is_open)]);
                let facts = Facts { own, participants: *participants, ..Facts::default() };
                let entry = Entry { id: 7, start: None, is_open: *is_open, facts, position: 0 };
                Identity::of(&entry, response, response)
            })
            .collect();
        versions.sort_by_key(|version| std::cmp::Reverse(version.rank));
        versions
    }

    /// The number of the version that wins, and whether one lacked something.
    fn chosen(listed: &[(bool, u32)]) -> (u64, bool) {
        let mut versions = versions(listed);
        let lacks = choose(&mut versions);
        (versions[0].ordinal, lacks)
    }

    #[test]
    fn the_latest_version_wins_that_lacks_nothing() {
        let (ended, open) = (|count| (false, count), |count| (true, count));
        assert_eq!(chosen(&[ended(2)]), (0, false));
        assert_eq!(chosen(&[ended(2), ended(2)]), (1, false));
        assert_eq!(chosen(&[ended(2), ended(0), ended(2), ended(0)]), (2, true));
        assert_eq!(chosen(&[ended(0), ended(2)]), (1, true));
        assert_eq!(chosen(&[ended(0), ended(2), ended(1)]), (1, true));
        // A running session may do as it likes, and ends with whatever it ends with.
        assert_eq!(chosen(&[open(5), open(2)]), (1, false));
        assert_eq!(chosen(&[open(5), ended(2), open(5)]), (1, false));
        let mut listed = vec![Identity::without_row(7, 0, None), Identity::without_row(7, 1, None)];
        assert!(!choose(&mut listed));
    }

    proptest! {
        #[test]
        fn the_winner_lacks_nothing_of_what_was_known_before_it(counts in prop::collection::vec(0..4_u32, 1..7)) {
            let (winner, lacks) = chosen(&counts.iter().map(|count| (false, *count)).collect::<Vec<_>>());
            let most = counts.iter().copied().max().unwrap();
            prop_assert_eq!(counts[usize::try_from(winner).unwrap()], most);
            prop_assert_eq!(lacks, counts.iter().any(|count| *count != most));
        }
    }
}
