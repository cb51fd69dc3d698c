//! Nightly runs, backfills, and what becomes of sessions that end, vanish or come late.

use std::collections::BTreeSet;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, List, Options, Order, Script, Shape, Spacing};

use crate::bed::{Bed, Ran};

const HOUR: i64 = 3_600_000_000;
const DAY: i64 = 24 * HOUR;

/// Ten minutes from one session to the next.
fn account(sessions: u64) -> Account {
    Account::new(8, sessions, Shape::Plain).spaced(Spacing::every(600_000))
}

/// The same list with changes before the first request.
fn changed(account: Account, changes: Vec<Change>) -> Options {
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

fn ids(bed: &Bed) -> BTreeSet<String> {
    let rows = bed.rows(Table::Sessions);
    let ids: BTreeSet<String> = rows.iter().map(|row| row[0].1.clone()).collect();
    assert_eq!(ids.len(), rows.len(), "an id is doubled");
    ids
}

/// A run without `--full`.
fn nightly(bed: &Bed, arguments: &[&str]) -> Ran {
    let line: Vec<_> = ["export", "--json"].iter().chain(arguments).copied().collect();
    Ran::of(bed.command(&line).output().unwrap())
}

fn cell<'a>(bed: &'a [Vec<(String, String)>], id: &str, name: &str) -> &'a str {
    let row = bed.iter().find(|row| row[0].1 == id).unwrap();
    &row.iter().find(|(column, _)| column == name).unwrap().1
}

#[test]
fn a_nightly_run_reads_what_is_new_and_asks_for_what_was_running() {
    let account = account(20_000);
    // An old session that is still running when it is first seen.
    let open = rollbook::sim::Session { end: None, ..account.session(5_000) };
    let mut bed = Bed::new(changed(account, vec![Change::replace(5_000, open.clone())]));
    let first = nightly(&bed, &[]);
    assert_eq!(first.code, 0, "{first:?}");
    assert_eq!(first.receipt()["goal"]["why"], "nothing was covered before");
    assert_eq!(first.receipt()["changes"], serde_json::json!({"new": 20_000, "updated": 0, "unchanged": 0}));

    let fresh: Vec<_> = (0..200)
        .map(|number| account.fresh(number, account.start(0) + i64::try_from(number).unwrap() * 60_000_000))
        .collect();
    let mut changes: Vec<_> = fresh.iter().cloned().map(Change::InsertHead).collect();
    changes.push(Change::replace(open.id.as_str(), account.session(5_000)));
    bed.serve(changed(account, changes));
    let mut command = bed.command(&["export", "--json"]);
    let second = Ran::of(command.env("ROLLBOOK_WALK_LEDGER_MAX_AGE", "3650d").output().unwrap());
    let receipt = second.receipt();
    assert_eq!(second.code, 0, "{receipt:#}");
    assert_eq!(receipt["goal"]["kind"], "nightly");
    // Three days back are 432 sessions, and 200 are new.
    assert!(receipt["walk"]["requests"].as_u64().unwrap() <= 15, "{receipt:#}");
    assert_eq!(receipt["walk"]["vanished"]["asked"], 1);
    let unchanged = receipt["sessions"].as_u64().unwrap() - 201;
    assert!(unchanged > 400, "{receipt:#}");
    assert_eq!(receipt["changes"], serde_json::json!({"new": 200, "updated": 1, "unchanged": unchanged}));
    assert_eq!(receipt["dataset"]["sessions"], 20_200);
    let exported = ids(&bed);
    assert_eq!(exported.len(), 20_200);
    assert!(fresh.iter().all(|session| exported.contains(&session.id)));
    let rows = bed.rows(Table::Sessions);
    assert_eq!(cell(&rows, &open.id, "is_open"), "false");
}

#[test]
fn a_night_on_a_list_of_ten_thousand_pages_is_as_short() {
    // What is older than the first 2,000 is there as well; a night must not notice.
    let mut bed = Bed::new(Options::new(account(2_000)));
    assert_eq!(nightly(&bed, &[]).code, 0);
    let account = account(1_000_000);
    let fresh = |number| account.fresh(number, account.start(0) + i64::try_from(number).unwrap() * 60_000_000);
    bed.serve(changed(account, (0..200).map(|number| Change::InsertHead(fresh(number))).collect()));
    let receipt = nightly(&bed, &[]).receipt();
    assert_eq!(receipt["exit_code"], 0, "{receipt:#}");
    assert_eq!((&receipt["goal"]["kind"], &receipt["walk"]["total"]), (&"nightly".into(), &1_000_200.into()));
    assert!(receipt["walk"]["requests"].as_u64().unwrap() <= 15, "{receipt:#}");
    assert_eq!(ids(&bed).len(), 2_200);
}

#[test]
fn a_session_that_vanished_is_asked_for_and_its_row_stays() {
    let account = account(2_000);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    let gone = account.session(30).id;
    bed.serve(changed(account, vec![Change::delete(30)]));
    let receipt = nightly(&bed, &[]).receipt();
    assert_eq!(receipt["exit_code"], 0, "{receipt:#}");
    assert_eq!(receipt["walk"]["vanished"]["gone"], serde_json::json!([gone]));
    assert!(ids(&bed).contains(&gone));
    // Once is enough.
    let again = nightly(&bed, &[]).receipt();
    assert_eq!(again["walk"]["vanished"]["asked"], 0, "{again:#}");
}

#[test]
fn a_known_session_that_the_list_misses_is_no_proof() {
    let account = account(2_000);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    // The list leaves it out, the session itself is still there.
    bed.serve(Options { hidden: vec![account.session(30).id], ..Options::new(account) });
    let ran = nightly(&bed, &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(ran.receipt()["walk"]["vanished"]["missed"], 1);
}

#[test]
fn many_that_vanish_at_once_are_told() {
    let account = account(500);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    bed.serve(changed(account, (0..20).map(|_| Change::delete(7)).collect()));
    let ran = nightly(&bed, &["--full"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.stdout.contains("more sessions than usual vanished"), "{ran:?}");
    bed.serve(Options::new(Account::new(8, 0, Shape::Plain)));
    assert_eq!(nightly(&bed, &["--full"]).code, 3);
    assert_eq!(ids(&bed).len(), 500);
}

#[test]
fn an_empty_list_is_no_proof_where_the_dataset_has_rows() {
    let account = account(4);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    bed.serve(Options::new(Account::new(8, 0, Shape::Plain)));
    for arguments in [&["--full"][..], &[]] {
        let ran = nightly(&bed, arguments);
        assert_eq!((ran.code, &ran.receipt()["outcome"]), (3, &"not_proven".into()), "{ran:?}");
    }
    assert_eq!(ids(&bed).len(), 4);
}

#[test]
fn a_session_that_is_listed_again_is_no_longer_gone() {
    let account = account(500);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    for _ in 0..2 {
        bed.serve(changed(account, vec![Change::delete(30)]));
        let receipt = nightly(&bed, &[]).receipt();
        assert_eq!(receipt["walk"]["vanished"]["gone"], serde_json::json!([account.session(30).id]), "{receipt:#}");
        bed.serve(Options::new(account));
        assert_eq!(nightly(&bed, &[]).code, 0);
    }
}

#[test]
fn more_running_sessions_than_one_run_asks_for_are_asked_for_in_turn() {
    let open = Account::new(8, 3_000, Shape::AllOpen).spaced(Spacing::every(600_000));
    let mut bed = Bed::new(Options::new(open));
    assert_eq!(nightly(&bed, &[]).code, 0);
    let mut asked = BTreeSet::new();
    for (turn, waiting) in [(1, 1_500), (2, 1_500), (3, 1_500)] {
        bed.serve(Options::new(open));
        let ran = nightly(&bed, &[]);
        let vanished = ran.receipt()["walk"]["vanished"].clone();
        assert_eq!((ran.code, &vanished["asked"]), (0, &1_000.into()), "{turn}: {vanished:#}");
        assert!(vanished["waiting"].as_u64() > Some(waiting - 200), "{turn}: {vanished:#}");
        let log = bed.server.requests().log;
        asked.extend(log.into_iter().filter(|request| !request.target.contains('?')).map(|request| request.target));
    }
    // Three days and the newest are in the list's first pages; all others had their turn.
    assert!(asked.len() > 2_400, "{}", asked.len());
}

#[test]
fn a_night_that_cannot_ask_for_a_running_session_is_not_proven() {
    let account = account(3_000);
    let open = rollbook::sim::Session { end: None, ..account.session(2_000) };
    let mut bed = Bed::new(changed(account, vec![Change::replace(2_000, open.clone())]));
    assert_eq!(nightly(&bed, &[]).code, 0);
    let fresh = account.fresh(1, account.start(0) + HOUR);
    let script = Script::new()
        .before(1, Change::InsertHead(fresh.clone()))
        .answer_session(&open.id, rollbook::sim::Answer::status(500));
    bed.serve(Options { script, ..Options::new(account) });
    let ran = nightly(&bed, &[]);
    assert_eq!((ran.code, &ran.receipt()["walk"]["vanished"]["failed"]), (3, &1.into()), "{ran:?}");
    // What was read is there all the same.
    assert!(ids(&bed).contains(&fresh.id));
    // One that is gone leaves the ledger, and is named.
    bed.serve(changed(account, vec![Change::delete(open.id.as_str()), Change::InsertHead(fresh)]));
    let receipt = nightly(&bed, &[]).receipt();
    assert_eq!(receipt["walk"]["vanished"]["gone"], serde_json::json!([open.id]), "{receipt:#}");
    assert_eq!(nightly(&bed, &[]).receipt()["walk"]["vanished"]["asked"], 0);
}

#[test]
fn running_sessions_of_great_age_are_left_to_full_walks() {
    let account = account(3_000);
    let open = rollbook::sim::Session { end: None, ..account.session(2_000) };
    let mut bed = Bed::new(changed(account, vec![Change::replace(2_000, open.clone())]));
    assert_eq!(nightly(&bed, &[]).code, 0);
    bed.serve(changed(account, vec![Change::delete(2_000)]));
    for (age, asked) in [("10d", 0), ("3650d", 1)] {
        let mut command = bed.command(&["export", "--json"]);
        let ran = Ran::of(command.env("ROLLBOOK_WALK_LEDGER_MAX_AGE", age).output().unwrap());
        assert_eq!(ran.receipt()["walk"]["vanished"]["asked"], asked, "{age}: {ran:?}");
    }
}

#[test]
fn a_full_run_finds_what_nightly_runs_missed() {
    let account = account(3_000);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    // It was listed too late at its start.
    let late = account.fresh(1, account.start(1_500) + 1_000);
    bed.serve(changed(account, vec![Change::InsertByStart(late.clone())]));
    let missed = nightly(&bed, &[]);
    assert_eq!(missed.receipt()["goal"]["kind"], "nightly");
    assert!(!ids(&bed).contains(&late.id));
    let mut command = bed.command(&["export", "--json"]);
    let full = Ran::of(command.env("ROLLBOOK_WALK_FULL_EVERY", "1ms").output().unwrap());
    let receipt = full.receipt();
    assert_eq!((&receipt["goal"]["kind"], &receipt["walk"]["late"]), (&"full".into(), &1.into()), "{receipt:#}");
    assert!(full.stderr.contains("1 session"), "{full:?}");
    assert!(ids(&bed).contains(&late.id));
}

#[test]
fn a_night_that_meets_older_sessions_nobody_was_shown_makes_a_full_walk_due() {
    let account = account(3_000);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    // Three days are 432 sessions, so that these lie just behind what a night has to read, and far behind.
    let late = |number, index| account.fresh(number, account.start(index) + 1_000);
    let (near, far) = (late(1, 440), late(2, 2_000));
    let changes = vec![Change::InsertByStart(near.clone()), Change::InsertByStart(far.clone())];
    let never = |bed: &Bed| {
        let mut command = bed.command(&["export", "--json"]);
        Ran::of(command.env("ROLLBOOK_WALK_FULL_EVERY", "0s").output().unwrap())
    };
    bed.serve(changed(account, changes.clone()));
    let night = never(&bed);
    let receipt = night.receipt();
    let why = receipt["walk"]["full_walk_due"].as_str().unwrap_or_else(|| panic!("{receipt:#}")).to_owned();
    assert_eq!((night.code, &receipt["goal"]["kind"], &receipt["walk"]["late"]), (0, &"nightly".into(), &1.into()));
    assert!(why.starts_with("a full walk is due: 1 session that started before 2026-11-1"), "{why}");
    assert!(night.stderr.contains(&format!("{why}; the next run reads the whole list")), "{night:?}");
    assert!(ids(&bed).contains(&near.id) && !ids(&bed).contains(&far.id));
    // Whatever `walk.full_every` says. One that proves nothing does not make up for it.
    for (code, script) in [
        (3, Script::new().before(1, changes.clone()).answer_every(1, 1, rollbook::sim::Answer::Short(20))),
        (0, Script::new().before(1, changes.clone())),
    ] {
        bed.serve(Options { script, ..Options::new(account) });
        let full = never(&bed);
        let receipt = full.receipt();
        assert_eq!(
            (full.code, &receipt["goal"]["kind"], &receipt["goal"]["why"]),
            (code, &"full".into(), &(*why).into())
        );
        assert_eq!(receipt["walk"]["full_walk_due"], serde_json::Value::Null, "a full walk has made up for it");
        assert!(full.stderr.contains(&format!("to be covered: the whole list ({why})")), "{full:?}");
    }
    assert!(ids(&bed).contains(&far.id));
    let night = never(&bed);
    assert_eq!((night.code, &night.receipt()["goal"]["kind"]), (0, &"nightly".into()), "{night:?}");
}

#[test]
fn without_a_usable_state_everything_is_read_again() {
    let account = account(1_000);
    let bed = Bed::new(Options::new(account));
    let state = bed.dataset().join("_rollbook/state.json");
    for damage in [None, Some(""), Some("{\"layout\": 1}")] {
        assert_eq!(nightly(&bed, &[]).code, 0);
        match damage {
            None => std::fs::remove_file(&state).unwrap(),
            Some(text) => std::fs::write(&state, text).unwrap(),
        }
        let receipt = nightly(&bed, &[]).receipt();
        assert_eq!((&receipt["goal"]["kind"], &receipt["exit_code"]), (&"full".into(), &0.into()));
    }
}

#[test]
fn a_run_that_is_not_proven_moves_no_fence() {
    let account = account(1_000);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(nightly(&bed, &[]).code, 0);
    let covered = |bed: &Bed| {
        let state = std::fs::read(bed.dataset().join("_rollbook/state.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&state).unwrap()["covered"].clone()
    };
    let before = covered(&bed);
    let script = Script::new().before(1, Change::InsertHead(account.fresh(1, account.start(0) + DAY))).answer_every(
        1,
        1,
        rollbook::sim::Answer::Short(20),
    );
    bed.serve(Options { script, ..Options::new(account) });
    assert_eq!(nightly(&bed, &[]).code, 3);
    assert_eq!(covered(&bed), before);
}

#[test]
fn a_backfill_finds_its_range() {
    // Of any length, so that they are in no order by end.
    let account = Account::new(8, 1_000_000, Shape::Varied).spaced(Spacing::every(600_000));
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account));
        let arguments = ["backfill", "--json", "--api", version, "--day", "2017-03-04"];
        let ran = Ran::of(bed.command(&arguments).output().unwrap());
        let receipt = ran.receipt();
        assert_eq!(ran.code, 0, "{receipt:#}");
        let from = rollbook::words::timestamp::parse("2017-03-04T00:00:00Z").unwrap();
        let expected: BTreeSet<String> = (0..account.len())
            .filter(|index| (from..from + DAY).contains(&account.start(*index)))
            .map(|index| account.session(index).id)
            .collect();
        let exported = ids(&bed);
        assert!(expected.len() > 100 && exported == expected, "{} of {}", exported.len(), expected.len());
        assert_eq!(receipt["sessions"], expected.len(), "what was only passed on the way counts as exported");
        // 10,000 pages: the day itself takes two or three.
        assert!(receipt["walk"]["requests"].as_u64().unwrap() <= 30, "{receipt:#}");
        // It moves no fence.
        assert_eq!(receipt["goal"]["to"], "2017-03-05T00:00:00Z");
        let state = std::fs::read_to_string(bed.dataset().join("_rollbook/state.json")).unwrap();
        assert!(state.contains("\"covered\": null"), "{state}");
    }
}

#[test]
fn a_range_at_either_end_or_without_sessions() {
    let account = account(3_000);
    let bed = Bed::new(Options::new(account));
    let count = |bed: &Bed, arguments: &[&str]| {
        let line: Vec<_> = ["backfill", "--json"].iter().chain(arguments).copied().collect();
        let ran = Ran::of(bed.command(&line).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        ids(bed).len()
    };
    let last = account.start(account.len() - 1);
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account));
        assert_eq!(count(&bed, &["--month", "2019-01", "--api", version]), 0);
        let [from, to] = [HOUR, 2 * HOUR].map(|after| rollbook::words::timestamp::text(account.start(0) + after));
        assert_eq!(count(&bed, &["--from", &from, "--to", &to, "--api", version]), 0);
    }
    let day = rollbook::words::timestamp::text(last + DAY);
    let expected = (0..account.len()).filter(|index| account.start(*index) < last + DAY).count();
    assert_eq!(count(&bed, &["--from", "2019-01", "--to", &day]), expected);
    assert_eq!(count(&bed, &["--from", "2019-01"]), 3_000);
}

#[test]
fn a_backfill_reads_a_list_of_another_order_to_its_end() {
    let account = account(3_000);
    let (from, to) = (account.start(2_000), account.start(1_000));
    let expected: BTreeSet<String> = (1_001..=2_000).map(|index| account.session(index).id).collect();
    let arguments = ["backfill", "--json", "--from", &crate::bed::time(from), "--to", &crate::bed::time(to)];
    for order in [Order::OldestFirst, Order::Shuffled(7)] {
        let bed = Bed::new(Options::new(List::new(account, order)));
        // By what is read at first, then by what the full walk has found.
        for _ in 0..2 {
            let ran = Ran::of(bed.command(&arguments).output().unwrap());
            let receipt = ran.receipt();
            assert_eq!((ran.code, &receipt["walk"]["evidence"]), (0, &"chain".into()), "{order:?}: {receipt:#}");
            assert!(ids(&bed).is_superset(&expected));
            assert_eq!(nightly(&bed, &["--full"]).code, 0);
        }
    }
}

#[test]
fn a_filter_that_finds_nothing_is_not_believed() {
    let account = Account::new(2, 3_000, Shape::Plain);
    // The list with the filter leaves the sessions out; without it they are there.
    let day = rollbook::words::timestamp::text(account.start(2_999) / DAY * DAY);
    let bed = Bed::new(Options::new(account));
    let ran = Ran::of(
        bed.command(&["backfill", "--json", "--api", "v2", "--from", "2017-01", "--to", &day]).output().unwrap(),
    );
    assert_eq!(ran.code, 0, "{ran:?}");
    let filtered = |request: &rollbook::sim::Request| request.target.contains("startDate");
    let log = bed.server.requests().log;
    assert!(log.iter().any(filtered) && !log.iter().all(filtered), "{log:?}");
}

#[test]
fn a_range_of_the_second_version_holds_nothing_else() {
    let account = Account::new(2, 3_000, Shape::Plain).spaced(Spacing::every(300));
    let (from, to) = (account.start(2_000), account.start(1_000));
    let arguments = ["backfill", "--json", "--from", &crate::bed::time(from), "--to", &crate::bed::time(to)];
    let expected: BTreeSet<String> = (1_001..=2_000).map(|index| account.session(index).id).collect();
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account));
        let ran = Ran::of(bed.command(&[&arguments[..], &["--api", version]].concat()).output().unwrap());
        assert_eq!(ran.code, 0, "{version}: {ran:?}");
        assert_eq!(ids(&bed), expected, "{version}");
    }
}

#[test]
fn a_range_of_meetings() {
    let account = Account::new(2, 3_000, Shape::Plain);
    let meetings: BTreeSet<String> = (150..200).map(|index| account.meeting_id(index)).collect();
    let chosen: Vec<&str> = meetings.iter().take(3).map(String::as_str).collect();
    let (from, to) = (account.start(2_000), account.start(100));
    let (first, last) = (crate::bed::time(from), crate::bed::time(to));
    let mut arguments = vec!["backfill", "--json", "--from", &first, "--to", &last];
    arguments.extend(chosen.iter().flat_map(|id| ["--meeting-id", id]));
    let is_chosen = |id: Option<&str>| id.is_some_and(|id| chosen.contains(&id));
    let expected: BTreeSet<String> = (101..=2_000)
        .map(|index| account.session(index))
        .filter(|session| is_chosen(session.meeting_id.as_deref()))
        .map(|session| session.id)
        .collect();
    assert!(!expected.is_empty());
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account));
        let ran = Ran::of(bed.command(&[&arguments[..], &["--api", version]].concat()).output().unwrap());
        assert_eq!(ran.code, 0, "{version}: {ran:?}");
        assert_eq!(ids(&bed), expected, "{version}");
    }
}

#[test]
fn meetings_are_exported_alone() {
    let account = Account::new(2, 3_000, Shape::Plain);
    let bed = Bed::new(Options::new(account));
    let meetings: BTreeSet<String> = (0..50).map(|index| account.meeting_id(index)).collect();
    let chosen: Vec<&str> = meetings.iter().take(3).map(String::as_str).collect();
    let arguments: Vec<&str> = chosen.iter().flat_map(|id| ["--meeting-id", id]).collect();
    let ran = nightly(&bed, &arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let expected: BTreeSet<String> = account
        .sessions()
        .filter(|session| session.meeting_id.as_deref().is_some_and(|id| chosen.contains(&id)))
        .map(|session| session.id)
        .collect();
    assert_eq!(ids(&bed), expected);
}

#[test]
fn nonsense_dates_are_refused() {
    let bed = Bed::new(Options::new(account(1)));
    for (arguments, message) in [
        (&["--from", "yesterday"][..], "`--from` must be a day (2026-10-31), a month (2026-10) or a time"),
        (&["--from", "2026-10", "--to", "2026-10"], "the range is empty: 2026-10-01T00:00:00Z to 2026-10-01T00:00:00Z"),
        (&[], "required"),
        (&["--month", "2026-10", "--day", "2026-10-01"], "cannot be used with"),
    ] {
        let line: Vec<_> = ["backfill"].iter().chain(arguments).copied().collect();
        let ran = Ran::of(bed.command(&line).output().unwrap());
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains(message), "{ran:?}");
    }
}
