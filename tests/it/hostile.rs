//! A hostile server: whatever it sends, the run ends with a documented exit code, in memory that is bounded.

use std::fmt::Write as _;
use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answer, Canned, Change, Options, Script, Session, Shape, Spacing};

use crate::bed::{Bed, Ran, number};
use crate::bodies::{Hostile, MOST, hostile};
use crate::python::{Figures, measured};

/// Bodies unless another number is asked for.
const BODIES: u64 = 50;
/// What no run may reach.
const PEAK_MIB: u64 = 256;

fn zipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

/// A 200 with this body.
fn answer(body: Vec<u8>, is_zipped: bool) -> Canned {
    let canned = Canned::status(200);
    if is_zipped { canned.header("content-encoding", "GZip").json(zipped(&body)) } else { canned.json(body) }
}

fn account() -> Account {
    Account::new(3, 30, Shape::Plain)
}

/// A small account whose first answers are this one.
fn served(canned: &Canned, answers: u64) -> Options {
    let script = (1..=answers).fold(Script::new(), |script, number| script.answer(number, canned.clone()));
    Options { script, ..Options::new(account()) }
}

/// Runs an export and what looks at its dataset; says what was wrong.
fn faults(seed: u64) -> (String, Figures) {
    let Hostile { body, made_of, answers, is_zipped, settings } = hostile(seed);
    let what = format!("{made_of:?}, {} bytes, {answers} answers, {settings:?}", body.len());
    assert!(body.len() <= MOST, "{seed}: {what}");
    let mut bed = Bed::new(served(&answer(body, is_zipped), answers));
    let mut faults = String::new();
    let mut run = |bed: &Bed, arguments: &[&str], codes: &[i32]| {
        let mut command = bed.command(arguments);
        command.envs(settings.iter().copied());
        let (ran, figures) = measured(&command);
        if !codes.contains(&ran.code) || figures.peak_mib >= PEAK_MIB {
            let _ = write!(faults, "{seed}: {arguments:?}: {figures:?}: {what}: {ran:.2000?}");
        }
        figures
    };
    let figures = run(&bed, &["export", "--full"], &[0, 3, 5, 8]);
    // Nothing that it has left keeps the next run from its work.
    bed.serve(Options::new(account()));
    run(&bed, &["export", "--full"], &[0, 3]);
    run(&bed, &["verify"], &[0]);
    (faults, figures)
}

/// `ROLLBOOK_TEST_BODIES` has so many bodies sent, `ROLLBOOK_TEST_FIRST` from this seed on: with that alone, just the one.
#[test]
fn no_body_fills_the_memory() {
    let (first, bodies) = (number("ROLLBOOK_TEST_FIRST"), number("ROLLBOOK_TEST_BODIES"));
    let begin = first.unwrap_or(0);
    let end = begin + bodies.unwrap_or(if first.is_some() { 1 } else { BODIES });
    let (mut faulty, mut peak) = (Vec::new(), 0);
    for seed in begin..end {
        let (wrong, figures) = faults(seed);
        peak = peak.max(figures.peak_mib);
        println!("{seed}: {figures:?}");
        if !wrong.is_empty() {
            println!("{wrong}");
            faulty.push(seed);
        }
    }
    println!("{peak} MiB at most");
    assert!(faulty.is_empty(), "bodies with faults, each to be sent again by ROLLBOOK_TEST_FIRST: {faulty:?}");
}

/// A body of so many bytes: a piece again and again between a beginning and an end.
fn filled(begin: &str, piece: &str, end: &str) -> Vec<u8> {
    let times = (MOST - begin.len() - end.len()) / piece.len();
    [begin, &piece.repeat(times), end].concat().into_bytes()
}

/// Exports from a small account whose first answers are this one, in gzip.
fn attacked(body: &[u8]) -> (Bed, Ran) {
    let zipped = Canned::status(200).header("content-encoding", "gzip").json(zipped(body));
    let bed = Bed::new(served(&zipped, 9));
    let mut command = bed.command(&["export", "--full", "--json"]);
    // Such a body takes a while, and is asked for three times.
    let (ran, figures) = measured(command.env("ROLLBOOK_API_RETRY_BUDGET", "60s"));
    assert!(figures.peak_mib < PEAK_MIB, "{figures:?} {ran:?}");
    (bed, ran)
}

#[test]
fn entries_of_two_or_three_bytes_take_no_more_than_their_text() {
    for (begin, piece, end) in [
        ("{\"data\":[0", ",0", "]}"),
        ("{\"data\":[{}", ",{}", "]}"),
        (r#"{"data":[{"id":"a","participants":[0"#, ",0", "]}]}"),
        (r#"{"data":[{"id":"a","participants":[{}"#, ",{}", "]}]}"),
        (r#"{"data":[{"id":"a","participants":[{"timelog":[0"#, ",0", "]}]}]}"),
        (r#"{"data":[{"id":"a","participants":[{"timelog":[{}"#, ",{}", "]}]}]}"),
        (r#"{"data":[{"id":"a","participants":[{}"#, r#",{"timelog":[{}]}"#, "]}]}"),
    ] {
        let (_, ran) = attacked(&filled(begin, piece, end));
        assert!([0, 3].contains(&ran.code), "{begin}: {ran:?}");
    }
}

#[test]
fn a_message_is_found_without_a_tree_of_all_that_is_around_it() {
    for (begin, piece, end, said) in [
        ("{\"data\":null,\"x\":[0", ",0", "],\"message\":\"go away\"}", "it says: go away"),
        ("{\"data\":null,\"message\":\"go ", "away ", "\"}", "it says: go away away "),
        ("{\"x\":[{}", ",{}", "]}", "it begins with: {"),
    ] {
        let (_, ran) = attacked(&filled(begin, piece, end));
        assert!(ran.code == 8 && ran.stderr.contains(said) && ran.stderr.len() < 4000, "{ran:?}");
    }
}

#[test]
fn long_ids_with_many_timelogs_end_no_run() {
    // Text that repeats in every row of a timelog: three gigabytes, if all were taken.
    let timelogs = vec![r#"{"start":"2026-11-01T00:00:00Z","end":"2026-11-01T00:01:00Z"}"#; 10_000].join(",");
    for (length, code, has_id) in [(300_000, 3, false), (1024, 0, true)] {
        let participant = format!(r#"{{"participantId":"{}","timelog":[{timelogs}]}}"#, "p".repeat(length));
        let record = format!(r#"{{"id":"a","end":"2026-11-01T00:02:00Z","participants":[{participant}]}}"#);
        let script = Script::new().before(1, Change::raw(0, &record));
        let bed = Bed::new(Options { script, ..Options::new(Account::new(3, 1, Shape::Plain)) });
        let (ran, figures) = measured(&bed.command(&["export", "--full"]));
        assert!(ran.code == code && figures.peak_mib < PEAK_MIB, "{figures:?} {ran:?}");
        let rows = bed.rows(Table::Timelogs);
        assert_eq!((rows.len(), rows[0][5].1 != "null"), (10_000, has_id));
        // Merged with what is there, too.
        let (ran, figures) = measured(&bed.command(&["export", "--full"]));
        assert!(ran.code == 0 && figures.peak_mib < PEAK_MIB, "{figures:?} {ran:?}");
        assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
    }
}

#[test]
fn a_session_that_is_too_large_keeps_its_row() {
    let participants = vec![r#"{"name":"n","timelog":[{},{},{},{},{},{},{},{}]}"#; 50_000].join(",");
    let record = format!(r#"{{"id":"a","end":"2026-11-01T00:02:00Z","participants":[{participants}]}}"#);
    let script = Script::new().before(1, Change::raw(0, &record));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(3, 1, Shape::Plain)) });
    let (ran, figures) = measured(&bed.command(&["export", "--full", "--json"]));
    assert!(ran.code == 3 && figures.peak_mib < PEAK_MIB, "{figures:?} {ran:?}");
    let sessions = bed.rows(Table::Sessions);
    let cell = |name: &str| sessions[0].iter().find(|(column, _)| column == name).unwrap().1.as_str();
    assert_eq!((sessions.len(), cell("anomalies"), cell("participant_count")), (1, "too_large", "0"));
    let kept = std::fs::read_dir(bed.dataset().join("_rollbook/rejects")).unwrap().next().unwrap().unwrap();
    assert!(kept.metadata().unwrap().len() < 3 << 20, "the raw record is cut");
    let (ran, _) = measured(&bed.command(&["export", "--full"]));
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_hundred_answers_by_id_are_not_held_together() {
    let account = Account::new(8, 400, Shape::Plain).spaced(Spacing::every(600_000));
    let open = |index: u64| Session { end: None, ..account.session(index) };
    let script = (250..350).fold(Script::new(), |script, index| script.before(1, Change::replace(index, open(index))));
    let mut bed = Bed::new(Options { script, ..Options::new(account) });
    assert_eq!(Ran::of(bed.command(&["export"]).output().unwrap()).code, 0);
    let entry = format!(r#"{{"name":"{}"}}"#, "n".repeat(4000));
    let participants = vec![entry.as_str(); 1000].join(",");
    let script = (250..350).fold(Script::new(), |script, index| {
        let body = format!(r#"{{"id":"{}","participants":[{participants}]}}"#, open(index).id);
        let canned = Canned::status(200).header("content-encoding", "gzip").json(zipped(body.as_bytes()));
        script.before(1, Change::delete(250)).answer_session(&open(index).id, canned)
    });
    bed.serve(Options { script, ..Options::new(account) });
    let mut command = bed.command(&["export", "--json"]);
    command.env("ROLLBOOK_WALK_LOOKBACK", "1h");
    let (ran, figures) = measured(&command);
    assert_eq!(ran.receipt()["walk"]["vanished"]["asked"], 100, "{ran:?}");
    assert!(figures.peak_mib < 200, "{figures:?}");
}

#[test]
fn new_unknown_keys_on_every_page_are_counted_together() {
    let record = |number: u64| {
        let keys: Vec<_> = (0..2000).map(|key| format!("\"key {number} {key}\":0")).collect();
        format!(r#"{{"id":"a{number}","status":"ended",{}}}"#, keys.join(","))
    };
    let script = (0..400).fold(Script::new(), |script, number| script.before(1, Change::raw(number, record(number))));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(3, 400, Shape::Plain)) });
    let (ran, figures) = measured(&bed.command(&["export", "--full", "--json"]));
    let walk = &ran.receipt()["walk"];
    assert_eq!((ran.code, walk["unknown_fields"].as_object().unwrap().len()), (0, 256), "{ran:.2000?}");
    assert!(walk["more_unknown_fields"].as_u64() > Some(700_000), "{walk}");
    assert!(ran.stdout.len() < 64 << 10 && figures.peak_mib < 96, "{} {figures:?}", ran.stdout.len());
}

#[test]
fn a_stage_full_of_rejects_is_continued_one_after_the_other() {
    const EACH: usize = 1 << 20;
    const RECORDS: u64 = 320;
    let record = |number: u64| format!(r#"{{"id":"a{number}","start":"never","x":"{}"}}"#, "x".repeat(EACH));
    let account = Account::new(3, RECORDS, Shape::Plain);
    let listed =
        (0..RECORDS).fold(Script::new(), |script, number| script.before(1, Change::raw(number, record(number))));
    // A failure that is not tried again, so that a busy machine makes no other one of it.
    let fails = listed.clone().answer_every(44, 1, Answer::status(402));
    let mut bed = Bed::new(Options { script: fails, ..Options::new(account) });
    let run = |bed: &Bed| {
        let mut command = bed.command(&["export", "--full", "--json"]);
        measured(command.env("ROLLBOOK_API_PER_PAGE", "8").env("ROLLBOOK_API_RETRY_BUDGET", "600s"))
    };
    let (ran, _) = run(&bed);
    assert_eq!(ran.code, 5, "{ran:.2000?}");
    let journal = bed.dataset().join("_rollbook/stage/journal");
    let held = std::fs::metadata(journal).unwrap().len();
    // Pages in flight at the end of the first run are not staged.
    assert!(held > 176 << 20, "{held} bytes are staged");
    bed.serve(Options { script: listed, ..Options::new(account) });
    let (ran, figures) = run(&bed);
    assert!(ran.stderr.contains("a stopped run is continued: "), "{ran:.2000?}");
    assert_eq!((ran.code, &ran.receipt()["rejects"]["total"]), (3, &RECORDS.into()), "{ran:.2000?}");
    // What is staged is never all in memory; the pages in flight are.
    assert!(figures.peak_mib < 160, "{figures:?}");
}

#[test]
fn a_run_makes_only_so_many_partitions_and_the_next_one_is_free_of_them() {
    let record =
        |day: u64| format!(r#"{{"id":"a{day}","start":"20{day:02}-01-01T00:00:00Z","end":"2099-01-02T00:00:00Z"}}"#);
    let script = (0..40).fold(Script::new(), |script, day| script.before(1, Change::raw(day, record(99 - day))));
    let account = Account::new(3, 40, Shape::Plain);
    let mut bed = Bed::new(Options { script: script.clone(), ..Options::new(account) });
    let run = |bed: &Bed, most: &str| {
        let mut command = bed.command(&["export", "--full"]);
        Ran::of(command.env("ROLLBOOK_DATASET_MAX_PARTITIONS", most).output().unwrap())
    };
    for _ in 0..2 {
        let ran = run(&bed, "39");
        assert_eq!(ran.code, 8, "{ran:?}");
        assert!(ran.stderr.contains("more partitions than one run may make (39): "), "{ran:?}");
        assert!(ran.stderr.contains("\nhint: ") && ran.stderr.contains("raise `dataset.max_partitions`"), "{ran:?}");
        assert!(bed.files().is_empty());
    }
    bed.serve(Options::new(account));
    assert_eq!(run(&bed, "39").code, 0);
    // Those that are there do not count.
    bed.serve(Options { script, ..Options::new(account) });
    assert_eq!(run(&bed, "40").code, 0);
    assert_eq!(run(&bed, "1").code, 0);
}

#[test]
fn a_state_that_never_ends_is_set_aside() {
    let bed = Bed::new(Options::new(account()));
    assert_eq!(bed.run(&[]).code, 0);
    let path = bed.dataset().join("_rollbook/state.json");
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(1 << 40).unwrap();
    let (ran, figures) = measured(&bed.command(&["export"]));
    assert_eq!(ran.code, 0, "{ran:?}");
    let told = format!("more bytes than such a record may have (67108864): {}", path.display());
    assert!(ran.stderr.contains(&told) && ran.stderr.contains("set aside: "), "{ran:?}");
    assert!(figures.peak_mib < 160, "{figures:?}");
    assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
}

#[test]
fn a_fence_in_the_future_hides_no_session() {
    let account = account();
    let mut bed = Bed::new(Options::new(account));
    assert_eq!(bed.run(&[]).code, 0);
    let path = bed.dataset().join("_rollbook/state.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    state["covered"]["fence"] = "9999-01-01T00:00:00Z".into();
    std::fs::write(&path, state.to_string()).unwrap();
    let script = Script::new().before(1, Change::InsertFresh(0));
    bed.serve(Options { script, ..Options::new(account) });
    let ran = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"full".into()), "{ran:?}");
    assert!(ran.receipt()["goal"]["why"].as_str().unwrap().contains("lies in the future"), "{ran:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 31);
}

#[test]
fn an_answer_by_id_that_is_more_than_one_session_is_none() {
    let account = Account::new(8, 400, Shape::Plain).spaced(Spacing::every(600_000));
    let open = Session { end: None, ..account.session(300) };
    let id = open.id.clone();
    for body in [
        format!(r#"{{"id":"{id}"}},{{"id":"smuggled"}}"#),
        format!(r#"{{"id":"{id}"}}],"x":[{{"id":"smuggled"}}"#),
        format!(r#"{{"id":"{id}","id":"smuggled"}}"#),
    ] {
        let mut bed = Bed::new(Options {
            script: Script::new().before(1, Change::replace(300, open.clone())),
            ..Options::new(account)
        });
        assert_eq!(Ran::of(bed.command(&["export"]).output().unwrap()).code, 0);
        let script =
            Script::new().before(1, Change::delete(300)).answer_session(&id, Canned::status(200).json(body.clone()));
        bed.serve(Options { script, ..Options::new(account) });
        let mut command = bed.command(&["export", "--json"]);
        let ran = Ran::of(command.env("ROLLBOOK_WALK_LOOKBACK", "1h").output().unwrap());
        assert_eq!((ran.code, &ran.receipt()["walk"]["vanished"]["failed"]), (3, &1.into()), "{body}: {ran:?}");
        assert!(ran.stderr.contains("the answer is not a session: "), "{body}: {ran:?}");
        assert!(bed.rows(Table::Sessions).iter().all(|row| row[0].1 != "smuggled"), "{body}");
    }
}
