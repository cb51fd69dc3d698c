//! Sessions that are asked for by their ids: what an answer is worth, and what becomes of those that are not answered.

use std::time::{Duration, Instant};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Canned, Change, Options, Script, Session, Shape, Spacing};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran};

const HOUR: i64 = 3_600_000_000;

fn account(sessions: u64) -> Account {
    Account::new(8, sessions, Shape::Plain).spaced(Spacing::every(600_000))
}

/// An account of this many sessions that has been exported, with one that was running then, far below what a night reads.
fn with_a_running_session() -> (Bed, Account, Session) {
    let account = account(1_000);
    let open = Session { end: None, ..account.session(800) };
    let bed = served(account, Script::new().before(1, Change::replace(800, open.clone())));
    assert_eq!(night(&bed, &[]).code, 0);
    (bed, account, open)
}

fn served(account: Account, script: Script) -> Bed {
    Bed::new(Options { script, ..Options::new(account) })
}

fn serve(bed: &mut Bed, account: Account, script: Script) {
    bed.serve(Options { script, ..Options::new(account) });
}

/// A run without `--full` that gives a request a second.
fn night(bed: &Bed, arguments: &[&str]) -> Ran {
    let line: Vec<_> = ["export", "--json"].iter().chain(arguments).copied().collect();
    Ran::of(bed.command(&line).env("ROLLBOOK_API_RETRY_BUDGET", "1s").output().unwrap())
}

fn vanished(ran: &Ran) -> Value {
    ran.receipt()["walk"]["vanished"].clone()
}

fn state(bed: &Bed) -> Value {
    serde_json::from_slice(&std::fs::read(bed.dataset().join("_rollbook/state.json")).unwrap()).unwrap()
}

/// The single sessions that were asked for, in order.
fn asked(bed: &Bed) -> Vec<String> {
    let targets = bed.server.requests().log.into_iter().map(|request| request.target);
    let single = targets.filter(|target| !target.contains('?'));
    single.map(|target| target.rsplit('/').next().unwrap().to_owned()).collect()
}

/// What the API says of a session that it does not have.
fn refused(status: u16) -> Canned {
    Canned::status(status).json(r#"{"message": "Session not found"}"#)
}

#[test]
fn a_session_that_is_not_found_is_gone_beside_one_that_is() {
    for status in [402, 404, 410] {
        let account = account(3);
        let mut bed = served(account, Script::new());
        assert_eq!(night(&bed, &[]).code, 0);
        assert_eq!(asked(&bed), [""; 0]);
        let gone = account.session(1).id;
        let answers = || Script::new().before(1, Change::delete(1)).answer_session(&gone, refused(status));
        serve(&mut bed, account, answers());
        let ran = night(&bed, &[]);
        let receipt = vanished(&ran);
        assert_eq!(
            (ran.code, &receipt["gone"], &receipt["control"]),
            (0, &json!([gone]), &json!("answered")),
            "{ran:?}"
        );
        assert!(ran.stderr.contains(&format!("session {gone}: {status}: Session not found")), "{ran:?}");
        assert!(asked(&bed).len() == 2 && asked(&bed)[0] == gone, "{:?}", asked(&bed));
        assert_eq!(bed.rows(Table::Sessions).len(), 3);
        serve(&mut bed, account, answers());
        assert_eq!((night(&bed, &[]).code, asked(&bed).len()), (0, 0));
    }
}

#[test]
fn where_nothing_is_found_by_id_nothing_is_gone_and_the_fence_moves() {
    for answer in [refused(404), refused(402), Canned::status(403).json("{}"), Canned::status(301)] {
        let (mut bed, account, open) = with_a_running_session();
        let mut fence = state(&bed)["covered"]["fence"].clone();
        for turn in 1..=4 {
            let fresh = (0..turn).map(|at| account.fresh(at, account.start(0) + i64::try_from(at + 1).unwrap() * HOUR));
            let head: Vec<_> = fresh.map(Change::InsertHead).collect();
            serve(&mut bed, account, Script::new().before(1, head).answer_sessions(answer.clone()));
            let ran = night(&bed, &[]);
            let receipt = vanished(&ran);
            assert_eq!((ran.code, &ran.receipt()["outcome"]), (3, &json!("not_proven")), "{ran:?}");
            assert_eq!((&receipt["gone"], &receipt["control"]), (&json!([]), &json!("not_answered")), "{receipt:#}");
            assert_eq!(receipt["owed"][0]["session_id"], open.id, "{receipt:#}");
            assert!(ran.stderr.contains("none is known to be gone"), "{ran:?}");
            assert_eq!(ran.receipt()["walk"]["evidence"], "chain");
            // What was read is there, and settled.
            assert_eq!(bed.rows(Table::Sessions).len() as u64, 1_000 + turn);
            let moved = state(&bed)["covered"]["fence"].clone();
            assert!(moved.as_str() > fence.as_str(), "{moved} {fence}");
            fence = moved;
        }
        // As soon as ids are answered again, it is known.
        let mut changes = vec![Change::delete(open.id.as_str())];
        changes.extend(
            (0..4).map(|at| {
                Change::InsertHead(account.fresh(at, account.start(0) + i64::try_from(at + 1).unwrap() * HOUR))
            }),
        );
        serve(&mut bed, account, Script::new().before(1, changes));
        let ran = night(&bed, &[]);
        assert_eq!((ran.code, &vanished(&ran)["gone"]), (0, &json!([open.id])), "{ran:?}");
        assert_eq!(state(&bed)["owed"], json!({}));
    }
}

#[test]
fn the_same_failure_on_three_nights_is_told_and_left_to_full_walks() {
    let body = |body: &'static str| Canned::status(200).json(body);
    let cases: [(&[Canned], u16, &str); 5] = [
        (&[refused(403)], 403, "Session not found"),
        (&[refused(422)], 422, "Session not found"),
        (&[refused(500), refused(503), refused(502)], 502, "Session not found"),
        (&[body(r#"{"message": "Session not found"}"#)], 200, "Session not found"),
        (&[body("{}")], 200, "the object is empty"),
    ];
    for (answers, status, said) in cases {
        let (mut bed, account, open) = with_a_running_session();
        for (turn, answer) in answers.iter().cycle().take(3).enumerate() {
            serve(&mut bed, account, Script::new().answer_session(&open.id, answer.clone()));
            let ran = night(&bed, &[]);
            let receipt = vanished(&ran);
            assert!(ran.stderr.contains(&open.id) && ran.stderr.contains(said), "{ran:?}");
            let (code, owed, unreachable) = if turn < 2 { (3, 1, json!([])) } else { (0, 0, json!([open.id])) };
            assert_eq!((ran.code, &receipt["failed"], &receipt["unreachable"]), (code, &json!(owed), &unreachable));
            assert_eq!(receipt["owed"].as_array().unwrap().len(), owed, "{receipt:#}");
            assert_eq!(asked(&bed)[0], open.id);
        }
        assert_eq!(state(&bed)["owed"][&open.id]["status"], status);
        // From now on it is named, and not asked for.
        let answers_so = || Script::new().answer_session(&open.id, answers[0].clone());
        serve(&mut bed, account, answers_so());
        let ran = night(&bed, &[]);
        assert_eq!((ran.code, &vanished(&ran)["unreachable"], asked(&bed).len()), (0, &json!([open.id]), 0), "{ran:?}");
        assert!(ran.stderr.contains("WARN") && ran.stderr.contains(&open.id), "{ran:?}");
        // A full walk that lists it, and one that does not.
        serve(&mut bed, account, answers_so().before(1, Change::delete(open.id.as_str())));
        let ran = night(&bed, &["--full"]);
        assert_eq!(
            (ran.code, &vanished(&ran)["unreachable"], &asked(&bed)[0]),
            (0, &json!([open.id]), &open.id),
            "{ran:?}"
        );
        serve(&mut bed, account, answers_so());
        let ran = night(&bed, &["--full"]);
        assert_eq!((ran.code, &vanished(&ran)["unreachable"]), (0, &json!([])), "{ran:?}");
        assert_eq!(state(&bed)["owed"], json!({}));
    }
}

#[test]
fn another_answer_begins_anew_and_no_answer_never_settles() {
    let (mut bed, account, open) = with_a_running_session();
    let mut codes = |answers: &[Answer]| {
        let run = |answer: &Answer| {
            serve(&mut bed, account, Script::new().answer_session(&open.id, answer.clone()));
            night(&bed, &[]).code
        };
        answers.iter().map(run).collect::<Vec<_>>()
    };
    let status = Answer::status;
    assert_eq!(codes(&[status(403), status(403), status(500), status(403), status(403)]), [3; 5]);
    assert_eq!(codes(&[Answer::Close, Answer::Close, Answer::Close, Answer::Close]), [3; 4]);
    assert_eq!(codes(&[status(429), status(429), status(429), status(429)]), [3; 4]);
    assert_eq!(codes(&[status(403), status(403), status(403)]), [3, 3, 0]);
}

#[test]
fn an_answer_that_is_another_session_is_none() {
    let (mut bed, account, open) = with_a_running_session();
    let other = format!(r#"{{"id": "{}", "meetingId": "m", "participants": []}}"#, account.session(5).id);
    serve(&mut bed, account, Script::new().answer_session(&open.id, Canned::status(200).json(other)));
    let ran = night(&bed, &[]);
    assert_eq!((ran.code, &vanished(&ran)["failed"]), (3, &json!(1)), "{ran:?}");
    assert!(ran.stderr.contains("the answer is another session"), "{ran:?}");
}

#[test]
fn a_control_that_is_deleted_meanwhile_is_replaced() {
    let account = account(9);
    let mut bed = served(account, Script::new());
    assert_eq!(night(&bed, &[]).code, 0);
    // Of a page, the first, the middle and the last may be asked for.
    let deleted = [0, 8].map(|index| account.session(index).id);
    let script = deleted.iter().fold(Script::new(), |script, id| script.answer_session(id, refused(404)));
    serve(&mut bed, account, script.before(1, Change::delete(2)));
    let ran = night(&bed, &[]);
    assert_eq!((ran.code, &vanished(&ran)["gone"]), (0, &json!([account.session(2).id])), "{ran:?} {:?}", asked(&bed));
}

#[test]
fn a_list_without_a_session_shows_nothing_of_single_ones() {
    let account = account(3);
    let mut bed = served(account, Script::new());
    assert_eq!(night(&bed, &[]).code, 0);
    serve(&mut bed, Account::new(8, 0, Shape::Plain), Script::new());
    let ran = night(&bed, &["--full"]);
    let receipt = vanished(&ran);
    assert_eq!((ran.code, &receipt["gone"], &receipt["control"]), (3, &json!([]), &json!("none_listed")), "{ran:?}");
    // All are back.
    serve(&mut bed, account, Script::new());
    assert_eq!(night(&bed, &[]).code, 0);
    assert_eq!(state(&bed)["owed"], json!({}));
}

#[test]
fn a_token_that_is_refused_for_the_list_as_well_ends_the_run() {
    let (mut bed, account, open) = with_a_running_session();
    // For one session alone it is that session's own affair.
    serve(&mut bed, account, Script::new().answer_session(&open.id, refused(401)));
    assert_eq!(night(&bed, &[]).code, 3);
    let pages = u64::try_from(bed.pages()).unwrap();
    let before = bed.files();
    let script = || Script::new().answer_sessions(refused(401));
    serve(&mut bed, account, script().answer_every(pages + 1, 1, refused(401)));
    let ran = night(&bed, &[]);
    assert!(ran.code == 4 && ran.stderr.contains("Session not found"), "{ran:?}");
    assert!(bed.files() == before);
    // The list is still answered: the token may lack the right to single sessions.
    serve(&mut bed, account, script());
    let ran = night(&bed, &["--fresh"]);
    assert_eq!((ran.code, &vanished(&ran)["control"]), (3, &json!("not_answered")), "{ran:?}");
}

#[test]
fn more_than_a_hundred_are_asked_for_in_turn_and_owed_ones_first() {
    let account = account(600);
    let mut bed = served(account, Script::new());
    assert_eq!(night(&bed, &[]).code, 0);
    let changes: Vec<_> = (0..130).map(|_| Change::delete(5)).collect();
    // Nothing is answered by id: a hundred are owed, the others are left.
    serve(&mut bed, account, Script::new().before(1, changes.clone()).answer_sessions(refused(403)));
    let ran = night(&bed, &[]);
    let receipt = vanished(&ran);
    assert_eq!((ran.code, &receipt["failed"], &receipt["unasked"]), (3, &json!(100), &json!(30)), "{receipt:#}");
    let owed: Vec<_> = receipt["owed"].as_array().unwrap().iter().map(|owes| owes["session_id"].clone()).collect();
    assert!(ran.stderr.contains("not answered by id, and named in the receipt: 90 further sessions"), "{ran:?}");
    for (gone, code) in [(130, 3), (0, 0)] {
        serve(&mut bed, account, Script::new().before(1, changes.clone()));
        let mut command = bed.command(&["export", "--json"]);
        let ran = Ran::of(command.env("ROLLBOOK_API_CONCURRENCY", "1").output().unwrap());
        let receipt = vanished(&ran);
        // Thirty at once are still more than usual; the hundred were told before.
        assert_eq!((ran.code, receipt["gone"].as_array().unwrap().len()), (code, gone), "{receipt:#}");
        assert!(asked(&bed).iter().take(100.min(gone)).all(|id| owed.contains(&json!(id))));
    }
}

#[test]
fn look_ups_that_fail_take_a_bounded_time_in_all() {
    let open = Account::new(8, 700, Shape::AllOpen).spaced(Spacing::every(600_000));
    let mut bed = served(open, Script::new());
    assert_eq!(night(&bed, &[]).code, 0);
    serve(&mut bed, open, Script::new().answer_sessions(Answer::Stall(Duration::from_mins(1))));
    let begun = Instant::now();
    let ran = night(&bed, &[]);
    let receipt = vanished(&ran);
    assert_eq!(ran.code, 3, "{receipt:#}");
    // More than a hundred lie below what a night reads; all of them are owed, and a few were asked for.
    assert!(receipt["asked"].as_u64() < Some(40) && receipt["failed"].as_u64() > Some(100), "{receipt:#}");
    assert!(begun.elapsed() < Duration::from_secs(40), "{:?}", begun.elapsed());
    let first = asked(&bed)[0].clone();
    serve(&mut bed, open, Script::new());
    let ran = night(&bed, &[]);
    assert_eq!((ran.code, &vanished(&ran)["failed"]), (0, &json!(0)), "{ran:?}");
    assert!(asked(&bed).contains(&first));
}

#[test]
fn what_is_purged_is_no_longer_owed() {
    let (mut bed, account, open) = with_a_running_session();
    serve(&mut bed, account, Script::new().answer_session(&open.id, refused(403)));
    assert_eq!(night(&bed, &[]).code, 3);
    assert!(state(&bed)["owed"][&open.id]["since"].is_string());
    let before = crate::bed::time(account.start(700));
    let purged = Ran::of(bed.command(&["purge", "--before", &before]).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    assert_eq!((night(&bed, &[]).code, &state(&bed)["owed"]), (0, &json!({})));
}

#[test]
fn a_backfill_neither_counts_as_a_night_nor_asks_for_what_is_owed_elsewhere() {
    let (mut bed, account, open) = with_a_running_session();
    let script = || Script::new().before(1, Change::delete(open.id.as_str())).answer_session(&open.id, refused(403));
    let backfill = |bed: &mut Bed, from: u64, to: u64| {
        serve(bed, account, script());
        let (from, to) = (crate::bed::time(account.start(from)), crate::bed::time(account.start(to)));
        Ran::of(bed.command(&["backfill", "--json", "--from", &from, "--to", &to]).output().unwrap())
    };
    for _ in 0..4 {
        let ran = backfill(&mut bed, 850, 750);
        assert_eq!((ran.code, &vanished(&ran)["owed"][0]["session_id"]), (3, &json!(open.id)), "{ran:?}");
    }
    assert_eq!(backfill(&mut bed, 700, 600).code, 0);
    for code in [3, 3, 0] {
        serve(&mut bed, account, script());
        assert_eq!(night(&bed, &[]).code, code);
    }
}
