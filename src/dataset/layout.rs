//! Where things are in a dataset: partitions, their folders, and rollbook's own files.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate};

use super::forms::{self, PART};
use crate::error::{Error, Kind, Result};
use crate::rows::method::Method;
use crate::rows::partition::{Partition, PartitionBy};
use crate::rows::tables::Table;
use crate::store::{Dry, Local, Store, Survey, Version};

/// Where a dataset is, how it is cut, and by what its rows are counted.
#[derive(Debug, Clone)]
pub struct Layout {
    store: Arc<dyn Store>,
    by: PartitionBy,
    method: Arc<Method>,
}

impl Layout {
    /// The layout of the dataset in a store, cut into partitions so. A person is who is one by default.
    pub fn new(store: Arc<dyn Store>, by: PartitionBy) -> Self {
        Self { store, by, method: Arc::default() }
    }

    /// The same, where rows are made so.
    #[must_use]
    pub fn with_method(self, method: Method) -> Self {
        Self { method: Arc::new(method), ..self }
    }

    /// The layout of a dataset in a folder that nobody else writes to.
    pub fn local(root: impl Into<PathBuf>, by: PartitionBy) -> Self {
        Self::new(Arc::new(Local::new(root, "reader")), by)
    }

    /// The same, whose store swallows what is written.
    #[must_use]
    pub fn dry(&self) -> Self {
        Self { store: Arc::new(Dry(Arc::clone(&self.store))), ..self.clone() }
    }

    /// The same dataset as another store shows it.
    #[must_use]
    pub fn over(&self, store: Arc<dyn Store>) -> Self {
        Self { store, ..self.clone() }
    }

    /// The same place, cut into partitions otherwise.
    #[must_use]
    pub fn cut(&self, by: PartitionBy) -> Self {
        Self { by, ..self.clone() }
    }

    /// The folder or object store that the dataset is in.
    pub fn store(&self) -> &dyn Store {
        self.store.as_ref()
    }

    /// The dataset as a person would find it.
    pub fn place(&self) -> String {
        self.store.place("")
    }

    /// The path of a file of rollbook's own.
    pub fn own(name: &str) -> String {
        format!("_rollbook/{name}")
    }

    /// Looks at every folder of the dataset; what a repair has set aside is nobody's way. `sweep`: removes what dead runs were
    /// writing.
    ///
    /// # Errors
    /// `Destination` where a folder can't be read.
    pub fn survey(&self, sweep: bool) -> Result<Survey> {
        let own = ["_rollbook", "lake"];
        let folders: Vec<_> = Table::ALL.iter().map(|table| table.name()).chain(own).collect();
        let mut survey = self.store.survey(&folders, forms::of, sweep)?;
        survey.obstacles.retain(|(path, _)| !path.starts_with("_rollbook/damaged/"));
        Ok(survey)
    }

    /// By what the rows that are written are counted.
    pub const fn method(&self) -> &Arc<Method> {
        &self.method
    }

    /// How sessions are cut into partitions: none, month or day.
    pub const fn by(&self) -> PartitionBy {
        self.by
    }

    /// The partition of a session by its start, in microseconds since 1970, UTC.
    pub fn partition(&self, start: Option<i64>) -> Partition {
        self.by.partition(start)
    }

    /// The folder of a partition within its table; empty where there are no partitions.
    pub fn folder(&self, partition: Partition) -> String {
        folder(self.by, partition)
    }

    /// A part's path relative to the dataset, with `/` between its names.
    pub fn relative(&self, table: Table, partition: Partition) -> String {
        relative(self.by, table, partition)
    }

    /// The partitions that have a file of this table, and the version of that.
    ///
    /// # Errors
    /// `Destination` where they can't be listed; `Config` where the dataset is cut otherwise than asked.
    pub fn existing(&self, table: Table) -> Result<Vec<(Partition, Version)>> {
        let listed = self.store.list(table.name())?;
        let known = |(path, version): &(String, Version)| Some((self.partition_of(path)?, version.clone()));
        let existing: Vec<_> = listed.iter().filter_map(known).collect();
        // A stray file beside those of the dataset is none of it.
        if existing.is_empty() {
            listed.iter().try_for_each(|(path, _)| self.refuse_another_cut(path))?;
        }
        Ok(existing)
    }

    /// The versions of all tables' files, by path.
    ///
    /// # Errors
    /// `Destination`.
    pub fn versions(&self) -> Result<BTreeMap<String, Version>> {
        let mut found = BTreeMap::new();
        for table in Table::ALL {
            found.extend(self.store.list(table.name())?);
        }
        Ok(found)
    }

    /// The partition that a file of it is in, by its path relative to the dataset.
    pub fn partition_of(&self, path: &str) -> Option<Partition> {
        partition_of(self.by, path)
    }

    fn refuse_another_cut(&self, path: &str) -> Result<()> {
        if recognise(path).is_none_or(|(by, _)| by == self.by) { Ok(()) } else { Err(self.another_cut(path)) }
    }

    /// The error of a dataset that is cut otherwise, as a file of it shows.
    pub fn another_cut(&self, path: &str) -> Error {
        let place = self.store.place(path);
        let what = format!("the dataset is partitioned otherwise than `partition_by` says: {place}");
        Error::new(Kind::Config, what)
            .hint("set `dataset.partition_by` as it was, or export to a new folder with --dest")
    }
}

/// The partition that a file is in where a dataset is cut so; `None` for every path that the layout would not make itself.
pub fn partition_of(by: PartitionBy, path: &str) -> Option<Partition> {
    let (_, day) = recognise(path).filter(|(of, _)| *of == by)?;
    let partition = Partition::new(day?);
    Table::ALL.iter().any(|table| relative(by, *table, partition) == path).then_some(partition)
}

/// How a dataset with a file at this path is cut, and the first day of the file's partition, if it is one.
fn recognise(path: &str) -> Option<(PartitionBy, Option<NaiveDate>)> {
    let mut parts = path.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some(PART), None) => Some((PartitionBy::None, Some(DateTime::UNIX_EPOCH.date_naive()))),
        (Some(folder), Some(PART)) => match folder.split_once('=') {
            Some(("start_month", month)) => {
                Some((PartitionBy::Month, NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok()))
            }
            Some(("start_date", day)) => Some((PartitionBy::Day, NaiveDate::parse_from_str(day, "%Y-%m-%d").ok())),
            _ => None,
        },
        _ => None,
    }
}

fn folder(by: PartitionBy, partition: Partition) -> String {
    match by {
        PartitionBy::None => String::new(),
        PartitionBy::Month => partition.date().format("start_month=%Y-%m").to_string(),
        PartitionBy::Day => partition.date().format("start_date=%Y-%m-%d").to_string(),
    }
}

fn relative(by: PartitionBy, table: Table, partition: Partition) -> String {
    match folder(by, partition).as_str() {
        "" => format!("{}/{PART}", table.name()),
        folder => format!("{}/{folder}/{PART}", table.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_months_days_or_one() {
        let start = crate::words::timestamp::parse("2026-11-23T23:59:59.999Z");
        let path = |by, start| {
            let layout = Layout::local("/d", by);
            layout.relative(Table::Timelogs, layout.partition(start))
        };
        assert_eq!(path(PartitionBy::Month, start), "timelogs/start_month=2026-11/part-0.parquet");
        assert_eq!(path(PartitionBy::Day, start), "timelogs/start_date=2026-11-23/part-0.parquet");
        assert_eq!(path(PartitionBy::None, start), "timelogs/part-0.parquet");
        assert_eq!(path(PartitionBy::Month, None), "timelogs/start_month=1970-01/part-0.parquet");
        assert_eq!(path(PartitionBy::Day, None), "timelogs/start_date=1970-01-01/part-0.parquet");
    }
}
