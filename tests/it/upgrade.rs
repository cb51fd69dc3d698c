//! A dataset of an older schema version is upgraded as a whole, and can be read by plain globs all along.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arrow_array::RecordBatch;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rollbook::dataset::encode::SCHEMA_VERSION_KEY;
use rollbook::sim::{Account, Change, Options, Script, Shape};
use rollbook::tables::Table;

use crate::bed::{Bed, Ran};
use crate::python::{python, run};

/// Columns that the older version does not have.
const NEWER: [&str; 4] = ["extra", "is_excluded", "region", "custom_room_id"];

fn options(changes: Vec<Change>) -> Options {
    Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, 60, Shape::Plain)) }
}

/// Rewrites every file and the state as an older version would have left them.
pub fn downgrade(bed: &Bed) {
    for (path, _) in bed.files() {
        let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(&path).unwrap()).unwrap();
        let schema = builder.schema().clone();
        let keep: Vec<_> =
            (0..schema.fields().len()).filter(|&at| !NEWER.contains(&schema.field(at).name().as_str())).collect();
        let batches: Vec<RecordBatch> = builder.build().unwrap().map(Result::unwrap).collect();
        let version = KeyValue::new(SCHEMA_VERSION_KEY.to_owned(), "0".to_owned());
        let properties = WriterProperties::builder().set_key_value_metadata(Some(vec![version])).build();
        let schema = std::sync::Arc::new(schema.project(&keep).unwrap());
        let mut writer = ArrowWriter::try_new(File::create(&path).unwrap(), schema, Some(properties)).unwrap();
        for batch in batches {
            writer.write(&batch.project(&keep).unwrap()).unwrap();
        }
        writer.close().unwrap();
    }
    let state = bed.dataset().join("_rollbook/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(state, text.replace("\"schema_version\": 1", "\"schema_version\": 0")).unwrap();
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

#[test]
fn a_newer_dataset_is_refused() {
    let bed = Bed::new(options(vec![]));
    assert_eq!(bed.run(&[]).code, 0);
    let state = bed.dataset().join("_rollbook/state.json");
    let text = std::fs::read_to_string(&state).unwrap();
    std::fs::write(state, text.replace("\"schema_version\": 1", "\"schema_version\": 2")).unwrap();
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
