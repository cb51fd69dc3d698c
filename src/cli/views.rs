//! `views`.

use clap::{Args, ValueEnum};

use super::zone::zone;

/// `rollbook views`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook views --engine duckdb > views.sql && duckdb -init views.sql\n  \
        rollbook views --engine spark --zone Asia/Kolkata > views.sql && spark-sql -i views.sql\n  \
        rollbook views --engine duckdb --dest s3://bucket/path\n  \
        rollbook views --engine spark --through delta")]
pub struct Views {
    /// The engine that the SQL is for
    #[arg(long, value_enum, value_name = "ENGINE")]
    pub engine: Engine,
    /// The time zone of days and hours: a name of the IANA database, such as Asia/Kolkata
    #[arg(long, value_name = "ZONE", default_value = "UTC", value_parser = zone)]
    pub zone: String,
    /// Through what the tables are read [default: snapshot where the dataset has snapshots, else plain]
    #[arg(long, value_enum, value_name = "WAY")]
    pub through: Option<Way>,
}

/// Through what an engine reads the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// The plain files at their fixed names.
    Plain,
    /// The immutable files of a snapshot: in DuckDB of the one that is current when the SQL is run, in Spark of the one that is
    /// current when it is printed.
    Snapshot,
    /// The Delta logs, each table for itself.
    Delta,
}

/// An engine that reads the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// DuckDB, from 1.5 on.
    #[value(name = "duckdb")]
    DuckDb,
    /// Spark, from 4.0 on.
    Spark,
}
