//! What the dataset itself says after a run, for the metrics: read anew, since the run may have failed, and within a bounded time.

use std::time::Duration;

use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::commands::{joined, status};
use crate::config::{Config, Environment};
use crate::dataset::destination::Destination;
use crate::dataset::receipt::newest;
use crate::dataset::state::{Covered, Found, State};
use crate::error::{Kind, Result};
use crate::words::stop;
use crate::words::timestamp;

/// How long the dataset may take to answer. A store that has failed a run need not answer at all.
const MOST: Duration = Duration::from_secs(10);

/// What a dataset says of itself; `None` where it says nothing, or can't be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Facts {
    /// Sessions without an end, as they were last seen.
    pub open_sessions: Option<u64>,
    /// The fence, in microseconds.
    pub fence: Option<i64>,
    /// When the last run was over that has shown that no session was missed, in microseconds.
    pub success: Option<i64>,
}

/// Reads a dataset. What can't be read is a warning.
pub async fn read(config: &Config, environment: &Environment, run_id: &str) -> Facts {
    let (stopper, stop) = stop::channel();
    let destination = match Destination::open(config, environment, run_id, true, &stop) {
        Ok(destination) => destination,
        Err(error) => return unread(&error.line()),
    };
    let reading = spawn_blocking(move || facts(destination));
    tokio::pin!(reading);
    let Ok(read) = timeout(MOST, &mut reading).await else {
        stopper.stop(Kind::Terminated); // whatever it waits for ends soon
        return unread(&format!("no answer within {} s", MOST.as_secs()));
    };
    match joined(read) {
        Ok(Ok(facts)) => facts,
        Ok(Err(error)) | Err(error) => unread(&error.line()),
    }
}

fn unread(why: &str) -> Facts {
    tracing::warn!("the metrics lack what only the dataset knows: {why}");
    Facts::default()
}

fn facts(mut destination: Destination) -> Result<Facts> {
    let Found::Known(state) = State::glance(&destination.layout)? else {
        let success = last_success(&destination)?;
        return Ok(Facts { success, ..Facts::default() });
    };
    if let Some(by) = state.partition_by() {
        destination.layout = destination.layout.cut(by);
    }
    Ok(Facts {
        open_sessions: status::open_sessions(&destination.layout, &state)?,
        fence: state.covered().and_then(Covered::fence),
        success: last_success(&destination)?,
    })
}

fn last_success(destination: &Destination) -> Result<Option<i64>> {
    let mut success = None;
    newest::each(&destination.layout, |_, run| {
        success = run.filter(newest::Run::is_proof).and_then(|run| timestamp::parse(&run.finished_at));
        success.is_some()
    })?;
    Ok(success)
}
