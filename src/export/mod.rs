//! The pipeline of a run: walk, flatten, stage, publish, receipt. The only place that sees both ends.
//!
//! Pages are fetched on the async runtime and flattened on blocking threads; one thread stages them behind a bounded
//! queue while the next page is fetched. Nothing is published before the walk is over.

mod drive;
mod publication;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Instant, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::task::spawn_blocking;

use crate::api::{Client, Clock};
use crate::config::Config;
use crate::dataset::files;
use crate::dataset::identity;
use crate::dataset::layout::Layout;
use crate::dataset::lock::Lock;
use crate::dataset::published::Published;
use crate::dataset::receipt::{self, Receipt};
use crate::dataset::rejects::Rejects;
use crate::dataset::state::{Source as Origin, State, version_name};
use crate::error::{Error, Kind, Result};
use crate::flatten::Flat;
use crate::progress::Progress;
use crate::signal::Stop;
use crate::walk::{Evidence, Goal, Plan, Settings};
use drive::{Driver, Source, Staged};
use publication::{Done, Publication};

/// What a run needs from outside.
pub struct Run {
    /// The command, for the receipt.
    pub command: &'static str,
    /// The settings in force.
    pub config: Config,
    /// The API.
    pub client: Client,
    /// The account that the credentials name, where readable.
    pub account: Option<String>,
    /// Walk and count, write nothing.
    pub dry_run: bool,
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
        let before = State::load(layout, by, source, &self.run_id, self.dry_run)?;
        layout.existing()?;

        let begun = Instant::now();
        let mut plan = Plan::new(Goal::Full, self.settings());
        let Staged { stage, rejects } = self.driver(layout)?.drive(&mut plan, receipt).await?;
        receipt.timing.walk_s = begun.elapsed().as_secs_f64();
        receipt.rejects = rejects.close()?;

        let begun = Instant::now();
        let published = Published::all(layout)?;
        let since = plan.since();
        let resolve = move || {
            let resolution = identity::resolve(&stage, &published, since)?;
            Ok::<_, Error>((stage, published, resolution))
        };
        let (stage, published, resolution) = joined(spawn_blocking(resolve).await)??;
        receipt.open_sessions = resolution.open;
        receipt.walk.show(&plan.finish(resolution.tally), resolution.tally);
        if self.dry_run {
            return Ok(());
        }
        let job = Publication {
            layout: layout.clone(),
            stage,
            state: before,
            published,
            resolution,
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

    fn driver(&self, layout: &Layout) -> Result<Driver> {
        let folder = if self.dry_run { Some(std::env::temp_dir()) } else { self.config.stage_dir.clone() };
        Ok(Driver {
            source: Source {
                client: self.client.clone(),
                clock: self.clock.clone(),
                keep_unknown_fields: self.config.dataset.keep_unknown_fields,
            },
            concurrency: self.config.api.concurrency,
            stage: folder.unwrap_or_else(|| layout.own().join("stage")),
            layout: layout.clone(),
            rejects: Rejects::new(layout, &self.run_id, self.dry_run)?,
            stop: self.stop.clone(),
            progress: Arc::clone(&self.progress),
        })
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
            goal: "full",
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
