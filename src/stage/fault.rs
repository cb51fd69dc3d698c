//! Why staged rows could not be written or read.

use std::path::Path;

use crate::error::Error;
use crate::store::failed;
use crate::words::foreign::Cause;

/// Why staged rows could not be written or read.
#[derive(Debug, thiserror::Error)]
pub(super) enum StageError {
    /// The disk, or the file system, refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// Arrow can't make batches of the bytes.
    #[error(transparent)]
    Arrow(#[from] arrow_schema::ArrowError),
    /// A segment that ends before its three batches do.
    #[error("a staged segment is incomplete")]
    Torn,
    /// What its reader makes of other bytes than were written.
    #[error(transparent)]
    Foreign(Cause),
    /// What failed that was done with it.
    #[error(transparent)]
    Else(Error),
}

impl StageError {
    /// The error of a run. `what` could not be done with the stage at a place.
    pub fn at(self, what: &str, place: &Path) -> Error {
        match self {
            Self::Else(error) => error,
            Self::Io(error) => failed(what, place.display(), error),
            other => failed(what, place.display(), other),
        }
    }
}
