//! How much memory rows take as they are published, so that what is handled together is bounded by bytes. Pure.

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StringArray};
use arrow_schema::DataType;

use super::Offsets;
use crate::rows::tables::{Table, Tables, participants, sessions};
use crate::words::limits;

/// Bytes of each session of staged batches with its rows; `offsets` say where each session's begin.
pub fn of_staged(batches: &Tables<RecordBatch>, offsets: &Offsets) -> Vec<usize> {
    let Tables { sessions, participants, .. } = batches;
    let (ids, meetings) = (sessions::session_id(sessions), sessions::meeting_id(sessions));
    let (participant_ids, names) = (participants::participant_id(participants), participants::name(participants));
    let joins = participants::join_count(participants).values();
    let mut weights = Vec::with_capacity(sessions.num_rows());
    for (session, entries) in offsets[0].windows(2).enumerate() {
        let parents = length(ids, session) + length(meetings, session);
        let mut weight = limits::SESSION_ROW + bytes(sessions, session, session + 1);
        weight += (entries[1] - entries[0]) * (limits::PARTICIPANT_ROW + parents);
        weight += bytes(participants, entries[0], entries[1]);
        for entry in entries[0]..entries[1] {
            let timelogs = usize::try_from(joins[entry]).unwrap_or_default();
            let id = length(participant_ids, entry);
            let person = length(names, entry).max(id);
            weight += person + timelogs * (limits::TIMELOG_ROW + parents + id + person);
        }
        weights.push(weight);
    }
    weights
}

/// Bytes of rows `from..to` of a published table.
pub fn of_published(table: Table, batch: &RecordBatch, from: usize, to: usize) -> usize {
    let row = match table {
        Table::Sessions => limits::SESSION_ROW,
        Table::Participants => limits::PARTICIPANT_ROW,
        Table::Timelogs => limits::TIMELOG_ROW,
    };
    (to - from) * row + bytes(batch, from, to)
}

/// Where each row's part of staged sessions ends: as many sessions as fit together, or one.
pub fn parts(weights: &[usize]) -> impl Iterator<Item = usize> {
    let (mut together, mut row) = (0_usize, 0);
    std::iter::from_fn(move || {
        let begin = row;
        while row < weights.len() {
            together = together.saturating_add(weights[row]);
            if together > limits::TOGETHER && row > begin {
                break;
            }
            row += 1;
        }
        together = 0;
        (row > begin).then_some(row)
    })
}

/// Bytes of the texts in some rows.
fn bytes(batch: &RecordBatch, from: usize, to: usize) -> usize {
    let texts = batch.columns().iter().filter(|column| column.data_type() == &DataType::Utf8);
    texts.map(|column| between(column.as_string(), from, to)).sum()
}

fn length(texts: &StringArray, row: usize) -> usize {
    between(texts, row, row + 1)
}

fn between(texts: &StringArray, from: usize, to: usize) -> usize {
    let offsets = texts.value_offsets();
    usize::try_from(offsets[to] - offsets[from]).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_hold_as_many_sessions_as_fit_together() {
        const MOST: usize = limits::TOGETHER;
        for (weights, ends) in [
            (&[][..], &[][..]),
            (&[1, 2, 3], &[3]),
            (&[MOST, 1, MOST], &[1, 2, 3]),
            (&[1, MOST - 1, 1], &[2, 3]),
            (&[2 * MOST, 1, 1, usize::MAX, usize::MAX], &[1, 3, 4, 5]),
        ] {
            assert_eq!(parts(weights).collect::<Vec<_>>(), ends, "{weights:?}");
        }
    }
}
