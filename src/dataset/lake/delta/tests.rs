//! The logs as a whole: random histories, replayed as a reader does; kills and other writers at every place.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::rows::partition::PartitionBy;
use crate::store::files::Below;
use crate::store::place::Place;
use crate::store::{Faults, Local, Means, open};

/// Which of some files a snapshot has, in each table; one bit a file.
type Files = u8;

fn entry(table: Table, by: PartitionBy, number: u8) -> Value {
    let folder = match by {
        PartitionBy::None => String::new(),
        PartitionBy::Month => format!("start_month=2026-{:02}/", number % 3 + 1),
        PartitionBy::Day => format!("start_date=2026-11-{:02}/", number % 3 + 1),
    };
    let start = (number > 0).then(|| [i64::from(number) * 1_000_000, i64::from(number) * 2_000_001]);
    let path = format!("{}/{folder}{number:064x}.parquet", table.name());
    json!({"path": path, "rows": number, "bytes": 1000 + u64::from(number), "starts": start})
}

/// The snapshot at a version of the logs, which began with version 0.
fn snapshot_of(by: PartitionBy, version: u64, schema: u32, files: [Files; 3]) -> Snapshot {
    let tables = Table::ALL.into_iter().zip(files).map(|(table, files)| {
        let mut entries: Vec<_> =
            (0..8).filter(|bit| files >> bit & 1 == 1).map(|number| entry(table, by, number)).collect();
        entries.sort_by_key(|entry| entry["path"].as_str().unwrap().to_owned());
        (table.name().to_owned(), Value::Array(entries))
    });
    let snapshot = json!({
        "layout": 1,
        "snapshot": version + 5,
        "run_id": format!("run-{version}"),
        "created_at": format!("2026-11-23T{:02}:{:02}:00.123456Z", version / 60, version % 60),
        "partition_by": by.name(),
        "method": {"schema_version": schema, "rules": "", "people": "", "privacy": ""},
        "erasures": 0,
        "delta": {"version": version, "began_at": "2026-11-23T00:00:00Z", "began_by": "run-0"},
        "tables": tables.collect::<serde_json::Map<_, _>>(),
    });
    serde_json::from_value(snapshot).unwrap()
}

fn snapshot(version: u64, files: Files) -> Snapshot {
    snapshot_of(PartitionBy::Month, version, 2, [files, !files, files / 2])
}

/// The first versions of a history in which something changes each time, but in the third.
fn history(versions: u64) -> Vec<Snapshot> {
    (0..versions).zip([1, 7, 7, 12, 90].into_iter().cycle()).map(|(version, files)| snapshot(version, files)).collect()
}

fn store(folder: &Path) -> Local {
    Local::new(folder, "run")
}

/// Writes a history, each snapshot after the one before.
fn follow_all(store: &dyn Store, history: &[Snapshot]) {
    for (at, after) in history.iter().enumerate() {
        follow(store, at.checked_sub(1).map(|at| &history[at]), after).unwrap();
    }
}

/// What a reader knows of a table at a version.
#[derive(Debug, Default, PartialEq)]
struct State {
    /// The files' paths, each with its partition, bytes and statistics.
    files: BTreeMap<String, (Value, i64, String)>,
    id: String,
    schema: String,
    protocol: bool,
}

impl State {
    fn of(table: Table, snapshot: &Snapshot) -> Self {
        let shown = Shown::of(snapshot).unwrap().unwrap();
        let metadata = actions::metadata(table, &shown);
        let files = shown.files(table).iter().map(|entry| {
            let (prefix, below) = entry.path.split_once('/').unwrap();
            assert_eq!(prefix, table.name());
            let partition = below.split_once('/').map_or(json!({}), |(folder, _)| {
                let (column, value) = folder.split_once('=').unwrap();
                json!({column: value})
            });
            (below.to_owned(), (partition, i64::try_from(entry.bytes).unwrap(), stats::text(table, entry)))
        });
        Self { files: files.collect(), id: metadata.id, schema: metadata.schema_string, protocol: true }
    }

    /// Applies the lines of a commit.
    fn apply(&mut self, commit: &[u8]) {
        let lines = std::str::from_utf8(commit).unwrap().lines();
        for (at, line) in lines.enumerate() {
            let action: Value = serde_json::from_str(line).unwrap();
            let (name, value) = action.as_object().unwrap().iter().next().unwrap();
            match name.as_str() {
                "commitInfo" => assert_eq!(at, 0),
                "protocol" => self.protocol = true,
                "metaData" => {
                    let id = value["id"].as_str().unwrap();
                    assert!(self.id.is_empty() || self.id == id);
                    (self.id, self.schema) = (id.to_owned(), value["schemaString"].as_str().unwrap().to_owned());
                }
                "remove" => assert!(self.files.remove(value["path"].as_str().unwrap()).is_some(), "{line}"),
                "add" => {
                    let (path, stats) = (value["path"].as_str().unwrap(), value["stats"].as_str().unwrap());
                    let file = (value["partitionValues"].clone(), value["size"].as_i64().unwrap(), stats.to_owned());
                    assert_eq!(self.files.insert(path.to_owned(), file), None);
                    assert_eq!(value["dataChange"], true);
                }
                other => panic!("{other}"),
            }
        }
    }

    fn from_checkpoint(bytes: Vec<u8>) -> Self {
        let mut state = Self::default();
        let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        for batch in reader.map(Result::unwrap) {
            (0..batch.num_rows()).for_each(|row| state.apply_row(&batch, row));
        }
        state
    }

    fn apply_row(&mut self, batch: &RecordBatch, row: usize) {
        let actions = ["txn", "add", "remove", "metaData", "protocol"];
        let there: Vec<_> = actions.into_iter().filter(|name| batch[*name].is_valid(row)).collect();
        let [name] = there[..] else { panic!("{there:?}") };
        let action = batch[name].as_struct();
        let text = |name: &str| action[name].as_string::<i32>().value(row).to_owned();
        match name {
            "protocol" => self.protocol = true,
            "metaData" => (self.id, self.schema) = (text("id"), text("schemaString")),
            "add" => {
                let entries = action["partitionValues"].as_map().value(row);
                let of =
                    |column: usize| entries.column(column).as_string::<i32>().iter().map(|it| it.unwrap().to_owned());
                let partition: Value = of(0).zip(of(1).map(Value::from)).collect::<serde_json::Map<_, _>>().into();
                let size = action["size"].as_primitive::<Int64Type>().value(row);
                assert!(!action["dataChange"].as_boolean().value(row));
                assert_eq!(self.files.insert(text("path"), (partition, size, text("stats"))), None);
            }
            other => panic!("{other}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn replayed_from_the_beginning_or_any_checkpoint_the_lines_give_the_files_of_each_snapshot(
        changes in prop::collection::vec((any::<[Files; 3]>(), prop::bool::weighted(0.1)), 1..25),
        by in prop::sample::select(PartitionBy::ALL.map(|(_, by)| by).to_vec()),
    ) {
        let mut schema = 1;
        let history: Vec<_> = (0..).zip(changes).map(|(version, (files, upgrade))| {
            schema += u32::from(upgrade && schema == 1);
            snapshot_of(by, version, schema, files)
        }).collect();
        let shown: Vec<_> = history.iter().map(|snapshot| Shown::of(snapshot).unwrap().unwrap()).collect();
        for table in Table::ALL {
            let mut states = vec![State::default()];
            let mut before = None;
            for (after, snapshot) in shown.iter().zip(&history) {
                let commit = actions::commit(table, before, after);
                prop_assert_eq!(&commit, &actions::commit(table, before, after));
                prop_assert!(actions::is_of(&commit, after));
                let expected = State::of(table, snapshot);
                for state in &mut states {
                    state.apply(&commit);
                    prop_assert_eq!(&*state, &expected);
                }
                let checkpoint = checkpoint::bytes(table, after).unwrap();
                prop_assert_eq!(&checkpoint, &checkpoint::bytes(table, after).unwrap());
                let last = checkpoint::Last::of(after.version(), &checkpoint.clone().into()).unwrap();
                prop_assert_eq!(last.num_of_add_files, snapshot.tables[table].len() as u64);
                prop_assert_eq!((last.size, last.version), (2 + last.num_of_add_files, after.version()));
                states.push(State::from_checkpoint(checkpoint));
                prop_assert_eq!(states.last().unwrap(), &expected);
                before = Some(after);
            }
        }
    }
}

#[test]
fn a_commit_has_these_bytes() {
    let history = [snapshot(0, 1), snapshot(1, 2)];
    let [first, second] = history.each_ref().map(|snapshot| Shown::of(snapshot).unwrap().unwrap());
    let lines = |before, after| {
        let commit = actions::commit(Table::Sessions, before, after);
        String::from_utf8(commit).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    let schema = serde_json::to_string(&schema::text(Table::Sessions, 2, PartitionBy::Month)).unwrap();
    let began = lines(None, &first);
    assert_eq!(began[1], r#"{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}"#);
    let metadata = r#"{"metaData":{"id":"ID","name":"sessions","format":{"provider":"parquet","options":{}},"schemaString":SCHEMA,"partitionColumns":["start_month"],"configuration":{},"createdTime":1795392000000}}"#;
    let id = first.log_id(Table::Sessions);
    assert_eq!(began[2], metadata.replace("ID", &id).replace("SCHEMA", &schema));
    let zeros = "0".repeat(63);
    let add = |number, size, at, stats: &str| {
        let path = format!("start_month=2026-0{}/{zeros}{number}.parquet", number + 1);
        let partition = format!(r#"{{"start_month":"2026-0{}"}}"#, number + 1);
        format!(
            r#"{{"add":{{"path":"{path}","partitionValues":{partition},"size":{size},"modificationTime":{at},"dataChange":true,"stats":"{stats}"}}}}"#
        )
    };
    assert_eq!(began[3..], [add(0, 1000, 1_795_392_000_123_i64, r#"{\"numRecords\":0}"#)]);
    let changed = lines(Some(&first), &second);
    let info: Value = serde_json::from_str(&changed[0]).unwrap();
    let expected = json!({"commitInfo": {
        "timestamp": 1_795_392_060_123_i64,
        "operation": "WRITE",
        "operationParameters": {
            "snapshot": "6", "run_id": "run-1", "sum": info["commitInfo"]["operationParameters"]["sum"],
        },
        "engineInfo": format!("rollbook {}", env!("CARGO_PKG_VERSION")),
    }});
    assert_eq!(info, expected);
    let remove = format!(
        r#"{{"remove":{{"path":"start_month=2026-01/{zeros}0.parquet","deletionTimestamp":1795392060123,"dataChange":true,"extendedFileMetadata":true,"partitionValues":{{"start_month":"2026-01"}},"size":1000}}}}"#
    );
    let stats = r#"{\"numRecords\":1,\"minValues\":{\"started_at\":\"1970-01-01T00:00:01.000Z\"},\"maxValues\":{\"started_at\":\"1970-01-01T00:00:02.001Z\"}}"#;
    assert_eq!(changed[1..], [remove, add(1, 1001, 1_795_392_060_123_i64, stats)]);
}

#[test]
fn an_unchanged_table_has_a_commit_without_changes() {
    let history = [snapshot(0, 5), snapshot(1, 5)];
    let [first, second] = history.each_ref().map(|snapshot| Shown::of(snapshot).unwrap().unwrap());
    let commit = actions::commit(Table::Timelogs, Some(&first), &second);
    assert_eq!(commit.split(|byte| *byte == b'\n').count(), 2);
    assert!(commit.starts_with(b"{\"commitInfo\""));
}

#[test]
fn each_log_has_a_name_of_its_own_that_does_not_change() {
    let mut other = snapshot(0, 1);
    other.delta.as_mut().unwrap().began_by = "another".to_owned();
    let (ours, later) = (snapshot(0, 1), snapshot(7, 3));
    let [ours, later, other] = [&ours, &later, &other].map(|snapshot| Shown::of(snapshot).unwrap().unwrap());
    let mut ids: Vec<_> = Table::ALL.iter().flat_map(|table| [ours.log_id(*table), other.log_id(*table)]).collect();
    assert!(Table::ALL.iter().all(|table| ours.log_id(*table) == later.log_id(*table)));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    assert!(ids.iter().all(|id| id.len() == 36 && &id[14..15] == "8" && id.split('-').count() == 5), "{ids:?}");
}

#[test]
fn the_logs_follow_and_every_tenth_version_has_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(23));
    follow_all(&store, &history);
    for table in Table::ALL {
        let log = Log::read(&store, table).unwrap();
        assert!(log.commits.iter().copied().eq(0..23));
        assert!(log.checkpoints.iter().copied().eq([10, 20]));
        assert!(!folder.path().join(log::last_checkpoint(table)).exists());
    }
    // Once more, as a run does that can't know whether the one before has come to the end.
    follow(&store, Some(&history[21]), &history[22]).unwrap();
    inspect(&store, Some(&history[22]), None).unwrap();
    inspect(&store, Some(&history[21]), Some(&history[22])).unwrap();
    inspect(&store, Some(&history[22]), Some(&snapshot(23, 1))).unwrap();
}

#[test]
fn a_snapshot_that_no_log_is_to_show_leaves_the_logs_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (store, shown, mut plain) = (store(folder.path()), snapshot(0, 1), snapshot(1, 3));
    plain.delta = None;
    follow(&store, None, &plain).unwrap();
    inspect(&store, Some(&plain), None).unwrap();
    inspect(&store, None, None).unwrap();
    assert!(store.list("lake").unwrap().is_empty());
    follow(&store, Some(&plain), &shown).unwrap();
    follow(&store, Some(&shown), &plain).unwrap();
    assert_eq!(store.list("lake").unwrap().len(), 3);
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let store = store(folder);
    let paths = store.list("lake").unwrap().into_iter().map(|(path, _)| path);
    paths.map(|path| (path.clone(), fs::read(folder.join(path)).unwrap())).collect()
}

/// All files of a history that the logs have followed.
fn followed(history: &[Snapshot]) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    follow_all(&store(folder.path()), history);
    files(folder.path())
}

/// A folder with these files: sooner there than when the logs follow once more.
fn laid(files: &BTreeMap<String, Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

/// A store that breaks at a step, counted from 1.
fn failing(folder: &Path, step: u64) -> Arc<dyn Store> {
    let means = Means {
        options: Vec::new(),
        spool: Below::named(folder),
        run_id: "run".to_owned(),
        budget: Duration::from_secs(1),
        faults: Some(Faults::Break(step)),
    };
    open(&Place::Folder(folder.display().to_string()), means).unwrap()
}

#[test]
fn killed_at_any_step_a_later_run_writes_the_same_bytes() {
    let history = history(11);
    let (before, expected) = (followed(&history[..10]), followed(&history));
    let mut steps = 1;
    loop {
        let folder = laid(&before);
        let store = store(folder.path());
        let killed = follow(&*failing(folder.path(), steps), Some(&history[9]), &history[10]);
        inspect(&store, Some(&history[9]), Some(&history[10])).unwrap();
        follow(&store, Some(&history[9]), &history[10]).unwrap();
        assert_eq!(files(folder.path()), expected, "{steps}");
        if killed.is_ok() {
            break;
        }
        steps += 1;
    }
    assert!(steps > 12, "{steps}");
}

/// What a log is as a reader finds it: from the checkpoint that is named, or from the beginning.
fn read(folder: &Path, table: Table, version: u64) -> Option<State> {
    let bytes = |path: String| fs::read(folder.join(path)).ok();
    let store = store(folder);
    let log = Log::read(&store, table).unwrap();
    let named = bytes(log::last_checkpoint(table)).and_then(|bytes| log::last_version(&bytes));
    let first = log.checkpoints.range(named.unwrap_or(0)..=version).next_back().copied();
    let mut state = first.map_or_else(
        || Some(State::default()),
        |first| bytes(log::checkpoint(table, first)).map(State::from_checkpoint),
    )?;
    for version in first.map_or(0, |first| first + 1)..=version {
        state.apply(&bytes(log::commit(table, version))?);
    }
    Some(state)
}

#[test]
fn whatever_version_is_kept_can_be_read_when_the_log_is_tidied() {
    let history = history(23);
    let made = followed(&history);
    for kept in [0, 9, 10, 11, 19, 20, 22] {
        let mut step = 1;
        loop {
            let folder = laid(&made);
            let store = store(folder.path());
            let killed = tidy(&*failing(folder.path(), step), kept);
            for table in Table::ALL {
                for (version, snapshot) in (0..).zip(&history).skip_while(|(version, _)| *version < kept) {
                    let expected = State::of(table, snapshot);
                    assert_eq!(
                        read(folder.path(), table, version).as_ref(),
                        Some(&expected),
                        "{kept} {step} {version}"
                    );
                }
            }
            inspect(&store, Some(&history[22]), None).unwrap();
            tidy(&store, kept).unwrap();
            let first = Log::read(&store, Table::Timelogs).unwrap().commits.first().copied();
            assert_eq!(first, Some(kept / 10 * 10));
            follow(&store, Some(&history[22]), &snapshot(23, 2)).unwrap();
            // Never back.
            let last = || fs::read(folder.path().join(log::last_checkpoint(Table::Sessions))).ok();
            let before = last();
            tidy(&store, 0).unwrap();
            assert_eq!(last(), before);
            assert_eq!(before.is_some(), kept >= 10);
            if killed.is_ok() {
                break;
            }
            step += 11;
        }
    }
}

#[test]
fn moved_away_and_killed_there_a_log_is_the_newest_or_unreadable() {
    let history = history(13);
    for kept in [0, 10] {
        let made = laid(&followed(&history));
        tidy(&store(made.path()), kept).unwrap();
        let before = files(made.path());
        let mut step = 1;
        loop {
            let folder = laid(&before);
            let store = store(folder.path());
            let killed = move_away(&*failing(folder.path(), step), "run-9");
            for table in Table::ALL {
                let log = Log::read(&store, table).unwrap();
                let Some(newest) = log.commits.last() else { continue };
                assert_eq!(*newest, 12);
                let state = read(folder.path(), table, 12);
                assert!(state.is_none_or(|state| state == State::of(table, &history[12])));
            }
            move_away(&store, "run-9").unwrap();
            let moved = |(path, bytes): (String, Vec<u8>)| {
                let (table, name) = path.strip_prefix("lake/").unwrap().split_once("/_delta_log/").unwrap();
                (format!("lake/ended/run-9/{table}/{name}"), bytes)
            };
            assert!(files(folder.path()).into_iter().eq(before.clone().into_iter().map(moved)));
            if killed.is_ok() {
                break;
            }
            step += 1;
        }
    }
}

#[test]
fn when_the_logs_begin_anew_their_versions_do_too() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(12));
    follow_all(&store, &history);
    let mut anew = snapshot(0, 3);
    let delta = anew.delta.as_mut().unwrap();
    delta.began_by = "later".to_owned();
    // The old ones are in the way until they are moved.
    assert_eq!(follow(&store, Some(&history[11]), &anew).unwrap_err().kind(), Kind::Unreadable);
    move_away(&store, "later").unwrap();
    follow(&store, Some(&history[11]), &anew).unwrap();
    assert_eq!(read(folder.path(), Table::Sessions, 0), Some(State::of(Table::Sessions, &anew)));
    inspect(&store, Some(&anew), None).unwrap();
    let skipped = follow(&store, Some(&history[3]), &history[5]).unwrap_err();
    assert_eq!(skipped.kind(), Kind::Unexpected);
}

/// The error of both ways to look at a log after something was done to it; nothing else may be changed by them.
fn refused(change: impl Fn(&Path)) -> (Kind, String) {
    static MADE: LazyLock<BTreeMap<String, Vec<u8>>> = LazyLock::new(|| followed(&history(12)));
    let (folder, history) = (laid(&MADE), history(13));
    let store = store(folder.path());
    change(folder.path());
    let before = files(folder.path());
    let found = inspect(&store, Some(&history[11]), None).unwrap_err();
    let followed = follow(&store, Some(&history[11]), &history[12]).unwrap_err();
    assert!(files(folder.path()) == before);
    assert_eq!(found.kind().exit_code(), 6);
    assert_eq!((found.kind(), found.render()), (followed.kind(), followed.render()));
    (found.kind(), found.render().replace(&*folder.path().to_string_lossy(), "DATASET"))
}

/// A commit as another writer makes one.
const FOREIGN: &str = r#"{"commitInfo":{"timestamp":1,"operation":"OPTIMIZE","engineInfo":"delta-rs:1.6.6"}}"#;

#[test]
fn a_commit_of_another_writer_is_found_wherever_it_is() {
    let put =
        |table, version| move |folder: &Path| fs::write(folder.join(log::commit(table, version)), FOREIGN).unwrap();
    let (kind, text) = refused(put(Table::Timelogs, 13));
    assert_eq!(kind, Kind::Unreadable);
    assert_eq!(
        text,
        "error: something other than rollbook has written to the Delta log (OPTIMIZE, DELETE, VACUUM and the like): \
         DATASET/lake/timelogs/_delta_log/00000000000000000013.json\n\
         hint: nothing was overwritten; restore the log as it was, or set `[snapshots] format = \"files\"`, export, and set it to \
         \"delta\" again, which begins new logs"
    );
    for version in [11, 13, 14, u64::MAX] {
        for table in Table::ALL {
            assert_eq!(refused(put(table, version)).0, Kind::Unreadable, "{version}");
        }
    }
    // Other files of a version that nobody but another writer can have made.
    for name in ["00000000000000000013.checkpoint.parquet", "00000000000000000014.crc"] {
        let put = |folder: &Path| fs::write(folder.join(log::folder(Table::Sessions)).join(name), "").unwrap();
        assert_eq!(refused(put).0, Kind::Unreadable);
    }
    let point = |folder: &Path| {
        fs::write(folder.join(log::last_checkpoint(Table::Sessions)), r#"{"version":13,"size":1}"#).unwrap();
    };
    assert_eq!(refused(point).0, Kind::Unreadable);
}

#[test]
fn the_place_of_the_next_commit_may_be_taken() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(13));
    follow_all(&store, &history[..12]);
    let path = folder.path().join(log::commit(Table::Participants, 12));
    fs::write(&path, FOREIGN).unwrap();
    assert_eq!(inspect(&store, Some(&history[11]), None).unwrap_err().kind(), Kind::Unreadable);
    let before = files(folder.path());
    assert_eq!(follow(&store, Some(&history[11]), &history[12]).unwrap_err().kind(), Kind::Unreadable);
    assert!(files(folder.path()) == before);
    // By rollbook: another snapshot at the same version.
    let other = snapshot(12, 1);
    fs::remove_file(&path).unwrap();
    follow(&store, Some(&history[11]), &other).unwrap();
    assert_eq!(follow(&store, Some(&history[11]), &history[12]).unwrap_err().kind(), Kind::Unreadable);
}

#[test]
fn a_commit_that_is_not_as_it_was_written_is_found() {
    let path = |folder: &Path| folder.join(log::commit(Table::Sessions, 11));
    let rewrite = |with: fn(String) -> String| {
        move |folder: &Path| {
            let text = fs::read_to_string(path(folder)).unwrap();
            let changed = with(text.clone());
            assert_ne!(text, changed);
            fs::write(path(folder), changed).unwrap();
        }
    };
    assert_eq!(refused(rewrite(|text| text.replace("\"size\":1001", "\"size\":1002"))).0, Kind::Unreadable);
    assert_eq!(refused(rewrite(|text| text.lines().next().unwrap().to_owned())).0, Kind::Unreadable);
    assert_eq!(refused(rewrite(|text| text.replace("rollbook ", "roll "))).0, Kind::Unreadable);
    assert_eq!(refused(rewrite(|text| text.replace("run-11", "run-12"))).0, Kind::Unreadable);
    assert_eq!(refused(rewrite(|_| String::new())).0, Kind::Unreadable);
}

#[test]
fn commits_that_are_gone_are_found_where_readers_need_them() {
    let removed = |version| {
        refused(move |folder: &Path| fs::remove_file(folder.join(log::commit(Table::Sessions, version))).unwrap())
    };
    for version in [10, 11] {
        let (kind, text) = removed(version);
        assert_eq!(kind, Kind::Unreadable);
        assert!(
            text.starts_with("error: something other than rollbook has removed a commit of the Delta log"),
            "{text}"
        );
        assert!(text.contains(&format!("_delta_log/{version:020}.json\nhint: nothing was overwritten; ")), "{text}");
    }
    let (kind, _) = refused(|folder| fs::remove_dir_all(folder.join("lake/timelogs/_delta_log")).unwrap());
    assert_eq!(kind, Kind::Unreadable);
}

#[test]
fn another_version_of_rollbook_may_have_begun_what_this_one_finishes() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(2));
    follow(&store, None, &history[0]).unwrap();
    follow(&store, Some(&history[0]), &history[1]).unwrap();
    for version in [0, 1] {
        let path = folder.path().join(log::commit(Table::Sessions, version));
        let text = fs::read_to_string(&path).unwrap();
        let other = text.replace(concat!("rollbook ", env!("CARGO_PKG_VERSION")), "rollbook 99.0.0");
        assert_ne!(text, other);
        fs::write(&path, other).unwrap();
    }
    fs::remove_file(folder.path().join(log::commit(Table::Timelogs, 1))).unwrap();
    follow(&store, Some(&history[0]), &history[1]).unwrap();
    inspect(&store, Some(&history[1]), None).unwrap();
}

#[test]
fn a_run_that_another_one_has_outrun_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(3));
    follow_all(&store, &history);
    let next = folder.path().join(format!("lake/snapshots/{:08}.json", history[2].snapshot));
    assert_eq!(inspect(&store, Some(&history[1]), None).unwrap_err().kind(), Kind::Unreadable);
    fs::create_dir_all(next.parent().unwrap()).unwrap();
    fs::write(next, "").unwrap();
    assert_eq!(inspect(&store, Some(&history[1]), None).unwrap_err().kind(), Kind::Raced);
    assert_eq!(follow(&store, Some(&history[0]), &history[1]).unwrap_err().kind(), Kind::Raced);
}

#[test]
fn files_of_others_that_say_nothing_of_versions_are_nobodys_business() {
    let folder = tempfile::tempdir().unwrap();
    let (store, history) = (store(folder.path()), history(3));
    follow_all(&store, &history[..2]);
    for name in ["_commit_1.json.tmp", "7.json", "0000000000000000000x.json", "00000000000000000001.crc"] {
        fs::write(folder.path().join(log::folder(Table::Sessions)).join(name), "x").unwrap();
    }
    follow(&store, Some(&history[1]), &history[2]).unwrap();
    tidy(&store, 2).unwrap();
}
