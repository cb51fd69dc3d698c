//! Some sessions with all their rows: three batches in one order, and which child rows belong to which session.

mod next_joins;
pub mod weight;
mod widen;

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array};
use arrow_schema::ArrowError;
use arrow_select::take::take;

use crate::rows::tables::{PARENT_COLUMNS, Table};
pub(crate) use next_joins::{NextJoins, Rows};

/// A session's place in every table: start, nulls first, then id, bytewise.
pub type Key<'a> = (Option<i64>, &'a str);

/// The keys of a batch's rows, in order.
#[derive(Debug, Clone)]
pub struct Keys {
    starts: TimestampMicrosecondArray,
    ids: StringArray,
}

impl Keys {
    /// The keys of a batch of published rows of a table.
    pub fn new(table: Table, batch: &RecordBatch) -> Self {
        let starts = column(batch, table.sort_columns()[0]).as_primitive::<TimestampMicrosecondType>().clone();
        let ids = column(batch, "session_id").as_string::<i32>().clone();
        Self { starts, ids }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The key of a row.
    pub fn key(&self, row: usize) -> Key<'_> {
        (time(&self.starts, row), self.ids.value(row))
    }
}

/// Sessions in key order with their participants and timelogs, as published.
#[derive(Debug, Clone)]
pub struct Chunk {
    batches: [RecordBatch; 3],
    /// For each child table: the first row of each session, and the number of rows at the end.
    offsets: [Vec<usize>; 2],
    keys: Keys,
    open: BooleanArray,
}

impl Chunk {
    /// From published batches and the child rows of each session.
    pub fn new(batches: [RecordBatch; 3], offsets: [Vec<usize>; 2]) -> Self {
        let keys = Keys::new(Table::Sessions, &batches[0]);
        let open = column(&batches[0], "is_open").as_boolean().clone();
        Self { batches, offsets, keys, open }
    }

    /// From staged batches, which lack what repeats or follows from other columns: it is filled in here.
    pub fn widen(staged: [RecordBatch; 3]) -> Result<Self, ArrowError> {
        let offsets = ["participant_count", "timelog_count"].map(|name| child_offsets(&staged[0], name));
        let [sessions, participants, timelogs] = staged;
        let [participants, timelogs] = widen::children(&sessions, &participants, &timelogs, &offsets)?;
        Ok(Self::new([widen::sessions(&sessions)?, participants, timelogs], offsets))
    }

    /// The same sessions and children with other columns.
    #[must_use]
    pub fn with(self, batches: [RecordBatch; 3]) -> Self {
        Self::new(batches, self.offsets)
    }

    /// Number of sessions.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there are no sessions.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of a session.
    pub fn key(&self, row: usize) -> Key<'_> {
        self.keys.key(row)
    }

    /// The rows of all tables.
    pub const fn batches(&self) -> &[RecordBatch; 3] {
        &self.batches
    }

    /// Where the rows of a session are among the participants and among the timelogs.
    pub fn children(&self, row: usize) -> [Range<usize>; 2] {
        self.offsets.each_ref().map(|offsets| offsets[row]..offsets[row + 1])
    }

    /// What the rows of a child table should repeat of their sessions, in the order of the columns.
    pub fn parents(&self, table: Table) -> Result<Vec<ArrayRef>, ArrowError> {
        parents(&self.batches[0], &self.offsets[usize::from(table == Table::Timelogs)])
    }

    /// Whether a session is still running.
    pub fn is_open(&self, row: usize) -> bool {
        self.open.value(row)
    }

    /// The rows of sessions `from..to` in all tables, without copying.
    pub fn rows(&self, from: usize, to: usize) -> [RecordBatch; 3] {
        let [participants, timelogs] = &self.offsets;
        let child = |batch: &RecordBatch, offsets: &[usize]| batch.slice(offsets[from], offsets[to] - offsets[from]);
        let [sessions, p, t] = &self.batches;
        [sessions.slice(from, to - from), child(p, participants), child(t, timelogs)]
    }
}

/// A column that the schema has.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    let index = batch.schema_ref().index_of(name).unwrap_or_default();
    batch.column(index)
}

/// A time, in microseconds.
pub fn time(times: &TimestampMicrosecondArray, row: usize) -> Option<i64> {
    times.is_valid(row).then(|| times.value(row))
}

/// The first child row of each session, from a column of counts, and the end.
pub fn child_offsets(sessions: &RecordBatch, counts: &str) -> Vec<usize> {
    let counts = column(sessions, counts).as_primitive::<Int32Type>();
    let mut end = 0;
    let mut offsets = Vec::with_capacity(counts.len() + 1);
    offsets.push(0);
    for &count in counts.values() {
        end += usize::try_from(count).unwrap_or_default();
        offsets.push(end);
    }
    offsets
}

/// What child rows repeat of their sessions; `offsets` say where each session's begin.
fn parents(sessions: &RecordBatch, offsets: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
    let rows = rows_of(offsets);
    sessions.columns()[..PARENT_COLUMNS].iter().map(|column| take(column, &rows, None)).collect()
}

/// For each child row, the row of its parent.
fn rows_of(offsets: &[usize]) -> UInt32Array {
    let mut parents = Vec::with_capacity(offsets.last().copied().unwrap_or_default());
    for (parent, bounds) in (0_u32..).zip(offsets.windows(2)) {
        parents.resize(bounds[1], parent);
    }
    parents.into()
}
