//! A session whose start changes goes to another partition: never lost on the way, and in one place in the end, though
//! the run that moves it dies at any step.

use std::process::Stdio;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};

/// An account with a session that has this start, or none.
fn with(start: Option<&str>) -> Options {
    let record = |start: &str| format!(r#"{{"id": "m", "start": {start}, "participants": [{{"timelog": []}}]}}"#);
    let script = start.map_or_else(Script::new, |start| Script::new().before(1, Change::raw(0, record(start))));
    Options { script, ..Options::new(Account::new(5, 40, Shape::Plain)) }
}

/// In how many places the session is, and whether its participants are where it is.
fn places(bed: &Bed) -> usize {
    let of = |table| bed.rows(table).iter().filter(|row| row[0].1 == "m").count();
    assert!(of(Table::Participants) <= of(Table::Sessions), "a participant lacks its session");
    of(Table::Sessions)
}

fn at_every_step(before: &str, after: &str, last: Option<&str>, arguments: &[&str]) {
    let mut doubled = 0;
    for step in 1..200 {
        let mut bed = Bed::new(with(Some(before)));
        assert_eq!(bed.run(&[]).code, 0);
        assert_eq!(places(&bed), 1);
        bed.serve(with(Some(after)));
        let mut command = bed.export(&[]);
        command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).stdout(Stdio::null()).stderr(Stdio::null());
        let died = !command.status().unwrap().success();
        let found = places(&bed);
        assert!((1..=2).contains(&found), "step {step}: {found} places");
        doubled += usize::from(found == 2);
        bed.serve(with(last));
        let ran = bed.run(arguments);
        // One that is not listed any more may have stayed where it was, or have arrived.
        assert_eq!((ran.code, places(&bed)), (0, 1), "step {step}: {ran:?}");
        if !died {
            assert!(step > 20 && doubled > 0, "{step} steps, {doubled} of them between two places");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn a_stopped_move_is_continued() {
    at_every_step("null", "\"2024-05-05T00:00:00Z\"", Some("\"2024-05-05T00:00:00Z\""), &[]);
}

#[test]
fn a_stopped_move_to_an_earlier_month_is_finished_though_nothing_is_left_of_the_run_and_the_list() {
    at_every_step("\"2024-05-05T00:00:00Z\"", "\"2024-03-03T00:00:00Z\"", None, &["--fresh"]);
}

#[test]
fn a_stopped_move_that_is_taken_back_loses_nothing() {
    let (march, may) = ("\"2024-03-03T00:00:00Z\"", "\"2024-05-05T00:00:00Z\"");
    at_every_step(march, may, Some(march), &["--fresh"]);
    at_every_step(may, march, Some(may), &["--fresh"]);
}

#[test]
fn two_sessions_change_places() {
    let months = ["2024-03-03", "2024-05-05"];
    let options = |order: [usize; 2]| {
        let record = |id: &str, month: usize| format!(r#"{{"id": "{id}", "start": "{}T00:00:00Z"}}"#, months[month]);
        let changes = vec![Change::raw(0, record("a", order[0])), Change::raw(1, record("b", order[1]))];
        Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, 40, Shape::Plain)) }
    };
    let mut bed = Bed::new(options([0, 1]));
    assert_eq!(bed.run(&[]).code, 0);
    bed.serve(options([1, 0]));
    let ran: Ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let rows = bed.rows(Table::Sessions);
    let starts =
        |id: &str| -> Vec<String> { rows.iter().filter(|row| row[0].1 == id).map(|row| row[2].1.clone()).collect() };
    assert_eq!(
        (starts("a"), starts("b")),
        (vec!["2024-05-05T00:00:00.000Z".into()], vec!["2024-03-03T00:00:00.000Z".into()])
    );
    let state: serde_json::Value =
        serde_json::from_slice(&std::fs::read(bed.dataset().join("_rollbook/state.json")).unwrap()).unwrap();
    assert_eq!(state["moving"], serde_json::json!({}), "nothing moves any more");
}
