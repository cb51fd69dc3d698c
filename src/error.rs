//! The one error type of the crate.
//!
//! Rules:
//! - A [`Kind`] per stage; it alone decides the exit code ([`Kind::exit_code`]), so that scripts can rely on it.
//! - The message names what failed and where, without a full stop; a value comes last, after a colon.
//! - The cause is the source chain, printed once, by `main`. An error is returned or logged, never both.
//! - `hint` is one next step for a person, and is printed apart.
//! - No secret and no response body longer than a line ever gets into a message.

use std::error::Error as StdError;

use crate::words::redact::shown;

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, by the stage that failed; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A defect of rollbook itself, or something nobody foresaw.
    Unexpected,
    /// Usage, configuration, no credentials, an unsafe store.
    Config,
    /// The API refused the credentials (401, 403).
    Credentials,
    /// The API failed: retries spent, or a final status.
    Source,
    /// As many requests were sent as one run may send.
    Capped,
    /// The dataset could not be read or written.
    Destination,
    /// A published file is missing, or is not what it should be.
    Unreadable,
    /// Another run has replaced a file of the dataset meanwhile.
    Raced,
    /// There is no dataset where one is needed.
    Absent,
    /// Another run holds the lease.
    Lease,
    /// The API broke its contract: never the documented shape, over the size cap.
    Contract,
    /// `verify` found damage: a file, or rows, that are not what they should be.
    Damage,
    /// The data is written, but not shown to be complete.
    Unproven,
    /// The data is written, but there are new records that could not be read.
    Rejected,
    /// All is done, but the result could not be written to stdout.
    Unprinted,
    /// SIGHUP: the terminal has gone away.
    HungUp,
    /// SIGINT: Ctrl-C.
    Interrupted,
    /// SIGTERM: somebody, or the system, ends the process.
    Terminated,
}

impl Kind {
    /// The process's exit code for this kind (a contract: scripts depend on it).
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Unexpected => 1,
            Self::Config => 2,
            Self::Unproven | Self::Rejected => 3,
            Self::Credentials => 4,
            Self::Source | Self::Capped => 5,
            Self::Destination | Self::Unreadable | Self::Raced | Self::Absent => 6,
            Self::Lease => 7,
            Self::Contract => 8,
            Self::Damage => 9,
            Self::Unprinted => 10,
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// Whether a signal asked for it.
    #[must_use]
    pub const fn is_signal(self) -> bool {
        matches!(self, Self::HungUp | Self::Interrupted | Self::Terminated)
    }

    /// The kind in a word, for the receipt.
    #[must_use]
    pub const fn outcome(self) -> (u8, &'static str) {
        (self.exit_code(), self.name())
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unexpected => "unexpected",
            Self::Config => "configuration",
            Self::Unproven => "not_proven",
            Self::Rejected => "rejects",
            Self::Credentials => "credentials_refused",
            Self::Source => "source_failed",
            Self::Capped => "request_limit",
            Self::Destination | Self::Unreadable | Self::Raced | Self::Absent => "destination_failed",
            Self::Lease => "lease_held",
            Self::Contract => "contract_broken",
            Self::Damage => "damage",
            Self::Unprinted => "not_printed",
            Self::HungUp => "hung_up",
            Self::Interrupted => "interrupted",
            Self::Terminated => "terminated",
        }
    }
}

/// An error with its kind, its place, its cause and one next step.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct Error {
    kind: Kind,
    what: String,
    hint: Option<String>,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
    status: Option<u16>,
}

impl Error {
    /// An error of this kind; `what` names what failed and where.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), hint: None, source: None, status: None }
    }

    /// Adds the one next step that a person should try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds the cause, which is printed below the message, its own causes below it.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds the HTTP status that was answered, where there was an answer.
    #[must_use]
    pub const fn answered(mut self, status: Option<u16>) -> Self {
        self.status = status;
        self
    }

    /// The HTTP status that was answered, if that is why it failed.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        self.status
    }

    /// The stage that failed, which decides on the exit code.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The exit code, and the kind in a word, for the receipt.
    #[must_use]
    pub const fn outcome(&self) -> (u8, &'static str) {
        self.kind.outcome()
    }

    /// The error with its causes in one line, for a log.
    #[must_use]
    pub fn line(&self) -> String {
        let (mut line, mut cause) = (self.what.clone(), self.source());
        while let Some(error) = cause {
            line = format!("{line}: {error}");
            cause = error.source();
        }
        shown(&line)
    }

    /// Why it failed, the nearest cause first, each on one line.
    #[must_use]
    pub fn causes(&self) -> Vec<String> {
        let (mut causes, mut next, mut last) = (Vec::new(), self.source(), self.what.clone());
        while let Some(error) = next {
            let message = error.to_string();
            // Some libraries put their source's text into their own; once is enough.
            if !last.contains(&message) {
                causes.push(shown(&message));
            }
            last = message;
            next = error.source();
        }
        causes
    }

    /// The one next step, on one line.
    #[must_use]
    pub fn next_step(&self) -> Option<String> {
        self.hint.as_deref().map(shown)
    }

    /// The error as a person reads it: `error:`, its causes, and the hint, each on its own line.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = format!("error: {}", shown(&self.what));
        for cause in self.causes() {
            text.push_str("\n  caused by: ");
            text.push_str(&cause);
        }
        if let Some(hint) = self.next_step() {
            text.push_str("\nhint: ");
            text.push_str(&hint);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renders_cause_and_hint_once() {
        let error = Error::new(Kind::Destination, "cannot write the file: /data/x")
            .because(std::io::Error::other("disk full"))
            .hint("free some space and run the same command again");
        assert_eq!(
            error.render(),
            "error: cannot write the file: /data/x\n  caused by: disk full\nhint: free some space and run the same command again"
        );
        assert_eq!(error.kind().exit_code(), 6);
    }

    #[test]
    fn what_others_wrote_stays_on_its_line() {
        let long = "x".repeat(1 << 20);
        let error = Error::new(Kind::Unreadable, format!("damaged: a\nerror: all is lost \u{1b}[2J\u{202e}{long}"))
            .because(std::io::Error::other(format!("b\nhint: run this{long}")))
            .hint("c\nd");
        for text in [error.render(), error.line()] {
            assert!(text.len() < 20_000 && !text.contains(['\u{1b}', '\u{202e}']), "{text}");
            assert!(text.lines().count() <= 3 && text.lines().all(|line| !line.starts_with("error: all")), "{text}");
        }
    }
}
