//! Publishing: staged and published rows of a partition are merged, encoded on the local disk, and swapped in.
//!
//! Encoding comes first and may be done for several partitions at once; swapping is done for one after the other. Each file
//! is replaced atomically, and only if it still is the one that was read. What is added begins with the sessions, what is
//! removed with the timelogs, so that a participant never lacks its session.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, ScopedJoinHandle};

use arrow_array::RecordBatch;
use parquet::errors::ParquetError;

use super::encode::{Cutter, Encoder, Written};
use super::layout::Layout;
use super::merge::Run;
use super::published::Versions;
use super::publishing::Entry;
use crate::error::{Error, Kind, Result};
use crate::rows::method::Method;
use crate::rows::partition::Partition;
use crate::rows::tables::{Table, Tables};
use crate::store::{Access, Draft, Store, Swap, Version, failed, raced};

/// Batches that may wait for one encoder.
const QUEUE: usize = 2;

/// One file of a partition after publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The table that its rows are of.
    pub table: Table,
    /// Its path relative to the dataset.
    pub path: String,
    /// Rows, bytes and sum of the file that is there now.
    pub written: Written,
    /// Whether its bytes are new; unchanged files are not touched.
    pub changed: bool,
    /// The file that is there now.
    pub version: Version,
}

/// In which order a partition's tables are swapped, so that no participant ever lacks its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Sessions come in or are replaced: their own table is swapped first.
    Adding,
    /// Sessions leave, or nothing but the form changes: their own table is swapped last.
    Removing,
}

/// A partition that is about to be made, of the files that were read.
#[derive(Debug)]
pub struct Rewrite<'a> {
    /// The dataset that the partition is of.
    pub layout: &'a Layout,
    /// Which month or day, as in the paths of its files.
    pub partition: Partition,
    /// The versions of its files that the new ones rest on; a swap fails where another is there.
    pub versions: Versions,
    /// Which of them is swapped first.
    pub change: Change,
}

/// Where rows go, in order of their keys, whole sessions at a time.
pub type Sink<'a> = &'a mut dyn FnMut(Run) -> Result<()>;

/// A partition whose files are made and not yet in place; dropped, it leaves nothing behind.
pub struct Ready<'a> {
    store: &'a dyn Store,
    files: Vec<Drafted>,
}

/// A file that was made, beside its place, and how it compares with the one that is there.
struct Drafted {
    table: Table,
    draft: Draft,
    written: Written,
    version: Option<Version>,
    changed: bool,
}

impl<'a> Rewrite<'a> {
    /// Makes the partition's files of the rows that are passed on. `alone`: no other partition keeps the cores busy.
    ///
    /// # Errors
    /// `Raced` where another run has replaced a file meanwhile; `Destination`.
    pub fn prepare(self, rows: impl FnOnce(Sink<'_>) -> Result<()>, alone: bool) -> Result<Ready<'a>> {
        let store = self.layout.store();
        let drafts = Tables::try_from_fn(|table| store.begin(&self.layout.relative(table, self.partition)))?;
        let method = self.layout.method();
        let encode = if alone { encode_side_by_side } else { encode_in_turn };
        let written = encode(rows, method, &drafts)?;
        let mut files = Vec::with_capacity(3);
        for (table, ((draft, written), version)) in drafts.zip(written).zip(self.versions) {
            let changed = !is_there(store, &draft, version.as_ref())?;
            files.push(Drafted { table, draft, written, version, changed });
        }
        if self.change == Change::Removing {
            files.reverse();
        }
        Ok(Ready { store, files })
    }
}

impl Ready<'_> {
    /// Puts the files in place; hands out each of them once it is there. Returns their versions.
    ///
    /// # Errors
    /// `Raced` where another run has replaced a file meanwhile; `Destination`. The partition's files are then each the
    /// old one or the new one, whole.
    pub fn swap(mut self, mut placed: impl FnMut(Part)) -> Result<Versions> {
        // First all of them, so that a partition's swaps follow one another at once; and here, so that those who make files
        // need not wait for the disk.
        for made in self.files.iter_mut().filter(|made| made.changed) {
            self.store.flush(&mut made.draft)?;
        }
        let mut versions = Versions::default();
        for Drafted { table, draft, written, version, changed } in self.files {
            let path = draft.path().to_owned();
            let version = match version {
                Some(version) if !changed => version,
                before => swap(self.store, draft, before.as_ref())?,
            };
            tracing::debug!(path, rows = written.rows, bytes = written.bytes, changed, "in place");
            versions[table] = Some(version.clone());
            placed(Part { table, path, written, changed, version });
        }
        Ok(versions)
    }

    /// The partition's files as they will be; none where nothing changes.
    pub fn entries(&self) -> Vec<Entry> {
        let entry = |Drafted { draft, written, .. }: &Drafted| Entry {
            path: draft.path().to_owned(),
            rows: written.rows,
            sha256: written.sha256.clone(),
        };
        if self.files.iter().any(|made| made.changed) { self.files.iter().map(entry).collect() } else { Vec::new() }
    }
}

fn swap(store: &dyn Store, draft: Draft, version: Option<&Version>) -> Result<Version> {
    let place = store.place(draft.path());
    match store.swap(draft, version, Access::Usual)? {
        Swap::Done(version) => Ok(version),
        Swap::Lost => Err(raced(&place)),
    }
}

/// Whether the file of this version holds the same bytes.
fn is_there(store: &dyn Store, draft: &Draft, version: Option<&Version>) -> Result<bool> {
    if version.is_none() {
        return Ok(false);
    }
    let place = store.place(draft.path());
    match store.open(draft.path())? {
        Some((old, current)) if Some(&current) == version => {
            same_bytes(draft.writer(), old).map_err(|error| failed("cannot compare the file", place, error))
        }
        _ => Err(raced(&place)),
    }
}

fn same_bytes(mut a: &File, mut b: File) -> io::Result<bool> {
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    a.seek(SeekFrom::Start(0))?;
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..read])?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}

/// Makes the rows and the files of them on this thread.
fn encode_in_turn(
    rows: impl FnOnce(Sink<'_>) -> Result<()>,
    method: &Method,
    drafts: &Tables<Draft>,
) -> Result<Tables<Written>> {
    let begin =
        |table| Encoder::new(table, method, drafts[table].writer()).map_err(|error| unwritten(&drafts[table], error));
    let mut encoders = Tables::try_from_fn(begin)?;
    cut(rows, |table, batch| encoders[table].write(&batch).map_err(|error| unwritten(&drafts[table], error)))?;
    let close = |(encoder, draft): (Encoder<'_>, &Draft)| encoder.close().map_err(|error| unwritten(draft, error));
    encoders.zip(drafts.each_ref()).try_map(close)
}

/// Makes the rows on this thread, and files of them on a thread a table.
fn encode_side_by_side(
    rows: impl FnOnce(Sink<'_>) -> Result<()>,
    method: &Method,
    drafts: &Tables<Draft>,
) -> Result<Tables<Written>> {
    thread::scope(|scope| {
        let (queues, encoders) = Tables::from_fn(|table| {
            let (sender, receiver) = sync_channel(QUEUE);
            (sender, scope.spawn(move || encode_table(table, method, &drafts[table], &receiver)))
        })
        .unzip();
        let made = cut(rows, |table, batch| send(&queues[table], batch));
        drop(queues);
        let join = |encoder: ScopedJoinHandle<'_, Result<Written>>| {
            encoder.join().map_err(|_| Error::new(Kind::Unexpected, "an encoder failed"))?
        };
        // An encoder that failed has hung up and says why here; what is left is the error of whoever made the rows.
        let written = encoders.try_map(join)?;
        made.map(|()| written)
    })
}

/// Passes the rows on in batches as encoders want them.
fn cut(
    rows: impl FnOnce(Sink<'_>) -> Result<()>,
    mut each: impl FnMut(Table, RecordBatch) -> Result<()>,
) -> Result<()> {
    let mut cutters = Tables::from_fn(Cutter::new);
    rows(&mut |run| {
        for (table, rows) in run {
            if rows.num_rows() > 0 {
                cutters[table].push(&rows, |batch| each(table, batch))?;
            }
        }
        Ok(())
    })?;
    cutters.into_iter().try_for_each(|(table, cutter)| cutter.finish(|batch| each(table, batch)))
}

fn send(queue: &SyncSender<RecordBatch>, batch: RecordBatch) -> Result<()> {
    queue.send(batch).map_err(|_| Error::new(Kind::Destination, "a table could not be written"))
}

fn encode_table(table: Table, method: &Method, draft: &Draft, batches: &Receiver<RecordBatch>) -> Result<Written> {
    let write = || {
        let mut encoder = Encoder::new(table, method, draft.writer())?;
        for batch in batches {
            encoder.write(&batch)?;
        }
        encoder.close()
    };
    write().map_err(|error| unwritten(draft, error))
}

fn unwritten(draft: &Draft, error: ParquetError) -> Error {
    failed("cannot write the table", draft.path(), error)
}
