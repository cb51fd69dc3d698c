//! Publishing: staged and published rows of a partition are merged, encoded on the local disk, and swapped in.
//!
//! A partition's three tables are encoded side by side behind bounded queues. Each file is replaced atomically, and only
//! if it still is the one that was read. What is added begins with the sessions, what is removed with the timelogs, so
//! that a participant never lacks its session.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;

use super::encode::{Encoder, Written};
use super::layout::{Layout, Partition};
use super::merge::Run;
use super::published::Versions;
use crate::error::{Error, Kind, Result};
use crate::store::{Access, Draft, Store, Swap, Version, failed, raced};
use crate::tables::Table;

/// Runs that may wait for one encoder.
const QUEUE: usize = 8;

/// One file of a partition after publishing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its table.
    pub table: Table,
    /// Its path relative to the dataset.
    pub path: String,
    /// What is in it.
    pub written: Written,
    /// Whether its bytes are new; unchanged files are not touched.
    pub changed: bool,
}

/// Which way a partition changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Sessions come in or are replaced: their own table is swapped first.
    Adding,
    /// Sessions leave, or nothing but the form changes: their own table is swapped last.
    Removing,
}

/// A partition on its way.
#[derive(Debug)]
pub struct Place<'a> {
    /// The dataset.
    pub layout: &'a Layout,
    /// The partition.
    pub partition: Partition,
    /// Its files that were read.
    pub versions: Versions,
    /// Which of them is swapped first.
    pub change: Change,
}

/// Where rows go, in order.
pub type Sink<'a> = &'a mut dyn FnMut(Run) -> Result<()>;

impl Place<'_> {
    /// Publishes the rows that are passed on as the partition; hands out each of its files once it is in place. Returns
    /// their versions.
    ///
    /// # Errors
    /// `Raced` where another run has replaced a file meanwhile; `Destination`. The partition's files are then each the
    /// old one or the new one, whole.
    pub fn publish(self, rows: impl FnOnce(Sink<'_>) -> Result<()>, mut placed: impl FnMut(Part)) -> Result<Versions> {
        let store = self.layout.store();
        let mut drafts = Vec::with_capacity(3);
        for table in Table::ALL {
            drafts.push(store.begin(&self.layout.relative(table, self.partition))?);
        }
        let written = encode(rows, &drafts)?;
        let mut ready = Vec::with_capacity(3);
        for (table, ((draft, written), version)) in
            Table::ALL.into_iter().zip(drafts.into_iter().zip(written).zip(self.versions))
        {
            let changed = !is_there(store, &draft, version.as_ref())?;
            ready.push((table, draft, written, version, changed));
        }
        if self.change == Change::Removing {
            ready.reverse();
        }
        let mut versions = Versions::default();
        for (table, draft, written, version, changed) in ready {
            let path = draft.path().to_owned();
            versions[table as usize] = if changed { Some(swap(store, draft, version.as_ref())?) } else { version };
            tracing::debug!(path, rows = written.rows, bytes = written.bytes, changed, "in place");
            placed(Part { table, path, written, changed });
        }
        Ok(versions)
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

/// Makes the rows on this thread, and files of them on a thread a table.
fn encode(rows: impl FnOnce(Sink<'_>) -> Result<()>, drafts: &[Draft]) -> Result<Vec<Written>> {
    thread::scope(|scope| {
        let mut queues = Vec::with_capacity(3);
        let mut encoders = Vec::with_capacity(3);
        for (table, draft) in Table::ALL.into_iter().zip(drafts) {
            let (sender, receiver) = sync_channel(QUEUE);
            queues.push(sender);
            encoders.push(scope.spawn(move || encode_table(table, draft, &receiver)));
        }
        let made = rows(&mut |run| send(&queues, run));
        drop(queues);
        let mut written = Vec::with_capacity(3);
        for encoder in encoders {
            written.push(encoder.join().map_err(|_| Error::new(Kind::Unexpected, "an encoder failed"))??);
        }
        // An encoder that failed has hung up and said why above; what is left is the error of whoever made the rows.
        made.map(|()| written)
    })
}

fn send(queues: &[SyncSender<RecordBatch>], run: Run) -> Result<()> {
    for (queue, batch) in queues.iter().zip(run) {
        if batch.num_rows() > 0 && queue.send(batch).is_err() {
            return Err(Error::new(Kind::Destination, "a table could not be written"));
        }
    }
    Ok(())
}

fn encode_table(table: Table, draft: &Draft, batches: &Receiver<RecordBatch>) -> Result<Written> {
    let write = || {
        let mut encoder = Encoder::new(table, draft.writer())?;
        for batch in batches {
            encoder.push(batch)?;
        }
        encoder.close()
    };
    write().map_err(|error| failed("cannot write the table", draft.path(), error))
}
