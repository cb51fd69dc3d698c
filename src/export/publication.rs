//! The second half of a run, on a blocking thread: the staged rows into the dataset, then the state.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dataset::identity::Resolution;
use crate::dataset::layout::{Layout, Partition};
use crate::dataset::publish::{Part, Publisher};
use crate::dataset::published::Published;
use crate::dataset::state::State;
use crate::error::Result;
use crate::progress::Progress;
use crate::stage::Stage;

/// Everything that publishing needs.
pub struct Publication {
    pub layout: Layout,
    pub stage: Stage,
    pub state: State,
    pub published: Vec<Published>,
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
        let stored = if parts.is_empty() { Ok(()) } else { self.state.store(&self.layout, &self.run_id) };
        Done { parts, result: published.and(stored) }
    }

    fn partitions(&mut self, done: &mut Vec<Part>) -> Result<()> {
        let partitions = self.touched();
        self.progress.phase("publishing", partitions.len() as u64);
        let resolution = std::mem::take(&mut self.resolution);
        let mut publisher = Publisher::new(&self.layout, &self.stage, resolution, &self.run_id)?;
        for partition in partitions {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            publisher.partition(partition, done)?;
            self.progress.step();
        }
        Ok(())
    }

    /// The partitions that a full export looks after: the one that always exists, the staged, and the published ones.
    fn touched(&self) -> Vec<Partition> {
        let mut partitions = vec![self.layout.undated()];
        partitions.extend(self.stage.partitions());
        partitions.extend(self.published.iter().map(Published::partition));
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}
