//! `views`: from what was typed to SQL.

use tokio::task::block_in_place;

use super::dialect::Dialect;
use super::script::script;
use super::source::{Records, Source};
use crate::cli::Views;
use crate::commands::{Setting, Told};
use crate::dataset::admission;
use crate::dataset::destination::Destination;
use crate::dataset::gone;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::past;
use crate::error::Result;
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
    let text = script(&Dialect { engine, zone: views.zone.clone(), source }, &place.to_string());
    Ok(Told { text, error: None })
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
