//! Sessions of a published partition with all their rows, some at a time.

use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::part::{Rows, damaged};
use crate::dataset::erasures::Tally;
use crate::dataset::erasures::rows::Rules;
use crate::error::Result;
use crate::rows::chunk::{Chunk, Key, Keys, weight};
use crate::rows::erasure::Denied;
use crate::rows::method::Method;
use crate::rows::recount;
use crate::rows::tables::{Table, Tables};
use crate::words::foreign;
use crate::words::limits;

/// A published partition, some sessions at a time.
pub struct Chunks {
    pub(super) sessions: Option<Rows>,
    /// Sessions that were read and are not passed on yet.
    pub(super) waiting: Option<RecordBatch>,
    pub(super) children: [Children; 2],
    /// By what the rows are wanted to be counted.
    pub(super) method: Arc<Method>,
    /// Whether the numbers in the files are others.
    pub(super) counts_anew: bool,
    /// Participants whose entries are left out, as if they had never been listed.
    pub(super) erased: Option<Arc<Denied>>,
}

impl Chunks {
    /// The same sessions without the entries of those who are erased, as if they had never been listed.
    #[must_use]
    pub fn without(self, erased: Option<Arc<Denied>>) -> Self {
        Self { erased, ..self }
    }

    /// By what the numbers in each table's file were counted; the run's own method where there is no file. They differ in a
    /// partition whose upgrade was stopped.
    pub fn methods(&self) -> Tables<Arc<Method>> {
        let [participants, timelogs] = self.children.each_ref().map(|children| children.rows.as_ref());
        let files = Tables { sessions: self.sessions.as_ref(), participants, timelogs };
        files.map(|rows| Arc::clone(rows.map_or(&self.method, |rows| &rows.method)))
    }

    /// The next sessions with their rows, none at the end: as many as fit into memory together, or one.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let Some(rows) = &mut self.sessions else { return Ok(None) };
        let next = self.waiting.take().map_or_else(|| rows.next(), |waiting| Ok(Some(waiting)));
        let Some(sessions) = next? else { return Ok(None) };
        let keys = Keys::new(Table::Sessions, &sessions);
        let [participants, timelogs] = &mut self.children;
        let mut of = [Taken::default(), Taken::default()];
        let mut taken = 0;
        while taken < keys.len() && of[0].bytes + of[1].bytes < limits::TOGETHER {
            participants.take(keys.key(taken), &mut of[0])?;
            timelogs.take(keys.key(taken), &mut of[1])?;
            taken += 1;
        }
        let batches = Tables {
            sessions: sessions.slice(0, taken),
            participants: participants.joined(&of[0])?,
            timelogs: timelogs.joined(&of[1])?,
        };
        if taken < keys.len() {
            self.waiting = Some(sessions.slice(taken, keys.len() - taken));
        }
        let mut chunk = Chunk::new(batches, of.map(|of| of.offsets));
        let place = rows.place.clone();
        // Before names and ids are protected, by which somebody is found.
        if self.erased.is_some() {
            let rules = Rules { floor: None, denied: self.erased.clone() };
            let rows_of = Arc::clone(&self.methods().participants);
            let selected = || rules.select(&chunk, rows_of.privacy.columns(), &mut Tally::new());
            let rest = foreign::read(|| selected().of(&chunk, &self.method));
            chunk = rest.map_err(|error| damaged(&place, error))?;
        }
        if self.counts_anew {
            let from = self.methods();
            chunk =
                foreign::read(|| recount::anew(chunk, &from, &self.method)).map_err(|error| damaged(&place, error))?;
        }
        Ok(Some(chunk))
    }
}

/// A child table, read along with its sessions.
pub(super) struct Children {
    pub rows: Option<Rows>,
    pub table: Table,
    pub batch: Option<(RecordBatch, Keys)>,
    pub row: usize,
}

impl Children {
    /// The rows that were taken, in one batch.
    fn joined(&self, taken: &Taken) -> Result<RecordBatch> {
        let place = self.rows.as_ref().map_or("", |rows| &rows.place);
        concat(self.table, &taken.slices).map_err(|error| damaged(place, error))
    }

    /// Takes the rows of one session.
    fn take(&mut self, session: Key<'_>, taken: &mut Taken) -> Result<()> {
        let (table, Taken { slices, offsets, bytes }) = (self.table, taken);
        let rows = self.each_run(session, |batch, rows| {
            *bytes += weight::of_published(table, batch, rows.start, rows.end);
            push(slices, batch, rows);
        })?;
        offsets.push(offsets.last().copied().unwrap_or_default() + rows);
        Ok(())
    }

    /// Calls with the rows of one session, and returns how many there are; rows of sessions before it have no session any
    /// more and are left out.
    pub fn each_run(&mut self, session: Key<'_>, mut each: impl FnMut(&RecordBatch, Range<usize>)) -> Result<usize> {
        let mut taken = 0;
        while self.fill()? {
            let Some((batch, keys)) = &self.batch else { break };
            let from = (self.row..keys.len()).find(|&row| keys.key(row) >= session).unwrap_or(keys.len());
            let to = (from..keys.len()).find(|&row| keys.key(row) != session).unwrap_or(keys.len());
            if to > from {
                each(batch, from..to);
                taken += to - from;
            }
            self.row = to;
            if to < keys.len() {
                break;
            }
        }
        Ok(taken)
    }

    /// Makes sure that there is a row at hand; false at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.batch.as_ref().is_none_or(|(batch, _)| self.row >= batch.num_rows()) {
            let Some(batch) = self.rows.as_mut().map(Rows::next).transpose()?.flatten() else {
                self.batch = None;
                return Ok(false);
            };
            let keys = Keys::new(self.table, &batch);
            self.batch = Some((batch, keys));
            self.row = 0;
        }
        Ok(true)
    }
}

/// Rows of a child table that were taken for some sessions.
struct Taken {
    slices: Vec<Slice>,
    /// The first row of each session, and the number of rows at the end.
    offsets: Vec<usize>,
    /// Bytes that these slices take in memory.
    bytes: usize,
}

impl Default for Taken {
    fn default() -> Self {
        Self { slices: Vec::new(), offsets: vec![0], bytes: 0 }
    }
}

/// Rows `from..to` of a batch, `to` not included.
struct Slice {
    batch: RecordBatch,
    from: usize,
    to: usize,
}

/// Adds rows, joining them to the last slice where they follow it: usually a whole batch becomes one slice.
fn push(slices: &mut Vec<Slice>, batch: &RecordBatch, Range { start: from, end: to }: Range<usize>) {
    match slices.last_mut() {
        Some(last) if from > 0 && last.to == from => last.to = to,
        _ => slices.push(Slice { batch: batch.clone(), from, to }),
    }
}

fn concat(table: Table, slices: &[Slice]) -> Result<RecordBatch, ArrowError> {
    let slices: Vec<_> = slices.iter().map(|slice| slice.batch.slice(slice.from, slice.to - slice.from)).collect();
    arrow_select::concat::concat_batches(&table.schema(), &slices)
}
