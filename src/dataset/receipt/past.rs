//! The receipts of earlier runs, and what they say of the dataset.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::super::layout::Layout;
use super::{RUNS, stored_at};
use crate::error::Result;

/// The commands that read sessions from the API.
const READERS: [&str; 4] = ["export", "backfill", "demo", "split"];

/// A file as a receipt names it.
#[derive(Debug, Clone, Deserialize)]
pub struct Named {
    /// Its path, relative to the dataset.
    pub path: String,
    /// Rows in it, by that receipt.
    pub rows: u64,
    /// The SHA-256 of its bytes then, in hexadecimal.
    pub sha256: String,
}

/// What a receipt says of the dataset.
#[derive(Debug, Clone, Deserialize)]
pub struct Stored {
    /// The run that wrote the receipt.
    #[serde(default)]
    pub run_id: String,
    /// When that run began, RFC 3339.
    #[serde(default)]
    pub started_at: String,
    /// When it was over, RFC 3339.
    #[serde(default)]
    pub finished_at: String,
    /// The published files that the run looked after, changed or not.
    pub partitions: Vec<Named>,
    /// The number of the last purge that was in force; 0 for none.
    #[serde(default)]
    pub erasures: u64,
    /// The command that the run was of.
    #[serde(default)]
    command: String,
    api: Option<Source>,
}

impl Stored {
    /// Whether it says where the sessions come from: whether its run has published sessions of the API.
    pub fn tells_the_source(&self) -> bool {
        !self.partitions.is_empty() && READERS.contains(&self.command.as_str()) && self.api.is_some()
    }
}

/// The source of a run, as its receipt names it.
#[derive(Debug, Clone, Deserialize)]
pub struct Source {
    /// `v1` or `v2`, as the run read it.
    pub version: String,
    /// The origin that the run asked.
    pub base_url: String,
}

/// The receipt of a run, as it is stored; `None` where there is none.
///
/// # Errors
/// `Destination`.
pub fn text(layout: &Layout, run_id: &str) -> Result<Option<String>> {
    let read = layout.store().read(&stored_at(run_id))?;
    Ok(read.map(|(text, _)| String::from_utf8_lossy(&text).into_owned()))
}

/// With which code a run ended whose receipt is stored; `None` where none is.
///
/// # Errors
/// `Destination`.
pub fn exit_code(layout: &Layout, run_id: &str) -> Result<Option<u8>> {
    #[derive(Deserialize)]
    struct Ended {
        exit_code: u8,
    }
    let ended = text(layout, run_id)?.and_then(|text| serde_json::from_str::<Ended>(&text).ok());
    Ok(ended.map(|ended| ended.exit_code))
}

/// Calls with the path of each receipt of a dataset and what it says; `None` where it is of no known form, or names what is no
/// file of this dataset.
///
/// # Errors
/// `Destination` where a receipt can't be read.
pub fn each(layout: &Layout, each: impl FnMut(String, Option<Stored>)) -> Result<()> {
    each_since(layout, "", each)
}

/// The same of a run and of those after it.
fn each_since(layout: &Layout, run_id: &str, mut each: impl FnMut(String, Option<Stored>)) -> Result<()> {
    let first = stored_at(run_id);
    let listed = layout.store().list(&Layout::own(RUNS))?.into_iter();
    for path in listed.map(|(path, _)| path).filter(|path| *path >= first) {
        let text = layout.store().read(&path)?.map(|(text, _)| text).unwrap_or_default();
        let stored: Option<Stored> = serde_json::from_slice(&text).ok();
        let is_sound = |stored: &Stored| stored.partitions.iter().all(|file| layout.partition_of(&file.path).is_some());
        each(path, stored.filter(is_sound));
    }
    Ok(())
}

/// Whether a path is one of a receipt.
pub fn is_receipt(path: &str) -> bool {
    let name = path.strip_prefix("_rollbook/runs/").and_then(|name| name.strip_suffix(".json"));
    name.is_some_and(|name| !name.contains('/'))
}

/// The number of the last purge that the receipts of a run and of those after it name; 0 for none.
///
/// # Errors
/// `Destination` where a receipt can't be read.
pub fn purges_since(layout: &Layout, run_id: &str) -> Result<u64> {
    let mut last = 0;
    each_since(layout, run_id, |_, stored| last = stored.map_or(0, |stored| stored.erasures).max(last))?;
    Ok(last)
}

/// The paths of all files that the receipts of a dataset name, relative to it, and the number of the last purge.
///
/// # Errors
/// `Destination` where a receipt can't be read; one of an unknown form names nothing.
pub fn named(layout: &Layout) -> Result<(BTreeSet<String>, u64)> {
    let (mut paths, mut erasures) = (BTreeSet::new(), 0);
    each(layout, |_, stored| {
        let Some(stored) = stored else { return };
        paths.extend(stored.partitions.into_iter().map(|file| file.path));
        erasures = erasures.max(stored.erasures);
    })?;
    Ok((paths, erasures))
}

/// The source of the last run that has published sessions of the API. Runs that only looked after files have not asked
/// the API, whatever their settings said.
///
/// # Errors
/// `Destination` where a receipt can't be read; one of an unknown form names nothing.
pub fn last_source(layout: &Layout) -> Result<Option<Source>> {
    let mut last: Option<(String, Source)> = None;
    each(layout, |path, stored| {
        let source = stored.filter(Stored::tells_the_source).and_then(|stored| stored.api);
        if let Some(source) = source.filter(|_| last.as_ref().is_none_or(|(latest, _)| *latest < path)) {
            last = Some((path, source));
        }
    })?;
    Ok(last.map(|(_, source)| source))
}
