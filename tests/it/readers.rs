//! DuckDB and Spark read the dataset by a plain glob and find the simulated account's own truth in it; and what the
//! README shows is what they print.
//!
//! The first account has 100,000 sessions, some 190 MB of JSON. Time and memory of its export on the release build:
//! `cargo test --release --test it -- --nocapture duckdb_and_spark`.

use std::path::Path;
use std::process::Command;

use rollbook::sim::truth::Totals;
use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran, rollbook};
use crate::python::{Figures, measured, python, run};

/// More than an export of any account may ever need.
const PEAK_MIB: u64 = 256;

#[test]
fn duckdb_and_spark_find_the_truth() {
    let accounts = [
        Account::new(21, 100_000, Shape::Realistic),
        Account::new(22, 0, Shape::Plain),
        Account::new(23, 200, Shape::AllOpen),
    ];
    let beds = accounts.map(|account| {
        let bed = Bed::new(Options::new(account));
        let (ran, figures) = measured(&bed.export(&["-q"]));
        assert_eq!(ran.code, 0, "{ran:?}");
        let truth = truth(&account);
        let Figures { wall_s, cpu_s, peak_mib } = figures;
        println!("{wall_s} s, {cpu_s} s of CPU, {peak_mib} MiB at most: {truth}");
        assert!(peak_mib < PEAK_MIB, "{peak_mib} MiB");
        std::fs::write(bed.folder.path().join("truth.json"), truth.to_string()).unwrap();
        bed
    });
    for script in ["duckdb_check.py", "spark_check.py"] {
        run(reader(script).args(beds.iter().map(|bed| bed.folder.path())));
    }
}

#[test]
fn the_readme_and_the_page_of_queries_show_what_readers_print() {
    let folder = tempfile::tempdir().unwrap();
    let demo = Ran::of(rollbook(folder.path()).args(["demo", "-q"]).output().unwrap());
    assert_eq!(demo.code, 0, "{demo:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let views = ["views", "--engine", "duckdb", "--zone", "Asia/Kolkata", "--dest", "./rollbook-demo"];
    let views = Ran::of(rollbook(folder.path()).args(views).output().unwrap());
    assert_eq!(views.code, 0, "{views:?}");
    let printed = folder.path().join("views.sql");
    std::fs::write(&printed, views.stdout).unwrap();
    for (script, page) in [("readme_check.py", "README.md"), ("queries_check.py", "docs/queries.md")] {
        run(reader(script).arg(root.join(page)).arg(&printed).current_dir(folder.path()));
    }
}

/// A script of this project in the tests' own Python.
fn reader(script: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script));
    command
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
