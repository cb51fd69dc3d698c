//! `export` and `backfill`: from what was typed to a run.

use super::Work;
use crate::cli::{Backfill, Export, Global};
use crate::commands::run::{Task, run};
use crate::commands::{Ended, Setting};
use crate::error::Result;
use crate::words::range::Range;
use crate::words::stop::Stop;

/// `export`
pub async fn export(setting: Setting<'_>, global: &Global, export: &Export, stop: Stop) -> Result<Ended> {
    let work = Work::Export { full: export.full, meetings: export.meetings.clone() };
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "export", work, dry_run, create_parents, fresh: export.fresh, wait: export.wait };
    run(task, setting, stop).await
}

/// `backfill`
pub async fn backfill(setting: Setting<'_>, global: &Global, backfill: &Backfill, stop: Stop) -> Result<Ended> {
    let range = Range::resolve(&backfill.typed(), setting.clock.micros())?;
    tracing::info!("sessions that started from {}", range.text());
    let work = Work::Backfill { range, meetings: backfill.meetings.clone() };
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "backfill", work, dry_run, create_parents, fresh: backfill.fresh, wait: backfill.wait };
    run(task, setting, stop).await
}
