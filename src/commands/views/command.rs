//! `views`: from what was typed to SQL.

use std::sync::Arc;

use tokio::task::block_in_place;

use super::dialect::Dialect;
use super::script::script;
use super::source::{Records, Source, Through};
use crate::cli::{Views, Way};
use crate::commands::{Setting, Told};
use crate::dataset::admission;
use crate::dataset::destination::Destination;
use crate::dataset::gone;
use crate::dataset::lake::{Entry, Lake, Snapshot};
use crate::dataset::layout::Layout;
use crate::dataset::receipt::past;
use crate::error::{Error, Kind, Result};
use crate::words::stop::Stop;

/// Runs `rollbook views`: SQL for an engine's session, over the dataset as it is now.
pub fn views(setting: &Setting<'_>, views: &Views, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    let destination = Destination::open(config, environment, run_id, true, stop)?;
    let layout = &destination.layout;
    let records = block_in_place(|| {
        if layout.store().list("sessions")?.iter().any(|(path, _)| path.ends_with(".parquet")) {
            Ok(records(layout))
        } else {
            Err(admission::unless_under_way(admission::absent(layout), &destination, clock))
        }
    })?;
    let (place, engine) = (&config.dataset.url, views.engine);
    let source = Source::new(engine, place, records)?;
    let base = match views.through {
        Some(Way::Plain) => None,
        _ => block_in_place(|| Lake::open(layout, stop))?.and_then(|lake| lake.base()),
    };
    let source = source.through(way(views.through, base, layout)?);
    let text = script(&Dialect { engine, zone: views.zone.clone(), source }, &place.to_string());
    Ok(Told { text, error: None })
}

/// How the tables are read.
///
/// # Errors
/// `Config` where the dataset has no such snapshots.
fn way(asked: Option<Way>, base: Option<Arc<Snapshot>>, layout: &Layout) -> Result<Through> {
    let refused = |what: &str, format: &str| {
        Err(Error::new(Kind::Config, format!("{what}: {}", layout.place()))
            .hint(format!("set `[snapshots] format` to \"{format}\"; the next export makes the first one")))
    };
    match (asked, base) {
        (Some(Way::Plain), _) | (None, None) => Ok(Through::Plain),
        (Some(Way::Delta), Some(base)) if base.delta.is_some() => Ok(Through::Delta),
        (Some(Way::Delta), _) => refused("the dataset has no Delta logs", "delta"),
        (Some(Way::Snapshot), None) => refused("the dataset has no snapshots", "files"),
        (_, Some(base)) => {
            let paths = |entries: &Vec<Entry>| entries.iter().map(|entry| entry.path.clone()).collect();
            Ok(Through::Snapshot(base.tables.each_ref().map(paths)))
        }
    }
}

/// Which records are there. Who may read the tables only gets views of no rows in place of the records.
fn records(layout: &Layout) -> Records {
    let store = layout.store();
    let receipts = store.list(&Layout::own("runs")).map(|found| found.iter().any(|(path, _)| past::is_receipt(path)));
    let told = store.open(&gone::path()).map(|found| found.is_some());
    let or_none = |name: &str, found: Result<bool>| {
        found.unwrap_or_else(|error| {
            tracing::warn!("the view `{name}` has no rows, since its records can't be read: {}", error.line());
            false
        })
    };
    Records { receipts: or_none("runs", receipts), gone: or_none("gone", told) }
}
