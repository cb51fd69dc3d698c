//! The stage's journal: what each staged response was, so that a run that was stopped can be continued.
//!
//! One line a response, with a checksum of itself and of the bytes that it speaks of. A line that is torn or does not
//! match ends what can be used; what stands before it is whole.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{IDENTITY_BYTES, StageError};
use crate::flatten::Reject;
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
    /// Hashed ids in hexadecimal, and starts.
    pub(super) listed: Vec<(String, Option<i64>)>,
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
    /// Records without a usable id.
    pub unusable: u64,
    /// Ids of sessions that were still running.
    pub open: Vec<String>,
    /// What could not become rows.
    pub rejects: Vec<Reject>,
}

impl From<Record> for Recalled {
    fn from(record: Record) -> Self {
        let [current_page, per_page, last_page, total] = record.info;
        let id = |hex: &str| u128::from_str_radix(hex, 16).unwrap_or_default();
        Self {
            leg: record.leg,
            window: Window { size: record.size, page: record.page },
            info: PageInfo { current_page, per_page, last_page, total },
            rows: record.listed.iter().map(|(hex, start)| Listed { id: id(hex), start: *start }).collect(),
            unusable: record.unusable,
            open: record.open,
            rejects: record.rejects,
        }
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
    /// The responses.
    pub records: Vec<Record>,
    /// Bytes of the journal that were used.
    pub length: u64,
}

/// Reads a journal and holds it against the rows and identities; `None` where not even its header can be used.
pub fn read(journal: &Path, rows: &File, identities: &File) -> std::io::Result<Option<Read>> {
    let mut lines = BufReader::new(File::open(journal)?);
    let mut line = Vec::new();
    let mut next = || {
        line.clear();
        let length = lines.read_until(b'\n', &mut line)?;
        Ok::<_, std::io::Error>((length as u64, checked(&line).map(str::to_owned)))
    };
    let (mut length, text) = next()?;
    let Some(header) = text.and_then(|text| serde_json::from_str(&text).ok()) else { return Ok(None) };
    let mut records: Vec<Record> = Vec::new();
    loop {
        let (bytes, text) = next()?;
        let Some(record) = text.and_then(|text| serde_json::from_str::<Record>(&text).ok()) else { break };
        let (end, sessions) = records.last().map_or((0, 0), |last| (last.end, last.sessions));
        if hash(rows, identities, end..record.end, sessions..record.sessions)? != Some(record.hash) {
            break;
        }
        length += bytes;
        records.push(record);
    }
    Ok(Some(Read { header, records, length }))
}

/// The text of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, text) = line.split_once(' ')?;
    (u64::from_str_radix(sum, 16).ok()? == xxh3_64(text.as_bytes())).then_some(text)
}

/// The checksum of a response's rows and identities; `None` where they are not there.
fn hash(
    rows: &File,
    identities: &File,
    bytes: std::ops::Range<u64>,
    sessions: std::ops::Range<u64>,
) -> std::io::Result<Option<u64>> {
    let mut hasher = Xxh3::new();
    let size = IDENTITY_BYTES as u64;
    for (file, range) in [(rows, bytes), (identities, sessions.start * size..sessions.end * size)] {
        let Some(length) = range.end.checked_sub(range.start).and_then(|length| usize::try_from(length).ok()) else {
            return Ok(None);
        };
        if file.metadata()?.len() < range.end {
            return Ok(None);
        }
        let mut buffer = vec![0; length];
        file.read_exact_at(&mut buffer, range.start)?;
        hasher.update(&buffer);
    }
    Ok(Some(hasher.digest()))
}
