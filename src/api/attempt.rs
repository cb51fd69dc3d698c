//! One attempt at one request, and what its end means: a page, something that may pass, or the end.

use reqwest::header::LOCATION;
use reqwest::{Response, StatusCode};
use url::Url;

use super::body::{self, Hidden, Unread};
use super::ended::{Body, Failed, Word};
use super::endpoint::{is_slash_away, label};
use super::failure::{Failure, Passing};
use super::memory::Memory;
use super::retry::{answered_at, retry_after};
use super::status::Meaning;
use super::token::Tokens;
use crate::error::{Error, Kind};
use crate::list::Silence;
use crate::words::clock::Clock;

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
    /// Whether no error may show how the answer begins.
    pub hides_bodies: bool,
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
            body::refusal(response, &Hidden::default()).await;
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

    fn hidden(&self) -> Hidden {
        Hidden { secrets: self.tokens.secrets(), bodies: self.hides_bodies }
    }

    fn wrong(&self, status: StatusCode, body: &[u8]) -> String {
        let what = if body::is_object(body) { "the object is empty" } else { "the body is not one JSON object" };
        format!("{status}: {what}: {}", body::excerpt(body, &self.hidden()))
    }

    /// What a status that is neither a success nor a redirect means.
    async fn failure(&self, response: Response) -> Failure {
        let status = response.status();
        let meaning = Meaning::of(status.as_u16());
        let asked = retry_after(response.headers(), self.clock.now());
        let message = body::refusal(response, &self.hidden()).await;
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
            let path = if self.hides_bodies { "" } else { target.path() };
            let place = format!("{}{path}", target.origin().ascii_serialization());
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
