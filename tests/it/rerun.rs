//! Reruns, kills, signals and two runs at once: the dataset is always whole, and the same sessions give the same bytes.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Canned, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, signal};
use crate::watcher::Watcher;

fn account(sessions: u64) -> Account {
    Account::new(5, sessions, Shape::Realistic)
}

fn ids(bed: &Bed) -> BTreeSet<String> {
    let rows = bed.rows(Table::Sessions);
    let ids: BTreeSet<String> = rows.iter().map(|row| row[0].1.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "an id is doubled");
    ids
}

#[test]
fn the_same_sessions_give_the_same_bytes() {
    let bed = Bed::new(Options::new(account(3_000)));
    assert_eq!(bed.run(&[]).code, 0);
    let first = bed.files();
    assert!(first.len() >= 6);
    let again = bed.run(&["--json"]);
    assert_eq!(again.code, 0);
    assert!(first == bed.files(), "a rerun changed the files");
    let changed = again.receipt()["partitions"].as_array().unwrap().iter().any(|file| file["changed"] == true);
    assert!(!changed, "{again:?}");
    assert_eq!(again.receipt()["changes"], serde_json::json!({"new": 0, "updated": 0, "unchanged": 3_000}));

    // Other pages, another way through the same list, another dataset.
    let other = Bed::new(Options { page_cap: Some(37), ..Options::new(account(3_000)) });
    assert_eq!(other.run(&[]).code, 0);
    // When an open session was seen is the one thing that may differ.
    let children = |bed: &Bed| {
        let files =
            bed.files().into_iter().map(|(path, bytes)| (path.strip_prefix(bed.dataset()).unwrap().to_owned(), bytes));
        files.filter(|(path, _)| !path.starts_with("sessions")).collect::<Vec<_>>()
    };
    assert!(children(&bed) == children(&other), "the way through the list shows in the files");
    let sessions = |bed: &Bed| {
        let mut rows = bed.rows(Table::Sessions);
        for row in &mut rows {
            row.retain(|(name, _)| name != "observed_at");
        }
        rows
    };
    assert_eq!(sessions(&bed), sessions(&other));
}

#[test]
fn two_exports_of_an_account_at_rest_are_the_same_to_the_byte() {
    let [one, other] = [None, Some(37)].map(|page_cap| {
        let bed = Bed::new(Options { page_cap, ..Options::new(Account::new(5, 3_000, Shape::Plain)) });
        assert_eq!(bed.run(&[]).code, 0);
        let files = bed.files().into_iter();
        files.map(|(path, bytes)| (path.strip_prefix(bed.dataset()).unwrap().to_owned(), bytes)).collect::<Vec<_>>()
    });
    assert!(one.len() >= 6 && one == other);
}

#[test]
fn what_is_gone_from_the_list_stays_and_what_changed_is_updated() {
    let mut bed = Bed::new(Options::new(account(300)));
    assert_eq!(bed.run(&[]).code, 0);
    let before = ids(&bed);
    let is_open = |state: &str| ("is_open".to_owned(), state.to_owned());
    assert!(bed.rows(Table::Sessions).iter().any(|row| row.contains(&is_open("true"))));
    let changes: Vec<Change> = vec![Change::delete(200), Change::end(0, 1_800_000_000_000_000)];
    bed.serve(Options { script: Script::new().before(1, changes), ..Options::new(account(300)) });
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ids(&bed), before);
    assert_eq!(ran.receipt()["walk"]["distinct"], 299);
    let newest = bed.rows(Table::Sessions).pop().unwrap();
    assert!(newest.contains(&is_open("false")), "{newest:?}");
}

#[test]
fn a_session_that_gains_a_start_moves() {
    let record = |start: &str| format!(r#"{{"id": "m", "start": {start}, "participants": [{{"timelog": []}}]}}"#);
    let options = |start: &str| {
        let script = Script::new().before(1, Change::raw(0, record(start)));
        Options { script, ..Options::new(Account::new(5, 3, Shape::Plain)) }
    };
    let mut bed = Bed::new(options("null"));
    assert_eq!(bed.run(&[]).code, 0);
    assert_eq!(ids(&bed).len(), 3);
    bed.serve(options("\"2024-05-05T00:00:00Z\""));
    assert_eq!(bed.run(&[]).code, 0);
    assert_eq!(ids(&bed).len(), 3);
    assert!(bed.dataset().join("sessions/start_month=2024-05/part-0.parquet").exists());
    assert_eq!(bed.rows(Table::Participants).iter().filter(|row| row[0].1 == "m").count(), 1);
}

#[test]
fn a_kill_at_any_moment_leaves_a_dataset_that_can_be_read() {
    // New sessions come in all the time, so that every run that gets that far has something to publish.
    let script = Script::new().every(1, 3, Change::InsertFresh(0));
    let bed = Bed::new(Options { latency: Duration::from_millis(2), script, ..Options::new(account(1_500)) });
    let watcher = Watcher::over(&bed.dataset());
    for round in 0..24 {
        let mut child = bed.export(&["-q"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(20 + round * 17));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let ran = bed.run(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    watcher.end();
    assert!(ids(&bed).len() > 1_500);
    let leftovers =
        bed.files().iter().filter(|(path, _)| std::fs::read_dir(path.parent().unwrap()).unwrap().count() != 1).count();
    assert_eq!(leftovers, 0, "leftovers of dead runs");
}

#[test]
fn ctrl_c_stops_cleanly() {
    for (name, code) in [("-INT", 130), ("-TERM", 143)] {
        let bed = Bed::new(Options { latency: Duration::from_millis(100), ..Options::new(account(5_000)) });
        let child = bed.export(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(600));
        signal(&child, name);
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(bed.files().is_empty());
        let runs = bed.dataset().join("_rollbook/runs");
        let receipt = std::fs::read_dir(runs).unwrap().next().unwrap().unwrap().path();
        let receipt: serde_json::Value = serde_json::from_slice(&std::fs::read(receipt).unwrap()).unwrap();
        assert_eq!(receipt["exit_code"], code);
    }
}

#[test]
fn a_signal_is_heeded_within_a_partition() {
    let bed = Bed::new(Options::new(account(40_000)));
    let undivided = [("ROLLBOOK_DATASET_PARTITION_BY", "none")];
    let making = |folder: &std::path::Path| {
        let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".tmp")).count()
    };
    let table = bed.dataset().join("timelogs");
    let mut export = bed.export(&[]);
    let child = export.envs(undivided).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut patience = 0..3_000;
    while making(&table) == 0 && patience.next().is_some() {
        std::thread::sleep(Duration::from_millis(10));
    }
    signal(&child, "-TERM");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 143, "{ran:?}");
    let left = std::fs::read_dir(&table).unwrap().count();
    assert_eq!(left, 0, "the partition was finished first, or something stays");
    // What was read is not read again.
    let requests = bed.pages();
    let ran = Ran::of(bed.export(&["--json"]).envs(undivided).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(bed.pages() < requests + requests / 4, "{} after {requests}", bed.pages());
    assert_eq!(ran.receipt()["sessions"], 40_000);
    assert_eq!(Ran::of(bed.command(&["verify"]).envs(undivided).output().unwrap()).code, 0);
}

#[test]
fn a_second_run_at_once_is_refused() {
    let bed = Bed::new(Options { latency: Duration::from_millis(100), ..Options::new(account(2_000)) });
    let mut first = bed.export(&["-q"]).stdout(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let second = bed.run(&[]);
    assert_eq!(second.code, 7, "{second:?}");
    assert!(first.wait().unwrap().success());
    assert_eq!(ids(&bed).len(), 2_000);
}

#[test]
fn another_cut_or_account_or_damage_is_refused() {
    let bed = Bed::new(Options::new(account(50)));
    assert_eq!(bed.run(&[]).code, 0);
    let before = bed.files();
    let with = |name: &str, value: &str| Ran::of(bed.export(&[]).env(name, value).output().unwrap());
    let cut = with("ROLLBOOK_DATASET_PARTITION_BY", "day");
    assert_eq!(cut.code, 2, "{cut:?}");
    let path = bed.dataset().join("_rollbook/state.json");
    let state = std::fs::read_to_string(&path).unwrap();
    for (ours, others, named) in [
        ("\"loopback\"", "\"https://other.example\"", "from https://other.example, and this run asks loopback"),
        ("\"account\": null", "\"account\": \"another\"", "of account `another`, and the credentials are of `unknown`"),
    ] {
        assert!(state.contains(ours), "{state}");
        std::fs::write(&path, &state).unwrap();
        bed.edit_state(|text| text.replace(ours, others));
        let foreign = bed.run(&[]);
        assert!(foreign.code == 2 && foreign.stderr.contains(named), "{foreign:?}");
    }
    std::fs::write(&path, &state).unwrap();
    let path = bed.dataset().join("timelogs/start_month=2026-11/part-0.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let damaged = bed.run(&[]);
    assert_eq!(damaged.code, 6, "{damaged:?}");
    assert!(damaged.stderr.contains("timelogs/start_month=2026-11") && damaged.stderr.contains("hint: "));
    std::fs::remove_file(&path).unwrap();
    let missing = bed.run(&[]);
    assert_eq!(missing.code, 6, "{missing:?}");
    std::fs::write(&path, &bytes).unwrap();
    std::fs::write(bed.dataset().join("_rollbook/state.json"), "{").unwrap();
    assert_eq!(bed.run(&[]).code, 0);
    assert!(before == bed.files());
}

#[test]
fn a_published_file_that_is_gone_is_an_error_even_without_the_state() {
    let bed = Bed::new(Options::new(account(50)));
    assert_eq!(bed.run(&[]).code, 0);
    let path = bed.dataset().join("participants/start_month=2026-11/part-0.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(bed.dataset().join("_rollbook/state.json")).unwrap();
    let ran = bed.run(&[]);
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("a published file is missing") && ran.stderr.contains("participants/"), "{ran:?}");
    std::fs::write(&path, bytes).unwrap();
    assert_eq!(bed.run(&[]).code, 0);
}

#[test]
fn a_run_that_fails_while_it_publishes_records_what_is_in_place() {
    let mut partly = 0;
    for step in (1..).step_by(3) {
        let bed = Bed::new(Options::new(account(50)));
        let ran =
            Ran::of(bed.export(&["--json"]).env("ROLLBOOK_TEST_FAULTS", format!("fail:{step}")).output().unwrap());
        if ran.code == 0 {
            break;
        }
        assert_eq!(ran.code, 6, "{ran:?}");
        let receipt = if ran.stdout.is_empty() { serde_json::Value::Null } else { ran.receipt() };
        let paths: Vec<_> = receipt["partitions"].as_array().into_iter().flatten().map(|file| &file["path"]).collect();
        // It failed at a file of a table, when others were in place.
        if !paths.is_empty() && receipt["error"].as_str().is_some_and(|error| error.contains(".parquet")) {
            let state = std::fs::read_to_string(bed.dataset().join("_rollbook/state.json")).unwrap();
            assert!(paths.iter().all(|path| state.contains(path.as_str().unwrap())), "{paths:?} {state}");
            partly += 1;
        }
        assert_eq!(bed.run(&[]).code, 0);
        assert_eq!(ids(&bed).len(), 50);
    }
    assert!(partly >= 3, "{partly}");
}

#[test]
fn a_dry_run_writes_nothing() {
    let bed = Bed::new(Options::new(account(500)));
    let ran = bed.run(&["--dry-run", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.receipt()["walk"]["distinct"], 500);
    assert!(!bed.dataset().exists());
}

#[test]
fn the_token_is_nowhere() {
    let echo = Canned::status(403).json(format!(r#"{{"message": "{TOKEN} is not welcome"}}"#));
    let mut bed = Bed::new(Options::new(account(200)));
    for verbosity in ["-v", "-vv"] {
        assert_eq!(bed.run(&[verbosity, "--log-format", "json"]).code, 0); // `Ran` searches what was printed
    }
    let all = Ran::of(bed.export(&["--fresh"]).env("ROLLBOOK_LOG", "trace").output().unwrap());
    assert!(all.code == 0 && all.stderr.contains("TRACE"), "{all:?}");
    bed.serve(Options { script: Script::new().answer_every(5, 1, echo), ..Options::new(account(200)) });
    let refused = bed.run(&["-vv", "--json"]);
    assert!(refused.code == 4 && refused.stderr.contains("[redacted] is not welcome"), "{refused:?}");
    assert!(bed.dataset().join("_rollbook/stage/journal").exists(), "what was read is not kept");
    let mut folders = vec![bed.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                let bytes = std::fs::read(entry.path()).unwrap();
                let found = bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
                assert!(!found, "the token is in {}", entry.path().display());
            }
        }
    }
}
