//! Where a dataset has snapshots: what makes the rows of a run visible, and what goes afterwards.

use std::sync::Arc;
use std::time::Duration;

use super::{Publication, Round};
use crate::dataset::lake::{Author, Lake, Terms};
use crate::error::Result;

/// What makes a run's rows visible all at once.
pub struct Snapshots {
    pub lake: Arc<Lake>,
    pub author: Author,
    /// How long a snapshot is kept after a newer one has taken its place.
    pub keep: Duration,
}

impl Publication {
    /// Where there are snapshots, a complete round becomes visible here, all at once.
    pub(super) fn commit(&mut self, round: Round) -> Result<Round> {
        if let (Some(Snapshots { lake, author, .. }), Round::Complete) = (&self.lake, &round) {
            self.refuse_if_purged()?;
            lake.commit(author, None)?;
            self.committed = lake.base().map(|base| base.snapshot);
        }
        Ok(round)
    }

    /// Removes snapshots that are kept no longer, and what no snapshot may hold any more.
    pub(super) fn forget(&self) -> Result<()> {
        let Some(Snapshots { lake, author, keep }) = &self.lake else { return Ok(()) };
        lake.forget(&Terms { keep: *keep, now: author.clock.micros(), purges: false, alone: self.alone })
    }
}
