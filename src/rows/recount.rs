//! The numbers and anomalies of published rows, computed anew from what is listed in them: what `verify` compares, and what
//! is written where participants were taken out of a session, or where rows were counted by the rules of an older version.
//!
//! Pure. A number is stored exactly as it comes out here: a difference is damage, or the work of another rule.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::ArrowError;

use crate::rows::chunk::{Chunk, column, replaced};
use crate::rows::count::count;
use crate::rows::method::Method;
use crate::rows::protect::protect;
use crate::rows::tables::{Column, Computed, Origin, Table, Tables};

/// The computed columns of all rows of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    tables: Tables<Computed>,
}

/// A row whose stored number is not the computed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The row in its batch.
    pub row: usize,
    /// The column's name, such as `attended_ms`: the first in table order, where several differ in this row.
    pub column: &'static str,
}

impl Numbers {
    /// Computes them for the sessions of a chunk, as far as a file that was counted so has them. Keys of persons by another
    /// version of Unicode are not compared: some names may have another normal form here. A timelog whose entry is not there
    /// counts for nothing but itself.
    pub fn of(chunk: &Chunk, method: &Method) -> Self {
        let mut tables = count(&chunk.roll(method), method);
        let is_there = |column: &Column| column.since <= method.schema_version;
        let can_be_told =
            |column: &Column| method.people.is_current() || !matches!(column.name, "person" | "person_count");
        for table in Table::ALL {
            tables[table].retain(|(column, _)| is_there(column) && can_be_told(column));
        }
        Self { tables }
    }

    /// The first row of a table in which the stored batch says otherwise.
    pub fn difference(&self, table: Table, stored: &RecordBatch) -> Option<Difference> {
        let first = |(of, computed): &(&'static Column, ArrayRef)| first_difference(of, stored, computed);
        self.tables[table].iter().filter_map(first).min_by_key(|difference| difference.row)
    }

    /// The rows of all tables with these numbers in place of their own.
    ///
    /// # Errors
    /// Where they are not as many as numbers were computed for.
    pub fn put(&self, rows: &Tables<RecordBatch>) -> Result<Tables<RecordBatch>, ArrowError> {
        self.put_some(rows, Origin::is_counted)
    }

    /// The same with the columns of some origins alone.
    fn put_some(
        &self,
        rows: &Tables<RecordBatch>,
        some: impl Fn(Origin) -> bool,
    ) -> Result<Tables<RecordBatch>, ArrowError> {
        Tables::try_from_fn(|table| {
            let chosen = self.tables[table].iter().filter(|(column, _)| some(column.origin));
            replaced(&rows[table], chosen.map(|(column, computed)| (column.name, Arc::clone(computed))))
        })
    }
}

fn first_difference(of: &'static Column, stored: &RecordBatch, computed: &ArrayRef) -> Option<Difference> {
    let stored = column(stored, of.name);
    if stored == computed {
        return None;
    }
    let differs = |row: &usize| stored.slice(*row, 1).to_data() != computed.slice(*row, 1).to_data();
    (0..computed.len()).find(differs).map(|row| Difference { row, column: of.name })
}

/// The rows of a chunk that were made by other methods, each table by its own, as this one makes them. The counts of rows stay, so that it
/// still shows where some are missing: between the swaps of a run that was killed.
///
/// # Errors
/// Where the rows are not those of the tables.
pub fn anew(chunk: Chunk, from: &Tables<Arc<Method>>, method: &Method) -> Result<Chunk, ArrowError> {
    let chunk = protect(chunk, from, method)?;
    let numbers = Numbers::of(&chunk, method);
    let rows = numbers.put_some(chunk.batches(), |origin| origin != Origin::Rows)?;
    Ok(chunk.with(rows))
}

#[cfg(test)]
mod tests;
