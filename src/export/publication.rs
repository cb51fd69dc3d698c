//! The second half of a run, on a blocking thread: the staged rows into the dataset, then the state.
//!
//! Others may publish at the same time: a lock or a lease should keep them away, but nothing rests on that. Whoever
//! loses a swap looks at the dataset anew and publishes once more, until nothing has changed while it did.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::dataset::identity::{self, Questions, Resolution};
use crate::dataset::layout::{Layout, Partition};
use crate::dataset::merge::Sources;
use crate::dataset::publish::{Part, Place};
use crate::dataset::published::{Published, Versions};
use crate::dataset::state::{Covered, State};
use crate::error::{Kind, Result};
use crate::progress::Progress;
use crate::stage::Stage;
use crate::store::raced;

/// How often a run looks anew before it gives up.
const ROUNDS: u32 = 100;

/// Everything that publishing needs.
pub struct Publication {
    pub layout: Layout,
    pub stage: Stage,
    pub state: State,
    /// What the dataset covers once all is in place.
    pub covered: Option<Covered>,
    /// The dataset's files, and what follows from them for the staged rows.
    pub found: BTreeMap<Partition, Versions>,
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
        let mut parts = BTreeMap::new();
        let published = self.partitions(&mut parts);
        let parts: Vec<_> = parts.into_values().collect();
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
    fn partitions(&mut self, done: &mut BTreeMap<(Partition, usize), Part>) -> Result<bool> {
        let mut finished = BTreeMap::new();
        for _ in 0..ROUNDS {
            match self.round(&mut finished, done) {
                Ok(false) => return Ok(false),
                Err(error) if error.kind() != Kind::Raced => return Err(error),
                Ok(true) if !self.has_moved(&finished)? => return Ok(true),
                Ok(true) | Err(_) => {}
            }
            tracing::debug!("another run has published meanwhile; looking at the dataset anew");
            self.look_again()?;
        }
        Err(raced(&self.layout.place()))
    }

    /// Publishes all partitions that are not finished.
    fn round(
        &mut self,
        finished: &mut BTreeMap<Partition, Versions>,
        done: &mut BTreeMap<(Partition, usize), Part>,
    ) -> Result<bool> {
        let partitions = self.touched();
        self.progress.phase("publishing", partitions.len() as u64);
        let published = Published::of(&self.layout, &self.found);
        // Damage ends the run before its first swap.
        published.iter().filter(|part| partitions.contains(&part.partition())).try_for_each(Published::check)?;
        for partition in partitions {
            if self.stopped.load(Ordering::Relaxed) {
                return Ok(false);
            }
            let versions = self.found.get(&partition).cloned().unwrap_or_default();
            if finished.get(&partition) != Some(&versions) {
                let place = Place { layout: &self.layout, partition, versions };
                let old = published.iter().find(|published| published.partition() == partition);
                let sources = Sources {
                    stage: &self.stage,
                    segments: self.stage.segments(partition),
                    lost: &self.resolution.lost,
                    published: old.map(Published::chunks).transpose()?,
                    superseded: self.resolution.superseded.remove(&partition).unwrap_or_default(),
                };
                let versions = place.publish(sources, |mut part| {
                    let key = (partition, part.table as usize);
                    part.changed |= done.get(&key).is_some_and(|before| before.changed);
                    done.insert(key, part);
                })?;
                finished.insert(partition, versions);
            }
            self.progress.step();
        }
        Ok(true)
    }

    /// Whether the dataset is other than it was found, but for what this run has finished.
    fn has_moved(&self, finished: &BTreeMap<Partition, Versions>) -> Result<bool> {
        let mut expected = self.found.clone();
        expected.extend(finished.iter().map(|(partition, versions)| (*partition, versions.clone())));
        Ok(Published::versions(&self.layout)? != expected)
    }

    fn look_again(&mut self) -> Result<()> {
        for _ in 0..ROUNDS {
            self.found = Published::versions(&self.layout)?;
            let published = Published::of(&self.layout, &self.found);
            match identity::resolve(&self.stage, &published, &Questions::default()) {
                Err(error) if error.kind() == Kind::Raced => {}
                resolved => {
                    self.resolution = resolved?;
                    return Ok(());
                }
            }
        }
        Err(raced(&self.layout.place()))
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
