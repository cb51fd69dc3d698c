//! Calls over the network from threads that may wait.
//!
//! No call waits forever: not for a dead store, and not long after a signal.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::refusal::Silent;
use super::service::Limits;
use crate::error::{Error, Kind, Result};
use crate::words::stop::Stop;

/// After a signal, a request is given up that takes longer than this; and so after one that has spent its budget.
const GRACE: Duration = Duration::from_millis(900);

/// Asks, and waits for the answers.
#[derive(Debug)]
pub struct Calls {
    runtime: Option<Runtime>,
    budget: Duration,
    stop: OnceLock<Stop>,
    gave_up: Arc<AtomicBool>,
    /// Whether the last request has spent its budget: the next one then gets no more than a short time.
    is_dead: AtomicBool,
}

impl Calls {
    /// On a thread of its own. `budget`: for one request with all its attempts and waits.
    pub fn new(budget: Duration) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime =
            runtime.map_err(|error| Error::new(Kind::Unexpected, "cannot start the runtime").because(error))?;
        let (stop, gave_up, is_dead) = (OnceLock::new(), Arc::default(), AtomicBool::new(false));
        Ok(Self { runtime: Some(runtime), budget, stop, gave_up, is_dead })
    }

    /// For one request with all its attempts, the last of which may begin when the budget is nearly spent.
    pub fn limit(&self, bytes: u64) -> Duration {
        let budget = if self.is_dead.load(Ordering::Relaxed) { GRACE.min(self.budget) } else { self.budget };
        budget + Limits::within(budget).sending(bytes)
    }

    /// Waits for an answer, for so long at most.
    pub fn wait<T: Send + 'static>(
        &self,
        limit: Duration,
        asked: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        let begun = Instant::now();
        let (stop, gave_up) = (self.stop.get().cloned(), Arc::clone(&self.gave_up));
        let Some(runtime) = self.runtime.as_ref().filter(|_| !gave_up.load(Ordering::Relaxed)) else {
            return Err(Silent(GRACE).into());
        };
        let (sender, receiver) = mpsc::channel();
        runtime.spawn(async move {
            let answer = tokio::select! {
                answer = asked => answer,
                () = tokio::time::sleep(limit) => Err(Silent(limit).into()),
                () = long_after(stop) => {
                    gave_up.store(true, Ordering::Relaxed);
                    Err(Silent(GRACE).into())
                }
            };
            let _ = sender.send(answer);
        });
        let answer = receiver.recv().unwrap_or_else(|_| Err(Silent(limit).into()));
        self.is_dead.store(answer.is_err() && begun.elapsed() >= self.budget, Ordering::Relaxed);
        answer
    }

    /// Goes on with what a call has begun, for so long that no piece of it takes longer than one exchange may.
    pub fn spawn<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Duration) -> F) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work(Limits::within(self.budget).sending(0)));
        }
    }

    /// From now on a signal counts.
    pub fn heed(&self, stop: &Stop) {
        let _ = self.stop.set(stop.clone()); // A process has one.
    }

    /// The signal for which a call was given up.
    pub fn stopped(&self) -> Option<Error> {
        let stopped = self.stop.get().and_then(|stop| stop.check().err());
        stopped.filter(|_| self.gave_up.load(Ordering::Relaxed))
    }
}

impl Drop for Calls {
    fn drop(&mut self) {
        // It may be dropped on a thread of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Is over some time after the signal.
async fn long_after(stop: Option<Stop>) {
    match stop {
        Some(stop) => drop(stop.wait().await),
        None => std::future::pending().await,
    }
    tokio::time::sleep(GRACE).await;
}

/// An answer, if it comes in time.
pub async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = object_store::Result<T>>,
) -> object_store::Result<T> {
    tokio::time::timeout(limit, asked).await.unwrap_or_else(|_| Err(Silent(limit).into()))
}
