//! Some sessions with all their rows: three batches in one order, and which child rows belong to which session.

pub mod weight;
mod widen;

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray, UInt32Array,
};
use arrow_schema::ArrowError;
use arrow_select::take::take;

use crate::rows::count::Roll;
use crate::rows::method::Method;
use crate::rows::tables::{PARENT_COLUMNS, Table, Tables, sessions, time};

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

    /// How many rows the batch has; each row has a key, and those of one session have the same.
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

/// For each child table: the first row of each session, and the number of rows at the end.
pub type Offsets = [Vec<usize>; 2];

/// Sessions in key order with their participants and timelogs, as published.
#[derive(Debug, Clone)]
pub struct Chunk {
    batches: Tables<RecordBatch>,
    offsets: Offsets,
    keys: Keys,
    open: BooleanArray,
}

impl Chunk {
    /// From published batches and the child rows of each session.
    pub fn new(batches: Tables<RecordBatch>, offsets: Offsets) -> Self {
        let keys = Keys::new(Table::Sessions, &batches.sessions);
        let open = sessions::is_open(&batches.sessions).clone();
        Self { batches, offsets, keys, open }
    }

    /// From staged batches, which lack what repeats or follows from other columns: it is filled in here.
    ///
    /// # Errors
    /// Where the rows are not as many as the sessions and participants say.
    pub fn widen(staged: &Tables<RecordBatch>, method: &Method) -> Result<Self, ArrowError> {
        let offsets = offsets(&staged.sessions);
        Ok(Self::new(widen::widen(staged, &offsets, method)?, offsets))
    }

    /// The same sessions and children with other columns.
    #[must_use]
    pub fn with(self, batches: Tables<RecordBatch>) -> Self {
        Self::new(batches, self.offsets)
    }

    /// How many sessions the chunk holds, whatever number of participants and timelogs they have.
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
    pub const fn batches(&self) -> &Tables<RecordBatch> {
        &self.batches
    }

    /// What is listed in the rows, which are as a method has them.
    pub fn roll(&self, method: &Method) -> Roll<'_> {
        Roll::of_published(&self.batches, &self.offsets, method)
    }

    /// Where the rows of a session are among the participants and among the timelogs.
    pub fn children(&self, row: usize) -> [Range<usize>; 2] {
        self.offsets.each_ref().map(|offsets| offsets[row]..offsets[row + 1])
    }

    /// What the rows of a child table should repeat of their sessions, in the order of the columns.
    pub fn parents(&self, table: Table) -> Result<Vec<ArrayRef>, ArrowError> {
        parents(&self.batches.sessions, &self.offsets[usize::from(table == Table::Timelogs)])
    }

    /// Whether a session is still running.
    pub fn is_open(&self, row: usize) -> bool {
        self.open.value(row)
    }

    /// The rows of sessions `from..to` in all tables, without copying.
    pub fn rows(&self, from: usize, to: usize) -> Tables<RecordBatch> {
        slice(&self.batches, &self.offsets, from, to)
    }
}

/// The rows of sessions `from..to` in all tables, staged or published, without copying.
pub fn slice(batches: &Tables<RecordBatch>, offsets: &Offsets, from: usize, to: usize) -> Tables<RecordBatch> {
    let child = |batch: &RecordBatch, offsets: &[usize]| batch.slice(offsets[from], offsets[to] - offsets[from]);
    Tables {
        sessions: batches.sessions.slice(from, to - from),
        participants: child(&batches.participants, &offsets[0]),
        timelogs: child(&batches.timelogs, &offsets[1]),
    }
}

/// A column that the batch has.
///
/// # Panics
/// Where it has none of this name: a defect of this program.
pub fn column<'a>(batch: &'a RecordBatch, name: &str) -> &'a ArrayRef {
    &batch[name]
}

/// Rows with some columns in place of their own, by name.
///
/// # Errors
/// Where the rows have no such column, or another number or type of values.
pub fn replaced<'a>(
    rows: &RecordBatch,
    columns: impl IntoIterator<Item = (&'a str, ArrayRef)>,
) -> Result<RecordBatch, ArrowError> {
    let mut all = rows.columns().to_vec();
    for (name, values) in columns {
        all[rows.schema_ref().index_of(name)?] = values;
    }
    RecordBatch::try_new(rows.schema(), all)
}

/// Where the child rows of each session begin, by what the sessions say.
pub fn offsets(rows: &RecordBatch) -> Offsets {
    [sessions::participant_count(rows), sessions::timelog_count(rows)].map(child_offsets)
}

/// The first child row of each row, from a column of counts, and the end.
fn child_offsets(counts: &Int32Array) -> Vec<usize> {
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
