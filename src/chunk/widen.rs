//! Staged rows to published ones: what repeats a session or a participant, or follows from other columns.
//!
//! Pure. Made when rows are read back, so that less of them is written to the stage.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, Int64Builder, TimestampMicrosecondBuilder};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, RecordBatch};
use arrow_buffer::BooleanBuffer;
use arrow_schema::ArrowError;
use arrow_select::take::take;

use super::{child_offsets, column, parents, rows_of, time};
use crate::attendance::{self, Bounds, Totals, millis};
use crate::tables::{PARENT_COLUMNS, Table};

/// Columns by name.
type Made = Vec<(&'static str, ArrayRef)>;

/// The rows of participants and of timelogs; `offsets` say where each session's begin.
///
/// # Errors
/// Where the rows are not as many as the sessions and participants say.
pub fn children(
    sessions: &RecordBatch,
    participants: &RecordBatch,
    timelogs: &RecordBatch,
    offsets: &[Vec<usize>; 2],
) -> Result<[RecordBatch; 2], ArrowError> {
    let joins = child_offsets(participants, "join_count");
    let counts = [(&offsets[0], participants), (&offsets[1], timelogs), (&joins, timelogs)];
    if counts.iter().any(|(offsets, rows)| offsets.last() != Some(&rows.num_rows())) {
        return Err(ArrowError::InvalidArgumentError("there are other rows than are counted".to_owned()));
    }
    let participant_id = take(column(participants, "participant_id"), &rows_of(&joins), None)?;
    let (of_participants, mut of_timelogs) = numbers(sessions, timelogs, &offsets[0], &joins);
    of_timelogs.extend(places(participants, &joins));
    of_timelogs.push(("participant_id", participant_id));
    Ok([
        publish(Table::Participants, parents(sessions, &offsets[0])?, participants, of_participants)?,
        publish(Table::Timelogs, parents(sessions, &offsets[1])?, timelogs, of_timelogs)?,
    ])
}

/// Whose each timelog is, and where it stands among that participant's.
fn places(participants: &RecordBatch, joins: &[usize]) -> Made {
    let index = column(participants, "participant_index").as_primitive::<Int32Type>();
    let rows = joins.last().copied().unwrap_or_default();
    let (mut participant_index, mut timelog_index) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (index, rows) in index.values().iter().zip(joins.windows(2)) {
        participant_index.resize(rows[1], *index);
        timelog_index.extend((0_i32..).take(rows[1] - rows[0]));
    }
    let counts = |values: Vec<i32>| Arc::new(Int32Array::from(values)) as ArrayRef;
    vec![("participant_index", counts(participant_index)), ("timelog_index", counts(timelog_index))]
}

/// What each timelog counts for, and what those of a participant add up to.
fn numbers(sessions: &RecordBatch, timelogs: &RecordBatch, entries: &[usize], joins: &[usize]) -> (Made, Made) {
    let times = |batch, name| column(batch, name).as_primitive::<TimestampMicrosecondType>();
    let (begun, ended) = (times(sessions, "started_at"), times(sessions, "ended_at"));
    let (joined, left) = (times(timelogs, "started_at"), times(timelogs, "ended_at"));
    let flags = |batch| column(batch, "is_open").as_boolean();
    let (is_running, is_open) = (flags(sessions), flags(timelogs));

    let new = |rows| TimestampMicrosecondBuilder::with_capacity(rows).with_timezone("UTC");
    let rows = timelogs.num_rows();
    let (mut durations, mut starts, mut ends) = (Int64Builder::with_capacity(rows), new(rows), new(rows));
    let rows = joins.len();
    let (mut first_joined, mut last_left) = (new(rows), new(rows));
    let (mut gross, mut present) = (Int64Builder::with_capacity(rows), BooleanBuilder::with_capacity(rows));
    for (session, entries) in entries.windows(2).enumerate() {
        let (start, end) = (time(begun, session), time(ended, session));
        let bounds = Bounds { start, end, is_open: is_running.value(session) };
        for rows in joins[entries[0]..=entries[1]].windows(2) {
            let mut totals = Totals::default();
            for row in rows[0]..rows[1] {
                let (start, end) = (time(joined, row), time(left, row));
                let counted = attendance::count(bounds, start, end, is_open.value(row));
                totals.add(&counted);
                durations.append_option(attendance::duration(start, end));
                starts.append_option(counted.effective.map(|span| span.start));
                ends.append_option(counted.effective.map(|span| span.end));
            }
            first_joined.append_option(totals.first_joined);
            last_left.append_option(totals.last_left());
            gross.append_value(millis(totals.gross));
            present.append_value(totals.is_present);
        }
    }
    let of_participants: Made = vec![
        ("first_joined_at", Arc::new(first_joined.finish())),
        ("last_left_at", Arc::new(last_left.finish())),
        ("gross_ms", Arc::new(gross.finish())),
        ("is_present", Arc::new(present.finish())),
    ];
    let of_timelogs: Made = vec![
        ("duration_ms", Arc::new(durations.finish())),
        ("effective_started_at", Arc::new(starts.finish())),
        ("effective_ended_at", Arc::new(ends.finish())),
    ];
    (of_participants, of_timelogs)
}

/// Puts the columns of a table in order: what repeats the session, then what is staged and what was made.
fn publish(
    table: Table,
    parents: Vec<ArrayRef>,
    staged: &RecordBatch,
    mut made: Made,
) -> Result<RecordBatch, ArrowError> {
    let nobody = BooleanArray::new(BooleanBuffer::new_unset(staged.num_rows()), None);
    made.push(("is_excluded", Arc::new(nobody)));
    let mut columns = parents;
    columns.extend(table.columns()[PARENT_COLUMNS..].iter().map(|wanted| {
        let new = made.iter().find(|(name, _)| *name == wanted.name);
        Arc::clone(new.map_or_else(|| column(staged, wanted.name), |(_, column)| column))
    }));
    RecordBatch::try_new(table.schema(), columns)
}
