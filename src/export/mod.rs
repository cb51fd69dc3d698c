//! The pipeline of a run: walk, flatten, stage, publish, receipt. The only place that sees both ends.
//!
//! Pages are fetched on the async runtime and flattened on blocking threads; one thread stages them behind a bounded
//! queue while the next page is fetched. Nothing is published before the walk is over.

mod publication;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat, Utc};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::api::{Client, Clock, Probe, Reply};
use crate::config::Config;
use crate::dataset::files;
use crate::dataset::layout::Layout;
use crate::dataset::lock::Lock;
use crate::dataset::published::Published;
use crate::dataset::receipt::{self, Receipt};
use crate::dataset::rejects::Rejects;
use crate::dataset::state::{Source, State, version_name};
use crate::error::{Error, Kind, Result};
use crate::flatten::{self, Flat};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::stage::Stage;
use crate::walk::{Answer, Evidence, Forward, Outcome, Request};

use publication::{Done, Publication};

/// How often a body that is not a page of sessions is asked for again before the run fails.
const SHAPE_ATTEMPTS: u32 = 3;
/// Flattened pages that may wait for the stage.
const QUEUE: usize = 4;

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

/// What the walk left behind it.
struct Walked {
    walk: Forward,
    stage: Stage,
    rejects: Rejects,
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
        receipt.judge(error.as_ref(), self.config.dataset.max_rejects);
        let holds_lease = error.as_ref().is_none_or(|error| !matches!(error.kind(), Kind::Lease | Kind::Config));
        if !self.dry_run && holds_lease {
            let stored = files::usual_mode(&layout.own(), &self.run_id).and_then(|mode| receipt.store(&layout, mode));
            // A run that failed already has said why; its receipt is then worth a try, no more.
            if let (None, Err(failed)) = (&error, stored) {
                receipt.judge(Some(&failed), 0);
                error = Some(failed);
            }
        }
        Ended { receipt, error }
    }

    async fn stages(&self, layout: &Layout, receipt: &mut Receipt) -> Result<()> {
        let source = Source::new(&self.config.api, self.account.clone());
        let by = self.config.dataset.partition_by;
        let _lock = if self.dry_run { None } else { Some(Lock::take(layout)?) };
        let state = State::load(layout, by, source, &self.run_id, self.dry_run)?;
        layout.existing()?;

        let begun = Instant::now();
        let Walked { walk, stage, rejects } = self.walk(layout, receipt).await?;
        receipt.timing.walk_s = begun.elapsed().as_secs_f64();
        receipt.rejects = rejects.close()?;

        let begun = Instant::now();
        let Done { parts, distinct, result } = self.publish(layout.clone(), stage, state).await?;
        receipt.timing.publish_s = begun.elapsed().as_secs_f64();
        receipt.partitions = parts.iter().map(receipt::File::from).collect();
        receipt.walk.distinct = distinct;
        let verdict = walk.finish(distinct);
        receipt.walk.evidence = verdict.evidence;
        receipt.walk.reasons = verdict.reasons;
        receipt.walk.requests = verdict.requests;
        receipt.walk.total = verdict.total;
        result
    }

    /// Asks for page after page until the walk is over; every page is flattened and staged once.
    async fn walk(&self, layout: &Layout, receipt: &mut Receipt) -> Result<Walked> {
        let (queue, stager) = self.stager(layout)?;
        let mut walk = Forward::new(self.config.api.per_page);
        while let Some(request) = walk.next() {
            let fetched = tokio::select! {
                biased;
                stopped = self.stop.wait() => Err(stopped),
                fetched = self.fetch(request) => fetched,
            };
            let window = request.window;
            let outcome = match fetched? {
                Fetched::Refused(status) => Outcome::Refused { status },
                Fetched::Page(mut flat) => {
                    receipt.count(&flat);
                    self.progress.page(flat.entries.len() as u64);
                    let rows = std::mem::take(&mut flat.listed);
                    let outcome = Outcome::Page { info: flat.info, rows, unusable: flat.unusable };
                    if queue.send((window.page, flat)).await.is_err() {
                        break; // The stager has failed, and says why when it is joined.
                    }
                    outcome
                }
            };
            walk.answer(Answer { window, outcome }).map_err(|broken| {
                Error::new(Kind::Contract, format!("the list can't be walked: {broken}"))
                    .hint("check that `base_url` is the API itself and that no cache is in front of it")
            })?;
            if let Some(pages) = walk.expected_pages() {
                self.progress.expect(pages);
            }
        }
        drop(queue);
        let (stage, rejects) = joined(stager.await)??;
        Ok(Walked { walk, stage, rejects })
    }

    #[allow(clippy::type_complexity)] // a queue and its worker
    fn stager(
        &self,
        layout: &Layout,
    ) -> Result<(mpsc::Sender<(u64, Box<Flat>)>, JoinHandle<Result<(Stage, Rejects)>>)> {
        let folder = if self.dry_run { Some(std::env::temp_dir()) } else { self.config.stage_dir.clone() };
        let mut stage = Stage::create(&folder.unwrap_or_else(|| layout.own().join("stage")))?;
        let mut rejects = Rejects::new(layout, &self.run_id, self.dry_run)?;
        let layout = layout.clone();
        let (queue, mut pages) = mpsc::channel::<(u64, Box<Flat>)>(QUEUE);
        let worker = spawn_blocking(move || {
            while let Some((page, mut flat)) = pages.blocking_recv() {
                rejects.add(page, std::mem::take(&mut flat.rejects))?;
                stage.append(&flat, &layout)?;
            }
            Ok((stage, rejects))
        });
        Ok((queue, worker))
    }

    async fn fetch(&self, request: Request) -> Result<Fetched> {
        let probe = if request.probe { Probe::Yes } else { Probe::No };
        let mut attempt = 1;
        loop {
            let body = match self.client.list(request.window, None, probe).await? {
                Reply::Page(body) => body,
                Reply::Refused { status } => return Ok(Fetched::Refused(status)),
            };
            let keep_unknown_fields = self.config.dataset.keep_unknown_fields;
            let options = flatten::Options { keep_unknown_fields, observed_at: micros(&self.clock) };
            let page = body.clone();
            match joined(spawn_blocking(move || flatten::page(&page, options)).await)? {
                Ok(flat) => return Ok(Fetched::Page(Box::new(flat))),
                Err(error) if attempt < SHAPE_ATTEMPTS => {
                    tracing::warn!("page {} is not a page of sessions, asking again: {error}", request.window.page);
                    self.client.rest(attempt).await;
                    attempt += 1;
                }
                Err(error) => {
                    let place = format!("page {}", request.window.page);
                    return Err(error.into_error(&place, &self.client.excerpt(&body)));
                }
            }
        }
    }

    async fn publish(&self, layout: Layout, stage: Stage, before: State) -> Result<Done> {
        let published = Published::all(&layout)?;
        let stopped = Arc::new(AtomicBool::new(false));
        let job = Publication {
            layout,
            stage,
            state: before,
            published,
            run_id: self.run_id.clone(),
            dry_run: self.dry_run,
            stopped: Arc::clone(&stopped),
            progress: Arc::clone(&self.progress),
        };
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
            walk: receipt::Walk {
                evidence: Evidence::None,
                reasons: Vec::new(),
                requests: 0,
                distinct: 0,
                total: None,
                unknown_fields: std::collections::BTreeMap::new(),
            },
            rows: receipt::Rows::default(),
            open_sessions: 0,
            rejects: receipt::Rejects::default(),
            partitions: Vec::new(),
            timing: receipt::Timing::default(),
        }
    }
}

enum Fetched {
    Page(Box<Flat>),
    Refused(u16),
}

impl Receipt {
    fn count(&mut self, flat: &Flat) {
        self.walk.requests += 1;
        self.rows.sessions += flat.batches[0].num_rows() as u64;
        self.rows.participants += flat.batches[1].num_rows() as u64;
        self.rows.timelogs += flat.batches[2].num_rows() as u64;
        self.open_sessions += flat.entries.iter().filter(|entry| entry.is_open).count() as u64;
        for (name, count) in &flat.unknown {
            *self.walk.unknown_fields.entry(name.clone()).or_default() += count;
        }
    }

    fn judge(&mut self, error: Option<&Error>, max_rejects: u64) {
        (self.exit_code, self.outcome) = match error {
            Some(error) => (error.kind().exit_code(), error.kind().name()),
            None if self.walk.evidence == Evidence::None => (3, "not_proven"),
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
