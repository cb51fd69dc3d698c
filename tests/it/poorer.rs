//! A back end that has lost part of what it knew of sessions that had ended, and answers all the same: what is known of them
//! outlives it, and the exit code says that something is wrong.

use std::collections::BTreeSet;
use std::process::Stdio;

use rollbook::rows::tables::{Table, Tables};
use rollbook::sim::{
    Account, Answered, Change, During, Name, On, Options, Records, Script, Session, Shape, Spacing, wire,
};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran};

type Rows = Tables<Vec<Vec<(String, String)>>>;

fn account(sessions: u64) -> Account {
    Account::new(6, sessions, Shape::Plain).spaced(Spacing::every(600_000))
}

/// All rows of all tables.
fn rows(bed: &Bed) -> Rows {
    Tables::from_fn(|table| bed.rows(table))
}

/// The rows of one session.
fn of(rows: &Rows, id: &str) -> Rows {
    rows.each_ref().map(|rows| rows.iter().filter(|row| row[0].1 == id).cloned().collect())
}

fn cell<'a>(row: &'a [(String, String)], name: &str) -> &'a str {
    &row.iter().find(|(column, _)| column == name).unwrap().1
}

fn run(bed: &Bed, arguments: &[&str]) -> Ran {
    let line: Vec<_> = ["export", "--json"].iter().chain(arguments).copied().collect();
    Ran::of(bed.command(&line).output().unwrap())
}

fn state(bed: &Bed) -> Value {
    serde_json::from_slice(&std::fs::read(bed.dataset().join("_rollbook/state.json")).unwrap()).unwrap()
}

/// An account all of whose records come so.
fn spoiled(account: Account, records: Records) -> Options {
    Options::new(account).special(On::List, During::Always, Answered::Records(records))
}

/// The same list with some sessions in the place of others.
fn with(account: Account, sessions: impl IntoIterator<Item = Session>) -> Options {
    let changes: Vec<_> =
        sessions.into_iter().map(|session| Change::replace(session.id.clone().as_str(), session)).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

fn poorer(ran: &Ran) -> u64 {
    ran.receipt()["walk"]["poorer"]["sessions"].as_u64().unwrap()
}

/// Whatever of a session that has ended can be lost, and how it looks then.
const LOSSES: [Records; 18] = [
    Records::Have("participants", "[]"),
    Records::Have("participants", "null"),
    Records::Have("participants", "\"error\""),
    Records::Lack("participants"),
    Records::Have("participants.timelog", "[]"),
    Records::Have("participants.timelog", "null"),
    Records::Lack("participants.timelog"),
    Records::Have("participants.timelog.end", "null"),
    Records::Have("participants.timelog.start", "null"),
    Records::Have("participants.name", "null"),
    Records::Have("participants.name", "\"\""),
    Records::Lack("participants.name"),
    Records::Have("participants.participantId", "null"),
    Records::Have("end", "null"),
    Records::Have("end", "\"\""),
    Records::Lack("start"),
    Records::Have("meetingId", "null"),
    Records::Have("activeDuration", "null"),
];

#[test]
fn what_is_known_outlives_a_back_end_that_has_lost_it() {
    let account = account(300);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let (before, files, covered) = (rows(&bed), bed.files(), state(&bed)["covered"].clone());
    for records in LOSSES {
        for arguments in [&["--full", "--dry-run"][..], &["--full"], &[]] {
            bed.serve(spoiled(account, records));
            let ran = run(&bed, arguments);
            let receipt = ran.receipt();
            assert_eq!((ran.code, &receipt["outcome"]), (3, &json!("not_proven")), "{records:?}: {ran:?}");
            assert_eq!(poorer(&ran), receipt["sessions"].as_u64().unwrap(), "{records:?}: {receipt:#}");
            assert!(receipt["open_sessions"] == 0 && poorer(&ran) >= 300, "{records:?}: {receipt:#}");
            let example = receipt["walk"]["poorer"]["examples"][0].as_str().unwrap();
            assert_eq!(of(&before, example).sessions.len(), 1, "{records:?}: {example}");
            let warning = format!(
                "300 sessions that had ended came with less than is known of them, and the fuller version is kept, such as that \
                 of {example}"
            );
            assert!(ran.stderr.contains(&warning), "{records:?}: {ran:?}");
            assert!(ran.stdout.contains("300 of 300 sessions came with less than is known of them"), "{ran:?}");
            assert!(rows(&bed) == before && bed.files() == files, "{records:?} {arguments:?}");
            // Nothing is settled by such answers.
            assert_eq!(state(&bed)["covered"], covered, "{records:?} {arguments:?}");
        }
    }
    bed.serve(Options::new(account));
    let ran = run(&bed, &["--full"]);
    assert_eq!((ran.code, poorer(&ran)), (0, 0), "{ran:?}");
    assert!(rows(&bed) == before);
}

#[test]
fn a_few_are_a_warning_and_more_are_no_proof() {
    for (sessions, most) in [(300, 5), (900, 9)] {
        let account = account(sessions);
        let mut bed = Bed::new(Options::new(account));
        assert_eq!(run(&bed, &[]).code, 0);
        let before = rows(&bed);
        for (count, code) in [(1, 0), (most, 0), (most + 1, 3)] {
            let emptied = (10..10 + count).map(|at| Session { participants: Vec::new(), ..account.session(at) });
            bed.serve(with(account, emptied));
            let ran = run(&bed, &["--full"]);
            assert_eq!((ran.code, poorer(&ran)), (code, count), "{sessions} {count}: {ran:?}");
            let noun = if count == 1 { "session" } else { "sessions" };
            assert!(ran.stderr.contains(&format!("{count} {noun} that had ended came with less")), "{ran:?}");
            let proof = ran.receipt()["walk"]["evidence"].clone();
            assert_eq!(proof, if code == 0 { "chain" } else { "none" }, "{sessions} {count}");
            assert!(rows(&bed) == before, "{sessions} {count}");
        }
    }
}

#[test]
fn below_a_floor_nothing_is_missed() {
    let account = account(300);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let before = rows(&bed);
    // The API keeps participants for so long, and no longer.
    bed.serve(with(account, (60..300).map(|at| Session { participants: Vec::new(), ..account.session(at) })));
    assert_eq!(run(&bed, &["--full"]).code, 3);
    for arguments in [&["--full"][..], &[]] {
        let mut command = bed.command(&["export", "--json"]);
        command.args(arguments).env("ROLLBOOK_DATASET_SINCE", crate::bed::time(account.start(59)));
        let ran = Ran::of(command.output().unwrap());
        assert_eq!((ran.code, poorer(&ran)), (0, 0), "{ran:?}");
        assert!(rows(&bed) == before);
    }
}

#[test]
fn changes_that_lose_nothing_are_taken_over() {
    let account = account(300);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let mut renamed = account.session(10);
    renamed.participants[0].name = Name::Text("Somebody Else".to_owned());
    let mut more = account.session(11);
    more.participants.push(account.session(200).participants[0].clone());
    let mut later = account.session(12);
    later.end = later.end.map(|end| end + 60_000_000);
    let mut shorter = account.session(13);
    shorter.end = shorter.end.map(|end| end - 1_000_000);
    shorter.participants[1].timelogs[0].end = shorter.participants[0].timelogs[0].end;
    // What may expire, and what nobody had given.
    let link = Session { chat_link: None, ..account.session(14) };
    let changed = [renamed, more, later, shorter, link];
    bed.serve(with(account, changed.clone()));
    let ran = run(&bed, &["--full"]);
    assert_eq!((ran.code, poorer(&ran)), (0, 0), "{ran:?}");
    let mut fresh = Bed::new(with(account, changed));
    assert_eq!(run(&fresh, &[]).code, 0);
    assert!(rows(&bed) == rows(&fresh));
    // And no version that lacks what came then.
    let known = rows(&bed);
    fresh.serve(Options::new(account));
    bed.serve(Options::new(account));
    let ran = run(&bed, &["--full"]);
    assert_eq!((ran.code, poorer(&ran)), (0, 1), "{ran:?}");
    let id = account.session(11).id;
    assert!(of(&rows(&bed), &id) == of(&known, &id));
}

#[test]
fn a_session_that_runs_changes_as_it_likes() {
    let account = Account::new(6, 40, Shape::AllOpen).spaced(Spacing::every(600_000));
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    for records in [
        Records::Have("participants.timelog", "[]"),
        Records::Have("participants", "[]"),
        Records::Have("meetingId", "null"),
        Records::Have("end", "\"2026-11-20T19:00:00Z\""),
    ] {
        bed.serve(spoiled(account, records));
        let ran = run(&bed, &["--full"]);
        assert_eq!((ran.code, poorer(&ran)), (0, 0), "{records:?}: {ran:?}");
    }
    let sessions = bed.rows(Table::Sessions);
    assert!(sessions.iter().all(|row| cell(row, "is_open") == "false" && cell(row, "participant_count") == "2"));
}

#[test]
fn within_a_run_the_fuller_version_wins() {
    // The first page is read at the beginning and again at the end.
    for during in [During::First(1), During::From(2)] {
        for records in [Records::Have("participants", "[]"), Records::Have("participants.name", "null")] {
            let account = account(60);
            let bed = Bed::new(Options::new(account).special(On::List, during, Answered::Records(records)));
            let ran = run(&bed, &[]);
            assert_eq!((ran.code, poorer(&ran)), (3, 60), "{during:?} {records:?}: {ran:?}");
            assert!(ran.stdout.contains("60 of 60 sessions came with less than is known of them"), "{ran:?}");
            let whole = Bed::new(Options::new(account));
            assert_eq!(run(&whole, &[]).code, 0);
            assert!(rows(&bed) == rows(&whole), "{during:?} {records:?}");
        }
    }
    // Every other answer is empty. No session is known from an earlier run, but pages overlap.
    let records = Answered::Records(Records::Have("participants", "[]"));
    let bed = Bed::new(Options::new(account(2_000)).special(On::ListEvery(2), During::Always, records));
    let ran = run(&bed, &[]);
    assert!(ran.code == 3 && poorer(&ran) > 20, "{ran:?}");
}

#[test]
fn a_session_that_is_asked_for_by_its_id_is_held_to_the_same() {
    let account = account(300);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let before = rows(&bed);
    let id = account.session(30).id;
    let lost = Answered::Records(Records::Have("participants", "[]"));
    // The list leaves it out.
    let options = || Options { hidden: vec![id.clone()], ..Options::new(account) };
    bed.serve(options().special(On::Ids(vec![id.clone()]), During::Always, lost));
    let ran = run(&bed, &[]);
    assert_eq!((ran.code, poorer(&ran)), (3, 1), "{ran:?}");
    assert_eq!(ran.receipt()["walk"]["poorer"]["examples"], json!([id]));
    assert!(rows(&bed) == before);
    // One that was running ends with whatever it ends with.
    let open = Session { end: None, ..account.session(250) };
    let mut bed = Bed::new(with(account, [open]));
    assert_eq!(run(&bed, &[]).code, 0);
    let id = account.session(250).id;
    bed.serve(Options { hidden: vec![id.clone()], ..Options::new(account) }.special(On::AnyId, During::Always, lost));
    let ran = run(&bed, &[]);
    assert_eq!(poorer(&ran), 0, "{ran:?}");
    assert_eq!(cell(&of(&rows(&bed), &id).sessions[0], "participant_count"), "0");
}

/// How often each name is among the participants.
fn names(bed: &Bed) -> Vec<String> {
    let mut names: Vec<_> = bed
        .rows(Table::Participants)
        .iter()
        .map(|row| cell(row, "name").to_owned())
        .filter(|name| name != "null")
        .collect();
    names.sort();
    names
}

fn most_often(names: &[String]) -> String {
    let count = |name: &&String| names.iter().filter(|other| other == name).count();
    names.iter().max_by_key(count).unwrap().clone()
}

#[test]
fn whoever_is_erased_is_not_missed_and_does_not_come_back() {
    let account = Account::new(9, 200, Shape::Realistic);
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let name = most_often(&names(&bed));
    let purged = Ran::of(bed.command(&["purge", "--participant-name", &name, "--exact"]).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    let before = rows(&bed);
    let ended = before.sessions.iter().filter(|row| cell(row, "is_open") == "false").map(|row| row[0].1.clone());
    let ended: Vec<_> = ended.collect();
    let ran = run(&bed, &["--full"]);
    assert_eq!((ran.code, poorer(&ran)), (0, 0), "{ran:?}");
    for records in [Records::Have("participants.timelog", "[]"), Records::Have("end", "null")] {
        bed.serve(spoiled(account, records));
        let ran = run(&bed, &["--full"]);
        assert!(ran.code == 3 && poorer(&ran) > 100, "{records:?}: {ran:?}");
        assert!(!names(&bed).contains(&name), "{records:?}");
        let now = rows(&bed);
        assert!(ended.iter().all(|id| of(&now, id) == of(&before, id)), "{records:?}");
    }
    bed.serve(Options::new(account));
    assert_eq!(run(&bed, &["--full"]).code, 0);
    let now = rows(&bed);
    assert!(ended.iter().all(|id| of(&now, id) == of(&before, id)) && now.sessions.len() == before.sessions.len());
}

#[test]
fn a_purge_that_dies_at_any_step_is_finished_against_a_back_end_that_has_lost_much() {
    let account = Account::new(9, 60, Shape::Plain);
    let bed = Bed::new(Options::new(account));
    assert_eq!(run(&bed, &[]).code, 0);
    let all = names(&bed);
    let name = most_often(&all);
    let others: Vec<_> = all.iter().filter(|other| **other != name).cloned().collect();
    for step in 1.. {
        assert!(step < 200, "there is no end");
        let mut bed = Bed::new(Options::new(account));
        assert_eq!(run(&bed, &[]).code, 0);
        let mut command = bed.command(&["purge", "--participant-name", &name, "--exact"]);
        command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).stdout(Stdio::null()).stderr(Stdio::null());
        let is_whole = command.status().unwrap().success();
        if bed.dataset().join("_rollbook/erasures.json").exists() {
            bed.serve(spoiled(account, Records::Have("participants.timelog", "[]")));
            let ran = run(&bed, &["--full"]);
            assert_eq!(ran.code, 3, "step {step}: {ran:?}");
            assert_eq!(names(&bed), others, "step {step}: {ran:?}");
            assert!(bed.rows(Table::Timelogs).len() == others.len(), "step {step}: somebody has lost all timelogs");
            let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
            assert_eq!(ran.code, 0, "step {step}: {ran:?}");
        }
        if is_whole {
            return;
        }
    }
}

#[test]
fn a_run_that_dies_at_any_step_leaves_nothing_that_a_poorer_answer_can_spoil() {
    let account = Account::new(5, 30, Shape::Plain);
    let at = |start: &str, session: &Session| {
        let start = rollbook::words::timestamp::parse(start).unwrap();
        let by = start - session.start.unwrap();
        let mut moved = session.clone();
        (moved.start, moved.end) = (Some(start), session.end.map(|end| end + by));
        for log in moved.participants.iter_mut().flat_map(|entry| &mut entry.timelogs) {
            (log.start, log.end) = (log.start.map(|start| start + by), log.end.map(|end| end + by));
        }
        moved
    };
    let (march, may) =
        (at("2024-03-03T00:00:00Z", &account.session(3)), at("2024-05-05T00:00:00Z", &account.session(3)));
    let mut doubled = 0;
    for step in 1.. {
        assert!(step < 200, "there is no end");
        let mut bed = Bed::new(with(account, [march.clone()]));
        assert_eq!(run(&bed, &[]).code, 0);
        bed.serve(with(account, [may.clone()]));
        let mut command = bed.export(&[]);
        command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).stdout(Stdio::null()).stderr(Stdio::null());
        let is_whole = command.status().unwrap().success();
        doubled += usize::from(bed.rows(Table::Sessions).len() == 31);
        // All participants of all sessions are gone, and the moved one has lost its start besides.
        let mut text = Vec::new();
        wire::session(&mut text, &Session { start: None, participants: Vec::new(), ..may.clone() });
        let raw = Change::raw(may.id.as_str(), String::from_utf8(text).unwrap());
        let lost = Answered::Records(Records::Have("participants", "[]"));
        bed.serve(Options { script: Script::new().before(1, raw), ..Options::new(account) }.special(
            On::List,
            During::Always,
            lost,
        ));
        let ran = run(&bed, &["--full", "--fresh"]);
        assert_eq!(ran.code, 3, "step {step}: {ran:?}");
        let sessions = bed.rows(Table::Sessions);
        let ids: BTreeSet<_> = sessions.iter().map(|row| row[0].1.clone()).collect();
        assert_eq!((ids.len(), sessions.len()), (30, 30), "step {step}: {ran:?}");
        assert!(sessions.iter().all(|row| cell(row, "participant_count") == "2"), "step {step}");
        let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
        assert_eq!(ran.code, 0, "step {step}: {ran:?}");
        if is_whole {
            assert!(step > 15 && doubled > 0, "{step} steps, {doubled} of them between two places");
            return;
        }
    }
}
