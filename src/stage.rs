//! The stage: rows on local disk, not yet published.
//!
//! One append-only file of segments. A segment holds the rows of one response that fall into one partition, sorted;
//! what is kept in memory is an index entry a segment, never rows. The file has no name in the file system, so a dead
//! run leaves nothing behind.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::writer::StreamWriter;

use crate::chunk::{Chunk, child_offsets};
use crate::dataset::files::failed;
use crate::dataset::layout::{Layout, Partition};
use crate::error::Result;
use crate::flatten::{Entry, Flat};

/// One staged session row, as the identity checks need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Hash of the id.
    pub id: u128,
    /// Which version of an id wins: ended before open, then the later response, then the later position.
    pub rank: u64,
    /// Number of the row in the stage.
    pub ordinal: u64,
    /// See [`Identity::start`]; [`NO_START`] for none.
    start: i64,
}

impl Identity {
    /// The session's start, in microseconds.
    pub fn start(self) -> Option<i64> {
        (self.start != NO_START).then_some(self.start)
    }

    /// Whether the session was still running.
    pub const fn is_open(self) -> bool {
        self.rank & ENDED == 0
    }

    /// Number of the response it came with, from 0.
    pub const fn response(self) -> u64 {
        (self.rank & !ENDED) >> POSITION_BITS
    }
}

const IDENTITY_BYTES: usize = 40;
/// A rank's highest bit, then the response, then the position in it.
const ENDED: u64 = 1 << 63;
const POSITION_BITS: u32 = 24;
/// No time that a session can have.
const NO_START: i64 = i64::MIN;

/// Index entry of a segment.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Start of its first session.
    pub first_start: Option<i64>,
    /// Id of its first session.
    pub first_id: String,
    /// Number of its first session row in the stage.
    pub first_ordinal: u64,
    offset: u64,
    lengths: [usize; 3],
}

/// Staged rows, by partition.
#[derive(Debug)]
pub struct Stage {
    folder: PathBuf,
    rows: File,
    identities: File,
    segments: BTreeMap<Partition, Vec<Segment>>,
    end: u64,
    sessions: u64,
    responses: u64,
    scratch: Vec<u8>,
}

impl Stage {
    /// An empty stage in a folder, which is made if it is missing.
    pub fn create(folder: &Path) -> Result<Self> {
        std::fs::create_dir_all(folder).map_err(|error| failed("cannot create the stage", folder, error))?;
        let file = || tempfile::tempfile_in(folder).map_err(|error| failed("cannot create the stage", folder, error));
        Ok(Self {
            folder: folder.to_owned(),
            rows: file()?,
            identities: file()?,
            segments: BTreeMap::new(),
            end: 0,
            sessions: 0,
            responses: 0,
            scratch: Vec::new(),
        })
    }

    /// Responses staged so far.
    pub const fn responses(&self) -> u64 {
        self.responses
    }

    /// Session rows staged so far, repeated ones included.
    pub const fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Adds a response's rows.
    pub fn append(&mut self, flat: &Flat, layout: &Layout) -> Result<()> {
        let offsets = ["participant_count", "timelog_count"].map(|name| child_offsets(&flat.batches[0], name));
        let mut from = 0;
        for group in flat.entries.chunk_by(|a, b| layout.partition(a.start) == layout.partition(b.start)) {
            let to = from + group.len();
            let child =
                |table: usize, offsets: &[usize]| flat.batches[table].slice(offsets[from], offsets[to] - offsets[from]);
            let batches = [flat.batches[0].slice(from, to - from), child(1, &offsets[0]), child(2, &offsets[1])];
            self.append_segment(layout.partition(group[0].start), &batches, group[0].start)
                .map_err(|error| failed("cannot write the stage", &self.folder, error))?;
            from = to;
        }
        self.append_identities(&flat.entries).map_err(|error| failed("cannot write the stage", &self.folder, error))?;
        self.responses += 1;
        Ok(())
    }

    fn append_segment(
        &mut self,
        partition: Partition,
        batches: &[RecordBatch; 3],
        first_start: Option<i64>,
    ) -> Result<(), StageError> {
        self.scratch.clear();
        let mut lengths = [0; 3];
        for (batch, length) in batches.iter().zip(&mut lengths) {
            let begin = self.scratch.len();
            let mut writer = StreamWriter::try_new(&mut self.scratch, batch.schema_ref())?;
            writer.write(batch)?;
            writer.finish()?;
            drop(writer);
            *length = self.scratch.len() - begin;
        }
        self.rows.write_all(&self.scratch)?;
        let first_id = first_id(&batches[0]);
        let segment = Segment { first_start, first_id, first_ordinal: self.sessions, offset: self.end, lengths };
        self.segments.entry(partition).or_default().push(segment);
        self.end += self.scratch.len() as u64;
        self.sessions += batches[0].num_rows() as u64;
        Ok(())
    }

    fn append_identities(&mut self, entries: &[Entry]) -> Result<(), StageError> {
        self.scratch.clear();
        let first = self.sessions - entries.len() as u64;
        for (ordinal, entry) in (first..).zip(entries) {
            let ended = if entry.is_open { 0 } else { ENDED };
            let rank = ended | self.responses << POSITION_BITS | u64::from(entry.position);
            let start = entry.start.unwrap_or(NO_START).cast_unsigned();
            self.scratch.extend(entry.id.to_le_bytes());
            for number in [rank, ordinal, start] {
                self.scratch.extend(number.to_le_bytes());
            }
        }
        self.identities.write_all(&self.scratch)?;
        Ok(())
    }

    /// The partitions with staged rows, in time order, and their segments.
    pub fn segments(&self, partition: Partition) -> &[Segment] {
        self.segments.get(&partition).map_or(&[], Vec::as_slice)
    }

    /// The partitions with staged rows.
    pub fn partitions(&self) -> impl Iterator<Item = Partition> {
        self.segments.keys().copied()
    }

    /// Reads a segment back as published rows.
    pub fn load(&self, segment: &Segment) -> Result<Chunk> {
        self.read_segment(segment).map_err(|error| failed("cannot read the stage back", &self.folder, error))
    }

    fn read_segment(&self, segment: &Segment) -> Result<Chunk, StageError> {
        let mut offset = segment.offset;
        let mut batches = Vec::with_capacity(3);
        for length in segment.lengths {
            let mut bytes = vec![0; length];
            self.rows.read_exact_at(&mut bytes, offset)?;
            offset += length as u64;
            batches.push(decode(bytes)?);
        }
        let batches: [RecordBatch; 3] = batches.try_into().map_err(|_| StageError::Torn)?;
        Ok(Chunk::widen(batches)?)
    }

    /// Reads all identities in order, a bounded number at a time.
    pub fn identities(&self, each: impl FnMut(Identity)) -> Result<()> {
        self.read_identities(each).map_err(|error| failed("cannot read the stage back", &self.folder, error))
    }

    fn read_identities(&self, mut each: impl FnMut(Identity)) -> Result<(), StageError> {
        let mut bytes = vec![0; IDENTITY_BYTES * 4096];
        let mut offset = 0;
        let end = self.sessions * IDENTITY_BYTES as u64;
        while offset < end {
            let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
            self.identities.read_exact_at(&mut bytes[..length], offset)?;
            for record in bytes[..length].chunks_exact(IDENTITY_BYTES) {
                let number =
                    |at: usize| record[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
                let id = u128::from(number(8)) << 64 | u128::from(number(0));
                each(Identity { id, rank: number(16), ordinal: number(24), start: number(32).cast_signed() });
            }
            offset += length as u64;
        }
        Ok(())
    }
}

/// Why staged rows could not be written or read.
#[derive(Debug, thiserror::Error)]
enum StageError {
    /// The disk.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The format.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A segment without its batches.
    #[error("a staged segment is incomplete")]
    Torn,
}

fn first_id(sessions: &RecordBatch) -> String {
    use arrow_array::cast::AsArray;
    sessions.column(0).as_string::<i32>().iter().next().flatten().unwrap_or_default().to_owned()
}

fn decode(bytes: Vec<u8>) -> Result<RecordBatch, StageError> {
    let mut buffer = Buffer::from_vec(bytes);
    let mut decoder = StreamDecoder::new();
    decoder.decode(&mut buffer)?.ok_or(StageError::Torn)
}
