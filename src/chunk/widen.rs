//! Staged rows to published ones: what repeats a session or a participant, or follows from other columns.
//!
//! Pure. Made when rows are read back, so that less of them is written to the stage.

use std::sync::Arc;

use arrow_array::builder::{Int64Builder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::take::take;

use super::{child_offsets, column, parents, rows_of, time};
use crate::attendance::{self, Bounds};
use crate::tables::{PARENT_COLUMNS, Table};

/// Columns by name.
type Made = Vec<(&'static str, ArrayRef)>;

/// The rows of participants; `offsets` say where each session's begin.
pub fn participants(
    sessions: &RecordBatch,
    staged: &RecordBatch,
    offsets: &[usize],
) -> Result<RecordBatch, ArrowError> {
    let made = vec![("is_excluded", falses(staged.num_rows()))];
    publish(Table::Participants, parents(sessions, offsets)?, staged, &made)
}

/// The rows of timelogs; `offsets` say where each session's participants and timelogs begin.
pub fn timelogs(
    sessions: &RecordBatch,
    participants: &RecordBatch,
    staged: &RecordBatch,
    offsets: &[Vec<usize>; 2],
) -> Result<RecordBatch, ArrowError> {
    let of_participants = child_offsets(participants, "join_count");
    if of_participants.last() != Some(&staged.num_rows()) {
        return Err(ArrowError::InvalidArgumentError("participants have other timelogs than they say".to_owned()));
    }
    let participant_id = take(column(participants, "participant_id"), &rows_of(&of_participants), None)?;
    let mut made = places(participants, &of_participants);
    made.extend(spans(sessions, staged, &offsets[1]));
    made.push(("participant_id", participant_id));
    made.push(("is_excluded", falses(staged.num_rows())));
    publish(Table::Timelogs, parents(sessions, &offsets[1])?, staged, &made)
}

/// Whose each timelog is, and where it stands among that participant's.
fn places(participants: &RecordBatch, offsets: &[usize]) -> Made {
    let index = column(participants, "participant_index").as_primitive::<Int32Type>();
    let rows = offsets.last().copied().unwrap_or_default();
    let (mut participant_index, mut timelog_index) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (index, bounds) in index.values().iter().zip(offsets.windows(2)) {
        participant_index.resize(bounds[1], *index);
        timelog_index.extend((0_i32..).take(bounds[1] - bounds[0]));
    }
    let counts = |values: Vec<i32>| Arc::new(Int32Array::from(values)) as ArrayRef;
    vec![("participant_index", counts(participant_index)), ("timelog_index", counts(timelog_index))]
}

/// How long each timelog is, and what of it counts.
fn spans(sessions: &RecordBatch, timelogs: &RecordBatch, offsets: &[usize]) -> Made {
    let times = |batch, name| column(batch, name).as_primitive::<TimestampMicrosecondType>().clone();
    let (begun, ended) = (times(sessions, "started_at"), times(sessions, "ended_at"));
    let (joined, left) = (times(timelogs, "started_at"), times(timelogs, "ended_at"));
    let flags = |batch| column(batch, "is_open").as_boolean();
    let (is_running, is_open) = (flags(sessions), flags(timelogs));

    let rows = timelogs.num_rows();
    let new = || TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
    let (mut durations, mut starts, mut ends) = (Int64Builder::with_capacity(rows), new(), new());
    for (session, rows) in offsets.windows(2).enumerate() {
        let (start, end) = (time(&begun, session), time(&ended, session));
        let bounds = Bounds { start, end, is_open: is_running.value(session) };
        for row in rows[0]..rows[1] {
            let (start, end) = (time(&joined, row), time(&left, row));
            let effective = attendance::count(bounds, start, end, is_open.value(row)).effective;
            durations.append_option(attendance::duration(start, end));
            starts.append_option(effective.map(|span| span.start));
            ends.append_option(effective.map(|span| span.end));
        }
    }
    vec![
        ("duration_ms", Arc::new(durations.finish())),
        ("effective_started_at", Arc::new(starts.finish())),
        ("effective_ended_at", Arc::new(ends.finish())),
    ]
}

fn falses(rows: usize) -> ArrayRef {
    Arc::new(BooleanArray::new(BooleanBuffer::new_unset(rows), None))
}

/// Puts the columns of a table in order: what repeats the session, then what is staged and what was made.
fn publish(table: Table, parents: Vec<ArrayRef>, staged: &RecordBatch, made: &Made) -> Result<RecordBatch, ArrowError> {
    let mut columns = parents;
    columns.extend(table.columns()[PARENT_COLUMNS..].iter().map(|wanted| {
        let new = made.iter().find(|(name, _)| *name == wanted.name);
        Arc::clone(new.map_or_else(|| column(staged, wanted.name), |(_, column)| column))
    }));
    RecordBatch::try_new(table.schema(), columns)
}
