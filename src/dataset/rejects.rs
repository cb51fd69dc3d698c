//! Rejects: raw records that could not become a row, or not all of one, kept in `_rollbook/rejects/<run_id>.jsonl`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::files::{Temporary, failed};
use super::layout::Layout;
use super::receipt;
use crate::error::Result;
use crate::flatten::{Reject, identity};

/// One line.
#[derive(Serialize, Deserialize)]
struct Line {
    page: u64,
    index: usize,
    reason: String,
    raw: String,
}

/// The rejects of a run, told apart by content: a record that is listed twice counts once.
#[derive(Debug)]
pub struct Rejects {
    folder: PathBuf,
    run_id: String,
    file: Option<Temporary>,
    known: BTreeSet<u128>,
    seen: BTreeSet<u128>,
    new: u64,
    dry_run: bool,
}

impl Rejects {
    /// Rejects of a run; reads which were recorded before.
    pub fn new(layout: &Layout, run_id: &str, dry_run: bool) -> Result<Self> {
        let folder = layout.own().join("rejects");
        let mut known = BTreeSet::new();
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "jsonl") {
                continue;
            }
            let file = std::fs::File::open(&path).map_err(|error| failed("cannot read the rejects", &path, error))?;
            for line in BufReader::new(file).lines() {
                let line = line.map_err(|error| failed("cannot read the rejects", &path, error))?;
                // A line of an unknown form is no reason to fail a run: its record then counts as new once more.
                known.extend(serde_json::from_str::<Line>(&line).ok().map(|line| identity(&line.raw)));
            }
        }
        Ok(Self { folder, run_id: run_id.to_owned(), file: None, known, seen: BTreeSet::new(), new: 0, dry_run })
    }

    /// Keeps the rejects of a page.
    pub fn add(&mut self, page: u64, rejects: Vec<Reject>) -> Result<()> {
        for Reject { index, reason, raw } in rejects {
            let content = identity(&raw);
            if !self.seen.insert(content) {
                continue;
            }
            self.new += u64::from(!self.known.contains(&content));
            if self.dry_run {
                continue;
            }
            let target = self.folder.join(format!("{}.jsonl", self.run_id));
            if self.file.is_none() {
                self.file = Some(Temporary::create(&target, &self.run_id)?);
            }
            let line = Line { page, index, reason, raw };
            let text =
                serde_json::to_string(&line).map_err(|error| failed("cannot write the rejects", &target, error))?;
            if let Some(file) = &self.file {
                writeln!(file.writer(), "{text}")
                    .map_err(|error| failed("cannot write the rejects", &target, error))?;
            }
        }
        Ok(())
    }

    /// Makes them durable.
    pub fn close(self) -> Result<receipt::Rejects> {
        if let Some(file) = self.file {
            file.flush()?;
            file.replace(0o600)?;
        }
        Ok(receipt::Rejects { total: self.seen.len() as u64, new: self.new })
    }
}
