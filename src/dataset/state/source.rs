//! Whose sessions a dataset holds.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::config::{Api, ApiVersion};

/// Where the sessions come from; a dataset holds those of one account, read from one version of the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The origin that is asked: `https://api.videosdk.live`, or `loopback` for all of this machine.
    pub base_url: String,
    /// Which version of the API the sessions are read from: `v1` or `v2`.
    pub api_version: String,
    /// The account that the credentials named, where they named one.
    pub account: Option<String>,
}

impl Source {
    /// The source of a run, by its settings and the account that its credentials name.
    pub fn new(api: &Api, account: Option<String>) -> Self {
        Self::of(version_name(api.version), &api.base_url, account)
    }

    /// All of loopback is one origin: the simulated API has another port each time.
    fn of(api_version: &str, base_url: &Url, account: Option<String>) -> Self {
        let loopback = matches!(base_url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"));
        let base_url = if loopback { "loopback".to_owned() } else { base_url.origin().ascii_serialization() };
        Self { base_url, api_version: api_version.to_owned(), account }
    }

    /// The source that a receipt names, for a run that stands in for what the receipt does not tell: the account.
    pub fn named(api_version: &str, base_url: &str, run: &Self) -> Option<Self> {
        Some(Self::of(api_version, &Url::parse(base_url).ok()?, run.account.clone()))
    }

    /// What keeps the sessions of a run out of a dataset that has this source, and one next step. The two versions of the
    /// API list the same sessions, but v1 has no status, no region and no custom id: it would empty these columns.
    pub fn refusal(&self, run: &Self) -> Option<(String, String)> {
        const ELSEWHERE: &str = "export to a new folder with --dest";
        let account = |source: &Self| source.account.clone().unwrap_or_else(|| "unknown".to_owned());
        if self.base_url != run.base_url {
            let what = format!("the dataset holds sessions from {}, and this run asks {}", self.base_url, run.base_url);
            Some((what, format!("{ELSEWHERE}, or use the --base-url that wrote this one")))
        } else if self.account != run.account {
            let (ours, others) = (account(self), account(run));
            let what =
                format!("the dataset holds the sessions of account `{ours}`, and the credentials are of `{others}`");
            Some((what, format!("{ELSEWHERE}, or use the credentials that wrote this one")))
        } else if self.api_version != run.api_version {
            let (ours, others) = (&self.api_version, &run.api_version);
            let what = format!("the dataset was read from {ours} of the API, and this run reads {others}");
            Some((what, format!("use `--api {ours}` (`api.version`), or {ELSEWHERE}")))
        } else {
            None
        }
    }
}

/// The name of a version in settings, states and receipts: `v1`.
pub const fn version_name(version: ApiVersion) -> &'static str {
    match version {
        ApiVersion::V1 => "v1",
        ApiVersion::V2 => "v2",
    }
}

/// The version of that name; `None` for a name that this version of rollbook does not know.
pub fn version_named(name: &str) -> Option<ApiVersion> {
    [ApiVersion::V1, ApiVersion::V2].into_iter().find(|version| version_name(*version) == name)
}
