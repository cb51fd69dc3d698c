//! Every bad input: its exit code and its message.

use std::time::Duration;

use rollbook::sim::{Account, Answer, Auth, Canned, Field, Options, PastEnd, Script, Shape};

use rollbook::tables::Table;

use crate::bed::{Bed, TOKEN, rollbook};

fn account() -> Options {
    Options::new(Account::new(3, 250, Shape::Plain))
}

fn scripted(script: Script) -> Options {
    Options { script, ..account() }
}

/// Exports and expects an exit code and a text on stderr.
fn expect(options: Options, code: i32, message: &str) -> Bed {
    let bed = Bed::new(options);
    let ran = bed.run(&[]);
    assert_eq!(ran.code, code, "{ran:?}");
    assert!(ran.stderr.contains(message), "{message:?} is not in: {}", ran.stderr);
    bed
}

#[test]
fn failures_that_pass_are_retried() {
    let reset = Script::new().answer(1, Answer::Reset).answer(3, Answer::Cut(40)).answer(5, Answer::Close);
    expect(scripted(reset), 0, "");
    for status in [408, 425, 429, 500, 502, 503] {
        expect(scripted(Script::new().answer(2, Answer::status(status))), 0, "");
    }
    let soon = Canned::status(429).header("Retry-After", "1");
    expect(scripted(Script::new().answer(2, soon)), 0, "");
    expect(scripted(Script::new().answer(1, Answer::body("text/html", "<html>busy</html>"))), 0, "");
    expect(scripted(Script::new().answer(2, Answer::body("application/json", "{\"pageInfo\": {}}"))), 0, "");
}

#[test]
fn final_statuses_show_the_servers_message() {
    let cases = [
        (400, r#"{"message": "bad page"}"#, 5, "bad page"),
        (401, r#"{"error": "Token is invalid"}"#, 4, "Token is invalid"),
        (402, r#"{"statusMessage": "pay \u001b[31mnow"}"#, 5, "pay "),
        (403, r#""not yours""#, 4, "not yours"),
        (404, r#"{"msg": "no such thing"}"#, 5, "no such thing"),
        (409, r"{}", 5, "409"),
    ];
    for (status, body, code, message) in cases {
        let canned = Canned::status(status).json(body);
        let bed = expect(scripted(Script::new().answer_every(1, 1, canned)), code, message);
        let ran = bed.run(&[]);
        assert!(ran.stderr.contains("hint: ") && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn failures_that_stay_end_the_run() {
    expect(scripted(Script::new().answer_every(1, 1, Answer::status(500))), 5, "500");
    let late = Canned::status(429).header("Retry-After", "3600");
    expect(scripted(Script::new().answer_every(1, 1, late)), 5, "3600");
    expect(scripted(Script::new().answer_every(2, 1, Answer::Reset)), 5, "no usable answer after ");
    expect(
        scripted(Script::new().answer_every(1, 1, Answer::redirect("https://elsewhere.example/x"))),
        5,
        "elsewhere.example",
    );
}

#[test]
fn what_is_no_page_of_sessions_is_never_no_sessions() {
    for body in ["<html>login</html>", "", "{}", r#"{"error": "x"}"#, r#"{"data": "none"}"#, r#"{"data": [1, "#, "[]"] {
        let answer = Answer::body("application/json", body);
        let start = if body.is_empty() { "an empty body" } else { body.trim() };
        let bed = expect(scripted(Script::new().answer_every(1, 1, answer)), 8, start);
        assert!(bed.files().is_empty(), "{body}");
    }
}

#[test]
fn a_bomb_does_not_fill_the_memory() {
    expect(scripted(Script::new().answer_every(1, 1, Answer::Bomb(200 << 20))), 8, "67108864");
}

#[test]
fn a_silent_server_is_given_up() {
    let bed = Bed::new(scripted(Script::new().answer_every(1, 1, Answer::Stall(Duration::from_mins(1)))));
    let mut command = bed.export(&[]);
    let ran = crate::bed::Ran::of(command.env("ROLLBOOK_API_READ_TIMEOUT", "200ms").output().unwrap());
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[test]
fn pages_that_lie_are_not_believed() {
    expect(scripted(Script::new().answer_page(2, Answer::Empty).times(1)), 0, "");
    expect(scripted(Script::new().answer_page(2, Answer::Short(30)).times(1)), 0, "");
    // What one page number never gives, others do.
    for answer in [Answer::Empty, Answer::Short(30)] {
        let bed = expect(scripted(Script::new().answer_page(2, answer)), 0, "");
        assert_eq!(bed.rows(Table::Sessions).len(), 250);
    }
    expect(scripted(Script::new().answer_every(1, 1, Answer::Short(30))), 3, "");
    expect(scripted(Script::new().answer_every(1, 1, Answer::Info(Field::Total, None))), 0, "");
    expect(scripted(Script::new().answer_every(1, 1, Answer::info(Field::Total, "\"250\""))), 0, "");
    expect(scripted(Script::new().answer_every(1, 1, Answer::info(Field::Total, "9999"))), 3, "");
    expect(Options { ignore_page: true, ..account() }, 8, "ignores `page`");
}

#[test]
fn caps_and_ends_of_every_kind_are_fine() {
    expect(Options { page_cap: Some(20), ..account() }, 0, "");
    for past_end in [PastEnd::Empty, PastEnd::NotFound404, PastEnd::BadRequest400, PastEnd::LastPage] {
        expect(Options { past_end, ..account() }, 0, "");
    }
    expect(Options { rate_limit: Some(50), ..account() }, 0, "");
    expect(Options { auth: Auth::Token(TOKEN.to_owned()), ..account() }, 0, "");
    expect(Options { auth: Auth::Token("another".to_owned()), ..account() }, 4, "401");
}

#[test]
fn settings_and_credentials_are_refused_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &[(&str, &str)], &str)] = &[
        (&["export"], &[], "no credentials"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("VIDEOSDK_API_KEY", "b")], "VIDEOSDK_"),
        (&["export"], &[("VIDEOSDK_TOKEN", "Bearer abc")], "Bearer"),
        (&["export", "--base-url", "http://example.com"], &[("VIDEOSDK_TOKEN", "a")], "https"),
        (&["export", "--base-url", "https://u:p@example.com/x"], &[("VIDEOSDK_TOKEN", "a")], "api.base_url"),
        (&["export", "--api", "v3"], &[("VIDEOSDK_TOKEN", "a")], "`v1` or `v2`"),
        (&["export", "--dest", "ftp://host/x"], &[("VIDEOSDK_TOKEN", "a")], "dataset.url"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_API_PERPAGE", "7")], "ROLLBOOK_API_PERPAGE"),
        (&["export", "--config", "missing.toml"], &[("VIDEOSDK_TOKEN", "a")], "missing.toml"),
        (&["export", "--nonsense"], &[], "--nonsense"),
        (&["simulate", "--listen", "0.0.0.0:0"], &[], "loopback"),
    ];
    for (arguments, environment, message) in cases {
        let output = rollbook(folder.path()).args(*arguments).envs(environment.iter().copied()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("u:p@"), "{arguments:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
