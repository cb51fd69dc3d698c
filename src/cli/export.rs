//! `export` and `backfill`: the commands that read the API.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::text::one_id;
use crate::words::range::Typed;
use crate::words::text::duration;

/// The flags of every run that reads the API.
#[derive(Debug, Clone, Args)]
pub struct Reading {
    /// Sessions of this meeting only; may be repeated
    #[arg(long = "meeting-id", value_name = "ID", value_parser = one_id)]
    pub meetings: Vec<String>,
    /// Begin anew, even if a stopped run could be continued
    #[arg(long)]
    pub fresh: bool,
    /// Write the numbers of the run to this file, for the node exporter's textfile collector
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<String>,
    /// Wait while another run is writing to the dataset, 30 minutes if no time is given
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "30m", value_parser = duration)]
    pub wait: Option<Duration>,
}

/// `rollbook export`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook export                              to ./rollbook-data\n  \
        rollbook export --dest /data/videosdk -q     every night, errors only\n  \
        rollbook export --dry-run --json             what a run would find")]
pub struct Export {
    /// Read the whole list, whatever earlier runs have covered
    #[arg(long)]
    pub full: bool,
    /// Which sessions of the list, and how the run begins
    #[command(flatten)]
    pub reading: Reading,
}

/// `rollbook backfill`
#[derive(Debug, Clone, Args)]
#[command(
    group = clap::ArgGroup::new("beginning").required(true).args(["from", "month", "day"]),
    after_help = "Examples:\n  \
        rollbook backfill --month 2026-10\n  \
        rollbook backfill --from 2026-10-01 --to 2026-10-08\n  \
        rollbook backfill --day 2026-10-31 --meeting-id abcd-efgh-ijkl"
)]
pub struct Backfill {
    /// The range begins here (included)
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// The range ends here (not included) [default: now]
    #[arg(long, value_name = "DATE", requires = "from")]
    pub to: Option<String>,
    /// Sessions that started in this month, such as 2026-10
    #[arg(long, value_name = "MONTH")]
    pub month: Option<String>,
    /// Sessions that started on this day, such as 2026-10-31
    #[arg(long, value_name = "DAY")]
    pub day: Option<String>,
    /// Which sessions of the list, and how the run begins
    #[command(flatten)]
    pub reading: Reading,
}

impl Backfill {
    /// The range as it was typed, for `Range::resolve` to read.
    #[must_use]
    pub fn typed(&self) -> Typed {
        let Self { from, to, month, day, reading: _ } = self.clone();
        Typed { from, to, month, day }
    }
}
