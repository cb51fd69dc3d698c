//! How many staged sessions say the same as what is published of them.
//!
//! Both sides come in the order of their keys. Where the same sessions follow one another on both, they are compared
//! together, a column at a time; only where those differ, in halves. What has not changed, which is most, costs next to nothing.

use std::collections::VecDeque;
use std::ops::Range;

use super::Run;
use crate::rows::chunk::{Chunk, Key};
use crate::rows::tables::Table;

/// Published sessions that a staged one takes the place of, as far as they may still come up among the staged ones.
#[derive(Default)]
pub struct Alike {
    published: VecDeque<Superseded>,
    same: u64,
}

/// A published chunk, and which of its rows are superseded and not looked at yet, in order.
struct Superseded {
    chunk: Chunk,
    rows: VecDeque<usize>,
}

impl Alike {
    /// Takes in a published chunk, the next by its keys, with those of its rows that are superseded.
    pub fn supersede(&mut self, chunk: &Chunk, rows: impl Iterator<Item = usize>) {
        let rows: VecDeque<_> = rows.collect();
        if !rows.is_empty() {
            self.published.push_back(Superseded { chunk: chunk.clone(), rows });
        }
    }

    /// Takes in staged sessions, the next by their keys.
    pub fn stage(&mut self, chunk: &Chunk, rows: Range<usize>) {
        let mut row = rows.start;
        while row < rows.end {
            self.pass(chunk.key(row));
            let Some(superseded) = self.published.front_mut() else { return };
            let Some(&first) = superseded.rows.front() else { return };
            let length = superseded.common(first, chunk, row..rows.end);
            self.same += same(&superseded.chunk, first, chunk, row, length);
            superseded.rows.drain(..length);
            row += length.max(1);
        }
    }

    /// Counts one of which another has found out that it has not changed.
    pub const fn count(&mut self) {
        self.same += 1;
    }

    /// How many were the same.
    pub const fn same(&self) -> u64 {
        self.same
    }

    /// Forgets what comes before a key.
    fn pass(&mut self, key: Key<'_>) {
        while let Some(Superseded { chunk, rows }) = self.published.front_mut() {
            while rows.front().is_some_and(|row| chunk.key(*row) < key) {
                rows.pop_front();
            }
            if !rows.is_empty() {
                return;
            }
            self.published.pop_front();
        }
    }
}

impl Superseded {
    /// How many sessions follow one another on both sides, from a row of each on.
    fn common(&self, first: usize, staged: &Chunk, rows: Range<usize>) -> usize {
        let follows =
            |(at, row): (usize, &usize)| *row == first + at && self.chunk.key(*row) == staged.key(rows.start + at);
        self.rows.iter().enumerate().take(rows.len()).take_while(|pair| follows(*pair)).count()
    }
}

/// How many of so many sessions are the same on both sides.
fn same(published: &Chunk, at: usize, staged: &Chunk, row: usize, length: usize) -> u64 {
    if length == 0 || is_same(&published.rows(at, at + length), &staged.rows(row, row + length)) {
        return length as u64;
    }
    if length == 1 {
        return 0;
    }
    let half = length / 2;
    same(published, at, staged, row, half) + same(published, at + half, staged, row + half, length - half)
}

fn is_same(published: &Run, staged: &Run) -> bool {
    Table::ALL.into_iter().all(|table| published[table].columns() == staged[table].columns())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rows::flatten::{self, Options};
    use crate::rows::method::Method;
    use crate::sim::{Account, Session, Shape, wire};

    fn chunk(sessions: &[&Session]) -> Chunk {
        let mut body = b"{\"data\":[".to_vec();
        for (at, session) in sessions.iter().enumerate() {
            body.extend_from_slice(if at > 0 { b"," } else { b"" });
            wire::session(&mut body, session);
        }
        body.extend_from_slice(wire::PAGE_TAIL);
        Chunk::widen(&flatten::page(body, &Options::default()).unwrap().batches, &Method::default()).unwrap()
    }

    /// What is listed now of a session that is published.
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum Now {
        Same,
        Changed,
        Unlisted,
        /// The same, and not superseded, as where the published version stays.
        Kept,
    }

    proptest! {
        #[test]
        fn what_has_not_changed_is_counted_however_it_comes(
            now in prop::collection::vec(
                prop_oneof![
                    6 => Just(Now::Same), 2 => Just(Now::Changed), 2 => Just(Now::Unlisted), 1 => Just(Now::Kept)
                ],
                0..40,
            ),
            published_at_once in 1..15_usize,
            staged_at_once in 1..15_usize,
            fresh in prop::collection::vec(any::<bool>(), 40),
        ) {
            // In the order of their keys.
            let sessions: Vec<Session> = Account::new(5, 2 * now.len() as u64, Shape::Varied).sessions().collect();
            let sessions: Vec<&Session> = sessions.iter().rev().collect();
            let (published, others): (Vec<&Session>, Vec<&Session>) =
                (sessions.iter().step_by(2).copied().collect(), sessions.iter().skip(1).step_by(2).copied().collect());
            let changed: Vec<Session> = published
                .iter()
                .map(|session| Session { active_duration: session.active_duration + 1.0, ..(*session).clone() })
                .collect();
            let mut staged: Vec<&Session> = Vec::new();
            for (at, now) in now.iter().enumerate() {
                match now {
                    Now::Same => staged.push(published[at]),
                    Now::Changed => staged.push(&changed[at]),
                    Now::Unlisted | Now::Kept => {}
                }
                staged.extend(Some(others[at]).filter(|_| fresh[at]));
            }
            let mut alike = Alike::default();
            for (from, sessions) in (0..).step_by(published_at_once).zip(published.chunks(published_at_once)) {
                let superseded = (0..sessions.len()).filter(|row| now[from + row] != Now::Kept);
                alike.supersede(&chunk(sessions), superseded);
            }
            for sessions in staged.chunks(staged_at_once) {
                let chunk = chunk(sessions);
                let middle = chunk.len() / 2;
                alike.stage(&chunk, 0..middle);
                alike.stage(&chunk, middle..chunk.len());
            }
            let same = now.iter().filter(|now| **now == Now::Same).count() as u64;
            prop_assert_eq!(alike.same(), same);
        }
    }
}
