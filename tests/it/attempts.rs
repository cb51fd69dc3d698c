//! Attempts to have a session lost by a run that says that none is.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::front::{Front, Stale};

const SESSIONS: u64 = 1_000;
const MINUTE: i64 = 60_000_000;

fn account() -> Account {
    Account::new(41, SESSIONS, Shape::Plain)
}

fn served(script: Script) -> Options {
    Options { script, ..Options::new(account()) }
}

fn ids(bed: &Bed) -> BTreeSet<String> {
    bed.rows(Table::Sessions).into_iter().map(|row| row[0].1.clone()).collect()
}

fn listed(bed: &Bed) -> BTreeSet<String> {
    bed.server.with_list(|list| list.sessions().map(|session| session.id).collect())
}

#[test]
fn a_cache_in_front_of_the_api() {
    let before = listed(&Bed::new(served(Script::new())));
    let mut proven = 0;
    for (of, remainder) in [(2, 0), (2, 1), (3, 0), (3, 1), (3, 2), (13, 1), (13, 5), (13, 9), (13, 12)] {
        for moves in 0..3 {
            let mut bed = Bed::new(served(Script::new()));
            let front = Front::of(&bed.server.base_url());
            let through = |bed: &Bed, folder: &str| -> Command {
                let mut command = rollbook(bed.folder.path());
                command.args(["export", "--full", "--json", "--base-url", front.url(), "--dest", folder]);
                command.env("VIDEOSDK_TOKEN", TOKEN);
                command
            };
            assert_eq!(Ran::of(through(&bed, "first").output().unwrap()).code, 0);
            let changes: Vec<_> = match moves {
                0 => (0..150).map(|_| Change::InsertFresh(0)).collect(),
                1 => (0..150).map(|at| Change::delete(at * 5)).collect(),
                _ => (0..120).flat_map(|at| [Change::InsertFresh(0), Change::delete(at * 7)]).collect(),
            };
            bed.serve(served(Script::new()));
            bed.server.with_list(|list| list.apply(&changes));
            front.turn_to(&bed.server.base_url(), Some(Stale { of, remainder }));
            let ran = Ran::of(through(&bed, "data").output().unwrap());
            assert!([0, 3].contains(&ran.code), "{ran:?}");
            let exported = ids(&bed);
            let lost = listed(&bed).intersection(&before).filter(|id| !exported.contains(*id)).count();
            assert!(lost == 0 || ran.code == 3, "{of} {remainder} {moves}: {lost} are lost: {ran:?}");
            proven += u32::from(ran.code == 0);
        }
    }
    assert!(proven >= 5, "{proven} of 27 were proven");
}

#[test]
fn sessions_that_are_listed_late_around_a_resumed_stage() {
    let at = 9;
    let stall = Script::new().answer_every(at, 1, Answer::Stall(Duration::from_mins(5)));
    let mut bed = Bed::new(served(stall));
    let mut child = bed.export(&["-q"]).env("ROLLBOOK_API_CONCURRENCY", "1").stdout(Stdio::null()).spawn().unwrap();
    for _ in 0..600 {
        if bed.server.requests().count >= at {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_millis(300));
    child.kill().unwrap();
    child.wait().unwrap();

    // Into what is staged, into its last page, and behind it; deletions pull what is behind it into it.
    let starts = [1, 60, 340, 598, 601, 640, 700, 990].map(|index| account().start(index) - 1);
    let late: Vec<_> = (0..).zip(starts).map(|(number, start)| account().fresh(number, start)).collect();
    let mut changes: Vec<_> = late.iter().cloned().map(Change::InsertByStart).collect();
    changes.extend([3, 200, 400, 580].map(Change::delete));
    bed.serve(served(Script::new().before(1, changes)));
    let ran = bed.run(&["--json"]);
    let exported = ids(&bed);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.receipt()["walk"]["recalled"].as_u64().unwrap() > 4, "{ran:?}");
    let known: BTreeSet<_> = account().sessions().map(|session| session.id).collect();
    assert!(listed(&bed).intersection(&known).all(|id| exported.contains(id)));
    // What was listed late where nobody looked any more is found by the next night.
    let ran = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"nightly".into()), "{ran:?}");
    let lookback = account().start(0) - 3 * 24 * 60 * MINUTE;
    let exported = ids(&bed);
    assert!(late.iter().filter(|session| session.start > Some(lookback)).all(|session| exported.contains(&session.id)));
}

#[test]
fn a_session_that_moves_up_from_below_the_first_page() {
    for (from, to) in [(900, 250), (900, 0), (300, 120), (999, 500)] {
        let old = account().session(from);
        // Where it stands tells its start, so the list stays newest first.
        let moved = rollbook::sim::Session { start: Some(account().start(to) + 1), ..old.clone() };
        for request in 3..14 {
            let changes = vec![Change::delete(&*old.id), Change::Insert(to, moved.clone())];
            let bed = Bed::new(served(Script::new().before(request, changes)));
            let ran = Ran::of(bed.export(&["--json"]).env("ROLLBOOK_API_CONCURRENCY", "1").output().unwrap());
            let is_lost = !ids(&bed).contains(&old.id);
            assert!(ran.code == 3 || ran.code == 0 && !is_lost, "{from} {to} {request}: {ran:?}");
        }
    }
}

#[test]
fn the_state_of_another_account() {
    let bed = Bed::new(served(Script::new()));
    let of = |key: &str| {
        let mut command = bed.command(&["export", "--json"]);
        command.env_remove("VIDEOSDK_TOKEN").env("VIDEOSDK_API_KEY", key).env("VIDEOSDK_SECRET_KEY", "secret");
        Ran::of(command.output().unwrap())
    };
    assert_eq!(of("one").code, 0);
    let before = bed.files();
    let ran = of("another");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("account") && ran.stderr.contains("hint: "), "{ran:?}");
    assert!(before == bed.files());
    assert_eq!(of("one").code, 0);
}
