//! One partition's staged and published rows, merged into one sorted sequence of runs.
//!
//! Works on runs of whole sessions, never on rows: where sources do not interleave, a run is a slice that is passed on
//! without copying. A source is opened when the merge reaches it, so memory holds only those that overlap.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

use arrow_array::RecordBatch;

use super::identity::Bits;
use super::published::Chunks;
use crate::error::Result;
use crate::rows::chunk::{Chunk, Key};
use crate::rows::method::Method;
use crate::rows::tables::{Table, Tables, sessions};
use crate::stage::{Segment, Stage};

/// What one partition is made of.
pub struct Sources<'a> {
    /// The stage and its segments of the partition.
    pub stage: &'a Stage,
    /// By what staged rows are counted.
    pub method: &'a Method,
    /// The partition's segments of the stage, in any order.
    pub segments: &'a [Segment],
    /// Staged rows that lost against another version.
    pub lost: &'a Bits,
    /// The rows that are published in the partition; `None` where there are none.
    pub published: Option<Chunks>,
    /// Published rows that a staged session, or another published row, takes the place of.
    pub superseded: Bits,
}

/// A source that has rows left, in the heap by the key of its next row; what is published comes first at equal keys.
struct Waiting {
    start: Option<i64>,
    id: String,
    source: Source,
}

enum Source {
    Published { chunk: Chunk, row: usize, first: u64 },
    Closed(usize),
    Staged { chunk: Chunk, row: usize, first: u64 },
}

impl Waiting {
    fn key(&self) -> Key<'_> {
        (self.start, &self.id)
    }

    fn order(&self) -> (Key<'_>, bool) {
        (self.key(), !matches!(self.source, Source::Published { .. }))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

/// The merge of one partition's sources, by start and id.
pub struct Merge<'a> {
    sources: Sources<'a>,
    heap: BinaryHeap<Reverse<Waiting>>,
    /// Rows of the published chunks before the one at hand.
    published_rows: u64,
    /// A published open session that a staged version supersedes: kept as stored when nothing else changed.
    held: Option<Run>,
}

/// Rows of the three tables that follow one another.
pub type Run = Tables<RecordBatch>;

impl<'a> Merge<'a> {
    /// Begins a merge; a source is opened only when its first row is due.
    pub fn new(sources: Sources<'a>) -> Result<Self> {
        let mut heap = BinaryHeap::with_capacity(sources.segments.len() + 1);
        for (index, segment) in sources.segments.iter().enumerate() {
            let (start, id) = (segment.first_start, segment.first_id.clone());
            heap.push(Reverse(Waiting { start, id, source: Source::Closed(index) }));
        }
        let mut merge = Self { sources, heap, published_rows: 0, held: None };
        merge.next_published()?;
        Ok(merge)
    }

    /// Passes every run on, in order.
    pub fn run(mut self, mut each: impl FnMut(Run) -> Result<()>) -> Result<()> {
        while let Some(Reverse(Waiting { source, .. })) = self.heap.pop() {
            match source {
                Source::Closed(index) => {
                    let segment = &self.sources.segments[index];
                    let chunk = self.sources.stage.load(segment, self.sources.method)?;
                    self.wait_staged(chunk, 0, segment.first_ordinal);
                }
                Source::Staged { chunk, row, first } => self.staged(chunk, row, first, &mut each)?,
                Source::Published { chunk, row, first } => self.published(chunk, row, first, &mut each)?,
            }
        }
        Ok(())
    }

    fn wait(&mut self, start: Option<i64>, id: String, source: Source) {
        self.heap.push(Reverse(Waiting { start, id, source }));
    }

    /// Reads on to the next published chunk that has a row to wait for.
    fn next_published(&mut self) -> Result<()> {
        while let Some(chunks) = &mut self.sources.published {
            let Some(chunk) = chunks.next_chunk()? else { break };
            let first = self.published_rows;
            self.published_rows += chunk.len() as u64;
            if self.wait_published(chunk, 0, first) {
                break;
            }
        }
        Ok(())
    }

    /// Lets a chunk wait at its next row that has a say: one that stays, or an open one that may. Superseded rows are
    /// passed over here, since each one that waited would cut the staged rows around it into runs of one session.
    fn wait_published(&mut self, chunk: Chunk, from: usize, first: u64) -> bool {
        let superseded = |row: usize| self.sources.superseded.has(first + row as u64);
        let Some(row) = (from..chunk.len()).find(|&row| !superseded(row) || chunk.is_open(row)) else { return false };
        let (start, id) = owned(chunk.key(row));
        self.wait(start, id, Source::Published { chunk, row, first });
        true
    }

    /// Lets a chunk wait at its next row that has not lost.
    fn wait_staged(&mut self, chunk: Chunk, from: usize, first: u64) {
        let lost = |row: &usize| self.sources.lost.has(first + *row as u64);
        if let Some(row) = (from..chunk.len()).find(|row| !lost(row)) {
            let (start, id) = owned(chunk.key(row));
            self.wait(start, id, Source::Staged { chunk, row, first });
        }
    }

    /// The end of the run that begins at a row: up to the next source's key, or the first row that is not `alive`.
    fn run_end(&self, chunk: &Chunk, row: usize, alive: impl Fn(usize) -> bool) -> usize {
        let limit = self.heap.peek().map(|Reverse(next)| next.key());
        let before = |row: usize| limit.is_none_or(|limit| chunk.key(row) < limit);
        let last = chunk.len() - 1;
        if before(last) {
            return (row..chunk.len()).find(|&row| !alive(row)).unwrap_or(chunk.len());
        }
        (row..chunk.len()).find(|&row| !before(row) || !alive(row)).unwrap_or(chunk.len())
    }

    fn staged(&mut self, chunk: Chunk, row: usize, first: u64, each: &mut impl FnMut(Run) -> Result<()>) -> Result<()> {
        let alive = |row: usize| !self.sources.lost.has(first + row as u64);
        let mut next = row + 1;
        if let Some(held) = self.held.take_if(|held| is_same_session(held, &chunk, row)) {
            each(if changed(&held, &chunk.rows(row, next)) { chunk.rows(row, next) } else { held })?;
        } else {
            // At an equal key the first of the two goes alone.
            next = self.run_end(&chunk, row, alive).max(next);
            each(chunk.rows(row, next))?;
        }
        self.wait_staged(chunk, next, first);
        Ok(())
    }

    fn published(
        &mut self,
        chunk: Chunk,
        row: usize,
        first: u64,
        each: &mut impl FnMut(Run) -> Result<()>,
    ) -> Result<()> {
        let alive = |row: usize| !self.sources.superseded.has(first + row as u64);
        let mut next = row + 1;
        if alive(row) {
            next = self.run_end(&chunk, row, alive).max(row + 1);
            each(chunk.rows(row, next))?;
        } else {
            self.held = Some(chunk.rows(row, row + 1));
        }
        if self.wait_published(chunk, next, first) { Ok(()) } else { self.next_published() }
    }
}

/// A key that outlives its chunk.
fn owned((start, id): Key<'_>) -> (Option<i64>, String) {
    (start, id.to_owned())
}

fn is_same_session(held: &Run, chunk: &Chunk, row: usize) -> bool {
    sessions::session_id(&held.sessions).value(0) == chunk.key(row).1
}

/// Whether two versions of a session differ in anything but when it was last seen.
fn changed(old: &Run, new: &Run) -> bool {
    let is_same = |table: Table| {
        let mut columns = table.columns().iter().zip(old[table].columns().iter().zip(new[table].columns()));
        columns.all(|(column, (old, new))| column.name == "observed_at" || old == new)
    };
    !Table::ALL.into_iter().all(is_same)
}
