//! DuckDB and Spark read the dataset by a plain glob and find the simulated account's own truth in it.

use std::path::Path;
use std::process::Command;

use rollbook::sim::truth::Totals;
use rollbook::sim::{Account, Options, Shape};

use crate::bed::Bed;
use crate::python::{python, run};

#[test]
fn duckdb_and_spark_find_the_truth() {
    let accounts = [
        Account::new(21, 100_000, Shape::Realistic),
        Account::new(22, 0, Shape::Plain),
        Account::new(23, 200, Shape::AllOpen),
    ];
    let beds = accounts.map(|account| {
        let bed = Bed::new(Options::new(account));
        let ran = bed.run(&["-q"]);
        assert_eq!(ran.code, 0, "{ran:?}");
        std::fs::write(bed.folder.path().join("truth.json"), truth(&account).to_string()).unwrap();
        bed
    });
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers");
    for script in ["duckdb_check.py", "spark_check.py"] {
        let mut command = Command::new(python());
        run(command.arg(scripts.join(script)).args(beds.iter().map(|bed| bed.folder.path())));
    }
}

fn truth(account: &Account) -> serde_json::Value {
    let totals = Totals::of(account.sessions());
    serde_json::json!({
        "sessions": totals.sessions,
        "participants": totals.participants,
        "timelogs": totals.timelogs,
        "open_sessions": totals.open_sessions,
        "session_duration_ms": totals.session_duration_ms,
        "occupied_ms": totals.occupied_ms,
        "total_attended_ms": totals.attended_ms,
        "attended_ms": totals.attended_ms,
        "gross_ms": totals.gross_ms,
        "timelog_duration_ms": totals.timelog_duration_ms,
    })
}
