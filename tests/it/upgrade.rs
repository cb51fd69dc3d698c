//! A dataset of an older schema version is upgraded as a whole, and can be read by plain globs all along.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rollbook::dataset::encode::SCHEMA_VERSION_KEY;
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};
use crate::place::copy;
use crate::python::{python, run};
use crate::verify::vouch;

/// What the list said when the dataset of version 1 was written.
const LISTED: &str = include_str!("../fixtures/version-1/sessions.json");

/// An API that lists the sessions of the dataset of version 1.
fn listed_in_version_1() -> Options {
    let records: Vec<&serde_json::value::RawValue> = serde_json::from_str(LISTED).unwrap();
    let account = Account::new(5, records.len() as u64, Shape::Plain);
    let changes: Vec<_> = (0..).zip(&records).map(|(at, record)| Change::raw(at, record.get())).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

/// A dataset that version 1 has written, and an API that lists its sessions.
pub fn version_1() -> Bed {
    let bed = Bed::new(listed_in_version_1());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1/data");
    copy(&fixture, &bed.dataset());
    bed
}

/// The numbers of a file in one that says it is as `like`, which has the same rows: in the columns of that version, with what
/// the file itself lacks of them.
pub fn disguised(path: &Path, like: &Path) -> Vec<u8> {
    let [(rows, _), (theirs, metadata)] = [path, like].map(whole);
    let columns = theirs.schema_ref().fields().iter().zip(theirs.columns());
    let columns = columns.map(|(field, theirs)| rows.column_by_name(field.name()).unwrap_or(theirs).clone());
    let rows = RecordBatch::try_new(theirs.schema(), columns.collect()).unwrap();
    let properties = WriterProperties::builder().set_key_value_metadata(Some(metadata)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    bytes
}

/// All rows of a file, and what rollbook's own metadata says of them.
fn whole(path: &Path) -> (RecordBatch, Vec<KeyValue>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let metadata = builder.metadata().file_metadata().key_value_metadata().unwrap();
    let own = metadata.iter().filter(|pair| pair.key.starts_with("rollbook.")).cloned().collect();
    let rows = builder.metadata().file_metadata().num_rows();
    let mut batches = builder.with_batch_size(usize::try_from(rows).unwrap()).build().unwrap();
    (batches.next().unwrap().unwrap(), own)
}

/// Columns that the older version does not have.
const NEWER: [&str; 6] = ["extra", "is_excluded", "region", "custom_room_id", "person", "person_count"];

fn options(changes: Vec<Change>) -> Options {
    Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, 60, Shape::Plain)) }
}

/// Rewrites every file and the state as if the older version had fewer columns. Of the real one there is [`version_1`].
fn downgrade(bed: &Bed) {
    for (path, _) in bed.files() {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let schema = builder.schema().clone();
        let keep: Vec<_> =
            (0..schema.fields().len()).filter(|&at| !NEWER.contains(&schema.field(at).name().as_str())).collect();
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let version = KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), "1".to_owned());
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![version])).build();
        let schema = std::sync::Arc::new(schema.project(&keep).unwrap());
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, Some(properties)).unwrap();
        for batch in batches {
            writer.write(&batch.project(&keep).unwrap()).unwrap();
        }
        writer.close().unwrap();
    }
    bed.edit_state(|text| text.replace("\"schema_version\": 2", "\"schema_version\": 1"));
    vouch(bed);
}

/// The number of columns of each file of a table, in the order of a glob.
fn widths(bed: &Bed, table: Table) -> Vec<usize> {
    let of = |path: &PathBuf| {
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().schema().fields().len()
    };
    bed.files()
        .iter()
        .map(|(path, _)| path)
        .filter(|path| path.starts_with(bed.dataset().join(table.name())))
        .map(of)
        .collect()
}

fn globs_can_be_read(dataset: &Path) {
    let script = "import duckdb, sys\n\
        for table in ('sessions', 'participants', 'timelogs'):\n    \
            duckdb.sql(f\"create table {table} as select * from '{sys.argv[1]}/{table}/*/*.parquet'\")";
    run(Command::new(python()).args(["-c", script]).arg(dataset));
}

#[test]
fn an_older_dataset_is_upgraded_newest_first_through_deaths_at_every_step() {
    // What is there is of two months and the one that always exists.
    let record = |id: &str, start: &str| {
        format!(r#"{{"id": "{id}", "start": "{start}T00:00:00Z", "participants": [{{"name": "A"}}]}}"#)
    };
    let changes = vec![Change::raw(0, record("a", "2024-03-03")), Change::raw(1, record("b", "2024-05-05"))];
    let mut bed = Bed::new(options(changes.clone()));
    assert_eq!(bed.run(&[]).code, 0);
    let before = bed.rows(Table::Participants);
    let whole = bed.files();
    downgrade(&bed);
    assert_eq!(bed.rows(Table::Participants), before, "older files can't be read as they are");
    globs_can_be_read(&bed.dataset());

    let mut partly = false;
    for step in 1.. {
        assert!(step < 200, "there is no end");
        bed.serve(options(changes.clone()));
        let ran = bed.export(&["-q"]).env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).status().unwrap();
        globs_can_be_read(&bed.dataset());
        assert_eq!(bed.rows(Table::Participants), before);
        for table in Table::ALL {
            let widths = widths(&bed, table);
            assert!(widths.is_sorted(), "{table:?}: an older partition was upgraded before a newer one: {widths:?}");
            partly |= widths.first() != widths.last();
        }
        if ran.success() {
            break;
        }
    }
    assert!(partly, "it was never seen half done");
    let upgraded = bed.files();
    assert!(upgraded.len() == whole.len() && upgraded == whole, "it is not what this version writes");
    let ran = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert!(ran.code == 0 && !ran.stdout.contains("\"changed\": true"), "{ran:?}");
}

/// The files of a dataset by their path in it.
fn files(bed: &Bed) -> BTreeMap<PathBuf, Vec<u8>> {
    let relative = |path: PathBuf| path.strip_prefix(bed.dataset()).unwrap().to_owned();
    bed.files().into_iter().map(|(path, bytes)| (relative(path), bytes)).collect()
}

/// Rows of a table, but for when a running session was last seen.
fn timeless(bed: &Bed, table: Table) -> Vec<Vec<(String, String)>> {
    let mut rows = bed.rows(table);
    for row in &mut rows {
        row.retain(|(name, _)| name != "observed_at");
    }
    rows
}

/// A dataset is, to the byte, what an export gives that begins with nothing. When a running session was last seen may
/// differ; so for its own table a full export, which keeps that time, must change nothing.
fn assert_fresh(bed: &mut Bed, what: &str) {
    let fresh = Bed::new(listed_in_version_1());
    assert_eq!(fresh.run(&["-q"]).code, 0);
    let (found, wanted) = (files(bed), files(&fresh));
    assert_eq!(found.len(), 9, "{what}");
    for (path, bytes) in &wanted {
        assert!(path.starts_with("sessions") || found[path] == *bytes, "{what}: {} is another one", path.display());
    }
    assert_eq!(timeless(bed, Table::Sessions), timeless(&fresh, Table::Sessions), "{what}");
    bed.serve(listed_in_version_1());
    let again = bed.run(&["--json"]);
    assert!(again.code == 0 && !again.stdout.contains("\"changed\": true"), "{what}: {again:?}");
    let verified = Ran::of(bed.command(&["verify", "--json"]).output().unwrap());
    assert_eq!((verified.code, &verified.receipt()["notices"]), (0, &serde_json::json!([])), "{what}: {verified:?}");
}

/// Commands that write first to an older dataset.
const WRITERS: [&[&str]; 3] = [&["export", "--full"], &["export"], &["purge", "--before", "2020-01-01"]];

#[test]
fn whoever_writes_first_makes_of_version_1_what_a_fresh_export_writes() {
    for writer in WRITERS {
        let mut bed = version_1();
        let attended = |bed: &Bed| {
            let rows = bed.rows(Table::Sessions);
            let row = rows.iter().find(|row| row[0].1 == "s1").unwrap();
            row.iter().find(|(name, _)| name == "total_attended_ms").unwrap().1.clone()
        };
        // As it is read; what is in the file is another number.
        assert_eq!(attended(&bed), "68000");
        let ran = Ran::of(bed.command(writer).arg("--json").output().unwrap());
        assert_eq!(ran.code, 0, "{writer:?}: {ran:?}");
        assert!(ran.stdout.contains("\"changed\": true"), "{writer:?}: {ran:?}");
        let state = std::fs::read_to_string(bed.dataset().join("_rollbook/state.json")).unwrap();
        assert!(state.contains("\"schema_version\": 2"), "{writer:?}: {state}");
        assert_eq!(attended(&bed), "68000");
        assert_fresh(&mut bed, &format!("{writer:?}"));
    }
}

#[test]
fn an_upgrade_of_version_1_that_dies_at_any_step_leaves_whole_files_and_is_finished_by_the_next() {
    for writer in [WRITERS[0], WRITERS[2]] {
        let before = files(&version_1());
        let mut after = version_1();
        assert_eq!(Ran::of(after.command(writer).output().unwrap()).code, 0);
        assert_fresh(&mut after, "whole");
        let after = files(&after);
        let mut partly = 0;
        for step in 1.. {
            let bed = version_1();
            let mut dying = bed.command(writer);
            dying.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).stdout(Stdio::null()).stderr(Stdio::null());
            let is_whole = dying.status().unwrap().success();
            let what = format!("{writer:?}, step {step}");
            let now = files(&bed);
            // Each file is the old one or the new one, and no older partition was upgraded before a newer one.
            assert_eq!(now.keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>(), "{what}");
            let is_new = |path: &PathBuf| {
                assert!(now[path] == before[path] || now[path] == after[path], "{what}: {}", path.display());
                now[path] == after[path]
            };
            for table in Table::ALL {
                let new: Vec<_> = before.keys().filter(|path| path.starts_with(table.name())).map(is_new).collect();
                assert!(new.is_sorted(), "{what}: {table:?}: {new:?}");
                partly += u32::from(new.first() != new.last());
            }
            let verified = Ran::of(bed.command(&["verify"]).output().unwrap());
            assert_eq!(verified.code, 0, "{what}: {verified:?}");
            let again = Ran::of(bed.command(writer).output().unwrap());
            assert_eq!(again.code, 0, "{what}: {again:?}");
            assert!(files(&bed) == after, "{what}: the next run did not finish it");
            if is_whole {
                assert!(step > 20, "{writer:?}: {step} steps only");
                break;
            }
        }
        assert!(partly > 5, "{writer:?}: it was hardly seen half done");
    }
}

#[test]
fn what_an_upgrade_cannot_read_it_does_not_begin() {
    let bed = version_1();
    let path = bed.dataset().join("timelogs/start_month=2026-10/part-0.parquet");
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    let before = bed.files();
    let ran = bed.run(&[]);
    assert!(ran.code == 6 && ran.stderr.contains("start_month=2026-10"), "{ran:?}");
    assert!(bed.files() == before, "the upgrade was begun");
}

#[test]
fn a_newer_dataset_is_refused() {
    let bed = Bed::new(options(vec![]));
    assert_eq!(bed.run(&[]).code, 0);
    bed.edit_state(|text| text.replace("\"schema_version\": 2", "\"schema_version\": 3"));
    let ran = bed.run(&[]);
    assert!(ran.code == 2 && ran.stderr.contains("a newer version of rollbook"), "{ran:?}");
}

#[test]
fn a_purge_of_an_older_dataset_leaves_what_globs_can_read() {
    let record = |id: &str, start: &str, name: &str| {
        format!(r#"{{"id": "{id}", "start": {start}, "participants": [{{"name": "{name}"}}]}}"#)
    };
    let changes = vec![
        Change::raw(0, record("a", "null", "Ann Lee")),
        Change::raw(1, record("b", "\"2024-05-05T00:00:00Z\"", "Bob")),
    ];
    for step in 1.. {
        let bed = Bed::new(options(changes.clone()));
        assert_eq!(bed.run(&[]).code, 0);
        downgrade(&bed);
        let purge = || {
            let mut command = bed.command(&["purge", "--participant-name", "Ann Lee"]);
            command.stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let is_whole = purge().env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).status().unwrap().success();
        globs_can_be_read(&bed.dataset());
        assert!(purge().status().unwrap().success());
        globs_can_be_read(&bed.dataset());
        assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
        assert!(bed.rows(Table::Participants).iter().all(|row| row.iter().all(|(_, value)| value != "Ann Lee")));
        if is_whole {
            assert!(step > 8, "{step} steps only");
            return;
        }
    }
}
