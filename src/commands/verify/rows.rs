//! A partition's tables side by side: every child has its parent, repeats it truly, and the numbers add up.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, Int32Array, StringArray};

use crate::dataset::published::Published;
use crate::error::{Error, Kind, Result};
use crate::rows::chunk::{Chunk, column};
use crate::rows::method::Method;
use crate::rows::recount::Numbers;
use crate::rows::tables::{PARENT_COLUMNS, Table, Tables, text};
use crate::words::stop::Stop;

/// Reads a partition whose tables are in order. `rows`: of participants and timelogs, by the files' own account.
///
/// # Errors
/// `Unreadable` where a table can't be read to its end; `Raced`, `Destination`; the signal's kind.
pub fn check(part: &Published, rows: [u64; 2], stop: &Stop, found: &mut Vec<(Table, String)>) -> Result<()> {
    let mut chunks = part.chunks_as_stored()?;
    let methods = chunks.methods();
    let mut seen = [0, 0];
    while let Some(chunk) = chunks.next_chunk()? {
        stop.check()?;
        seen[0] += chunk.batches().participants.num_rows() as u64;
        seen[1] += chunk.batches().timelogs.num_rows() as u64;
        // One of a kind is enough to know that the partition is bad.
        let of_chunk =
            [repeated(&chunk, Table::Participants)?, repeated(&chunk, Table::Timelogs)?, owners(&chunk, &methods)];
        let of_chunk = of_chunk.into_iter().flatten().chain(sums(&chunk, &methods));
        for finding in of_chunk {
            if !found.iter().any(|(table, what)| *table == finding.0 && kind(what) == kind(&finding.1)) {
                found.push(finding);
            }
        }
    }
    for ((table, rows), seen) in [Table::Participants, Table::Timelogs].into_iter().zip(rows).zip(seen) {
        if rows > seen {
            found.push((table, format!("rows whose session is not in `sessions`: {}", rows - seen)));
        }
    }
    Ok(())
}

/// What stands before the first example.
fn kind(what: &str) -> &str {
    what.split_once(':').map_or(what, |(kind, _)| kind)
}

fn named(chunk: &Chunk, table: Table, what: &str, row: usize) -> (Table, String) {
    let id = column(&chunk.batches()[table], "session_id").as_string::<i32>().value(row);
    (table, format!("{what}: session {id}"))
}

/// Whether child rows repeat their session truly.
fn repeated(chunk: &Chunk, table: Table) -> Result<Option<(Table, String)>> {
    let batch = &chunk.batches()[table];
    let parents =
        chunk.parents(table).map_err(|error| Error::new(Kind::Unexpected, "rows don't fit").because(error))?;
    for (parent, index) in parents.iter().zip(0..PARENT_COLUMNS) {
        let child = batch.column(index);
        if child != parent {
            let differs = |row: &usize| child.slice(*row, 1).to_data() != parent.slice(*row, 1).to_data();
            let row = (0..child.len()).find(differs).unwrap_or_default();
            let what = format!("`{}` is not that of its session", table.columns()[index].name);
            return Ok(Some(named(chunk, table, &what, row)));
        }
    }
    Ok(None)
}

/// Whether every timelog has its participant, and that one's id. Ids under two rules of privacy can't be compared.
fn owners(chunk: &Chunk, methods: &Tables<Arc<Method>>) -> Option<(Table, String)> {
    let are_alike = methods.participants.privacy == methods.timelogs.privacy;
    let Tables { participants, timelogs, .. } = chunk.batches();
    let entries = Entries::new(participants);
    let logs = Entries::new(timelogs);
    for session in 0..chunk.len() {
        let [mut of, rows] = chunk.children(session);
        for row in rows {
            while of.start < of.end && entries.index.value(of.start) < logs.index.value(row) {
                of.start += 1;
            }
            if of.is_empty() || entries.index.value(of.start) != logs.index.value(row) {
                return Some(named(chunk, Table::Timelogs, "a timelog's participant is not in `participants`", row));
            }
            if are_alike && entries.id(of.start) != logs.id(row) {
                return Some(named(chunk, Table::Timelogs, "`participant_id` is not that of its participant", row));
            }
        }
    }
    None
}

/// Whose rows they are, of participants and of timelogs.
struct Entries<'a> {
    index: &'a Int32Array,
    ids: &'a StringArray,
}

impl<'a> Entries<'a> {
    fn new(batch: &'a arrow_array::RecordBatch) -> Self {
        let index = column(batch, "participant_index").as_primitive::<Int32Type>();
        Self { index, ids: column(batch, "participant_id").as_string::<i32>() }
    }

    fn id(&self, row: usize) -> Option<&str> {
        text(self.ids, row)
    }
}

/// Numbers that are not what comes out of the timelogs, by the method that each table's file says it was counted by. A table whose
/// participants are under another rule of privacy was counted by what is not there any more: a run was stopped between the two,
/// and the next one goes on.
fn sums(chunk: &Chunk, methods: &Tables<Arc<Method>>) -> Vec<(Table, String)> {
    let mut numbers: Vec<(&Method, Numbers)> = Vec::new();
    let mut found = Vec::new();
    let is_of_participants = |(_, method): &(_, &Arc<Method>)| method.privacy == methods.participants.privacy;
    for (table, method) in methods.iter().filter(is_of_participants) {
        let known = numbers.iter().position(|(of, _)| *of == &**method).unwrap_or_else(|| {
            numbers.push((method, Numbers::of(chunk, method)));
            numbers.len() - 1
        });
        let Some(difference) = numbers[known].1.difference(table, &chunk.batches()[table]) else { continue };
        let source = match (difference.column, table) {
            ("person", _) => "its name and id make",
            ("person_count", _) => "its participants add up to",
            (_, Table::Timelogs) => "its times say",
            _ => "its timelogs add up to",
        };
        let what = format!("`{}` is not what {source}", difference.column);
        found.push(named(chunk, table, &what, difference.row));
    }
    found
}
