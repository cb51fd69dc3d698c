//! `rollbook status`: what it tells of datasets that are well, new, stopped, damaged, or of another time.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Options, Script, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, TOKEN, rollbook, signal};
use crate::servers::ObjectStore;
use crate::upgrade::version_1;

/// In the order of the contract.
const FIELDS: [&str; 22] = [
    "dataset",
    "account",
    "api_version",
    "schema_version",
    "partition_by",
    "sessions",
    "participants",
    "timelogs",
    "first_started_at",
    "last_started_at",
    "bytes",
    "last_run",
    "last_proven",
    "settled_until",
    "full_walk_due",
    "open_sessions",
    "rejects",
    "gone",
    "erasures",
    "stopped_run",
    "running",
    "snapshots",
];

fn exported() -> Bed {
    let bed = Bed::new(Options::new(Account::new(71, 300, Shape::Varied)));
    assert_eq!(bed.run(&["-q"]).code, 0);
    bed
}

/// `rollbook status`, without credentials and without an API.
fn status(bed: &Bed, arguments: &[&str]) -> Ran {
    let mut command = rollbook(bed.folder.path());
    Ran::of(command.arg("status").args(arguments).arg("--dest").arg(bed.dataset()).output().unwrap())
}

fn json_of(bed: &Bed) -> Value {
    let ran = status(bed, &["--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.receipt()
}

fn own(bed: &Bed, name: &str) -> PathBuf {
    bed.dataset().join("_rollbook").join(name)
}

/// The receipts, the oldest first.
fn receipts(bed: &Bed) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(own(bed, "runs")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Changes a receipt.
fn rewrite(path: &Path, change: impl Fn(&mut Value)) {
    let mut receipt: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut receipt);
    fs::write(path, receipt.to_string()).unwrap();
}

fn ended_ago(hours: i64) -> String {
    (chrono::DateTime::<chrono::Utc>::from(SystemTime::now()) - chrono::Duration::hours(hours)).to_rfc3339()
}

/// What is wrong, by path.
fn notices(report: &Value) -> BTreeMap<String, String> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    let lines = report["notices"].as_array().cloned().unwrap_or_default();
    assert!(lines.iter().all(|line| !text(line, "next").is_empty()));
    lines.iter().map(|line| (text(line, "path"), text(line, "what"))).collect()
}

/// Every file below a folder with its length and the time of its last change.
fn traces(folder: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let data = entry.metadata().unwrap();
        found.insert(entry.path(), (data.len(), data.modified().unwrap()));
        if data.is_dir() {
            found.extend(traces(&entry.path()));
        }
    }
    found
}

#[test]
fn it_tells_what_is_there_and_leaves_no_trace() {
    let bed = exported();
    let before = traces(bed.folder.path());
    let report = json_of(&bed);
    assert_eq!(traces(bed.folder.path()), before);
    let text = status(&bed, &["--json"]).stdout;
    let names = text.lines().filter_map(|line| line.strip_prefix("  \"")?.split('"').next());
    assert_eq!(names.collect::<Vec<_>>(), FIELDS);
    let rows = Table::ALL.map(|table| bed.rows(table));
    let cell = |row: &[(String, String)], name: &str| row.iter().find(|(column, _)| column == name).unwrap().1.clone();
    let open = rows[0].iter().filter(|row| cell(row, "is_open") == "true").count();
    assert!(open > 0);
    let starts: Vec<_> = rows[0].iter().map(|row| cell(row, "started_at")).collect();
    let bytes: usize = bed.files().iter().map(|(_, bytes)| bytes.len()).sum();
    for (name, value) in [
        ("dataset", json!(bed.dataset().to_str().unwrap())),
        ("api_version", json!("v1")),
        ("schema_version", json!(rollbook::rows::tables::SCHEMA_VERSION)),
        ("partition_by", json!("month")),
        ("sessions", json!(rows[0].len())),
        ("participants", json!(rows[1].len())),
        ("timelogs", json!(rows[2].len())),
        ("bytes", json!(bytes)),
        ("open_sessions", json!(open)),
        ("rejects", json!(0)),
        ("gone", json!(0)),
        ("erasures", json!(0)),
        ("stopped_run", json!(null)),
        ("running", json!(false)),
        ("snapshots", json!(null)),
    ] {
        assert_eq!(report[name], value, "{name}: {report:#}");
    }
    let time = |value: &Value| chrono::DateTime::parse_from_rfc3339(value.as_str().unwrap()).unwrap();
    let started = |text: &String| chrono::DateTime::parse_from_rfc3339(text).unwrap();
    assert_eq!(time(&report["first_started_at"]), started(starts.iter().min().unwrap()));
    assert_eq!(time(&report["last_started_at"]), started(starts.iter().max().unwrap()));
    assert_eq!(report["last_run"], report["last_proven"]);
    let run = &report["last_run"];
    assert_eq!((&run["command"], &run["exit_code"], &run["outcome"]), (&json!("export"), &json!(0), &json!("proven")));
    assert_eq!((&run["evidence"], report["settled_until"].is_string()), (&json!("chain"), true));
    // The lookback behind the newest session.
    assert_eq!((time(&report["last_started_at"]) - time(&report["settled_until"])).num_hours(), 72);
    let week = time(&report["full_walk_due"]) - time(&run["finished_at"]);
    assert!((6..=7).contains(&week.num_days()), "{report:#}");
}

#[test]
fn a_person_reads_short_lines_with_ages() {
    let bed = exported();
    for receipt in receipts(&bed) {
        rewrite(&receipt, |receipt| receipt["finished_at"] = json!(ended_ago(18)));
    }
    let ran = status(&bed, &[]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for part in [
        "\nsessions      300, ",
        "\nlast run      export 2",
        "Z, 18 h ago: exit 0, proven by chain\nlast proven   export 2",
        "\nsettled       what started before ",
        "\nfull walk     due at ",
        ", in 6 d\n",
        "\nrejects       0 records\n",
        "\nunder way     no\n",
    ] {
        assert!(ran.stdout.contains(part), "{part:?}: {}", ran.stdout);
    }
    // The first line has the path of a dataset that may be long.
    assert!(ran.stdout.lines().skip(1).all(|line| line.chars().count() <= 80), "{}", ran.stdout);
    assert!(!ran.stdout.contains("notice"), "{}", ran.stdout);
}

#[test]
fn a_health_check_in_one_line() {
    let bed = exported();
    assert_eq!(status(&bed, &["--max-age", "26h"]).code, 0);
    // Neither a failure nor a part of the list shows anything, and a proof of yesterday still counts.
    let failing = Options {
        script: Script::new().answer_every(1, 1, Answer::status(401)),
        ..Options::new(Account::new(71, 300, Shape::Varied))
    };
    let mut bed = bed;
    bed.serve(failing);
    assert_eq!(Ran::of(bed.command(&["export", "-q"]).output().unwrap()).code, 4);
    let report = json_of(&bed);
    assert_eq!((&report["last_run"]["exit_code"], &report["last_proven"]["exit_code"]), (&json!(4), &json!(0)));
    assert_eq!(report["last_run"]["outcome"], json!("credentials_refused"));
    assert_eq!(status(&bed, &["--max-age", "26h"]).code, 0);
    let text = status(&bed, &[]).stdout;
    assert!(text.contains(": exit 4, credentials_refused\n"), "{text}");
    let first = &receipts(&bed)[0];
    rewrite(first, |receipt| receipt["finished_at"] = json!(ended_ago(31)));
    let ran = status(&bed, &["--max-age", "26h", "--json"]);
    assert_eq!((ran.code, ran.receipt()["sessions"].as_u64()), (3, Some(300)), "{ran:?}");
    let said = "error: no export has ended with exit code 0 for more than 26 h; the last did: ";
    assert!(ran.stderr.starts_with(said) && ran.stderr.contains("Z, 31 h ago\nhint: "), "{ran:?}");
    assert_eq!(status(&bed, &["--max-age", "32h"]).code, 0);
    rewrite(first, |receipt| receipt["goal"]["meeting_ids"] = json!(["a"]));
    let ran = status(&bed, &["--max-age", "9000d"]);
    assert!(ran.code == 3 && ran.stderr.contains("the last did: never\n"), "{ran:?}");
    for wrong in [&["--max-age", "26"][..], &["--max-age"], &["--max-age", "-1h"], &["extra"], &["--full"]] {
        assert_eq!(status(&bed, wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn where_no_dataset_is_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("rollbook-data")).unwrap();
    for command in [&["status"][..], &["status", "--max-age", "1h", "--json"], &["rejects"], &["rejects", "--try"]] {
        let ran = Ran::of(rollbook(folder.path()).args(command).output().unwrap());
        assert!(ran.code == 6 && ran.stderr.contains("error: there is no dataset: "), "{command:?}: {ran:?}");
        assert_eq!((ran.stdout.as_str(), traces(folder.path()).len()), ("", 1));
    }
}

#[test]
fn beside_a_run_and_after_a_stopped_one() {
    let account = || Account::new(71, 2_000, Shape::Plain);
    let bed = Bed::new(Options { latency: Duration::from_millis(60), ..Options::new(account()) });
    let begin = || {
        let mut command = bed.export(&["-q"]);
        command.env("ROLLBOOK_API_CONCURRENCY", "1").env("ROLLBOOK_API_PER_PAGE", "50");
        let before = bed.pages();
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while bed.pages() < before + 5 {
            std::thread::sleep(Duration::from_millis(10));
        }
        child
    };
    assert_eq!(
        Ran::of(bed.command(&["backfill", "--from", "2020-01-01", "--to", "2020-01-02", "-q"]).output().unwrap()).code,
        0
    );
    let mut child = begin();
    let report = json_of(&bed);
    assert_eq!((&report["running"], &report["stopped_run"]), (&json!(true), &json!(null)), "{report:#}");
    assert!(status(&bed, &[]).stdout.contains("\nunder way     yes, "));
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    let report = json_of(&bed);
    let last = &report["last_run"];
    assert_eq!((&last["exit_code"], &report["running"]), (&json!(143), &json!(false)), "{report:#}");
    assert_eq!(report["stopped_run"], last["run_id"]);
    let text = status(&bed, &[]).stdout;
    assert!(text.contains("\nstopped run   begun ") && text.contains(" sessions read\n"), "{text}");
    assert_eq!(bed.run(&["-q"]).code, 0);
    assert_eq!(json_of(&bed)["stopped_run"], json!(null));
}

#[test]
fn what_is_damaged_hides_nothing_else() {
    let bed = exported();
    let whole = json_of(&bed);
    // The newest receipt.
    assert_eq!(Ran::of(bed.command(&["export", "-q"]).output().unwrap()).code, 0);
    let newest = receipts(&bed).pop().unwrap();
    for bytes in [&b"{"[..], b"", b"\xff\xfe", b"[]", b"{\"run_id\":1}", &vec![b'['; 100_000]] {
        fs::write(&newest, bytes).unwrap();
        let report = json_of(&bed);
        assert_eq!(report["last_run"], whole["last_run"], "{report:#}");
        let said = notices(&report);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said.iter().all(|(path, what)| newest.ends_with(path) && what == "the receipt can't be read"),
            "{said:?}"
        );
        assert_eq!(status(&bed, &["--max-age", "1h"]).code, 0);
    }
    // The state: what only it knows is not told.
    let state = own(&bed, "state.json");
    let good = fs::read(&state).unwrap();
    for bytes in [&b"{"[..], b"", &good[..good.len() / 2], &[good.as_slice(), b" x"].concat()] {
        fs::write(&state, bytes).unwrap();
        let report = json_of(&bed);
        for field in
            ["sessions", "participants", "timelogs", "bytes", "first_started_at", "open_sessions", "api_version"]
        {
            assert_eq!(report[field], whole[field], "{field}: {report:#}");
        }
        for field in ["settled_until", "gone", "schema_version", "account"] {
            assert_eq!(report[field], json!(null), "{field}: {report:#}");
        }
        assert!(notices(&report)["_rollbook/state.json"].starts_with("the state is damaged ("), "{report:#}");
    }
    fs::remove_file(&state).unwrap();
    assert_eq!(json_of(&bed)["sessions"], whole["sessions"]);
    fs::create_dir(&state).unwrap();
    let report = json_of(&bed);
    assert!(notices(&report).contains_key("_rollbook/state.json"), "{report:#}");
    assert!(
        status(&bed, &[]).stdout.contains("settled       nothing\nfull walk     due now: nothing was covered before\n")
    );
    // What it says to do mends it.
    fs::remove_dir(&state).unwrap();
    fs::write(&state, "{").unwrap();
    assert_eq!(bed.run(&["-q"]).code, 0);
    assert_eq!(notices(&json_of(&bed)), BTreeMap::new());
}

#[test]
fn a_bad_or_missing_file_is_named() {
    let bed = exported();
    let whole = json_of(&bed);
    let (path, bytes) =
        bed.files().into_iter().find(|(path, _)| path.to_str().unwrap().contains("/sessions/start_month=2")).unwrap();
    fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let report = json_of(&bed);
    assert_eq!((&report["sessions"], &report["open_sessions"]), (&whole["sessions"], &json!(null)), "{report:#}");
    assert!(notices(&report).keys().any(|bad| path.ends_with(bad)), "{report:#}");
    assert!(status(&bed, &[]).stdout.contains("\nrunning       not known\n"));
    fs::remove_file(&path).unwrap();
    let report = json_of(&bed);
    assert_eq!(notices(&report)[path.to_str().unwrap()], "a published file is missing", "{report:#}");
    fs::write(&path, bytes).unwrap();
    assert_eq!(notices(&json_of(&bed)), BTreeMap::new());
}

#[test]
fn clocks_that_were_wrong_show_nothing() {
    let bed = exported();
    let first = receipts(&bed)[0].clone();
    // A run of a machine that was a month ahead.
    let future = own(&bed, "runs").join("20990101T000000000Z-000001.json");
    fs::copy(&first, &future).unwrap();
    rewrite(&future, |receipt| {
        receipt["run_id"] = json!("20990101T000000000Z-000001");
        receipt["finished_at"] = json!(ended_ago(-720));
    });
    let report = json_of(&bed);
    assert!(
        report["last_run"]["run_id"] == report["last_proven"]["run_id"]
            && report["last_run"]["run_id"] != "20990101T000000000Z-000001"
    );
    assert!(
        notices(&report).values().all(|what| what.starts_with("the run ended in the future by this machine's clock"))
    );
    assert_eq!(notices(&report).len(), 1);
    fs::remove_file(&first).unwrap();
    let report = json_of(&bed);
    assert_eq!(
        (&report["last_run"]["run_id"], &report["last_proven"]),
        (&json!("20990101T000000000Z-000001"), &json!(null))
    );
    assert_eq!(status(&bed, &["--max-age", "26h"]).code, 3);
    assert!(status(&bed, &[]).stdout.contains(", in 29 d: exit 0, proven by chain\n"));
}

#[test]
fn other_ages_forms_and_sizes_of_datasets() {
    // Written by the first version.
    let report = json_of(&version_1());
    assert_eq!((&report["schema_version"], notices(&report).len()), (&json!(1), 0), "{report:#}");
    assert!(report["sessions"].as_u64() > Some(0) && report["open_sessions"].is_u64());
    // Nothing in it.
    let bed = Bed::new(Options::new(Account::new(71, 0, Shape::Plain)));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let report = json_of(&bed);
    assert_eq!((&report["sessions"], &report["first_started_at"]), (&json!(0), &json!(null)), "{report:#}");
    assert!(status(&bed, &[]).stdout.contains("\nsessions      0\n"));
    // By day, looked at without the setting, and also without the state.
    let bed = Bed::new(Options::new(Account::new(71, 300, Shape::AllOpen)));
    let run = bed.export(&["-q"]).env("ROLLBOOK_DATASET_PARTITION_BY", "day").output().unwrap();
    assert_eq!(Ran::of(run).code, 0);
    for has_state in [true, false] {
        let report = json_of(&bed);
        assert_eq!((&report["partition_by"], &report["sessions"]), (&json!("day"), &json!(300)), "{report:#}");
        assert_eq!(report["open_sessions"], json!(300));
        if has_state {
            fs::remove_file(own(&bed, "state.json")).unwrap();
        }
    }
    // Of a version that is not there yet.
    let bed = exported();
    let state = own(&bed, "state.json");
    let mut newer: Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    newer.as_object_mut().unwrap().remove("sum");
    newer["schema_version"] = json!(99);
    fs::write(&state, newer.to_string()).unwrap();
    let ran = status(&bed, &[]);
    assert!(ran.code == 2 && ran.stderr.contains("written by a newer version of rollbook"), "{ran:?}");
}

#[test]
fn purges_and_what_is_half_done_are_told() {
    let bed = exported();
    let ran = Ran::of(bed.command(&["purge", "--before", "2015-01-01", "-q"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let report = json_of(&bed);
    assert_eq!((&report["erasures"], &report["last_run"]["command"]), (&json!(1), &json!("purge")), "{report:#}");
    // A purge shows nothing of the list.
    assert_eq!((&report["last_run"]["evidence"], &report["last_proven"]["command"]), (&json!(null), &json!("export")));
    let erasures = own(&bed, "erasures.json");
    let good = fs::read(&erasures).unwrap();
    fs::remove_file(&erasures).unwrap();
    let report = json_of(&bed);
    assert_eq!(report["erasures"], json!(null));
    assert!(notices(&report)["_rollbook/erasures.json"].starts_with("the list of erasures is missing"), "{report:#}");
    fs::write(&erasures, good).unwrap();
    // A run that died while it published.
    fs::create_dir_all(own(&bed, "publishing")).unwrap();
    let record = own(&bed, "publishing/20261101T000000000Z-000001.json");
    fs::write(&record, json!({"layout": 1, "run_id": "20261101T000000000Z-000001", "files": []}).to_string()).unwrap();
    let path = "_rollbook/publishing/20261101T000000000Z-000001.json";
    assert_eq!(notices(&json_of(&bed))[path], "a run was stopped while it published");
    fs::write(&record, "{").unwrap();
    assert!(notices(&json_of(&bed))[path].starts_with("the record of files that a run was publishing"));
}

/// Changes the state, and leaves it without a sum.
fn rewrite_state(bed: &Bed, change: impl Fn(&mut Value)) {
    let path = own(bed, "state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    state.as_object_mut().unwrap().remove("sum");
    change(&mut state);
    fs::write(path, state.to_string()).unwrap();
}

#[test]
fn when_the_whole_list_is_read_again() {
    let bed = exported();
    let due = |environment: &[(&str, &str)]| {
        let mut command = rollbook(bed.folder.path());
        let arguments = ["status", "--json", "--dest"];
        command.args(arguments).arg(bed.dataset()).envs(environment.iter().copied());
        Ran::of(command.output().unwrap()).receipt()["full_walk_due"].clone()
    };
    let usual = due(&[]);
    assert_eq!(due(&[("ROLLBOOK_WALK_FULL_EVERY", "0s")]), json!(null));
    assert!(due(&[("ROLLBOOK_WALK_FULL_EVERY", "30d")]).as_str() > usual.as_str());
    for (what, change) in [
        ("what is settled lies in the future", json!({"fence": "2999-01-01T00:00:00Z"})),
        ("the last full walk is older than walk.full_every", json!({"full_at": "2020-01-01T00:00:00Z"})),
        ("nothing was covered before", json!({"fence": "soon"})),
        ("a full walk is due: 3 sessions", json!({"disproven": "a full walk is due: 3 sessions"})),
    ] {
        let before = fs::read(own(&bed, "state.json")).unwrap();
        rewrite_state(&bed, |state| {
            state["covered"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        });
        let text = status(&bed, &[]).stdout;
        assert!(text.contains(&format!("\nfull walk     due now: {what}")), "{text}");
        assert!(due(&[]).as_str().unwrap() < ended_ago(-1).as_str(), "{what}");
        fs::write(own(&bed, "state.json"), before).unwrap();
    }
}

#[test]
fn whoever_may_write_there_stops_no_look_and_acts_on_no_terminal() {
    let bed = exported();
    // What is no file, or leads elsewhere, where receipts, raw records and the stage are.
    fs::create_dir(own(&bed, "runs").join("20980101T000000000Z-000001.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", own(&bed, "runs").join("20980101T000000000Z-000002.json")).unwrap();
    fs::remove_dir_all(own(&bed, "stage")).unwrap_or_default();
    fs::write(own(&bed, "stage"), "no folder").unwrap();
    let report = json_of(&bed);
    assert_eq!((&report["last_run"]["exit_code"], &report["stopped_run"]), (&json!(0), &json!(null)), "{report:#}");
    assert!(notices(&report).keys().any(|path| path.ends_with("_rollbook/stage")), "{report:#}");
    // Texts of a receipt.
    let evil = "\u{1b}[2J\u{9b}31m\u{202e}\n".repeat(200);
    rewrite(&receipts(&bed)[0], |receipt| {
        for field in ["command", "outcome", "error", "run_id"] {
            receipt[field] = json!(evil);
        }
    });
    rewrite_state(&bed, |state| state["source"]["account"] = json!(evil));
    for arguments in [&[][..], &["--json"]] {
        let ran = status(&bed, arguments);
        let acts = ran.stdout.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}');
        assert!(ran.code == 0 && !acts, "{ran:?}");
    }
    // A lock that somebody holds is a run.
    let lock = fs::File::open(own(&bed, "lock")).unwrap();
    lock.lock().unwrap();
    assert_eq!(json_of(&bed)["running"], json!(true));
    drop(lock);
    assert_eq!(json_of(&bed)["running"], json!(false));
}

#[test]
fn in_an_object_store() {
    let store = ObjectStore::moto();
    let bed = Bed::new(Options::new(Account::new(71, 300, Shape::Varied)));
    let dest = store.url("data");
    let run = |arguments: &[&str]| {
        let mut command = rollbook(bed.folder.path());
        command.args(arguments).args(["--dest", &dest]).envs(store.environment.clone());
        Ran::of(command.env("ROLLBOOK_STORE_RETRY_BUDGET", "2s").output().unwrap())
    };
    for command in ["status", "rejects"] {
        let ran = run(&[command]);
        assert!(ran.code == 6 && ran.stderr.contains("error: there is no dataset: "), "{ran:?}");
    }
    let mut command = rollbook(bed.folder.path());
    command
        .args(["export", "-q", "--dest", &dest, "--base-url", &bed.server.base_url()])
        .envs(store.environment.clone());
    assert_eq!(Ran::of(command.env("VIDEOSDK_TOKEN", TOKEN).output().unwrap()).code, 0);
    let before = store.files("");
    let ran = run(&["status", "--json", "--max-age", "1h"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    let report = ran.receipt();
    assert_eq!((&report["sessions"], &report["dataset"]), (&json!(300), &json!(dest)), "{report:#}");
    assert!(report["bytes"].as_u64() > Some(10_000) && report["open_sessions"].as_u64() > Some(0), "{report:#}");
    assert_eq!(run(&["rejects"]).code, 0);
    assert_eq!(store.files(""), before);
    store.put("data/_rollbook/state.json", "{");
    let report = run(&["status", "--json"]).receipt();
    assert_eq!((&report["sessions"], &report["settled_until"]), (&json!(300), &json!(null)), "{report:#}");
}
