//! `export` and `backfill`: from what was typed to a run.

use super::Work;
use crate::cli::{Backfill, Export, Global};
use crate::commands::run::{Task, run};
use crate::commands::{Ended, Setting};
use crate::error::Result;
use crate::words::range::Range;
use crate::words::stop::Stop;

/// Runs `rollbook export`: back to the fence where that can be, else the whole list.
pub async fn export(setting: Setting<'_>, global: &Global, export: &Export, stop: Stop) -> Result<Ended> {
    let work = Work::Export { full: export.full, meetings: export.reading.meetings.clone() };
    run(Task::new("export", work, global, &export.reading), setting, stop).await
}

/// Runs `rollbook backfill`: the sessions that started in a range of dates, such as `--month 2026-10`.
pub async fn backfill(setting: Setting<'_>, global: &Global, backfill: &Backfill, stop: Stop) -> Result<Ended> {
    let range = Range::resolve(&backfill.typed(), setting.clock.micros())?;
    tracing::info!("sessions that started from {}", range.text());
    let work = Work::Backfill { range, meetings: backfill.reading.meetings.clone() };
    run(Task::new("backfill", work, global, &backfill.reading), setting, stop).await
}
