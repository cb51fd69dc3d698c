//! Damaged data: no run reads on, overwrites it or changes anything else; `verify --repair` and the command that it names
//! make the dataset whole again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use rollbook::rows::tables::{SCHEMA_VERSION, Table};
use rollbook::sim::{Account, Change, Options, Script, Shape, Spacing};

use crate::bed::{Bed, Ran, rollbook};

const SESSIONS: u64 = 300;

/// Some ten days.
fn account() -> Account {
    Account::new(71, SESSIONS, Shape::Realistic)
}

/// The account, with a session in another month.
fn served(more: Vec<Change>) -> Options {
    let month = 31 * 24 * 3_600_000_000;
    let mut changes = vec![Change::InsertHead(account().fresh(1, account().start(0) + month))];
    changes.extend(more);
    Options { script: Script::new().before(1, changes), ..Options::new(account()) }
}

pub fn exported() -> Bed {
    let bed = Bed::new(served(vec![]));
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

fn part(bed: &Bed, table: Table) -> PathBuf {
    bed.dataset().join(table.name()).join("start_month=2026-11/part-0.parquet")
}

/// Every file of the dataset, receipts and stage aside, with its bytes.
pub fn everything(bed: &Bed) -> BTreeMap<PathBuf, Vec<u8>> {
    files_below(&bed.dataset(), &["_rollbook/runs", "_rollbook/stage"])
}

/// Every file below a folder, with its bytes; `but`: folders that are passed over.
pub fn files_below(folder: &Path, but: &[&str]) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if !path.is_dir() {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        } else if !but.iter().any(|but| path.ends_with(but)) {
            found.extend(files_below(&path, but));
        }
    }
    found
}

/// All rows, but for when a running session was last seen.
pub fn rows(bed: &Bed) -> Vec<Vec<(String, String)>> {
    let mut rows: Vec<_> = Table::ALL.into_iter().flat_map(|table| bed.rows(table)).collect();
    for row in &mut rows {
        row.retain(|(column, _)| column != "observed_at");
    }
    rows
}

/// The file's rows again, under another version of the schema and with columns that only this version may have.
fn rewritten(path: &Path, version: Option<u32>, more: &[Field]) -> Vec<u8> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap();
    let schema = builder.schema().clone();
    let fields: Vec<_> =
        schema.fields().iter().map(|field| field.as_ref().clone()).chain(more.iter().cloned()).collect();
    let schema = Arc::new(Schema::new(fields));
    let pairs = version.map(|version| vec![KeyValue::new("rollbook.schema_version".to_owned(), version.to_string())]);
    let properties = WriterProperties::builder().set_key_value_metadata(pairs).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, Arc::clone(&schema), Some(properties)).unwrap();
    for batch in builder.build().unwrap().map(Result::unwrap) {
        let mut columns = batch.columns().to_vec();
        columns.extend(more.iter().map(|field| arrow_array::new_null_array(field.data_type(), batch.num_rows())));
        writer.write(&RecordBatch::try_new(Arc::clone(&schema), columns).unwrap()).unwrap();
    }
    writer.close().unwrap();
    bytes
}

/// Damage of a kind, done to a file.
type Damage = (&'static str, fn(&Path));

const DAMAGES: [Damage; 10] = [
    ("cut in half", |path| keep(path, |length| length / 2)),
    ("cut by a byte", |path| keep(path, |length| length - 1)),
    ("empty", |path| fs::write(path, "").unwrap()),
    ("not Parquet", |path| fs::write(path, "id,start\n1,2\n".repeat(100)).unwrap()),
    ("zeros", |path| {
        let length = fs::metadata(path).unwrap().len();
        fs::write(path, vec![0; usize::try_from(length).unwrap()]).unwrap();
    }),
    ("a newer schema", |path| fs::write(path, rewritten(path, Some(SCHEMA_VERSION + 1), &[])).unwrap()),
    ("a newer rollbook's columns", |path| {
        let more = Field::new("host_id", arrow_schema::DataType::Utf8, true);
        fs::write(path, rewritten(path, Some(SCHEMA_VERSION), &[more])).unwrap();
    }),
    ("another program's", |path| fs::write(path, rewritten(path, None, &[])).unwrap()),
    ("a folder", |path| {
        fs::remove_file(path).unwrap();
        fs::create_dir(path).unwrap();
    }),
    ("missing", |path| fs::remove_file(path).unwrap()),
];

fn keep(path: &Path, of: impl Fn(u64) -> u64) {
    let file = File::options().write(true).open(path).unwrap();
    file.set_len(of(file.metadata().unwrap().len())).unwrap();
}

/// New sessions in both months, so that both partitions would change.
fn night(bed: &mut Bed) {
    bed.serve(served(vec![Change::InsertFresh(5), Change::end(0, account().start(0) + 1_000_000)]));
}

#[test]
fn no_run_reads_on_over_damage_or_changes_anything() {
    for table in Table::ALL {
        for (kind, damage) in DAMAGES {
            let mut bed = exported();
            damage(&part(&bed, table));
            let before = everything(&bed);
            night(&mut bed);
            for arguments in [&["export"][..], &["export", "--full"], &["backfill", "--month", "2026-11"]] {
                let ran = Ran::of(bed.command(arguments).output().unwrap());
                let name = format!("{kind}, {}, {arguments:?}", table.name());
                assert_eq!(ran.code, 6, "{name}: {ran:?}");
                let path = format!("{}/start_month=2026-11", table.name());
                assert!(ran.stderr.contains(&path), "{name}: {ran:?}");
                assert!(
                    ran.stderr.contains("hint: ") && ran.stderr.contains("rollbook verify --repair"),
                    "{name}: {ran:?}"
                );
                let after = everything(&bed);
                let changed: Vec<_> = after.iter().filter(|(path, bytes)| before.get(*path) != Some(bytes)).collect();
                let names: Vec<_> = changed.iter().map(|(path, _)| path).collect();
                assert!(names.is_empty() && after.len() == before.len(), "{name}: {names:?}");
            }
        }
    }
}

#[test]
fn the_command_that_a_repair_names_makes_the_dataset_whole_again() {
    let bed = exported();
    let whole = rows(&bed);
    for table in Table::ALL {
        for (kind, damage) in DAMAGES {
            let name = format!("{kind}, {}", table.name());
            damage(&part(&bed, table));
            let before = everything(&bed);
            let verify = |arguments: &[&str]| {
                let mut command = rollbook(bed.folder.path());
                Ran::of(command.arg("verify").args(arguments).arg("--dest").arg(bed.dataset()).output().unwrap())
            };
            let found = verify(&["--json"]);
            assert_eq!(found.code, 9, "{name}: {found:?}");
            let report = found.receipt();
            assert_eq!(report["damages"].as_array().unwrap().len(), 1, "{name}: {found:?}");
            let path = format!("{}/start_month=2026-11/part-0.parquet", table.name());
            assert_eq!(report["damages"][0]["path"], path, "{name}");
            assert_eq!(verify(&["--repair", "--dry-run"]).code, 9, "{name}");
            assert!(everything(&bed) == before, "{name}: something was written");

            let repaired = verify(&["--repair", "--json"]);
            assert_eq!(repaired.code, 9, "{name}: {repaired:?}");
            let report = repaired.receipt();
            assert_eq!(
                report["repaired"]["commands"],
                serde_json::json!(["rollbook backfill --month 2026-11"]),
                "{name}"
            );
            for table in Table::ALL {
                assert!(!part(&bed, table).exists(), "{name}");
            }
            let aside = bed.dataset().join(report["repaired"]["folder"].as_str().unwrap());
            for path in report["repaired"]["set_aside"].as_array().unwrap() {
                let path = path.as_str().unwrap();
                assert!(aside.join(path).exists(), "{name}: {path}");
                let kept = before.get(&bed.dataset().join(path));
                assert!(kept.is_none_or(|bytes| fs::read(aside.join(path)).unwrap() == *bytes), "{name}: {path}");
            }
            assert_eq!(verify(&[]).code, 0, "{name}: what is left is sound");

            let ran = Ran::of(bed.command(&["backfill", "--month", "2026-11", "-q"]).output().unwrap());
            assert_eq!(ran.code, 0, "{name}: {ran:?}");
            assert!(rows(&bed) == whole, "{name}: the dataset is not what it was");
            let sound = verify(&["--json"]);
            assert_eq!(sound.code, 0, "{name}: {sound:?}");
        }
    }
    // The next nightly run looks at everything once more.
    let ran = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"full".into()), "{ran:?}");
    assert!(rows(&bed) == whole);
}

#[test]
fn days_and_an_undivided_dataset_are_made_whole_again_too() {
    let spacing = Spacing { gap_ms: 3_600_000, ..Spacing::default() };
    for (cut, folder, command) in [
        ("day", Some("start_date=2026-11-18"), "rollbook backfill --day 2026-11-18"),
        ("none", None, "rollbook export --full"),
        ("month", Some("start_month=1970-01"), "rollbook export --full"),
    ] {
        let bed = Bed::new(Options::new(account().spaced(spacing)));
        let run = |arguments: &[&str]| {
            let mut command = bed.command(arguments);
            Ran::of(command.env("ROLLBOOK_DATASET_PARTITION_BY", cut).output().unwrap())
        };
        assert_eq!(run(&["export", "-q"]).code, 0);
        let table = bed.dataset().join("participants");
        let path = folder.map_or(table.clone(), |folder| table.join(folder)).join("part-0.parquet");
        let whole = fs::read(&path).unwrap();
        keep(&path, |length| length - 20);
        let ran = run(&["verify", "--repair", "--json"]);
        assert_eq!(ran.code, 9, "{ran:?}");
        assert_eq!(ran.receipt()["repaired"]["commands"], serde_json::json!([command]), "{ran:?}");
        let named: Vec<_> = command.split(' ').skip(1).chain(["-q"]).collect();
        let ran = run(&named);
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(fs::read(&path).unwrap() == whole, "{cut}");
        assert_eq!(run(&["verify"]).code, 0, "{cut}");
    }
}

#[test]
fn a_repair_that_dies_or_fails_at_any_step_is_finished_by_the_next() {
    for faults in ["die", "fail"] {
        let mut completed = false;
        for step in 1..200 {
            let bed = exported();
            let whole = rows(&bed);
            keep(&part(&bed, Table::Participants), |length| length / 3);
            let repair = |faults: &str| {
                let mut command = rollbook(bed.folder.path());
                command.args(["verify", "--repair", "--dest"]).arg(bed.dataset()).env("ROLLBOOK_TEST_FAULTS", faults);
                command.output().unwrap()
            };
            let ran = repair(&format!("{faults}:{step}"));
            let (code, stderr) = (ran.status.code(), String::from_utf8_lossy(&ran.stderr).into_owned());
            completed = code == Some(9);
            assert!(completed || code == if faults == "die" { None } else { Some(6) }, "{faults} {step}: {ran:?}");
            // No participant lacks its session, and no timelog its participant.
            let [sessions, participants, timelogs] = Table::ALL.map(|table| part(&bed, table).exists());
            assert!(sessions || !participants, "{faults} {step}");
            assert!(participants || !timelogs, "{faults} {step}");
            let again = repair("none");
            assert!(matches!(again.status.code(), Some(0 | 9)), "{faults} {step}: {again:?}");
            let ran = Ran::of(bed.command(&["backfill", "--month", "2026-11", "-q"]).output().unwrap());
            assert_eq!(ran.code, 0, "{faults} {step}, {stderr}: {ran:?}");
            assert!(rows(&bed) == whole, "{faults} {step}");
            if completed {
                assert!(step > 8, "{step} steps only");
                break;
            }
        }
        assert!(completed, "{faults} has no end");
    }
}

#[test]
fn a_damaged_state_is_found_set_aside_and_made_anew() {
    let bed = exported();
    let whole = rows(&bed);
    fs::write(bed.dataset().join("_rollbook/state.json"), "{").unwrap();
    let verify = |arguments: &[&str]| Ran::of(bed.command(&[&["verify"], arguments].concat()).output().unwrap());
    let found = verify(&["--json"]);
    assert_eq!(found.code, 9, "{found:?}");
    assert_eq!(found.receipt()["damages"][0]["path"], "_rollbook/state.json");
    let repaired = verify(&["--repair", "--json"]);
    assert_eq!(repaired.receipt()["repaired"]["commands"], serde_json::json!(["rollbook export --full"]));
    assert_eq!(bed.run(&["-q"]).code, 0);
    assert_eq!(verify(&[]).code, 0);
    assert!(rows(&bed) == whole);
}

#[test]
fn a_repair_waits_for_nobody_and_a_look_needs_no_right() {
    let bed = Bed::new(Options { latency: std::time::Duration::from_millis(200), ..served(vec![]) });
    assert_eq!(bed.run(&["-q"]).code, 0);
    let mut export = bed.export(&["-q"]).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(300));
    let looked = Ran::of(bed.command(&["verify"]).output().unwrap());
    let repair = Ran::of(bed.command(&["verify", "--repair"]).output().unwrap());
    assert!(export.wait().unwrap().success());
    assert_eq!(looked.code, 0, "{looked:?}");
    assert_eq!(repair.code, 7, "{repair:?}");
}
