//! The second half of a run, on a blocking thread: the staged rows into the dataset, then the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dataset::identity::Resolution;
use crate::dataset::layout::{Layout, Partition};
use crate::dataset::publish::{Part, Publisher};
use crate::dataset::state::{Covered, State};
use crate::error::Result;
use crate::progress::Progress;
use crate::stage::Stage;

/// Everything that publishing needs.
pub struct Publication {
    pub layout: Layout,
    pub stage: Stage,
    pub state: State,
    /// What the dataset covers once all is in place.
    pub covered: Option<Covered>,
    pub resolution: Resolution,
    pub run_id: String,
    /// Once set, no further partition is begun.
    pub stopped: Arc<AtomicBool>,
    pub progress: Arc<Progress>,
}

/// What publishing did, also where it failed.
pub struct Done {
    /// Files in place.
    pub parts: Vec<Part>,
    pub result: Result<()>,
}

impl Publication {
    pub fn work(mut self) -> Done {
        let mut parts = Vec::new();
        let published = self.partitions(&mut parts);
        // What is in place is recorded whatever happened after it.
        self.state.record(&parts);
        if let (Ok(true), Some(covered)) = (&published, self.covered.take()) {
            self.state.cover(covered);
        }
        let is_whole = matches!(published, Ok(true));
        let stored = if parts.is_empty() { Ok(()) } else { self.state.store(&self.layout, &self.run_id) };
        Done {
            parts,
            result: published.and(stored).and_then(|()| if is_whole { self.stage.discard() } else { Ok(()) }),
        }
    }

    /// Publishes one partition after the other; false where a signal came between.
    fn partitions(&mut self, done: &mut Vec<Part>) -> Result<bool> {
        let partitions = self.touched();
        self.progress.phase("publishing", partitions.len() as u64);
        let resolution = std::mem::take(&mut self.resolution);
        let mut publisher = Publisher::new(&self.layout, &self.stage, resolution, &self.run_id)?;
        for partition in partitions {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(false);
            }
            publisher.partition(partition, done)?;
            self.progress.step();
        }
        Ok(true)
    }

    /// The partitions that may change: the one that always exists, those with staged rows, and those that a staged
    /// session was in.
    fn touched(&self) -> Vec<Partition> {
        let mut partitions = vec![self.layout.undated()];
        partitions.extend(self.stage.partitions());
        let superseded = self.resolution.superseded.iter().filter(|(_, rows)| rows.any());
        partitions.extend(superseded.map(|(partition, _)| *partition));
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}
