//! Whose sessions a dataset holds.

use serde::{Deserialize, Serialize};

use crate::config::{Api, ApiVersion};

/// Where the sessions come from; a dataset holds those of one account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    base_url: String,
    api_version: String,
    account: Option<String>,
}

impl Source {
    /// The source of a run. All of loopback is one origin: the simulated API has another port each time.
    pub fn new(api: &Api, account: Option<String>) -> Self {
        let loopback = matches!(api.base_url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let base_url = if loopback { "loopback".to_owned() } else { api.base_url.origin().ascii_serialization() };
        Self { base_url, api_version: version_name(api.version).to_owned(), account }
    }

    /// Whether it lists the same sessions; two versions of the API do.
    pub fn is_same_account(&self, other: &Self) -> bool {
        (&self.base_url, &self.account) == (&other.base_url, &other.account)
    }
}

/// The version as it is written.
pub const fn version_name(version: ApiVersion) -> &'static str {
    match version {
        ApiVersion::V1 => "v1",
        ApiVersion::V2 => "v2",
    }
}
