//! Retention and erasure: sessions that are too old, and participants who must be forgotten, leave the dataset for good.
//!
//! Everything is counted before anything is written (`plan`), and a rule that matches nothing must be confirmed
//! ([`consent`]). Then it is written down what must go (`_rollbook/erasures.json`), so that no later run brings it back, even if
//! this one is killed halfway. Then partitions, rejects and the stage are gone through; a purge that is run again finds what is left.

pub mod command;
pub mod consent;
mod partitions;
mod plan;
mod sweep;
mod take_back;

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{block_in_place, spawn_blocking};

use crate::commands::joined;
use crate::config::{Config, Format};
use crate::dataset::admission::{self, Purpose};
use crate::dataset::destination::Destination;
use crate::dataset::erasures::{Erase, Erasures, Origin, Tally};
use crate::dataset::inspection;
use crate::dataset::lake::{self, Author, Lake, Wish};
use crate::dataset::layout::Layout;
use crate::dataset::lease::Lease;
use crate::dataset::publish::Part;
use crate::dataset::publishing::Record;
use crate::dataset::receipt::purged::Removed;
use crate::dataset::receipt::thinned::thin;
use crate::dataset::receipt::{self, Ended, Receipt};
use crate::dataset::rejects;
use crate::dataset::split::{Seeker, under_way};
use crate::error::{Error, Kind, Result};
use crate::rows::erasure::Hash;
use crate::stage::Stage;
use crate::store::files::Below;
use crate::terminal::progress::Progress;
use crate::words::clock::Clock;
use crate::words::stop::Stop;
use crate::words::timestamp;
use consent::Consent;
use plan::Plan;

/// What a purge needs from outside.
pub struct Purge {
    /// Whether something is removed, or a rule taken back.
    pub task: Task,
    /// The settings in force.
    pub config: Config,
    /// Where the dataset is, where rows wait for it, and whether anything may be written.
    pub destination: Destination,
    /// What finds the split under way, if there is one.
    pub split: Seeker,
    /// The name of the run, sortable by time and unique: `20261126T064421260Z-8fa0bc`.
    pub run_id: String,
    /// The clock by which the purge tells when it began and ended.
    pub clock: Clock,
    /// Ends the purge between two partitions.
    pub stop: Stop,
    /// The progress that is shown on stderr.
    pub progress: Arc<Progress>,
}

/// What a purge does.
pub enum Task {
    /// Removes sessions and participants for good, and stores the rules that keep them out.
    Erase {
        /// What must go: sessions that started before a date, and participants by their ids and names.
        erase: Erase,
        /// A fresh random key, used if the dataset has none yet.
        key: Hash,
        /// Who says so where a rule matches nothing.
        consent: Consent,
    },
    /// Takes the rule of this number back.
    TakeBack(u32),
}

/// The part that needs no clock, on a blocking thread.
struct Job {
    layout: Layout,
    /// The dataset's snapshots, if it has any; `layout` is then what they show.
    lake: Option<Arc<Lake>>,
    author: Author,
    /// How long a snapshot is kept after a newer one has taken its place.
    keep: Duration,
    /// Where rows of the dataset may wait.
    stages: Vec<Below>,
    /// What finds the split under way, whose rows wait elsewhere.
    split: Seeker,
    run_id: String,
    /// Whether the purge only counts what would go (`--dry-run`).
    is_dry: bool,
    /// Whether a lock or a lease keeps others out.
    alone: bool,
    stop: Stop,
    progress: Arc<Progress>,
}

/// How a purge ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Purged,
    /// Purged, and older copies of files had been put back.
    Restored,
    TakenBack,
}

/// What was done, also where it failed.
#[derive(Default)]
struct Done {
    removed: Removed,
    tally: Tally,
    parts: Vec<Part>,
    /// What may hold something of what has gone.
    unreached: Vec<String>,
}

impl Purge {
    /// Purges, and keeps the receipt.
    pub async fn execute(self) -> Ended {
        let begun = Instant::now();
        let mut receipt = Receipt::blank(&self.run_id, "purge", &self.config.api, &self.clock);
        receipt.goal = receipt::Goal { kind: "purge", ..receipt::Goal::default() };
        if let Task::Erase { erase, .. } = &self.task {
            receipt.goal.to = erase.before.map(timestamp::text);
        }
        let layout = self.destination.layout.clone();
        let (is_dry, clock) = (self.destination.is_dry, self.clock.clone());
        let keep_receipts = self.config.dataset.keep_receipts;
        let (end, mut error) = match self.work(&mut receipt).await {
            Ok(end) => (Some(end), None),
            Err(error) => (None, Some(error)),
        };
        receipt.finish(&clock, begun.elapsed());
        let word = match end {
            Some(End::Restored) => (Kind::Unproven.exit_code(), "restored"),
            Some(End::TakenBack) => (0, "taken_back"),
            Some(End::Purged) | None => (0, "purged"),
        };
        receipt.close(error.as_ref(), word);
        let may_write =
            error.as_ref().is_none_or(|error| !matches!(error.kind(), Kind::Lease | Kind::Config | Kind::Absent));
        if !is_dry && may_write {
            let stored = receipt.store(&layout);
            if stored.is_ok() {
                thin(&layout, keep_receipts, &clock);
            }
            error = error.or(stored.err());
        }
        let shortfall = (end == Some(End::Restored)).then_some(Kind::Unproven);
        Ended { receipt, shortfall, error }
    }

    async fn work(self, receipt: &mut Receipt) -> Result<End> {
        let Self { task, config, destination, split, run_id, clock, stop, progress } = self;
        let absent = only_leftovers(&destination, &clock)?;
        let lease = admission::admit(&destination, &run_id, &clock, &stop, Purpose::Purge).await?;
        let Destination { layout, stages, is_dry, .. } = destination;
        let (author, keep) = (Author { run_id: run_id.clone(), clock }, config.snapshots.keep);
        let lake = block_in_place(|| snapshots(&layout, &config, &author, &stop, is_dry))?;
        let layout = lake.as_ref().map_or(layout, Lake::layout);
        let waiting = stop.clone();
        let alone = lease.as_ref().is_some_and(Lease::keeps_others_out);
        let origin = Origin { at: receipt.started_at.clone(), run_id: run_id.clone() };
        let job = Arc::new(Job { layout, lake, author, keep, stages, split, run_id, is_dry, alone, stop, progress });
        if let Some(absent) = absent {
            on_thread(&job, Job::remove_leftovers).await??;
            tracing::warn!("what a stopped first run had read is removed; no rule is stored");
            return Err(absent);
        }
        match task {
            Task::TakeBack(number) => {
                receipt.erasures = on_thread(&job, move |job| job.take_back(number)).await??;
                receipt.taken_back = Some(number);
                Ok(End::TakenBack)
            }
            Task::Erase { erase, key, consent } => {
                receipt.removed = Some(Removed::default());
                let asked = erase.clone();
                let plan = on_thread(&job, move |job| Plan::make(job, &asked, key, &origin)).await??;
                receipt.erasures = plan.seen;
                let unmatched = plan.unmatched(&erase);
                if !unmatched.is_empty() && !is_dry {
                    job.progress.finish();
                    if under_way::noted(&job.layout)?.is_some() {
                        tracing::warn!(
                            "a split is under way, and what it has read is not looked through: --yes stores the rule for that, too"
                        );
                    }
                    consent.to(&unmatched, &waiting).await?;
                }
                let had_restored = job.erase(plan, receipt).await?;
                Ok(if had_restored { End::Restored } else { End::Purged })
            }
        }
    }
}

/// The dataset's snapshots, if it has any. Delta logs to which somebody else has written end here, where the settings ask for that.
fn snapshots(
    layout: &Layout,
    config: &Config,
    author: &Author,
    stop: &Stop,
    is_dry: bool,
) -> Result<Option<Arc<Lake>>> {
    let Some(lake) = Lake::open(layout, stop)? else { return Ok(None) };
    let refused = lake.refuse_foreign();
    let ends_logs = matches!(config.snapshots.format, Some(Format::None | Format::Files));
    if refused.is_ok() || is_dry || !ends_logs {
        return refused.map(|()| Some(lake));
    }
    let wish = Wish { format: config.snapshots.format, author: author.clone(), purged: 0, asked: 0 };
    wish.bring(layout, Some(lake), stop)
}

/// That no dataset is there, but what a first run that was stopped had read, on this machine.
///
/// # Errors
/// As [`admission::refuse_absent`] where nothing is left either, or may be removed.
fn only_leftovers(destination: &Destination, clock: &Clock) -> Result<Option<Error>> {
    let Err(absent) = admission::refuse_absent(destination, clock) else { return Ok(None) };
    if absent.kind() == Kind::Absent && !destination.is_dry {
        if under_way::noted(&destination.layout)?.is_some() {
            return Ok(Some(absent));
        }
        for stage in &destination.stages {
            if Stage::is_there(stage)? {
                return Ok(Some(absent));
            }
        }
    }
    Err(absent)
}

/// The rules in force in a dataset.
///
/// # Errors
/// As [`admission::refuse_absent`] and [`Erasures::load`].
pub fn rules(destination: &Destination, clock: &Clock) -> Result<Erasures> {
    admission::refuse_absent(destination, clock)?;
    Erasures::load(&destination.layout, plan::look(&destination.layout)?.1)
}

/// Takes down which files were an older run's, and says whether there are any. Everything is purged of what must go, so no purge
/// needs to be run again.
fn tell_of_restored(receipt: &mut Receipt, plan: &Plan) -> bool {
    let restored = plan.inspection.restored();
    receipt.walk.reasons = inspection::reasons(restored, 0);
    receipt.restored = restored.keys().cloned().collect();
    !restored.is_empty()
}

/// Does something on a thread that may wait.
async fn on_thread<T: Send + 'static>(job: &Arc<Job>, work: impl FnOnce(&Job) -> T + Send + 'static) -> Result<T> {
    let job = Arc::clone(job);
    joined(spawn_blocking(move || work(&job)).await)
}

impl Job {
    /// Does what is planned, and says whether older copies of files had been put back; fills in the receipt, also where it fails.
    async fn erase(self: Arc<Self>, plan: Plan, receipt: &mut Receipt) -> Result<bool> {
        let had_restored = tell_of_restored(receipt, &plan);
        if self.is_dry {
            receipt.removed = Some(plan.removed);
            receipt.rules = plan.ruled(&plan.tally, true);
            receipt.near_matches = plan.near;
            receipt.unreached = self.set_aside()?.into_iter().collect();
            return Ok(had_restored);
        }
        let (plan, done, result) = on_thread(&self, move |job| {
            let (mut plan, mut done) = (plan, Done::default());
            let result = job.perform(&mut plan, &mut done);
            (plan, done, result)
        })
        .await?;
        receipt.removed = Some(done.removed);
        receipt.unreached = done.unreached;
        receipt.rules = plan.ruled(&done.tally, false);
        receipt.erasures = plan.erasures.epoch();
        receipt.partitions = done.parts.iter().map(receipt::File::from).collect();
        receipt.snapshot = self.lake.as_ref().and_then(|lake| lake.base()).map(|base| base.snapshot);
        let had_restored = tell_of_restored(receipt, &plan);
        result.map(|()| had_restored)
    }

    fn perform(&self, plan: &mut Plan, done: &mut Done) -> Result<()> {
        plan.erasures.store(&self.layout)?;
        self.give_up_split(&mut done.unreached)?;
        let rules = plan.rules()?;
        if let Some(state) = plan.state.as_mut().filter(|_| !plan.inspection.restored().is_empty()) {
            // A kill must not leave a restored file that was rewritten, and a fence that rests on the one before it.
            plan.inspection.tell(state);
            state.unsettle();
            state.store(&self.layout, &self.run_id)?;
        }
        let mut record = Record::of(&self.run_id);
        let mut purged = self.all_partitions(&rules, plan, &mut record, done);
        if plan.found_more(&done.tally) {
            // Another run has published meanwhile.
            purged = purged.and(plan.erasures.store(&self.layout));
        }
        if let Some(state) = &mut plan.state {
            plan.inspection.tell(state);
            if !plan.inspection.restored().is_empty() {
                state.unsettle();
            }
            self.lake.as_ref().map_or(Ok(()), |lake| lake.mark(&mut done.parts))?;
            state.record(&done.parts);
            if purged.is_ok() {
                state.know(plan.erasures.epoch());
                state.knows_people(&self.layout.method().people);
            }
            state.store(&self.layout, &self.run_id)?;
            if purged.is_ok() {
                plan.inspection.clear_records(record, state, self.alone);
            }
        }
        let forgotten = if purged.is_ok() { self.forget() } else { Ok(()) };
        let swept = forgotten.and(self.sweep(&mut done.unreached));
        let denied = rules.denied.as_deref();
        done.removed.rejects = rejects::purge(&self.layout, denied, rules.floor, &mut done.tally)?.records;
        done.unreached.extend(self.set_aside()?);
        purged.and(swept)
    }

    /// Removes every snapshot and every immutable file that may hold what has gone.
    fn forget(&self) -> Result<()> {
        let Some(lake) = &self.lake else { return lake::erase(&self.layout) };
        let now = self.author.clock.micros();
        lake.forget(&lake::Terms { keep: self.keep, now, purges: true, alone: self.alone })
    }
}
