//! Rejects: raw records that could not become a row, or not all of one, kept in `_rollbook/rejects/<run_id>.jsonl`.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::receipt;
use crate::error::Result;
use crate::flatten::{Reject, identity};
use crate::store::{Access, Draft, Swap, failed, raced};

/// Their folder in rollbook's own.
const FOLDER: &str = "rejects";

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
    layout: Layout,
    run_id: String,
    file: Option<Draft>,
    known: BTreeSet<u128>,
    seen: BTreeSet<u128>,
    new: u64,
    dry_run: bool,
}

impl Rejects {
    /// Rejects of a run; reads which were recorded before.
    pub fn new(layout: &Layout, run_id: &str, dry_run: bool) -> Result<Self> {
        let mut known = BTreeSet::new();
        for (path, _) in layout.store().list(&Layout::own(FOLDER))? {
            let Some((file, _)) = layout.store().open(&path)? else { continue };
            for line in BufReader::new(file).lines() {
                let line =
                    line.map_err(|error| failed("cannot read the rejects", layout.store().place(&path), error))?;
                // A line of an unknown form is no reason to fail a run: its record then counts as new once more.
                known.extend(serde_json::from_str::<Line>(&line).ok().map(|line| identity(&line.raw)));
            }
        }
        let (layout, run_id, seen) = (layout.clone(), run_id.to_owned(), BTreeSet::new());
        Ok(Self { layout, run_id, file: None, known, seen, new: 0, dry_run })
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
            let path = Layout::own(&format!("{FOLDER}/{}.jsonl", self.run_id));
            if self.file.is_none() {
                self.file = Some(self.layout.store().begin(&path)?);
            }
            let line = Line { page, index, reason, raw };
            let written = serde_json::to_string(&line).map_err(std::io::Error::from).and_then(|text| {
                let Some(file) = &self.file else { return Ok(()) };
                writeln!(file.writer(), "{text}")
            });
            written.map_err(|error| failed("cannot write the rejects", self.layout.store().place(&path), error))?;
        }
        Ok(())
    }

    /// Makes them durable.
    pub fn close(self) -> Result<receipt::Rejects> {
        if let Some(draft) = self.file {
            let place = self.layout.store().place(draft.path());
            if self.layout.store().swap(draft, None, Access::Private)? == Swap::Lost {
                return Err(raced(&place));
            }
        }
        Ok(receipt::Rejects { total: self.seen.len() as u64, new: self.new })
    }
}
