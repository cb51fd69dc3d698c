//! The stage's journal: what each staged response was, so that a run that was stopped can be continued.
//!
//! One line a response, with a checksum of itself and of the bytes that it speaks of. A line that is torn or does not
//! match ends what can be used; what stands before it is whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::keys::Keys;
use super::{StageError, identity};
use crate::flatten::{Flat, Reject};
use crate::walk::{Listed, PageInfo, Window};

/// Whose stage it is: a run continues only what has the same key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Everything that must be the same.
    pub key: String,
    /// The number of the last purge. What was staged before another one holds what must not be kept.
    #[serde(default)]
    pub erasures: u64,
    /// When the first of the runs began, in microseconds.
    pub begun_at: i64,
    /// That run.
    pub run_id: String,
    /// The last run that had published before it.
    pub last_run: Option<String>,
}

/// A staged response.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub(super) leg: usize,
    pub(super) size: u32,
    pub(super) page: u64,
    pub(super) info: [Option<i64>; 4],
    pub(super) unusable: u64,
    /// Listed sessions of another meeting than the one that was asked for.
    pub(super) foreign: u64,
    /// What it listed besides its staged rows.
    pub(super) unstaged: Unstaged,
    /// Of all that it listed.
    pub(super) keys: Keys,
    pub(super) segments: Vec<SegmentRecord>,
    /// Rows and bytes of the stage with this response.
    pub(super) sessions: u64,
    pub(super) end: u64,
    /// Ids of sessions that were still running.
    pub(super) open: Vec<String>,
    /// Of its rows and identities.
    pub(super) hash: u64,
    /// What could not become rows: position, reason, raw record.
    pub(super) rejects: Vec<Reject>,
}

/// A segment's entry in the index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// The partition's first day, counted from the year 1.
    pub(super) day: i32,
    pub(super) first_start: Option<i64>,
    pub(super) first_id: String,
    pub(super) first_ordinal: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
}

/// A response that an earlier run has staged.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// Which walk of its run asked for it.
    pub leg: usize,
    /// What was asked.
    pub window: Window,
    /// The server's words.
    pub info: PageInfo,
    /// What it listed.
    pub rows: Vec<Listed>,
    /// Those of them without a row.
    pub cut: Vec<Listed>,
    /// How many are of another meeting than the one that was asked for.
    pub foreign: u64,
    /// Records without a usable id.
    pub unusable: u64,
    /// Ids of sessions that were still running.
    pub open: Vec<String>,
    /// What could not become rows.
    pub rejects: Vec<Reject>,
}

impl Record {
    /// The response with what it listed.
    pub(super) fn recalled(self, rows: Vec<Listed>) -> Recalled {
        let [current_page, per_page, last_page, total] = self.info;
        Recalled {
            leg: self.leg,
            window: Window { size: self.size, page: self.page },
            info: PageInfo { current_page, per_page, last_page, total },
            rows,
            cut: self.unstaged.rows().map(|(_, row)| row).collect(),
            foreign: self.foreign,
            unusable: self.unusable,
            open: self.open,
            rejects: self.rejects,
        }
    }
}

/// Sessions that a response listed and that got no row: their places among all that it listed, hashed ids in
/// hexadecimal, and starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unstaged(Vec<(usize, String, Option<i64>)>);

impl Unstaged {
    /// Those of a page.
    pub fn of(flat: &Flat) -> Self {
        if flat.listed.len() == flat.entries.len() {
            return Self::default();
        }
        let mut staged: Vec<_> = flat.entries.iter().map(|entry| (entry.position, entry.id, entry.start)).collect();
        staged.sort_unstable();
        let mut staged = staged.into_iter().peekable();
        let mut has_row =
            |row: &Listed| staged.next_if(|(_, id, start)| (*id, *start) == (row.id, row.start)).is_some();
        let rest = flat.listed.iter().enumerate().filter(|(_, row)| !has_row(row));
        Self(rest.map(|(at, row)| (at, format!("{:x}", row.id), row.start)).collect())
    }

    /// Their places, and what is known of them.
    fn rows(&self) -> impl Iterator<Item = (usize, Listed)> {
        self.0.iter().map(|(at, hex, start)| {
            let id = u128::from_str_radix(hex, 16).unwrap_or_default();
            (*at, Listed { id, start: *start, ..Listed::default() })
        })
    }

    /// All that the response listed, in order, from the identities of its rows.
    fn joined(&self, identities: &[u8]) -> Vec<Listed> {
        let mut staged: Vec<_> = identity::read(identities).collect();
        staged.sort_unstable_by_key(|identity| identity.position());
        let mut listed: Vec<_> =
            staged.iter().map(|row| Listed { id: row.id, start: row.start(), ..Listed::default() }).collect();
        for (at, row) in self.rows() {
            listed.insert(at.min(listed.len()), row);
        }
        listed
    }
}

/// Appends lines.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Begins a journal.
    pub fn begin(file: File, header: &Header) -> Result<Self, StageError> {
        let mut journal = Self(file);
        journal.line(header)?;
        Ok(journal)
    }

    /// Goes on with one, behind what can be used of it.
    pub const fn go_on(file: File) -> Self {
        Self(file)
    }

    /// Adds a record.
    pub fn add(&mut self, record: &Record) -> Result<(), StageError> {
        self.line(record)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), StageError> {
        let text = serde_json::to_string(value).map_err(std::io::Error::from)?;
        let line = format!("{:016x} {text}\n", xxh3_64(text.as_bytes()));
        Ok(self.0.write_all(line.as_bytes())?)
    }
}

/// What a journal says, as far as it can be used.
pub struct Read {
    /// Whose it is.
    pub header: Header,
    /// The responses, and what each of them listed.
    pub records: Vec<(Record, Vec<Listed>)>,
    /// Bytes of the journal that were used.
    pub length: u64,
}

/// Reads a journal and holds it against the rows and identities; `None` where not even its header can be used.
pub fn read(journal: &File, rows: &File, identities: &File) -> std::io::Result<Option<Read>> {
    let mut lines = BufReader::new(journal);
    let mut line = Vec::new();
    let mut next = || {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        Ok::<_, std::io::Error>((length as u64, checked(&line).map(str::to_owned)))
    };
    let (mut length, text) = next()?;
    let Some(header) = text.and_then(|text| serde_json::from_str(&text).ok()) else { return Ok(None) };
    let mut records: Vec<(Record, _)> = Vec::new();
    loop {
        let (bytes, text) = next()?;
        let Some(record) = text.and_then(|text| serde_json::from_str::<Record>(&text).ok()) else { break };
        let (end, sessions) = records.last().map_or((0, 0), |(last, _)| (last.end, last.sessions));
        let size = identity::BYTES as u64;
        let rows = part(rows, end..record.end)?;
        let identities = part(identities, sessions * size..record.sessions * size)?;
        let (Some(rows), Some(identities)) = (rows, identities) else { break };
        let mut hasher = Xxh3::new();
        hasher.update(&rows);
        hasher.update(&identities);
        if hasher.digest() != record.hash {
            break;
        }
        let Some(listed) = record.keys.give(record.unstaged.joined(&identities)) else { break };
        length += bytes;
        records.push((record, listed));
    }
    Ok(Some(Read { header, records, length }))
}

/// The text of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, text) = line.split_once(' ')?;
    (u64::from_str_radix(sum, 16).ok()? == xxh3_64(text.as_bytes())).then_some(text)
}

/// Bytes of a file; `None` where they are not there.
fn part(file: &File, range: std::ops::Range<u64>) -> std::io::Result<Option<Vec<u8>>> {
    let length = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok());
    let Some(length) = length else { return Ok(None) };
    if file.metadata()?.len() < range.end {
        return Ok(None);
    }
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, range.start)?;
    Ok(Some(bytes))
}
