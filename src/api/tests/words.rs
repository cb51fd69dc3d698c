//! What a failed request is worth to a walk, by how it was meant.

use std::time::Instant;

use super::*;
use crate::api::canned::{Step, answer, page, status};
use crate::error::Kind;

const REFUSING: [u16; 5] = [400, 404, 410, 416, 422];

/// A server that answers everything with this.
async fn always(bytes: Vec<u8>) -> Canned {
    Canned::start(move |_, _| Step::Answer(bytes.clone())).await
}

/// A status without a body.
fn code(status: u16) -> Vec<u8> {
    answer(&format!("{status} Said"), &[], "")
}

#[tokio::test]
async fn a_refused_page_is_an_answer_however_it_is_meant() {
    for status in REFUSING {
        for asking in [Asking::Documented, Asking::Probe, Asking::WrongToken] {
            let server = always(answer(&format!("{status} No"), &[], r#"{"message":"no such page"}"#)).await;
            let Failed { word, error, .. } = failure(&client(&settings(&server)), asking).await;
            assert_eq!((word, server.requests()), (Word::Nothing { status }, 1), "{asking:?}");
            assert_eq!(error.kind(), Kind::Source);
            assert!(error.render().contains("no such page") && error.render().contains("hint: "), "{}", error.render());
        }
    }
}

#[tokio::test]
async fn a_documented_page_that_the_server_cannot_give_now_is_no_word_on_the_list() {
    let odd = |text: &str| answer("200 OK", &[], text);
    for (bytes, silence, requests, kind) in [
        (code(500), Silence::Status(500), 5, Kind::Source),
        (code(503), Silence::Status(503), 5, Kind::Source),
        (code(408), Silence::Status(408), 5, Kind::Source),
        (code(413), Silence::Status(413), 1, Kind::Source),
        (code(414), Silence::Status(414), 1, Kind::Source),
        (odd(""), Silence::Bare, 3, Kind::Contract),
        (odd("\r\n"), Silence::Bare, 3, Kind::Contract),
        (odd("{ }"), Silence::Bare, 3, Kind::Contract),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Silence::Bare, 3, Kind::Contract),
    ] {
        let server = always(bytes.clone()).await;
        let failed = failure(&client(&settings(&server)), Asking::Documented).await;
        let name = String::from_utf8_lossy(&bytes);
        assert_eq!((failed.word, server.requests()), (Word::Silent(silence), requests), "{name}");
        assert_eq!(failed.error.kind(), kind, "{name}: {}", failed.error.render());
    }
}

#[tokio::test]
async fn silence_and_broken_connections_are_told_apart() {
    let cut = || Step::Cut(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"data\":".to_vec());
    let stall = || Step::Stall(Vec::new());
    for (asking, requests) in [(Asking::Documented, 5), (Asking::Probe, 2)] {
        let server = Canned::start(move |_, _| cut()).await;
        let word = failure(&client(&settings(&server)), asking).await.word;
        assert_eq!((word, server.requests()), (Word::Silent(Silence::Broken), requests));
        let server = Canned::start(move |_, _| stall()).await;
        let settings = Api { read_timeout: Duration::from_millis(50), ..settings(&server) };
        let word = failure(&client(&settings), asking).await.word;
        assert_eq!((word, server.requests()), (Word::Silent(Silence::Late), requests));
    }
}

#[tokio::test]
async fn only_failures_that_all_requests_share_end_a_run() {
    for (status, kind, requests) in [
        (402, Kind::Source, 1),
        (405, Kind::Source, 1),
        (409, Kind::Source, 1),
        (429, Kind::Source, 5),
        (401, Kind::Credentials, 1),
        (403, Kind::Credentials, 1),
    ] {
        let server = always(code(status)).await;
        let reply = client(&settings(&server)).list(FIRST, &Filter::default()).await;
        assert_eq!(reply.unwrap_err().kind(), kind, "{status}");
        assert_eq!(server.requests(), requests, "{status}");
    }
    let server = always(answer("200 OK", &[], "<html>Sign in</html>")).await;
    let reply = client(&settings(&server)).list(FIRST, &Filter::default()).await;
    assert_eq!((reply.unwrap_err().kind(), server.requests()), (Kind::Contract, 5));
    let server = always(answer("503 Later", &["Retry-After: 3600"], "")).await;
    let reply = client(&settings(&server)).list(FIRST, &Filter::default()).await;
    assert_eq!((reply.unwrap_err().kind(), server.requests()), (Kind::Source, 1));
}

#[tokio::test]
async fn a_probe_is_tried_twice_and_never_ends_a_run() {
    let odd = |text: &str| answer("200 OK", &[], text);
    let page = Request::probe(Window { size: 100, page: 9 }, 9);
    for (bytes, silence, requests) in [
        (code(500), Silence::Status(500), 2),
        (code(503), Silence::Status(503), 2),
        (code(429), Silence::Status(429), 2),
        (answer("429 Slow", &["Retry-After: 0"], ""), Silence::Status(429), 2),
        (code(402), Silence::Status(402), 1),
        (code(405), Silence::Status(405), 1),
        (code(413), Silence::Status(413), 1),
        (answer("302 Found", &["Location: https://elsewhere.example/"], ""), Silence::Status(302), 1),
        (odd("<html>"), Silence::Shape, 2),
        (odd(&format!("{{\"data\":\"{}\"}}", "x".repeat(2 << 20))), Silence::Shape, 1),
        (odd("{}"), Silence::Bare, 2),
        (odd(""), Silence::Bare, 2),
        (b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(), Silence::Bare, 2),
    ] {
        let server = always(bytes.clone()).await;
        let reply = client(&settings(&server)).list(page, &Filter::default()).await;
        let name = String::from_utf8_lossy(&bytes[..bytes.len().min(99)]).into_owned();
        let word = reply.expect(&name).expect_err(&name).word;
        assert_eq!((word, server.requests()), (Word::Silent(silence), requests), "{name}");
    }
}

#[tokio::test]
async fn a_probe_is_answered_by_its_second_try() {
    let server = Canned::start(|number, _| if number == 0 { status("500 Oops", &[]) } else { page() }).await;
    let reply = client(&settings(&server)).list(Request { asking: Asking::Probe, ..FIRST }, &Filter::default()).await;
    assert!(reply.unwrap().is_ok());
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_probe_does_not_wait_as_long_as_a_server_may_ask() {
    let server = always(answer("429 Slow", &["Retry-After: 3600"], "")).await;
    let client = client(&settings(&server));
    let begun = Instant::now();
    assert_eq!(failure(&client, Asking::Probe).await.word, Word::Silent(Silence::Status(429)));
    assert_eq!(server.requests(), 1);
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    // The next request keeps away for a while, but for no hour.
    let late = tokio::time::timeout(Duration::from_secs(1), first(&client)).await;
    assert!(late.is_err(), "asked too soon");
}

#[tokio::test]
async fn others_keep_away_for_as_long_as_a_probe_was_told_to() {
    let server = Canned::start(|number, _| match number {
        0 | 1 => status("503 Later", &["Retry-After: 1"]),
        _ => page(),
    })
    .await;
    let client = client(&settings(&server));
    let begun = Instant::now();
    assert_eq!(failure(&client, Asking::Probe).await.word, Word::Silent(Silence::Status(503)));
    first(&client).await.unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(2), "{:?}", begun.elapsed());
    assert_eq!(server.requests(), 3);
}

#[tokio::test]
async fn a_probe_that_is_refused_is_weighed_against_the_first_page() {
    for refusal in [401, 403] {
        for (probe, control) in [
            (Request::probe(Window { size: 50, page: 9 }, 9), "page=1&perPage=50"),
            (Request::probe(Window { size: 50, page: 9 }, 8), "page=0&perPage=50"),
            (Request::probe(Window { size: 50, page: 1 }, 0), "page=1&perPage=50"),
        ] {
            // The token is good, but the page is refused.
            let server =
                Canned::start(move |number, _| if number == 0 { Step::Answer(code(refusal)) } else { page() }).await;
            let reply = client(&settings(&server)).list(probe, &Filter::default()).await;
            assert_eq!(reply.unwrap().unwrap_err().word, Word::Silent(Silence::Status(refusal)));
            assert_eq!(server.requests(), 2);
            assert!(server.heads()[1].contains(control), "{}", server.heads()[1]);

            let server = always(code(refusal)).await;
            let reply = client(&settings(&server)).list(probe, &Filter::default()).await;
            assert_eq!((reply.unwrap_err().kind(), server.requests()), (Kind::Credentials, 2));
        }
    }
}

#[tokio::test]
async fn a_wrong_token_is_sent_alone_and_its_refusal_is_an_answer() {
    for refusal in [401, 403] {
        let server =
            Canned::start(move |_, head| if head.contains(TOKEN) { page() } else { Step::Answer(code(refusal)) }).await;
        let client = client(&settings(&server));
        assert_eq!(failure(&client, Asking::WrongToken).await.word, Word::Denied);
        first(&client).await.unwrap();
        let heads = server.heads();
        assert_eq!(heads.len(), 2);
        assert_eq!(heads[0].lines().next(), heads[1].lines().next(), "the same request");
        assert!(heads[0].contains("authorization: eyJ") && !heads[0].contains(TOKEN), "{}", heads[0]);
    }
}

#[tokio::test]
async fn a_server_that_takes_any_token_gives_itself_away() {
    let server = Canned::start(|_, _| page()).await;
    let request = Request { asking: Asking::WrongToken, ..FIRST };
    assert!(client(&settings(&server)).list(request, &Filter::default()).await.unwrap().is_ok());
    for (bytes, word, requests) in [
        (code(404), Word::Nothing { status: 404 }, 1),
        (code(500), Word::Silent(Silence::Status(500)), 2),
        (answer("200 OK", &[], "{}"), Word::Silent(Silence::Bare), 2),
    ] {
        let server = always(bytes).await;
        assert_eq!(failure(&client(&settings(&server)), Asking::WrongToken).await.word, word);
        assert_eq!(server.requests(), requests);
    }
}

#[tokio::test]
async fn the_time_of_an_answer_is_the_servers() {
    let dated = |date: &str| answer("200 OK", &[date], "{\"data\":[]}");
    for (date, at) in
        [("Date: Sun, 06 Nov 1994 08:49:37 GMT", Some(784_111_777_000_000)), ("Date: soon", None), ("X: y", None)]
    {
        let server = always(dated(date)).await;
        assert_eq!(first(&client(&settings(&server))).await.unwrap().at, at, "{date}");
    }
}

#[tokio::test]
async fn the_server_chooses_the_size_where_that_is_wanted() {
    let server = Canned::start(|_, _| page()).await;
    let request = Request { own_size: true, ..FIRST };
    client(&settings(&server)).list(request, &Filter::default()).await.unwrap().unwrap();
    assert!(server.heads()[0].starts_with("GET /v1/meeting-sessions?page=1 HTTP"), "{}", server.heads()[0]);
}
