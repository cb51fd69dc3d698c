//! Before anything is written: the store is shown to be safe, and the dataset to be free.

use tokio::task::block_in_place;

use super::destination::Destination;
use super::layout::Layout;
use super::lease::{self, Lease};
use super::published::Published;
use super::split::under_way;
use super::{receipt, state};
use crate::error::{Error, Kind, Result};
use crate::store::{Leftover, probe};
use crate::words::clock::Clock;
use crate::words::stop::Stop;

/// What somebody wants to do with a dataset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read from it and publish into it.
    Run,
    /// Put right what is wrong with it.
    Repair,
    /// To remove rows for good, whoever is publishing.
    Purge,
    /// To do a step of a split of it.
    Split,
}

/// The right to write, as soon as it is free; how long to wait for it is in the destination's terms. A dry run needs none; it is tried whether the dataset could be written.
/// What dead runs were writing goes.
///
/// # Errors
/// `Lease` where another run holds it, or a split is under way; `Config` where the store does not honour conditions; `Unreadable` where something is in
/// the way, unless it is to be repaired; `Destination`; a signal.
pub async fn admit(
    destination: &Destination,
    run_id: &str,
    clock: &Clock,
    stop: &Stop,
    purpose: Purpose,
) -> Result<Option<Lease>> {
    let Destination { layout, terms, .. } = destination;
    if destination.is_dry {
        return block_in_place(|| destination.try_out(run_id)).map(|()| None);
    }
    if layout.store().folder().is_none() {
        block_in_place(|| probe(layout.store(), run_id))?;
    }
    let lease = lease::obtain(layout, run_id, *terms, clock, stop).await?;
    let survey = layout.survey(true)?;
    for Leftover { path, error } in &survey.leftovers {
        if let Some(error) = error {
            tracing::warn!("what a dead run was writing stays ({error}): {}", layout.store().place(path));
        }
    }
    if purpose != Purpose::Repair {
        survey.refuse_obstacles()?;
    }
    if purpose == Purpose::Run {
        under_way::refuse(layout, clock)?;
    }
    Ok(Some(lease))
}

/// Refuses a place where no dataset is: neither files nor records.
///
/// # Errors
/// `Absent`, or `Lease` where a run is making it; `Destination`.
pub fn refuse_absent(destination: &Destination, clock: &Clock) -> Result<()> {
    let layout = &destination.layout;
    let has_state = || Ok(layout.store().open(&state::path())?.is_some());
    let has_records = || Ok(has_state()? || !receipt::past::named(layout)?.0.is_empty());
    if Published::versions(layout)?.is_empty() && !has_records()? {
        return Err(unless_under_way(absent(layout), destination, clock));
    }
    Ok(())
}

/// The error where a dataset is needed and none is there.
pub fn absent(layout: &Layout) -> Error {
    let where_else = match layout.store().folder() {
        Some(_) => "and that its disk is mounted",
        None => "and that it is the right bucket or container",
    };
    Error::new(Kind::Absent, format!("there is no dataset: {}", layout.place())).hint(format!(
        "check --dest and `dataset.url` (`rollbook config` shows what is in force), {where_else}; `rollbook export` makes one"
    ))
}

/// An error, or that the dataset is not there *yet*: a run is making it.
pub fn unless_under_way(error: Error, destination: &Destination, clock: &Clock) -> Error {
    let Destination { layout, terms, .. } = destination;
    let is_held = || block_in_place(|| lease::is_held(layout, *terms, clock)).is_ok_and(|is_held| is_held);
    if error.kind() != Kind::Absent || !is_held() {
        return error;
    }
    Error::new(Kind::Lease, format!("a first run is under way and has published nothing yet: {}", layout.place()))
        .hint("run the same command again when that run is done")
}
