//! The pipeline of a run: walk, flatten, stage, publish, receipt. The only place that sees both ends.
//!
//! Pages are fetched on the async runtime and flattened on blocking threads; one thread stages them behind a bounded
//! queue while the next page is fetched. Nothing is published before the walk is over.

mod drive;
mod goal;
mod lookup;
mod publication;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::task::spawn_blocking;

use crate::api::{Client, Clock};
use crate::config::Config;
use crate::dataset::files;
use crate::dataset::identity::{self, Questions, Resolution};
use crate::dataset::layout::Layout;
use crate::dataset::lock::Lock;
use crate::dataset::published::Published;
use crate::dataset::receipt::{self, Receipt, Vanished};
use crate::dataset::rejects::Rejects;
use crate::dataset::state::{Covered, Source as Origin, State, version_name};
use crate::error::{Error, Kind, Result};
use crate::flatten::{self, Flat};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::stage::{Header, Recalled, Stage};
use crate::walk::{Evidence, Goal, Plan, Settings, Verdict};
use drive::{Driver, Source, Staged};
use goal::Chosen;
pub use goal::Work;
use lookup::{Span, Unseen};
use publication::{Done, Publication};

/// What a run needs from outside.
pub struct Run {
    /// The command, for the receipt.
    pub command: &'static str,
    /// What to cover.
    pub work: Work,
    /// The settings in force.
    pub config: Config,
    /// The API.
    pub client: Client,
    /// The account that the credentials name, where readable.
    pub account: Option<String>,
    /// Walk and count, write nothing.
    pub dry_run: bool,
    /// Don't continue a run that was stopped.
    pub fresh: bool,
    /// Sortable by time, unique.
    pub run_id: String,
    /// The wall clock.
    pub clock: Clock,
    /// Ends the run early.
    pub stop: Stop,
    /// What a person watches.
    pub progress: Arc<Progress>,
}

/// How a run ended: always with a receipt.
pub struct Ended {
    /// The record of the run.
    pub receipt: Receipt,
    /// What stopped it, if anything did.
    pub error: Option<Error>,
}

impl Run {
    /// Exports the whole list.
    pub async fn execute(self) -> Ended {
        let begun = Instant::now();
        let mut receipt = self.blank();
        let layout = Layout::new(&self.config.dataset.url, self.config.dataset.partition_by);
        let result = self.stages(&layout, &mut receipt).await;
        self.progress.finish();
        receipt.finished_at = rfc3339(&self.clock);
        receipt.timing.total_s = begun.elapsed().as_secs_f64();
        let mut error = result.err();
        receipt.judge(error.as_ref(), self.config.walk.accept, self.config.dataset.max_rejects);
        let holds_lease = error.as_ref().is_none_or(|error| !matches!(error.kind(), Kind::Lease | Kind::Config));
        if !self.dry_run && holds_lease {
            let stored = files::usual_mode(&layout.own(), &self.run_id).and_then(|mode| receipt.store(&layout, mode));
            // A run that failed already has said why; its receipt is then worth a try, no more.
            if let (None, Err(failed)) = (&error, stored) {
                receipt.judge(Some(&failed), self.config.walk.accept, 0);
                error = Some(failed);
            }
        }
        Ended { receipt, error }
    }

    async fn stages(&self, layout: &Layout, receipt: &mut Receipt) -> Result<()> {
        let source = Origin::new(&self.config.api, self.account.clone());
        let by = self.config.dataset.partition_by;
        let _lock = if self.dry_run { None } else { Some(Lock::take(layout)?) };
        let mut before = State::load(layout, by, source, &self.run_id, self.dry_run)?;
        let published = Arc::new(Published::all(layout)?);
        let now = micros(&self.clock);
        let chosen = goal::choose(&self.work, before.covered(), &self.config, now);
        receipt.goal = chosen.shown.clone();
        if let Some(why) = &chosen.shown.why {
            tracing::info!("the whole list is read: {why}");
        }

        let begun = Instant::now();
        let driver = self.driver(layout);
        let legs = chosen.legs();
        let (mut staged, mut recalled) = self.stage(layout, &before, &chosen, now)?;
        let open = recalled.iter().flat_map(|answer| answer.open.clone()).collect();
        let mut plans = Vec::with_capacity(legs.len());
        for leg in legs {
            if chosen.can_skip(&leg, staged.stage.sessions()) {
                continue;
            }
            let first = staged.stage.responses() - recalled.len() as u64;
            let mut plan = Plan::new(leg.goal, self.settings());
            for Recalled { window, info, rows, unusable, .. } in recalled.drain(..) {
                plan.recall(window, info, rows, unusable);
            }
            let is_known = |ids: &[u128]| known(&published, ids);
            staged = driver.drive(&mut plan, &leg, staged, receipt, is_known).await?;
            plans.push((first + plan.since()..staged.stage.responses(), plan));
        }
        receipt.timing.walk_s = begun.elapsed().as_secs_f64();

        let begun = Instant::now();
        let questions = Questions {
            walks: plans.iter().map(|(walk, _)| walk.clone()).collect(),
            settled: self.settled(&before, &chosen),
        };
        let mut resolved;
        (staged, resolved) = resolve(staged, &published, &questions).await?;
        let verdict = plans.into_iter().zip(&resolved.tallies).map(|((_, plan), tally)| plan.finish(*tally));
        let Some(verdict) = verdict.reduce(Verdict::and) else { return Ok(()) };
        receipt.walk.show(&verdict, resolved.tallies.iter().map(|tally| tally.distinct).sum());
        receipt.walk.late = resolved.late;
        if resolved.late > 0 {
            let (late, noun) = (resolved.late, if resolved.late == 1 { "session" } else { "sessions" });
            tracing::warn!("{late} {noun} older than walk.lookback had not been listed before");
        }

        let span = self.span(&chosen, &verdict);
        let mut unseen = Unseen::find(&published, &resolved, span, self.oldest_open(&chosen, now), before.gone())?;
        unseen.also(open);
        let (found, vanished) = unseen.ask(&driver.source, &self.stop).await?;
        if !found.is_empty() {
            for flat in found {
                staged.add(None, flat, layout)?;
            }
            (staged, resolved) = resolve(staged, &published, &questions).await?;
        }
        before.lose(&vanished.gone);
        receipt.walk.lose(vanished);
        receipt.open_sessions = resolved.open;
        receipt.rejects = staged.rejects.close()?;
        if self.dry_run {
            return Ok(());
        }

        let is_proven = receipt.walk.evidence >= self.config.walk.accept;
        let covers = chosen.moves_fence && is_proven;
        let job = Publication {
            layout: layout.clone(),
            stage: staged.stage,
            covered: covers.then(|| chosen.covered(&verdict, before.covered(), now)).flatten(),
            state: before,
            resolution: resolved,
            run_id: self.run_id.clone(),
            stopped: Arc::default(),
            progress: Arc::clone(&self.progress),
        };
        let Done { parts, result } = self.publish(job).await?;
        receipt.timing.publish_s = begun.elapsed().as_secs_f64();
        receipt.partitions = parts.iter().map(receipt::File::from).collect();
        result
    }

    fn settings(&self) -> Settings {
        Settings { per_page: self.config.api.per_page, overlap: self.config.walk.overlap, ..Settings::default() }
    }

    /// The stage, and what a stopped run of the same goal has left in it.
    fn stage(&self, layout: &Layout, before: &State, chosen: &Chosen, now: i64) -> Result<(Staged, Vec<Recalled>)> {
        let mut rejects = Rejects::new(layout, &self.run_id, self.dry_run)?;
        if self.dry_run || chosen.legs().len() > 1 {
            let folder = if self.dry_run { std::env::temp_dir() } else { self.stage_folder(layout) };
            return Ok((Staged { stage: Stage::nameless(&folder)?, rejects }, Vec::new()));
        }
        let header = Header {
            key: format!("{} {} {}", before.origin(), chosen.key(), self.config.dataset.keep_unknown_fields),
            begun_at: now,
            run_id: self.run_id.clone(),
            last_run: before.last_run().map(str::to_owned),
        };
        let (stage, recalled) = Stage::open(&self.stage_folder(layout), &header, self.fresh)?;
        if !recalled.is_empty() {
            tracing::info!("a stopped run is continued: {} answers are read already", recalled.len());
        }
        for answer in &recalled {
            rejects.add(answer.window.page, answer.rejects.clone())?;
        }
        Ok((Staged { stage, rejects }, recalled))
    }

    /// Beside the dataset, or in the folder that is set, where each dataset has its own.
    fn stage_folder(&self, layout: &Layout) -> PathBuf {
        let Some(folder) = &self.config.stage_dir else { return layout.own().join("stage") };
        let dataset = std::path::absolute(layout.root()).unwrap_or_else(|_| layout.root().to_owned());
        folder.join(format!("{:x}", flatten::identity(&dataset.to_string_lossy())))
    }

    fn driver(&self, layout: &Layout) -> Driver {
        Driver {
            source: Source {
                client: self.client.clone(),
                clock: self.clock.clone(),
                keep_unknown_fields: self.config.dataset.keep_unknown_fields,
                range: None,
            },
            concurrency: self.config.api.concurrency,
            layout: layout.clone(),
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
        }
    }

    /// Below this start nightly runs should have found everything: what a full walk finds there was missed.
    fn settled(&self, before: &State, chosen: &Chosen) -> Option<i64> {
        let fence = before.covered().filter(|_| chosen.moves_fence).and_then(Covered::fence)?;
        Some(fence.saturating_sub(goal::micros(self.config.walk.lookback)))
    }

    /// Where known sessions must have been listed, if the walk can tell.
    fn span(&self, chosen: &Chosen, verdict: &Verdict) -> Option<Span> {
        let all_meetings = chosen.filters.iter().all(|filter| filter.meeting.is_none());
        if !all_meetings || verdict.evidence < self.config.walk.accept {
            return None;
        }
        match (&self.work, chosen.goal) {
            (Work::Backfill { range, .. }, _) => Some(Span { from: range.from, to: range.to }),
            (_, Goal::Nightly { down_to }) => Some(Span { from: down_to, to: i64::MAX }),
            // What is older than the list's end has expired.
            _ => Some(Span { from: verdict.oldest.unwrap_or(i64::MIN), to: i64::MAX }),
        }
    }

    /// Running sessions that started before this are not asked for.
    fn oldest_open(&self, chosen: &Chosen, now: i64) -> i64 {
        match chosen.goal {
            _ if !chosen.moves_fence => i64::MAX,
            Goal::Nightly { .. } => now.saturating_sub(goal::micros(self.config.walk.ledger_max_age)),
            Goal::Full | Goal::Range { .. } => i64::MIN,
        }
    }

    async fn publish(&self, job: Publication) -> Result<Done> {
        let stopped = Arc::clone(&job.stopped);
        let mut worker = spawn_blocking(move || job.work());
        tokio::select! {
            biased;
            done = &mut worker => joined(done),
            error = self.stop.wait() => {
                // The partition at hand is finished, so that its tables belong together.
                stopped.store(true, Ordering::Relaxed);
                let mut done = joined(worker.await)?;
                done.result = done.result.and(Err(error));
                Ok(done)
            }
        }
    }

    fn blank(&self) -> Receipt {
        let api = &self.config.api;
        Receipt {
            run_id: self.run_id.clone(),
            command: self.command,
            started_at: rfc3339(&self.clock),
            finished_at: String::new(),
            exit_code: 1,
            outcome: "failed",
            error: None,
            goal: receipt::Goal::default(),
            api: receipt::Api {
                version: version_name(api.version),
                base_url: api.base_url.origin().ascii_serialization(),
            },
            walk: receipt::Walk::default(),
            rows: receipt::Rows::default(),
            open_sessions: 0,
            rejects: receipt::Rejects::default(),
            partitions: Vec::new(),
            timing: receipt::Timing::default(),
        }
    }
}

/// What a run would cover, in words; reads the dataset's state and writes nothing.
///
/// # Errors
/// `Config` where the dataset is another account's, of a newer version, or cut otherwise.
pub fn would(config: &Config, account: Option<String>, work: &Work, run_id: &str, clock: &Clock) -> Result<String> {
    let layout = Layout::new(&config.dataset.url, config.dataset.partition_by);
    let source = Origin::new(&config.api, account);
    let state = State::load(&layout, config.dataset.partition_by, source, run_id, true)?;
    layout.existing()?;
    let chosen = goal::choose(work, state.covered(), config, micros(clock));
    Ok(crate::summary::goal(&chosen.shown))
}

/// Whether one of these sessions is in the dataset; the newest partitions are looked at first.
fn known(published: &[Published], ids: &[u128]) -> Result<bool> {
    for part in published.iter().rev() {
        let mut found = false;
        part.each_session(|_, known| found |= ids.contains(&flatten::identity(known.id)))?;
        if found {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn resolve(
    staged: Staged,
    published: &Arc<Vec<Published>>,
    questions: &Questions,
) -> Result<(Staged, Resolution)> {
    let (published, questions) = (Arc::clone(published), questions.clone());
    let worker = spawn_blocking(move || {
        let resolution = identity::resolve(&staged.stage, &published, &questions)?;
        Ok((staged, resolution))
    });
    joined(worker.await)?
}

impl receipt::Walk {
    /// Takes over what came of the sessions that were asked for one by one; what it says against the proof ends it.
    fn lose(&mut self, vanished: Vanished) {
        let Vanished { missed, unasked, failed, suspicious, .. } = vanished;
        let mut against = Vec::new();
        if missed > 0 {
            against.push(format!("{missed} sessions were not listed, but are there"));
        }
        if unasked > 0 {
            against.push(format!("{unasked} sessions that were known could not be asked for in one run"));
        }
        if failed > 0 {
            against.push(format!("{failed} sessions could not be asked for"));
        }
        if suspicious {
            against.push("more sessions than usual vanished from the list at once".to_owned());
        }
        if !against.is_empty() {
            self.evidence = Evidence::None;
            self.reasons = against;
        }
        self.vanished = vanished;
    }
}

impl Receipt {
    fn count(&mut self, flat: &Flat) {
        self.walk.requests += 1;
        self.rows.sessions += flat.batches[0].num_rows() as u64;
        self.rows.participants += flat.batches[1].num_rows() as u64;
        self.rows.timelogs += flat.batches[2].num_rows() as u64;
        for (name, count) in &flat.unknown {
            *self.walk.unknown_fields.entry(name.clone()).or_default() += count;
        }
    }

    fn judge(&mut self, error: Option<&Error>, accept: Evidence, max_rejects: u64) {
        (self.exit_code, self.outcome) = match error {
            Some(error) => (error.kind().exit_code(), error.kind().name()),
            None if self.walk.evidence < accept => (3, "not_proven"),
            None if self.rejects.new > max_rejects => (3, "rejects"),
            None => (0, "proven"),
        };
        self.error = error.map(ToString::to_string);
    }
}

fn joined<T>(result: Result<T, tokio::task::JoinError>) -> Result<T> {
    result.map_err(|error| Error::new(Kind::Unexpected, "a worker failed").because(error))
}

fn micros(clock: &Clock) -> i64 {
    let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

fn rfc3339(clock: &Clock) -> String {
    DateTime::<Utc>::from(clock.now()).to_rfc3339_opts(SecondsFormat::Millis, true)
}
