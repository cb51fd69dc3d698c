//! What is tried again, how often and how long.

use std::time::Instant;

use super::*;
use crate::api::canned::{Step, answer, page, status};
use crate::error::Kind;

/// Serves `bad` once and a page after it, and expects the page.
async fn recovers(name: &str, bad: impl Fn() -> Step + Send + Sync + 'static) {
    let server = Canned::start(move |number, _| if number == 0 { bad() } else { page() }).await;
    let settings = Api { read_timeout: Duration::from_millis(200), ..settings(&server) };
    let reply = first(&client(&settings)).await;
    assert!(reply.is_ok(), "{name}: {}", reply.unwrap_err().render());
    assert_eq!(server.requests(), 2, "{name}");
}

#[tokio::test]
async fn statuses_that_may_pass_are_tried_again() {
    for code in [408, 425, 429, 500, 501, 502, 503, 504, 520] {
        recovers(&code.to_string(), move || status(&format!("{code} Later"), &[])).await;
    }
}

#[tokio::test]
async fn broken_answers_are_tried_again() {
    let json = format!("{{{}\"a\":1}}", " ".repeat(5000));
    let zipped = gzip(json.as_bytes());
    let gzipped = |bytes: &[u8]| answer("200 OK", &["Content-Encoding: gzip"], bytes);
    let mut damaged = zipped.clone();
    let end = damaged.len() - 6;
    damaged[end] ^= 0xff;

    recovers("closed at once", || Step::Cut(Vec::new())).await;
    recovers("cut in the head", || Step::Cut(b"HTTP/1.1 200 OK\r\nContent-".to_vec())).await;
    let whole = answer("200 OK", &[], &json);
    recovers("cut in the body", move || Step::Cut(whole[..3000].to_vec())).await;
    let whole = format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{json}").into_bytes();
    recovers("cut without a length", move || Step::Cut(whole[..3000].to_vec())).await;
    let cut = gzipped(&zipped[..zipped.len() - 9]);
    recovers("gzip cut", move || Step::Answer(cut.clone())).await;
    let wrong = gzipped(&damaged);
    recovers("gzip with a wrong checksum", move || Step::Answer(wrong.clone())).await;
    let no_gzip = gzipped(json.as_bytes());
    recovers("no gzip at all", move || Step::Answer(no_gzip.clone())).await;
    recovers("silence", || Step::Stall(Vec::new())).await;
    recovers("silence in the body", || Step::Stall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{".to_vec())).await;
    recovers("no HTTP", || Step::Cut(b"SSH-2.0-OpenSSH_9.6\r\n".to_vec())).await;
}

#[tokio::test]
async fn after_five_attempts_the_error_says_what_was_asked_and_why_it_failed() {
    let server = Canned::start(|_, _| Step::Answer(answer("503 Service Unavailable", &[], "\"under repair\""))).await;
    let error = first_error(&settings(&server)).await;
    assert_eq!((error.kind(), server.requests()), (Kind::Source, 5));
    assert_eq!(
        error.render(),
        "error: no usable answer after 5 attempts: GET /v1/meeting-sessions?page=1&perPage=100\n  \
         caused by: 503 Service Unavailable: under repair\n\
         hint: check the network and [api] base_url, or run the same command again later"
    );
}

#[tokio::test]
async fn what_is_never_json_breaks_the_contract_after_five_attempts() {
    for (text, shown) in
        [("<html>Welcome</html>", "<html>Welcome"), ("[1]", "[1]"), ("null", "null"), ("{\"a\":", "{\"a\":")]
    {
        let server = Canned::start(move |_, _| Step::Answer(answer("200 OK", &[], text))).await;
        let error = first_error(&settings(&server)).await;
        assert_eq!((error.kind(), server.requests()), (Kind::Contract, 5), "{text}");
        assert!(error.render().contains(shown), "{}", error.render());
    }
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_a_source_error() {
    let server = Canned::start(|_, _| page()).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = first_error(&Api { base_url: url.parse().unwrap(), ..settings(&server) }).await;
    assert_eq!(error.kind(), Kind::Source);
    let told = format!("cannot connect to {url}: Connection refused");
    assert!(error.render().contains(&told), "{}", error.render());
}

#[tokio::test]
async fn the_server_is_given_the_time_it_asks_for() {
    for header in ["Retry-After: 1", "Retry-After: Tue, 14 Nov 2023 22:13:21 GMT"] {
        let server = Canned::start(move |number, _| match number {
            0 => status("503 Service Unavailable", &[header]),
            _ => page(),
        })
        .await;
        let start = Instant::now();
        first(&client(&settings(&server))).await.unwrap();
        assert!(start.elapsed() >= Duration::from_secs(1), "{header}: {:?}", start.elapsed());
    }
}

#[tokio::test]
async fn a_wait_beyond_the_budget_is_an_error_at_once() {
    for header in [
        "Retry-After: 3600",
        "Retry-After: Tue, 14 Nov 2023 23:13:20 GMT",
        "Retry-After: 18446744073709551615",
        "Retry-After: 99999999999999999999999",
    ] {
        let server = Canned::start(move |_, _| status("429 Too Many Requests", &[header])).await;
        let error = first_error(&settings(&server)).await;
        assert_eq!((error.kind(), server.requests()), (Kind::Source, 1), "{header}");
        let text = error.to_string();
        assert!(text.contains("3600 s") || text.contains("18446744073709551615 s"), "{text}");
    }
}

#[tokio::test]
async fn one_request_never_takes_longer_than_its_budget() {
    let server = Canned::start(|_, _| Step::Stall(Vec::new())).await;
    let settings = Api { retry_budget: Duration::from_millis(300), ..settings(&server) };
    let start = Instant::now();
    let error = first_error(&settings).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(error.kind(), Kind::Source);
    assert!(error.render().contains("timed out"), "{}", error.render());
}

#[tokio::test]
async fn a_handshake_that_nobody_answers_is_given_up() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("https://{}", listener.local_addr().unwrap()).parse().unwrap();
    let server = Canned::start(|_, _| page()).await;
    let settings = Api { base_url, connect_timeout: Duration::from_millis(50), ..settings(&server) };
    let start = Instant::now();
    let error = first_error(&settings).await;
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert!(error.kind() == Kind::Source && error.render().contains("timed out"), "{}", error.render());
}

#[tokio::test]
async fn a_whole_attempt_is_bounded_even_when_bytes_keep_coming_late() {
    let late = || Step::Late(Duration::from_millis(400), answer("200 OK", &[], "{}"));
    let server = Canned::start(move |number, _| if number == 0 { late() } else { page() }).await;
    let settings = Api { request_timeout: Duration::from_millis(100), ..settings(&server) };
    first(&client(&settings)).await.unwrap();
    assert_eq!(server.requests(), 2);
}
