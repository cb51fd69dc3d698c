//! Every bad input: its exit code and its message.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Answered, Auth, Canned, Clock, Field, Number, Options, Script, Shape, Slash};

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::python::measured;

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
    // A second by the server's clock, whatever this machine's clock says.
    for day in ["Sun, 06 Nov 1994", "Mon, 06 Nov 2124"] {
        let date = |second| format!("{day} 08:49:{second} GMT");
        let until = Canned::status(503).header("Date", date(37)).header("Retry-After", date(38));
        let (bed, begun) = (Bed::new(scripted(Script::new().answer(2, until))), Instant::now());
        let ran = bed.run(&[]);
        assert!(ran.code == 0 && begun.elapsed() >= Duration::from_secs(1), "{:?}: {ran:?}", begun.elapsed());
    }
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
        (404, r#"{"msg": "no such thing"}"#, 3, "no such thing"),
        (409, r"{}", 5, "409"),
    ];
    for (status, body, code, message) in cases {
        let canned = Canned::status(status).json(body);
        let bed = expect(scripted(Script::new().answer_every(1, 1, canned)), code, message);
        let ran = bed.run(&[]);
        assert!((code == 3 || ran.stderr.contains("hint: ")) && !ran.stderr.contains('\u{1b}'), "{ran:?}");
    }
}

#[test]
fn failures_that_stay_end_the_run() {
    expect(scripted(Script::new().answer_every(1, 1, Answer::status(500))), 5, "500");
    let late = Canned::status(429).header("Retry-After", "3600");
    expect(scripted(Script::new().answer_every(1, 1, late)), 5, "3600");
    expect(scripted(Script::new().answer_every(2, 1, Answer::Reset)), 5, "no usable answer after ");
    expect(
        scripted(Script::new().answer_every(1, 1, Answer::redirect("https://elsewhere.example/x?hush"))),
        8,
        "elsewhere.example/x: GET",
    );
}

#[test]
fn a_slash_at_the_end_of_a_path_is_followed_and_costs_one_request() {
    let requests = |slash, version| {
        let bed = Bed::new(Options { slash, ..account() });
        let ran = bed.run(&["--json", "--api", version]);
        assert_eq!((ran.code, &ran.receipt()["sessions"]), (0, &250.into()), "{ran:?}");
        bed.server.requests()
    };
    for version in ["v1", "v2"] {
        let slash = Slash { wanted: true, status: 301 };
        let (with, without) = (requests(Some(slash), version), requests(None, version));
        // All that were under way before the first answer may be redirected.
        assert!((1..=8).contains(&(with.count - without.count)), "{} {}", with.count, without.count);
        assert!(with.log.iter().all(|request| request.authorized));
    }
}

#[test]
fn what_is_no_page_of_sessions_is_never_no_sessions() {
    // Nothing at all may be an account without sessions, but not where a wrong token brings the same.
    for body in ["", "{}"] {
        let answer = Answer::body("application/json", body);
        let bed = Bed::new(scripted(Script::new().answer_every(1, 1, answer)));
        let ran = bed.run(&[]);
        assert!(ran.code == 3 && ran.stdout.contains("another address"), "{ran:?}");
        assert_eq!(bed.rows(Table::Sessions).len(), 0, "{body}");
    }
    for body in ["<html>login</html>", r#"{"error": "x"}"#, r#"{"data": "none"}"#, r#"{"data": [1, "#, "[]"] {
        let answer = Answer::body("application/json", body);
        let shown = match body {
            r#"{"error": "x"}"# => "it says: x",
            _ => body.trim(),
        };
        let bed = expect(scripted(Script::new().answer_every(1, 1, answer)), 8, shown);
        assert!(bed.files().is_empty(), "{body}");
    }
}

#[test]
fn a_bomb_does_not_fill_the_memory() {
    expect(scripted(Script::new().answer_every(1, 1, Answer::Bomb(200 << 20))), 8, "67108864");
    // A mebibyte is all that may be read of it, so memory must stay near what an idle run needs.
    let bed = Bed::new(scripted(Script::new().answer_every(1, 1, Answer::Bomb(500 << 20))));
    let mut export = bed.export(&[]);
    let (ran, figures) = measured(export.env("ROLLBOOK_API_MAX_BODY_BYTES", "1048576"));
    assert!(ran.code == 8 && ran.stderr.contains("raise [api] max_body_bytes"), "{ran:?}");
    assert!(figures.peak_mib < 48, "{figures:?}");
}

#[test]
fn a_silent_server_is_given_up() {
    let bed = Bed::new(scripted(Script::new().answer_every(1, 1, Answer::Stall(Duration::from_mins(1)))));
    let mut command = bed.export(&[]);
    let ran = crate::bed::Ran::of(command.env("ROLLBOOK_API_READ_TIMEOUT", "200ms").output().unwrap());
    assert_eq!(ran.code, 5, "{ran:?}");
}

#[test]
fn nobody_at_home_is_a_failed_source() {
    let mut bed = Bed::new(account());
    let url = bed.server.base_url();
    bed.serve(account()); // and the first server is gone
    for arguments in [&["export"][..], &["check"], &["backfill", "--month", "2026-10"]] {
        let mut command = rollbook(bed.folder.path());
        command.args(arguments).args(["--base-url", &url]);
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_API_RETRY_BUDGET", "1s");
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, 5, "{ran:?}");
        assert!(ran.stderr.contains(&format!("caused by: cannot connect to {url}: Connection refused")), "{ran:?}");
        assert!(ran.stderr.contains("\nhint: check the network, [api] base_url, and the proxy"), "{ran:?}");
    }
}

#[test]
fn credentials_that_are_refused_on_the_way_end_the_run() {
    for status in [401, 403] {
        let bed = expect(scripted(Script::new().answer_every(4, 1, Answer::status(status))), 4, "scripted 40");
        assert!(bed.files().is_empty(), "{status}");
    }
}

/// An account whose server checks the signatures of minted tokens.
fn minting(script: Script) -> Bed {
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed();
    let (api_key, secret) = ("key-1".to_owned(), "canary-secret".to_owned());
    Bed::new(Options { auth: Auth::Jwt { api_key, secret, clock: Clock::new(now) }, ..scripted(script) })
}

/// Exports with credentials other than the usual one; neither the secret nor a token made of it may be shown.
fn export_with(bed: &Bed, credentials: &[(&str, &str)]) -> Ran {
    let mut command = bed.export(&["-vv"]);
    command.env_remove("VIDEOSDK_TOKEN").envs(credentials.iter().copied());
    let ran = Ran::of(command.output().unwrap());
    assert!(!ran.stderr.contains("canary-secret") && !ran.stderr.contains("eyJ"), "{ran:?}");
    ran
}

#[test]
fn tokens_are_minted_and_made_anew_once_when_refused() {
    let key = |secret| [("VIDEOSDK_API_KEY", "key-1"), ("VIDEOSDK_SECRET_KEY", secret)];
    let echo = || Canned::status(401).json(r#"{"message": "canary-secret is not it"}"#);
    assert_eq!(export_with(&minting(Script::new()), &key("canary-secret")).code, 0);
    let once = export_with(&minting(Script::new().answer(3, echo())), &key("canary-secret"));
    assert!(once.code == 0 && once.stderr.contains("trying once with a new one"), "{once:?}");
    let twice = export_with(&minting(Script::new().answer_every(3, 1, echo())), &key("canary-secret"));
    assert!(twice.code == 4 && twice.stderr.contains("[redacted] is not it"), "{twice:?}");
    let wrong = export_with(&minting(Script::new()), &key("canary-secret-of-another"));
    assert!(wrong.code == 4 && wrong.stderr.contains("hint: check VIDEOSDK_API_KEY"), "{wrong:?}");
}

#[test]
fn a_token_in_a_file_may_end_in_a_newline_and_begin_with_a_byte_order_mark() {
    let bed = Bed::new(Options { auth: Auth::Token(TOKEN.to_owned()), ..account() });
    let path = bed.folder.path().join("token");
    for text in [format!("{TOKEN}\r\n"), format!("\u{feff}{TOKEN}\n")] {
        std::fs::write(&path, text).unwrap();
        let ran = export_with(&bed, &[("VIDEOSDK_TOKEN_FILE", path.to_str().unwrap())]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
}

#[test]
fn the_number_of_anything_may_come_as_text_or_not_at_all() {
    let fields = [Field::CurrentPage, Field::PerPage, Field::LastPage, Field::Total];
    let none = fields.iter().fold(Script::new(), |script, field| script.answer_every(1, 1, Answer::Info(*field, None)));
    let bed = expect(scripted(none), 0, "");
    assert_eq!(bed.rows(Table::Sessions).len(), 250);
    let texts = fields.iter().fold(Script::new(), |script, field| {
        let odd = if *field == Field::Total { "\"250\"" } else { "\"?\"" };
        script.answer_every(1, 1, Answer::info(*field, odd))
    });
    expect(scripted(texts), 0, "");
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
    for past_end in [Answered::Empty, Answered::Status(404), Answered::Status(400), Answered::Last(Number::Own)] {
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
        (&["check"], &[], "no credentials"),
        (&["backfill", "--month", "2026-10"], &[], "no credentials"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("VIDEOSDK_API_KEY", "b")], "VIDEOSDK_TOKEN, VIDEOSDK_API_KEY"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("VIDEOSDK_TOKEN_FILE", "b")], "VIDEOSDK_TOKEN, VIDEOSDK_TOKEN_FILE"),
        (&["export"], &[("VIDEOSDK_API_KEY", "a")], "but not VIDEOSDK_SECRET_KEY"),
        (&["export"], &[("VIDEOSDK_SECRET", "a")], "VIDEOSDK_SECRET is set, but not VIDEOSDK_API_KEY"),
        (&["export"], &[("VIDEOSDK_TOKEN", "Bearer abc")], "Bearer"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a\nb")], "characters that no token has"),
        (&["export"], &[("VIDEOSDK_TOKEN_FILE", "missing")], "VIDEOSDK_TOKEN_FILE: missing"),
        (&["export"], &[("VIDEOSDK_TOKEN_FILE", "/dev/null")], "the token is empty: VIDEOSDK_TOKEN_FILE"),
        (&["export"], &[("VIDEOSDK_TOKEN_FILE", "/")], "cannot read the file named by VIDEOSDK_TOKEN_FILE: /"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_LOG", "rollbook=loud")], "ROLLBOOK_LOG"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_API_PER_PAGE", "0")], "default: 100"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_CONFIG", "/")], "cannot read the settings file: /"),
        (&["backfill", "--month", "2026-13"], &[("VIDEOSDK_TOKEN", "a")], "2026-13"),
        (&["backfill", "--from", "2026-10-02", "--to", "2026-10-01"], &[("VIDEOSDK_TOKEN", "a")], "empty"),
        (&["backfill"], &[("VIDEOSDK_TOKEN", "a")], "--from"),
        (&["export"], &[("VIDEOSDK_TOKEN", "")], "one that is empty counts as not set"),
        (&["export", "--dest", ""], &[("VIDEOSDK_TOKEN", "a")], "says: \"\" (is a variable unset?)\n"),
        (&["export", "--dest", "s3//bucket/x"], &[("VIDEOSDK_TOKEN", "a")], "written as s3://bucket/path"),
        (&["backfill", "--month", ""], &[("VIDEOSDK_TOKEN", "a")], "it is empty (is a variable unset?)"),
        (&["purge", "--before", " "], &[], "it is empty (is a variable unset?)"),
        (
            &["backfill", "--month", "0202-10"],
            &[("VIDEOSDK_TOKEN", "a")],
            "the end of the range lies before 1970: 0202-11-01",
        ),
        (&["purge", "--before", "0026-01-01"], &[], "`--before` lies before 1970"),
        (
            &["export"],
            &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_DATASET_SINCE", "0202-01-01")],
            "`dataset.since` lies before 1970: 0202-01-01",
        ),
        (
            &["export"],
            &[("VIDEOSDK_TOKEN", "${VIDEOSDK_TOKEN}")],
            "a variable that nobody has filled in: VIDEOSDK_TOKEN\n",
        ),
        (&["export"], &[("VIDEOSDK_TOKEN", "$TOKEN")], "a variable that nobody has filled in: VIDEOSDK_TOKEN\n"),
        (
            &["export"],
            &[("VIDEOSDK_API_KEY", "$(cat key)"), ("VIDEOSDK_SECRET", "b")],
            "a variable that nobody has filled in: VIDEOSDK_API_KEY\n",
        ),
        (&["export"], &[("VIDEOSDK_TOKEN", "VIDEOSDK_TOKEN=abc")], "begins with `VIDEOSDK_TOKEN=`: VIDEOSDK_TOKEN\n"),
        (&["export", "--base-url", "http://example.com"], &[("VIDEOSDK_TOKEN", "a")], "https"),
        (&["export", "--base-url", "https://u:p@example.com/x"], &[("VIDEOSDK_TOKEN", "a")], "api.base_url"),
        (&["export", "--api", "v3"], &[("VIDEOSDK_TOKEN", "a")], "possible values: v1, v2"),
        (&["export", "--dest", "ftp://host/x"], &[("VIDEOSDK_TOKEN", "a")], "dataset.url"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_API_PERPAGE", "7")], "ROLLBOOK_API_PERPAGE"),
        (&["export", "--config", "missing.toml"], &[("VIDEOSDK_TOKEN", "a")], "missing.toml"),
        (&["export", "--nonsense"], &[], "--nonsense"),
        (&["simulate", "--listen", "0.0.0.0:0"], &[], "loopback"),
        (&["export"], &[("VIDEOSDK_TOKEN", "\"abc\"")], "the token is in quotes: VIDEOSDK_TOKEN\n"),
        (&["export"], &[("VIDEOSDK_API_KEY", "'a'"), ("VIDEOSDK_SECRET", "b")], "is in quotes: VIDEOSDK_API_KEY\n"),
        (&["export"], &[("VIDEOSDK_API_KEY", "a"), ("VIDEOSDK_SECRET", "\"b\"")], "is in quotes: VIDEOSDK_SECRET\n"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_API_PER_PAGE", "\"7\"")], "`api.per_page` is in quotes"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("HTTPS_PROXY", "socks5://localhost:1")], "is set: HTTPS_PROXY\n"),
        (&["check"], &[("VIDEOSDK_TOKEN", "a"), ("all_proxy", "http://")], "is set: all_proxy\n"),
        (&["export"], &[("VIDEOSDK_TOKEN", "a"), ("SSL_CERT_FILE", "/no/such")], "SSL_CERT_FILE"),
        (
            &["export"],
            &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_DATASET_SINCE", "2999-01")],
            "begins in the future: 2999-01-01",
        ),
        (
            &["check"],
            &[("VIDEOSDK_TOKEN", "a"), ("ROLLBOOK_DATASET_SINCE", "2999-01")],
            "begins in the future: 2999-01-01",
        ),
        (&["backfill", "--month", "2999-01"], &[("VIDEOSDK_TOKEN", "a")], "begins in the future: 2999-01-01"),
        (&["backfill", "--from", "2999-01", "--to", "2999-02"], &[("VIDEOSDK_TOKEN", "a")], "begins in the future"),
        (&["purge", "--before", "2999-01"], &[], "lies in the future"),
        (&["purge", "--participant-name", ""], &[], "it is empty"),
        (&["purge", "--participant-id", " "], &[], "it is empty"),
        (&["export", "--meeting-id", ""], &[("VIDEOSDK_TOKEN", "a")], "it is empty"),
        (&["export", "--meeting-id", "a,b"], &[("VIDEOSDK_TOKEN", "a")], "--meeting-id ID --meeting-id ID"),
        (&["verify", "--sample", "10"], &[], "such as 10% or 0.1"),
        (&["export", "--wait", "soon"], &[], "a duration is"),
        (&["demo", "--sessions", "99999999999999"], &[], "--sessions"),
        (&["export", "--since", "2026-01-01"], &[], "ROLLBOOK_DATASET_SINCE"),
        (&["export", "--month", "2026-10"], &[], "'rollbook backfill' has '--month'"),
        (&["check", "--per-page", "200"], &[], "ROLLBOOK_API_PER_PAGE"),
    ];
    for (arguments, environment, message) in cases {
        let output = rollbook(folder.path()).args(*arguments).envs(environment.iter().copied()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("u:p@"), "{arguments:?}: {stderr}");
        // What was typed wrong is explained in the words of the usual library.
        assert!(stderr.contains("\nhint: ") || stderr.contains("try '--help'"), "{arguments:?}: {stderr}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn options_of_an_object_store_are_refused_by_name_before_anything_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let keys = [("AWS_ACCESS_KEY_ID", "hush"), ("AWS_SECRET_ACCESS_KEY", "hush")];
    let azure = [("AZURE_STORAGE_ACCOUNT_NAME", "name"), ("AZURE_STORAGE_ACCOUNT_KEY", "aHVzaA==")];
    for (url, environment, message) in [
        (
            "s3://b/x",
            &[("AWS_ENDPOINT", "minio.local:9000")][..],
            "must be a URL such as https://s3.example:9000: AWS_ENDPOINT\n",
        ),
        ("s3://b/x", &[("AWS_ENDPOINT", "http://minio.local:9000")], "without TLS: AWS_ENDPOINT\n"),
        ("s3://b/x", &[("AWS_SESSION_TOKEN", "hush\nhush")], "without white space or line breaks: AWS_SESSION_TOKEN\n"),
        ("s3://b/x", &[("AWS_ACCESS_KEY_ID", "hush\u{e9}")], ": AWS_ACCESS_KEY_ID\n"),
        (
            "s3://b/x",
            &[("AWS_SECRET_ACCESS_KEY", "\"hush\"")],
            "without quotes (an --env-file keeps them): AWS_SECRET_ACCESS_KEY\n",
        ),
        ("s3://b/x", &[("AWS_ACCESS_KEY_ID", "")], "check AWS_SECRET_ACCESS_KEY, and what belongs to it"),
        ("s3://b/x", &[("AWS_REGION", "eu west")], ": AWS_REGION\n"),
        ("s3://b/x", &[("AWS_ALLOW_HTTP", "perhaps")], "must be true or false: AWS_ALLOW_HTTP\n"),
        ("s3://b/x", &[("AWS_HTTP2_MAX_FRAME_SIZE", "7")], "from 16384 to 16777215: AWS_HTTP2_MAX_FRAME_SIZE\n"),
        ("s3://b/x", &[("AWS_PROXY_URL", "socks5://hush:1")], ": AWS_PROXY_URL\n"),
        ("s3://b/x", &[("ROLLBOOK_STORE_OPTIONS", "aws_endpoint=minio:9000")], ": aws_endpoint in `store.options`\n"),
        ("s3://b/x", &[("ROLLBOOK_STORE_OPTIONS", "aws_session_token=hush")], "holds a secret"),
        ("s3://b/x", &[("ROLLBOOK_STORE_OPTIONS", "aws_region=a,aws_region=b")], "holds a name twice: aws_region\n"),
        (
            "s3://b/x",
            &[("AWS_PROFILE", "p"), ("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")],
            "profiles are not read, and no other credentials are set: AWS_PROFILE\n",
        ),
        ("az://c/x", &[("AZURE_STORAGE_ACCOUNT_NAME", "hush\nhush")], ": AZURE_STORAGE_ACCOUNT_NAME\n"),
        ("az://c/x", &[("AZURE_STORAGE_ACCOUNT_NAME", "")], "Account must be specified"),
        (
            "az://c/x",
            &[("AZURE_STORAGE_ACCOUNT_KEY", "hu*sh")],
            "check AZURE_STORAGE_ACCOUNT_KEY, and what belongs to it",
        ),
        ("abfss://c/x", &[("AZURE_STORAGE_ENDPOINT", "localhost:10000/dev")], ": AZURE_STORAGE_ENDPOINT\n"),
        ("gs://b/x", &[("GOOGLE_BEARER_TOKEN", "hush\nhush")], ": GOOGLE_BEARER_TOKEN\n"),
        ("gs://b/x", &[("GOOGLE_APPLICATION_CREDENTIALS", "/no/such")], "check GOOGLE_APPLICATION_CREDENTIALS,"),
    ] {
        let mut command = rollbook(folder.path());
        command.args(["verify", "--dest", url]).envs(keys).envs(azure).envs(environment.iter().copied());
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, 2, "{environment:?}: {ran:?}");
        assert!(ran.stderr.contains(message) && ran.stderr.contains("\nhint: "), "{environment:?}: {ran:?}");
        assert!(!ran.stderr.contains("hush") && !ran.stderr.contains("aHVz"), "{ran:?}");
    }
}

#[test]
fn settings_that_hold_a_secret_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    for option in ["aws_secret_access_key=hush", "azure_storage_sas_key=sig=hush", "aws_endpoint=https://u:hush@host"] {
        for arguments in [&["config"] as &[&str], &["config", "--json"], &["verify", "--dest", "s3://b/x"]] {
            let mut command = rollbook(folder.path());
            command.args(arguments).env("ROLLBOOK_STORE_OPTIONS", option);
            let ran = Ran::of(command.output().unwrap());
            assert_eq!(ran.code, 2, "{option}: {ran:?}");
            assert!(!format!("{ran:?}").contains("hush") && ran.stderr.contains("hint: "), "{option}: {ran:?}");
        }
    }
}

#[test]
fn an_odd_environment_ends_no_run() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let latin = OsStr::from_bytes(b"\xe9");
    let bed = Bed::new(account());
    for environment in [
        &[("TZ", OsStr::new("Nowhere/At_All"))][..],
        &[("COLUMNS", OsStr::new("0")), ("LINES", OsStr::new("-1"))],
        &[("RUST_LOG", OsStr::new("=,=")), ("RUST_BACKTRACE", OsStr::new("?"))],
        &[("TMPDIR", OsStr::new("/no/such"))],
        &[("TERM", latin), ("LANG", latin), ("LC_ALL", latin)],
        // These would matter elsewhere.
        &[("AWS_REGION", latin), ("GOOGLE_X", latin), ("HTTPS_PROXY", latin), ("SSL_CERT_FILE", latin)],
        &[("AWS_ENDPOINT", OsStr::new("nonsense")), ("ALL_PROXY", OsStr::new("nonsense:"))],
    ] {
        let mut command = bed.export(&[]);
        let ran = Ran::of(command.env_remove("HOME").envs(environment.iter().copied()).output().unwrap());
        assert_eq!(ran.code, 0, "{environment:?}: {ran:?}");
    }
    let dry = Ran::of(bed.export(&["--dry-run"]).env("TMPDIR", "/no/such").output().unwrap());
    assert!(dry.code == 2 && dry.stderr.contains("is not there: /no/such\nhint: set TMPDIR"), "{dry:?}");
}
