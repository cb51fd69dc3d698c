//! The second half of a run, on a blocking thread: the staged rows into the dataset, then the state.
//!
//! Others may publish at the same time: a lock or a lease should keep them away, but nothing rests on that. Whoever
//! loses a swap looks at the dataset anew and publishes once more, until nothing has changed while it did.

mod shown;
mod trail;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::dataset::erasures::Erasures;
use crate::dataset::gone::{self, Gone};
use crate::dataset::identity::{self, Bits, Moving, Questions, Resolution};
use crate::dataset::inspection::Inspection;
use crate::dataset::known::Older;
use crate::dataset::lanes::{in_order, lanes};
use crate::dataset::layout::Layout;
use crate::dataset::merge::{Merge, Sources};
use crate::dataset::publish::{Change, Part, Rewrite, Sink};
use crate::dataset::published::{Published, Versions};
use crate::dataset::receipt::Holds;
use crate::dataset::state::{Covered, State};
use crate::error::{Error, Kind, Result};
use crate::rows::erasure::Denied;
use crate::rows::partition::Partition;
use crate::stage::Stage;
use crate::store::{ROUNDS, unless_raced};
use crate::terminal::progress::Progress;
use crate::words::stop::Stop;
pub use shown::Snapshots;
use trail::{Made, Trail};

/// Partitions that are put in place together.
const TOGETHER: usize = 16;

/// Everything that publishing needs.
pub struct Publication {
    pub layout: Layout,
    pub stage: Stage,
    pub state: State,
    /// Sessions that this run has found to be gone.
    pub noticed: Vec<Gone>,
    /// What the dataset covers once all is in place.
    pub covered: Option<Covered>,
    /// The dataset's files, and what follows from them for the staged rows.
    pub found: BTreeMap<Partition, Versions>,
    pub resolution: Resolution,
    /// The number of the last purge when the rows were read.
    pub erasures: u64,
    /// Participants whom a purge has erased: they get no rows.
    pub erased: Option<Arc<Denied>>,
    /// What the dataset's files are held against.
    pub inspection: Inspection,
    /// The dataset's snapshots, if it has any.
    pub lake: Option<Snapshots>,
    /// The snapshot that shows what this run has published, once there is one.
    pub committed: Option<u64>,
    /// What other processes have put in place for this run.
    pub placed: Placed,
    /// Asked before partitions are put in place, where others may have published meanwhile and no lease keeps them away.
    pub watch: Option<Watch>,
    /// By which the record of what is about to be swapped is named.
    pub record: String,
    /// Whether a lock or a lease keeps others out.
    pub alone: bool,
    pub run_id: String,
    /// Asked, no further partition is put in place.
    pub stop: Stop,
    pub progress: Arc<Progress>,
    /// Held while the rows of a partition with a session of very many are merged.
    pub heavy: Mutex<()>,
}

/// What is looked at before partitions are put in place.
pub type Watch = Box<dyn Fn() -> Result<()> + Send + Sync>;

/// What other processes have put in place for this run.
#[derive(Default)]
pub struct Placed {
    /// The partitions, with the versions of their files.
    pub finished: BTreeMap<Partition, Versions>,
    /// Their files.
    pub parts: Vec<(Partition, Part)>,
    /// Staged sessions that were in them as they were before.
    pub unchanged: u64,
}

/// Some partitions that are in place, for a run that others publish with.
pub struct Share {
    /// Their files.
    pub parts: Vec<Part>,
    /// Staged sessions that were in them as they were before.
    pub unchanged: u64,
    /// Files among those before that are an older run's.
    pub restored: BTreeMap<String, Older>,
}

/// What publishing did, also where it failed.
pub struct Done {
    /// The files of the partitions that the run has gone through, changed or not.
    pub parts: Vec<Part>,
    /// Files that are an older run's.
    pub restored: BTreeMap<String, Older>,
    /// Staged sessions that are in the dataset as they were before.
    pub unchanged: u64,
    /// What the dataset holds now.
    pub holds: Holds,
    /// The newest snapshot, where there are any.
    pub snapshot: Option<u64>,
    pub result: Result<()>,
}

/// What is done to a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    /// Its rows were made by an older schema version, or by other settings for persons and privacy, and are made as this run makes
    /// them.
    Upgrade,
    /// It gets the rows that are staged for it.
    Receive,
    /// Sessions that are in their new partition by now leave it.
    Release,
}

/// How a round over the partitions ended.
enum Round {
    Complete,
    /// The dataset must be looked at anew.
    Stale,
}

impl Publication {
    pub fn work(mut self) -> Done {
        let mut trail = Trail::new(&self.record);
        let Placed { finished, parts, unchanged: placed } = std::mem::take(&mut self.placed);
        trail.parts.extend(parts.into_iter().map(|(partition, part)| ((partition, part.table), part)));
        self.inspection.tell(&mut self.state);
        let published = self.partitions(finished, &mut trail);
        let Trail { parts, record, unchanged } = trail;
        // What no snapshot shows is not in place.
        let is_shown = self.lake.is_none() || self.committed.is_some();
        let mut parts: Vec<_> = if is_shown { parts.into_values().collect() } else { Vec::new() };
        let marked = self.lake.as_ref().map_or(Ok(()), |Snapshots { lake, .. }| lake.mark(&mut parts));
        // What is in place is recorded whatever happened after it.
        self.state.record(&parts);
        // A signal is heeded between two swaps, so that it is known what is in place.
        let is_known = published.as_ref().err().is_none_or(|error| error.kind().is_signal());
        if published.is_ok() {
            self.state.moves(&Moving::new());
            self.state.knows_people(&self.layout.method().people);
            if let Some(covered) = self.covered.take() {
                self.state.cover(covered);
            }
        }
        let stored = if parts.is_empty() { Ok(()) } else { self.state.store(&self.layout, &self.run_id) };
        if is_known && stored.is_ok() {
            self.inspection.clear_records(record, &self.state, self.alone);
        }
        let told = stored.and(marked).and_then(|()| gone::follow(&self.layout, self.state.gone(), &self.noticed));
        let told = told.and_then(|()| if published.is_ok() { self.forget() } else { Ok(()) });
        let restored = self.inspection.restored().clone();
        let unchanged = self.resolution.unchanged + placed + unchanged.values().sum::<u64>();
        let result = published.and(told).and_then(|()| self.stage.discard());
        Done { parts, restored, unchanged, holds: Holds::of(&self.state), snapshot: self.committed, result }
    }

    /// Makes some partitions for a run that others publish with, and puts them in place; where the dataset has snapshots, nobody sees
    /// them yet. Returns their files, and how many staged sessions were in them as they were before.
    ///
    /// # Errors
    /// As [`Publication::watch`] says; `Raced` where somebody else has put them in place meanwhile; `Unreadable`; `Destination`.
    pub fn some(mut self, partitions: &[Partition]) -> Result<Share> {
        let mut trail = Trail::new(&self.record);
        self.inspection.touch(&self.found, |partition| partitions.contains(partition))?;
        let mine = |old: &&Published| partitions.contains(&old.partition());
        Published::of(&self.layout, &self.found).iter().filter(mine).try_for_each(Published::check)?;
        // A kill must not leave a restored file that was merged, and a fence that rests on the one before it.
        if !self.inspection.restored().is_empty() {
            self.may_go_on()?;
            State::forget(&self.layout, &BTreeSet::new(), &self.run_id)?;
        }
        self.progress.phase("publishing", partitions.len() as u64);
        self.publish_all(partitions, Task::Receive, &mut BTreeMap::new(), &mut trail)?;
        self.refuse_if_purged()?;
        let Trail { parts, unchanged, .. } = trail;
        let restored = self.inspection.restored().clone();
        Ok(Share { parts: parts.into_values().collect(), unchanged: unchanged.values().sum(), restored })
    }

    fn may_go_on(&self) -> Result<()> {
        self.watch.as_ref().map_or(Ok(()), |watch| watch())
    }

    /// Publishes one partition after the other, but for those that are finished.
    fn partitions(&mut self, mut finished: BTreeMap<Partition, Versions>, trail: &mut Trail) -> Result<()> {
        if !finished.is_empty() && !self.resolution.leaving.is_empty() {
            // Rows are known by their number in files that are others by now.
            self.look_again()?;
        }
        let place = self.layout.place();
        let attempt = || {
            self.refuse_if_purged()?;
            match self.round(&mut finished, trail).and_then(|round| self.commit(round)) {
                Ok(Round::Complete) => return Ok(Some(())),
                Err(error) if error.kind() != Kind::Raced => return Err(error),
                Ok(Round::Stale) | Err(_) => self.look_again()?,
            }
            Ok(None)
        };
        unless_raced(ROUNDS, || place, attempt)?;
        self.lake.as_ref().map_or(Ok(()), |Snapshots { lake, .. }| lake.follow())?;
        // A purge that begins from now on finds what was published.
        self.refuse_if_purged()
    }

    /// Goes over all partitions: those that were counted otherwise are brought up to date, the newest first; then all get
    /// what is staged; and only when every session is in its new partition does it leave an old one.
    fn round(&mut self, finished: &mut BTreeMap<Partition, Versions>, trail: &mut Trail) -> Result<Round> {
        let (outdated, mut receiving) = (self.outdated()?, self.receiving());
        if !outdated.is_empty() {
            let count = outdated.len();
            tracing::info!(
                "partitions of an older schema version, other `[people]` or other `[privacy]`, made anew first: {count}"
            );
        }
        let leaving: Vec<_> = self.resolution.leaving.keys().copied().collect();
        // Damage ends the run before its first change.
        let touched: BTreeSet<_> = [&outdated, &receiving, &leaving].into_iter().flatten().copied().collect();
        self.inspection.touch(&self.found, |partition| touched.contains(partition))?;
        let touched = |old: &&Published| touched.contains(&old.partition());
        Published::of(&self.layout, &self.found).iter().filter(touched).try_for_each(Published::check)?;
        self.announce()?;
        self.progress.phase("publishing", (outdated.len() + receiving.len()) as u64);
        let mut upgraded = BTreeMap::new();
        let all = self.publish_all(&outdated, Task::Upgrade, &mut upgraded, trail);
        // Their rows stand where they stood.
        self.found.extend(upgraded);
        all?;
        receiving.retain(|partition| {
            finished.get(partition) != Some(&self.found.get(partition).cloned().unwrap_or_default())
        });
        self.publish_all(&receiving, Task::Receive, finished, trail)?;
        // Rows are known by their number in the files that were found.
        let is_stale = |partition: &Partition| {
            finished.contains_key(partition) && finished.get(partition) != self.found.get(partition)
        };
        if leaving.iter().any(is_stale) || self.has_moved(finished)? {
            return Ok(Round::Stale);
        }
        let none_leaves = leaving.is_empty();
        for partition in leaving {
            let made = self.prepare(partition, Task::Release, true)?;
            trail.put(&self.layout, vec![made], finished, || self.may_go_on(), || Ok(()))?;
        }
        Ok(if none_leaves || !self.has_moved(finished)? { Round::Complete } else { Round::Stale })
    }

    /// Makes the files of several partitions at once, and puts them in place in order, until a signal comes.
    fn publish_all(
        &self,
        partitions: &[Partition],
        task: Task,
        finished: &mut BTreeMap<Partition, Versions>,
        trail: &mut Trail,
    ) -> Result<()> {
        let alone = partitions.len() <= lanes();
        let make = |number: usize| self.prepare(partitions[number], task, alone);
        let mut left = partitions.len();
        let mut waiting = Vec::with_capacity(TOGETHER);
        in_order(partitions.len(), make, |made| {
            left -= 1;
            let failed = made.map(|made| waiting.push(made)).err();
            if failed.is_none() && left > 0 && waiting.len() < TOGETHER && self.stop.requested().is_none() {
                return Ok(());
            }
            // What is ready is put in place, also where the next one failed.
            let placed = || {
                self.progress.step();
                self.stop.check()
            };
            trail.put(&self.layout, std::mem::take(&mut waiting), finished, || self.may_go_on(), placed)?;
            failed.map_or(Ok(()), Err)
        })
    }

    fn prepare(&self, partition: Partition, task: Task, alone: bool) -> Result<Made<'_>> {
        let Resolution { superseded, leaving, kept, lost, .. } = &self.resolution;
        let of = |rows: &BTreeMap<Partition, Bits>| rows.get(&partition).cloned().unwrap_or_default();
        let (segments, gone, change): (&[_], _, _) = match task {
            Task::Upgrade => (&[], Bits::default(), Change::Removing),
            Task::Receive => {
                let gone = of(superseded).without(&of(leaving)).without(&of(kept));
                (self.stage.segments(partition), gone, Change::Adding)
            }
            Task::Release => (&[], of(leaving), Change::Removing),
        };
        let versions = self.found.get(&partition).cloned().unwrap_or_default();
        let old = Published::one(&self.layout, partition, versions.clone());
        // What is kept must not keep whom a purge that was stopped has not taken out yet.
        let erased = self.erased.clone().filter(|_| of(kept).any());
        let chunks = old.chunks()?.without(erased);
        let sources = Sources {
            stage: &self.stage,
            method: self.layout.method(),
            segments,
            lost,
            published: Some(chunks),
            superseded: gone,
        };
        // One at a time: each takes memory that not all lanes may take at once.
        let _heavy = self.stage.is_heavy(partition).then(|| self.heavy.lock().unwrap_or_else(PoisonError::into_inner));
        let rewrite = Rewrite { layout: &self.layout, partition, versions, change };
        let merge = Merge::new(sources)?;
        let mut unchanged = 0;
        let heeding = |sink: Sink<'_>| {
            unchanged = merge.run(&mut |run| {
                self.stop.check()?;
                sink(run)
            })?;
            Ok(())
        };
        let ready = rewrite.prepare(heeding, alone)?;
        Ok((partition, ready, (task == Task::Receive).then_some(unchanged)))
    }

    /// Sessions that change their partition are in both for a moment. Which is the old one is written down before that,
    /// for the case that this run is killed then.
    fn announce(&mut self) -> Result<()> {
        let moving = self.resolution.moving(&Published::of(&self.layout, &self.found))?;
        let mut is_new = self.state.moves(&moving);
        // A kill must not leave a restored file that was merged, and a fence that rests on the one before it.
        is_new |= !self.inspection.restored().is_empty() && self.state.unsettle();
        if is_new { self.state.store(&self.layout, &self.run_id) } else { Ok(()) }
    }

    /// What was read before a purge may hold what must not come back.
    fn refuse_if_purged(&self) -> Result<()> {
        if Erasures::load(&self.layout, self.erasures)?.epoch() == self.erasures {
            return Ok(());
        }
        Err(Error::new(Kind::Destination, format!("the dataset was purged meanwhile: {}", self.layout.place()))
            .hint("run the same purge once more, in case this run has brought something back, then this command"))
    }

    /// Whether the dataset is other than it was found, but for what this run has finished.
    fn has_moved(&self, finished: &BTreeMap<Partition, Versions>) -> Result<bool> {
        let mut expected = self.found.clone();
        expected.extend(finished.iter().map(|(partition, versions)| (*partition, versions.clone())));
        Ok(Published::versions(&self.layout)? != expected)
    }

    /// Finds the dataset anew, and what follows from it for the staged rows.
    ///
    /// # Errors
    /// `Raced`, `Unreadable`, `Destination`.
    pub fn look_again(&mut self) -> Result<()> {
        tracing::debug!("the dataset has changed; looking at it anew");
        // Whoever has committed meanwhile may have died.
        self.lake.as_ref().map_or(Ok(()), |Snapshots { lake, .. }| lake.follow())?;
        let erased = self.erased.clone();
        let questions = Questions { moving: self.state.moving(), erased, ..Questions::default() };
        self.found = Published::versions(&self.layout)?;
        let resolve = |published: &[Published]| identity::resolve(&self.stage, published, &questions);
        self.resolution = Published::until_settled(&self.layout, &mut self.found, resolve)?;
        Ok(())
    }

    /// The partitions that were counted otherwise, the newest first: a reader that takes its columns from the first file
    /// finds them in all others, too.
    fn outdated(&self) -> Result<Vec<Partition>> {
        let published = Published::of(&self.layout, &self.found);
        let old = published.iter().rev().map(|old| Ok(old.is_outdated()?.then_some(old.partition())));
        old.filter_map(Result::transpose).collect()
    }

    /// The partition that always exists, and those with staged rows.
    fn receiving(&self) -> Vec<Partition> {
        let mut partitions = vec![Partition::UNDATED];
        partitions.extend(self.stage.partitions());
        partitions.sort_unstable();
        partitions.dedup();
        partitions
    }
}
