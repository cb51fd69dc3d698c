//! A secret that is echoed is hidden, and the words around it are not.

use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran};

/// What a run with these credentials shows of a message of the API.
fn shown(message: &str, credentials: &[(&str, &str)], flags: &[&str]) -> Ran {
    let echo = || Canned::status(403).json(serde_json::json!({ "message": message }).to_string());
    let script = (1..=8).fold(Script::new(), |script, request| script.answer(request, echo()));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(3, 5, Shape::Plain)) });
    let mut command = bed.export(flags);
    command.env_remove("VIDEOSDK_TOKEN").envs(credentials.iter().copied());
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 4, "{ran:?}");
    ran
}

#[test]
fn a_short_token_eats_nothing_out_of_the_words_around_it() {
    for (token, message, expected) in [
        ("any", "no company in Germany has many sessions", "no company in Germany has many sessions"),
        ("any", "not a token: \"any\"", "not a token: \"[redacted]\""),
        ("x", "x is no token, expected another", "[redacted] is no token, expected another"),
        ("demo", "the demonstration of demo_1 has ended (demo)", "the demonstration of demo_1 has ended ([redacted])"),
    ] {
        for flags in [&[][..], &["-vv"], &["--log-format", "json"], &["--json"]] {
            let ran = shown(message, &[("VIDEOSDK_TOKEN", token)], flags);
            let said = ran.stderr.replace("\\\"", "\"");
            assert!(said.contains(expected), "{token} {flags:?}: {ran:?}");
        }
    }
}

#[test]
fn a_long_secret_is_hidden_wherever_it_stands() {
    let message = "prefix_hush-hush-hush_suffix, and key-id";
    let key = [("VIDEOSDK_API_KEY", "key-id"), ("VIDEOSDK_SECRET_KEY", "hush-hush-hush")];
    let ran = shown(message, &key, &["-vv"]);
    assert!(ran.stderr.contains("prefix_[redacted]_suffix, and key-id") && !ran.stderr.contains("hush"), "{ran:?}");
    let ran = shown("you sent opaque-token/opaque-token", &[("VIDEOSDK_TOKEN", "opaque-token")], &[]);
    assert!(ran.stderr.contains("you sent [redacted]/[redacted]"), "{ran:?}");
}

#[test]
fn a_token_in_place_of_the_path_of_its_file_is_not_shown() {
    let bed = Bed::new(Options::new(Account::new(3, 5, Shape::Plain)));
    let mut command = bed.export(&[]);
    let token = "eyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJrIn0.hush";
    let ran = Ran::of(command.env_remove("VIDEOSDK_TOKEN").env("VIDEOSDK_TOKEN_FILE", token).output().unwrap());
    let message = "error: cannot read the file named by VIDEOSDK_TOKEN_FILE: [redacted]\n";
    assert!(ran.code == 2 && ran.stderr.starts_with(message) && !ran.stderr.contains("hush"), "{ran:?}");
}
