//! `init`.

use clap::Args;

use crate::config::{Override, Source};

/// `rollbook init`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook init                                  asks, and writes ./rollbook.toml\n  \
        rollbook init --yes --dest s3://bucket/data    asks nothing\n  \
        rollbook init --dry-run                        prints what would be written")]
pub struct Init {
    /// How sessions are cut into partitions: none, month or day [default: month]
    #[arg(long, value_name = "CUT")]
    pub partition_by: Option<String>,
    /// Sessions that started earlier get no rows: a day, a month or a time, UTC [default: all get rows]
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
    /// Ask nothing: what no flag says stays at its default
    #[arg(long)]
    pub yes: bool,
    /// Overwrite a settings file that is there
    #[arg(long)]
    pub force: bool,
}

impl Init {
    /// The settings among its own flags.
    pub fn settings(&self) -> Vec<Override> {
        let values = [
            ("dataset.partition_by", &self.partition_by, Source::Flag("--partition-by")),
            ("dataset.since", &self.since, Source::Flag("--since")),
        ];
        let given = |(name, value, source): (_, &Option<String>, _)| {
            value.clone().map(|value| Override { name, value, source })
        };
        values.into_iter().filter_map(given).collect()
    }
}
