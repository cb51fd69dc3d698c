//! The stage's journal: what each staged response was, so that a run that was stopped can be continued.
//!
//! One line a response, with a checksum of itself and of the bytes that it speaks of, behind one line for each of its rejects.
//! A line that is torn or does not match ends what can be used; what stands before it is whole. Lines are short, whatever a
//! response holds: its ids and its rows are in the file of rows.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write};
use std::os::unix::fs::FileExt;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::StageError;
use super::held::{Begin, Files, Held, Shown};
use super::record::Record;
use crate::error::Result;
use crate::list::{Listed, PageInfo, Window};
use crate::rows::flatten::Reject;

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
    /// The first of the runs, by its id: `20261126T064421260Z-8fa0bc`.
    pub run_id: String,
    /// The last run that had published before it.
    pub last_run: Option<String>,
    /// What may be written down of a session: [`crate::rows::method::Method::staged`].
    #[serde(default)]
    pub rule: String,
}

/// A record of a response that could not become a row, or not all of one.
#[derive(Debug, Serialize, Deserialize)]
struct Rejected<T> {
    /// The number of its page.
    page: u64,
    reject: T,
}

/// Bytes of a line at most; longer ones are not this version's. A raw record is twice as long in JSON.
const LINE: u64 = 8 << 20;

/// A response that an earlier run has staged.
#[derive(Debug, Clone)]
pub struct Recalled {
    /// Which walk of its run asked for it.
    pub leg: usize,
    /// The window that was asked for.
    pub window: Window,
    /// The server's own word on the page: its number, size and totals.
    pub info: PageInfo,
    /// All sessions that it listed, in the order of the list, with and without a row.
    pub rows: Vec<Listed>,
    /// Those of them without a row.
    pub cut: Vec<Listed>,
    /// How many are of another meeting than the one that was asked for.
    pub foreign: u64,
    /// Records without a usable id.
    pub unusable: u64,
    /// Ids of sessions that were still running.
    pub open: Vec<String>,
}

impl Record {
    /// The response with what it listed, and which of that was still running.
    pub(super) fn recalled(self, rows: Vec<Listed>, open: Vec<String>) -> Recalled {
        let [current_page, per_page, last_page, total] = self.info;
        Recalled {
            leg: self.leg,
            window: Window { size: self.size, page: self.page },
            info: PageInfo { current_page, per_page, last_page, total },
            rows,
            cut: self.unstaged.rows().map(|(_, row)| row).collect(),
            foreign: self.foreign,
            unusable: self.unusable,
            open,
        }
    }
}

/// A journal that grows by a line for each answer and for each of its rejects.
#[derive(Debug)]
pub struct Journal(File);

impl Journal {
    /// Begins a journal with the line that says whose it is.
    pub fn begin(file: File, header: &Header) -> Result<Self, StageError> {
        let mut journal = Self(file);
        journal.line(header)?;
        Ok(journal)
    }

    /// Goes on with one, behind what can be used of it.
    pub const fn go_on(file: File) -> Self {
        Self(file)
    }

    /// Adds a record of a response that is added after it.
    pub fn reject(&mut self, page: u64, reject: &Reject) -> Result<(), StageError> {
        self.line(&Rejected { page, reject })
    }

    /// Adds an answer, behind its rejects; from then on a later run may use it.
    pub fn add(&mut self, record: &Record) -> Result<(), StageError> {
        self.line(record)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), StageError> {
        let mut line = vec![b' '; SUM + 1];
        serde_json::to_writer(&mut line, value).map_err(std::io::Error::from)?;
        let sum = format!("{:0SUM$x}", xxh3_64(&line[SUM + 1..]));
        line[..SUM].copy_from_slice(sum.as_bytes());
        line.push(b'\n');
        Ok(self.0.write_all(&line)?)
    }

    /// Calls with the page and the reject of each record of the first so many bytes that could not become a row, one after
    /// the other.
    pub fn rejects(&self, length: u64, each: impl FnMut(u64, Reject) -> Result<()>) -> Result<(), StageError> {
        rejects(&self.0, length, each)
    }

    /// The file, with all that was added.
    pub const fn file(&self) -> &File {
        &self.0
    }
}

/// The same of a journal that somebody else has left.
pub fn rejects(journal: &File, length: u64, mut each: impl FnMut(u64, Reject) -> Result<()>) -> Result<(), StageError> {
    let mut lines = Lines::of(journal, length);
    while let Some((_, line)) = lines.next()? {
        if let Some(Rejected { page, reject }) = line.and_then(parsed) {
            each(page, reject).map_err(StageError::Else)?;
        }
    }
    Ok(())
}

/// The answers of a journal that somebody else has left whole, one after the other.
pub struct Answers<'f>(Lines<'f>);

impl<'f> Answers<'f> {
    /// Those behind the journal's first line.
    pub fn of(journal: &'f File) -> std::io::Result<Self> {
        let mut lines = Lines::of(journal, journal.metadata()?.len());
        lines.next()?;
        Ok(Self(lines))
    }

    /// The next one; `None` at the end, or where a line is none that was written.
    pub fn next(&mut self) -> std::io::Result<Option<Record>> {
        while let Some((_, Some(text))) = self.0.next()? {
            if parsed::<Rejected<IgnoredAny>>(text).is_none() {
                return Ok(parsed(text));
            }
        }
        Ok(None)
    }
}

/// Hexadecimal digits of the checksum that each line begins with.
const SUM: usize = 16;

/// The lines of a journal, one in memory at a time.
struct Lines<'f> {
    lines: BufReader<Section<'f>>,
    line: Vec<u8>,
}

impl<'f> Lines<'f> {
    fn of(file: &'f File, length: u64) -> Self {
        Self { lines: BufReader::new(Section { file, at: 0, end: length }), line: Vec::new() }
    }

    /// The next line's length, and its text if its checksum is right; none at the end, or where one is too long.
    fn next(&mut self) -> std::io::Result<Option<(u64, Option<&str>)>> {
        self.line.clear();
        let length = (&mut self.lines).take(LINE).read_until(b'\n', &mut self.line)?;
        Ok((length > 0).then(|| (length as u64, checked(&self.line))))
    }
}

/// Bytes of a file, whose own position stays where it is.
struct Section<'f> {
    file: &'f File,
    at: u64,
    end: u64,
}

impl std::io::Read for Section<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..left], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

/// Whose stage a journal is, if answers are in it; they are not looked at.
pub fn glance(journal: &File) -> std::io::Result<Option<Header>> {
    let length = journal.metadata()?.len();
    let mut lines = Lines::of(journal, length);
    let Some((first, text)) = lines.next()? else { return Ok(None) };
    Ok(text.and_then(parsed).filter(|_| first < length))
}

/// What a journal says, as far as it can be used.
pub struct Read {
    /// Whose stage it is, by the journal's first line.
    pub header: Header,
    /// The responses, and what their rows tell.
    pub records: Vec<(Record, Shown)>,
    /// Bytes of the journal that were used.
    pub length: u64,
    /// Whether a response is none that was ever staged, though its sums are right.
    pub is_forged: bool,
}

/// Reads a journal and holds it against the rows and identities; `None` where not even its header can be used.
pub fn read(journal: &File, files: Files<'_>) -> std::io::Result<Option<Read>> {
    let mut lines = Lines::of(journal, journal.metadata()?.len());
    let Some((mut length, text)) = lines.next()? else { return Ok(None) };
    let Some(header) = text.and_then(parsed) else { return Ok(None) };
    let mut records: Vec<(Record, Shown)> = Vec::new();
    let (mut used, mut is_forged) = (length, false);
    while let Some((bytes, Some(text))) = lines.next()? {
        length += bytes;
        if parsed::<Rejected<IgnoredAny>>(text).is_some() {
            continue;
        }
        let Some(record) = parsed::<Record>(text) else { break };
        let begin = records.last().map_or(Begin::default(), |(last, _)| Begin::behind(last, records.len() as u64));
        match files.hold(&record, begin)? {
            Held::Torn => break,
            Held::Forged => {
                is_forged = true;
                break;
            }
            Held::Whole(shown) => records.push((record, shown)),
        }
        used = length;
    }
    Ok(Some(Read { header, records, length: used, is_forged }))
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    serde_json::from_str(text).ok()
}

/// The text of a line whose checksum is right.
fn checked(line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (sum, text) = line.split_once(' ')?;
    (u64::from_str_radix(sum, 16).ok()? == xxh3_64(text.as_bytes())).then_some(text)
}
