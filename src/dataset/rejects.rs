//! Rejects: raw records that could not become a row, or not all of one, kept in `_rollbook/rejects/<run_id>.jsonl`.
//!
//! Raw records may hold personal data. The erased are not in them when they come here, and after
//! [`DAYS`] days only a record's hash is left, by which it is known that it was recorded before.
//!
//! A record of a session is known by the session's id and its content: what an earlier run has recorded is not new. One
//! without a usable id stands in the place of a session that nobody can name, tonight of another one than last night, so it
//! is never known, and counts in every run. Of equal texts one is stored.

mod changed;
mod kept;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::receipt;
use crate::error::Result;
use crate::rows::flatten::{Of, Reject};
use crate::store::{Access, Draft, Store, Swap, Version, failed, raced};
use crate::words::id;
use crate::words::limits;
pub use changed::{Purged, protect, purge};
pub use kept::{Kept, count, damaged, each_kept};

/// The folder of rejects, in rollbook's own.
const FOLDER: &str = "rejects";
/// How many days raw records are kept; after that only hashes of them stay.
pub const DAYS: u64 = 30;
/// Marks of records without an id that are held in memory; what comes after is counted as often as it is listed.
const MARKS: usize = 1 << 17;
/// Records of earlier runs that are held in memory; what comes after is new once more.
const KNOWN: usize = 1 << 20;
/// Bytes of a line at most: a record of which each character takes six.
const LINE: u64 = 6 * (limits::RAW as u64) + (1 << 20);

/// A line of a file of rejects: one record, and where it stood.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    page: u64,
    index: usize,
    reason: String,
    /// The session's id, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The record as it was read, until it expires after 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    /// Its hash in hexadecimal: from then on, and from the beginning where `raw` is its shape alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    hash: Option<String>,
}

impl Line {
    fn content(&self) -> Option<u128> {
        let hash = self.hash.as_deref().and_then(|hash| u128::from_str_radix(hash, 16).ok());
        hash.or_else(|| self.raw.as_deref().map(id::hash))
    }

    /// By what a later run knows the record again. Earlier versions wrote no id beside it.
    fn known_by(&self) -> Option<u128> {
        let content = self.content()?;
        Some(self.id.as_deref().map_or(content, |id| of_session(id, content)))
    }

    fn expired(self) -> Self {
        let hash = self.content().map(|content| format!("{content:x}"));
        Self { hash, raw: None, ..self }
    }
}

/// By what a record of a session is known.
fn of_session(id: &str, content: u128) -> u128 {
    id::hash(&format!("{content:x} {id}"))
}

/// The rejects of a run, told apart as far as they can be: one that is listed twice counts once.
#[derive(Debug)]
pub struct Rejects {
    layout: Layout,
    run_id: String,
    /// Another store that the file is written to, and the path there.
    elsewhere: Option<(Arc<dyn Store>, String)>,
    file: Option<Draft>,
    /// By what records that earlier runs have kept are known again.
    known: BTreeSet<u128>,
    seen: BTreeSet<u128>,
    /// Marks of records without an id.
    marks: BTreeSet<u128>,
    counts: receipt::Rejects,
}

/// Removes all raw records: where nothing was published, the next run reads them again.
///
/// # Errors
/// `Destination` where one can't be removed.
pub fn forget(layout: &Layout) -> Result<()> {
    let kept = layout.store().list(&Layout::own(FOLDER))?;
    kept.iter().try_for_each(|(path, _)| layout.store().remove(path))
}

impl Rejects {
    /// Rejects of a run; reads which were recorded before, and lets go of old ones. `now` in microseconds.
    pub fn new(layout: &Layout, run_id: &str, now: i64) -> Result<Self> {
        let mut known = BTreeSet::new();
        for (path, version) in layout.store().list(&Layout::own(FOLDER))? {
            let mut is_raw = false;
            let is_whole = each(layout, &path, |line| {
                known.extend(line.known_by().filter(|_| known.len() < KNOWN));
                is_raw |= line.raw.is_some();
                Ok(())
            })?;
            if !is_whole {
                let place = layout.store().place(&path);
                tracing::warn!("a file of rejects holds what is no line of it, which is passed over: {place}");
            }
            if is_raw && is_older(&path, now) {
                rewrite(layout, &path, &version, |line| Some(line.expired()))?;
            }
        }
        let (layout, run_id) = (layout.clone(), run_id.to_owned());
        let (file, seen, marks, counts) = Default::default();
        let elsewhere = None;
        Ok(Self { layout, run_id, elsewhere, file, known, seen, marks, counts })
    }

    /// The rejects of a run that leaves it to another one to keep them.
    pub fn unkept(layout: &Layout, run_id: &str) -> Self {
        let (layout, run_id) = (layout.dry(), run_id.to_owned());
        let (elsewhere, file, known, seen, marks, counts) = Default::default();
        Self { layout, run_id, elsewhere, file, known, seen, marks, counts }
    }

    /// The same, written to a path in another store: whoever ends the run brings them to their place ([`take_over`]).
    #[must_use]
    pub fn put_elsewhere(self, store: Arc<dyn Store>, path: String) -> Self {
        Self { elsewhere: Some((store, path)), ..self }
    }

    /// Where the file goes.
    fn target(&self) -> (&dyn Store, String) {
        match &self.elsewhere {
            Some((store, path)) => (store.as_ref(), path.clone()),
            None => (self.layout.store(), path_of(&self.run_id)),
        }
    }

    /// Keeps the rejects of a page. `size`: of the page, where it was asked for by this number and size.
    pub fn add(&mut self, page: u64, size: Option<u32>, rejects: Vec<Reject>) -> Result<()> {
        for reject in rejects {
            let is_new_text = self.count(size.map(|size| (page, size)), &reject);
            if !is_new_text {
                continue;
            }
            let (store, path) = self.target();
            if self.file.is_none() {
                self.file = Some(store.begin(&path)?);
            }
            let Some(file) = &self.file else { continue };
            let Reject { index, reason, raw, of, mark: hash } = reject;
            let id = if let Of::Session(id) = of { Some(id) } else { None };
            write(&self.layout, file, &Line { page, index, reason, id, raw: Some(raw), hash })?;
        }
        Ok(())
    }

    /// Counts a record; says whether its text is not stored yet.
    fn count(&mut self, asked: Option<(u64, u32)>, reject: &Reject) -> bool {
        let content = reject.content();
        match &reject.of {
            Of::Session(id) => {
                let record = of_session(id, content);
                let is_first = self.seen.insert(record);
                // A text that says nothing, since the page could not be read a second time, is no one's.
                let of_earlier_version = !reject.raw.is_empty() && self.known.contains(&content);
                let is_known = of_earlier_version || self.known.contains(&record);
                self.counts.total += u64::from(is_first);
                self.add_new(u64::from(is_first && !is_known), &reject.reason);
                is_first
            }
            Of::Unknown(marks) => {
                let number = u64::from(!self.was_met(content, asked, reject.index, marks));
                self.counts.total += number;
                self.add_new(number, &reject.reason);
                self.counts.without_id += number;
                self.seen.insert(content)
            }
        }
    }

    fn add_new(&mut self, number: u64, reason: &str) {
        self.counts.new += number;
        if number > 0 {
            *self.counts.reasons.entry(reason.to_owned()).or_default() += number;
        }
    }

    /// Whether a record without an id was met before. Where that can't be told, it was not: counting more than there are is
    /// the safe side.
    fn was_met(&mut self, content: u128, asked: Option<(u64, u32)>, index: usize, marks: &[String]) -> bool {
        let mut marks: Vec<_> = marks.iter().filter_map(|mark| u128::from_str_radix(mark, 16).ok()).collect();
        if marks.is_empty() {
            // Nothing in the page has an id, so only the same request shows the same place.
            let place = asked.map(|(page, size)| id::hash(&format!("{content:x} {page} {size} {index}")));
            marks.extend(place);
        }
        let was_met = marks.iter().any(|mark| self.marks.contains(mark));
        if self.marks.len() < MARKS {
            self.marks.extend(marks);
        }
        was_met
    }

    /// Puts the file into its place, durably, and says how many there were.
    pub fn close(mut self) -> Result<receipt::Rejects> {
        if let Some(draft) = self.file.take() {
            let (store, path) = self.target();
            if store.swap(draft, None, Access::Private)? == Swap::Lost {
                return Err(raced(&store.place(&path)));
            }
        }
        Ok(self.counts)
    }
}

/// Brings the rejects of a run to their place from a file of another store. One that is there already is the same.
///
/// # Errors
/// `Destination`.
pub fn take_over(layout: &Layout, run_id: &str, file: File) -> Result<()> {
    let path = path_of(run_id);
    let draft = layout.store().begin(&path)?;
    let copied = io::copy(&mut BufReader::new(file), &mut draft.writer());
    copied.map_err(|error| failed("cannot write the file", layout.store().place(&path), error))?;
    layout.store().swap(draft, None, Access::Private).map(drop)
}

/// Where the rejects of a run are.
fn path_of(run_id: &str) -> String {
    Layout::own(&format!("{FOLDER}/{run_id}.jsonl"))
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

/// Calls with every line of a file; says whether nothing else is in it. That is no reason to fail a run: a record of an unknown
/// form counts as new once more. Behind a line without an end nothing is looked for.
fn each(layout: &Layout, path: &str, mut each: impl FnMut(Line) -> Result<()>) -> Result<bool> {
    let Some((file, _)) = layout.store().open(path)? else { return Ok(true) };
    let (mut file, mut line, mut is_whole) = (BufReader::new(file), Vec::new(), true);
    loop {
        line.clear();
        let read = (&mut file).take(LINE).read_until(b'\n', &mut line);
        let read = read.map_err(|error| failed("cannot read the rejects", layout.store().place(path), error))?;
        match serde_json::from_slice(&line) {
            _ if read == 0 => return Ok(is_whole),
            _ if read as u64 == LINE => return Ok(false),
            Ok(line) => each(line)?,
            Err(_) => is_whole = false,
        }
    }
}

/// Whether a path is one of a file of rejects.
pub fn is_one(path: &str) -> bool {
    path.strip_prefix(&Layout::own(FOLDER)).is_some_and(|rest| rest.starts_with('/'))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::erasures::Tally;
    use crate::rows::partition::PartitionBy;

    fn reject(id: &str, raw: &str) -> Reject {
        let of = if id.is_empty() { Of::Unknown(Vec::new()) } else { Of::Session(id.to_owned()) };
        Reject { index: 3, reason: "bad_value".to_owned(), raw: raw.to_owned(), of, mark: None }
    }

    /// Total, new, and without an id, of a run that meets these on one page.
    fn run(layout: &Layout, run_id: &str, rejects: &[Reject]) -> (u64, u64, u64) {
        let mut kept = Rejects::new(layout, run_id, 0).unwrap();
        kept.add(1, None, rejects.to_vec()).unwrap();
        let receipt::Rejects { total, new, without_id, .. } = kept.close().unwrap();
        (total, new, without_id)
    }

    #[test]
    fn a_record_of_a_session_is_known_by_id_and_content_and_one_without_an_id_never() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        // Two pages that could not be read a second time have left no text.
        let of_sessions = [reject("a", "1"), reject("a", "1"), reject("b", "1"), reject("a", ""), reject("b", "")];
        assert_eq!(run(&layout, "1", &of_sessions), (4, 4, 0));
        assert_eq!(run(&layout, "2", &of_sessions), (4, 0, 0));
        assert_eq!(run(&layout, "3", &[reject("a", "2"), reject("c", "")]), (2, 2, 0));
        for night in ["4", "5"] {
            assert_eq!(run(&layout, night, &[reject("", "1"), reject("", "1"), reject("", "")]), (3, 3, 3));
        }
    }

    #[test]
    fn lines_of_earlier_versions_are_known_by_their_content() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        std::fs::create_dir_all(folder.path().join("_rollbook/rejects")).unwrap();
        let hash = id::hash("hashed");
        let lines = format!(
            "{{\"page\":1,\"index\":0,\"reason\":\"bad_value\",\"raw\":\"whole\"}}\n\
             {{\"page\":1,\"index\":1,\"reason\":\"bad_value\",\"hash\":\"{hash:x}\"}}\n\
             {{\"page\":1,\"index\":2,\"reason\":\"bad_value\",\"raw\":\"\"}}\n"
        );
        std::fs::write(folder.path().join("_rollbook/rejects/0.jsonl"), lines).unwrap();
        let rejects = [reject("a", "whole"), reject("a", "hashed"), reject("a", "other"), reject("a", "")];
        assert_eq!(run(&layout, "1", &rejects), (4, 2, 0));
    }

    #[test]
    fn one_place_is_told_again_while_there_is_room() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        let mut kept = Rejects::new(&layout.dry(), "1", 0).unwrap();
        let mut met = |page, size, at: usize| {
            kept.add(page, size, vec![Reject { index: at, ..reject("", "null") }]).unwrap();
            kept.counts.without_id
        };
        assert_eq!([met(1, Some(50), 0), met(1, Some(50), 0), met(1, Some(50), 1), met(1, Some(49), 0)], [1, 1, 2, 3]);
        assert_eq!([met(2, None, 0), met(2, None, 0)], [4, 5]);
        let most = MARKS as u64 + 9;
        for at in 0..most {
            met(3, Some(1), usize::try_from(at).unwrap());
        }
        assert_eq!(met(3, Some(1), 0), 5 + most, "an early one is still known");
        let late = usize::try_from(most).unwrap() - 1;
        assert_eq!(met(3, Some(1), late), 6 + most, "a late one is counted again");
    }

    #[test]
    fn what_is_no_line_is_passed_over_and_does_not_outlive_a_purge() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        let path = folder.path().join("_rollbook/rejects/0.jsonl");
        let line = |raw: &str| format!("{{\"page\":1,\"index\":0,\"reason\":\"bad_value\",\"raw\":\"{raw}\"}}\n");
        let endless = vec![b'x'; usize::try_from(LINE).unwrap() + 1];
        for (bad, behind) in [(&b"\xff\xfe\n"[..], true), (b"{}\n", true), (b"\n", true), (&endless, false)] {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, [line("a").as_bytes(), bad, line("b").as_bytes()].concat()).unwrap();
            // The one behind a line without an end can't be told from it.
            let new = 1 + u64::from(!behind);
            assert_eq!(run(&layout, "1", &[reject("s", "a"), reject("s", "b"), reject("s", "c")]), (3, new, 0));
            let mut found = Vec::new();
            damaged(&layout, |path| found.push(path.to_owned())).unwrap();
            assert_eq!(found, ["_rollbook/rejects/0.jsonl"]);
            assert!(is_one(&found[0]) && !is_one("_rollbook/rejects"));
            purge(&layout, None, None, &mut Tally::default()).unwrap();
            damaged(&layout, |path| panic!("{path}")).unwrap();
            let kept = std::fs::read_to_string(&path).unwrap();
            assert_eq!(kept, line("a") + if behind { line("b") } else { String::new() }.as_str());
            std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
        }
    }
}
