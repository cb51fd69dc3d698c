//! A partition as it is published: three sorted Parquet files, read back as sessions with their rows.
//!
//! Child rows are matched to their session by key, not by count: between the swaps of a run that was killed, the
//! tables of a partition may come from two runs.

mod facts;

use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::encode::SCHEMA_VERSION_KEY;
use super::erasures::Tally;
use super::erasures::rows::Rules;
use super::footer;
use super::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::rows::chunk::{Chunk, Key, Keys, weight};
use crate::rows::erasure::Denied;
use crate::rows::partition::Partition;
use crate::rows::recount;
use crate::rows::tables::{SCHEMA_VERSION, Table, Tables, sessions};
use crate::store::{Version, failed, raced};
use crate::words::foreign;
use crate::words::limits;
use crate::words::system::is_want;

/// Sessions read at a time.
const SESSIONS: usize = 2048;
/// Child rows read at a time.
const ROWS: usize = 8192;
/// All columns, in those of this version.
const ALL: &[&str] = &[];

/// How often other runs may come between.
const ROUNDS: u32 = 100;

/// The versions of a partition's files; `None` where one is not there.
pub type Versions = Tables<Option<Version>>;

/// A published partition, as it was when it was looked for: a file that was replaced since is an error
/// ([`Kind::Raced`]).
#[derive(Debug, Clone)]
pub struct Published {
    layout: Layout,
    partition: Partition,
    versions: Versions,
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
    /// All published partitions of a dataset, in time order.
    ///
    /// # Errors
    /// As [`Layout::existing`].
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        Ok(Self::of(layout, &Self::versions(layout)?))
    }

    /// The partitions with these versions. One that lacks a file is being published for the first time, or was when its
    /// run was killed: what is there counts, since that run may be alive.
    pub fn of(layout: &Layout, versions: &BTreeMap<Partition, Versions>) -> Vec<Self> {
        versions.iter().map(|(partition, versions)| Self::one(layout, *partition, versions.clone())).collect()
    }

    /// A partition with these versions.
    pub fn one(layout: &Layout, partition: Partition, versions: Versions) -> Self {
        Self { layout: layout.clone(), partition, versions }
    }

    /// The versions of all partitions' files.
    ///
    /// # Errors
    /// As [`Layout::existing`].
    pub fn versions(layout: &Layout) -> Result<BTreeMap<Partition, Versions>> {
        let mut found: BTreeMap<_, Versions> = BTreeMap::new();
        for table in Table::ALL {
            for (partition, version) in layout.existing(table)? {
                found.entry(partition).or_default()[table] = Some(version);
            }
        }
        Ok(found)
    }

    /// Does something with the partitions of these versions, and once more with those that are there by then where another
    /// run has replaced a file meanwhile.
    ///
    /// # Errors
    /// Its own; `Raced` where other runs keep writing; as [`Layout::existing`].
    pub fn until_settled<T>(
        layout: &Layout,
        found: &mut BTreeMap<Partition, Versions>,
        mut each: impl FnMut(&[Self]) -> Result<T>,
    ) -> Result<T> {
        for _ in 0..ROUNDS {
            match each(&Self::of(layout, found)) {
                Err(error) if error.kind() == Kind::Raced => *found = Self::versions(layout)?,
                done => return done,
            }
        }
        Err(raced(&layout.place()))
    }

    /// Which partition it is.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// Its files that were found.
    pub const fn found(&self) -> &Versions {
        &self.versions
    }

    /// The partition of a session by its start, in microseconds.
    pub fn home(&self, start: Option<i64>) -> Partition {
        self.layout.partition(start)
    }

    /// Whether it is of an older schema version. Its sessions are upgraded last, so they tell.
    pub fn is_old(&self) -> Result<bool> {
        Ok(self.open(Table::Sessions)?.is_some_and(|opened| opened.version < SCHEMA_VERSION))
    }

    /// Calls with the number of every session and what identifies it.
    pub fn each_session(&self, mut each: impl FnMut(u64, Known<'_>)) -> Result<()> {
        let mut row = 0;
        self.each_batch(Table::Sessions, &["session_id", "started_at", "is_open"], |batch| {
            let keys = Keys::new(Table::Sessions, batch);
            let open = sessions::is_open(batch);
            for at in 0..batch.num_rows() {
                let (start, id) = keys.key(at);
                each(row, Known { id, start, is_open: open.value(at) });
                row += 1;
            }
            Ok(())
        })
    }

    /// Calls with some columns of the rows of a table, in order, a batch at a time.
    pub fn each_batch(
        &self,
        table: Table,
        columns: &[&str],
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let Some(Opened { place, builder, .. }) = self.open(table)? else { return Ok(()) };
        let columns = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let built = foreign::read(|| builder.with_projection(columns).with_batch_size(ROWS).build());
        let mut reader = built.map_err(|error| damaged(&place, error))?;
        while let Some(batch) = next(&mut reader).map_err(|error| damaged(&place, error))? {
            each(&batch)?;
        }
        Ok(())
    }

    /// Whether all its files can be opened; rows are not read.
    ///
    /// # Errors
    /// `Unreadable` where one is damaged or of another version; `Raced`, `Destination`.
    pub fn check(&self) -> Result<()> {
        Table::ALL.into_iter().try_for_each(|table| self.open(table).map(|_| ()))
    }

    /// The sessions with their rows, in order, as this schema version counts them.
    pub fn chunks(&self) -> Result<Chunks> {
        let chunks = self.chunks_as_stored()?;
        let is_old = chunks.schema_versions().values().any(|version| *version < SCHEMA_VERSION);
        Ok(Chunks { counts_anew: is_old, ..chunks })
    }

    /// The sessions with their rows, in order, with the numbers that are in the files.
    pub fn chunks_as_stored(&self) -> Result<Chunks> {
        Ok(Chunks {
            sessions: self.rows(Table::Sessions, SESSIONS, ALL)?,
            waiting: None,
            children: [self.children(Table::Participants, ALL)?, self.children(Table::Timelogs, ALL)?],
            counts_anew: false,
            erased: None,
        })
    }

    fn children(&self, table: Table, columns: &[&str]) -> Result<Children> {
        Ok(Children { rows: self.rows(table, ROWS, columns)?, table, batch: None, row: 0 })
    }

    fn rows(&self, table: Table, at_once: usize, columns: &[&str]) -> Result<Option<Rows>> {
        let Some(Opened { place, mut builder, version }) = self.open(table)? else { return Ok(None) };
        let is_whole = columns.is_empty();
        if !is_whole {
            let columns = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(columns);
        }
        let built = foreign::read(|| builder.with_batch_size(at_once).build());
        let reader = built.map_err(|error| damaged(&place, error))?;
        Ok(Some(Rows { reader, table, place, version, is_whole }))
    }

    /// Opens the file that was found, if one was.
    fn open(&self, table: Table) -> Result<Option<Opened>> {
        let Some(wanted) = &self.versions[table] else { return Ok(None) };
        let path = self.layout.relative(table, self.partition);
        let place = self.layout.store().place(&path);
        let found = self.layout.store().open(&path)?;
        let Some((file, _)) = found.filter(|(_, version)| version == wanted) else { return Err(raced(&place)) };
        let builder = open(file).map_err(|error| damaged(&place, error))?;
        if let Some(what) = strange(&builder, table) {
            return Err(Error::new(Kind::Unreadable, format!("{what}: {place}"))
                .hint("use the version of rollbook that wrote it, or set it aside with `rollbook verify --repair`"));
        }
        let version = schema_version(&builder).unwrap_or_default();
        Ok(Some(Opened { place, builder, version }))
    }
}

/// Opens a Parquet file that somebody may have damaged.
///
/// # Errors
/// What is wrong with it.
pub fn open(file: File) -> Result<ParquetRecordBatchReaderBuilder<File>, foreign::Cause> {
    footer::check(&file)?;
    foreign::read(|| ParquetRecordBatchReaderBuilder::try_new(file))
}

fn next(reader: &mut ParquetRecordBatchReader) -> Result<Option<RecordBatch>, foreign::Cause> {
    foreign::read(|| reader.next().transpose())
}

/// A file with rows of a schema version that can be read.
struct Opened {
    place: String,
    builder: ParquetRecordBatchReaderBuilder<File>,
    version: u32,
}

/// The schema version that a file says it is of.
pub fn schema_version(builder: &ParquetRecordBatchReaderBuilder<File>) -> Option<u32> {
    let pairs = builder.metadata().file_metadata().key_value_metadata()?;
    pairs.iter().find(|pair| pair.key == SCHEMA_VERSION_KEY)?.value.as_ref()?.parse().ok()
}

/// What keeps this version from reading a file of a table, if anything does. Older versions can be read.
pub fn strange(builder: &ParquetRecordBatchReaderBuilder<File>, table: Table) -> Option<String> {
    match schema_version(builder) {
        None => Some("the file was not written by rollbook".to_owned()),
        Some(version) if version > SCHEMA_VERSION => {
            Some(format!("the file is not of schema version {SCHEMA_VERSION} but {version}"))
        }
        Some(version) if !table.can_be_read(builder.schema(), version) => {
            Some(format!("the file has other columns than schema version {version}"))
        }
        Some(_) => None,
    }
}

/// The error of a file that can't be read: damage, unless it is this machine that lacks something.
pub fn damaged(place: &str, cause: impl Into<foreign::Cause>) -> Error {
    let cause = cause.into();
    if is_want(cause.as_ref()) {
        return failed("cannot read the file", place, cause);
    }
    Error::new(Kind::Unreadable, format!("a published file is damaged: {place}"))
        .because(cause)
        .hint("put it back from a copy of the same run, or run `rollbook verify --repair`, which says what to do next")
}

/// The rows of a file, in this version's columns, or some of the columns that it has.
struct Rows {
    reader: ParquetRecordBatchReader,
    table: Table,
    place: String,
    /// The schema version of the file.
    version: u32,
    is_whole: bool,
}

impl Rows {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = next(&mut self.reader);
        if !self.is_whole {
            return batch.map_err(|error| damaged(&self.place, error));
        }
        let upgraded =
            batch.and_then(|batch| batch.map(|batch| foreign::read(|| self.table.upgraded(&batch))).transpose());
        upgraded.map_err(|error| damaged(&self.place, error))
    }
}

/// A published partition, some sessions at a time.
pub struct Chunks {
    sessions: Option<Rows>,
    /// Sessions that were read and are not passed on yet.
    waiting: Option<RecordBatch>,
    children: [Children; 2],
    /// Whether the numbers are those of an older schema version and are wanted as this one counts.
    counts_anew: bool,
    /// Participants who are left out.
    erased: Option<Arc<Denied>>,
}

impl Chunks {
    /// The same sessions without the entries of those who are erased, as if they had never been listed.
    #[must_use]
    pub fn without(self, erased: Option<Arc<Denied>>) -> Self {
        Self { erased, ..self }
    }

    /// The schema version of each table's file, by which its numbers were counted; this one's where there is no file.
    /// They differ in a partition whose upgrade was stopped.
    pub fn schema_versions(&self) -> Tables<u32> {
        let [participants, timelogs] = self.children.each_ref().map(|children| children.rows.as_ref());
        let files = Tables { sessions: self.sessions.as_ref(), participants, timelogs };
        files.map(|rows| rows.map_or(SCHEMA_VERSION, |rows| rows.version))
    }

    /// The next sessions with their rows, none at the end: as many as fit into memory together, or one.
    pub fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let Some(rows) = &mut self.sessions else { return Ok(None) };
        let next = self.waiting.take().map_or_else(|| rows.next(), |waiting| Ok(Some(waiting)));
        let Some(sessions) = next? else { return Ok(None) };
        let keys = Keys::new(Table::Sessions, &sessions);
        let [participants, timelogs] = &mut self.children;
        let mut of = [Taken::default(), Taken::default()];
        let mut taken = 0;
        while taken < keys.len() && of[0].bytes + of[1].bytes < limits::TOGETHER {
            participants.take(keys.key(taken), &mut of[0])?;
            timelogs.take(keys.key(taken), &mut of[1])?;
            taken += 1;
        }
        let batches = Tables {
            sessions: sessions.slice(0, taken),
            participants: participants.joined(&of[0])?,
            timelogs: timelogs.joined(&of[1])?,
        };
        if taken < keys.len() {
            self.waiting = Some(sessions.slice(taken, keys.len() - taken));
        }
        let mut chunk = Chunk::new(batches, of.map(|of| of.offsets));
        if self.counts_anew {
            chunk = foreign::read(|| recount::anew(chunk)).map_err(|error| damaged(&rows.place, error))?;
        }
        if self.erased.is_some() {
            let rules = Rules { floor: None, denied: self.erased.clone() };
            let rest = foreign::read(|| rules.select(&chunk, &mut Tally::new()).of(&chunk));
            chunk = rest.map_err(|error| damaged(&rows.place, error))?;
        }
        Ok(Some(chunk))
    }
}

/// A child table, read along with its sessions.
struct Children {
    rows: Option<Rows>,
    table: Table,
    batch: Option<(RecordBatch, Keys)>,
    row: usize,
}

impl Children {
    /// The rows that were taken, in one batch.
    fn joined(&self, taken: &Taken) -> Result<RecordBatch> {
        let place = self.rows.as_ref().map_or("", |rows| &rows.place);
        concat(self.table, &taken.pieces).map_err(|error| damaged(place, error))
    }

    /// Takes the rows of one session.
    fn take(&mut self, session: Key<'_>, taken: &mut Taken) -> Result<()> {
        let (table, Taken { pieces, offsets, bytes }) = (self.table, taken);
        let rows = self.each_run(session, |batch, rows| {
            *bytes += weight::of_published(table, batch, rows.start, rows.end);
            push(pieces, batch, rows);
        })?;
        offsets.push(offsets.last().copied().unwrap_or_default() + rows);
        Ok(())
    }

    /// Calls with the rows of one session, and returns how many there are; rows of sessions before it have no session any
    /// more and are left out.
    fn each_run(&mut self, session: Key<'_>, mut each: impl FnMut(&RecordBatch, Range<usize>)) -> Result<usize> {
        let mut taken = 0;
        while self.fill()? {
            let Some((batch, keys)) = &self.batch else { break };
            let from = (self.row..keys.len()).find(|&row| keys.key(row) >= session).unwrap_or(keys.len());
            let to = (from..keys.len()).find(|&row| keys.key(row) != session).unwrap_or(keys.len());
            if to > from {
                each(batch, from..to);
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
            let Some(batch) = self.rows.as_mut().map(Rows::next).transpose()?.flatten() else {
                self.batch = None;
                return Ok(false);
            };
            let keys = Keys::new(self.table, &batch);
            self.batch = Some((batch, keys));
            self.row = 0;
        }
        Ok(true)
    }
}

/// Rows of a child table that were taken for some sessions.
struct Taken {
    pieces: Vec<Piece>,
    /// The first row of each session, and the number of rows at the end.
    offsets: Vec<usize>,
    /// That they take.
    bytes: usize,
}

impl Default for Taken {
    fn default() -> Self {
        Self { pieces: Vec::new(), offsets: vec![0], bytes: 0 }
    }
}

/// Rows `from..to` of a batch.
struct Piece {
    batch: RecordBatch,
    from: usize,
    to: usize,
}

/// Adds rows, joining them to the last piece where they follow it: usually a whole batch becomes one piece.
fn push(pieces: &mut Vec<Piece>, batch: &RecordBatch, Range { start: from, end: to }: Range<usize>) {
    match pieces.last_mut() {
        Some(last) if from > 0 && last.to == from => last.to = to,
        _ => pieces.push(Piece { batch: batch.clone(), from, to }),
    }
}

fn concat(table: Table, pieces: &[Piece]) -> Result<RecordBatch, ArrowError> {
    let slices: Vec<_> = pieces.iter().map(|piece| piece.batch.slice(piece.from, piece.to - piece.from)).collect();
    arrow_select::concat::concat_batches(&table.schema(), &slices)
}
