//! A monitor that is told, by a request for a URL, that a run begins and how it ended. Nothing of the run is in these requests.
//!
//! Whoever knows the URL can report for the run, so nothing but its host is ever shown.

use std::time::Duration;

use tokio::time::sleep;
use url::Url;

use super::broken::describe;
use super::connect::bare;
use crate::config::is_loopback;
use crate::error::{Error, Kind, Result};

/// How long one try may take, from the first byte sent to the last one read.
const MOST: Duration = Duration::from_secs(10);
/// How often it is tried, and the wait in between.
const TRIES: u32 = 2;
const PAUSE: Duration = Duration::from_secs(1);

/// The monitor's URL, and the client that asks for it.
pub struct Monitor {
    http: reqwest::Client,
    url: Url,
}

impl Monitor {
    /// The monitor at the URL that the variable `name` holds.
    ///
    /// # Errors
    /// [`Kind::Config`] where that is no URL, or one that others on the way could read. The URL is not in it.
    pub fn at(text: &str, name: &str) -> Result<Self> {
        let is_safe = |url: &Url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
        let is_plain = |url: &Url| url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        let url = Url::parse(text.trim()).ok().filter(|url| is_safe(url) && is_plain(url));
        let url = url.ok_or_else(|| {
            Error::new(Kind::Config, format!("no URL of a monitor: {name}"))
                .hint("give the URL as the monitor shows it, with https:// (http:// for loopback addresses only)")
        })?;
        Ok(Self { http: bare(&url, MOST)?, url })
    }

    /// The host, which may be shown.
    pub fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// Asks for the URL, with a further piece of its path if there is one, such as `start`; twice if need be.
    ///
    /// # Errors
    /// What went wrong the last time, in one line without the URL.
    pub async fn tell(&self, piece: Option<&str>) -> Result<(), String> {
        let mut url = self.url.clone();
        if let (Some(piece), Ok(mut pieces)) = (piece, url.path_segments_mut()) {
            pieces.pop_if_empty().push(piece);
        }
        let mut failed = String::new();
        for attempt in 1..=TRIES {
            failed = match self.http.get(url.clone()).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => format!("status {}", answer.status()),
                Err(error) if error.is_timeout() => "timed out".to_owned(),
                Err(error) => describe(&error.without_url(), &url).cause,
            };
            if attempt < TRIES {
                sleep(PAUSE).await;
            }
        }
        Err(failed)
    }
}
