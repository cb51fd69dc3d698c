//! Why one attempt brought no body, and whether another one may.

use std::time::Duration;

use reqwest::StatusCode;
use tracing::{debug, warn};
use url::Url;

use super::broken::{Broken, describe};
use super::ended::{Failed, Word};
use super::status::Meaning;
use crate::error::{Error, Kind};
use crate::list::{Asking, Silence};

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
    pub fn of(self, status: StatusCode) -> Self {
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
    pub fn broken(error: &reqwest::Error, url: &Url) -> Self {
        if error.is_timeout() {
            return Self::late();
        }
        let (Broken { cause, hint }, kind) = (describe(error, url), Kind::Source);
        Self::Passing(Passing { kind, silence: Silence::Broken, cause, asked: None, status: None, hint })
    }
}
