//! Staged rows to published ones: what repeats a session or a participant, and what is counted.
//!
//! Pure. Made when rows are read back, so that less of them is written to the stage.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, Int32Array, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::take::take;

use super::{Offsets, child_offsets, column, parents, rows_of};
use crate::rows::anomaly;
use crate::rows::count::{Roll, Told, count};
use crate::rows::method::Method;
use crate::rows::tables::{Computed, Origin, Table, Tables, participants};

/// The rows as published, counted by a method of this schema version; `offsets` say where each session's begin.
///
/// # Errors
/// Where the rows are not as many as the sessions and participants say, or not those of the tables.
pub fn widen(
    staged: &Tables<RecordBatch>,
    offsets: &Offsets,
    method: &Method,
) -> Result<Tables<RecordBatch>, ArrowError> {
    let joins = child_offsets(participants::join_count(&staged.participants));
    let rows = staged.each_ref().map(RecordBatch::num_rows);
    let told = [(&offsets[0], rows.participants), (&offsets[1], rows.timelogs), (&joins, rows.timelogs)];
    if told.iter().any(|(offsets, rows)| offsets.last() != Some(rows)) {
        return Err(ArrowError::InvalidArgumentError("there are other rows than are counted".to_owned()));
    }
    let [participant_index, timelog_index] = places(participants::participant_index(&staged.participants), &joins);
    let participant_id = take(participants::participant_id(&staged.participants), &rows_of(&joins), None)?;
    let read = staged.each_ref().map(|batch| anomaly::of_bits(column(batch, "anomalies")));
    let told = Told::of_staged(&staged.participants);
    let roll = Roll::new(staged, offsets, (participant_id.as_string(), &participant_index), read, Some(told));
    let counted = count(&roll, method);
    let of_participant = [Arc::new(participant_index) as ArrayRef, participant_id, Arc::new(timelog_index)];
    let mut repeated = Tables {
        sessions: Vec::new(),
        participants: parents(&staged.sessions, &offsets[0])?,
        timelogs: parents(&staged.sessions, &offsets[1])?,
    };
    repeated.timelogs.extend(of_participant);
    let Tables { sessions, participants, timelogs } = staged.each_ref().zip(repeated).zip(counted);
    Ok(Tables {
        sessions: complete(Table::Sessions, sessions)?,
        participants: complete(Table::Participants, participants)?,
        timelogs: complete(Table::Timelogs, timelogs)?,
    })
}

/// Whose each timelog is, and where it stands among that participant's.
fn places(participant_index: &Int32Array, joins: &[usize]) -> [Int32Array; 2] {
    let rows = joins.last().copied().unwrap_or_default();
    let (mut of, mut place) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (index, rows) in participant_index.values().iter().zip(joins.windows(2)) {
        of.resize(rows[1], *index);
        place.extend((0_i32..).take(rows[1] - rows[0]));
    }
    [of, place].map(Int32Array::from)
}

/// The rows of a table, each column from where it comes.
fn complete(
    table: Table,
    ((staged, repeated), counted): ((&RecordBatch, Vec<ArrayRef>), Computed),
) -> Result<RecordBatch, ArrowError> {
    let mut repeated = repeated.into_iter();
    let mut counted = counted.into_iter().map(|(_, values)| values);
    let columns = table.columns().iter().map(|column| {
        let values = match column.origin {
            Origin::Listed => staged.column_by_name(column.name).map(Arc::clone),
            Origin::Session | Origin::Participant => repeated.next(),
            Origin::Rows | Origin::Odd | Origin::Counted | Origin::Personal => counted.next(),
        };
        values.ok_or_else(|| ArrowError::SchemaError(format!("not made: {}", column.name)))
    });
    RecordBatch::try_new(table.schema(), columns.collect::<Result<Vec<_>, _>>()?)
}
