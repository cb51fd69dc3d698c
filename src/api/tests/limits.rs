//! Caps, rates and concurrency.

use std::time::Instant;

use futures_util::future::join_all;

use super::*;
use crate::api::canned::{Step, answer, page, status};
use crate::error::Kind;

#[tokio::test]
async fn a_body_over_the_cap_is_refused_however_it_comes() {
    const LIMIT: u64 = 10_000;
    let big = format!("{{{}\"a\":1}}", " ".repeat(9_994));
    let bomb = gzip(format!("{{{}\"a\":1}}", " ".repeat(50 << 20)).as_bytes());
    let answers = [
        answer("200 OK", &[], &big),
        format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{big}").into_bytes(),
        answer("200 OK", &["Content-Encoding: gzip"], &bomb),
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999\r\n\r\n".to_vec(),
    ];
    for (number, bytes) in answers.into_iter().enumerate() {
        let server = Canned::start(move |_, _| Step::Cut(bytes.clone())).await;
        let error = first_error(&Api { max_body_bytes: LIMIT, ..settings(&server) }).await;
        assert_eq!((error.kind(), server.requests()), (Kind::Contract, 1), "answer {number}: {}", error.render());
        assert!(error.to_string().contains("10000"), "{error}");
    }
}

#[tokio::test]
async fn a_body_of_just_the_cap_is_taken() {
    let text = format!("{{{}\"a\":1}}", " ".repeat(9_993));
    let server = Canned::start(move |number, _| {
        let (headers, body): (&[&str], _) = match number {
            0 => (&[], text.clone().into_bytes()),
            _ => (&["Content-Encoding: gzip"], gzip(text.as_bytes())),
        };
        Step::Answer(answer("200 OK", headers, body))
    })
    .await;
    let client = client(&Api { max_body_bytes: 10_000, ..settings(&server) });
    for _ in 0..2 {
        assert_eq!(first(&client).await.unwrap().bytes.len(), 10_000);
    }
}

#[tokio::test]
async fn no_more_requests_are_in_flight_than_allowed() {
    let late = || Step::Late(Duration::from_millis(20), answer("200 OK", &[], "{\"data\":[]}"));
    let server = Canned::start(move |_, _| late()).await;
    let client = client(&Api { concurrency: 3, ..settings(&server) });
    let replies = join_all((0..12).map(|_| first(&client))).await;
    assert!(replies.iter().all(Result::is_ok));
    assert_eq!((server.peak(), server.connections()), (3, 3));
}

#[tokio::test]
async fn requests_keep_the_set_rate() {
    let server = Canned::start(|_, _| page()).await;
    let client = client(&Api { requests_per_second: 50.0, ..settings(&server) });
    let start = Instant::now();
    join_all((0..6).map(|_| first(&client))).await;
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_rate_that_is_none_is_refused() {
    let server = Canned::start(|_, _| page()).await;
    for requests_per_second in [-1.0, f64::NAN, f64::INFINITY, f64::MIN_POSITIVE] {
        let settings = Api { requests_per_second, ..settings(&server) };
        let refused = Client::with_backoff(
            &settings,
            Credentials::Token(Secret::new(TOKEN)),
            clock(),
            Backoff::standard(),
            false,
        );
        assert_eq!(refused.err().map(|error| error.kind()), Some(Kind::Config), "{requests_per_second}");
    }
}

#[tokio::test]
async fn after_a_429_nobody_goes_out_until_it_has_passed() {
    let server = Canned::start(|number, _| match number {
        0 => status("429 Too Many Requests", &["Retry-After: 1"]),
        _ => page(),
    })
    .await;
    let client = client(&settings(&server));
    let start = Instant::now();
    let refused = first(&client);
    let other = async {
        while server.requests() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        first(&client).await
    };
    let (refused, other) = tokio::join!(refused, other);
    assert!(refused.is_ok() && other.is_ok());
    assert!(start.elapsed() >= Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(server.requests(), 3);
}

/// A server that takes one request each 20 ms, met by eight at once: the client must find the server's pace before any
/// request has spent its attempts.
#[tokio::test]
async fn a_tight_limit_costs_time_and_not_the_run() {
    let last = std::sync::Mutex::new(None::<Instant>);
    let server = Canned::start(move |_, _| {
        let mut last = last.lock().unwrap();
        if last.is_some_and(|last| last.elapsed() < Duration::from_millis(20)) {
            return status("429 Too Many Requests", &["Retry-After: 0"]);
        }
        *last = Some(Instant::now());
        page()
    })
    .await;
    let client = client(&settings(&server));
    let replies = join_all((0..40).map(|_| first(&client))).await;
    let failed: Vec<_> = replies.into_iter().filter_map(Result::err).map(|error| error.render()).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
