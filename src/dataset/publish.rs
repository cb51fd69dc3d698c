//! Publishing: for each partition, staged and published rows are merged, encoded beside their place, and swapped in.
//!
//! A partition's three tables are encoded side by side behind bounded queues. Each file is replaced atomically,
//! sessions first, so that a participant never lacks its session.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use arrow_array::RecordBatch;

use super::encode::{Encoder, Written};
use super::files::{self, Temporary, failed};
use super::identity::Resolution;
use super::layout::{Layout, Partition};
use super::merge::{Merge, Sources};
use super::published::Published;
use crate::error::{Error, Kind, Result};
use crate::stage::Stage;
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

/// Publishes partitions of one dataset for one run.
pub struct Publisher<'a> {
    layout: &'a Layout,
    stage: &'a Stage,
    resolution: Resolution,
    run_id: &'a str,
    mode: u32,
}

impl<'a> Publisher<'a> {
    /// Prepares the dataset's folder; nothing is published yet.
    pub fn new(layout: &'a Layout, stage: &'a Stage, resolution: Resolution, run_id: &'a str) -> Result<Self> {
        let mode = files::usual_mode(&layout.own(), run_id)?;
        Ok(Self { layout, stage, resolution, run_id, mode })
    }

    /// Merges and publishes one partition; adds each of its files to `done` once it is in place.
    ///
    /// # Errors
    /// `Destination`; the partition's files are then each the old one or the new one, whole.
    pub fn partition(&mut self, partition: Partition, done: &mut Vec<Part>) -> Result<()> {
        let mut temporaries = Vec::with_capacity(3);
        for table in Table::ALL {
            let path = self.layout.path(table, partition);
            files::sweep(path.parent().unwrap_or(self.layout.root()))?;
            temporaries.push(Temporary::create(&path, self.run_id)?);
        }
        let superseded = self.resolution.superseded.remove(&partition).unwrap_or_default();
        let published = Published::find(self.layout, partition)?.map(|published| published.chunks()).transpose()?;
        let segments = self.stage.segments(partition);
        let sources = Sources { stage: self.stage, segments, lost: &self.resolution.lost, published, superseded };
        let written = encode(Merge::new(sources)?, &temporaries)?;
        let parts = Table::ALL.into_iter().zip(written).map(|(table, written)| {
            let path = self.layout.relative(table, partition);
            Part { table, path, written, changed: false }
        });
        self.swap(temporaries.into_iter().zip(parts), done)
    }

    /// Flushes all files that changed before it replaces the first.
    fn swap(&self, files: impl Iterator<Item = (Temporary, Part)>, done: &mut Vec<Part>) -> Result<()> {
        let mut ready = Vec::with_capacity(3);
        for (temporary, mut part) in files {
            part.changed = !temporary.equals_target()?;
            if part.changed {
                temporary.flush()?;
            }
            ready.push((temporary, part));
        }
        for (temporary, part) in ready {
            if part.changed {
                temporary.replace(self.mode)?;
            }
            let Part { path, written: Written { rows, bytes, .. }, changed, .. } = &part;
            tracing::debug!(path, rows, bytes, changed, "in place");
            done.push(part);
        }
        Ok(())
    }
}

/// Runs the merge on this thread and an encoder a table on threads of their own.
fn encode(merge: Merge<'_>, temporaries: &[Temporary]) -> Result<Vec<Written>> {
    thread::scope(|scope| {
        let mut queues = Vec::with_capacity(3);
        let mut encoders = Vec::with_capacity(3);
        for (table, temporary) in Table::ALL.into_iter().zip(temporaries) {
            let (sender, receiver) = sync_channel(QUEUE);
            queues.push(sender);
            encoders.push(scope.spawn(move || encode_table(table, temporary, &receiver)));
        }
        let merged = merge.run(|run| send(&queues, run));
        drop(queues);
        let mut written = Vec::with_capacity(3);
        for encoder in encoders {
            written.push(encoder.join().map_err(|_| Error::new(Kind::Unexpected, "an encoder failed"))??);
        }
        // An encoder that failed has hung up and said why above; what is left is the merge's own error.
        merged.map(|()| written)
    })
}

fn send(queues: &[SyncSender<RecordBatch>], run: [RecordBatch; 3]) -> Result<()> {
    for (queue, batch) in queues.iter().zip(run) {
        if batch.num_rows() > 0 && queue.send(batch).is_err() {
            return Err(Error::new(Kind::Destination, "a table could not be written"));
        }
    }
    Ok(())
}

fn encode_table(table: Table, temporary: &Temporary, batches: &Receiver<RecordBatch>) -> Result<Written> {
    let write = || {
        let mut encoder = Encoder::new(table, temporary.writer())?;
        for batch in batches {
            encoder.push(batch)?;
        }
        encoder.close()
    };
    write().map_err(|error| failed("cannot write the table", temporary.target(), error))
}
