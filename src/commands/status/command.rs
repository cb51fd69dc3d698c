//! `status`: from what was typed to a report.

use std::time::Duration;

use tokio::task::block_in_place;

use super::report;
use crate::cli::{Global, Status};
use crate::commands::{Setting, Told};
use crate::dataset::destination::Destination;
use crate::error::{Error, Kind, Result};
use crate::words::ago;
use crate::words::stop::Stop;

/// Runs `rollbook status`: what the dataset holds, how its last runs went; an error where `--max-age` is exceeded.
pub fn status(setting: &Setting<'_>, global: &Global, status: &Status, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    let mut destination = Destination::open(config, environment, run_id, true, stop)?;
    let found = block_in_place(|| super::look(&mut destination, config, clock, stop))?;
    let text = if global.json { found.json() } else { found.text() };
    Ok(Told { text, error: status.max_age.and_then(|max_age| too_old(&found, max_age)) })
}

/// The error where nothing was proven for longer than that.
fn too_old(found: &report::Status, max_age: Duration) -> Option<Error> {
    let most = i64::try_from(max_age.as_micros()).unwrap_or(i64::MAX);
    let proven_at = found.proven_at();
    if proven_at.is_some_and(|ended| found.now.saturating_sub(ended) <= most) {
        return None;
    }
    let last = proven_at.map_or_else(|| "never".to_owned(), |ended| ago::at(ended, found.now));
    let what = format!("no export has ended with exit code 0 for more than {}; the last did: {last}", ago::of(max_age));
    let next = match &found.last {
        Some(run) if run.exit_code != 0 => {
            "see how the last run ended (the receipt in `_rollbook/runs` tells), then run `rollbook export`"
        }
        _ => "look whether the nightly `rollbook export` is still started, and run it",
    };
    Some(Error::new(Kind::Unproven, what).hint(next))
}
