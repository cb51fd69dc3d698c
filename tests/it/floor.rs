//! `dataset.since`: a floor under every goal.

use std::collections::BTreeSet;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, List, Options, Order, Script, Shape, Spacing};

use crate::bed::{Bed, Ran, time};

/// Ten minutes from one session to the next, so 144 a day.
fn account() -> Account {
    Account::new(8, 20_000, Shape::Plain).spaced(Spacing::every(600_000))
}

/// A run with this floor.
fn run(bed: &Bed, since: i64, arguments: &[&str]) -> Ran {
    let mut command = bed.command(arguments);
    command.arg("--json").env("ROLLBOOK_DATASET_SINCE", time(since)).env("ROLLBOOK_WALK_LEDGER_MAX_AGE", "3650d");
    Ran::of(command.output().unwrap())
}

fn ids(bed: &Bed) -> BTreeSet<String> {
    bed.rows(Table::Sessions).into_iter().map(|row| row[0].1.clone()).collect()
}

/// The sessions that started at or after a time.
fn younger(since: i64) -> BTreeSet<String> {
    account().sessions().take_while(|session| session.start >= Some(since)).map(|session| session.id).collect()
}

#[test]
fn every_run_stops_at_the_floor_once_the_order_is_known() {
    let mut bed = Bed::new(Options::new(account()));
    let since = account().start(2_000);
    let first = run(&bed, since, &["export"]);
    let receipt = first.receipt();
    assert_eq!((first.code, &receipt["walk"]["evidence"]), (0, &"chain".into()), "{receipt:#}");
    assert_eq!((&receipt["goal"]["kind"], &receipt["goal"]["since"]), (&"full".into(), &time(since).into()));
    // 20 pages would do, but whether what lies behind them is older is not known yet.
    assert_eq!(receipt["walk"]["distinct"], 20_000, "{receipt:#}");
    assert_eq!(ids(&bed), younger(since));

    let night = run(&bed, since, &["export"]).receipt();
    assert_eq!((&night["goal"]["kind"], &night["exit_code"]), (&"nightly".into(), &0.into()), "{night:#}");
    assert!(night["walk"]["requests"].as_u64().unwrap() <= 12, "{night:#}");

    // A lower floor is made up for at once, and is no fault of earlier nights.
    let lower = account().start(3_000);
    let receipt = run(&bed, lower, &["export"]).receipt();
    assert_eq!((&receipt["goal"]["kind"], &receipt["exit_code"]), (&"full".into(), &0.into()), "{receipt:#}");
    assert!(receipt["goal"]["why"].as_str().unwrap().contains("`dataset.since`"), "{receipt:#}");
    assert_eq!(receipt["walk"]["late"], 0, "{receipt:#}");
    // 30 pages of 200.
    assert!(receipt["walk"]["requests"].as_u64().unwrap() <= 48, "{receipt:#}");
    assert_eq!(ids(&bed), younger(lower));

    // What is there already stays under a higher one, and nothing of it counts as vanished.
    bed.serve(Options {
        script: Script::new().before(1, (0..20).map(|_| Change::delete(2_500)).collect::<Vec<_>>()),
        ..Options::new(account())
    });
    let receipt = run(&bed, since, &["export", "--full"]).receipt();
    assert_eq!((&receipt["exit_code"], &receipt["walk"]["vanished"]["asked"]), (&0.into(), &0.into()), "{receipt:#}");
    assert_eq!(ids(&bed), younger(lower));
}

#[test]
fn ranges_are_cut_at_the_floor() {
    let since = account().start(2_000);
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account()));
        let (from, to) = (time(account().start(3_000)), time(account().start(1_000)));
        let ran = run(&bed, since, &["backfill", "--api", version, "--from", &from, "--to", &to]);
        let receipt = ran.receipt();
        assert_eq!((ran.code, &receipt["goal"]["from"]), (0, &time(since).into()), "{receipt:#}");
        let expected: BTreeSet<_> = younger(since).difference(&younger(account().start(1_000))).cloned().collect();
        assert_eq!(ids(&bed), expected);
        let below = run(&bed, since, &["backfill", "--api", version, "--from", &from, "--to", &time(since)]);
        assert_eq!(below.code, 2, "{below:?}");
        assert!(below.stderr.contains("nothing older is kept"), "{below:?}");
    }
}

#[test]
fn a_list_of_another_order_is_read_to_its_end_and_cut() {
    let since = account().start(2_000);
    for order in [Order::OldestFirst, Order::Shuffled(3)] {
        let bed = Bed::new(Options::new(List::new(account(), order)));
        for kind in ["full", "full"] {
            let ran = run(&bed, since, &["export"]);
            let receipt = ran.receipt();
            assert_eq!((ran.code, &receipt["walk"]["evidence"]), (0, &"chain".into()), "{order:?}: {receipt:#}");
            assert_eq!((&receipt["goal"]["kind"], &receipt["walk"]["distinct"]), (&kind.into(), &20_000.into()));
            assert_eq!(ids(&bed), younger(since));
        }
        // A list in no order is not proven while it moves.
        let script = Script::new().every(4, 1, Change::InsertFresh(0));
        let moving = Bed::new(Options { script, ..Options::new(List::new(account(), order)) });
        let code = if matches!(order, Order::Shuffled(_)) { 3 } else { 0 };
        assert_eq!(run(&moving, since, &["export"]).code, code, "{order:?}");
    }
}

#[test]
fn what_lies_below_is_not_asked_for_nor_kept_raw() {
    let (open, no_id) = (5_000, "{\"start\":\"2026-09-01T00:00:00.000Z\",\"participants\":[]}");
    let running = rollbook::sim::Session { end: None, ..account().session(open) };
    let script = Script::new().before(1, Change::replace(open, running));
    let mut bed = Bed::new(Options { script, ..Options::new(account()) });
    assert_eq!(run(&bed, account().start(6_000), &["export"]).code, 0);
    // It would be asked for now that it is older than what the night reads, but it is below the floor.
    let since = account().start(4_000);
    let script = Script::new().before(1, [Change::raw(4_010, no_id), Change::raw(10, "{\"start\":null}")].to_vec());
    bed.serve(Options { script, ..Options::new(account()) });
    let ran = run(&bed, since, &["export", "--full"]);
    let receipt = ran.receipt();
    assert_eq!(receipt["walk"]["vanished"]["asked"], 1, "{receipt:#}");
    assert_eq!((ran.code, &receipt["rejects"]["total"]), (3, &1.into()), "{receipt:#}");
}

#[test]
fn a_stage_of_another_floor_is_set_aside() {
    let stall = rollbook::sim::Answer::Stall(std::time::Duration::from_mins(5));
    let mut bed = Bed::new(Options { script: Script::new().answer_every(9, 1, stall), ..Options::new(account()) });
    let mut command = bed.command(&["export", "-q"]);
    command.env("ROLLBOOK_DATASET_SINCE", time(account().start(4_000))).stdout(std::process::Stdio::null());
    let mut child = command.spawn().unwrap();
    for _ in 0..600 {
        if bed.server.requests().count >= 9 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    std::thread::sleep(std::time::Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();
    bed.serve(Options::new(account()));
    let since = account().start(300);
    let ran = run(&bed, since, &["export"]);
    assert_eq!((ran.code, &ran.receipt()["walk"]["recalled"]), (0, &0.into()), "{ran:?}");
    assert!(ran.stderr.contains("another account, goal, setting or version"), "{ran:?}");
    assert_eq!(ids(&bed), younger(since));
}
