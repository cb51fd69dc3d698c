//! `snapshots`: from what was typed to a list, or to a restore.

use tokio::task::block_in_place;

use super::list::List;
use super::restore;
use crate::cli::Global;
use crate::cli::snapshots::{Snapshots, Task};
use crate::commands::{Setting, Told};
use crate::dataset::admission;
use crate::dataset::destination::Destination;
use crate::dataset::lake::Lake;
use crate::error::Result;
use crate::words::stop::Stop;

/// Runs `rollbook snapshots`: lists them, or brings one back.
pub async fn snapshots(setting: &Setting<'_>, global: &Global, snapshots: &Snapshots, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    if let Some(Task::Restore { number, wait }) = &snapshots.task {
        let text = restore::restore(setting, global, *number, *wait, stop).await?;
        return Ok(Told { text, error: None });
    }
    let destination = Destination::open(config, environment, run_id, true, stop)?;
    block_in_place(|| {
        admission::refuse_absent(&destination, clock)?;
        let list = match Lake::open(&destination.layout, stop)? {
            Some(lake) => List::of(&config.dataset.url.to_string(), &lake)?,
            None => return Err(restore::none(&destination)),
        };
        Ok(Told { text: if global.json { list.json() } else { list.text() }, error: None })
    })
}
