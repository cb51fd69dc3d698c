//! One attempt at one request, and what its end means: an answer, something that may pass, or the end.

use std::error::Error as _;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use url::Url;

use super::body::{self, Unread};
use super::clock::Clock;
use super::endpoint::{is_slash_away, label};
use super::retry::{is_passing, retry_after};
use super::token::Tokens;
use crate::error::{Error, Kind};

/// What the API answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// The body of a success; it looks like one JSON object, and no more than that is known.
    Page(Bytes),
    /// A status that the caller takes for an answer: 400 or 404.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The message in the body, fit to be shown; empty where there is none.
        message: String,
    },
}

/// Why an attempt brought no answer.
pub(super) enum Failure {
    /// May be better next time.
    Passing(Passing),
    /// 401, which another token may mend.
    Unauthorized(Error),
    /// A redirect to the same path with a trailing slash more or less.
    Slash(Error),
    /// Will not be better.
    Final(Error),
}

/// A failure that may pass.
pub(super) struct Passing {
    /// What the failure is if it doesn't pass.
    pub kind: Kind,
    /// What happened, in a line.
    pub cause: String,
    /// How long the server asked to wait.
    pub asked: Option<Duration>,
    /// Whether the server found the client too fast.
    pub too_fast: bool,
    /// The status, where there was an answer.
    pub status: Option<u16>,
}

impl Failure {
    /// A failure that may pass, with no word from the server on when to come back.
    pub fn passing(kind: Kind, cause: impl Into<String>) -> Self {
        Self::Passing(Passing { kind, cause: cause.into(), asked: None, too_fast: false, status: None })
    }

    /// The same of an answer with this status.
    fn of(self, status: StatusCode) -> Self {
        match self {
            Self::Passing(passing) => Self::Passing(Passing { status: Some(status.as_u16()), ..passing }),
            Self::Unauthorized(error) => Self::Unauthorized(error.answered(Some(status.as_u16()))),
            Self::Slash(error) => Self::Slash(error.answered(Some(status.as_u16()))),
            Self::Final(error) => Self::Final(error.answered(Some(status.as_u16()))),
        }
    }
}

/// What judging a response takes.
pub(super) struct Judge<'a> {
    /// The request.
    pub url: &'a Url,
    /// Statuses that are answers.
    pub answers: &'a [u16],
    /// For what must not be shown, and for hints.
    pub tokens: &'a Tokens,
    /// For `Retry-After` dates.
    pub clock: &'a Clock,
    /// Decoded bytes at most.
    pub limit: u64,
    /// How long bodies usually are.
    pub usual: usize,
}

impl Judge<'_> {
    /// Reads the response to its end and says what it means.
    pub async fn judge(&self, sent: reqwest::Result<Response>) -> Result<Reply, Failure> {
        let response = sent.map_err(|error| Failure::passing(Kind::Source, describe(&error)))?;
        let status = response.status();
        if status.is_success() {
            self.page(response).await
        } else if self.answers.contains(&status.as_u16()) {
            let message = body::refusal(response, &self.tokens.secrets()).await;
            Ok(Reply::Refused { status: status.as_u16(), message })
        } else {
            Err(self.failure(response).await.of(status))
        }
    }

    async fn page(&self, response: Response) -> Result<Reply, Failure> {
        let status = response.status();
        match body::read(response, self.limit, self.usual).await {
            Ok(body) if body::is_object(&body) => Ok(Reply::Page(body)),
            Ok(body) => {
                let cause =
                    format!("the body is not one JSON object: {}", body::excerpt(&body, &self.tokens.secrets()));
                Err(Failure::passing(Kind::Contract, cause).of(status))
            }
            Err(Unread::Broken(error)) => Err(Failure::passing(Kind::Source, describe(&error))),
            Err(Unread::TooLarge) => {
                let what = format!("the body has more than {} bytes: {}", self.limit, label(self.url));
                Err(Failure::Final(
                    Error::new(Kind::Contract, what).hint("lower [api] per_page, or raise [api] max_body_bytes"),
                )
                .of(status))
            }
        }
    }

    /// What a status that is no answer means.
    async fn failure(&self, response: Response) -> Failure {
        let status = response.status();
        let asked = retry_after(response.headers(), self.clock.now());
        if status.is_redirection() {
            let failure = self.redirected(&response);
            // The body is read so that the connection can be used again.
            body::refusal(response, &[]).await;
            return failure;
        }
        let message = body::refusal(response, &self.tokens.secrets()).await;
        if is_passing(status) {
            let cause = if message.is_empty() { status.to_string() } else { format!("{status}: {message}") };
            let too_fast = status == StatusCode::TOO_MANY_REQUESTS;
            return Failure::Passing(Passing { kind: Kind::Source, cause, asked, too_fast, status: None });
        }
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        let (kind, hint) =
            if refused { (Kind::Credentials, self.tokens.hint()) } else { (Kind::Source, hint(status).to_owned()) };
        let mut error = Error::new(kind, format!("the API answered {status}: {}", label(self.url))).hint(hint);
        if !message.is_empty() {
            error = error.because(message);
        }
        if status == StatusCode::UNAUTHORIZED { Failure::Unauthorized(error) } else { Failure::Final(error) }
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
        let is_slash = target.is_some_and(|target| is_slash_away(self.url, &target));
        if is_slash { Failure::Slash(error) } else { Failure::Final(error) }
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

/// What went wrong on the way, in a line: the innermost cause is the one that says it.
fn describe(error: &reqwest::Error) -> String {
    let mut inner = error.source();
    while let Some(deeper) = inner.and_then(|error| error.source()) {
        inner = Some(deeper);
    }
    let inner = inner.map_or_else(|| "no more is known".to_owned(), ToString::to_string);
    if error.is_timeout() {
        "timed out".to_owned()
    } else if error.is_connect() {
        format!("cannot connect: {inner}")
    } else if error.is_body() || error.is_decode() {
        format!("the body broke off or is damaged: {inner}")
    } else {
        format!("the request broke off: {inner}")
    }
}
