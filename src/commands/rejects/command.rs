//! `rejects`: from what was typed to a report.

use tokio::task::block_in_place;

use super::found::Found;
use super::report::Report;
use crate::cli::{Global, Rejects};
use crate::commands::{Setting, Told};
use crate::dataset::admission;
use crate::dataset::destination::Destination;
use crate::dataset::state::{Found as FoundState, State};
use crate::error::Result;
use crate::words::stop::Stop;

/// Runs `rollbook rejects`: lists the records that could not be read, and with `--try` reads them once more.
pub fn rejects(setting: &Setting<'_>, global: &Global, rejects: &Rejects, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    let mut destination = Destination::open(config, environment, run_id, true, stop)?;
    let found = block_in_place(|| {
        // However the dataset is cut: that matters only for whether there is one.
        if let Ok(FoundState::Known(state)) = State::glance(&destination.layout)
            && let Some(by) = state.partition_by()
        {
            destination.layout = destination.layout.cut(by);
        }
        admission::refuse_absent(&destination, clock)?;
        Found::read(&destination.layout, clock.micros(), rejects.tries, stop)
    })?;
    let dataset = config.dataset.url.to_string();
    let report = Report { dataset: &dataset, found: &found, tries: rejects.tries };
    Ok(Told { text: if global.json { report.json() } else { report.text() }, error: None })
}
