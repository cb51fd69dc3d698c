//! What is asked, and what each kind of answer becomes.

use super::*;
use crate::api::canned::{Step, answer, page, status};
use crate::error::Kind;

fn meeting(id: &str) -> Filter {
    Filter { meeting: Some(id.to_owned()), ..Filter::default() }
}

#[tokio::test]
async fn asks_as_documented() {
    let server = Canned::start(|_, _| page()).await;
    let client = client(&settings(&server));
    assert_eq!(&*first(&client).await.unwrap().bytes, b"{\"data\":[]}");
    client
        .list(Request::documented(Window { size: 98, page: 2 }, 2), &meeting("ywnm-eicr-d55x"))
        .await
        .unwrap()
        .unwrap();
    client.session("a/b").await.unwrap();
    let heads = server.heads();
    let lines: Vec<_> = heads.iter().map(|head| head.lines().next().unwrap()).collect();
    assert_eq!(
        lines,
        [
            "GET /v1/meeting-sessions?page=1&perPage=100 HTTP/1.1",
            "GET /v1/meeting-sessions?page=2&perPage=98&meetingId=ywnm-eicr-d55x HTTP/1.1",
            "GET /v1/meeting-sessions/a%2Fb HTTP/1.1",
        ]
    );
    let head = heads[0].to_ascii_lowercase();
    for line in ["user-agent: rollbook/", "accept-encoding: gzip\r\n", "cache-control: no-cache\r\n"] {
        assert!(head.contains(line), "{head}");
    }
    assert!(heads[0].contains(&format!("authorization: {TOKEN}\r\n")), "{}", heads[0]);
    assert_eq!(server.connections(), 1, "connections are kept");
}

#[tokio::test]
async fn v2_differs_in_its_paths_only() {
    let server = Canned::start(|_, _| page()).await;
    let settings = Api { version: ApiVersion::V2, ..settings(&server) };
    client(&settings).list(FIRST, &meeting("abcd")).await.unwrap().unwrap();
    assert!(server.heads()[0].starts_with("GET /v2/sessions?page=1&perPage=100&roomId=abcd "));
}

#[tokio::test]
async fn bodies_arrive_whole_in_every_framing() {
    let text = format!("{{\"data\":[{}]}}", "1234567890,".repeat(40_000));
    let expected = text.clone().into_bytes();
    let server = Canned::start(move |number, _| match number {
        0 => Step::Answer(answer("200 OK", &[], &text)),
        1 => Step::Answer(answer("200 OK", &["Content-Encoding: gzip"], gzip(text.as_bytes()))),
        2 => Step::Answer(chunked(&text)),
        _ => Step::Cut(format!("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{text}").into_bytes()),
    })
    .await;
    let client = client(&settings(&server));
    for framing in 0..4 {
        assert!(first(&client).await.unwrap().bytes == expected, "framing {framing}");
    }
    assert_eq!(server.requests(), 4);
}

/// A chunked answer, in chunks of 10,000 bytes.
fn chunked(text: &str) -> Vec<u8> {
    let mut bytes = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for chunk in text.as_bytes().chunks(10_000) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

#[tokio::test]
async fn an_unknown_session_is_an_answer_with_its_message_and_other_refusals_are_errors() {
    let server = Canned::start(|_, head| {
        let code = head.split(['/', ' ']).find(|part| part.len() == 3 && part.parse::<u16>().is_ok()).unwrap();
        Step::Answer(answer(&format!("{code} No"), &[], r#"{"message":"not\n here"}"#))
    })
    .await;
    let client = client(&settings(&server));
    for code in [402, 404, 410] {
        let reply = client.session(&code.to_string()).await.unwrap();
        let Single::Refused { status, message } = reply else { panic!("{reply:?}") };
        assert_eq!((status, message.as_str()), (code, r"not\n here"));
    }
    for (code, kind) in [(400, Kind::Source), (403, Kind::Credentials), (503, Kind::Source)] {
        let error = client.session(&code.to_string()).await.unwrap_err();
        assert_eq!((error.kind(), error.status()), (kind, Some(code)), "{error}");
    }
}

#[tokio::test]
async fn final_statuses_end_at_once_and_show_the_message() {
    for (code, kind) in [
        ("400 Bad Request", Kind::Source),
        ("402 Payment Required", Kind::Source),
        ("404 Not Found", Kind::Source),
        ("409 Conflict", Kind::Source),
        ("422 Unprocessable Entity", Kind::Source),
        ("401 Unauthorized", Kind::Credentials),
        ("403 Forbidden", Kind::Credentials),
    ] {
        let server =
            Canned::start(move |_, _| Step::Answer(answer(code, &[], r#"{"message":"because\n of this"}"#))).await;
        let error = first_error(&settings(&server)).await;
        assert_eq!((error.kind(), server.requests()), (kind, 1), "{code}");
        let text = error.render();
        for part in [code, "GET /v1/meeting-sessions?page=1&perPage=100", r"because\n of this", "hint: "] {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
async fn a_redirect_to_another_place_breaks_the_contract() {
    for (location, shown) in [
        (
            "https://user:hush@elsewhere.example/login?hush#hush",
            "(302 Found) to https://elsewhere.example/login: GET /v1",
        ),
        ("//elsewhere.example:8443/v1/meeting-sessions/", "to http://elsewhere.example:8443/v1/meeting-sessions/: "),
        ("/maintenance\u{9b}[31m", "/maintenance%C2%9B[31m: "),
        ("/v1/meeting-sessions?page=1", "/v1/meeting-sessions: GET"),
        ("/v1/meeting-sessions/?page=7", "/v1/meeting-sessions/: GET"),
        (&format!("/login/{TOKEN}/x"), "/login/[redacted]/x: "),
        ("mailto:hush", "a `mailto:` address: "),
    ] {
        let header = format!("Location: {location}");
        let server = Canned::start(move |_, _| status("302 Found", &[&header])).await;
        let error = first_error(&settings(&server)).await;
        let text = error.render();
        assert_eq!((error.kind(), error.status(), server.requests()), (Kind::Contract, Some(302), 1), "{text}");
        assert!(text.contains(shown) && !text.contains("hush") && !text.contains(TOKEN), "{text}");
    }
    let server = Canned::start(|_, _| status("301 Moved", &[])).await;
    assert!(first_error(&settings(&server)).await.to_string().contains("to no address: GET"));
}

#[tokio::test]
async fn a_slash_at_the_end_is_followed_and_remembered() {
    for code in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let server = Canned::start(move |_, head| {
            let path = head.split([' ', '?']).nth(1).unwrap();
            if path.ends_with('/') { page() } else { status(code, &[&format!("Location: {path}/")]) }
        })
        .await;
        let client = client(&settings(&server));
        for _ in 0..2 {
            first(&client).await.unwrap();
            assert!(matches!(client.session("a").await.unwrap(), Single::Found(_)));
        }
        let heads = server.heads();
        let targets: Vec<_> = heads.iter().map(|head| head.split(' ').nth(1).unwrap()).collect();
        let (list, session) = ("/v1/meeting-sessions/?page=1&perPage=100", "/v1/meeting-sessions/a/");
        let first = ["/v1/meeting-sessions?page=1&perPage=100", list, "/v1/meeting-sessions/a", session];
        assert_eq!(targets, [&first[..], &[list, session]].concat());
        assert!(heads.iter().all(|head| head.contains(TOKEN)));
    }
}

#[tokio::test]
async fn a_redirect_back_and_forth_ends() {
    let server = Canned::start(|_, head| {
        let path = head.split([' ', '?']).nth(1).unwrap();
        let other = path.strip_suffix('/').map_or_else(|| format!("{path}/"), str::to_owned);
        status("301 Moved Permanently", &[&format!("Location: {other}")])
    })
    .await;
    let error = first_error(&settings(&server)).await;
    assert_eq!((error.kind(), server.requests()), (Kind::Contract, 2), "{error}");
}
