//! The commands as a person meets them: in an empty folder, in a terminal and without one, with and without colours.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use clap::CommandFactory;
use rollbook::cli::Cli;
use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook, signal};
use crate::terminal::in_terminal;

fn run(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(rollbook(folder).args(arguments).output().unwrap())
}

#[test]
fn the_demo_needs_nothing_and_can_be_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rollbook(folder.path());
    let ran = Ran::of(command.args(["demo", "--sessions", "300"]).env_remove("HOME").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in [
        "exported: 300 sessions (",
        "\nsessions ",
        "\nparticipants ",
        "\ntimelogs ",
        "./rollbook-demo/timelogs/",
        "\nbest attended sessions:\n",
        "\n  duckdb -c \"select start_month",
    ] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    let again = run(folder.path(), &["demo", "--sessions", "300", "--json", "-q"]);
    assert_eq!((again.code, again.stderr.as_str()), (0, ""));
    let receipt = again.receipt();
    assert_eq!((&receipt["command"], &receipt["exit_code"]), (&"demo".into(), &0.into()));
    assert!(receipt["partitions"].as_array().unwrap().iter().all(|file| file["changed"] == false), "{receipt:#}");
    let empty = run(folder.path(), &["demo", "--sessions", "0", "--dest", "empty"]);
    assert!(
        empty.code == 0
            && empty.stdout.contains("exported: 0 sessions (0 new, 0 updated, 0 unchanged; 0 still running)\n"),
        "{empty:?}"
    );
}

/// `rollbook simulate` until it is dropped, and where it listens.
struct Simulated {
    child: Child,
    url: String,
}

impl Simulated {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = rollbook(folder);
        command.args(["simulate", "--listen", "127.0.0.1:0", "--sessions", "120"]).args(arguments);
        command.env("VIDEOSDK_TOKEN", TOKEN).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut simulated = Self { child: command.spawn().unwrap(), url: String::new() };
        let mut line = String::new();
        BufReader::new(simulated.child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        simulated.url.push_str(line.trim().strip_prefix("the simulated API listens: ").expect(&line));
        simulated
    }

    /// Asks it to end, and tells how it did.
    fn stop(mut self) -> Option<i32> {
        signal(&self.child, "-TERM");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn what_simulate_serves_can_be_exported() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = Simulated::start(folder.path(), &["--per-page-cap", "50"]);
    let export = |token: &str| {
        let mut command = rollbook(folder.path());
        command.args(["export", "--base-url", &simulated.url, "--json"]).env("VIDEOSDK_TOKEN", token);
        Ran::of(command.output().unwrap())
    };
    let ran = export(TOKEN);
    assert_eq!((ran.code, &ran.receipt()["walk"]["distinct"]), (0, &120.into()), "{ran:?}");
    assert!(folder.path().join("rollbook-data/sessions").is_dir());
    let refused = export("another");
    assert_eq!((refused.code, &refused.receipt()["outcome"]), (4, &"credentials_refused".into()), "{refused:?}");
    assert_eq!(simulated.stop(), Some(0));
}

#[test]
fn bad_days_can_be_rehearsed() {
    let folder = tempfile::tempdir().unwrap();
    let export = |simulated: &Simulated, dest: &str| {
        let mut command = rollbook(folder.path());
        command.args(["export", "--json", "--base-url", &simulated.url, "--dest", dest]).env("VIDEOSDK_TOKEN", TOKEN);
        Ran::of(command.env("ROLLBOOK_API_PER_PAGE", "40").output().unwrap())
    };
    let busy = Simulated::start(folder.path(), &["--churn", "2", "--fail-every", "3", "--refuse-above", "40"]);
    let ran = export(&busy, "busy");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("503 Service Unavailable"), "{ran:?}");
    assert!(ran.receipt()["walk"]["distinct"].as_u64() > Some(120), "{ran:?}");
    let ask = |_| {
        let mut socket = TcpStream::connect(busy.url.trim_start_matches("http://")).unwrap();
        let target = "/v1/meeting-sessions?page=1&perPage=41";
        write!(socket, "GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: {TOKEN}\r\n\r\n").unwrap();
        let mut status = String::new();
        BufReader::new(socket).read_line(&mut status).unwrap();
        status.trim().to_owned()
    };
    // One of two may be the third request, which fails.
    let statuses: Vec<_> = (0..2).map(ask).collect();
    assert!(statuses.iter().any(|status| status == "HTTP/1.1 400 Bad Request"), "{statuses:?}");
    let odd = Simulated::start(folder.path(), &["--reject-every", "50"]);
    let ran = export(&odd, "odd");
    assert_eq!((ran.code, &ran.receipt()["rejects"]["new"]), (3, &2.into()), "{ran:?}");
}

#[test]
fn every_command_explains_itself() {
    let folder = tempfile::tempdir().unwrap();
    for command in Cli::command().get_subcommands().map(clap::Command::get_name) {
        for help in ["-h", "--help"] {
            let ran = run(folder.path(), &[command, help]);
            assert!(ran.code == 0 && ran.stderr.is_empty(), "{ran:?}");
            assert!(ran.stdout.contains(&format!("Usage: rollbook {command}")), "{ran:?}");
            assert!(ran.stdout.contains("\nExample"), "{command} {help} has no example");
            assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{ran:?}");
        }
        let page = run(folder.path(), &["man", command]);
        assert!(page.code == 0 && page.stdout.contains(&format!("rollbook\\-{command}")), "{page:?}");
    }
    assert!(run(folder.path(), &["man"]).stdout.contains(".TH rollbook 1"));
    let unknown = run(folder.path(), &["man", "exprot"]);
    assert_eq!(unknown.code, 2);
    assert_eq!(unknown.stderr, "error: no such command: exprot\nhint: `rollbook help` lists the commands\n");
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = run(folder.path(), &["completions", shell]);
        assert!(script.code == 0 && script.stdout.contains("backfill"), "{shell}");
    }
}

#[test]
fn the_settings_are_shown_with_their_sources() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rollbook.toml"), "[api]\nper_page = 50\n").unwrap();
    let mut command = rollbook(folder.path());
    command.args(["config", "--json", "--dest", "here"]).env("ROLLBOOK_WALK_OVERLAP", "3").env("VIDEOSDK_TOKEN", TOKEN);
    let settings = Ran::of(command.output().unwrap()).receipt()["settings"].clone();
    for (name, value, source) in [
        ("api.per_page", serde_json::json!(50), "file ./rollbook.toml:2"),
        ("walk.overlap", serde_json::json!(3), "environment ROLLBOOK_WALK_OVERLAP"),
        ("dataset.url", serde_json::json!("here"), "flag --dest"),
        ("api.version", serde_json::json!("v1"), "default"),
    ] {
        assert_eq!((&settings[name]["value"], &settings[name]["source"]), (&value, &source.into()), "{name}");
    }
}

#[test]
fn a_reader_that_has_had_enough_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    for arguments in [&["config"][..], &["man"], &["demo", "--sessions", "50"]] {
        let mut child = rollbook(folder.path()).args(arguments).stdout(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{arguments:?}");
    }
}

#[test]
fn logs_are_json_to_the_last_line_if_asked_for() {
    let bed = Bed::new(Options::new(Account::new(3, 250, Shape::Plain)));
    let nobody = rollbook(bed.folder.path())
        .args(["export", "--log-format", "json", "--base-url", "http://127.0.0.1:1"])
        .envs([("VIDEOSDK_TOKEN", TOKEN), ("ROLLBOOK_API_RETRY_BUDGET", "1s")])
        .output();
    let nobody = Ran::of(nobody.unwrap());
    assert_eq!(nobody.code, 5);
    let done = bed.run(&["--log-format", "json", "-vv"]);
    assert_eq!(done.code, 0);
    for ran in [&nobody, &done] {
        let lines: Vec<serde_json::Value> =
            ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect();
        assert!(!lines.is_empty());
    }
    let last: serde_json::Value = serde_json::from_str(nobody.stderr.lines().last().unwrap()).unwrap();
    assert_eq!((&last["level"], &last["exit_code"]), (&"ERROR".into(), &5.into()));
    assert!(last["cause"].as_str().unwrap().contains("Connection refused"), "{last}");
    assert!(last["hint"].as_str().unwrap().contains("check the network"), "{last}");
    assert_eq!(bed.run(&["-q"]).stderr, "");
}

/// Exports 1,000 sessions slowly in a terminal: the exit code, and what was seen there.
fn in_a_terminal(key: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let latency = Duration::from_millis(40);
    let bed = Bed::new(Options { latency, ..Options::new(Account::new(3, 1_000, Shape::Plain)) });
    let export = bed.export(&["--progress", "auto", "-v"]);
    in_terminal(&export, key, environment)
}

#[test]
fn a_terminal_shows_a_bar_with_pages_rate_and_time_left() {
    let (code, seen) = in_a_terminal("", &[]);
    assert_eq!(code, Some(0), "{seen:?}");
    let bar = seen.split('\r').find(|line| line.contains(" left")).unwrap_or_else(|| panic!("no bar: {seen:?}"));
    assert!(["reading ", " pages  ", " sessions  ", "/s  0:00  "].iter().all(|part| bar.contains(part)), "{bar:?}");
    // The bar is gone in the end, and a log line has colours.
    let last = seen.rsplit("\x1b[2K").next().unwrap();
    assert!(last.starts_with("exported: 1,000 sessions"), "{seen:?}");
    assert!(seen.contains("\x1b[34mDEBUG"), "{seen:?}");
    let (_, seen) = in_a_terminal("", &[("NO_COLOR", "1")]);
    assert!(seen.contains(" left") && seen.contains("DEBUG") && !seen.contains("\x1b[3"), "{seen:?}");
    let (code, seen) = in_a_terminal("", &[("TERM", "dumb")]);
    assert!(code == Some(0) && !seen.contains('\x1b') && !seen.contains(" left"), "{seen:?}");
}

#[test]
fn the_bar_keeps_to_a_narrow_terminal() {
    let (code, seen) = in_a_terminal("", &[("TERMINAL_COLUMNS", "40")]);
    assert_eq!(code, Some(0), "{seen:?}");
    let bars: Vec<_> =
        seen.split(['\r', '\n']).filter(|line| line.contains("> ") && line.contains("reading ")).collect();
    assert!(!bars.is_empty(), "{seen:?}");
    for bar in bars {
        let drawn = bar.trim_start_matches("\x1b[2K");
        assert!(drawn.chars().count() <= 40, "{drawn:?}");
    }
}

#[test]
fn ctrl_c_in_a_terminal_stops_cleanly() {
    let (code, seen) = in_a_terminal("ctrl-c", &[]);
    assert_eq!(code, Some(130), "{seen:?}");
    assert!(seen.contains("error: stopped by SIGINT\r\nhint: run the same command again"), "{seen:?}");
}
