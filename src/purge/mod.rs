//! Retention and erasure: sessions that are too old, and participants who must be forgotten, leave the dataset for good.
//!
//! What must go is written down first (`_rollbook/erasures.json`), so that no later run brings it back, even if this one is
//! killed halfway. Then partitions, rejects and the stage are gone through; a purge that is run again finds what is left.

mod rows;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::spawn_blocking;

use crate::api::Clock;
use crate::config::{Config, PartitionBy};
use crate::dataset::admission;
use crate::dataset::destination::Destination;
use crate::dataset::erasures::{Erase, Erasures};
use crate::dataset::layout::Layout;
use crate::dataset::publish::{Change, Part, Place};
use crate::dataset::published::Published;
use crate::dataset::receipt::{self, Ended, Receipt, Removed};
use crate::dataset::rejects;
use crate::dataset::state::{Found, State};
use crate::erasure::Hash;
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::stage::Stage;
use crate::store::failed;
use crate::timestamp;
use rows::Rules;

/// What a purge needs from outside.
pub struct Purge {
    /// What must go.
    pub erase: Erase,
    /// The settings in force.
    pub config: Config,
    /// Where the dataset is.
    pub destination: Destination,
    /// Count only.
    pub dry_run: bool,
    /// Sortable by time, unique.
    pub run_id: String,
    /// A fresh random key, used if the dataset has none yet.
    pub key: Hash,
    /// The wall clock.
    pub clock: Clock,
    /// Ends the purge between two partitions.
    pub stop: Stop,
    /// What a person watches.
    pub progress: Arc<Progress>,
}

/// The part that needs no clock, on a blocking thread.
struct Job {
    erase: Erase,
    key: Hash,
    layout: Layout,
    partition_by: PartitionBy,
    stage: PathBuf,
    run_id: String,
    dry_run: bool,
    stop: Stop,
    progress: Arc<Progress>,
}

/// What was done, also where it failed.
#[derive(Default)]
struct Done {
    removed: Removed,
    erasures: u64,
    parts: Vec<Part>,
}

impl Purge {
    /// Purges, and keeps the receipt.
    pub async fn execute(self) -> Ended {
        let begun = Instant::now();
        let mut receipt = Receipt::blank(&self.run_id, "purge", &self.config.api, &self.clock);
        let before = self.erase.before.map(timestamp::text);
        receipt.goal = receipt::Goal { kind: "purge", to: before, ..receipt::Goal::default() };
        let layout = self.destination.layout.clone();
        let (dry_run, clock) = (self.dry_run, self.clock.clone());
        let mut error = self.work(&mut receipt).await.err();
        receipt.finish(&clock, begun.elapsed());
        (receipt.exit_code, receipt.outcome) = error.as_ref().map_or((0, "purged"), Error::outcome);
        receipt.error = error.as_ref().map(ToString::to_string);
        let may_write =
            error.as_ref().is_none_or(|error| !matches!(error.kind(), Kind::Lease | Kind::Config | Kind::Absent));
        if !dry_run && may_write {
            let stored = receipt.store(&layout);
            error = error.or(stored.err());
        }
        Ended { receipt, error }
    }

    async fn work(self, receipt: &mut Receipt) -> Result<()> {
        let Self { erase, config, destination, dry_run, run_id, key, clock, stop, progress } = self;
        admission::refuse_absent(&destination, &clock)?;
        let _lease = admission::admit(&destination, &run_id, &clock, &stop, dry_run).await?;
        let Destination { layout, stage, .. } = destination;
        let partition_by = config.dataset.partition_by;
        let job = Job { erase, key, layout, partition_by, stage, run_id, dry_run, stop, progress };
        let mut done = Done::default();
        let (done, result) = spawn_blocking(move || {
            let result = job.run(&mut done);
            (done, result)
        })
        .await
        .map_err(|error| Error::new(Kind::Unexpected, "a worker failed").because(error))?;
        receipt.removed = Some(done.removed);
        receipt.erasures = done.erasures;
        receipt.partitions = done.parts.iter().map(receipt::File::from).collect();
        result
    }
}

impl Job {
    fn run(&self, done: &mut Done) -> Result<()> {
        let mut state = self.state()?;
        let seen = match &state {
            Some(state) => state.purges(&self.layout)?,
            None => receipt::named(&self.layout)?.1,
        };
        let mut erasures = Erasures::load(&self.layout, seen)?;
        done.erasures = erasures.epoch();
        let is_new = erasures.add(&self.erase, self.key)?;
        if is_new && !self.dry_run {
            erasures.store(&self.layout)?;
        }
        done.erasures = if self.dry_run { seen } else { erasures.epoch() };
        let rules = Rules { floor: erasures.floor(), denied: erasures.denied()? };
        let purged = self.partitions(&rules, done);
        if !self.dry_run {
            if let Some(state) = &mut state {
                state.record(&done.parts);
                if purged.is_ok() {
                    state.know(erasures.epoch());
                }
                state.store(&self.layout, &self.run_id)?;
            }
            Stage::erase(&self.stage)?;
        }
        done.removed.rejects = rejects::purge(&self.layout, rules.denied.as_deref(), rules.floor, self.dry_run)?;
        self.tell_of_repairs()?;
        purged
    }

    /// What a repair has set aside may be all that is left of some sessions, so a person must decide.
    fn tell_of_repairs(&self) -> Result<()> {
        let folder = Layout::own("damaged");
        if !self.layout.store().list(&folder)?.is_empty() {
            let place = self.layout.store().place(&folder);
            tracing::warn!("what repairs have set aside may hold what was purged; look, and remove it: {place}");
        }
        Ok(())
    }

    /// The state, if there is one that can be read; whosever sessions it speaks of.
    fn state(&self) -> Result<Option<Box<State>>> {
        match State::look(&self.layout, self.partition_by)? {
            Found::Known(state) => state.check_files(&self.layout).map(|()| Some(state)),
            Found::Nothing | Found::Damaged => Ok(None),
        }
    }

    fn partitions(&self, rules: &Rules, done: &mut Done) -> Result<()> {
        let found = Published::versions(&self.layout)?;
        self.progress.phase("purging", found.len() as u64);
        // The newest first, since those of an older schema version are upgraded on the way: a reader that takes its columns
        // from the first file finds them in all others, too.
        for (partition, versions) in found.into_iter().rev() {
            self.stop.check()?;
            let removed = Published::until_settled(&self.layout, &mut [(partition, versions)].into(), |published| {
                let found = published.iter().find(|published| published.partition() == partition);
                found.map_or(Ok(Removed::default()), |published| self.partition(rules, published, done))
            })?;
            done.removed += removed;
            self.progress.step();
        }
        Ok(())
    }

    /// Counts what goes of a partition, and rewrites it if anything does, or if it is of an older schema version.
    fn partition(&self, rules: &Rules, published: &Published, done: &mut Done) -> Result<Removed> {
        let (mut removed, mut changes) = (Removed::default(), published.is_old()?);
        let mut chunks = published.chunks()?;
        while let Some(chunk) = chunks.next_chunk()? {
            let selection = rules.select(&chunk);
            removed += selection.removed();
            changes |= selection.changes();
        }
        if !changes || self.dry_run {
            return Ok(removed);
        }
        let (partition, versions) = (published.partition(), published.found().clone());
        let place = Place { layout: &self.layout, partition, versions, change: Change::Removing };
        let mut chunks = published.chunks()?;
        let ready = place.prepare(
            |sink| {
                while let Some(chunk) = chunks.next_chunk()? {
                    let rest = rules.select(&chunk).of(&chunk);
                    let rest =
                        rest.map_err(|error| failed("cannot rewrite the partition", self.layout.place(), error))?;
                    sink(rest.rows(0, rest.len()))?;
                }
                Ok(())
            },
            true,
        )?;
        let mut parts = Vec::with_capacity(3);
        let swapped = ready.swap(|part| parts.push(part));
        parts.sort_unstable_by_key(|part| part.table);
        done.parts.retain(|before| parts.iter().all(|part| part.path != before.path));
        done.parts.append(&mut parts);
        swapped?;
        Ok(removed)
    }
}
