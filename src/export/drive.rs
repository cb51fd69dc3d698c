//! The first half of a run: asks for what the plan wants, several requests at a time, and stages every answer once.
//!
//! Bodies are fetched on the async runtime and flattened on blocking threads; one thread stages them behind a bounded
//! queue. In memory are at most the answers in flight and those in the queue. Answers reach the plan in the order in
//! which they reach the stage.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};

use super::{joined, micros};
use crate::api::{Client, Clock, Reply};
use crate::dataset::layout::Layout;
use crate::dataset::receipt::Receipt;
use crate::dataset::rejects::Rejects;
use crate::error::{Error, Kind, Result};
use crate::flatten::{self, Flat};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::stage::Stage;
use crate::walk::{Answer, Outcome, Plan, Request};

/// How often a body that is not a page of sessions is asked for again before the run fails.
const SHAPE_ATTEMPTS: u32 = 3;
/// Flattened pages that may wait for the stage.
const QUEUE: usize = 4;

/// What the walk leaves behind it.
pub struct Staged {
    pub stage: Stage,
    pub rejects: Rejects,
}

/// What driving a plan needs.
pub struct Driver {
    pub source: Source,
    /// Requests in flight at most.
    pub concurrency: usize,
    pub stage: PathBuf,
    pub layout: Layout,
    pub rejects: Rejects,
    pub stop: Stop,
    pub progress: Arc<Progress>,
}

/// Where pages come from, as rows.
#[derive(Clone)]
pub struct Source {
    pub client: Client,
    pub clock: Clock,
    pub keep_unknown_fields: bool,
}

/// An answer as it arrives.
struct Arrived {
    request: Request,
    /// `Err`: refused with a final status.
    page: Result<Box<Flat>, u16>,
}

impl Driver {
    /// Drives a plan to its end.
    ///
    /// # Errors
    /// Whatever ends the run early: the source, its contract, the stage, a signal.
    pub async fn drive(self, plan: &mut Plan, receipt: &mut Receipt) -> Result<Staged> {
        let Self { source, concurrency, stage, layout, rejects, stop, progress } = self;
        let (queue, stager) = stager(Stage::create(&stage)?, rejects, layout);
        let mut flights = JoinSet::new();
        loop {
            for request in plan.next(concurrency.saturating_sub(flights.len())) {
                flights.spawn(source.clone().fetch(request));
            }
            let landed = tokio::select! {
                biased;
                stopped = stop.wait() => return Err(stopped),
                landed = flights.join_next() => landed,
            };
            let Some(landed) = landed else { break };
            let Arrived { request, page } = joined(landed)??;
            let outcome = match page {
                Err(status) => Outcome::Refused { status },
                Ok(mut flat) => {
                    receipt.count(&flat);
                    progress.page(flat.entries.len() as u64);
                    let rows = std::mem::take(&mut flat.listed);
                    let outcome = Outcome::Page { info: flat.info, rows, unusable: flat.unusable };
                    if queue.send((request.page, flat)).await.is_err() {
                        break; // The stager has failed, and says why when it is joined.
                    }
                    outcome
                }
            };
            plan.answer(Answer { request, outcome }).map_err(contract)?;
            if let Some(requests) = plan.expected_requests() {
                progress.expect(requests);
            }
        }
        drop(queue);
        joined(stager.await)?
    }
}

fn contract(broken: crate::walk::Contract) -> Error {
    Error::new(Kind::Contract, format!("the list can't be walked: {broken}"))
        .hint("check that `base_url` is the API itself and that no cache is in front of it")
}

#[allow(clippy::type_complexity)] // a queue and its worker
fn stager(
    mut stage: Stage,
    mut rejects: Rejects,
    layout: Layout,
) -> (mpsc::Sender<(u64, Box<Flat>)>, JoinHandle<Result<Staged>>) {
    let (queue, mut pages) = mpsc::channel::<(u64, Box<Flat>)>(QUEUE);
    let worker = spawn_blocking(move || {
        while let Some((page, mut flat)) = pages.blocking_recv() {
            rejects.add(page, std::mem::take(&mut flat.rejects))?;
            stage.append(&flat, &layout)?;
        }
        Ok(Staged { stage, rejects })
    });
    (queue, worker)
}

impl Source {
    async fn fetch(self, request: Request) -> Result<Arrived> {
        let mut attempt = 1;
        loop {
            let body = match self.client.list(request, None).await? {
                Reply::Page(body) => body,
                Reply::Refused { status } => return Ok(Arrived { request, page: Err(status) }),
            };
            let options =
                flatten::Options { keep_unknown_fields: self.keep_unknown_fields, observed_at: micros(&self.clock) };
            let page = body.clone();
            match joined(spawn_blocking(move || flatten::page(&page, options)).await)? {
                Ok(flat) => return Ok(Arrived { request, page: Ok(Box::new(flat)) }),
                Err(error) if attempt < SHAPE_ATTEMPTS => {
                    tracing::warn!("page {} is not a page of sessions, asking again: {error}", request.page);
                    self.client.rest(attempt).await;
                    attempt += 1;
                }
                Err(error) => {
                    let place = format!("page {}", request.page);
                    return Err(error.into_error(&place, &self.client.excerpt(&body)));
                }
            }
        }
    }
}
