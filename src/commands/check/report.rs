//! What `check` found, for a machine and for a person.

use std::fmt::Write as _;

use serde::Serialize;

use crate::api::Validity;
use crate::terminal::summary::grouped;
use crate::walk::Evidence;
use crate::words::redact::{self, shown};
use crate::words::{ago, timestamp};

/// What was found. Field names are a contract.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Sessions in the list, by its own account.
    pub total: Option<i64>,
    /// Whether every answer gave the same.
    pub total_is_stable: bool,
    /// The number of the first page.
    pub first_page: u64,
    /// Sessions asked for in one page, and given.
    pub page_size_asked: u64,
    /// See above; `None` where the list is shorter than a page.
    pub page_size_given: Option<u64>,
    /// How the page size that was asked for is refused, in words; `None` where it is not.
    pub page_size_refused: Option<String>,
    /// Whether a page of another size is given as asked for.
    pub sizes_are_honoured: bool,
    /// Whether the first page is newest first.
    pub newest_first: bool,
    /// What page 0 brings, in words: sessions, a status, or why there was no answer.
    pub page_zero: String,
    /// What a page behind the end brings, in words.
    pub behind_the_end: String,
    /// The median time of an answer, in milliseconds.
    pub latency_ms: u64,
    /// The strongest evidence that a run can reach; in a list that is not newest first, while nothing changes.
    pub evidence: Evidence,
}

/// What a run is told: whom it asks, and as whom.
#[derive(Debug, Clone, Serialize)]
pub struct Caller<'a> {
    /// The origin that is asked: `https://api.videosdk.live`.
    pub base_url: &'a str,
    /// Which version of the API is read: `v1` or `v2`.
    pub api_version: &'static str,
    /// The account that the credentials name; `None` where they name none.
    pub account: Option<&'a str>,
    /// When the token ends, RFC 3339; `None` where it says nothing of that, or tokens are made as needed.
    pub token_expires_at: Option<String>,
    /// The same for a person: `accepted, ends 2026-11-27T08:00:00Z, in 23 h`.
    #[serde(skip)]
    pub token: String,
}

impl<'a> Caller<'a> {
    /// From the settings and the credentials; `now` in microseconds since 1970, UTC.
    pub fn new(
        base_url: &'a str,
        api_version: &'static str,
        account: Option<&'a str>,
        validity: Validity,
        now: i64,
    ) -> Self {
        let (token, token_expires_at) = match validity {
            Validity::Renewed => ("accepted; made from the key and renewed as needed".to_owned(), None),
            Validity::Unstated => ("accepted; the token says nothing of its end".to_owned(), None),
            Validity::Until(end) => (format!("accepted; ends {}", ago::at(end, now)), Some(timestamp::text(end))),
        };
        Self { base_url, api_version, account, token_expires_at, token }
    }
}

/// What a run would do with the dataset.
#[derive(Debug, Clone, Copy)]
pub struct Would<'a> {
    /// Where the dataset is, as a person would find it: a path, or a place such as `s3://bucket/folder`.
    pub place: &'a str,
    /// Whether a run could write the dataset, as a trial has shown.
    pub writable: bool,
    /// What would be read from the API; `None` where the dataset's state can't be reached.
    pub read: Option<&'a str>,
}

impl Report {
    /// The report as one JSON object, for scripts; ends in a line break.
    pub fn json(&self, caller: &Caller<'_>, would: &Would<'_>) -> String {
        #[derive(Serialize)]
        struct Checked<'a> {
            #[serde(flatten)]
            caller: &'a Caller<'a>,
            #[serde(flatten)]
            report: &'a Report,
            dataset: &'a str,
            writable: bool,
            would: Option<&'a str>,
        }
        let Would { place, writable, read } = *would;
        redact::document(&Checked { caller, report: self, dataset: place, writable, would: read })
    }

    /// The report for a person, a fact a line, such as `latency         82 ms`.
    pub fn text(&self, caller: &Caller<'_>, would: &Would<'_>) -> String {
        let total = self.total.and_then(|total| u64::try_from(total).ok());
        let total = total.map_or_else(|| "not given".to_owned(), grouped);
        let stable = if self.total_is_stable { "the same in every answer" } else { "changing while it was asked for" };
        let given = self.page_size_given.map_or_else(String::new, |given| format!(", {given} given"));
        let refused =
            self.page_size_refused.as_ref().map_or_else(String::new, |refused| format!(", refused: {refused}"));
        let sizes =
            if self.sizes_are_honoured { "pages of other sizes are given as asked for" } else { "one page size only" };
        let order = if self.newest_first { "newest first" } else { "not newest first" };
        let ground = self.evidence.row().ground;
        let ground = if self.newest_first {
            ground.to_owned()
        } else {
            format!("{ground}; only while nothing changes, since the list is not newest first")
        };
        let mut text = String::new();
        for (name, value) in [
            ("api", format!("{}, {}", caller.base_url, caller.api_version)),
            ("account", caller.account.map_or_else(|| "not named by the token".to_owned(), shown)),
            ("token", caller.token.clone()),
            ("sessions", format!("{total}, {stable}")),
            ("first page", self.first_page.to_string()),
            ("page 0", self.page_zero.clone()),
            ("page size", format!("{} asked for{refused}{given}; {sizes}", self.page_size_asked)),
            ("order", order.to_owned()),
            ("behind the end", self.behind_the_end.clone()),
            ("latency", format!("{} ms", self.latency_ms)),
            ("evidence", format!("{}: {ground}", self.evidence.row().name)),
            ("dataset", format!("{}, {}", would.place, if would.writable { "writable" } else { "NOT WRITABLE" })),
            ("would read", would.read.unwrap_or("not known, since the dataset can't be reached").to_owned()),
        ] {
            let _ = writeln!(text, "{name:<16}{value}");
        }
        text
    }
}
