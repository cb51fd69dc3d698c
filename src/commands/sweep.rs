//! Places that rollbook writes to and that may hold what must not stay: copies of what an object store has sent, and files in the
//! making, raw records among them.
//!
//! What can't be reached is named, so that nobody takes it for gone.

use crate::dataset::destination;
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::store::files::Below;
use crate::store::{self, Leftover, failed};

/// Removes what is on its way to a dataset. `stages`: folders where its rows may wait; adds to `unreached` what a run that is alive
/// keeps.
///
/// # Errors
/// `Destination` with the first thing that can't be removed, after all others are.
pub fn sweep(layout: &Layout, stages: &[Below], unreached: &mut Vec<String>) -> Result<()> {
    let mut result = Ok(());
    for folder in stages {
        result = result.and(sweep_copies(folder));
    }
    result = result.and(sweep_copies(&destination::temporary()));
    for Leftover { path, error } in layout.survey(true)?.leftovers {
        let place = layout.store().place(&path);
        match error {
            None => {
                tracing::warn!("a run that is alive is writing what may hold what must not stay: {place}");
                unreached.push(place);
            }
            Some(error) => result = result.and(Err(kept(&place, &error))),
        }
    }
    result
}

/// Where repairs have set files aside, if they have. These may be all that is left of some sessions, so a person must decide.
///
/// # Errors
/// `Destination`.
pub fn set_aside(layout: &Layout) -> Result<Option<String>> {
    let folder = Layout::own("damaged");
    let is_empty = layout.store().list(&folder)?.is_empty();
    Ok((!is_empty).then(|| layout.store().place(&folder)))
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
    Error::new(Kind::Destination, format!("what may hold what must not stay can't be removed ({why}): {place}"))
        .hint("remove it, or let this user remove it, then run the same command again")
}
