//! `snapshots`.

use std::time::Duration;

use clap::{Args, Subcommand};

use crate::words::text::duration;

/// `rollbook snapshots`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook snapshots\n  \
        rollbook snapshots restore 12 --dry-run\n  \
        rollbook snapshots restore 12")]
pub struct Snapshots {
    /// What to do; without it, the snapshots are listed.
    #[command(subcommand)]
    pub task: Option<Task>,
}

/// What is done with snapshots.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Bring an older snapshot back, as a new one
    ///
    /// The plain files follow. The next export reads the whole list, so that nothing is missing afterwards that the API still
    /// lists. Refused where a purge, `[privacy]`, `[people]` or the schema version has changed since.
    Restore {
        /// The number of the snapshot
        number: u64,
        /// Wait while another run is writing to the dataset, 30 minutes if no time is given
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "30m", value_parser = duration)]
        wait: Option<Duration>,
    },
}
