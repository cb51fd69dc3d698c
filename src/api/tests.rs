//! The client against a scripted server on a real socket.

mod answers;
mod credentials;
mod limits;
mod retries;
mod words;

use std::time::{Duration, UNIX_EPOCH};

use super::canned::Canned;
use super::retry::{Backoff, seeded};
use super::{Body, Client, Credentials, Failed, Filter, Secret, Single, Word};
use crate::config::{Api, ApiVersion};
use crate::error::{Error, Result};
use crate::list::{Asking, Request, Silence, Window};
use crate::words::clock::Clock;

const TOKEN: &str = "eyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJrIn0.c2lnbmF0dXJl";
const FIRST: Request = Request::documented(Window { size: 100, page: 1 }, 1);

/// Settings for this server, with limits that no test meets by chance.
fn settings(server: &Canned) -> Api {
    Api {
        version: ApiVersion::V1,
        base_url: format!("http://{}", server.address).parse().unwrap(),
        per_page: 100,
        concurrency: 8,
        requests_per_second: 0.0,
        max_requests: 0,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(10),
        request_timeout: Duration::from_secs(20),
        retry_budget: Duration::from_secs(30),
        max_body_bytes: 1 << 20,
    }
}

/// A clock that stands at 1,700,000,000 seconds since 1970: 2023-11-14, 22:13:20.
fn clock() -> Clock {
    Clock::new(|| UNIX_EPOCH + Duration::from_secs(1_700_000_000))
}

/// A client with the usual token that waits for milliseconds between attempts.
fn client(settings: &Api) -> Client {
    client_with(settings, Credentials::Token(Secret::new(TOKEN)))
}

fn client_with(settings: &Api, credentials: Credentials) -> Client {
    let backoff = Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(2), random: seeded(1) };
    Client::with_backoff(settings, credentials, clock(), backoff, false).unwrap()
}

/// Asks for the first page as a run does that can't do without it.
async fn first(client: &Client) -> Result<Body> {
    client.list(FIRST, &Filter::default()).await?.map_err(|failed| failed.error)
}

async fn first_error(settings: &Api) -> Error {
    first(&client(settings)).await.expect_err("an error")
}

/// The failure of a request that the walk is to hear of.
async fn failure(client: &Client, asking: Asking) -> Failed {
    let reply = client.list(Request { asking, ..FIRST }, &Filter::default()).await;
    reply.expect("a word").expect_err("no page")
}

/// A text compressed with gzip, as a server would send it.
fn gzip(text: &[u8]) -> Vec<u8> {
    use std::io::Write as _;

    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}
