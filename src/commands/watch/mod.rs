//! Who is told how a run ended, whatever ended it.
//!
//! ```text
//! metrics   a file of numbers for Prometheus       facts   what the dataset says, for that file
//! health    a monitor that expects to hear of runs  notify  a program of the operator's, after a failure
//! ```
//!
//! Nothing here changes how a run ends: a failure is a warning, and every wait has an end. A dry run tells nobody.

mod facts;
mod health;
mod metrics;
mod notify;

use std::time::Instant;

use super::Setting;
use crate::api::Monitor;
use crate::config::{Config, Environment, Notify};
use crate::dataset::receipt::Receipt;
use crate::error::Result;
use crate::words::clock::Clock;
use crate::words::stop::Stop;

/// One run that is watched.
pub struct Watch<'a> {
    /// A receipt for a run that fails before it has one of its own.
    blank: Receipt,
    config: Config,
    environment: &'a Environment,
    /// Nothing of these may be shown.
    secrets: Vec<String>,
    monitor: Option<Monitor>,
    clock: Clock,
    begun: Instant,
    stop: Stop,
    is_dry: bool,
}

impl<'a> Watch<'a> {
    /// Watches a run that is about to begin: `export`, `backfill` or `purge`.
    pub fn over(command: &'static str, setting: &Setting<'a>, is_dry: bool, stop: &Stop) -> Self {
        let Setting { config, environment, variables, clock, run_id, .. } = setting;
        Self {
            blank: Receipt::blank(run_id, command, &config.api, clock),
            config: config.clone(),
            environment,
            secrets: environment.secrets(variables),
            monitor: None,
            clock: clock.clone(),
            begun: Instant::now(),
            stop: stop.clone(),
            is_dry,
        }
    }

    /// Says that the run begins, and looks whether those can be told who are to be told of its end.
    ///
    /// # Errors
    /// `Config` where a file or a URL is named that can be none.
    pub async fn begin(&mut self) -> Result<()> {
        if self.is_dry {
            return Ok(());
        }
        let Notify { metrics_file, .. } = &self.config.notify;
        notify::warn_if_missing(&self.config.notify, self.environment);
        self.monitor = health::monitor(self.environment)?;
        metrics_file.as_deref().map_or(Ok(()), metrics::refuse_impossible)?;
        if let Some(monitor) = &self.monitor {
            health::begins(monitor, &self.stop).await;
        }
        Ok(())
    }

    /// Tells how the run ended. `receipt`: none of a run that failed before it had one.
    pub async fn end(mut self, receipt: Option<Receipt>, ended: &Result<u8>) {
        if self.is_dry {
            return;
        }
        self.blank.finish(&self.clock, self.begun.elapsed());
        if let Err(error) = ended {
            self.blank.close(Some(error), error.outcome());
        }
        let receipt = closed(receipt.unwrap_or_else(|| self.blank.clone()), ended);
        self.count(&receipt).await;
        if let Some(monitor) = &self.monitor {
            health::ended(monitor, receipt.exit_code, &self.stop).await;
        }
        if receipt.exit_code != 0 {
            let Self { config, environment, secrets, stop, .. } = &self;
            notify::tell(&config.notify, environment, secrets, &receipt, stop).await;
        }
    }

    /// Writes the numbers of the run, if they are wanted.
    async fn count(&self, receipt: &Receipt) {
        let Some(path) = &self.config.notify.metrics_file else { return };
        let facts = facts::read(&self.config, self.environment, &receipt.run_id).await;
        let text = metrics::text(receipt, &self.config.dataset.url.to_string(), &self.secrets, facts);
        if let Err(error) = metrics::replace(path, &text, &receipt.run_id) {
            tracing::warn!("the metrics cannot be written: {}: {error}", path.display());
        }
    }
}

/// The receipt with the exit code of the process, which is another one where nothing could be printed.
fn closed(mut receipt: Receipt, ended: &Result<u8>) -> Receipt {
    if let Some(error) = ended.as_ref().err().filter(|error| error.kind().exit_code() != receipt.exit_code) {
        receipt.close(Some(error), error.outcome());
    }
    receipt
}
