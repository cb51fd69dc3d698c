//! `rejects`.

use clap::Args;

/// `rollbook rejects`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
        rollbook rejects\n  \
        rollbook rejects --try                     what this version makes of them\n  \
        rollbook rejects --json | jq -r '.rejects[] | select(.raw != null) | .raw'")]
pub struct Rejects {
    /// Read the kept records once more with this version, and say what would become rows now
    #[arg(long = "try")]
    pub tries: bool,
}
