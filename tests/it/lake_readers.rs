//! Snapshots as others read them: queries that are under way, three tables that agree, and four engines over the Delta logs.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rollbook::sim::{Account, Change, Options, Script, Shape, Spacing};

use crate::bed::{Bed, Ran, TOKEN, end_within, number, rollbook};
use crate::python::{python, python_with_lakes, python_with_s3, run};
use crate::servers::ObjectStore;

/// Publishes while queries are under way, if nothing else is asked for.
const PUBLISHES: u64 = 12;
const FORMAT: &str = "ROLLBOOK_SNAPSHOTS_FORMAT";

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(name)
}

/// An account that gets sessions everywhere in its list, the oldest ones included, with every publish.
fn night(publish: u64) -> Options {
    let account = Account::new(44, 600, Shape::Realistic).spaced(Spacing::every(4 * 3_600_000));
    let fresh = |number: u64| {
        let start = account.start(599 - number * 97 % 600) + number.cast_signed();
        Change::InsertByStart(account.fresh(number, start))
    };
    let changes: Vec<_> = (0..publish * 6).map(fresh).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

fn exported(format: &str) -> Bed {
    exported_by("month", format)
}

fn exported_by(by: &str, format: &str) -> Bed {
    let mut bed = Bed::new(night(0));
    bed.environment.push((FORMAT.to_owned(), format.to_owned()));
    bed.environment.push(("ROLLBOOK_DATASET_PARTITION_BY".to_owned(), by.to_owned()));
    assert_eq!(bed.run(&["-q"]).code, 0);
    bed
}

/// Begins a script that reads until its input ends, and waits until it is ready.
fn reading(interpreter: PathBuf, name: &str, dataset: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(interpreter);
    command.arg(script(name)).arg(dataset).args(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (printed, mut byte) = (child.stdout.as_mut().unwrap(), [0]);
    while printed.read(&mut byte).unwrap() == 1 && byte != *b"\n" {}
    child
}

/// Publishes so often while scripts read, and ends them.
fn publish_under(bed: &mut Bed, publishes: u64, readers: Vec<Child>) -> Vec<Ran> {
    for publish in 1..=publishes {
        bed.serve(night(publish));
        let ran = bed.run(&["-q", "--json"]);
        assert_eq!((ran.code, ran.receipt()["snapshot"].as_u64()), (0, Some(publish + 1)), "{ran:?}");
    }
    readers.into_iter().map(ended).collect()
}

/// What a script says when its input ends.
fn ended(mut reader: Child) -> Ran {
    drop(reader.stdin.take());
    end_within(Duration::from_mins(2), "a reader", reader)
}

/// All answers that a script got were right, and there were some.
fn is_right(ran: &Ran) {
    assert!(ran.code == 0 && ran.stdout.contains("rounds: ") && !ran.stdout.contains("rounds: 0,"), "{ran:?}");
}

fn publishes() -> u64 {
    number("ROLLBOOK_TEST_PUBLISHES").unwrap_or(PUBLISHES)
}

#[test]
fn queries_of_duckdb_that_are_under_way_see_one_snapshot_and_over_plain_files_they_do_not() {
    // Of many files, since a query opens one after the other.
    let mut bed = exported_by("day", "files");
    let dataset = bed.dataset().to_str().unwrap().to_owned();
    let readers = vec![
        reading(python(), "in_flight.py", &dataset, &[]),
        reading(python_with_lakes(), "in_flight.py", &dataset, &[]),
        reading(python(), "current_check.py", &dataset, &[]),
        reading(python(), "in_flight.py", &dataset, &["--plain"]),
    ];
    let mut ran = publish_under(&mut bed, publishes(), readers);
    let control = ran.pop().unwrap();
    ran.iter().for_each(is_right);
    assert!(control.code == 1 && !control.stdout.contains("differed: 0,"), "the control shows no fault: {control:?}");
}

#[test]
fn queries_of_spark_that_are_under_way_see_one_snapshot() {
    let mut bed = exported("files");
    let dataset = bed.dataset().to_str().unwrap().to_owned();
    let readers = vec![reading(python(), "in_flight_spark.py", &dataset, &[])];
    publish_under(&mut bed, publishes(), readers).iter().for_each(is_right);
}

/// In an object store, where a query fetches a file in pieces.
#[test]
fn queries_over_a_network_that_are_under_way_see_one_snapshot() {
    let store = ObjectStore::moto();
    let (dataset, port) = (store.url("flight"), store.port.to_string());
    let mut bed = Bed::new(night(0));
    bed.environment = store.environment.clone();
    bed.environment.push((FORMAT.to_owned(), "files".to_owned()));
    let export = |bed: &Bed| {
        let mut command = rollbook(bed.folder.path());
        command.args(["export", "--full", "-q", "--json", "--base-url", &bed.server.base_url(), "--dest", &dataset]);
        let ran = Ran::of(command.env("VIDEOSDK_TOKEN", TOKEN).envs(bed.environment.clone()).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    export(&bed);
    let reader = reading(python_with_s3(), "in_flight.py", &dataset, &["--port", &port]);
    for publish in 1..=publishes() {
        bed.serve(night(publish));
        export(&bed);
    }
    is_right(&ended(reader));
}

#[test]
fn views_over_delta_logs_and_over_a_snapshot_are_those_over_the_plain_files() {
    let bed = exported("delta");
    let print = |way: &str| {
        let path = bed.folder.path().join(format!("{way}.sql"));
        let ran = bed.line(&format!("views --engine duckdb --through {way}"));
        assert_eq!(ran.code, 0, "{ran:?}");
        std::fs::write(&path, ran.stdout).unwrap();
        path
    };
    let plain = print("plain");
    for way in ["delta", "snapshot"] {
        run(Command::new(python_with_lakes()).arg(script("delta_views.py")).arg(print(way)).arg(&plain));
    }
    for engine in ["duckdb", "spark"] {
        let ran = bed.line(&format!("views --engine {engine} --through delta"));
        assert!(ran.code == 0 && ran.stdout.contains("lake/sessions"), "{ran:?}");
    }
    let mut other = Bed::new(night(0));
    assert_eq!(other.run(&["-q"]).code, 0);
    for (way, format) in [("snapshot", "files"), ("delta", "delta")] {
        let ran = other.line(&format!("views --engine duckdb --through {way}"));
        assert!(ran.code == 2 && ran.stderr.contains(&format!("to \"{format}\"")), "{ran:?}");
    }
    other.environment.push((FORMAT.to_owned(), "files".to_owned()));
    assert_eq!(other.run(&["-q"]).code, 0);
    assert_eq!(other.line("views --engine duckdb --through delta").code, 2);
}

#[test]
fn every_engine_reads_the_delta_logs_as_the_plain_files_are_older_versions_too() {
    // Beyond a checkpoint, with an unchanged table, with partitions that come and go.
    for by in ["month", "day", "none"] {
        let mut bed = Bed::new(night(0));
        bed.environment.push((FORMAT.to_owned(), "delta".to_owned()));
        bed.environment.push(("ROLLBOOK_DATASET_PARTITION_BY".to_owned(), by.to_owned()));
        assert_eq!(bed.run(&["-q"]).code, 0);
        let nights = if by == "month" { 13 } else { 2 };
        for publish in 1..=nights {
            bed.serve(night(publish));
            assert_eq!(bed.run(&["-q"]).code, 0);
        }
        let ran = bed.line("snapshots restore 2");
        assert_eq!(ran.code, 0, "{ran:?}");
        let mut check = Command::new(python_with_lakes());
        run(check.arg(script("lake_check.py")).arg(bed.dataset()).arg("--versions"));
    }
}

#[test]
fn other_formats_take_the_files_of_every_snapshot_by_their_recipes() {
    let mut bed = exported("files");
    for publish in 1..=2 {
        bed.serve(night(publish));
        assert_eq!(bed.run(&["-q"]).code, 0);
    }
    run(Command::new(python_with_lakes()).arg(script("recipes_check.py")).arg(bed.dataset()));
}

#[test]
fn somebody_elses_commit_to_a_log_is_found_and_stays() {
    let mut bed = exported("delta");
    run(Command::new(python_with_lakes()).arg(script("foreign_commit.py")).arg(bed.dataset()));
    let log = bed.dataset().join("lake/sessions/_delta_log/00000000000000000001.json");
    let theirs = std::fs::read_to_string(&log).unwrap();
    bed.serve(night(1));
    for command in ["export", "backfill --month 2026-11", "snapshots restore 1"] {
        let ran = bed.line(command);
        assert_eq!(ran.code, 6, "{command}: {ran:?}");
        assert!(ran.stderr.contains("_delta_log") && ran.stderr.contains("hint: "), "{command}: {ran:?}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), theirs);
    }
    let ran = bed.line("verify --json");
    assert_eq!(ran.code, 9, "{ran:?}");
    // The way out that the hint names.
    for format in ["files", "delta"] {
        bed.environment = vec![(FORMAT.to_owned(), format.to_owned())];
        let ran = bed.line("export");
        assert_eq!(ran.code, 0, "{format}: {ran:?}");
    }
    run(Command::new(python_with_lakes()).arg(script("lake_check.py")).arg(bed.dataset()));
}
