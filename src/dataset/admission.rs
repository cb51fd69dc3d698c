//! Before anything is written: the store is shown to be safe, and the dataset to be free.

use std::time::Instant;

use tokio::task::block_in_place;

use super::destination::Destination;
use super::lease::{self, Lease};
use crate::api::Clock;
use crate::error::Result;
use crate::signal::Stop;
use crate::store::probe;

/// The right to write, as soon as it is free; how long to wait for it is in the destination's terms. A dry run needs none.
///
/// # Errors
/// `Lease` where another run holds it; `Config` where the store does not honour conditions; a signal.
pub async fn admit(
    destination: &Destination,
    run_id: &str,
    clock: &Clock,
    stop: &Stop,
    dry_run: bool,
) -> Result<Option<Lease>> {
    if dry_run {
        return Ok(None);
    }
    let Destination { layout, terms, .. } = destination;
    if layout.store().folder().is_none() {
        block_in_place(|| probe(layout.store(), run_id))?;
    }
    let deadline = Instant::now() + terms.wait.unwrap_or_default();
    loop {
        if let Some(lease) = block_in_place(|| Lease::take(layout, run_id, *terms, clock))? {
            return Ok(Some(lease));
        }
        if Instant::now() >= deadline {
            return Err(lease::held(layout));
        }
        tracing::info!("waiting for another run that is writing to the dataset");
        tokio::select! {
            stopped = stop.wait() => return Err(stopped),
            () = tokio::time::sleep(lease::LOOK) => {}
        }
    }
}
