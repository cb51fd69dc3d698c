//! The raw records that runs have kept, read back for somebody who looks at them. Nothing is written.

use std::collections::BTreeMap;

use super::{FOLDER, KNOWN, Line, each, is_older};
use crate::dataset::layout::Layout;
use crate::error::Result;

/// A record that could not become a row, or not all of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The run that has kept the record, by the name of its receipt.
    pub run_id: String,
    /// The page that it stood on, and its place there, from 0.
    pub page: u64,
    /// Its place on the page, from 0.
    pub index: usize,
    /// Why: names of anomalies with commas, or `no_usable_id`; `cut_raw` besides where its text is not whole.
    pub reason: String,
    /// The session's id, where the record has one.
    pub session_id: Option<String>,
    /// The record; `None` where only a hash of it is left, or where its time is over.
    pub raw: Option<String>,
    /// Whether `raw` is the record's shape alone, since `[privacy]` protects what was in it.
    pub is_shape: bool,
    /// By what it is known again: the same record in another run has the same.
    pub known_by: u128,
}

/// Calls with each record that is kept, the newest run first; returns the paths of files that hold something else, too. `now` in
/// microseconds.
///
/// # Errors
/// Its own; `Destination`.
pub fn each_kept(layout: &Layout, now: i64, mut found: impl FnMut(Kept) -> Result<()>) -> Result<Vec<String>> {
    let mut damaged = Vec::new();
    for (path, _) in layout.store().list(&Layout::own(FOLDER))?.into_iter().rev() {
        let name = path.rsplit('/').next().unwrap_or_default();
        let Some(run_id) = name.strip_suffix(".jsonl").map(str::to_owned) else { continue };
        let is_over = is_older(&path, now);
        let is_whole = each(layout, &path, |line| {
            let Some(known_by) = line.known_by() else { return Ok(()) };
            let Line { page, index, reason, id: session_id, raw, hash } = line;
            let (is_shape, raw) = (hash.is_some(), raw.filter(|_| !is_over));
            found(Kept { run_id: run_id.clone(), page, index, reason, session_id, raw, is_shape, known_by })
        })?;
        damaged.extend((!is_whole).then_some(path));
    }
    Ok(damaged)
}

/// How many different records are kept raw, and the paths of files that hold something else. Beyond a million, each counts as often
/// as it was kept. `now` in microseconds.
///
/// # Errors
/// `Destination`.
pub fn count(layout: &Layout, now: i64) -> Result<(u64, Vec<String>)> {
    let (mut seen, mut more) = (BTreeMap::new(), 0);
    let damaged = each_kept(layout, now, |kept| {
        let has_raw = kept.raw.is_some();
        if seen.len() < KNOWN {
            *seen.entry(kept.known_by).or_default() |= has_raw;
        } else if !seen.contains_key(&kept.known_by) {
            more += u64::from(has_raw);
        }
        Ok(())
    })?;
    let raw = seen.into_values().filter(|has_raw: &bool| *has_raw).count() as u64;
    Ok((raw + more, damaged))
}

/// Calls with the path of each file that holds something else than lines of it.
///
/// # Errors
/// `Destination`.
pub fn damaged(layout: &Layout, mut found: impl FnMut(&str)) -> Result<()> {
    for (path, _) in layout.store().list(&Layout::own(FOLDER))? {
        if !each(layout, &path, |_| Ok(()))? {
            found(&path);
        }
    }
    Ok(())
}
