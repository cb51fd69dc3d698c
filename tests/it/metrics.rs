//! The file of numbers for Prometheus: right after a success, after a failure, and where it can't be written.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN};

fn bed() -> Bed {
    Bed::new(Options::new(Account::new(11, 150, Shape::Varied)))
}

fn run(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(bed.command(arguments).arg("--metrics-file").arg(bed.folder.path().join("rollbook.prom")).output().unwrap())
}

/// Each sample's value, by its name and further labels.
fn samples(bed: &Bed) -> BTreeMap<String, String> {
    let text = fs::read_to_string(bed.folder.path().join("rollbook.prom")).unwrap();
    assert!(!text.contains(TOKEN));
    let dataset = format!("dataset=\"{}\"", bed.dataset().display());
    let mut found = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (sample, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = sample.split_once('{').unwrap();
        assert!(
            text.contains(&format!("# HELP {name} ")) && text.contains(&format!("# TYPE {name} gauge\n")),
            "{name}"
        );
        let labels = labels.strip_suffix('}').unwrap().strip_prefix(&dataset).unwrap();
        assert!(found.insert(format!("{name}{labels}"), value.to_owned()).is_none(), "twice: {line}");
    }
    found
}

fn number(samples: &BTreeMap<String, String>, name: &str) -> f64 {
    samples.get(name).unwrap_or_else(|| panic!("no {name}: {samples:#?}")).parse().unwrap()
}

fn seconds(time: &serde_json::Value) -> f64 {
    #[allow(clippy::cast_precision_loss)] // milliseconds
    let seconds = chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp_millis() as f64 / 1e3;
    seconds
}

#[test]
fn the_samples_are_the_receipts() {
    let bed = bed();
    let ran = run(&bed, &["export", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let (receipt, samples) = (ran.receipt(), samples(&bed));
    for (name, value) in [
        ("exit_code", &receipt["exit_code"]),
        ("sessions", &receipt["sessions"]),
        ("new_sessions", &receipt["changes"]["new"]),
        ("updated_sessions", &receipt["changes"]["updated"]),
        ("rejects", &receipt["rejects"]["total"]),
        ("new_rejects", &receipt["rejects"]["new"]),
        ("requests", &receipt["walk"]["sent"]),
        ("retries", &receipt["walk"]["retries"]),
    ] {
        assert_eq!(samples[&format!("rollbook_last_run_{name}")], value.to_string(), "{name}");
    }
    assert_eq!(receipt["walk"]["sent"], bed.server.requests().log.len());
    let started = seconds(&receipt["started_at"]);
    let finished = seconds(&receipt["finished_at"]);
    assert!((number(&samples, "rollbook_last_run_start_timestamp_seconds") - started).abs() < 1e-3);
    assert!((number(&samples, "rollbook_last_run_end_timestamp_seconds") - finished).abs() < 1e-3);
    assert!((number(&samples, "rollbook_last_success_timestamp_seconds") - finished).abs() < 1e-3);
    let fence = number(&samples, "rollbook_fence_timestamp_seconds");
    assert!((number(&samples, "rollbook_fence_age_seconds") - (finished - fence)).abs() < 1e-2);
    assert!(number(&samples, "rollbook_last_run_duration_seconds") > 0.0);
    let evidence = receipt["walk"]["evidence"].as_str().unwrap();
    for ground in ["chain", "twice", "total", "none"] {
        let value = if ground == evidence { "1" } else { "0" };
        assert_eq!(samples[&format!("rollbook_last_run_evidence,evidence=\"{ground}\"")], value);
    }
    let run_id = receipt["run_id"].as_str().unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let info =
        format!(r#"rollbook_last_run_info,command="export",outcome="proven",run_id="{run_id}",version="{version}""#);
    assert_eq!(samples[&info], "1");
    let status = Ran::of(bed.command(&["status", "--json"]).output().unwrap()).receipt();
    assert_eq!(samples["rollbook_open_sessions"], status["open_sessions"].to_string());
    assert!(number(&samples, "rollbook_open_sessions") > 0.0);
}

#[test]
fn a_run_that_failed_is_counted_and_the_last_success_stays() {
    let mut bed = bed();
    assert_eq!(run(&bed, &["export"]).code, 0);
    let before = samples(&bed);
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    bed.serve(Options { script, ..Options::new(Account::new(11, 150, Shape::Varied)) });
    assert_eq!(run(&bed, &["export"]).code, 4);
    let after = samples(&bed);
    assert_eq!(
        (after["rollbook_last_run_exit_code"].as_str(), after["rollbook_last_run_sessions"].as_str()),
        ("4", "0")
    );
    assert_eq!(after["rollbook_last_run_evidence,evidence=\"none\""], "1");
    for name in
        ["rollbook_last_success_timestamp_seconds", "rollbook_open_sessions", "rollbook_fence_timestamp_seconds"]
    {
        assert_eq!(after[name], before[name], "{name}");
    }
    // Before there is a receipt.
    let mut command = bed.command(&["export"]);
    command.env("ROLLBOOK_NOTIFY_METRICS_FILE", bed.folder.path().join("rollbook.prom")).env_remove("VIDEOSDK_TOKEN");
    assert_eq!(Ran::of(command.output().unwrap()).code, 2);
    let last = samples(&bed);
    assert_eq!(last["rollbook_last_run_exit_code"], "2");
    assert_eq!(last["rollbook_last_success_timestamp_seconds"], before["rollbook_last_success_timestamp_seconds"]);
    // A purge shows nothing of the list, and is no success of an export.
    assert_eq!(run(&bed, &["purge", "--before", "2020-01-01"]).code, 0);
    let purged = samples(&bed);
    assert_eq!(purged["rollbook_last_run_evidence,evidence=\"none\""], "0");
    assert_eq!(purged["rollbook_last_success_timestamp_seconds"], before["rollbook_last_success_timestamp_seconds"]);
}

#[test]
fn before_the_first_success_there_is_no_sample_of_it() {
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(11, 20, Shape::Plain)) });
    let ran = run(&bed, &["export"]);
    assert!(ran.code == 4 && !ran.stderr.contains("metrics"), "{ran:?}");
    let samples = samples(&bed);
    assert_eq!(samples["rollbook_last_run_exit_code"], "4");
    for name in
        ["rollbook_last_success_timestamp_seconds", "rollbook_fence_timestamp_seconds", "rollbook_open_sessions"]
    {
        assert!(!samples.contains_key(name), "{name}");
    }
}

#[test]
fn retries_are_counted() {
    let script = Script::new().answer(2, Canned::status(503)).answer(3, Canned::status(503));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(11, 300, Shape::Plain)) });
    let mut command = bed.export(&["--json"]);
    let ran = Ran::of(command.env("ROLLBOOK_API_CONCURRENCY", "1").output().unwrap());
    let walk = &ran.receipt()["walk"];
    assert!(ran.code == 0 && walk["retries"].as_u64().unwrap() >= 1, "{walk:#}");
    assert_eq!(walk["sent"], bed.server.requests().log.len());
}

#[test]
fn everybody_may_read_the_file_and_nothing_else_is_left() {
    let bed = bed();
    let folder = bed.folder.path().join("textfile");
    fs::create_dir(&folder).unwrap();
    let path = folder.join("odd \"name.prom");
    let quiet = |command: &mut std::process::Command| Ran::of(command.arg("-q").output().unwrap());
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let script = format!("umask 077; exec \"$@\" --metrics-file '{}'", path.display());
    let mut command = std::process::Command::new("/bin/sh");
    command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_rollbook"), "export", "--base-url", &bed.server.base_url()]);
    command.args(["--dest", "odd \"data"]).current_dir(bed.folder.path()).env_clear().env("VIDEOSDK_TOKEN", TOKEN);
    let ran = quiet(command.env("HOME", bed.folder.path()));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let names: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names, std::slice::from_ref(&path));
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(r#"rollbook_last_run_exit_code{dataset="odd \"data"} 0"#), "{text}");
}

#[test]
fn a_file_that_cannot_be_written_is_a_warning_and_an_impossible_one_is_refused_at_once() {
    let bed = bed();
    let folder = bed.folder.path().join("textfile");
    fs::create_dir(&folder).unwrap();
    for (place, word) in [
        ("textfile", "is a folder"),
        ("nowhere/rollbook.prom", "a folder that is not there"),
        ("textfile/", "must be the path of a local file"),
    ] {
        let ran = Ran::of(bed.export(&["--metrics-file", place]).output().unwrap());
        assert!(ran.code == 2 && ran.stderr.contains(word), "{place}: {ran:?}");
        assert!(!Path::new(&bed.dataset()).exists());
    }
    assert!(bed.server.requests().log.is_empty());
    // The file's name is taken by a folder only when the run is under way.
    let path = folder.join("rollbook.prom");
    let mut command = bed.export(&["--metrics-file"]);
    command.arg(&path).env("ROLLBOOK_API_REQUESTS_PER_SECOND", "2");
    let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    fs::create_dir_all(path.join("in the way")).unwrap();
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(ran.code == 0 && ran.stderr.contains("the metrics cannot be written"), "{ran:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_dry_run_writes_none_and_a_setting_names_the_file_too() {
    let bed = bed();
    let path = bed.folder.path().join("rollbook.prom");
    assert_eq!(run(&bed, &["export", "--dry-run"]).code, 0);
    assert!(!path.exists());
    let mut command = bed.command(&["backfill", "--month", "2026-10"]);
    let ran = Ran::of(command.env("ROLLBOOK_NOTIFY_METRICS_FILE", &path).output().unwrap());
    assert!(path.exists(), "{ran:?}");
}
