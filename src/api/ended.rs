//! How a request ended, after all attempts: a body, a single session's absence, or a failure and what that is worth.

use std::fmt;

use bytes::Bytes;
use reqwest::StatusCode;

use super::memory::Share;
use crate::error::{Error, Kind};
use crate::list::{Outcome, Silence};

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
pub enum Single {
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
