//! Staged rows to published ones: what repeats a session or a participant, or follows from other columns.
//!
//! Pure. Made when rows are read back, so that less of them is written to the stage.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, RecordBatch, TimestampMicrosecondArray};
use arrow_buffer::{BooleanBuffer, BooleanBufferBuilder, NullBufferBuilder};
use arrow_schema::ArrowError;
use arrow_select::take::take;

use super::next_joins::{NextJoins, Rows};
use super::{child_offsets, column, parents, rows_of, time};
use crate::rows::anomaly;
use crate::rows::attendance::{self, Bounds, Totals, millis};
use crate::rows::tables::Table;

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
    let [participant_index, timelog_index] = places(participants, &joins);
    let rows = Rows {
        ids: participant_id.as_string(),
        index: &participant_index,
        joined: column(timelogs, "started_at").as_primitive(),
        left: column(timelogs, "ended_at").as_primitive(),
        is_open: column(timelogs, "is_open").as_boolean(),
    };
    let (of_participants, mut of_timelogs) = numbers(sessions, rows, &offsets[0], &joins);
    of_timelogs.push(("participant_index", Arc::new(participant_index)));
    of_timelogs.push(("timelog_index", Arc::new(timelog_index)));
    of_timelogs.push(("participant_id", participant_id));
    Ok([
        complete(Table::Participants, parents(sessions, &offsets[0])?, participants, of_participants)?,
        complete(Table::Timelogs, parents(sessions, &offsets[1])?, timelogs, of_timelogs)?,
    ])
}

/// Whose each timelog is, and where it stands among that participant's.
fn places(participants: &RecordBatch, joins: &[usize]) -> [Int32Array; 2] {
    let index = column(participants, "participant_index").as_primitive::<Int32Type>();
    let rows = joins.last().copied().unwrap_or_default();
    let (mut participant_index, mut timelog_index) = (Vec::with_capacity(rows), Vec::with_capacity(rows));
    for (index, rows) in index.values().iter().zip(joins.windows(2)) {
        participant_index.resize(rows[1], *index);
        timelog_index.extend((0_i32..).take(rows[1] - rows[0]));
    }
    [participant_index, timelog_index].map(Int32Array::from)
}

/// What each timelog counts for, and what those of a participant add up to.
fn numbers(sessions: &RecordBatch, timelogs: Rows<'_>, entries: &[usize], joins: &[usize]) -> (Made, Made) {
    let times = |name| column(sessions, name).as_primitive::<TimestampMicrosecondType>();
    let (begun, ended) = (times("started_at"), times("ended_at"));
    let is_running = column(sessions, "is_open").as_boolean();
    let mut next_joins = NextJoins::new(timelogs);

    let [mut durations, mut starts, mut ends] = std::array::from_fn(|_| Numbers::with_capacity(timelogs.joined.len()));
    let [mut first_joined, mut last_left, mut gross] = std::array::from_fn(|_| Numbers::with_capacity(joins.len()));
    let mut present = BooleanBufferBuilder::new(joins.len());
    for (session, entries) in entries.windows(2).enumerate() {
        let (start, end) = (time(begun, session), time(ended, session));
        let bounds = Bounds { start, end, is_open: is_running.value(session) };
        next_joins.session(joins[entries[0]]..joins[entries[1]]);
        for rows in joins[entries[0]..=entries[1]].windows(2) {
            let mut totals = Totals::default();
            for row in rows[0]..rows[1] {
                let log = timelogs.log(row);
                let counted = attendance::count(bounds, log, next_joins.after(row, log));
                totals.add(&counted);
                durations.push(attendance::duration(log.start, log.end));
                starts.push(counted.effective.map(|span| span.start));
                ends.push(counted.effective.map(|span| span.end));
            }
            first_joined.push(totals.first_joined);
            last_left.push(totals.last_left());
            gross.push(Some(millis(totals.gross)));
            present.append(totals.is_present);
        }
    }
    let present = BooleanArray::new(present.finish(), None);
    let of_participants: Made = vec![
        ("first_joined_at", first_joined.times()),
        ("last_left_at", last_left.times()),
        ("gross_ms", gross.millis()),
        ("is_present", Arc::new(present)),
    ];
    let of_timelogs: Made = vec![
        ("duration_ms", durations.millis()),
        ("effective_started_at", starts.times()),
        ("effective_ended_at", ends.times()),
    ];
    (of_participants, of_timelogs)
}

/// A column in the making, in which nulls are rare.
struct Numbers {
    values: Vec<i64>,
    nulls: NullBufferBuilder,
}

impl Numbers {
    fn with_capacity(rows: usize) -> Self {
        Self { values: Vec::with_capacity(rows), nulls: NullBufferBuilder::new(rows) }
    }

    fn push(&mut self, value: Option<i64>) {
        self.values.push(value.unwrap_or_default());
        self.nulls.append(value.is_some());
    }

    fn times(mut self) -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::new(self.values.into(), self.nulls.finish()).with_timezone("UTC"))
    }

    fn millis(mut self) -> ArrayRef {
        Arc::new(Int64Array::new(self.values.into(), self.nulls.finish()))
    }
}

/// The rows of sessions.
///
/// # Errors
/// Where they are not those of the table.
pub fn sessions(staged: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    complete(Table::Sessions, Vec::new(), staged, Vec::new())
}

/// Puts the columns of a table in order: what repeats the session, then what is staged and what was made.
fn complete(
    table: Table,
    parents: Vec<ArrayRef>,
    staged: &RecordBatch,
    mut made: Made,
) -> Result<RecordBatch, ArrowError> {
    let falses = BooleanArray::new(BooleanBuffer::new_unset(staged.num_rows()), None);
    made.push(("is_excluded", Arc::new(falses)));
    made.push(("anomalies", anomaly::column(&anomaly::of_bits(column(staged, "anomalies")))));
    let mut columns = parents;
    for wanted in &table.columns()[columns.len()..] {
        let new = made.iter().find(|(name, _)| *name == wanted.name).map(|(_, column)| column);
        let column = new.or_else(|| staged.column_by_name(wanted.name));
        columns.push(Arc::clone(column.ok_or_else(|| ArrowError::SchemaError(format!("not made: {}", wanted.name)))?));
    }
    RecordBatch::try_new(table.schema(), columns)
}
