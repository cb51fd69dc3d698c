//! The stage: rows on local disk, not yet published.
//!
//! One append-only file of segments, one of identities, and a journal. A segment holds the rows of one response that
//! fall into one partition, sorted; what is kept in memory is an index entry a segment, never rows. With a journal,
//! a run that was stopped can be continued; a dry run has none, and files without names.

mod back;
mod cut;
mod fault;
mod held;
mod identity;
mod journal;
mod keys;
mod leftover;
mod opened;
mod piece;
mod record;
mod segment;
mod waiting;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::sync::Once;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::error::Result;
use crate::list::{PageInfo, Window};
use crate::rows::chunk::{self, weight};
use crate::rows::flatten::{Entry, Flat, Reject};
use crate::rows::partition::{Partition, PartitionBy};
use crate::rows::tables::{Table, Tables};
use crate::store::failed;
use crate::store::files::{Below, Folder};
use crate::words::limits;
pub use cut::Cut;
use fault::StageError;
pub use identity::Identity;
use journal::Journal;
pub use journal::{Header, Recalled};
use keys::Keys;
use leftover::{is_left, keep_only, remove};
pub use piece::{Index, Open, Piece, Sealed};
use record::{Record, SegmentRecord, Unstaged};
pub use waiting::Waiting;

/// Where a segment is in the file of rows, and what the merge must know before it is read.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Start of its first session, in microseconds.
    pub first_start: Option<i64>,
    /// Id of its first session; with the start, its place in the order.
    pub first_id: String,
    /// Number of its first session row in the stage.
    pub first_ordinal: u64,
    offset: u64,
    length: usize,
    /// Bytes that its rows take as they are published.
    weight: usize,
    /// A checksum of its bytes.
    hash: u64,
    /// Which of the pieces that others have left it is in; `None` for this run's own file.
    piece: Option<usize>,
}

impl Segment {
    fn of(record: &SegmentRecord, first_id: String) -> Self {
        let SegmentRecord { day: _, first_start, first_ordinal, offset, length, weight, hash } = *record;
        Self { first_start, first_id, first_ordinal, offset, length, weight, hash, piece: None }
    }
}

/// An answer that a later run may recall: what was asked for it, and when it came.
#[derive(Debug, Clone, Copy)]
pub struct Asked {
    /// The number of its walk in this run: its leg, from 0.
    pub leg: usize,
    /// The window that it answers.
    pub window: Window,
    /// When it was answered, in microseconds.
    pub at: i64,
}

/// What others have left: this run's own files number their rows and answers from behind it.
#[derive(Debug, Clone, Copy, Default)]
struct TakenOver {
    sessions: u64,
    answers: u64,
}

/// Counts the changes of segments, identities and the journal, and of the rules by which staged rows were counted, but not
/// those of columns.
const FORM: u32 = 8;

/// The files of a stage, the journal last.
pub const STAGED: [&str; 3] = ["rows", "identities", "journal"];
/// Where a stage is put that is of no use any more.
pub const ASIDE: &str = "aside";

/// Rows on the local disk by partition, with an index in memory: one entry for each segment.
pub struct Stage {
    folder: Folder,
    begun_at: i64,
    begun_by: Option<String>,
    rows: File,
    identities: File,
    segments: BTreeMap<Partition, Vec<Segment>>,
    end: u64,
    sessions: u64,
    answers: u64,
    scratch: Vec<u8>,
    /// Of what a later run may continue.
    journal: Option<Journal>,
    /// Bytes of the journal that a stopped run has left.
    recalled: u64,
    /// What others have left, which this run goes on from.
    pieces: Vec<Piece>,
    /// How much of all that is in them.
    taken_over: TakenOver,
    /// What this run has staged, for those who go on from it; only where it is to be sealed.
    index: Option<Index>,
    hasher: Xxh3,
    /// Whether other runs are kept from staging in the same files, by the folder's lock.
    is_alone: bool,
    /// Of what can't be read back: it would stop the next run, too.
    aside: Once,
}

impl Stage {
    /// An empty stage without names in a folder, which is made if it is missing. A dead run leaves nothing behind.
    pub fn nameless(folder: &Below, begun_at: i64) -> Result<Self> {
        let made = folder.make().and_then(|folder| Self::without_names(&folder, begun_at));
        made.map_err(|error| failed("cannot create the stage", folder.place().display(), error))
    }

    fn without_names(folder: &Folder, begun_at: i64) -> std::io::Result<Self> {
        Ok(Self::new(folder, begun_at, folder.nameless()?, folder.nameless()?, None))
    }

    fn new(folder: &Folder, begun_at: i64, rows: File, identities: File, journal: Option<Journal>) -> Self {
        Self {
            folder: folder.clone(),
            begun_at,
            begun_by: None,
            rows,
            identities,
            segments: BTreeMap::new(),
            end: 0,
            sessions: 0,
            answers: 0,
            scratch: Vec::new(),
            journal,
            recalled: 0,
            pieces: Vec::new(),
            taken_over: TakenOver::default(),
            index: None,
            hasher: Xxh3::new(),
            is_alone: false,
            aside: Once::new(),
        }
    }

    /// The form of a stage's files: one that is continued by another version must be of the same. The staged columns tell
    /// of their own changes.
    pub fn form() -> String {
        let columns =
            |table: Table| table.staged_columns().map(|column| format!("{}:{:?} ", column.name, column.kind.staged()));
        let columns: String = Table::ALL.into_iter().flat_map(columns).collect();
        format!("{FORM}-{:016x}", xxh3_64(columns.as_bytes()))
    }

    /// Calls with the page and the reject of each record that a stopped run could not make a row of, one after the other:
    /// all of them may be more than fit into memory.
    ///
    /// # Errors
    /// Its own; `Destination`.
    pub fn recalled_rejects(&self, each: impl FnMut(u64, Reject) -> Result<()>) -> Result<()> {
        let mut each = each;
        for piece in &self.pieces {
            piece.rejects(&mut each)?;
        }
        let Some(journal) = &self.journal else { return Ok(()) };
        let read = journal.rejects(self.recalled, each);
        read.map_err(|error| error.at("cannot read the stage back", &self.folder.place("")))
    }

    /// Removes it from the disk: what was in it is published.
    pub fn discard(self) -> Result<()> {
        if !self.is_alone {
            return Ok(());
        }
        for name in STAGED.iter().rev() {
            let removed = self.folder.remove(name);
            removed.map_err(|error| failed("cannot remove the stage", self.folder.place(name).display(), error))?;
        }
        Ok(())
    }

    /// Whether a run has left rows in a folder.
    ///
    /// # Errors
    /// `Destination`; `Unreadable` where no folder is there.
    pub fn is_there(folder: &Below) -> Result<bool> {
        let there = folder.open().and_then(|folder| folder.as_ref().map_or(Ok(false), is_left));
        there.map_err(|error| failed("cannot read the stage", folder.place().display(), error))
    }

    /// Removes whatever is staged in a folder, also what was set aside there.
    ///
    /// # Errors
    /// `Destination` where a file can't be removed; `Unreadable` where no folder is there.
    pub fn erase(folder: &Below) -> Result<()> {
        let removed = folder.open().and_then(|folder| folder.as_ref().map_or(Ok(()), remove));
        removed.map_err(|error| failed("cannot remove the stage", folder.place().display(), error))
    }

    /// Removes whatever is staged in a folder by another rule than this one ([`Header::rule`]), also what was set aside there.
    ///
    /// # Errors
    /// `Destination` where a file can't be removed; `Unreadable` where no folder is there.
    pub fn keep_only(folder: &Below, rule: &str) -> Result<()> {
        let removed = folder.open().and_then(|folder| folder.as_ref().map_or(Ok(()), |folder| keep_only(folder, rule)));
        removed.map_err(|error| failed("cannot remove the stage", folder.place().display(), error))
    }

    /// The folder of its files, held open.
    pub const fn folder(&self) -> &Folder {
        &self.folder
    }

    /// When the first run began that has staged here, in microseconds: no response is older.
    pub const fn begun_at(&self) -> i64 {
        self.begun_at
    }

    /// The first run that has staged here, if its name is known.
    pub fn begun_by(&self) -> Option<&str> {
        self.begun_by.as_deref()
    }

    /// Answers staged so far, those of a stopped run included; the next one gets this number.
    pub const fn answers(&self) -> u64 {
        self.answers
    }

    /// Rows of this run's own files.
    const fn own_sessions(&self) -> u64 {
        self.sessions - self.taken_over.sessions
    }

    /// Session rows staged so far, repeated ones included.
    pub const fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Adds an answer's rows. Without `asked`, as with a session asked for by its id, no later run recalls the answer.
    pub fn append(&mut self, flat: &Flat, by: PartitionBy, asked: Option<Asked>) -> Result<()> {
        self.write(flat, by, asked).map_err(|error| error.at("cannot write the stage", &self.folder.place("")))
    }

    fn write(&mut self, flat: &Flat, by: PartitionBy, asked: Option<Asked>) -> Result<(), StageError> {
        self.hasher.reset();
        let mut segments = Vec::new();
        let offsets = chunk::offsets(&flat.batches.sessions);
        let weights = weight::of_staged(&flat.batches, &offsets);
        let mut from = 0;
        for group in flat.entries.chunk_by(|a, b| by.partition(a.start) == by.partition(b.start)) {
            let begin = from;
            for end in weight::parts(&weights[begin..begin + group.len()]) {
                let to = begin + end;
                let batches = chunk::slice(&flat.batches, &offsets, from, to);
                let weight = weights[from..to].iter().sum();
                let partition = by.partition(group[0].start);
                segments.push(self.append_segment(partition, &batches, flat.entries[from].start, weight)?);
                from = to;
            }
        }
        self.append_identities(&flat.entries)?;
        self.answers += 1;
        if let Some(index) = &mut self.index {
            index.add(flat, asked.map(|asked| asked.at), &segments);
        }
        let sessions = self.own_sessions();
        if let (Some(Asked { leg, window, at }), Some(journal)) = (asked, &mut self.journal) {
            let PageInfo { current_page, per_page, last_page, total } = flat.info;
            flat.rejects.iter().try_for_each(|reject| journal.reject(window.page, reject))?;
            journal.add(&Record {
                leg,
                at,
                size: window.size,
                page: window.page,
                info: [current_page, per_page, last_page, total],
                unusable: flat.unusable,
                foreign: flat.foreign,
                unstaged: Unstaged::of(flat),
                keys: Keys::of(&flat.listed),
                segments,
                sessions,
                end: self.end,
                hash: self.hasher.digest(),
            })?;
        }
        Ok(())
    }

    fn append_segment(
        &mut self,
        partition: Partition,
        batches: &Tables<RecordBatch>,
        first_start: Option<i64>,
        weight: usize,
    ) -> Result<SegmentRecord, StageError> {
        self.scratch.clear();
        segment::write(&mut self.scratch, batches);
        self.rows.write_all(&self.scratch)?;
        self.hasher.update(&self.scratch);
        let first_id = first_id(&batches.sessions);
        let (first_ordinal, offset, length) = (self.own_sessions(), self.end, self.scratch.len());
        let (day, hash) = (partition.day(), xxh3_64(&self.scratch));
        let record = SegmentRecord { day, first_start, first_ordinal, offset, length, weight, hash };
        let segment = Segment { first_ordinal: self.sessions, ..Segment::of(&record, first_id) };
        self.segments.entry(partition).or_default().push(segment);
        self.end += length as u64;
        self.sessions += batches.sessions.num_rows() as u64;
        Ok(record)
    }

    fn append_identities(&mut self, entries: &[Entry]) -> Result<(), StageError> {
        self.scratch.clear();
        let (first, response) = (self.own_sessions() - entries.len() as u64, self.answers - self.taken_over.answers);
        for (ordinal, entry) in (first..).zip(entries) {
            self.scratch.extend(Identity::of(entry, response, ordinal).bytes());
        }
        self.identities.write_all(&self.scratch)?;
        self.hasher.update(&self.scratch);
        Ok(())
    }

    /// A partition's segments, in the order in which they were staged; none where nothing of it is staged.
    pub fn segments(&self, partition: Partition) -> &[Segment] {
        self.segments.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// Bytes that a partition's rows take as they are published.
    pub fn weight(&self, partition: Partition) -> u64 {
        self.segments(partition).iter().map(|segment| segment.weight as u64).sum()
    }

    /// Whether a partition holds a session whose rows take much memory.
    pub fn is_heavy(&self, partition: Partition) -> bool {
        self.segments(partition).iter().any(|segment| segment.weight > limits::TOGETHER)
    }

    /// The partitions with staged rows, in the order of time.
    pub fn partitions(&self) -> impl ExactSizeIterator<Item = Partition> {
        self.segments.keys().copied()
    }
}

fn first_id(sessions: &RecordBatch) -> String {
    sessions.column(0).as_string::<i32>().iter().next().flatten().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
