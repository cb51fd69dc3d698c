//! Records that name no session. Whatever is behind them is not known, so they count in every run, and by their number.

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answered, Change, During, On, Options, Records, Script, Shape, Spacing};
use serde_json::json;

use crate::bed::{Bed, Ran};

fn account(sessions: u64) -> Account {
    Account::new(4, sessions, Shape::Plain).spaced(Spacing::every(600_000))
}

/// An account in whose list these places hold this record.
fn holding(account: Account, record: &str, places: impl IntoIterator<Item = u64>) -> Options {
    let changes: Vec<_> = places.into_iter().map(|place| Change::raw(place, record)).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

fn run(bed: &Bed, arguments: &[&str], most: u64) -> Ran {
    let line: Vec<_> = ["export", "--json"].iter().chain(arguments).copied().collect();
    Ran::of(bed.command(&line).env("ROLLBOOK_DATASET_MAX_REJECTS", most.to_string()).output().unwrap())
}

/// Exit code, outcome, and the counts of rejects.
fn told(ran: &Ran) -> (i32, String, [u64; 3]) {
    let receipt = ran.receipt();
    let count = |name: &str| receipt["rejects"][name].as_u64().unwrap();
    (ran.code, receipt["outcome"].as_str().unwrap().to_owned(), ["total", "new", "without_id"].map(count))
}

fn rejects(code: i32, counts: [u64; 3]) -> (i32, String, [u64; 3]) {
    (code, if code == 3 { "rejects" } else { "proven" }.to_owned(), counts)
}

/// Lines of raw records, of all runs.
fn lines(bed: &Bed) -> usize {
    let files = std::fs::read_dir(bed.dataset().join("_rollbook/rejects")).into_iter().flatten().flatten();
    files.map(|file| std::fs::read_to_string(file.path()).unwrap().lines().count()).sum()
}

#[test]
fn a_record_without_an_id_counts_every_night() {
    for record in ["null", "0", "{}", "[]", "\"gone\"", r#"{"error":"timeout"}"#, r#"{"id":null,"_id":""}"#] {
        let account = account(300);
        let mut bed = Bed::new(holding(account, record, [40]));
        for (night, arguments) in [&[][..], &["--dry-run"], &[], &["--full"], &[]].into_iter().enumerate() {
            let ran = run(&bed, arguments, 0);
            assert_eq!(told(&ran), rejects(3, [1, 1, 1]), "{record} {night}: {ran:?}");
        }
        assert_eq!((bed.rows(Table::Sessions).len(), lines(&bed)), (299, 4), "{record}");
        // Tonight another session is behind it, which is known and should have been listed.
        bed.serve(holding(account, record, [41]));
        let ran = run(&bed, &[], 1);
        let receipt = ran.receipt();
        assert_eq!((ran.code, &receipt["outcome"]), (3, &json!("not_proven")), "{record}: {ran:?}");
        assert_eq!(receipt["walk"]["vanished"]["owed"][0]["session_id"], account.session(41).id, "{record}");
        assert_eq!(bed.rows(Table::Sessions).len(), 300, "{record}");
        // And whoever is whole again is no reject.
        bed.serve(Options::new(account));
        assert_eq!(told(&run(&bed, &[], 0)), rejects(0, [0, 0, 0]), "{record}");
    }
}

#[test]
fn equal_records_without_an_id_count_by_their_number() {
    // Some side by side, some where windows overlap, the first and the last.
    let places: Vec<u64> = [0, 1, 98, 195, 196, 500, 501, 502, 999].into_iter().chain((600..640).step_by(2)).collect();
    let count = places.len() as u64;
    let bed = Bed::new(holding(account(1_000), "null", places));
    for (most, code) in [(0, 3), (count - 1, 3), (count, 0)] {
        let ran = run(&bed, &["--full"], most);
        assert_eq!(told(&ran), rejects(code, [count; 3]), "{most}: {ran:?}");
    }
    assert_eq!(lines(&bed), 3, "one of equal texts is stored");
    let told = Ran::of(bed.export(&[]).output().unwrap());
    assert!(
        told.stdout.contains(&format!("rejects: {count} records ({count} new, {count} without an id), kept")),
        "{told:?}"
    );
}

#[test]
fn whole_pages_without_ids_count_no_less_than_they_hold() {
    for record in ["null", r#"{"message":"internal error"}"#] {
        // More positions than one page has, in whatever sizes they are asked for.
        let bed = Bed::new(holding(account(1_000), record, 300..650));
        for _ in 0..2 {
            let ran = run(&bed, &["--full"], 349);
            let (code, _, [total, new, without_id]) = told(&ran);
            assert!(code == 3 && total >= 350 && total == new && new == without_id, "{record}: {ran:?}");
        }
        // A page that fails so for a moment hides its sessions at no exit code 0.
        let bed = Bed::new(Options::new(account(1_000)).special(
            On::BeginFrom(400),
            During::First(2),
            Answered::Records(Records::Are(record)),
        ));
        let ran = run(&bed, &["--full"], 0);
        assert!(told(&ran).2[2] > 0 && ran.code == 3, "{record}: {ran:?}");
    }
    // No record has an id at all.
    for sessions in [1, 5, 150] {
        let bed = Bed::new(holding(account(sessions), "null", 0..sessions));
        for _ in 0..2 {
            let ran = run(&bed, &[], 0);
            assert!(ran.code == 3 && told(&ran).2[2] >= sessions, "{sessions}: {ran:?}");
        }
    }
}

#[test]
fn a_list_that_moves_counts_no_record_without_an_id_less() {
    let places: Vec<u64> = (100..900).step_by(7).collect();
    let count = places.len() as u64;
    let changes: Vec<_> = places.into_iter().map(|place| Change::raw(place, "null")).collect();
    let script = Script::new().before(1, changes).every(3, 2, vec![Change::InsertFresh(0), Change::InsertFresh(0)]);
    let bed = Bed::new(Options { script, ..Options::new(account(1_000)) });
    let ran = run(&bed, &["--full"], 0);
    let (code, outcome, [_, _, without_id]) = told(&ran);
    assert_eq!((code, outcome.as_str()), (3, "rejects"), "{ran:?}");
    // What stands beside them tells them apart however far they are pushed down.
    assert_eq!(without_id, count, "{ran:?}");
}

#[test]
fn a_run_that_goes_on_counts_what_the_stopped_one_had_read() {
    let account = account(2_000);
    let places: Vec<u64> = (0..2_000).step_by(9).collect();
    let count = places.len() as u64;
    let bed = Bed::new(Options { latency: std::time::Duration::from_millis(200), ..holding(account, "0", places) });
    let mut command = bed.export(&["-q"]);
    let mut child = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(700));
    child.kill().unwrap();
    child.wait().unwrap();
    let ran = run(&bed, &["--full"], 0);
    assert!(ran.receipt()["walk"]["recalled"].as_u64() > Some(0), "{ran:?}");
    assert_eq!((ran.code, told(&ran).2), (3, [count; 3]), "{ran:?}");
}
