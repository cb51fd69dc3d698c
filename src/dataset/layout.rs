//! Where things are in a dataset: partitions, their folders, and rollbook's own files.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Datelike, NaiveDate};

use crate::config::PartitionBy;
use crate::error::{Error, Kind, Result};
use crate::tables::Table;

/// The one file of a partition and table.
pub const PART: &str = "part-0.parquet";

/// A partition, by its first day; ordered in time. With [`PartitionBy::None`] there is one, that of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(NaiveDate);

impl Partition {
    /// Its first day, counted from the year 1.
    pub fn day(self) -> i32 {
        self.0.num_days_from_ce()
    }

    /// The partition whose first day this is.
    pub fn from_day(day: i32) -> Self {
        Self(NaiveDate::from_num_days_from_ce_opt(day).unwrap_or_default())
    }
}

/// A local dataset's folder and how it is cut.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    by: PartitionBy,
}

impl Layout {
    /// The layout of a dataset at a folder.
    pub fn new(root: impl Into<PathBuf>, by: PartitionBy) -> Self {
        Self { root: root.into(), by }
    }

    /// The dataset's folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// rollbook's own folder in it.
    pub fn own(&self) -> PathBuf {
        self.root.join("_rollbook")
    }

    /// The partition that always exists; it holds the sessions without a start.
    pub fn undated(&self) -> Partition {
        Partition(DateTime::UNIX_EPOCH.date_naive())
    }

    /// The partition of a session by its start, in microseconds since 1970, UTC.
    pub fn partition(&self, start: Option<i64>) -> Partition {
        let day = start.and_then(DateTime::from_timestamp_micros).map(|time| time.date_naive());
        match (self.by, day) {
            (PartitionBy::None, _) | (_, None) => self.undated(),
            (PartitionBy::Month, Some(day)) => Partition(day.with_day(1).unwrap_or(day)),
            (PartitionBy::Day, Some(day)) => Partition(day),
        }
    }

    /// The folder of a partition within its table; empty where there are no partitions.
    pub fn folder(&self, partition: Partition) -> String {
        match self.by {
            PartitionBy::None => String::new(),
            PartitionBy::Month => partition.0.format("start_month=%Y-%m").to_string(),
            PartitionBy::Day => partition.0.format("start_date=%Y-%m-%d").to_string(),
        }
    }

    /// A part's path relative to the dataset, with `/` between its names.
    pub fn relative(&self, table: Table, partition: Partition) -> String {
        match self.folder(partition).as_str() {
            "" => format!("{}/{PART}", table.name()),
            folder => format!("{}/{folder}/{PART}", table.name()),
        }
    }

    /// A part's path.
    pub fn path(&self, table: Table, partition: Partition) -> PathBuf {
        self.root.join(self.relative(table, partition))
    }

    /// The partitions there are, from the folders of all tables.
    ///
    /// # Errors
    /// `Destination` where a folder can't be read; `Config` where the dataset is cut otherwise than asked.
    pub fn existing(&self) -> Result<Vec<Partition>> {
        let mut found = Vec::new();
        for table in Table::ALL {
            let folder = self.root.join(table.name());
            let entries = match std::fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(super::files::failed("cannot read the folder", &folder, error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| super::files::failed("cannot read the folder", &folder, error))?;
                found.extend(self.recognise(&entry.file_name().to_string_lossy(), &folder)?);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    fn recognise(&self, name: &str, folder: &Path) -> Result<Option<Partition>> {
        let (by, day) = if name == PART {
            (PartitionBy::None, Some(self.undated().0))
        } else if let Some(month) = name.strip_prefix("start_month=") {
            (PartitionBy::Month, NaiveDate::parse_from_str(&format!("{month}-01"), "%Y-%m-%d").ok())
        } else if let Some(day) = name.strip_prefix("start_date=") {
            (PartitionBy::Day, NaiveDate::parse_from_str(day, "%Y-%m-%d").ok())
        } else {
            return Ok(None);
        };
        if by != self.by {
            let what = format!(
                "the dataset is partitioned otherwise than `partition_by` says: {}",
                folder.join(name).display()
            );
            return Err(Error::new(Kind::Config, what)
                .hint("set `dataset.partition_by` as it was, or export to a new folder with --dest"));
        }
        Ok(day.map(Partition))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_months_days_or_one() {
        let start = crate::timestamp::parse("2026-11-23T23:59:59.999Z");
        let path = |by, start| {
            let layout = Layout::new("/d", by);
            layout.relative(Table::Timelogs, layout.partition(start))
        };
        assert_eq!(path(PartitionBy::Month, start), "timelogs/start_month=2026-11/part-0.parquet");
        assert_eq!(path(PartitionBy::Day, start), "timelogs/start_date=2026-11-23/part-0.parquet");
        assert_eq!(path(PartitionBy::None, start), "timelogs/part-0.parquet");
        assert_eq!(path(PartitionBy::Month, None), "timelogs/start_month=1970-01/part-0.parquet");
        assert_eq!(path(PartitionBy::Day, None), "timelogs/start_date=1970-01-01/part-0.parquet");
    }
}
