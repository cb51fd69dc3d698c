//! One attempt at one request, and what its end means: a page, something that may pass, or the end.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use tracing::{debug, warn};
use url::Url;

use super::body::{self, Unread};
use super::broken::{Broken, describe};
use super::endpoint::{is_slash_away, label};
use super::memory::{Memory, Share};
use super::retry::{answered_at, retry_after};
use super::status::Meaning;
use super::token::Tokens;
use crate::error::{Error, Kind};
use crate::list::{Asking, Outcome, Silence};
use crate::words::clock::Clock;

/// The body of a success; it looks like one JSON object with something in it, and no more than that is known.
#[derive(Debug)]
pub struct Body {
    /// The body, decoded: JSON, as far as its first and last byte tell.
    pub bytes: Bytes,
    /// The server's `Date`, in microseconds since 1970; `None` where that is missing or unreadable.
    pub at: Option<i64>,
    /// The status, one of a success.
    pub status: StatusCode,
    /// The memory that it takes of what all answers have.
    pub share: Share,
}

/// The API's answer to a request for one session.
#[derive(Debug)]
pub enum Reply {
    /// The session, with no more known of it than of any body.
    Found(Body),
    /// The API says that there is none.
    Refused {
        /// The HTTP status: 402, 404 or 410.
        status: u16,
        /// The message in the body, fit to be shown; empty where there is none.
        message: String,
    },
}

/// A request that brought no body, after all attempts.
#[derive(Debug)]
pub struct Failed {
    /// What that is worth to a walk.
    pub word: Word,
    /// The error of a run that can't do without the answer.
    pub error: Error,
    /// Whether no run could: other requests would fare no better.
    pub(super) ends_run: bool,
}

/// What a request that brought no body is worth to a walk; see [`Outcome`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// The server says that nothing is there, or refuses.
    Nothing {
        /// The HTTP status: 400, 404, 410, 416 or 422.
        status: u16,
    },
    /// No word on the list: an error, a timeout, another shape.
    Silent(Silence),
    /// A wrong token was refused with 401 or 403, as it should be.
    Denied,
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing { status } => write!(f, "status {status}"),
            Self::Silent(Silence::Status(status)) => write!(f, "no answer ({status})"),
            Self::Silent(Silence::Bare) => f.write_str("no answer (an empty body)"),
            Self::Silent(Silence::Shape) => f.write_str("no answer (not a page of sessions)"),
            Self::Silent(Silence::Late) => f.write_str("no answer (timed out)"),
            Self::Silent(Silence::Broken) => f.write_str("no answer (the connection failed)"),
            Self::Denied => f.write_str("refused"),
        }
    }
}

impl From<Word> for Outcome {
    fn from(word: Word) -> Self {
        match word {
            Word::Nothing { status } => Self::Nothing { status },
            Word::Silent(silence) => Self::Silent(silence),
            Word::Denied => Self::Denied,
        }
    }
}

impl Failed {
    /// No word on the list, and no use in asking on.
    pub(super) const fn ending(silence: Silence, error: Error) -> Self {
        Self { word: Word::Silent(silence), error, ends_run: true }
    }

    /// A body of another shape, found out by whoever reads bodies.
    pub const fn of_shape(error: Error) -> Self {
        Self::ending(Silence::Shape, error)
    }

    /// Whether the credentials were refused.
    pub(super) fn is_unauthorized(&self) -> bool {
        self.error.kind() == Kind::Credentials
    }
}

impl From<Error> for Failed {
    /// The request was never sent, so nothing is known of the list.
    fn from(error: Error) -> Self {
        Self::ending(Silence::Broken, error)
    }
}

/// Why an attempt brought no body.
pub(super) enum Failure {
    /// It may be better next time: a bad moment of the server, or of the way there.
    Passing(Passing),
    /// 401, which another token may mend.
    Unauthorized(Failed),
    /// A redirect to the same path with a trailing slash more or less.
    Slash(Failed),
    /// Asking again would bring the same.
    Final(Failed),
}

/// A failure that may pass, and what it is worth if it does not.
pub(super) struct Passing {
    /// What the failure is for a run if it doesn't pass.
    pub kind: Kind,
    /// What it is worth to a walk if it does not pass.
    pub silence: Silence,
    /// What happened, in one line without a secret: `503 Service Unavailable`.
    pub cause: String,
    /// How long the server asked to wait.
    pub asked: Option<Duration>,
    /// The status, where there was an answer.
    pub status: Option<u16>,
    /// The next step if it doesn't pass, where that is another than usual.
    pub hint: Option<&'static str>,
}

impl Passing {
    /// Whether the server found the client too fast.
    pub fn is_too_fast(&self) -> bool {
        matches!(self.silence, Silence::Status(status) if Meaning::of(status) == Meaning::TooFast)
    }

    /// Logs that the request is tried again.
    pub fn tell(&self, request: &str, asking: Asking, attempt: u32, wait: Duration) {
        tell_again(request, asking, attempt, wait, &self.cause);
    }

    /// The same when it did not pass. `error` lacks its cause.
    pub fn lasting(self, error: Error) -> Failed {
        let ends_run = match self.silence {
            Silence::Status(status) => Meaning::of(status).ends_run(),
            Silence::Shape => true,
            Silence::Bare | Silence::Late | Silence::Broken => false,
        };
        let error = error.because(self.cause).answered(self.status);
        Failed { word: Word::Silent(self.silence), error, ends_run }
    }
}

/// Logs that a request is tried again: an operator needs to know of one that the run depends on.
pub(super) fn tell_again(request: &str, asking: Asking, attempt: u32, wait: Duration, cause: &str) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    if asking == Asking::Documented {
        warn!(request, attempt, wait_ms, cause, "the request failed and is tried again");
    } else {
        debug!(request, attempt, wait_ms, cause, "the request failed and is tried again");
    }
}

impl Failure {
    /// A failure that may pass, with no word from the server on when to come back.
    pub fn passing(kind: Kind, silence: Silence, cause: impl Into<String>) -> Self {
        Self::Passing(Passing { kind, silence, cause: cause.into(), asked: None, status: None, hint: None })
    }

    /// The same of an answer with this status.
    fn of(self, status: StatusCode) -> Self {
        let status = Some(status.as_u16());
        let answered = |failed: Failed| Failed { error: failed.error.answered(status), ..failed };
        match self {
            Self::Passing(passing) => Self::Passing(Passing { status, ..passing }),
            Self::Unauthorized(failed) => Self::Unauthorized(answered(failed)),
            Self::Slash(failed) => Self::Slash(answered(failed)),
            Self::Final(failed) => Self::Final(answered(failed)),
        }
    }

    /// Nothing came within the connect, read or request timeout.
    pub fn late() -> Self {
        Self::passing(Kind::Source, Silence::Late, "timed out")
    }

    /// No answer, or half of one.
    fn broken(error: &reqwest::Error, url: &Url) -> Self {
        if error.is_timeout() {
            return Self::late();
        }
        let (Broken { cause, hint }, kind) = (describe(error, url), Kind::Source);
        Self::Passing(Passing { kind, silence: Silence::Broken, cause, asked: None, status: None, hint })
    }
}

/// What is needed to say what the end of an attempt means.
pub(super) struct Judge<'a> {
    /// What was asked, for messages and to see where a redirect leads.
    pub url: &'a Url,
    /// For what must not be shown, and for hints.
    pub tokens: &'a Tokens,
    /// Told the present, where `Retry-After` names a date.
    pub clock: &'a Clock,
    /// Decoded bytes of a body at most: `api.max_body_bytes`.
    pub limit: u64,
    /// How many bytes bodies usually have: room for one that does not tell its length.
    pub usual: usize,
    /// What all bodies in flight may take together.
    pub memory: &'a Memory,
}

impl Judge<'_> {
    /// Reads the response to its end and says what it means.
    pub async fn judge(&self, sent: reqwest::Result<Response>) -> Result<Body, Failure> {
        let response = sent.map_err(|error| Failure::broken(&error, self.url))?;
        let status = response.status();
        if status.is_success() {
            self.body(response).await
        } else if status.is_redirection() {
            let failure = self.redirected(&response);
            // The body is read so that the connection can be used again.
            body::refusal(response, &[]).await;
            Err(failure.of(status))
        } else {
            Err(self.failure(response).await.of(status))
        }
    }

    async fn body(&self, response: Response) -> Result<Body, Failure> {
        let (status, at) = (response.status(), answered_at(response.headers()));
        let mut share = self.memory.share();
        match body::read(response, self.limit, self.usual, &mut share).await {
            Ok(bytes) if body::is_bare(&bytes) => {
                Err(Failure::passing(Kind::Contract, Silence::Bare, self.wrong(status, &bytes)).of(status))
            }
            Ok(bytes) if body::is_object(&bytes) => Ok(Body { bytes, at, status, share }),
            Ok(bytes) => Err(Failure::passing(Kind::Contract, Silence::Shape, self.wrong(status, &bytes)).of(status)),
            Err(Unread::Broken(error)) => Err(Failure::broken(&error, self.url)),
            Err(Unread::Damaged(error)) => {
                let what = format!("the body broke off or is damaged: {error}");
                Err(Failure::passing(Kind::Source, Silence::Broken, what).of(status))
            }
            Err(Unread::Coded(coding)) => {
                let coding = body::line(&coding, &self.tokens.secrets());
                let what = format!("the body is in a coding that was not asked for: {coding}");
                Err(Failure::passing(Kind::Contract, Silence::Shape, what).of(status))
            }
            Err(Unread::TooLarge) => {
                let what = format!("the body has more than {} bytes: {}", self.limit, label(self.url));
                let error =
                    Error::new(Kind::Contract, what).hint("lower [api] per_page, or raise [api] max_body_bytes");
                Err(Failure::Final(Failed::ending(Silence::Shape, error)).of(status))
            }
        }
    }

    fn wrong(&self, status: StatusCode, body: &[u8]) -> String {
        let what = if body::is_object(body) { "the object is empty" } else { "the body is not one JSON object" };
        format!("{status}: {what}: {}", body::excerpt(body, &self.tokens.secrets()))
    }

    /// What a status that is neither a success nor a redirect means.
    async fn failure(&self, response: Response) -> Failure {
        let status = response.status();
        let meaning = Meaning::of(status.as_u16());
        let asked = retry_after(response.headers(), self.clock.now());
        let message = body::refusal(response, &self.tokens.secrets()).await;
        if meaning.is_passing() {
            let cause = if message.is_empty() { status.to_string() } else { format!("{status}: {message}") };
            return Failure::Passing(Passing {
                kind: Kind::Source,
                silence: Silence::Status(status.as_u16()),
                cause,
                asked,
                status: None,
                hint: None,
            });
        }
        let refused = matches!(meaning, Meaning::Unauthorized | Meaning::Forbidden);
        let (kind, hint) =
            if refused { (Kind::Credentials, self.tokens.hint()) } else { (Kind::Source, hint(status).to_owned()) };
        let mut error = Error::new(kind, format!("the API answered {status}: {}", label(self.url))).hint(hint);
        if !message.is_empty() {
            error = error.because(message);
        }
        let word = match meaning {
            Meaning::Nothing => Word::Nothing { status: status.as_u16() },
            _ => Word::Silent(Silence::Status(status.as_u16())),
        };
        let failed = Failed { word, error, ends_run: meaning.ends_run() };
        if meaning == Meaning::Unauthorized { Failure::Unauthorized(failed) } else { Failure::Final(failed) }
    }

    /// A slash more or less at the end of the path is all that is ever followed. What else is named of the target is its
    /// origin and its path: the rest of an address may hold anything.
    fn redirected(&self, response: &Response) -> Failure {
        let location = response.headers().get(LOCATION).map(|location| String::from_utf8_lossy(location.as_bytes()));
        let target = location.and_then(|location| self.url.join(&location).ok());
        let place = target.as_ref().map_or_else(|| "no address".to_owned(), |target| self.place(target));
        let what = format!("the API redirects ({}) to {place}: {}", response.status(), label(self.url));
        let error = Error::new(Kind::Contract, what)
            .hint("check [api] base_url; only a slash more or less at the end of the path is followed");
        let failed = Failed::ending(Silence::Status(response.status().as_u16()), error);
        let is_slash = target.is_some_and(|target| is_slash_away(self.url, &target));
        if is_slash { Failure::Slash(failed) } else { Failure::Final(failed) }
    }

    /// Where an address leads, fit to be shown.
    fn place(&self, target: &Url) -> String {
        if target.has_host() {
            let place = format!("{}{}", target.origin().ascii_serialization(), target.path());
            body::line(&place, &self.tokens.secrets())
        } else {
            format!("a `{}:` address", target.scheme())
        }
    }
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::PAYMENT_REQUIRED => "look at the account's plan and billing in the VideoSDK dashboard",
        StatusCode::NOT_FOUND => "check [api] base_url and version",
        _ => "check [api] version and per_page",
    }
}
