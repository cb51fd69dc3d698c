//! `status`.

use std::time::Duration;

use clap::Args;

use crate::words::text::duration;

/// `rollbook status`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook status\n  \
        rollbook status --max-age 26h              exit code 3 if no export was proven for so long\n  \
        rollbook status --json | jq .last_proven.finished_at")]
pub struct Status {
    /// End with 3 if the last export that could show that nothing was missed (exit code 0) is older than this: 26h, 2d
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub max_age: Option<Duration>,
}
