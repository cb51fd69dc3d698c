//! Before anything is written: the store is shown to be safe, and the dataset to be free.

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
    layout.store().heed(stop);
    if layout.store().folder().is_none() {
        block_in_place(|| probe(layout.store(), run_id))?;
    }
    lease::obtain(layout, run_id, *terms, clock, stop).await.map(Some)
}
