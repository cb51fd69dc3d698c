//! `report`.

use std::path::PathBuf;

use clap::Args;

use super::text::{not_blank, one_id};
use super::zone::zone;

/// `rollbook report`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook report                                        writes rollbook-report.html\n  \
        rollbook report --zone Europe/Berlin --from 2026-10 --to 2026-11 -o october.html\n  \
        rollbook report --meeting-id abcd-efgh-ijkl --csv numbers")]
pub struct Report {
    /// The page to write; one that is there is replaced
    #[arg(short, long, value_name = "FILE", default_value = "rollbook-report.html")]
    pub output: PathBuf,
    /// Write the numbers as CSV files into this folder, too
    #[arg(long, value_name = "FOLDER")]
    pub csv: Option<PathBuf>,
    /// Sessions that started at this time or later: a day or a month in the zone, or a time
    #[arg(long, value_name = "DATE")]
    pub from: Option<String>,
    /// Sessions that started before this
    #[arg(long, value_name = "DATE")]
    pub to: Option<String>,
    /// Sessions of this meeting only; may be repeated
    #[arg(long = "meeting-id", value_name = "ID", value_parser = one_id)]
    pub meetings: Vec<String>,
    /// Draw the timeline of this session, in place of the busiest ones; may be repeated
    #[arg(long = "session", value_name = "ID", value_parser = not_blank)]
    pub sessions: Vec<String>,
    /// The time zone of days and hours: a name of the IANA database, such as Europe/Berlin
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub zone: String,
}
