//! A run that was stopped is continued, also while the list moves; a stage that does not fit is set aside.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran, signal};

const PAGES: u64 = 1_000;

fn account() -> Account {
    Account::new(14, PAGES * 100, Shape::Plain)
}

/// A server that stops answering at this request.
fn stalling(at: u64) -> Options {
    let script = Script::new().answer_every(at, 1, Answer::Stall(Duration::from_mins(5)));
    Options { script, ..Options::new(account()) }
}

/// Runs an export until the server has stopped answering, and kills it.
fn killed(bed: &Bed, at: u64) {
    let mut child = bed.export(&["-q"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for(bed, at);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// Waits until the server has stopped answering, and what it has answered is staged.
fn wait_for(bed: &Bed, requests: u64) {
    for _ in 0..600 {
        if bed.server.requests().count >= requests {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(500));
}

fn ids(bed: &Bed) -> BTreeSet<String> {
    let rows = bed.rows(Table::Sessions);
    let ids: BTreeSet<String> = rows.iter().map(|row| row[0].1.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "an id is doubled");
    ids
}

#[test]
fn a_killed_run_is_continued_in_a_list_that_has_moved() {
    let mut bed = Bed::new(stalling(1_040));
    killed(&bed, 1_040);
    assert!(bed.files().is_empty());
    let killed_at = chrono::Utc::now().to_rfc3339();

    let start = |number: u64| account().start(0) + 1_000_000 * i64::try_from(number + 1).unwrap();
    let in_future = account().fresh(299, 4_000_000_000_000_000);
    let fresh: Vec<_> = (0..299).map(|number| account().fresh(number, start(number))).chain([in_future]).collect();
    let changes: Vec<_> = fresh.iter().cloned().map(Change::InsertHead).collect();
    bed.serve(Options { script: Script::new().before(1, changes), ..Options::new(account()) });
    let ran = bed.run(&["--json"]);
    let receipt = ran.receipt();
    assert_eq!((ran.code, &receipt["walk"]["evidence"]), (0, &"chain".into()), "{receipt:#}");
    assert!(receipt["walk"]["recalled"].as_u64().unwrap() > 900, "{receipt:#}");
    assert!(receipt["walk"]["requests"].as_u64().unwrap() <= PAGES / 5, "{receipt:#}");
    let exported = ids(&bed);
    assert_eq!(exported.len(), 100_300);
    assert!(fresh.iter().all(|session| exported.contains(&session.id)));
    // What came in above while nobody looked is not settled before the next look.
    let state = std::fs::read(bed.dataset().join("_rollbook/state.json")).unwrap();
    let state: serde_json::Value = serde_json::from_slice(&state).unwrap();
    let fence = state["covered"]["fence"].as_str().unwrap();
    assert!(*fence < *killed_at, "{fence} {killed_at}");
    // What was published is not kept twice.
    assert_eq!(std::fs::read_dir(bed.dataset().join("_rollbook/stage")).unwrap().count(), 0);
}

/// Arguments, what is done to the stage, and what the run says.
type Case<'a> = (&'a [&'a str], &'a dyn Fn(&Bed), &'a str);

#[test]
fn a_stage_that_does_not_fit_is_set_aside() {
    let damage = |bed: &Bed, name: &str| {
        let path = bed.dataset().join("_rollbook/stage").join(name);
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x55;
        std::fs::write(&path, bytes).unwrap();
    };
    let cases: [Case<'_>; 5] = [
        (&["--fresh"], &|_| {}, "a fresh run was asked for"),
        (&["--api", "v2"], &|_| {}, "another account, goal, setting or version"),
        (&[], &|bed| damage(bed, "rows"), ""),
        (&[], &|bed| damage(bed, "identities"), ""),
        (&[], &|bed| std::fs::write(bed.dataset().join("_rollbook/stage/journal"), "x").unwrap(), "it is damaged"),
    ];
    for (arguments, spoil, message) in cases {
        let mut bed = Bed::new(stalling(60));
        killed(&bed, 60);
        spoil(&bed);
        bed.serve(Options::new(account()));
        let ran = bed.run(&[&["--json"], arguments].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.stderr.contains(message), "{ran:?}");
        assert_eq!(ids(&bed).len(), 100_000);
    }
}

#[test]
fn a_backfill_of_several_walks_is_continued_twice() {
    let day = |index: u64| crate::bed::time(account().start(index));
    let (from, to) = (day(30_000), day(10_000));
    let meetings = [account().meeting_id(3), account().meeting_id(4)];
    let several = ["--meeting-id", &meetings[0], "--meeting-id", &meetings[1]];
    for (version, more) in [("v2", &[][..]), ("v1", &[][..]), ("v1", &several[..])] {
        let arguments = [&["backfill", "--api", version, "--from", &from, "--to", &to, "--json"], more].concat();
        let whole = Bed::new(Options::new(account()));
        let whole_run = Ran::of(whole.command(&arguments).output().unwrap());
        assert_eq!(whole_run.code, 0, "{whole_run:?}");
        let requests = whole_run.receipt()["walk"]["requests"].as_u64().unwrap();
        let mut bed = Bed::new(stalling(requests / 2));
        for at in [requests / 2, requests / 4] {
            bed.serve(stalling(at));
            let mut child = bed.command(&arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            wait_for(&bed, at);
            child.kill().unwrap();
            child.wait().unwrap();
        }
        bed.serve(Options::new(account()));
        let ran = Ran::of(bed.command(&arguments).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(ran.receipt()["walk"]["recalled"].as_u64() > Some(0), "{version} {more:?}: {ran:?}");
        assert_eq!(ids(&bed), ids(&whole), "{version} {more:?}");
    }
}

#[test]
fn a_signal_keeps_what_was_read() {
    let mut bed = Bed::new(stalling(100));
    let child = bed.export(&[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    wait_for(&bed, 100);
    signal(&child, "-INT");
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, 130, "{ran:?}");
    bed.serve(Options::new(account()));
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.receipt()["walk"]["recalled"].as_u64().unwrap() > 80, "{ran:?}");
    assert_eq!(ids(&bed).len(), 100_000);
}
