//! Who is told how a run ended, whatever ended it: a program of the operator's (`notify`).
//!
//! Nothing here changes how a run ends: a failure is a warning, and every wait has an end. A dry run tells nobody.

mod notify;

use std::time::Instant;

use super::Setting;
use crate::config::{Config, Environment};
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
    clock: Clock,
    begun: Instant,
    stop: Stop,
    is_dry: bool,
}

impl<'a> Watch<'a> {
    /// Watches a run that is about to begin: `export`, `backfill` or `purge`.
    pub fn over(command: &'static str, setting: &Setting<'a>, is_dry: bool, stop: &Stop) -> Self {
        let Setting { config, environment, clock, run_id, .. } = setting;
        Self {
            blank: Receipt::blank(run_id, command, &config.api, clock),
            config: config.clone(),
            environment,
            clock: clock.clone(),
            begun: Instant::now(),
            stop: stop.clone(),
            is_dry,
        }
    }

    /// Looks, before the run, whether those can be told who are to be told.
    pub fn begin(&self) {
        if !self.is_dry {
            notify::warn_if_missing(&self.config.notify, self.environment);
        }
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
        let receipt = closed(receipt.unwrap_or(self.blank), ended);
        if receipt.exit_code != 0 {
            notify::tell(&self.config.notify, self.environment, &receipt, &self.stop).await;
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
