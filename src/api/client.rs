//! One request, from the first attempt to the last. The number of requests in flight is decided here.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use reqwest::header::AUTHORIZATION;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{debug, info};
use url::Url;

use super::attempt::Judge;
use super::auth::Credentials;
use super::body::{Hidden, quote};
use super::connect::connect;
use super::ended::{Body, Failed, Single, Word};
use super::endpoint::{Endpoint, Filter, label};
use super::failure::{Failure, Passing, tell_again};
use super::gate::Gate;
use super::memory::Memory;
use super::quota::{Quota, Used};
use super::retry::{Backoff, attempts, patience};
use super::token::{Token, Tokens};
use crate::config::{self, Config};
use crate::error::{Error, Kind, Result};
use crate::list::{Asking, Request, Silence};
use crate::words::clock::Clock;

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
    quota: Quota,
    memory: Memory,
    /// Length of the last page, as a guess for the next.
    usual: AtomicUsize,
    /// Whether no error may show how an answer begins.
    hides_bodies: bool,
}

impl Client {
    /// A client for these settings; nothing is sent yet. An unsafe `base_url`, an impossible rate or a token that can't be sent
    /// are [`Kind::Config`]. Where columns are protected, no error shows how an answer begins.
    pub fn new(settings: &Config, credentials: Credentials, clock: Clock) -> Result<Self> {
        let hides_bodies = settings.privacy.columns.protect_any();
        Self::with_backoff(&settings.api, credentials, clock, Backoff::standard(), hides_bodies)
    }

    /// As [`Client::new`], with other waits between attempts.
    pub(super) fn with_backoff(
        settings: &config::Api,
        credentials: Credentials,
        clock: Clock,
        backoff: Backoff,
        hides_bodies: bool,
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
            quota: Quota::new(settings.max_requests),
            memory: Memory::new(usize::try_from(settings.max_body_bytes / 2).unwrap_or(usize::MAX)),
            usual: AtomicUsize::new(0),
            hides_bodies,
        })))
    }

    /// Asks for a window of the list, as far as a filter lets it through. A page, or what the failure to get one is worth.
    ///
    /// # Errors
    /// For a documented request, a failure that other requests would share: refused credentials, an account that must pay,
    /// a redirect, a body of another shape or beyond the cap, a limit that is not to be kept. For any request,
    /// [`Kind::Capped`] where no more may be sent. For a probe that is refused
    /// with 401 or 403, a first page that is refused too, or fails.
    pub async fn list(&self, request: Request, filter: &Filter) -> Result<Result<Body, Failed>> {
        let url = self.0.endpoint.list(request, filter);
        let failed = match self.0.request(url, request.asking).await {
            Ok(body) => return Ok(Ok(body)),
            Err(failed) => failed,
        };
        match request.asking {
            _ if failed.error.kind() == Kind::Capped => return Err(failed.error),
            Asking::Documented if failed.ends_run => return Err(failed.error),
            Asking::Probe if failed.is_unauthorized() => self.confirm(request, filter).await?,
            Asking::WrongToken if failed.is_unauthorized() => return Ok(Err(Failed { word: Word::Denied, ..failed })),
            Asking::Documented | Asking::Probe | Asking::WrongToken => {}
        }
        Ok(Err(failed))
    }

    /// Makes sure that the credentials are good for the first page, where a probe was refused.
    async fn confirm(&self, probe: Request, filter: &Filter) -> Result<()> {
        let base = match probe.page {
            0 => 1,
            page => page.saturating_sub(probe.window.page.saturating_sub(1)),
        };
        let first = Request { own_size: probe.own_size, ..Request::documented(probe.window, base) };
        match self.0.request(self.0.endpoint.list(first, filter), Asking::Documented).await {
            Ok(_) | Err(Failed { word: Word::Nothing { .. } | Word::Silent(Silence::Bare), .. }) => Ok(()),
            Err(failed) => Err(failed.error),
        }
    }

    /// Asks for one session; refused where the API says that there is none (402, 404, 410).
    pub async fn session(&self, id: &str) -> Result<Single> {
        match self.0.request(self.0.endpoint.session(id)?, Asking::Documented).await {
            Ok(body) => Ok(Single::Found(body)),
            Err(Failed { error, .. }) => match error.status() {
                Some(status @ (402 | 404 | 410)) => {
                    Ok(Single::Refused { status, message: error.source().map(ToString::to_string).unwrap_or_default() })
                }
                _ => Err(error),
            },
        }
    }

    /// A body as an error quotes it: the message in it, or how it begins; one short line without secrets.
    pub fn quote(&self, body: &[u8]) -> String {
        quote(body, &Hidden { secrets: self.0.tokens.secrets(), bodies: self.0.hides_bodies })
    }

    /// A request for a window as messages name it: its page and its size are in it.
    pub fn label(&self, request: Request, filter: &Filter) -> String {
        label(&self.0.endpoint.list(request, filter))
    }

    /// Waits as long as after this many failed attempts, and says so. For a caller who finds in a body, on its own threads, that
    /// it is not of the documented shape, and asks again.
    pub async fn rest(&self, request: Request, filter: &Filter, failed: u32, cause: &str) {
        let wait = self.0.backoff.wait(failed);
        tell_again(&self.label(request, filter), request.asking, failed, wait, cause);
        self.0.quota.retry();
        sleep(wait).await;
    }

    /// What has been asked for so far, by this client and its clones.
    pub fn used(&self) -> Used {
        self.0.quota.used()
    }

    /// Decoded bytes that a body may have at most.
    pub fn body_limit(&self) -> usize {
        usize::try_from(self.0.limit).unwrap_or(usize::MAX)
    }
}

impl Shared {
    /// Tries until there is an answer, a final failure, or no attempt or time left.
    async fn request(&self, mut url: Url, asking: Asking) -> Result<Body, Failed> {
        let _permit = self.permits.acquire().await.map_err(|error| unexpected().because(error))?;
        let mut deadline = Instant::now() + self.budget;
        let mut failed = 0;
        let (mut may_renew, mut may_follow) = (asking != Asking::WrongToken, true);
        let mut is_retry = false;
        loop {
            let arrived = Instant::now();
            let sent = self.gate.pass().await;
            deadline += sent - arrived;
            let token = if asking == Asking::WrongToken { Token::wrong() } else { self.tokens.current()? };
            self.quota.take(std::mem::replace(&mut is_retry, true))?;
            match self.attempt(&url, &token, deadline).await {
                Ok(body) => return Ok(body),
                Err(Failure::Unauthorized(_)) if may_renew && self.tokens.renew(&token) => {
                    info!(request = label(&url), "the API refused the token; trying once with a new one");
                    may_renew = false;
                }
                Err(Failure::Slash(_)) if may_follow => {
                    url = self.endpoint.follow(&url);
                    may_follow = false;
                }
                Err(Failure::Unauthorized(refused) | Failure::Slash(refused) | Failure::Final(refused)) => {
                    return Err(refused);
                }
                Err(Failure::Passing(passing)) => {
                    failed += 1;
                    if passing.is_too_fast() {
                        self.gate.slow_down(sent);
                    }
                    sleep(self.wait(&url, asking, passing, failed, deadline)?).await;
                }
            }
        }
    }

    /// Sends the request once. Whoever is answered was not too fast.
    async fn attempt(&self, url: &Url, token: &Token, deadline: Instant) -> Result<Body, Failure> {
        let (sent, usual) = (Instant::now(), self.usual.load(Ordering::Relaxed));
        let judge = Judge {
            url,
            tokens: &self.tokens,
            clock: &self.clock,
            limit: self.limit,
            usual,
            memory: &self.memory,
            hides_bodies: self.hides_bodies,
        };
        let request = self.http.get(url.clone()).header(AUTHORIZATION, token.header.clone());
        let ended = timeout_at(deadline, async { judge.judge(request.send().await).await })
            .await
            .unwrap_or_else(|_| Err(Failure::late()));
        let ms = u64::try_from(sent.elapsed().as_millis()).unwrap_or(u64::MAX);
        match &ended {
            Ok(Body { bytes, .. }) => {
                self.gate.ease();
                self.usual.store(bytes.len(), Ordering::Relaxed);
                debug!(request = label(url), ms, bytes = bytes.len(), "answered");
            }
            Err(Failure::Unauthorized(failed) | Failure::Slash(failed) | Failure::Final(failed)) => {
                self.gate.ease();
                debug!(request = label(url), ms, "{}", failed.word);
            }
            Err(Failure::Passing(_)) => {}
        }
        ended
    }

    /// How long to wait before the next attempt, or the failure when there can be none.
    fn wait(
        &self,
        url: &Url,
        asking: Asking,
        passing: Passing,
        failed: u32,
        deadline: Instant,
    ) -> Result<Duration, Failed> {
        let left = deadline.saturating_duration_since(Instant::now());
        let patience = patience(asking, left);
        let request = label(url);
        if let (Some(asked), true) = (passing.asked, asking != Asking::Documented) {
            // This request may be given up here; the others keep away all the same.
            self.gate.close_for(asked.min(patience));
        }
        if let Some(asked) = passing.asked.filter(|asked| *asked > patience) {
            let what =
                format!("the API asks to wait {} s, longer than [api] retry_budget allows: {request}", asked.as_secs());
            let error = Error::new(passing.kind, what).hint("run the same command again after that time");
            return Err(Failed { ends_run: true, ..passing.lasting(error) });
        }
        let wait = self.backoff.wait(failed).saturating_add(passing.asked.unwrap_or_default());
        if failed >= attempts(asking, passing.silence) || wait >= left {
            let what = format!("no usable answer after {failed} attempts: {request}");
            let error = Error::new(passing.kind, what).hint(spent(&passing));
            return Err(passing.lasting(error));
        }
        if passing.is_too_fast() || passing.asked.is_some() {
            self.gate.close_for(passing.asked.unwrap_or(wait));
        }
        passing.tell(&request, asking, failed, wait);
        Ok(wait)
    }
}

/// The next step when the attempts are spent.
fn spent(passing: &Passing) -> &'static str {
    let usual = match passing.kind {
        Kind::Contract => "check [api] base_url and version",
        _ if passing.is_too_fast() => {
            "set [api] requests_per_second to what the account may send, and run the same command again later"
        }
        _ => "check the network and [api] base_url, or run the same command again later",
    };
    passing.hint.unwrap_or(usual)
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
