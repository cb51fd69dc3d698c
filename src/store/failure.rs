//! What may go wrong with a store, in the words of the one error type, and the bound on trying again.

use super::files::Obstacle;
use crate::error::{Error, Kind, Result};
use crate::words::limits;
use crate::words::system::remedy;

/// The error of a file that is named somewhere and is not there.
pub fn missing(place: &str) -> Error {
    Error::new(Kind::Unreadable, format!("a published file is missing: {place}"))
        .hint("put it back from a copy of the same run, or run `rollbook verify --repair`, which says what to do next")
}

/// The error of a folder that nobody could list.
pub(super) fn too_many(place: &str) -> Error {
    Error::new(Kind::Destination, format!("the folder holds more than {} files: {place}", limits::FILES)).hint(
        "see what has made so many, and move them elsewhere; of the receipts in `_rollbook/runs` the oldest may go",
    )
}

/// An error of the destination at a place.
pub fn failed(
    what: &str,
    place: impl std::fmt::Display,
    cause: impl Into<Box<dyn std::error::Error + Send + Sync>>,
) -> Error {
    let cause = cause.into();
    if let Some(obstacle) = Obstacle::of(cause.as_ref()) {
        return blocked(obstacle);
    }
    let remedy = remedy(cause.as_ref());
    let usual = "check the free space and the permissions there, then run the same command again";
    Error::new(Kind::Destination, format!("{what}: {place}")).because(cause).hint(remedy.unwrap_or(usual))
}

/// The error where something else than a file or a folder is in the way.
pub(super) fn blocked(obstacle: &Obstacle) -> Error {
    Error::new(Kind::Unreadable, obstacle.to_string()).hint(
        "look who has put it there and move it away, or replace a link by what it leads to; then run the same command again",
    )
}

/// How often one may lose against other runs where another try takes a moment.
pub const ROUNDS: u32 = 100;

/// Tries again, so many times at most, while other runs come between and what was looked at is there no more: the attempt fails
/// with `Raced`, or brings nothing. An attempt looks anew each time.
///
/// # Errors
/// Those of the attempt; `Raced` where other runs keep writing at `place`.
pub fn unless_raced<T>(
    rounds: u32,
    place: impl FnOnce() -> String,
    mut attempt: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    for _ in 0..rounds {
        match attempt() {
            Ok(Some(done)) => return Ok(done),
            Err(error) if error.kind() != Kind::Raced => return Err(error),
            Ok(None) | Err(_) => {}
        }
    }
    Err(outrun(&place()))
}

/// The error of a run that has lost against others again and again.
pub fn outrun(place: &str) -> Error {
    Error::new(Kind::Raced, format!("other runs keep writing: {place}"))
        .hint("run the same command again when the other runs are done")
}

/// The error of a run that has lost against another one.
pub fn raced(place: &str) -> Error {
    Error::new(Kind::Raced, format!("another run has replaced the file meanwhile: {place}"))
        .hint("run the same command again when the other run is done")
}
