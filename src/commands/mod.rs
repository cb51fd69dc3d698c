//! The commands, each in a room of its own. Only they see both ends, the API and the dataset.
//!
//! ```text
//! export    `export` and `backfill`       check     what the API does, and what a run could prove
//! purge     what must not come back       demo      an export of a simulated account
//! verify    what a dataset is worth       simulate  the simulated API alone
//! status    what it holds, and its runs   rejects   what could not be read
//! views     SQL that answers questions    report    a page and files with the numbers
//! watch     who is told how a run ended       init      a settings file to begin with
//! snapshots which there are, and an older one brought back
//! run       the frame of a run that reads the API
//! fetch     one page of the list as rows  shortfall why written data ends a run with 3
//! sweep     what must not stay, wherever it may be
//! split     one export by many processes, in steps
//! ```

use std::sync::Arc;

use tokio::task::JoinError;

use crate::config::{Config, Environment, Variables};
use crate::dataset::receipt::Receipt;
use crate::error::{Error, Kind, Result};
use crate::terminal::progress::Progress;
use crate::words::clock::Clock;

pub mod check;
pub mod demo;
pub mod export;
mod fetch;
pub mod init;
pub mod purge;
pub mod rejects;
pub mod report;
mod run;
mod shortfall;
pub mod simulate;
mod snapshots;
mod split;
pub mod status;
mod sweep;
pub mod verify;
pub mod views;
pub mod watch;

pub use check::command::check;
pub use demo::demo;
pub use export::command::{backfill, export};
pub use purge::command::{purge, rules};
pub use rejects::command::rejects;
pub use report::command::report;
pub use run::run_id;
pub use simulate::simulate;
pub use snapshots::command::snapshots;
pub use split::command::split;
pub use status::command::status;
pub use verify::command::verify;
pub use views::command::views;

/// What every command gets from `main`, besides its own flags.
#[derive(Clone)]
pub struct Setting<'a> {
    /// The settings in force.
    pub config: Config,
    /// Who has the API asked at another address than the usual one, if somebody has.
    pub addressed_by: Option<String>,
    /// Whether somebody has said where the dataset is.
    pub names_dataset: bool,
    /// The variables that the credentials of the API are in.
    pub variables: Variables,
    /// The variables of the process's environment.
    pub environment: &'a Environment,
    /// The clock by which runs are named and times are judged; tests hand in one of their own.
    pub clock: Clock,
    /// The name of this run, sortable by time and unique: `20261126T064421260Z-8fa0bc`.
    pub run_id: String,
    /// What is shown while the command runs.
    pub progress: Arc<Progress>,
}

/// How a run ended, and what to print of it.
pub struct Ended {
    /// The receipt, as it is stored.
    pub receipt: Receipt,
    /// The summary for stdout; empty after an error.
    pub text: String,
    /// Why the run did not end with 0.
    pub error: Option<Error>,
}

/// What a command has found out, and what of it is an error.
pub struct Told {
    /// What is printed to stdout: a report, as lines of text or as JSON.
    pub text: String,
    /// What ends the command with another code than 0.
    pub error: Option<Error>,
}

impl Told {
    /// The same; a success without a text where none is wanted.
    #[must_use]
    pub fn unless(self, is_silent: bool) -> Self {
        if is_silent && self.error.is_none() { Self { text: String::new(), ..self } } else { self }
    }
}

/// What a task or a thread of the runtime has brought; one that panicked is an error (`Unexpected`).
fn joined<T>(result: Result<T, JoinError>) -> Result<T> {
    result.map_err(|error| Error::new(Kind::Unexpected, "a worker failed").because(error))
}
