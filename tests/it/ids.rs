//! Ids in every form that JSON has: a text and a whole number are ids, by all their digits; nothing else is.

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, time};

const SESSIONS: u64 = 230;

/// An account whose sessions have these ids, as JSON; one of them takes part with an id of the same form.
fn named(id: impl Fn(u64) -> String) -> Options {
    let account = Account::new(17, SESSIONS, Shape::Plain);
    let raw = |at: u64| {
        let (start, id) = (account.start(at), id(at));
        let (start, end) = (time(start), time(start + 60_000_000));
        format!(
            r#"{{"id":{id},"start":"{start}","end":"{end}","participants":[{{"participantId":{id},"timelog":[]}}]}}"#
        )
    };
    let changes: Vec<_> = (0..SESSIONS).map(|at| Change::raw(at, raw(at))).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

/// The ids of a table's rows, sorted.
fn ids(bed: &Bed, table: Table, column: &str) -> Vec<String> {
    let rows = bed.rows(table).into_iter().flatten();
    let mut ids: Vec<_> = rows.filter(|(name, _)| name == column).map(|(_, id)| id).collect();
    ids.sort();
    ids
}

#[test]
fn a_whole_number_is_an_id_by_all_its_digits() {
    let beyond = |at: u64| format!("18446744073709551{:03}", 616 + at);
    let huge = |at: u64| format!("{}{at:03}", "7".repeat(400));
    let forms: [(&str, &dyn Fn(u64) -> String); 5] = [
        ("small", &|at| at.to_string()),
        ("negative", &|at| format!("-{}", at + 1)),
        ("beyond 64 bits", &beyond),
        ("beyond any float", &huge),
        ("texts and numbers", &|at| if at % 2 == 0 { beyond(at) } else { format!("\"{}\"", beyond(at)) }),
    ];
    for (name, form) in forms {
        let bed = Bed::new(named(form));
        let ran = bed.run(&[]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        let mut expected: Vec<_> = (0..SESSIONS).map(|at| form(at).trim_matches('"').to_owned()).collect();
        expected.sort();
        assert_eq!(ids(&bed, Table::Sessions, "session_id"), expected, "{name}");
        assert_eq!(ids(&bed, Table::Participants, "participant_id"), expected, "{name}");
        let ran = bed.run(&["--json"]);
        assert_eq!((ran.code, bed.rows(Table::Sessions).len() as u64), (0, SESSIONS), "{name}: {ran:?}");
    }
}

/// What is no id, however much it looks like one.
const NONE: [&str; 8] = ["1e3", "1.0", "-0.0", "true", "null", "\"\"", r#"{"$oid":"6afd590d973e2975b9ec5f86"}"#, "[7]"];

#[test]
fn what_is_no_id_is_kept_raw_and_told() {
    for none in NONE {
        let bed = Bed::new(named(|at| if at == 120 { none.to_owned() } else { format!("\"s{at}\"") }));
        let ran = bed.run(&["--json", "-q"]);
        assert_eq!((ran.code, &ran.receipt()["outcome"]), (3, &"rejects".into()), "{none}: {ran:?}");
        assert_eq!(bed.rows(Table::Sessions).len() as u64, SESSIONS - 1, "{none}");
        let told = "error: the data is written, but 1 new record could not be read whole (no_usable_id: 1)\n";
        assert!(
            ran.stderr.starts_with(told) && ran.stderr.contains("\nhint: look at them in _rollbook/rejects/"),
            "{ran:?}"
        );
        let run = ran.receipt()["run_id"].as_str().unwrap().to_owned();
        let kept = std::fs::read_to_string(bed.dataset().join(format!("_rollbook/rejects/{run}.jsonl"))).unwrap();
        let line: serde_json::Value = serde_json::from_str(&kept).unwrap();
        assert!(line["raw"].as_str().unwrap().contains(&format!("\"id\":{none},")), "{none}: {line}");
        // Nobody can say which session is behind it, so it is never known.
        assert_eq!(bed.run(&[]).code, 3, "{none}");
    }
}

#[test]
fn a_list_without_ids_is_told_as_such() {
    for none in NONE {
        let bed = Bed::new(named(|_| none.to_owned()));
        for _ in 0..2 {
            let ran = bed.run(&[]);
            assert_eq!(ran.code, 3, "{none}: {ran:?}");
            let told = "no record of page 2 of 98 sessions each has an id that can be read";
            assert!(ran.stderr.contains(told) && !ran.stderr.contains("ignores"), "{none}: {ran:?}");
        }
    }
    // Those around them are read, and it is never more than a part.
    for hole in [0..130, 60..200, 110..SESSIONS] {
        let bed = Bed::new(named(|at| if hole.contains(&at) { "null".to_owned() } else { format!("\"s{at}\"") }));
        let ran = bed.run(&[]);
        assert!(ran.code == 3 && ran.stderr.contains("has an id that can be read"), "{hole:?}: {ran:?}");
        assert_eq!(bed.rows(Table::Sessions).len() as u64, SESSIONS - (hole.end - hole.start), "{hole:?}");
    }
}
