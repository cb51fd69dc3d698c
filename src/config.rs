//! What a run is told to do: defaults < file < environment < flags, resolved once.

use std::path::PathBuf;
use std::time::Duration;

/// Which version of the sessions API is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiVersion {
    /// `GET /v1/meeting-sessions`.
    #[default]
    V1,
    /// `GET /v2/sessions`.
    V2,
}

/// `[api]`: where the sessions come from, and how hard the API may be pressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// v1 or v2.
    pub version: ApiVersion,
    /// The origin only; the documented paths are appended.
    pub base_url: url::Url,
    /// Rows asked for in one page.
    pub per_page: u32,
    /// Requests in flight at most.
    pub concurrency: usize,
    /// Client-side limit; 0 is none.
    pub requests_per_second: f64,
    /// For the TCP and TLS handshake.
    pub connect_timeout: Duration,
    /// For each read of a response: the longest silence.
    pub read_timeout: Duration,
    /// For one attempt as a whole.
    pub request_timeout: Duration,
    /// For one request with all its retries.
    pub retry_budget: Duration,
    /// Decoded bytes of one response at most.
    pub max_body_bytes: u64,
}

/// How the dataset is cut into partitions, by the sessions' start in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionBy {
    /// One partition.
    None,
    /// `start_month=2026-11`.
    #[default]
    Month,
    /// `start_date=2026-11-23`.
    Day,
}

/// From which evidence on a run is counted as proven (exit 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Accept {
    /// `twice` and `chain`.
    #[default]
    Twice,
    /// `total` too.
    Total,
}

/// `[dataset]`: where the tables go, and what is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// A local folder.
    pub url: String,
    /// The partitions.
    pub partition_by: PartitionBy,
    /// New rejects that a run may have before it exits with 3.
    pub max_rejects: u64,
    /// Whether fields unknown to this version are kept in `extra`.
    pub keep_unknown_fields: bool,
}

/// All settings in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[api]`
    pub api: Api,
    /// `[dataset]`
    pub dataset: Dataset,
    /// `[stage] dir`: where rows wait before they are published; beside the dataset when `None`.
    pub stage_dir: Option<PathBuf>,
}
