//! `purge`.

use std::time::Duration;

use clap::{Args, ValueHint};

use super::text::not_blank;
use crate::words::text::duration;

/// `rollbook purge`
#[derive(Debug, Clone, Args)]
#[command(
    group = clap::ArgGroup::new("what").required(true).multiple(true).args(["before", "ids", "names", "list", "take_back"]),
    override_usage = "rollbook purge [OPTIONS] <--before <DATE>|--participant-id <ID>|--participant-name <NAME>>\n       \
        rollbook purge [OPTIONS] <--list|--take-back <NUMBER>>",
    after_help = "Examples:\n  \
        rollbook purge --before 2024-01-01 --dry-run             what would go\n  \
        rollbook purge --before 2024-01-01                       sessions that started before 2024\n  \
        rollbook purge --participant-name 'Ann Lee' --dry-run    what would go, and names like it\n  \
        rollbook purge --participant-name 'Ann Lee'              a person, however the name was typed\n  \
        rollbook purge --list                                    the rules in force"
)]
pub struct Purge {
    /// Sessions that started before this day, month or time; sessions that start earlier are never exported again
    #[arg(long, value_name = "DATE")]
    pub before: Option<String>,
    /// The entries of participants with this id; may be repeated
    #[arg(long = "participant-id", value_name = "ID", value_parser = not_blank)]
    pub ids: Vec<String>,
    /// The entries with this name, however it was typed: small or capital letters, one blank or several, accents as one
    /// character or two; may be repeated
    #[arg(long = "participant-name", value_name = "NAME", value_parser = not_blank)]
    pub names: Vec<String>,
    /// Only the entries whose name is this one, character for character
    #[arg(long, requires = "names")]
    pub exact: bool,
    /// Keep a name or id out of later runs even if nothing in the dataset matches it, without a question
    #[arg(long)]
    pub yes: bool,
    /// List the rules in force: number, kind, when, how much was removed, which receipt tells of it
    #[arg(long, conflicts_with_all = ["before", "ids", "names", "take_back", "yes", "wait"])]
    pub list: bool,
    /// End the rule with this number, if nothing was removed by it; the next export reads everything
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["before", "ids", "names", "yes"])]
    pub take_back: Option<u32>,
    /// Write the numbers of the run to this file, for the node exporter's textfile collector
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub metrics_file: Option<String>,
    /// Wait while another run is writing to the dataset, 30 minutes if no time is given
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "30m", value_parser = duration)]
    pub wait: Option<Duration>,
}
