//! A partition as it is published: three sorted Parquet files, read back as sessions with their rows.
//!
//! Child rows are matched to their session by key, not by count: between the swaps of a run that was killed, the
//! tables of a partition may come from two runs.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::encode::SCHEMA_VERSION_KEY;
use super::files::failed;
use super::layout::{Layout, Partition};
use crate::chunk::{Chunk, Key, Keys};
use crate::error::{Error, Kind, Result};
use crate::tables::{SCHEMA_VERSION, Table};

/// Sessions read at a time.
const SESSIONS: usize = 2048;
/// Child rows read at a time.
const ROWS: usize = 8192;

/// A published partition.
#[derive(Debug, Clone)]
pub struct Published {
    layout: Layout,
    partition: Partition,
}

/// A published session, as later runs need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its start.
    pub start: Option<i64>,
    /// Whether it was still running when it was last seen.
    pub is_open: bool,
}

impl Published {
    /// The partition, if its files are there. A part of them is left by a run that was killed while it published the
    /// partition for the first time: its rows were never committed.
    pub fn find(layout: &Layout, partition: Partition) -> Result<Option<Self>> {
        for table in Table::ALL {
            let path = layout.path(table, partition);
            match path.try_exists() {
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(error) => return Err(failed("cannot read the file", &path, error)),
            }
        }
        Ok(Some(Self { layout: layout.clone(), partition }))
    }

    /// All published partitions of a dataset, in time order.
    ///
    /// # Errors
    /// As [`Layout::existing`] and [`Published::find`].
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        let found = layout.existing()?.into_iter().map(|partition| Self::find(layout, partition));
        found.filter_map(Result::transpose).collect()
    }

    /// Which partition it is.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// Calls with the number of every session and what identifies it.
    pub fn each_session(&self, mut each: impl FnMut(u64, Known<'_>)) -> Result<()> {
        let path = self.layout.path(Table::Sessions, self.partition);
        let builder = open(&path, Table::Sessions)?;
        let columns = ProjectionMask::columns(builder.parquet_schema(), ["session_id", "started_at", "is_open"]);
        let reader = builder.with_projection(columns).with_batch_size(ROWS).build();
        let reader = reader.map_err(|error| damaged(&path, error))?;
        let mut row = 0;
        for batch in reader {
            let batch = batch.map_err(|error| damaged(&path, error))?;
            let keys = Keys::new(Table::Sessions, &batch);
            let open = batch.column(2).as_boolean();
            for at in 0..batch.num_rows() {
                let (start, id) = keys.key(at);
                each(row, Known { id, start, is_open: open.value(at) });
                row += 1;
            }
        }
        Ok(())
    }

    /// The sessions with their rows, in order.
    pub fn chunks(&self) -> Result<Chunks> {
        let path = |table| self.layout.path(table, self.partition);
        let sessions = path(Table::Sessions);
        let reader = open(&sessions, Table::Sessions)?.with_batch_size(SESSIONS).build();
        Ok(Chunks {
            sessions: reader.map_err(|error| damaged(&sessions, error))?,
            path: sessions,
            children: [
                Children::open(&path(Table::Participants), Table::Participants)?,
                Children::open(&path(Table::Timelogs), Table::Timelogs)?,
            ],
        })
    }
}

fn open(path: &Path, table: Table) -> Result<ParquetRecordBatchReaderBuilder<File>> {
    let file = File::open(path).map_err(|error| failed("cannot read the file", path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| damaged(path, error))?;
    let metadata = builder.metadata().file_metadata().key_value_metadata();
    let version = metadata.and_then(|pairs| pairs.iter().find(|pair| pair.key == SCHEMA_VERSION_KEY));
    let version = version.and_then(|pair| pair.value.as_deref()).unwrap_or("none");
    if version != SCHEMA_VERSION.to_string() || builder.schema().fields() != table.schema().fields() {
        let what = format!("the file is not of schema version {SCHEMA_VERSION} but {version}: {}", path.display());
        return Err(Error::new(Kind::Destination, what)
            .hint("use the version of rollbook that wrote it, or export to a new folder with --dest"));
    }
    Ok(builder)
}

fn damaged(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Destination, format!("a published file is damaged: {}", path.display()))
        .because(cause)
        .hint("move the partition's folder in all three tables and `_rollbook/state.json` away, then run `rollbook export --full`")
}

/// A published partition, some sessions at a time.
pub struct Chunks {
    sessions: ParquetRecordBatchReader,
    path: PathBuf,
    children: [Children; 2],
}

impl Chunks {
    /// The next sessions with their rows.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let Some(sessions) = self.sessions.next() else { return Ok(None) };
        let sessions = sessions.map_err(|error| damaged(&self.path, error))?;
        let keys = Keys::new(Table::Sessions, &sessions);
        let [participants, timelogs] = &mut self.children;
        let (participants, of_participants) = participants.of(&keys)?;
        let (timelogs, of_timelogs) = timelogs.of(&keys)?;
        Ok(Some(Chunk::new([sessions, participants, timelogs], [of_participants, of_timelogs])))
    }
}

/// A child table, read along with its sessions.
struct Children {
    reader: ParquetRecordBatchReader,
    path: PathBuf,
    table: Table,
    batch: Option<(RecordBatch, Keys)>,
    row: usize,
}

impl Children {
    fn open(path: &Path, table: Table) -> Result<Self> {
        let reader = open(path, table)?.with_batch_size(ROWS).build().map_err(|error| damaged(path, error))?;
        Ok(Self { reader, path: path.to_owned(), table, batch: None, row: 0 })
    }

    /// The rows of these sessions, in one batch, and where each session's begin.
    fn of(&mut self, sessions: &Keys) -> Result<(RecordBatch, Vec<usize>)> {
        let mut pieces = Vec::new();
        let mut offsets = vec![0];
        let mut rows = 0;
        for session in 0..sessions.len() {
            rows += self.take(sessions.key(session), &mut pieces)?;
            offsets.push(rows);
        }
        let batch = concat(self.table, &pieces).map_err(|error| damaged(&self.path, error))?;
        Ok((batch, offsets))
    }

    /// Takes the rows of one session; rows of sessions before it have no session any more and are left out.
    fn take(&mut self, session: Key<'_>, pieces: &mut Vec<Piece>) -> Result<usize> {
        let mut taken = 0;
        while self.fill()? {
            let Some((batch, keys)) = &self.batch else { break };
            let from = (self.row..keys.len()).find(|&row| keys.key(row) >= session).unwrap_or(keys.len());
            let to = (from..keys.len()).find(|&row| keys.key(row) != session).unwrap_or(keys.len());
            if to > from {
                push(pieces, batch, from, to);
                taken += to - from;
            }
            self.row = to;
            if to < keys.len() {
                break;
            }
        }
        Ok(taken)
    }

    /// Makes sure that there is a row at hand; false at the end.
    fn fill(&mut self) -> Result<bool> {
        while self.batch.as_ref().is_none_or(|(batch, _)| self.row >= batch.num_rows()) {
            let Some(batch) = self.reader.next() else {
                self.batch = None;
                return Ok(false);
            };
            let batch = batch.map_err(|error| damaged(&self.path, error))?;
            let keys = Keys::new(self.table, &batch);
            self.batch = Some((batch, keys));
            self.row = 0;
        }
        Ok(true)
    }
}

/// Rows `from..to` of a batch.
struct Piece {
    batch: RecordBatch,
    from: usize,
    to: usize,
}

/// Adds rows, joining them to the last piece where they follow it: usually a whole batch becomes one piece.
fn push(pieces: &mut Vec<Piece>, batch: &RecordBatch, from: usize, to: usize) {
    match pieces.last_mut() {
        Some(last) if from > 0 && last.to == from => last.to = to,
        _ => pieces.push(Piece { batch: batch.clone(), from, to }),
    }
}

fn concat(table: Table, pieces: &[Piece]) -> Result<RecordBatch, ArrowError> {
    let slices: Vec<_> = pieces.iter().map(|piece| piece.batch.slice(piece.from, piece.to - piece.from)).collect();
    arrow_select::concat::concat_batches(&table.schema(), &slices)
}
