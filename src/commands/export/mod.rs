//! The pipeline of a run: walk, flatten, stage, publish, receipt. The only place that sees both ends.
//!
//! Pages are fetched on the async runtime and flattened where they arrive, on the runtime's own threads; one blocking thread
//! stages them behind a bounded queue while the next page is fetched. Nothing is published before the walk is over.

mod asking;
pub mod command;
mod debts;
mod drive;
mod goal;
mod guard;
mod lookup;
pub(super) mod proof;
pub(super) mod publication;
mod record;
mod scene;
mod split;
mod staged;

use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;

use crate::api::{Client, Used};
use crate::commands::joined;
use crate::config::{self, Config};
use crate::dataset::admission::{self, Purpose};
use crate::dataset::destination::Destination;
use crate::dataset::identity::{Questions, Resolution};
use crate::dataset::inspection;
use crate::dataset::lease::Lease;
use crate::dataset::receipt::thinned::thin;
use crate::dataset::receipt::walked::Poorer;
use crate::dataset::receipt::{self, Changes, Ended, Receipt};
use crate::dataset::state::{Covered, State};
use crate::error::{Error, Kind, Result};
use crate::stage::{Recalled, Stage};
use crate::terminal::progress::Progress;
use crate::walk::{Plan, Settings, Verdict};
use crate::words::clock::Clock;
use crate::words::stop::Stop;
use asking::Asking;
use goal::Chosen;
pub use goal::{Work, floor, why_full};
use proof::Proof;
use publication::{Done, Placed, Publication, Snapshots};
pub use scene::{Scene, would};
pub(super) use split::{ACCOUNT, Sums, stage_of, sums};
use staged::Staged;

/// What a run needs from outside.
pub struct Run {
    /// The command as the receipt names it: `export`, `backfill` or `demo`.
    pub command: &'static str,
    /// What was typed: an export, or the backfill of a range, of all meetings or of some.
    pub work: Work,
    /// The settings in force.
    pub config: Config,
    /// The client that asks the API, with the credentials of the run.
    pub client: Client,
    /// The account that the credentials name, where readable.
    pub account: Option<String>,
    /// Where the dataset is, where rows wait for it, and whether anything may be written.
    pub destination: Destination,
    /// Don't continue a run that was stopped.
    pub fresh: bool,
    /// The name of the run, sortable by time and unique: `20261126T064421260Z-8fa0bc`.
    pub run_id: String,
    /// The clock by which the run tells when it began and ended.
    pub clock: Clock,
    /// Where a signal is noticed: the run then ends early, and still keeps its receipt.
    pub stop: Stop,
    /// The progress that is shown on stderr.
    pub progress: Arc<Progress>,
    /// How long to wait before the end of the list is looked at once more, where the server fails behind it.
    pub pause: Duration,
}

/// What the walks have brought: staged rows, and the plan of each walk.
struct Walked {
    staged: Staged,
    /// Each walk, and the numbers of the responses that count for it.
    walks: Vec<(Vec<Range<u64>>, Plan)>,
    /// Sessions that were running when a run that was stopped read them.
    open: Vec<String>,
    /// The last page that could not be had, and why.
    failure: Option<String>,
}

/// What may be published: staged rows, and which version of each session wins.
pub struct Checked {
    /// The rows that were read.
    pub stage: Stage,
    /// Which of them are published, and what they take the place of.
    pub resolved: Resolution,
    /// What the walk has shown.
    pub verdict: Verdict,
    /// What the run can show by it.
    pub proof: Proof,
}

impl Run {
    /// Covers the goal, publishes, and keeps the receipt.
    pub async fn execute(self) -> Ended {
        let begun = Instant::now();
        let mut receipt = Receipt::blank(&self.run_id, self.command, &self.config.api, &self.clock);
        let result = self.stages(&mut receipt).await;
        self.progress.finish();
        receipt.finish(&self.clock, begun.elapsed());
        let Used { requests, retries } = self.client.used();
        (receipt.walk.sent, receipt.walk.retries) = (requests, retries);
        let (accept, max_rejects) = (self.config.walk.accept, self.config.dataset.max_rejects);
        let (mut shortfall, mut error) = match result {
            Ok(proof) => (proof.shortfall(accept, receipt.rejects.new, max_rejects), None),
            Err(error) => (None, Some(error)),
        };
        receipt.close(error.as_ref(), shortfall.map_or((0, "proven"), Kind::outcome));
        let holds_lease = error.as_ref().is_none_or(|error| !matches!(error.kind(), Kind::Lease | Kind::Config));
        if !self.destination.is_dry && holds_lease {
            let stored = receipt.store(&self.destination.layout);
            if stored.is_ok() {
                thin(&self.destination.layout, self.config.dataset.keep_receipts, &self.clock);
            }
            // A run that failed already has said why; its receipt is then worth a try, no more.
            if let (None, Err(failed)) = (&error, stored) {
                receipt.close(Some(&failed), failed.outcome());
                (shortfall, error) = (None, Some(failed));
            }
        }
        Ended { receipt, shortfall, error }
    }

    async fn stages(&self, receipt: &mut Receipt) -> Result<Proof> {
        let lease = admission::admit(&self.destination, &self.run_id, &self.clock, &self.stop, Purpose::Run).await?;
        let mut scene = self.scene(lease)?;
        receipt.goal = scene.chosen.shown.clone();
        receipt.erasures = scene.erasures;
        tracing::info!("to be covered: {}", crate::terminal::summary::goal(&receipt.goal));
        let begun = Instant::now();
        let walked = self.walk(&scene, receipt).await?;
        receipt.timing.walk_s = begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        let checked = self.check(&mut scene, walked, receipt).await?;
        let (proof, erasures) = (checked.proof.clone(), scene.erasures);
        let (sessions, known) = (checked.resolved.sessions, checked.resolved.known);
        let done =
            if self.destination.is_dry { scene.foretell(&checked)? } else { self.publish(scene, checked).await? };
        let Done { parts, restored, unchanged, holds, snapshot, result } = done;
        // What came between is missing until everything is read again.
        let proof = proof.unless(inspection::reasons(&restored, erasures));
        receipt.walk.prove(&proof);
        receipt.restored = restored.into_keys().collect();
        receipt.timing.publish_s = if self.destination.is_dry { 0.0 } else { begun.elapsed().as_secs_f64() };
        receipt.partitions = parts.iter().map(receipt::File::from).collect();
        receipt.changes = Changes { new: sessions - known, updated: known.saturating_sub(unchanged), unchanged };
        (receipt.dataset, receipt.snapshot) = (holds, snapshot);
        result.map(|()| proof)
    }

    /// Reads what the goal asks for from the API into the stage.
    async fn walk(&self, scene: &Scene, receipt: &mut Receipt) -> Result<Walked> {
        let (mut staged, recalled) = self.stage(scene)?;
        let open = recalled.iter().flat_map(|answer| answer.open.clone()).collect();
        self.progress.go_on(recalled.len() as u64, staged.stage.sessions());
        let (mut walks, mut failure) = (Vec::new(), None);
        let is_from_zero = scene.before.covered().is_some_and(Covered::is_from_zero);
        for leg in scene.chosen.legs() {
            if staged.can_skip(&leg) {
                continue;
            }
            let mut plan = Plan::new(leg.goal, self.settings(), is_from_zero);
            let mut earlier = Vec::new();
            for (response, Recalled { window, info, rows, unusable, .. }) in recalled_of(&recalled, leg.number) {
                earlier.push(response);
                plan.recall(*window, *info, rows.clone(), *unusable);
            }
            let begin = staged.stage.answers();
            let is_known = |ids: &[u128]| scene.knows(ids);
            staged = scene.driver.drive(&mut plan, &leg, staged, receipt, &mut failure, is_known).await?;
            walks.push((counted(&plan, earlier, begin..staged.stage.answers()), plan));
        }
        receipt.walk.filter(staged.filtered(&scene.chosen.legs()));
        let failure = failure.map(|error| error.line());
        Ok(Walked { staged, walks, open, failure })
    }

    /// Says what the walks have proven, and asks for the sessions that they should have returned and did not.
    async fn check(&self, scene: &mut Scene, walked: Walked, receipt: &mut Receipt) -> Result<Checked> {
        let Walked { staged, walks, open, failure } = walked;
        let questions = Questions {
            walks: walks.iter().map(|(responses, _)| responses.clone()).collect(),
            settled: scene.chosen.settled(scene.before.covered(), self.config.walk.lookback, scene.now),
            moving: scene.before.moving(),
            erased: scene.driver.source.denied.clone(),
        };
        let (mut staged, mut resolved) = scene.resolve(staged, &questions).await?;
        let verdicts = walks.into_iter().zip(&resolved.tallies).map(|((_, plan), tally)| plan.finish(*tally));
        let verdict = verdicts.reduce(Verdict::and);
        let verdict = verdict.ok_or_else(|| Error::new(Kind::Unexpected, "nothing was walked"))?;
        let proof = Proof::of(&verdict, failure);
        receipt.walk.show(&verdict, resolved.tallies.iter().map(|tally| tally.distinct).sum());
        receipt.walk.prove(&proof);
        if let Some(caveat) = &verdict.caveat {
            tracing::warn!("{caveat}; compare the number with the account's own count");
        }
        let full_walk_due = scene.chosen.disproof(resolved.late);
        if let Some(what) = &full_walk_due {
            scene.before.disprove(what);
        }
        receipt.walk.meet_late(resolved.late, full_walk_due);

        let span = if verdict.evidence >= self.config.walk.accept { scene.chosen.span(&verdict) } else { None };
        let max_age = self.config.walk.ledger_max_age;
        let mut unseen;
        (staged, resolved, unseen) = scene.unseen(staged, resolved, &questions, span, max_age).await?;
        unseen.also(open);
        let listed = staged.some();
        let (ids, mut has_found) = (unseen.ids(scene.now.unsigned_abs()), false);
        let mut keep = |flat| {
            has_found = true;
            staged.add(None, flat, &scene.driver.layout)
        };
        let asked = self.asking(scene, listed).all(ids, &mut keep).await?;
        let vanished = scene.settle(asked, &unseen, &receipt.started_at);
        if has_found {
            (staged, resolved) = scene.resolve(staged, &questions).await?;
        }
        let poorer = poorer(&staged.stage, &resolved)?;
        let proof = proof.after(&vanished, &poorer, resolved.sessions);
        receipt.walk.prove(&proof);
        receipt.walk.find_poorer(poorer);
        receipt.walk.vanished = vanished;
        (receipt.sessions, receipt.open_sessions) = (resolved.sessions, resolved.open);
        receipt.rejects = staged.rejects.close()?;
        Ok(Checked { stage: staged.stage, resolved, verdict, proof })
    }

    /// Asks for single sessions; what fails of that takes as long as two requests may at most, whatever the number.
    fn asking<'a>(&'a self, scene: &'a Scene, listed: Vec<String>) -> Asking<'a> {
        let config::Api { concurrency, retry_budget, per_page, .. } = self.config.api;
        let patience = retry_budget.saturating_mul(2);
        let source = &scene.driver.source;
        Asking { source, stop: &self.stop, listed, concurrency, patience, per_page }
    }

    async fn publish(&self, scene: Scene, checked: Checked) -> Result<Done> {
        let Scene { chosen, before, noticed, driver, found, erasures, inspection, lake, lease, .. } = scene;
        let Checked { stage, resolved, verdict, proof } = checked;
        let covered = self.covered(&chosen, &before, &verdict, &proof, stage.begun_at());
        // If this run fails, the next one must know that no other has published since the stage was begun.
        let stage_run = stage.begun_by().unwrap_or(&self.run_id).to_owned();
        let job = Publication {
            layout: driver.layout,
            covered,
            state: before,
            noticed,
            found,
            stage,
            resolution: resolved,
            erasures,
            inspection,
            erased: driver.source.denied,
            lake: lake.map(|lake| Snapshots { lake, author: self.author(), keep: self.config.snapshots.keep }),
            committed: None,
            placed: Placed::default(),
            watch: None,
            record: self.run_id.clone(),
            alone: lease.as_ref().is_some_and(Lease::keeps_others_out),
            run_id: stage_run,
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
            heavy: Mutex::default(),
        };
        joined(spawn_blocking(move || job.work()).await)
    }

    /// What the dataset covers once all is in place. `begun_at`: when the oldest answer was asked for, in microseconds.
    fn covered(
        &self,
        chosen: &Chosen,
        before: &State,
        verdict: &Verdict,
        proof: &Proof,
        begun_at: i64,
    ) -> Option<Covered> {
        let covers = chosen.moves_fence && proof.evidence >= self.config.walk.accept;
        covers.then(|| chosen.covered(verdict, before.covered(), begun_at)).flatten()
    }

    fn settings(&self) -> Settings {
        Settings {
            per_page: self.config.api.per_page,
            overlap: self.config.walk.overlap,
            pause: self.pause,
            ..Settings::default()
        }
    }
}

/// The answers of one walk of a run that was stopped, with their numbers.
fn recalled_of(recalled: &[Recalled], leg: usize) -> impl Iterator<Item = (u64, &Recalled)> {
    (0..).zip(recalled).filter(move |(_, answer)| answer.leg == leg)
}

/// The responses that count for a walk; in its own numbering, those of a stopped run come first.
fn counted(plan: &Plan, earlier: Vec<u64>, own: Range<u64>) -> Vec<Range<u64>> {
    let skipped = usize::try_from(plan.since()).unwrap_or(usize::MAX);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for response in earlier.into_iter().chain(own).skip(skipped) {
        match ranges.last_mut() {
            Some(last) if last.end == response => last.end += 1,
            _ => ranges.push(response..response + 1),
        }
    }
    ranges
}

/// The sessions of which a version lacked what another one had.
fn poorer(stage: &Stage, resolved: &Resolution) -> Result<Poorer> {
    let examples = resolved.examples.iter().map(|ordinal| stage.session_id(*ordinal)).collect::<Result<_>>()?;
    Ok(Poorer { sessions: resolved.poorer, examples })
}
