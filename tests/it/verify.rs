//! `rollbook verify`: what it says of datasets that are sound, odd, wrong in their rows, or torn by bad luck.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray, UInt32Array};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rollbook::dataset::encode::Encoder;
use rollbook::rows::anomaly::{self, Anomalies};
use rollbook::rows::method::Method;
use rollbook::rows::tables::{Table, Tables};
use rollbook::sim::{Account, Change, Options, Script, Shape};
use serde_json::Value;

use crate::bed::{Bed, Ran, TOKEN, rollbook, sha256};
use crate::damage::everything;
use crate::servers::ObjectStore;
use crate::upgrade::{disguised, version_1};

pub const MONTH: &str = "start_month=2026-11";

fn account() -> Account {
    Account::new(61, 400, Shape::Realistic)
}

/// An account with sessions in two months, exported.
pub fn exported() -> Bed {
    let bed = two_months();
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

pub fn two_months() -> Bed {
    let month = 31 * 24 * 3_600_000_000;
    let other = (0..20).map(|number| Change::InsertHead(account().fresh(number, account().start(0) + month)));
    Bed::new(Options { script: Script::new().before(1, other.collect::<Vec<_>>()), ..Options::new(account()) })
}

/// `rollbook verify`, without credentials.
pub fn verify(bed: &Bed, arguments: &[&str]) -> Ran {
    let mut command = rollbook(bed.folder.path());
    Ran::of(command.arg("verify").args(arguments).arg("--dest").arg(bed.dataset()).output().unwrap())
}

pub fn report(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("no report ({error}): {ran:?}"))
}

/// The paths and texts of a report's findings.
pub fn lines(report: &Value, of: &str) -> Vec<(String, String)> {
    let text = |line: &Value, field: &str| line[field].as_str().unwrap().to_owned();
    report[of].as_array().unwrap().iter().map(|line| (text(line, "path"), text(line, "what"))).collect()
}

pub fn part(bed: &Bed, table: Table, folder: &str) -> PathBuf {
    bed.dataset().join(table.name()).join(folder).join("part-0.parquet")
}

fn read(path: &Path) -> RecordBatch {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<_> = reader.map(Result::unwrap).collect();
    arrow_select::concat::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn write(path: &Path, table: Table, batch: &RecordBatch) {
    let file = File::create(path).unwrap();
    let mut encoder = Encoder::new(table, &Method::default(), &file).unwrap();
    encoder.write(batch).unwrap();
    encoder.close().unwrap();
}

/// Changes a table's rows as another program might, or a defect.
pub fn change(bed: &Bed, table: Table, change: impl FnOnce(RecordBatch) -> RecordBatch) {
    let path = part(bed, table, MONTH);
    write(&path, table, &change(read(&path)));
}

/// Has the state name the files as they are, as if rollbook itself had written them.
pub fn vouch(bed: &Bed) {
    let path = bed.dataset().join("_rollbook/state.json");
    let mut state: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (file, _) in bed.files() {
        let sha256 = sha256(&File::open(&file).unwrap());
        let metadata = ParquetRecordBatchReaderBuilder::try_new(File::open(&file).unwrap()).unwrap().metadata().clone();
        let name = file.strip_prefix(bed.dataset()).unwrap().to_str().unwrap();
        let rows = metadata.file_metadata().num_rows();
        state["files"][name] = serde_json::json!({"rows": rows, "sha256": sha256});
    }
    fs::write(path, serde_json::to_string_pretty(&state).unwrap()).unwrap();
}

fn take(batch: &RecordBatch, rows: impl IntoIterator<Item = usize>) -> RecordBatch {
    let rows: UInt32Array = rows.into_iter().map(|row| u32::try_from(row).unwrap()).collect();
    arrow_select::take::take_record_batch(batch, &rows).unwrap()
}

fn with(batch: &RecordBatch, name: &str, column: ArrayRef) -> RecordBatch {
    let mut columns = batch.columns().to_vec();
    columns[batch.schema().index_of(name).unwrap()] = column;
    RecordBatch::try_new(batch.schema(), columns).unwrap()
}

/// A number of a column made one larger in a row.
pub fn one_more(batch: &RecordBatch, name: &str, row: usize) -> RecordBatch {
    let column = batch.column_by_name(name).unwrap();
    if let Some(counts) = column.as_primitive_opt::<Int32Type>() {
        let changed = counts.iter().enumerate().map(|(at, count)| count.map(|count| count + i32::from(at == row)));
        return with(batch, name, Arc::new(changed.collect::<Int32Array>()));
    }
    let millis = column.as_primitive::<Int64Type>();
    let changed = millis.iter().enumerate().map(|(at, count)| count.map(|count| count + i64::from(at == row)));
    with(batch, name, Arc::new(changed.collect::<Int64Array>()))
}

/// No anomaly in any row.
fn nothing_odd(batch: &RecordBatch) -> RecordBatch {
    with(batch, "anomalies", anomaly::column(&vec![Anomalies::NONE; batch.num_rows()]))
}

pub fn renamed(batch: &RecordBatch, name: &str, row: usize, text: &str) -> RecordBatch {
    let texts = batch.column_by_name(name).unwrap().as_string::<i32>().clone();
    let changed = texts.iter().enumerate().map(|(at, old)| if at == row { Some(text) } else { old });
    with(batch, name, Arc::new(changed.collect::<StringArray>()))
}

#[test]
fn a_sound_dataset_of_every_cut_is_sound() {
    for cut in ["none", "month", "day"] {
        let bed = two_months();
        let run = |mut command: std::process::Command| {
            Ran::of(command.env("ROLLBOOK_DATASET_PARTITION_BY", cut).output().unwrap())
        };
        assert_eq!(run(bed.export(&["-q"])).code, 0);
        let before = everything(&bed);
        let mut command = rollbook(bed.folder.path());
        command.args(["verify", "--json", "--dest"]).arg(bed.dataset());
        let ran = run(command);
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{cut}: {ran:?}");
        let report = report(&ran);
        assert_eq!((&report["outcome"], &report["exit_code"]), (&"sound".into(), &0.into()));
        assert_eq!((&report["damages"], &report["notices"]), (&Value::Array(vec![]), &Value::Array(vec![])), "{cut}");
        assert_eq!(report["rows"]["sessions"], 420);
        assert_eq!(report["partitions"], report["partitions_checked"].as_array().unwrap().len());
        assert!(before == everything(&bed));
    }
}

#[test]
fn another_cut_is_refused_and_no_dataset_is_an_error() {
    let bed = exported();
    let mut command = rollbook(bed.folder.path());
    command.args(["verify", "--dest"]).arg(bed.dataset()).env("ROLLBOOK_DATASET_PARTITION_BY", "day");
    let ran = Ran::of(command.output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("partitioned otherwise") && ran.stderr.contains("hint: "), "{ran:?}");
    bed.edit_state(|text| text.replace("\"schema_version\": 2", "\"schema_version\": 3"));
    let ran = verify(&bed, &[]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("newer version of rollbook"), "{ran:?}");
    let ran = Ran::of(rollbook(bed.folder.path()).args(["verify", "--dest", "nowhere"]).output().unwrap());
    assert_eq!(ran.code, 6, "{ran:?}");
    assert!(ran.stderr.contains("there is no dataset: nowhere"), "{ran:?}");
}

/// Rows that are wrong in files that are whole: the table, what is done to it, and what is said of it.
#[test]
fn rows_that_are_wrong_are_found() {
    type Case = (Table, fn(RecordBatch) -> RecordBatch, &'static str);
    let cases: [Case; 18] = [
        (Table::Sessions, |b| take(&b, (0..b.num_rows()).rev()), "row 1 is not in its place in the order"),
        (Table::Participants, |b| take(&b, [1, 0].into_iter().chain(2..b.num_rows())), "row 1 is not in its place"),
        (Table::Timelogs, |b| take(&b, (1..b.num_rows()).chain([0])), "is not in its place"),
        (Table::Sessions, |b| take(&b, [0].into_iter().chain(0..b.num_rows())), "row 1 has the key of the row before"),
        (
            Table::Timelogs,
            |b| take(&b, [0, 0].into_iter().chain(1..b.num_rows())),
            "row 1 has the key of the row before",
        ),
        (Table::Sessions, |b| take(&b, 1..b.num_rows()), "rows whose session is not in `sessions`"),
        (Table::Participants, |b| take(&b, 1..b.num_rows()), "a timelog's participant is not in `participants`"),
        (Table::Participants, |b| renamed(&b, "meeting_id", 3, "another"), "`meeting_id` is not that of its session"),
        (Table::Timelogs, |b| renamed(&b, "meeting_id", 9, "another"), "`meeting_id` is not that of its session"),
        (Table::Timelogs, |b| renamed(&b, "participant_id", 9, "another"), "`participant_id` is not that of its"),
        (Table::Sessions, |b| one_more(&b, "occupied_ms", 7), "`occupied_ms` is not what its timelogs add up to"),
        (Table::Sessions, |b| one_more(&b, "timelog_count", 7), "`timelog_count` is not what"),
        (Table::Participants, |b| one_more(&b, "attended_ms", 7), "`attended_ms` is not what its timelogs add up to"),
        (Table::Timelogs, |b| one_more(&b, "duration_ms", 8), "`duration_ms` is not what its times say"),
        (Table::Timelogs, |b| take(&b, (0..5).chain(6..b.num_rows())), "is not what its timelogs add up to"),
        (Table::Sessions, |b| nothing_odd(&b), "`anomalies` is not what its timelogs add up to"),
        (Table::Participants, |b| nothing_odd(&b), "`anomalies` is not what its timelogs add up to"),
        (Table::Timelogs, |b| nothing_odd(&b), "`anomalies` is not what its times say"),
    ];
    let bed = exported();
    let whole = Tables::from_fn(|table| fs::read(part(&bed, table, MONTH)).unwrap());
    for (table, how, what) in cases {
        change(&bed, table, how);
        vouch(&bed);
        let ran = verify(&bed, &["--json"]);
        assert_eq!(ran.code, 9, "{what}: {ran:?}");
        let damages = lines(&report(&ran), "damages");
        assert!(damages.iter().any(|(_, found)| found.contains(what)), "{what}: {damages:?}");
        assert!(damages.iter().all(|(path, _)| path.contains(MONTH)), "{what}: {damages:?}");
        fs::write(part(&bed, table, MONTH), &whole[table]).unwrap();
    }
    assert_eq!(verify(&bed, &[]).code, 0);
}

#[test]
fn sessions_in_two_partitions_or_in_the_wrong_one_are_found() {
    let bed = exported();
    for table in Table::ALL {
        let [from, to] = [MONTH, "start_month=2026-12"].map(|folder| part(&bed, table, folder));
        fs::copy(from, to).unwrap();
    }
    vouch(&bed);
    let ran = verify(&bed, &["--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    let damages = lines(&report(&ran), "damages");
    let has = |path: &str, what: &str| damages.iter().any(|(at, found)| at.contains(path) && found.contains(what));
    assert!(has("sessions/start_month=2026-12", "belongs to another partition by its start"), "{damages:?}");
    assert!(has("sessions/start_month=2026-12", "also in sessions/start_month=2026-11"), "{damages:?}");
    assert!(has("sessions/start_month=2026-11", "also in sessions/start_month=2026-12"), "{damages:?}");
    assert!(has("sessions/start_month=2026-11", "(and 399 more)"), "{damages:?}");
}

#[test]
fn what_does_no_harm_is_a_notice() {
    let bed = exported();
    let state = bed.dataset().join("_rollbook/state.json");
    let stored = fs::read(&state).unwrap();
    let notices = |what: &str| {
        let ran = verify(&bed, &["--json"]);
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        let notices = lines(&report(&ran), "notices");
        assert!(notices.iter().any(|(_, found)| found.contains(what)), "{what}: {notices:?}");
    };
    fs::remove_file(&state).unwrap();
    notices("there is no state");
    let runs = bed.dataset().join("_rollbook/runs");
    let receipt = fs::read_dir(&runs).unwrap().next().unwrap().unwrap().path();
    fs::rename(&receipt, bed.folder.path().join("receipt")).unwrap();
    fs::write(&state, stored).unwrap();
    assert_eq!(verify(&bed, &[]).code, 0, "the state knows the bytes, too");
    fs::write(runs.join("old.json"), "{").unwrap();
    notices("the receipt can't be read");
    for table in Table::ALL {
        fs::remove_dir_all(bed.dataset().join(table.name()).join(MONTH)).unwrap();
    }
    assert_eq!(verify(&bed, &[]).code, 9, "the state names it");
    fs::remove_file(&state).unwrap();
    fs::rename(bed.folder.path().join("receipt"), receipt).unwrap();
    notices("taken away whole, though receipts name it; to have it back: rollbook backfill --month 2026-11");
}

#[test]
fn a_file_that_is_not_of_rollbook_is_found_and_can_be_set_aside() {
    let bed = exported();
    let stray = bed.dataset().join("sessions").join(MONTH).join("part-1.parquet");
    fs::copy(part(&bed, Table::Sessions, MONTH), &stray).unwrap();
    fs::write(stray.with_file_name("_SUCCESS"), "").unwrap();
    let before = bed.files();
    let ran = verify(&bed, &["--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    assert_eq!(lines(&report(&ran), "damages").len(), 1, "{ran:?}");
    assert!(before == bed.files());
    let ran = verify(&bed, &["--repair", "--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    assert_eq!(report(&ran)["repaired"]["commands"], Value::Array(vec![]), "{ran:?}");
    assert!(!stray.exists());
    assert_eq!(verify(&bed, &[]).code, 0);
    assert_eq!(bed.files().len() + 1, before.len());
}

#[test]
fn a_sample_hashes_every_file_and_checks_the_rows_of_some_partitions() {
    let bed = two_months();
    let by_day = |mut command: std::process::Command| {
        Ran::of(command.env("ROLLBOOK_DATASET_PARTITION_BY", "day").output().unwrap())
    };
    assert_eq!(by_day(bed.export(&["-q"])).code, 0);
    let sampled = || {
        let mut command = rollbook(bed.folder.path());
        command.args(["verify", "--sample", "30%", "--json", "--dest"]).arg(bed.dataset());
        by_day(command)
    };
    let first = sampled();
    assert_eq!(first.code, 0, "{first:?}");
    let report = report(&first);
    let (all, checked) = (report["partitions"].as_u64().unwrap(), report["partitions_checked"].as_array().unwrap());
    assert!(all > 2, "{all} partitions");
    assert_eq!(checked.len() as u64, (all * 3).div_ceil(10));
    assert_eq!(report["files"], all * 3);
    assert_eq!(sampled().stdout, first.stdout, "the same dataset, another sample");
    // Wherever it is, a file that is cut off is found.
    for (path, bytes) in bed.files() {
        fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
        let ran = sampled();
        assert_eq!(ran.code, 9, "{}: {ran:?}", path.display());
        fs::write(&path, bytes).unwrap();
    }
}

#[test]
fn the_report_reads_well() {
    let bed = exported();
    let text = |ran: &Ran| ran.stdout.replace(bed.dataset().to_str().unwrap(), "DATASET");
    let sound = text(&verify(&bed, &[]));
    let lines: Vec<_> = sound.lines().collect();
    assert_eq!(lines[0], "sound: DATASET");
    assert!(lines[1].starts_with("files: 9 read and hashed, "), "{sound}");
    assert!(
        lines[2].starts_with("rows: 420 sessions, ") && lines[2].ends_with(" (checked in all partitions)"),
        "{sound}"
    );
    assert_eq!(lines.len(), 3);
    fs::write(part(&bed, Table::Timelogs, MONTH), "").unwrap();
    let ran = verify(&bed, &[]);
    let damaged: Vec<_> = ran.stdout.lines().skip(3).collect();
    assert_eq!(
        damaged,
        [
            "damage: timelogs/start_month=2026-11/part-0.parquet",
            "  the file is empty",
            "  next: rollbook verify --repair",
        ]
    );
    assert!(ran.stdout.starts_with("DAMAGED: ") && ran.stdout.contains("(checked in 2 of 3 partitions)"), "{ran:?}");
    assert!(ran.stderr.starts_with("error: the dataset is damaged (1 finding): "), "{ran:?}");
    assert!(ran.stderr.contains("hint: `rollbook verify --repair`"), "{ran:?}");
}

/// Whatever a run that died has left, the next one mends it, and nothing says that files should be set aside.
#[test]
fn what_dead_runs_leave_is_told_from_damage() {
    let moved = |start: &str| {
        let record = format!(r#"{{"id": "m", "start": {start}, "participants": [{{"timelog": []}}]}}"#);
        let changes = vec![Change::raw(0, record), Change::InsertFresh(5)];
        Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, 40, Shape::Plain)) }
    };
    let mut seen = BTreeSet::new();
    for step in 1..200 {
        let mut bed = Bed::new(moved("\"2024-05-05T00:00:00Z\""));
        assert_eq!(bed.run(&["-q"]).code, 0);
        bed.serve(moved("\"2024-03-03T00:00:00Z\""));
        let mut command = bed.export(&["-q"]);
        let died = !command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.success();
        let ran = verify(&bed, &["--json"]);
        let found = report(&ran);
        for damage in found["damages"].as_array().unwrap() {
            assert!(damage["next"].as_str().unwrap().starts_with("rollbook export (a run may"), "{step}: {damage}");
        }
        assert!(matches!(ran.code, 0 | 9), "{step}: {ran:?}");
        let on_their_way = lines(&found, "notices").iter().any(|(_, what)| what.contains("on their way"));
        seen.insert((ran.code, on_their_way));
        assert_eq!(bed.run(&["-q"]).code, 0);
        // A file that the next run had no reason to touch may stay in no receipt.
        let ran = verify(&bed, &[]);
        assert_eq!(ran.code, 0, "{step}: {ran:?}");
        if !died {
            assert!(
                step > 20 && seen.contains(&(0, false)) && seen.iter().any(|(_, moving)| *moving),
                "{step}: {seen:?}"
            );
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn a_look_while_exports_run_never_sees_damage() {
    let mut bed = Bed::new(Options::new(Account::new(61, 300, Shape::Realistic)));
    assert_eq!(bed.run(&["-q"]).code, 0);
    for night in 1..=6 {
        let changes: Vec<_> = (0..night * 10).map(Change::InsertFresh).collect();
        let script = Script::new().before(1, changes);
        bed.serve(Options { script, ..Options::new(Account::new(61, 300, Shape::Realistic)) });
        let mut export = bed.export(&["-q"]).stdout(std::process::Stdio::null()).spawn().unwrap();
        loop {
            let ended = export.try_wait().unwrap();
            let ran = verify(&bed, &[]);
            assert_eq!(ran.code, 0, "{ran:?}");
            if let Some(status) = ended {
                assert!(status.success());
                break;
            }
        }
    }
}

#[test]
fn an_older_schema_version_is_a_notice_until_an_export_has_upgraded_it() {
    let bed = version_1();
    let ran = verify(&bed, &["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    // Its rows are looked at by its own rules.
    assert_eq!(report(&ran)["partitions_checked"].as_array().unwrap().len(), 3, "{ran:?}");
    let notices = lines(&report(&ran), "notices");
    assert_eq!(
        notices.iter().filter(|(_, what)| what.contains("of an older schema version")).count(),
        3,
        "{notices:?}"
    );
    assert_eq!(bed.run(&["-q"]).code, 0);
    let ran = verify(&bed, &["--json"]);
    assert_eq!((ran.code, &report(&ran)["notices"]), (0, &Value::Array(vec![])), "{ran:?}");
}

#[test]
fn numbers_are_held_against_the_rules_of_the_version_that_their_file_is_of() {
    let wrong = |bed: &Bed| {
        let ran = verify(bed, &["--json"]);
        let lines = lines(&report(&ran), "damages");
        let what = |table: Table| {
            let of_table = lines.iter().filter(|(path, _)| path.starts_with(&format!("{}/{MONTH}", table.name())));
            of_table.map(|(_, what)| what.clone()).collect::<Vec<_>>().join("; ")
        };
        (ran.code, Table::ALL.map(what))
    };
    // A number that this version's rules give, in a file of the first version.
    let (old, new) = (version_1(), version_1());
    assert_eq!(new.run(&["-q"]).code, 0);
    for table in Table::ALL {
        fs::write(part(&old, table, MONTH), disguised(&part(&new, table, MONTH), &part(&old, table, MONTH))).unwrap();
    }
    vouch(&old);
    let (code, [sessions, participants, timelogs]) = wrong(&old);
    assert_eq!(code, 9);
    assert!(sessions.contains("is not what its timelogs add up to: session "), "{sessions}");
    assert!(participants.contains("is not what its timelogs add up to: session "), "{participants}");
    assert!(timelogs.contains("is not what its times say: session "), "{timelogs}");
    // And the other way round.
    let old = version_1();
    for table in Table::ALL {
        fs::write(part(&new, table, MONTH), disguised(&part(&old, table, MONTH), &part(&new, table, MONTH))).unwrap();
    }
    vouch(&new);
    let (code, [_, _, timelogs]) = wrong(&new);
    assert!(code == 9 && timelogs.contains("is not what its times say: session "), "{timelogs}");
    // A stop between the swaps of an upgrade leaves timelogs that are newer than the rest, which is no damage.
    let (bed, new) = (version_1(), version_1());
    assert_eq!(new.run(&["-q"]).code, 0);
    fs::copy(part(&new, Table::Timelogs, MONTH), part(&bed, Table::Timelogs, MONTH)).unwrap();
    vouch(&bed);
    let (_, what) = wrong(&bed);
    assert!(what.iter().all(|what| !what.contains("is not what")), "{what:?}");
}

#[test]
fn a_lost_list_of_erasures_is_damage_that_no_repair_hides() {
    let bed = exported();
    let purged = bed.command(&["purge", "--participant-name", "Nobody At All", "--yes", "-q"]).output().unwrap();
    assert!(purged.status.success(), "{purged:?}");
    assert_eq!(verify(&bed, &[]).code, 0);
    fs::remove_file(bed.dataset().join("_rollbook/erasures.json")).unwrap();
    let before = bed.files();
    for arguments in [&["--json"][..], &["--json", "--repair"]] {
        let ran = verify(&bed, arguments);
        assert_eq!(ran.code, 9, "{ran:?}");
        let report = report(&ran);
        assert_eq!(report["damages"][0]["path"], "_rollbook/erasures.json");
        assert!(report["damages"][0]["next"].as_str().unwrap().starts_with("put the file back"), "{ran:?}");
    }
    assert!(before == bed.files());
}

#[test]
fn an_object_store_is_verified_and_repaired_the_same() {
    let bed = two_months();
    let store = ObjectStore::moto();
    let run = |arguments: &[&str]| {
        let mut command = rollbook(bed.folder.path());
        command.args(arguments).args(["--dest", &store.url("data")]).envs(store.environment.clone());
        Ran::of(command.env("VIDEOSDK_TOKEN", TOKEN).output().unwrap())
    };
    let base_url = bed.server.base_url();
    assert_eq!(run(&["export", "-q", "--base-url", &base_url]).code, 0);
    assert_eq!(run(&["verify"]).code, 0);
    store.put("data/participants/start_month=2026-11/part-0.parquet", "PAR1 and nothing else");
    let ran = run(&["verify", "--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    assert_eq!(lines(&report(&ran), "damages").len(), 1, "{ran:?}");
    assert_eq!(run(&["export", "--full", "-q", "--base-url", &base_url]).code, 6);
    let ran = run(&["verify", "--repair", "--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    assert_eq!(report(&ran)["repaired"]["set_aside"].as_array().unwrap().len(), 3, "{ran:?}");
    assert_eq!(run(&["backfill", "--month", "2026-11", "-q", "--base-url", &base_url]).code, 0);
    let ran = run(&["verify", "--json"]);
    assert_eq!((ran.code, &report(&ran)["rows"]["sessions"]), (0, &420.into()), "{ran:?}");
}
