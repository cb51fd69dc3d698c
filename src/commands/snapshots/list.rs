//! What is printed of a dataset's snapshots.

use std::fmt::Write as _;

use serde::Serialize;

use crate::dataset::lake::{Lake, Snapshot};
use crate::error::Result;
use crate::rows::tables::Tables;
use crate::terminal::summary::grouped;
use crate::words::redact::{document, shown};

/// All snapshots of a dataset.
#[derive(Debug, Serialize)]
pub struct List {
    /// The dataset, as it was named.
    dataset: String,
    /// `files` or `delta`.
    format: &'static str,
    /// The number of the newest one, which readers are led to.
    current: u64,
    /// The oldest first.
    snapshots: Vec<Listed>,
}

/// One of them.
#[derive(Debug, Serialize)]
struct Listed {
    snapshot: u64,
    created_at: String,
    run_id: String,
    /// The version of the Delta logs that shows it; null where there are none.
    delta_version: Option<u64>,
    rows: Tables<u64>,
    files: u64,
    /// Bytes of all its files.
    bytes: u64,
    /// Bytes of those files that the one before it does not have.
    new_bytes: u64,
}

impl List {
    /// Reads them all.
    ///
    /// # Errors
    /// As [`Lake::all`].
    pub fn of(dataset: &str, lake: &Lake) -> Result<Self> {
        let all = lake.all()?;
        let before = std::iter::once(None).chain(all.iter().map(Some));
        let snapshots: Vec<_> = all.iter().zip(before).map(|(it, before)| Listed::of(it, before)).collect();
        let current = snapshots.last().map_or(0, |it| it.snapshot);
        Ok(Self { dataset: dataset.to_owned(), format: lake.format().name(), current, snapshots })
    }

    /// For a machine.
    pub fn json(&self) -> String {
        document(self)
    }

    /// For a person: a line each, the oldest first.
    pub fn text(&self) -> String {
        let Self { dataset, format, current, snapshots } = self;
        let mut text = format!("snapshots of {} ({format}), the current one is {current}\n", shown(dataset));
        let _ = writeln!(
            text,
            "{:>8}  {:<27}  {:>12}  {:>15}  {:>15}  run",
            "snapshot", "made", "sessions", "bytes", "new bytes"
        );
        for Listed { snapshot, created_at, run_id, rows, bytes, new_bytes, .. } in snapshots {
            let [sessions, bytes, new_bytes] = [rows.sessions, *bytes, *new_bytes].map(grouped);
            let (created_at, run_id) = (shown(created_at), shown(run_id));
            let _ = writeln!(
                text,
                "{snapshot:>8}  {created_at:<27}  {sessions:>12}  {bytes:>15}  {new_bytes:>15}  {run_id}"
            );
        }
        text
    }
}

impl Listed {
    fn of(snapshot: &Snapshot, before: Option<&Snapshot>) -> Self {
        let tables = snapshot.tables.each_ref();
        let is_new =
            |path: &str| before.is_none_or(|before| before.tables.values().flatten().all(|entry| entry.path != path));
        let entries = || snapshot.tables.values().flatten();
        Self {
            snapshot: snapshot.snapshot,
            created_at: snapshot.created_at.clone(),
            run_id: snapshot.run_id.clone(),
            delta_version: snapshot.delta.as_ref().map(|delta| delta.version),
            rows: tables.map(|entries| entries.iter().map(|entry| entry.rows).sum()),
            files: entries().count() as u64,
            bytes: snapshot.bytes(),
            new_bytes: entries().filter(|entry| is_new(&entry.path)).map(|entry| entry.bytes).sum(),
        }
    }
}
