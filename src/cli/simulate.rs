//! `demo` and `simulate`: the commands with a simulated account.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::sim::Per;
use crate::words::text::duration;

/// So many sessions an account can be simulated with: its list is in memory.
const MOST_SESSIONS: u64 = 100_000_000;

/// `rollbook demo`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rollbook demo\n  \
    rollbook demo --sessions 100000 --dest /tmp/demo\n  \
    duckdb -c \"from './rollbook-demo/sessions/*/*.parquet'\"\n\n\
    The dataset is ./rollbook-demo unless --dest is given, whatever the settings say. The demo can be run again.")]
pub struct Demo {
    /// Sessions of the simulated account
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(..=MOST_SESSIONS))]
    pub sessions: u64,
}

/// `rollbook simulate`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    rollbook simulate --sessions 100000 --latency 50ms\n  \
    VIDEOSDK_TOKEN=any rollbook export --base-url http://127.0.0.1:8787\n  \
    rollbook simulate --churn 2 --fail-every 20 --rate-limit 50    a busy account on a bad day\n  \
    rollbook simulate --refuse-above 50 --reject-every 100         a server with limits and odd records\n\n\
    The API asks for the token in VIDEOSDK_TOKEN where that is set, else it takes any.")]
pub struct Simulate {
    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,
    /// Sessions of the account
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(..=MOST_SESSIONS))]
    pub sessions: u64,
    /// Another number gives another account
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Largest page that is served, whatever was asked for [default: no cap]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub per_page_cap: Option<u32>,
    /// Wait before each answer, such as 50ms
    #[arg(long, value_name = "DURATION", default_value = "0ms", value_parser = duration)]
    pub latency: Duration,
    /// Answer 429 beyond so many requests a second [default: no limit]
    #[arg(long, value_name = "RPS", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate_limit: Option<u32>,
    /// Whose requests --rate-limit counts together
    #[arg(long, value_enum, default_value_t = Per::Key, value_name = "WHAT")]
    pub rate_limit_per: Per,
    /// Refuse pages of more than this many rows with 400 [default: never]
    #[arg(long, value_name = "ROWS", value_parser = clap::value_parser!(u64).range(1..))]
    pub refuse_above: Option<u64>,
    /// Fail every Nth request for the list with 503 [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub fail_every: Option<u64>,
    /// List every Nth session as a record that can't be read whole [default: never]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub reject_every: Option<u64>,
    /// Sessions that begin, end or vanish before each answer
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub churn: u64,
    /// Compress answers where the client accepts that
    #[arg(long)]
    pub gzip: bool,
    /// Build all pages before listening, for measurements
    #[arg(long)]
    pub prepared: bool,
}
