//! The HTTP client under the client: TLS, proxies, timeouts, connections. No request is known here.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use super::endpoint::Endpoint;
use crate::config::{self, is_loopback};
use crate::error::{Error, Kind, Result};

/// As which program it asks.
const USER_AGENT: &str = concat!("rollbook/", env!("CARGO_PKG_VERSION"));

/// A client for this endpoint: kept-alive connections for all concurrent requests, HTTP/2 where the server offers it,
/// no redirects, no retries, no decoding of its own. This machine is reached directly, other hosts through the system's proxy if there is one.
pub(super) fn connect(settings: &config::Api, endpoint: &Endpoint) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers())
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .tcp_nodelay(true)
        .pool_max_idle_per_host(settings.concurrency.max(1))
        .connect_timeout(settings.connect_timeout)
        .read_timeout(settings.read_timeout)
        .timeout(settings.request_timeout);
    if endpoint.is_loopback() {
        builder = builder.no_proxy();
    }
    build(builder, endpoint.is_https())
}

/// A client for one URL that is asked for now and then, and answers within `most`; on the way as [`connect`] has it.
pub(super) fn bare(url: &Url, most: Duration) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .timeout(most);
    if is_loopback(url) {
        builder = builder.no_proxy();
    }
    build(builder, url.scheme() == "https")
}

fn build(builder: reqwest::ClientBuilder, is_https: bool) -> Result<reqwest::Client> {
    let builder = if is_https {
        // Whoever installed a provider first is as good; then this one is not needed.
        let _ = ring::default_provider().install_default();
        builder.https_only(true)
    } else {
        builder.tls_backend_preconfigured(no_roots()?)
    };
    builder.build().map_err(|error| cannot_start(error.without_url()))
}

/// Every page must be as it is now, so no cache on the way may answer.
fn headers() -> HeaderMap {
    HeaderMap::from_iter([
        (ACCEPT, HeaderValue::from_static("application/json")),
        (ACCEPT_ENCODING, HeaderValue::from_static("gzip")),
        (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ])
}

/// TLS that trusts nobody: plain requests to this machine never use it, and loading the system's certificates costs time and
/// fails where there are none.
fn no_roots() -> Result<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(cannot_start)?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

fn cannot_start(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(Kind::Config, "cannot set up the HTTP client")
        .because(error)
        .hint("check that this machine's CA certificates are installed (SSL_CERT_FILE names another file)")
}
