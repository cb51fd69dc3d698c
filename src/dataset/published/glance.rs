//! What the end of a partition's file of sessions says of its rows. Rows are read only where that does not tell.

use arrow_array::cast::AsArray;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::statistics::Statistics;

use super::{Opened, Published};
use crate::error::Result;
use crate::rows::tables::Table;

/// The sessions of a partition, at a glance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Glance {
    /// How many sessions the partition has.
    pub sessions: u64,
    /// How many were still running when they were last seen.
    pub open: u64,
    /// The lowest start, in microseconds; `None` where none has one.
    pub first: Option<i64>,
    /// The highest start, in microseconds; `None` where none has one.
    pub last: Option<i64>,
}

impl Published {
    /// How many sessions the partition has, how many run, and from when to when they started, by the end of the file.
    ///
    /// # Errors
    /// `Unreadable` where the file is damaged or of another version; `Raced`, `Destination`.
    pub fn glance(&self) -> Result<Glance> {
        let Some(Opened { builder, .. }) = self.open(Table::Sessions)? else { return Ok(Glance::default()) };
        let said = builder.metadata().row_groups().iter().map(of_group).collect::<Option<Vec<_>>>();
        let Some(said) = said else { return self.count() };
        let open = if said.iter().any(|(_, may_be_open)| *may_be_open) { self.open_sessions()? } else { 0 };
        let all = said.into_iter().fold(Glance::default(), |all, (group, _)| all.and(group));
        Ok(Glance { open, ..all })
    }

    fn open_sessions(&self) -> Result<u64> {
        let mut open = 0;
        self.each_batch(Table::Sessions, &["is_open"], |batch| {
            open += batch.column(0).as_boolean().true_count() as u64;
            Ok(())
        })?;
        Ok(open)
    }

    /// The same by reading all rows, where the end of the file does not tell.
    fn count(&self) -> Result<Glance> {
        let mut all = Glance::default();
        self.each_session(|_, known| {
            let (open, start) = (u64::from(known.is_open), known.start);
            all = all.and(Glance { sessions: 1, open, first: start, last: start });
        })?;
        Ok(all)
    }

    /// Rows of a table, by the file's own account.
    ///
    /// # Errors
    /// As [`Published::glance`].
    pub fn rows_of(&self, table: Table) -> Result<u64> {
        let opened = self.open(table)?;
        let rows = |Opened { builder, .. }: Opened| builder.metadata().file_metadata().num_rows();
        Ok(opened.map_or(0, |opened| u64::try_from(rows(opened)).unwrap_or_default()))
    }
}

impl Glance {
    /// The sessions of both together, as of one partition.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.saturating_add(other.sessions),
            open: self.open.saturating_add(other.open),
            first: self.first.into_iter().chain(other.first).min(),
            last: self.last.max(other.last),
        }
    }
}

/// What statistics say of a group of rows, and whether one of its sessions may be running: how many are, only rows tell. `None`
/// where the statistics don't tell of the starts.
fn of_group(group: &RowGroupMetaData) -> Option<(Glance, bool)> {
    let sessions = u64::try_from(group.num_rows()).ok()?;
    let named = |name: &str| group.columns().iter().find(|column| column.column_path().parts() == [name]);
    let (first, last) = starts(named("started_at")?, sessions)?;
    let is_none_open =
        matches!(named("is_open")?.statistics(), Some(Statistics::Boolean(all)) if all.max_opt() == Some(&false));
    Some((Glance { sessions, open: 0, first, last }, sessions > 0 && !is_none_open))
}

/// The lowest and the highest start; `None` where they are not told.
fn starts(column: &ColumnChunkMetaData, rows: u64) -> Option<(Option<i64>, Option<i64>)> {
    let Some(Statistics::Int64(all)) = column.statistics() else { return (rows == 0).then_some((None, None)) };
    let is_known = all.min_opt().is_some() && all.max_opt().is_some() || all.null_count_opt() == Some(rows);
    is_known.then(|| (all.min_opt().copied(), all.max_opt().copied()))
}
