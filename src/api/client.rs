//! One request, from the first attempt to the last. The number of requests in flight is decided here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info, warn};
use url::Url;

use super::attempt::{Failure, Judge, Passing, Reply};
use super::auth::Credentials;
use super::body::excerpt;
use super::clock::Clock;
use super::connect::connect;
use super::endpoint::{Endpoint, Filter, label};
use super::gate::Gate;
use super::retry::{ATTEMPTS, Backoff};
use super::token::{Token, Tokens};
use crate::config;
use crate::error::{Error, Kind, Result};
use crate::walk::{Asking, Request};

/// A client of the sessions API. Its clones share connections, limits and tokens.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    http: reqwest::Client,
    endpoint: Endpoint,
    tokens: Tokens,
    clock: Clock,
    gate: Gate,
    backoff: Backoff,
    permits: Semaphore,
    budget: Duration,
    limit: u64,
    /// Length of the last page, as a guess for the next.
    usual: AtomicUsize,
}

impl Client {
    /// A client for `settings`; nothing is sent yet. An unsafe `base_url`, an impossible rate or a token that can't be sent
    /// are [`Kind::Config`].
    pub fn new(settings: &config::Api, credentials: Credentials, clock: Clock) -> Result<Self> {
        Self::with_backoff(settings, credentials, clock, Backoff::standard())
    }

    /// As [`Client::new`], with other waits between attempts.
    pub(super) fn with_backoff(
        settings: &config::Api,
        credentials: Credentials,
        clock: Clock,
        backoff: Backoff,
    ) -> Result<Self> {
        let endpoint = Endpoint::new(&settings.base_url, settings.version)?;
        Ok(Self(Arc::new(Shared {
            http: connect(settings, &endpoint)?,
            endpoint,
            tokens: Tokens::new(credentials, clock.clone())?,
            clock,
            gate: Gate::new(spacing(settings.requests_per_second)?),
            backoff,
            permits: Semaphore::new(settings.concurrency.clamp(1, Semaphore::MAX_PERMITS)),
            budget: settings.retry_budget,
            limit: settings.max_body_bytes,
            usual: AtomicUsize::new(0),
        })))
    }

    /// Asks for a window of the list, as far as a filter lets it through.
    pub async fn list(&self, request: Request, filter: &Filter) -> Result<Reply> {
        let answers: &[u16] = if request.asking == Asking::Probe { &[400, 404] } else { &[] };
        self.0.request(self.0.endpoint.list(request, filter), answers).await
    }

    /// Asks for one session; refused where the API says that there is none (402, 404, 410).
    pub async fn session(&self, id: &str) -> Result<Reply> {
        self.0.request(self.0.endpoint.session(id)?, &[402, 404, 410]).await
    }

    /// The start of a body, fit to be shown: one short line without secrets.
    pub fn excerpt(&self, body: &[u8]) -> String {
        excerpt(body, &self.0.tokens.secrets())
    }

    /// Waits as long as after this many failed attempts. For a caller who finds in a body, on its own threads, that it is not of
    /// the documented shape, and asks again, [`ATTEMPTS`] times at most.
    pub async fn rest(&self, failed: u32) {
        sleep(self.0.backoff.wait(failed)).await;
    }
}

impl Shared {
    /// Tries until there is an answer, a final failure, or no attempt or time left.
    async fn request(&self, mut url: Url, answers: &[u16]) -> Result<Reply> {
        let _permit = self.permits.acquire().await.map_err(|error| unexpected().because(error))?;
        let mut deadline = Instant::now() + self.budget;
        let mut failed = 0;
        let (mut renewed, mut redirected) = (false, false);
        loop {
            let arrived = Instant::now();
            let sent = self.gate.pass().await;
            deadline += sent - arrived;
            let token = self.tokens.current()?;
            match self.attempt(&url, answers, &token, deadline).await {
                Ok(reply) => {
                    self.gate.ease();
                    let ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
                    match &reply {
                        Reply::Page(body) => debug!(request = label(&url), ms, bytes = body.len(), "answered"),
                        Reply::Refused { status, .. } => debug!(request = label(&url), ms, status, "refused"),
                    }
                    return Ok(reply);
                }
                Err(Failure::Unauthorized(_)) if !renewed && self.tokens.renew(&token) => {
                    info!(request = label(&url), "the API refused the token; trying once with a new one");
                    renewed = true;
                }
                Err(Failure::Slash(_)) if !redirected => {
                    url = self.endpoint.follow(&url);
                    redirected = true;
                }
                Err(Failure::Unauthorized(error) | Failure::Slash(error) | Failure::Final(error)) => return Err(error),
                Err(Failure::Passing(passing)) => {
                    failed += 1;
                    if passing.too_fast {
                        self.gate.slow_down(sent);
                    }
                    sleep(self.wait(&url, &passing, failed, deadline)?).await;
                }
            }
        }
    }

    /// Sends the request once.
    async fn attempt(&self, url: &Url, answers: &[u16], token: &Token, deadline: Instant) -> Result<Reply, Failure> {
        let usual = self.usual.load(Ordering::Relaxed);
        let judge = Judge { url, answers, tokens: &self.tokens, clock: &self.clock, limit: self.limit, usual };
        let request = self.http.get(url.clone()).header(AUTHORIZATION, token.header.clone());
        let reply = timeout_at(deadline, async { judge.judge(request.send().await).await })
            .await
            .unwrap_or_else(|_| Err(Failure::passing(Kind::Source, "timed out")))?;
        if let Reply::Page(body) = &reply {
            self.usual.store(body.len(), Ordering::Relaxed);
        }
        Ok(reply)
    }

    /// How long to wait before the next attempt, or the error when there can be none.
    fn wait(&self, url: &Url, passing: &Passing, failed: u32, deadline: Instant) -> Result<Duration> {
        let left = deadline.saturating_duration_since(Instant::now());
        let request = label(url);
        if let Some(asked) = passing.asked.filter(|asked| *asked > left) {
            let what =
                format!("the API asks to wait {} s, longer than [api] retry_budget allows: {request}", asked.as_secs());
            return Err(Error::new(passing.kind, what)
                .because(passing.cause.clone())
                .answered(passing.status)
                .hint("run the same command again after that time"));
        }
        let wait = self.backoff.wait(failed).saturating_add(passing.asked.unwrap_or_default());
        if failed >= ATTEMPTS || wait >= left {
            let what = format!("no usable answer after {failed} attempts: {request}");
            return Err(Error::new(passing.kind, what)
                .because(passing.cause.clone())
                .answered(passing.status)
                .hint(spent(passing.kind)));
        }
        if passing.too_fast || passing.asked.is_some() {
            self.gate.close_for(passing.asked.unwrap_or(wait));
        }
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        warn!(
            request,
            attempt = failed,
            wait_ms = milliseconds,
            cause = passing.cause,
            "the request failed and is tried again"
        );
        Ok(wait)
    }
}

/// The next step when the attempts are spent.
const fn spent(kind: Kind) -> &'static str {
    match kind {
        Kind::Contract => "check [api] base_url and version",
        _ => "check the network and [api] base_url, or run the same command again later",
    }
}

/// Time between two requests at this rate.
fn spacing(requests_per_second: f64) -> Result<Duration> {
    if requests_per_second == 0.0 {
        return Ok(Duration::ZERO);
    }
    Duration::try_from_secs_f64(requests_per_second.recip())
        .ok()
        .filter(|spacing| !spacing.is_zero() && *spacing <= Duration::from_hours(1))
        .ok_or_else(|| {
            let what = format!("[api] requests_per_second is no possible rate: {requests_per_second}");
            Error::new(Kind::Config, what).hint("give a positive number, or 0 for no limit")
        })
}

fn unexpected() -> Error {
    Error::new(Kind::Unexpected, "the client's limit on requests in flight is closed")
}
