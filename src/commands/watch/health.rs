//! The monitor of `ROLLBOOK_HEALTHCHECK_URL`: asked for before a run and after it, as healthchecks.io and others want it.

use std::time::Duration;

use tokio::time::timeout;

use crate::api::Monitor;
use crate::config::{Environment, HEALTHCHECK};
use crate::error::Result;
use crate::words::stop::Stop;

/// How long it may take after a run that a signal has stopped.
const AFTER_A_SIGNAL: Duration = Duration::from_secs(5);

/// The monitor, if one is set.
///
/// # Errors
/// `Config` where its URL can't be used.
pub fn monitor(environment: &Environment) -> Result<Option<Monitor>> {
    environment.get(HEALTHCHECK).map(|text| Monitor::at(text, HEALTHCHECK)).transpose()
}

/// Says that a run begins.
pub async fn begins(monitor: &Monitor, stop: &Stop) {
    tell(monitor, Some("start"), stop).await;
}

/// Says how it ended.
pub async fn ended(monitor: &Monitor, exit_code: u8, stop: &Stop) {
    let code = exit_code.to_string();
    tell(monitor, (exit_code != 0).then_some(code.as_str()), stop).await;
}

/// A signal that comes meanwhile ends it.
async fn tell(monitor: &Monitor, piece: Option<&str>, stop: &Stop) {
    let telling = monitor.tell(piece);
    let told = if stop.requested().is_some() {
        timeout(AFTER_A_SIGNAL, telling).await.unwrap_or_else(|_| Err("timed out".to_owned()))
    } else {
        tokio::select! {
            biased;
            stopped = stop.wait() => Err(stopped.to_string()),
            told = telling => told,
        }
    };
    if let Err(why) = told {
        tracing::warn!("the monitor of {HEALTHCHECK} at {} was not told: {why}", monitor.host());
    }
}
