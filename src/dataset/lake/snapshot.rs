//! A snapshot: the immutable files that together are all three tables at one moment. `lake/snapshots/<n>.json` is the commit.

use std::collections::BTreeMap;
use std::fs::File;

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::statistics::Statistics;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::paths;
use crate::dataset::encode::hexadecimal;
use crate::dataset::published::open;
use crate::dataset::publishing::shown;
use crate::dataset::sealed;
use crate::rows::method::Method;
use crate::rows::partition::PartitionBy;
use crate::rows::tables::{Table, Tables};
use crate::words::foreign::Cause;

/// Version of a snapshot's own form.
const LAYOUT: u32 = 1;

/// `lake/snapshots/<n>.json`: which files are the tables, and what they were made by. No name or id of a person is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    layout: u32,
    /// Its number; the first of a dataset is 1.
    pub snapshot: u64,
    /// The run that made it.
    pub run_id: String,
    /// The run that made the snapshot before it; `None` for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// How the dataset is cut: `month`.
    pub partition_by: String,
    /// By what the rows were made.
    pub method: Made,
    /// The number of the last purge that it is clean of.
    pub erasures: u64,
    /// The commit of the Delta logs that shows it; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// The files of each table, in the order of their paths.
    pub tables: Tables<Vec<Entry>>,
}

/// By what the rows of a snapshot were made. Of rules the sums alone: their patterns may hold names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// The schema version of the rows.
    pub schema_version: u32,
    /// The SHA-256 of the rule for persons, in hexadecimal.
    pub people: String,
    /// The SHA-256 of the rule for what may be written down.
    pub privacy: String,
}

/// Where a snapshot is in the Delta logs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delta {
    /// The version of the three logs that shows it; the first of a log is 0.
    pub version: u64,
    /// When the logs began, RFC 3339 in UTC, and by which run: the logs' own names come from these.
    pub began_at: String,
    /// The run that began the logs.
    pub began_by: String,
}

/// An immutable file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its path relative to `lake/`: `sessions/start_month=2026-11/<sha256>.parquet`.
    pub path: String,
    /// Rows in it.
    pub rows: u64,
    /// Bytes of the whole file.
    pub bytes: u64,
    /// The earliest and the latest start of its sessions, in microseconds since 1970, UTC; `None` where none has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starts: Option<[i64; 2]>,
}

/// The immutable files of a snapshot by the plain file that each stands for.
pub type Files = BTreeMap<String, Entry>;

impl Delta {
    /// The logs' next version.
    #[must_use]
    pub fn next(self) -> Self {
        Self { version: self.version + 1, ..self }
    }
}

impl Made {
    /// As a snapshot says it of rows that a method has made.
    pub fn by(method: &Method) -> Self {
        let Method { schema_version, people, privacy } = method;
        let sum = |text: serde_json::Result<String>| hexadecimal(&Sha256::digest(text.unwrap_or_default()));
        let [people, privacy] = [serde_json::to_string(people), serde_json::to_string(privacy)].map(sum);
        Self { schema_version: *schema_version, people, privacy }
    }
}

impl Entry {
    /// The immutable file for the bytes of a plain one that lie in `file`.
    ///
    /// # Errors
    /// What keeps its footer from being read.
    pub fn of(plain: &str, sha256: &str, file: &File) -> Result<Self, Cause> {
        let bytes = file.metadata()?.len();
        let builder = open(file.try_clone()?)?;
        let metadata = builder.metadata();
        let rows = u64::try_from(metadata.file_metadata().num_rows()).unwrap_or_default();
        let start = paths::table(plain).unwrap_or(Table::Sessions).start_column();
        let starts = metadata.row_groups().iter().filter_map(|group| starts(group, start));
        let starts = starts.reduce(|[first, last], [from, to]| [first.min(from), last.max(to)]);
        Ok(Self { path: paths::immutable(plain, sha256), rows, bytes, starts })
    }

    /// The SHA-256 of its bytes, in hexadecimal.
    pub fn sha256(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.split('.').next().unwrap_or_default()
    }

    /// Its path from the dataset's folder.
    pub fn place(&self) -> String {
        paths::whole(&self.path)
    }
}

/// The least and the greatest value of a column of times.
fn starts(group: &RowGroupMetaData, name: &str) -> Option<[i64; 2]> {
    let column = group.columns().iter().find(|column| column.column_path().string() == name)?;
    match column.statistics()? {
        Statistics::Int64(values) => Some([*values.min_opt()?, *values.max_opt()?]),
        _ => None,
    }
}

impl Snapshot {
    /// The snapshot behind another one, or the first, with these files.
    pub fn after(before: Option<&Self>, by: PartitionBy, files: &Files, made: Made) -> Self {
        let mut tables: Tables<Vec<Entry>> = Tables::default();
        for (plain, entry) in files {
            if let Some(table) = paths::table(plain) {
                tables[table].push(entry.clone());
            }
        }
        Self {
            layout: LAYOUT,
            snapshot: before.map_or(1, |before| before.snapshot + 1),
            run_id: String::new(),
            after: before.map(|before| before.run_id.clone()).filter(|run_id| !run_id.is_empty()),
            created_at: String::new(),
            partition_by: by.name().to_owned(),
            method: made,
            erasures: before.map_or(0, |before| before.erasures),
            delta: None,
            tables,
        }
    }

    /// Reads a stored snapshot; else says why it can't be one, to be read after "it".
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        let snapshot: Self = serde_json::from_slice(text).map_err(|error| format!("is damaged ({error})"))?;
        if !sealed::is_whole(text) {
            return Err("is damaged (its sum is another one)".to_owned());
        }
        if snapshot.layout > LAYOUT {
            return Err("is of a newer version of rollbook".to_owned());
        }
        let Some(by) = snapshot.by() else {
            return Err(format!("is partitioned in an unknown way ({})", shown(&snapshot.partition_by)));
        };
        for (table, entries) in &snapshot.tables {
            let of_table = |entry: &&Entry| {
                let plain = paths::plain(by, &entry.path);
                plain.is_none_or(|(plain, _)| paths::table(&plain) != Some(table))
            };
            if let Some(entry) = entries.iter().find(of_table) {
                return Err(format!("names what is no file of this dataset ({})", shown(&entry.path)));
            }
        }
        Ok(snapshot)
    }

    /// How the dataset is cut; `None` where no version that is known cuts one so.
    pub fn by(&self) -> Option<PartitionBy> {
        PartitionBy::ALL.into_iter().find(|(name, _)| *name == self.partition_by).map(|(_, by)| by)
    }

    /// The record, as it is stored.
    ///
    /// # Errors
    /// Where a number can't be written.
    pub fn text(&self) -> serde_json::Result<String> {
        Ok(sealed::seal(&serde_json::to_string_pretty(self)?))
    }

    /// Its files by the plain file that each stands for. Of two for one plain file, the last.
    pub fn files(&self, by: PartitionBy) -> Files {
        let entries = self.tables.values().flatten();
        entries.filter_map(|entry| Some((paths::plain(by, &entry.path)?.0, entry.clone()))).collect()
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> u64 {
        self.tables.values().flatten().map(|entry| entry.bytes).fold(0, u64::saturating_add)
    }
}
