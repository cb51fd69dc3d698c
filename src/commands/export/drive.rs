//! The first half of a run: asks for what the plan wants, several requests at a time, and stages every answer once.
//!
//! Bodies are fetched on the async runtime and flattened where they arrive, on the runtime's own threads; one blocking thread
//! stages them behind a bounded queue. In memory are at most the answers in flight and those in the queue, all within what the
//! client has for them ([`Share`]). Answers reach the plan in the order in which they reach the stage.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::goal::Leg;
use super::staged::Staged;
use crate::api::{Client, Failed, Filter, Share};
use crate::commands::fetch::{self, Fetched};
use crate::commands::joined;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::Receipt;
use crate::error::{Error, Kind, Result};
use crate::list::{Answer, Asking, Outcome, Request};
use crate::rows::erasure::Denied;
use crate::rows::flatten::{self, Flat};
use crate::rows::method::Method;
use crate::rows::model::Limits;
use crate::terminal::progress::Progress;
use crate::walk::{Contract, Plan};
use crate::words::clock::Clock;
use crate::words::limits;
use crate::words::range::Kept;
use crate::words::stop::Stop;

/// Flattened pages that may wait for the stage.
const QUEUE: usize = 4;

/// What it takes to drive the plan of a walk: where pages come from, how many at once, and where rows go.
pub struct Driver {
    pub source: Source,
    /// How many requests may be in flight at once.
    pub concurrency: usize,
    pub layout: Layout,
    /// When the run began, in microseconds: the time of an answer that names none.
    pub begun_at: i64,
    pub stop: Stop,
    pub progress: Arc<Progress>,
}

/// Where pages come from, as rows.
#[derive(Clone)]
pub struct Source {
    pub client: Client,
    pub clock: Clock,
    pub keep_unknown_fields: bool,
    /// Which sessions get rows, by their starts.
    pub kept: Kept,
    /// Of which meeting; of all where there is none.
    pub meeting: Option<Arc<str>>,
    /// Participants whom a purge has erased: they get no rows.
    pub denied: Option<Arc<Denied>>,
    /// What may be written down, and who is one human.
    pub method: Arc<Method>,
}

/// A request, and the page that came of it or why none did.
struct Arrived {
    request: Request,
    page: Result<Fetched, Failed>,
}

impl Driver {
    /// Drives the plan of a leg to its end. `failure`: why the documented request failed that failed last, which is what a plan may
    /// end for. `is_known` tells whether one of some sessions is known from earlier runs.
    ///
    /// # Errors
    /// Whatever ends the run early: the source, its contract, the stage, a signal.
    pub async fn drive(
        &self,
        plan: &mut Plan,
        leg: &Leg,
        staged: Staged,
        receipt: &mut Receipt,
        failure: &mut Option<Error>,
        is_known: impl Fn(&[u128]) -> Result<bool>,
    ) -> Result<Staged> {
        let (queue, worker) = stager(leg.clone(), staged, self.layout.clone());
        let filter = Arc::new(leg.filter.clone());
        let meeting = leg.filter.meeting.as_deref().map(Arc::from);
        let source = Source { kept: leg.kept, meeting, ..self.source.clone() };
        let (mut flights, mut capped) = (JoinSet::new(), None);
        loop {
            let room = if capped.is_none() { self.concurrency.saturating_sub(flights.len()) } else { 0 };
            for request in plan.next(room) {
                flights.spawn(source.clone().fetch(request, Arc::clone(&filter)));
            }
            let landed = tokio::select! {
                biased;
                stopped = self.stop.wait() => return Err(stopped),
                landed = flights.join_next() => landed,
            };
            let Some(landed) = landed else { break };
            let arrived = match joined(landed)? {
                Err(error) if error.kind() == Kind::Capped => {
                    capped = Some(error); // what is in flight still lands, and is kept
                    continue;
                }
                arrived => arrived?,
            };
            let request = arrived.request;
            let Some(outcome) = self.outcome(arrived, &queue, receipt, failure).await else {
                break; // The stager has failed, and says why when it is joined.
            };
            plan.answer(Answer { request, outcome }).map_err(|broken| contract(broken, failure.take()))?;
            if let Some(ids) = plan.question() {
                let known = is_known(ids)?;
                plan.known(known);
            }
            if let Some(requests) = plan.expected_requests() {
                self.progress.expect(requests);
            }
        }
        drop(queue);
        let staged = joined(worker.await)??;
        capped.map_or(Ok(staged), Err)
    }

    /// Hands the rows of an answer to the stage; what the answer is for the plan. `None` where the stage takes nothing any more.
    async fn outcome(
        &self,
        Arrived { request, page }: Arrived,
        queue: &mpsc::Sender<Waiting>,
        receipt: &mut Receipt,
        failure: &mut Option<Error>,
    ) -> Option<Outcome> {
        // A run that fails before its verdict tells how many there were, too.
        receipt.walk.counts.requests += 1;
        match page {
            Err(Failed { word, error, .. }) => {
                if request.asking == Asking::Documented {
                    tracing::warn!("{}", error.line());
                    *failure = Some(error);
                }
                Some(word.into())
            }
            Ok(Fetched { flat, at, share }) => {
                receipt.count(&flat);
                self.progress.page(flat.entries.len() as u64);
                let answered = self.source.clock.micros();
                let (rows, at) = (flat.listed.clone(), at.or(Some(self.begun_at)));
                let outcome = Outcome::Page { info: flat.info, rows, unusable: flat.unusable, at };
                queue.send((request, answered, flat, share)).await.is_ok().then_some(outcome)
            }
        }
    }
}

/// Why the list can't be walked. `failed`: the failure of the request that decided it.
fn contract(broken: Contract, failed: Option<Error>) -> Error {
    if let (Contract::Failed, Some(error)) = (broken, failed) {
        return error;
    }
    Error::new(Kind::Contract, format!("the list can't be walked: {broken}"))
        .hint("check that `base_url` is the API itself and that no cache is in front of it")
}

/// An answer on its way to the stage, when it came (microseconds), and the memory that it takes.
type Waiting = (Request, i64, Box<Flat>, Share);

fn stager(leg: Leg, staged: Staged, layout: Layout) -> (mpsc::Sender<Waiting>, JoinHandle<Result<Staged>>) {
    let (queue, mut pages) = mpsc::channel::<Waiting>(QUEUE);
    let worker = spawn_blocking(move || {
        let mut staged = staged;
        while let Some((request, at, flat, _share)) = pages.blocking_recv() {
            staged.add(Some((&leg, request, at)), *flat, &layout)?;
        }
        Ok(staged)
    });
    (queue, worker)
}

impl Source {
    /// What rows depend on besides the answer.
    pub(super) fn options(&self) -> flatten::Options {
        let Self { client, keep_unknown_fields, kept, meeting, denied, method, .. } = self;
        flatten::Options {
            limits: Limits::of(limits::PAGE, client.body_limit(), *keep_unknown_fields),
            kept: *kept,
            meeting: meeting.clone(),
            observed_at: self.clock.micros(),
            denied: denied.clone(),
            method: Arc::clone(method),
        }
    }

    async fn fetch(self, request: Request, filter: Arc<Filter>) -> Result<Arrived> {
        if !request.after.is_zero() {
            sleep(request.after).await;
        }
        let page = fetch::page(&self.client, request, &filter, || self.options()).await?;
        Ok(Arrived { request, page })
    }
}
