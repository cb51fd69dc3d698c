//! `verify`.

use std::time::Duration;

use clap::Args;

use crate::words::share::Share;
use crate::words::text::duration;

/// `rollbook verify`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook verify\n  \
        rollbook verify --sample 10% --json          every night\n  \
        rollbook verify --repair --dry-run           what would be set aside\n  \
        rollbook verify --accept sessions/start_month=2026-11/part-0.parquet")]
#[command(group = clap::ArgGroup::new("writes").args(["repair", "accept"]).multiple(true))]
pub struct Verify {
    /// Check the rows of about this share of the partitions only, another share after each run that publishes; all files
    /// are still read and hashed
    #[arg(long, value_name = "SHARE")]
    pub sample: Option<Share>,
    /// Set the files of damaged partitions aside, and say which range to export again
    #[arg(long)]
    pub repair: bool,
    /// Accept a file whose bytes no record knows, if its rows are sound; may be repeated
    #[arg(long, value_name = "PATH", conflicts_with_all = ["repair", "sample"])]
    pub accept: Vec<String>,
    /// With --repair or --accept: wait while another run is writing to the dataset, 30 minutes if no time is given
    #[arg(long, value_name = "DURATION", requires = "writes", num_args = 0..=1, default_missing_value = "30m", value_parser = duration)]
    pub wait: Option<Duration>,
}
