//! What a stopped run has left, told without opening it: nothing is locked, written or held against the rows.

use std::io;

use super::leftover::MOST_AGE;
use super::{Stage, identity, journal};
use crate::error::Result;
use crate::store::failed;
use crate::store::files::{Below, Folder};

/// A run that was stopped while it read, and can perhaps be gone on with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The first run that has staged here.
    pub run_id: String,
    /// The last run that had published before it, if one had.
    pub last_run: Option<String>,
    /// When it began, in microseconds.
    pub begun_at: i64,
    /// Until when it can be gone on with, in microseconds.
    pub until: i64,
    /// Sessions that it has read, repeated ones included.
    pub sessions: u64,
}

impl Stage {
    /// The run that has left answers in a folder, by the journal's own account; `None` where none has. Of a run that is alive
    /// it tells the same.
    ///
    /// # Errors
    /// `Destination`; `Unreadable` where no folder or no file is there.
    pub fn waiting(folder: &Below) -> Result<Option<Waiting>> {
        let waiting = folder.open().and_then(|folder| folder.as_ref().map_or(Ok(None), look));
        waiting.map_err(|error| failed("cannot read the stage", folder.place().display(), error))
    }
}

fn look(folder: &Folder) -> io::Result<Option<Waiting>> {
    let [_, identities, journal] = super::STAGED;
    let Some(header) = folder.open(journal)?.map(|journal| journal::glance(&journal)).transpose()?.flatten() else {
        return Ok(None);
    };
    let listed = folder.open(identities)?.map(|file| file.metadata()).transpose()?.map_or(0, |found| found.len());
    let journal::Header { run_id, last_run, begun_at, .. } = header;
    let (until, sessions) = (begun_at.saturating_add(MOST_AGE), listed / identity::BYTES as u64);
    Ok(Some(Waiting { run_id, last_run, begun_at, until, sessions }))
}
