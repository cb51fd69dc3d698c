//! Every other place that rollbook writes to and that may hold what was purged: stages, copies of what an object store has sent,
//! files in the making, raw records among them.
//!
//! What can't be reached is named, so that nobody takes it for gone.

use super::Job;
use crate::dataset::destination;
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::stage::Stage;
use crate::store::files::Below;
use crate::store::{self, Leftover, failed};

impl Job {
    /// Removes whatever waits or is on its way; adds what a run that is alive keeps.
    ///
    /// # Errors
    /// `Destination` with the first thing that can't be removed, after all others are.
    pub(super) fn sweep(&self, unreached: &mut Vec<String>) -> Result<()> {
        let mut result = Ok(());
        for folder in &self.stages {
            result = result.and(Stage::erase(folder)).and(sweep_copies(folder));
        }
        result = result.and(sweep_copies(&destination::temporary()));
        for Leftover { path, error } in self.layout.survey(true)?.leftovers {
            let place = self.layout.store().place(&path);
            match error {
                None => {
                    tracing::warn!("a run that is alive is writing what may hold what was purged: {place}");
                    unreached.push(place);
                }
                Some(error) => result = result.and(Err(kept(&place, &error))),
            }
        }
        result
    }

    /// What repairs have set aside may be all that is left of some sessions, so a person must decide.
    pub(super) fn set_aside(&self) -> Result<Option<String>> {
        let folder = Layout::own("damaged");
        if self.layout.store().list(&folder)?.is_empty() {
            return Ok(None);
        }
        let place = self.layout.store().place(&folder);
        tracing::warn!(
            "files that repairs have set aside may hold purged data; look at them, and remove them: {place}"
        );
        Ok(Some(place))
    }
}

/// Copies of what an object store had sent to runs that are dead.
fn sweep_copies(folder: &Below) -> Result<()> {
    let unread = |error| failed("cannot read the folder", folder.place().display(), error);
    let Some(opened) = folder.open().map_err(unread)? else { return Ok(()) };
    match store::sweep(&opened).map_err(unread)?.into_iter().next() {
        Some((place, error)) => Err(kept(&place.display().to_string(), &error.to_string())),
        None => Ok(()),
    }
}

fn kept(place: &str, why: &str) -> Error {
    Error::new(Kind::Destination, format!("what may hold what was purged can't be removed ({why}): {place}"))
        .hint("remove it, or let this user remove it, then run the same purge again")
}
