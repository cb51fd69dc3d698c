//! Published rows under a stricter rule than the one that they were written by.

use std::sync::Arc;

use arrow_array::builder::{BooleanBuilder, StringBuilder};
use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, new_null_array};
use arrow_schema::{ArrowError, DataType};

use crate::rows::chunk::{Chunk, replaced};
use crate::rows::method::Method;
use crate::rows::person::Entry;
use crate::rows::privacy::{Column, Privacy, Shown};
use crate::rows::tables::{Table, Tables, participants, sessions, text, timelogs};

/// The rows of a chunk under the rule of a method. `from`: by what the rows of each table were written, which differ in a partition
/// whose change was stopped. The numbers stay as they are, to be counted anew.
///
/// # Errors
/// Where the rows are not those of the tables.
pub fn protect(chunk: Chunk, from: &Tables<Arc<Method>>, to: &Method) -> Result<Chunk, ArrowError> {
    let is_other = |table: Table| from[table].privacy != to.privacy;
    if !Table::ALL.into_iter().any(is_other) {
        return Ok(chunk);
    }
    let changed = Tables::try_from_fn(|table| {
        let (rows, privacy) = (&chunk.batches()[table], &from[table].privacy);
        if !is_other(table) {
            return Ok(rows.clone());
        }
        let mut columns: Vec<_> =
            protectable(table).iter().map(|column| kept(rows, privacy, &to.privacy, *column)).collect();
        if is_taken_away(privacy, &to.privacy) {
            match table {
                Table::Sessions => {}
                Table::Participants => columns.extend(told(&chunk, to)),
                Table::Timelogs => columns.push(("person", of_timelogs(&chunk, to))),
            }
        }
        replaced(rows, columns)
    })?;
    Ok(chunk.with(changed))
}

/// The columns of a table that a rule may protect; `person` follows from these.
const fn protectable(table: Table) -> &'static [Column] {
    match table {
        Table::Sessions => &[Column::CustomRoomId, Column::ChatLink, Column::Extra],
        Table::Participants => &[Column::Name, Column::ParticipantId, Column::Extra],
        Table::Timelogs => &[Column::ParticipantId],
    }
}

/// Whether a `person` becomes a token, so that nobody can be told from these rows later.
fn is_taken_away(from: &Privacy, to: &Privacy) -> bool {
    to.columns().protect_people() && !from.columns().protect_people()
}

/// A column as it is kept from now on.
fn kept(rows: &RecordBatch, from: &Privacy, to: &Privacy, column: Column) -> (&'static str, ArrayRef) {
    let name = column.name();
    let values = &rows[name];
    let values = match (from.columns().shown(column), to.columns().shown(column)) {
        (Shown::Raw, Shown::Token) => {
            let texts: &StringArray = values.as_string();
            let token = |row| text(texts, row).map(|value| to.token(column, value));
            Arc::new((0..texts.len()).map(token).collect::<StringArray>())
        }
        (Shown::Raw | Shown::Token, Shown::Dropped) => new_null_array(&DataType::Utf8, values.len()),
        _ => Arc::clone(values),
    };
    (name, values)
}

/// `person` and `is_excluded` of all entries, by what is listed of these.
fn told(chunk: &Chunk, to: &Method) -> [(&'static str, ArrayRef); 2] {
    let Tables { sessions, participants, .. } = chunk.batches();
    let ids = sessions::session_id(sessions);
    let index = participants::participant_index(participants);
    let (participant_id, name) = (participants::participant_id(participants), participants::name(participants));
    let mut persons = StringBuilder::with_capacity(participants.num_rows(), participants.num_rows() * 24);
    let mut excluded = BooleanBuilder::with_capacity(participants.num_rows());
    let mut person = String::new();
    for session in 0..chunk.len() {
        let [entries, _] = chunk.children(session);
        for row in entries {
            let (participant_id, name) = (text(participant_id, row), text(name, row));
            let entry = Entry { session_id: ids.value(session), index: index.value(row), participant_id, name };
            to.people.person(entry, &mut person);
            persons.append_value(to.privacy.person(&person));
            excluded.append_value(to.privacy.excludes(participant_id, name));
        }
    }
    [("person", Arc::new(persons.finish())), ("is_excluded", Arc::new(excluded.finish()))]
}

/// `person` of all timelogs, as far as a timelog alone says: the entries that are there say more when all is counted anew.
fn of_timelogs(chunk: &Chunk, to: &Method) -> ArrayRef {
    let Tables { sessions, timelogs, .. } = chunk.batches();
    let ids = sessions::session_id(sessions);
    let (index, participant_id) = (timelogs::participant_index(timelogs), timelogs::participant_id(timelogs));
    let mut persons = StringBuilder::with_capacity(timelogs.num_rows(), timelogs.num_rows() * 24);
    let mut person = String::new();
    for session in 0..chunk.len() {
        let [_, logs] = chunk.children(session);
        for row in logs {
            let participant_id = text(participant_id, row);
            let entry = Entry { session_id: ids.value(session), index: index.value(row), participant_id, name: None };
            to.people.person(entry, &mut person);
            persons.append_value(to.privacy.person(&person));
        }
    }
    Arc::new(persons.finish())
}
