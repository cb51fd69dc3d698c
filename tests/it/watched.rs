//! Who is told how a run ended, and that the run ends as it would have ended, whatever becomes of that.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, end_within, rollbook, signal};

/// Far less than a command waits for that hangs, and more than a busy machine makes of the time that is allowed here.
const SOON: Duration = Duration::from_secs(8);

/// An API that refuses the credentials: a run ends with 4.
fn refusing() -> Bed {
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    Bed::new(Options { script, ..Options::new(Account::new(5, 30, Shape::Plain)) })
}

fn willing() -> Bed {
    Bed::new(Options::new(Account::new(5, 30, Shape::Plain)))
}

/// A program for `notify.command` that does this.
fn program(bed: &Bed, script: &str) -> PathBuf {
    let path = bed.folder.path().join("tell");
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// A command with such a program, which may take a second.
fn telling(bed: &Bed, mut command: Command, script: &str) -> Command {
    command.env("ROLLBOOK_NOTIFY_COMMAND", program(bed, script)).env("ROLLBOOK_NOTIFY_TIMEOUT", "1s");
    command.env("PATH", "/usr/bin:/bin").stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What the program has written to this file of the bed's folder.
fn noted(bed: &Bed, name: &str) -> Option<String> {
    fs::read_to_string(bed.folder.path().join(name)).ok()
}

#[test]
fn a_run_that_failed_tells_with_its_receipt_and_without_a_secret() {
    let bed = refusing();
    let mut command =
        telling(&bed, bed.export(&["--json"]), "cat > receipt; env > environment; printf '%s\\n' \"$@\" > arguments");
    let program = bed.folder.path().join("tell");
    command.env("ROLLBOOK_NOTIFY_COMMAND", serde_json::json!([program, "a b", "", "$HOME;*"]).to_string());
    command.env("AWS_SECRET_ACCESS_KEY", "hush").env("ROLLBOOK_LOG", "debug").env("LANG", "C");
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 4, "{ran:?}");
    assert_eq!(noted(&bed, "receipt").unwrap(), ran.stdout);
    assert_eq!(noted(&bed, "arguments").unwrap(), "a b\n\n$HOME;*\n");
    let environment = noted(&bed, "environment").unwrap();
    // The shell adds the first two by itself.
    let mut lines: Vec<_> = environment
        .lines()
        .filter(|line| !line.starts_with("PWD=") && !line.starts_with("SHLVL=") && !line.starts_with("_="))
        .collect();
    lines.sort_unstable();
    let run_id = ran.receipt()["run_id"].as_str().unwrap().to_owned();
    let home = format!("HOME={}", bed.folder.path().display());
    assert_eq!(lines, [home.as_str(), "PATH=/usr/bin:/bin", &format!("ROLLBOOK_RUN_ID={run_id}")]);
    let last = ran.stderr.lines().rfind(|line| !line.starts_with("hint")).unwrap();
    assert!(!last.contains("notify"), "the error is not the last word: {ran:?}");
}

#[test]
fn who_is_well_tells_nobody_and_so_does_a_dry_run() {
    let bed = willing();
    for (arguments, code) in [(&[][..], 0), (&["--dry-run"], 0)] {
        let ran = Ran::of(telling(&bed, bed.export(arguments), "cat > receipt").output().unwrap());
        assert_eq!((ran.code, noted(&bed, "receipt")), (code, None), "{ran:?}");
    }
    let bed = refusing();
    let ran = Ran::of(telling(&bed, bed.export(&["--dry-run"]), "cat > receipt").output().unwrap());
    assert_eq!((ran.code, noted(&bed, "receipt")), (4, None), "{ran:?}");
}

#[test]
fn every_command_with_a_receipt_tells_also_where_it_fails_before_it_has_one() {
    for (arguments, code, word) in [
        (&["export"][..], 2, "no credentials are set"),
        (&["backfill", "--month", "2026-10"], 2, "no credentials are set"),
        (&["backfill", "--month", "2026-99"], 2, "2026-99"),
        (&["purge", "--before", "2020-01-01"], 6, "no dataset"),
    ] {
        let bed = willing();
        let mut command = telling(&bed, bed.command(arguments), "cat > receipt");
        command.env_remove("VIDEOSDK_TOKEN");
        let ran = Ran::of(command.output().unwrap());
        assert_eq!((ran.code, ran.stdout.as_str()), (code, ""), "{ran:?}");
        let receipt: serde_json::Value = serde_json::from_str(&noted(&bed, "receipt").unwrap()).unwrap();
        assert_eq!((&receipt["command"], &receipt["exit_code"]), (&arguments[0].into(), &code.into()));
        assert!(receipt["error"].as_str().unwrap().contains(word), "{receipt}");
        assert!(!receipt["finished_at"].as_str().unwrap().is_empty());
    }
}

#[test]
fn whatever_the_program_does_the_run_ends_on_time_with_its_own_code() {
    let alive = "while true; do sleep 0.05; echo x >> alive; done";
    for (script, word) in [
        ("exec sleep 1000", "took too long"),
        ("echo out of order >&2; exit 7", "exit status: 7"),
        ("kill -9 $$", "signal: 9"),
        ("exec cat /dev/zero", "took too long"),
        ("head -c 2000000000 /dev/zero; exit 3", "`notify.command`"),
        ("exec <&-; exec sleep 0.3", "was told"),
        ("exit 0", "was told"),
        (&format!("({alive}) & exit 0"), "was told"),
        (&format!("trap '' TERM; {alive}"), "took too long"),
        (&format!("(trap '' TERM; {alive}) & {alive}"), "took too long"),
    ] {
        let bed = refusing();
        let ids: Vec<_> = (0..2_000).flat_map(|id| ["--meeting-id".to_owned(), format!("{id:0>40}")]).collect();
        let mut command = telling(&bed, bed.export(&[]), script);
        let begun = Instant::now();
        let ran = end_within(SOON, script, command.args(ids).spawn().unwrap());
        assert_eq!(ran.code, 4, "{script}: {ran:?}");
        assert!(ran.stderr.contains(word), "{script}: {ran:?}");
        assert!(ran.stderr.len() < 40_000, "{script}: {}", ran.stderr.len());
        assert!(begun.elapsed() < SOON, "{script}");
        let lived = noted(&bed, "alive");
        std::thread::sleep(Duration::from_millis(300));
        assert_eq!(noted(&bed, "alive"), lived, "{script}: something goes on behind the run");
    }
}

#[test]
fn a_program_that_is_not_there_is_told_before_it_is_needed() {
    for name in ["/nowhere/tell", "no-such-program-anywhere"] {
        let bed = willing();
        let mut command = bed.export(&[]);
        command.env("ROLLBOOK_NOTIFY_COMMAND", name).env("PATH", "/usr/bin:/bin");
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.code == 0 && ran.stderr.contains(&format!("no program that is there: {name}")), "{ran:?}");
        let bed = refusing();
        let mut command = bed.export(&[]);
        command.env("ROLLBOOK_NOTIFY_COMMAND", name).env("PATH", "/usr/bin:/bin");
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.code == 4 && ran.stderr.contains(&format!("cannot be run: {name}")), "{ran:?}");
    }
}

#[test]
fn what_the_program_prints_shows_no_secret_and_acts_on_no_terminal() {
    let bed = refusing();
    let script =
        format!("printf 'a {TOKEN}\\033[2J b\\nerror: all is lost'; head -c 5000 /dev/zero | tr '\\0' y; exit 1");
    let ran = Ran::of(telling(&bed, bed.export(&[]), &script).output().unwrap());
    assert!(ran.code == 4 && ran.stderr.contains("a [redacted]"), "{ran:?}");
    assert!(
        !ran.stderr.contains('\u{1b}') && !ran.stderr.lines().any(|line| line.starts_with("error: all")),
        "{ran:?}"
    );
    assert!(ran.stderr.len() < 6_000, "{}", ran.stderr.len());
}

#[test]
fn a_signal_ends_the_program_and_not_the_code() {
    let bed = refusing();
    let mut command = telling(&bed, bed.export(&[]), "echo > begun; exec sleep 1000");
    let child = command.env("ROLLBOOK_NOTIFY_TIMEOUT", "1h").spawn().unwrap();
    wait_for(&bed, "begun");
    signal(&child, "-TERM");
    let ran = end_within(SOON, "a signal", child);
    assert!(ran.code == 4 && ran.stderr.contains("ended by a signal"), "{ran:?}");
}

#[test]
fn a_run_that_a_signal_has_stopped_tells_too_and_a_second_signal_ends_all() {
    let alive = "cat > receipt; echo > begun; while true; do sleep 0.05; echo x >> alive; done";
    let bed = Bed::new(Options { latency: Duration::from_secs(20), ..Options::new(Account::new(5, 30, Shape::Plain)) });
    let mut command = telling(&bed, bed.export(&[]), alive);
    let child = command.env("ROLLBOOK_NOTIFY_TIMEOUT", "1h").spawn().unwrap();
    std::thread::sleep(Duration::from_millis(1_500));
    signal(&child, "-TERM");
    wait_for(&bed, "begun");
    signal(&child, "-TERM");
    let ran = end_within(SOON, "a second signal", child);
    assert_eq!(ran.code, 143, "{ran:?}");
    assert!(noted(&bed, "receipt").unwrap().contains("\"exit_code\": 143"));
    let lived = noted(&bed, "alive");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(noted(&bed, "alive"), lived, "the program goes on behind the run");
}

/// Waits until the program has made this file.
fn wait_for(bed: &Bed, name: &str) {
    let begun = Instant::now();
    while noted(bed, name).is_none() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the program was not run");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_impossible_command_is_refused() {
    let bed = willing();
    for text in ["[\"\"]", "[1]", "[\"a\"", "[\" \", \"b\"]"] {
        let mut command = rollbook(bed.folder.path());
        let ran = Ran::of(command.arg("config").env("ROLLBOOK_NOTIFY_COMMAND", text).output().unwrap());
        assert!(
            ran.code == 2 && ran.stderr.contains("`notify.command` must be a program and its arguments"),
            "{ran:?}"
        );
    }
}
