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
    if length == 0 {
        return 0;
    }
    if is_same(&published.rows(at, at + length), &staged.rows(row, row + length)) {
        return length as u64;
    }
    let half = length / 2;
    same(published, at, staged, row, half)
        + if half == 0 { 0 } else { same(published, at + half, staged, row + half, length - half) }
}

fn is_same(published: &Run, staged: &Run) -> bool {
    Table::ALL.into_iter().all(|table| published[table].columns() == staged[table].columns())
}
