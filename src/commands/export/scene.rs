//! What a run finds before its first request, and what it decides to cover by it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{block_in_place, spawn_blocking};

use super::drive::{Driver, Source};
use super::goal::{self, Chosen, Work};
use super::lookup::{Ledger, Span, Unseen};
use super::publication::Done;
use super::staged::Staged;
use super::{Checked, Run};
use crate::commands::joined;
use crate::config::{Config, Format};
use crate::dataset::erasures::Erasures;
use crate::dataset::gone::Gone;
use crate::dataset::identity::{self, Questions, Resolution};
use crate::dataset::inspection::Inspection;
use crate::dataset::lake::{Author, Lake, Wish};
use crate::dataset::layout::Layout;
use crate::dataset::lease::Lease;
use crate::dataset::published::{Published, Versions};
use crate::dataset::receipt::Holds;
use crate::dataset::state::{Covered, Source as Origin, State};
use crate::error::{Kind, Result};
use crate::rows::erasure::Denied;
use crate::rows::partition::Partition;
use crate::store::{ROUNDS, outrun};
use crate::words::clock::Clock;
use crate::words::id;
use crate::words::range::Kept;

/// What a run finds before its first request.
pub struct Scene {
    /// What it takes to drive a walk.
    pub driver: Driver,
    /// The state that was found, with what this run changes in it.
    pub before: State,
    /// Sessions that this run has found to be gone.
    pub noticed: Vec<Gone>,
    /// The versions of the dataset's files.
    pub found: BTreeMap<Partition, Versions>,
    /// What the run covers.
    pub chosen: Chosen,
    /// The number of the last purge.
    pub erasures: u64,
    /// What the files are held against.
    pub inspection: Inspection,
    /// The dataset's snapshots, if it has any.
    pub lake: Option<Arc<Lake>>,
    /// When it was decided what to cover, in microseconds since 1970, UTC.
    pub now: i64,
    /// The right to write, while the run lasts.
    pub lease: Option<Lease>,
}

impl Run {
    /// Reads what is there, makes it what the settings want, and decides what to cover.
    pub(super) fn scene(&self, lease: Option<Lease>) -> Result<Scene> {
        self.found(lease, !self.destination.is_dry)
    }

    /// Reads what is there, and decides what to cover. `changes`: whether it is first made what the settings want.
    pub(super) fn found(&self, lease: Option<Lease>, changes: bool) -> Result<Scene> {
        let plain = &self.destination.layout;
        let lake = waiting(plain, || Lake::open(plain, &self.stop))?;
        let source = Origin::new(&self.config.api, self.account.clone());
        let mut before = State::load(&shown(plain, lake.as_ref()), source, &self.run_id)?;
        before.refuse_other_method(plain, self.work.is_of_all())?;
        let erasures = Erasures::load(plain, before.purges(plain)?)?;
        let lake = match lake {
            lake if !changes => lake,
            lake => waiting(plain, || self.snapshots(&mut before, lake, erasures.last_made()))?,
        };
        let layout = &shown(plain, lake.as_ref());
        erasures.warn_of_unicode();
        if before.erasures() < erasures.last_made() {
            tracing::warn!("a purge was not finished; run the same `rollbook purge` again");
        }
        let mut inspection = Inspection::begin(layout, &self.stop)?;
        let found = waiting(layout, || inspection.strangers())?;
        let alone = lease.as_ref().is_some_and(Lease::keeps_others_out);
        waiting(layout, || Self::refuse_other_files(layout, &before, &found))?;
        if changes {
            waiting(layout, || self.guard(layout, &mut before, lake.as_deref(), alone))?;
        }
        let now = self.clock.micros();
        let floor = goal::floor(&[self.config.dataset.since, erasures.floor()]);
        let chosen = goal::choose(&self.work, before.covered(), floor, &self.config, now)?;
        Ok(Scene {
            driver: self.driver(layout, chosen.kept.since, erasures.denied()?),
            erasures: erasures.epoch(),
            before,
            noticed: Vec::new(),
            found,
            chosen,
            inspection,
            lake,
            now,
            lease,
        })
    }

    /// Brings the dataset to the format of snapshots that is set, and finishes what a dead run has committed. `asked`: the number of the
    /// last purge that was asked for.
    fn snapshots(&self, before: &mut State, lake: Option<Arc<Lake>>, asked: u64) -> Result<Option<Arc<Lake>>> {
        let plain = &self.destination.layout;
        // A repair may have ended them, and whoever has lost the state still has them.
        let format = self.config.snapshots.format.or(before.snapshots().filter(|_| lake.is_none()));
        if lake.is_none() && format.is_some_and(|format| format != Format::None) {
            if before.snapshots().is_some() {
                tracing::warn!("the dataset had snapshots, and none is there; new ones begin: {}", plain.place());
            }
            // Nothing is listed that is damaged already.
            Inspection::begin(plain, &self.stop)?.all()?;
        }
        let wish = Wish { format, author: self.author(), purged: before.erasures(), asked };
        let lake = wish.bring(plain, lake, &self.stop)?;
        lake.as_ref().map_or(Ok(()), |lake| lake.mend(|path| before.mark(path)))?;
        let is_new = before.has_snapshots(lake.as_ref().map(|lake| lake.format()));
        if is_new && before.is_stored() {
            before.store(plain, &self.run_id)?;
        }
        Ok(lake)
    }

    /// In whose name this run makes snapshots.
    pub(super) fn author(&self) -> Author {
        Author { run_id: self.run_id.clone(), clock: self.clock.clone() }
    }

    pub(super) fn driver(&self, layout: &Layout, since: Option<i64>, denied: Option<Arc<Denied>>) -> Driver {
        Driver {
            source: Source {
                client: self.client.clone(),
                clock: self.clock.clone(),
                keep_unknown_fields: self.config.dataset.keep_unknown_fields,
                kept: Kept { range: None, since },
                meeting: None,
                denied,
                method: Arc::clone(layout.method()),
            },
            concurrency: self.config.api.concurrency,
            layout: layout.clone(),
            begun_at: self.clock.micros(),
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
        }
    }
}

impl Scene {
    /// The dataset as the run sees it.
    pub const fn layout(&self) -> &Layout {
        &self.driver.layout
    }

    /// The number of the snapshot that is read, where the dataset has snapshots.
    pub fn snapshot(&self) -> Option<u64> {
        self.lake.as_ref().and_then(|lake| lake.base()).map(|base| base.snapshot)
    }

    /// The marks of the files that were found, by path.
    pub fn marks(&self) -> BTreeMap<String, String> {
        let mut marks = BTreeMap::new();
        for (partition, versions) in &self.found {
            for (table, version) in versions.clone() {
                let mark = version.map(|version| version.mark().to_owned());
                marks.extend(mark.map(|mark| (self.driver.layout.relative(table, *partition), mark)));
            }
        }
        marks
    }

    /// What publishing would do, as far as a dry run tells: it holds the files that a run would touch against the records.
    pub fn foretell(&mut self, checked: &Checked) -> Result<Done> {
        let touched: BTreeSet<_> = checked.stage.partitions().chain(checked.resolved.leaving.keys().copied()).collect();
        let layout = self.driver.layout.clone();
        waiting(&layout, || self.inspection.touch(&self.found, |partition| touched.contains(partition)))?;
        Ok(Done {
            parts: Vec::new(),
            restored: self.inspection.restored().clone(),
            unchanged: 0,
            holds: Holds::of(&self.before),
            snapshot: None,
            result: Ok(()),
        })
    }

    /// Whether one of these sessions is in the dataset.
    pub fn knows(&self, ids: &[u128]) -> Result<bool> {
        let mut found = self.found.clone();
        Published::until_settled(&self.driver.layout, &mut found, |published| known(published, ids))
    }

    /// Finds the sessions that the walks should have returned and did not.
    pub async fn unseen(
        &mut self,
        mut staged: Staged,
        mut resolved: Resolution,
        questions: &Questions,
        span: Option<Span>,
        max_age: Duration,
    ) -> Result<(Staged, Resolution, Unseen)> {
        let is_empty = resolved.tallies.iter().all(|tally| tally.distinct == 0);
        for _ in 0..ROUNDS {
            let looks_for = |start| self.chosen.looks_for(start, self.now, max_age);
            let (gone, owed) = (self.before.gone(), self.before.owed());
            let (asked_to, dues) = (self.before.asked_to(), self.chosen.dues());
            let full_at = self.before.covered().and_then(Covered::full_at);
            let ledger = Ledger { span, is_empty, gone, owed, dues, asked_to, full_at };
            let published = Published::of(&self.driver.layout, &self.found);
            match Unseen::find(&published, &resolved, &ledger, looks_for) {
                // Rows are known by their number in the files that were found.
                Err(error) if error.kind() == Kind::Raced => {
                    self.found = Published::versions(&self.driver.layout)?;
                    (staged, resolved) = self.resolve(staged, questions).await?;
                }
                unseen => return Ok((staged, resolved, unseen?)),
            }
        }
        Err(outrun(&self.driver.layout.place()))
    }

    /// Resolves what is staged against the dataset, which is looked at anew where another run has published meanwhile.
    pub async fn resolve(&mut self, mut staged: Staged, questions: &Questions) -> Result<(Staged, Resolution)> {
        let (layout, mut found, questions) = (self.driver.layout.clone(), self.found.clone(), questions.clone());
        let worker = spawn_blocking(move || {
            let Staged { stage, looks, .. } = &mut staged;
            let resolve =
                |published: &[Published]| identity::resolve_all(stage, Some(&mut looks.cut), published, &questions);
            let resolution = Published::until_settled(&layout, &mut found, resolve)?;
            Ok((staged, found, resolution))
        });
        let (staged, found, resolution) = joined(worker.await)??;
        self.found = found;
        Ok((staged, resolution))
    }
}

/// The dataset as its snapshots show it, or as it is.
pub(super) fn shown(plain: &Layout, lake: Option<&Arc<Lake>>) -> Layout {
    lake.map_or_else(|| plain.clone(), Lake::layout)
}

/// What a run would cover, in words; reads the dataset's state and writes nothing.
///
/// # Errors
/// `Config` where the dataset is another account's, of a newer version, or cut otherwise.
pub fn would(
    config: &Config,
    layout: &Layout,
    account: Option<String>,
    work: &Work,
    run_id: &str,
    clock: &Clock,
) -> Result<String> {
    let source = Origin::new(&config.api, account);
    let state = State::load(layout, source, run_id)?;
    state.refuse_other_method(layout, work.is_of_all())?;
    Published::versions(layout)?;
    let erasures = Erasures::load(layout, state.purges(layout)?)?;
    let floor = goal::floor(&[config.dataset.since, erasures.floor()]);
    let chosen = goal::choose(work, state.covered(), floor, config, clock.micros())?;
    Ok(crate::terminal::summary::goal(&chosen.shown))
}

/// Whether one of these sessions is in the dataset; the newest partitions are looked at first.
fn known(published: &[Published], ids: &[u128]) -> Result<bool> {
    for part in published.iter().rev() {
        let mut found = false;
        part.each_session(|_, known| found |= ids.contains(&id::hash(known.id)))?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Runs what waits for the dataset. Requests to an object store need the runtime's other threads meanwhile.
pub(in crate::commands) fn waiting<T>(layout: &Layout, work: impl FnOnce() -> T) -> T {
    if layout.store().folder().is_some() { work() } else { block_in_place(work) }
}
