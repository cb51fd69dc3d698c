//! Rejects: raw records that could not become a row, or not all of one, kept in `_rollbook/rejects/<run_id>.jsonl`.
//!
//! Raw records may hold personal data. The erased are not in them when they come here, and after
//! [`DAYS`] days only a record's hash is left, by which it is known that it was recorded before.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};

use chrono::{DateTime, Days, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::erasures::Tally;
use super::layout::Layout;
use super::receipt;
use crate::erasure::Denied;
use crate::error::Result;
use crate::flatten::{Reject, identity};
use crate::store::{Access, Draft, Swap, Version, failed, raced};

/// Their folder in rollbook's own.
const FOLDER: &str = "rejects";
/// How long raw records are kept.
pub const DAYS: u64 = 30;

/// One line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    page: u64,
    index: usize,
    reason: String,
    /// The record, until it expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    /// Its hash in hexadecimal, from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

impl Line {
    fn content(&self) -> Option<u128> {
        let hash = self.hash.as_deref().and_then(|hash| u128::from_str_radix(hash, 16).ok());
        self.raw.as_deref().map(identity).or(hash)
    }

    fn expired(self) -> Self {
        let hash = self.content().map(|content| format!("{content:x}"));
        Self { hash, raw: None, ..self }
    }
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
    /// Rejects of a run; reads which were recorded before, and lets go of old ones. `now` in microseconds.
    pub fn new(layout: &Layout, run_id: &str, now: i64, dry_run: bool) -> Result<Self> {
        let mut known = BTreeSet::new();
        for (path, version) in layout.store().list(&Layout::own(FOLDER))? {
            let mut is_raw = false;
            each(layout, &path, |line| {
                known.extend(line.content());
                is_raw |= line.raw.is_some();
                Ok(())
            })?;
            if is_raw && is_older(&path, now) && !dry_run {
                rewrite(layout, &path, &version, |line| Some(line.expired()))?;
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
            let Some(file) = &self.file else { continue };
            write(&self.layout, file, &Line { page, index, reason, raw: Some(raw), hash: None })?;
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

/// Takes the erased out of all rejects, and drops records of sessions that started before a floor (microseconds, with the number
/// of its rule): those whose start can't be read by the time of their run. Returns how many records were changed or dropped, and
/// adds to the tally by which rules.
///
/// # Errors
/// `Destination`, or `Raced` where another run came between.
pub fn purge(
    layout: &Layout,
    denied: Option<&Denied>,
    floor: Option<(i64, u32)>,
    dry_run: bool,
    tally: &mut Tally,
) -> Result<u64> {
    let mut changed = 0;
    for (path, version) in layout.store().list(&Layout::own(FOLDER))? {
        let run = run_time(&path);
        let purged = |line: Line, by: &mut dyn FnMut(u32)| {
            let start = line.raw.as_deref().map_or(run, |raw| start(raw).or(run));
            if let Some(((floor, rule), start)) = floor.zip(start)
                && start < floor
            {
                by(rule);
                return None;
            }
            let mut scrub = |raw| denied.map_or(Cow::Borrowed(raw), |denied| denied.scrub_by(raw, by)).into_owned();
            Some(Line { raw: line.raw.as_deref().map(&mut scrub), ..line })
        };
        let mut here = 0;
        each(layout, &path, |line| {
            let mut rules = BTreeSet::new();
            let rest = purged(line.clone(), &mut |rule| {
                rules.insert(rule);
            });
            if rest.as_ref() != Some(&line) {
                here += 1;
                for rule in rules {
                    tally.entry(rule).or_default().rejects += 1;
                }
            }
            Ok(())
        })?;
        if here > 0 && !dry_run {
            rewrite(layout, &path, &version, |line| purged(line, &mut |_| {}))?;
        }
        changed += here;
    }
    Ok(changed)
}

/// The start of a raw record, in microseconds.
fn start(raw: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Started {
        start: Option<String>,
    }
    crate::timestamp::parse(&serde_json::from_str::<Started>(raw).ok()?.start?)
}

/// When the run of a file began, in microseconds.
fn run_time(path: &str) -> Option<i64> {
    let name = path.rsplit('/').next()?;
    let time = NaiveDateTime::parse_from_str(name.get(..15)?, "%Y%m%dT%H%M%S").ok()?;
    Some(time.and_utc().timestamp_micros())
}

fn is_older(path: &str, now: i64) -> bool {
    let now = DateTime::<Utc>::from_timestamp_micros(now).unwrap_or_default();
    let floor = now.checked_sub_days(Days::new(DAYS)).unwrap_or_default().timestamp_micros();
    run_time(path).is_some_and(|run| run < floor)
}

/// Calls with every line of a file. One of an unknown form is no reason to fail a run: its record then counts as new
/// once more.
fn each(layout: &Layout, path: &str, mut each: impl FnMut(Line) -> Result<()>) -> Result<()> {
    let Some((file, _)) = layout.store().open(path)? else { return Ok(()) };
    for line in BufReader::new(file).lines() {
        let line = line.map_err(|error| failed("cannot read the rejects", layout.store().place(path), error))?;
        if let Ok(line) = serde_json::from_str::<Line>(&line) {
            each(line)?;
        }
    }
    Ok(())
}

/// Replaces every line of a file by what is made of it.
fn rewrite(layout: &Layout, path: &str, version: &Version, make: impl Fn(Line) -> Option<Line>) -> Result<()> {
    let draft = layout.store().begin(path)?;
    each(layout, path, |line| make(line).map_or(Ok(()), |line| write(layout, &draft, &line)))?;
    match layout.store().swap(draft, Some(version), Access::Private)? {
        Swap::Done(_) => Ok(()),
        Swap::Lost => Err(raced(&layout.store().place(path))),
    }
}

fn write(layout: &Layout, draft: &Draft, line: &Line) -> Result<()> {
    let text = serde_json::to_string(line).map_err(std::io::Error::from);
    let written = text.and_then(|text| writeln!(draft.writer(), "{text}"));
    written.map_err(|error| failed("cannot write the rejects", layout.store().place(draft.path()), error))
}
