//! Every byte that is published is known to a record, restored, or damage: flipped bits, kills, races, copies of older
//! files, lost and old states, records that somebody has crafted, and files that somebody vouches for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch};
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, TOKEN, next, rollbook, sha256};
use crate::damage::{everything, rows};
use crate::place::{Place, changes, served};
use crate::verify::{MONTH, change, exported, lines, one_more, part, renamed, report, verify};

fn flip(path: &Path, random: &mut u64) {
    let mut bytes = fs::read(path).unwrap();
    let at = next(random) % bytes.len();
    bytes[at] ^= 1 << (next(random) & 7);
    fs::write(path, bytes).unwrap();
}

fn relative(bed: &Bed, path: &Path) -> String {
    path.strip_prefix(bed.dataset()).unwrap().to_str().unwrap().to_owned()
}

fn state(bed: &Bed) -> Value {
    serde_json::from_slice(&fs::read(bed.dataset().join("_rollbook/state.json")).unwrap()).unwrap()
}

fn records(dataset: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dataset.join("_rollbook/publishing")).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "json")).collect()
}

#[test]
fn a_flipped_bit_is_damage_wherever_it_is() {
    let bed = exported();
    let whole = rows(&bed);
    let mut random = 9_u64;
    for number in 0..200 {
        let files = bed.files();
        let (path, bytes) = &files[next(&mut random) % files.len()];
        let name = relative(&bed, path);
        flip(path, &mut random);
        let ran = verify(&bed, &["--json"]);
        assert_eq!(ran.code, 9, "{number}, {name}: {ran:?}");
        let damages = lines(&report(&ran), "damages");
        assert!(damages.iter().any(|(path, _)| *path == name), "{number}, {name}: {damages:?}");
        if number % 4 == 0 {
            let before = everything(&bed);
            for command in ["export --full", "export", "backfill --month 2026-11", "purge --participant-name Nobody"] {
                let ran = bed.line(command);
                assert_eq!(ran.code, 6, "{number}, {name}, {command}: {ran:?}");
                assert!(ran.stderr.contains(&name) && ran.stderr.contains("hint: "), "{number}, {command}: {ran:?}");
            }
            assert!(everything(&bed) == before, "{number}, {name}: something was written");
        }
        if number % 10 != 0 {
            fs::write(path, bytes).unwrap();
            continue;
        }
        let repaired = verify(&bed, &["--repair", "--json"]);
        let commands = report(&repaired)["repaired"]["commands"].clone();
        assert!(!commands.as_array().unwrap().is_empty(), "{number}, {name}: {repaired:?}");
        for command in commands.as_array().unwrap() {
            let ran = bed.line(command.as_str().unwrap());
            assert_eq!(ran.code, 0, "{number}, {name}, {command}: {ran:?}");
        }
        assert!(rows(&bed) == whole, "{number}, {name}: the dataset is not what it was");
        let ran = verify(&bed, &["--json"]);
        assert_eq!((ran.code, &report(&ran)["notices"]), (0, &json!([])), "{number}, {name}: {ran:?}");
    }
}

#[test]
fn a_disk_that_rots_changes_no_time() {
    let bed = exported();
    assert_eq!(bed.line("export").code, 0);
    let mut random = 5_u64;
    for folder in [MONTH, "start_month=2026-12"] {
        let path = part(&bed, Table::Participants, folder);
        let (bytes, time) = (fs::read(&path).unwrap(), fs::metadata(&path).unwrap().modified().unwrap());
        flip(&path, &mut random);
        File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        // A backfill of November has no business in December.
        let expected = if folder == MONTH { 6 } else { 0 };
        let ran = bed.line("backfill --month 2026-11");
        assert_eq!(ran.code, expected, "{folder}: {ran:?}");
        assert_eq!(verify(&bed, &[]).code, 9, "{folder}");
        assert_eq!(bed.line("export --full").code, 6, "{folder}");
        fs::write(&path, bytes).unwrap();
        assert_eq!(bed.line("export --full").code, 0, "{folder}");
    }
}

/// Whether the hash of every file is in the state or in a record.
fn all_known(dataset: &Path) -> Result<(), String> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let text = fs::read(dataset.join("_rollbook/state.json")).unwrap_or_else(|_| b"{\"files\":{}}".to_vec());
    for (path, file) in serde_json::from_slice::<Value>(&text).unwrap()["files"].as_object().unwrap() {
        known.entry(path.clone()).or_default().insert(file["sha256"].as_str().unwrap().to_owned());
    }
    for record in records(dataset) {
        let record: Value = serde_json::from_slice(&fs::read(record).unwrap()).unwrap();
        for file in record["files"].as_array().unwrap() {
            let [path, sha256] = ["path", "sha256"].map(|name| file[name].as_str().unwrap().to_owned());
            known.entry(path).or_default().insert(sha256);
        }
    }
    for table in Table::ALL {
        for folder in fs::read_dir(dataset.join(table.name())).into_iter().flatten().flatten() {
            let path = folder.path().join("part-0.parquet");
            let Ok(file) = File::open(&path) else { continue };
            let name = path.strip_prefix(dataset).unwrap().to_str().unwrap();
            let sha256 = sha256(&file);
            if !known.get(name).is_some_and(|hashes| hashes.contains(&sha256)) {
                return Err(name.to_owned());
            }
        }
    }
    Ok(())
}

fn killed_at_every_step(place: &Place) {
    let after = served(changes());
    let [_, complete] = place.committed(&after);
    let export = |name: &str| {
        let mut command = place.export(&after, name);
        command.env("ROLLBOOK_TEST_LEASE", "100ms").arg("--wait=30s");
        command
    };
    for step in 1..200 {
        let name = format!("known-{step}");
        place.copy("committed", &name);
        let ran = export(&name).env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
        let died = ran.status.code().is_none();
        if place.store.is_none() {
            assert_eq!(all_known(&place.path(&name)), Ok(()), "{step}");
        }
        let looked = place.verified(&name);
        let found = report(&looked);
        for damage in found["damages"].as_array().unwrap() {
            assert!(damage["next"].as_str().unwrap().starts_with("rollbook export (a run may"), "{step}: {damage}");
        }
        for (_, what) in lines(&found, "notices") {
            assert!(
                what.contains("by a run that was stopped") || what.contains("when it first published"),
                "{step}: {what}"
            );
        }
        let again = Ran::of(export(&name).output().unwrap());
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        assert!(place.look(&name) == complete, "{step}");
        let looked = place.verified(&name);
        let found = report(&looked);
        assert_eq!((looked.code, &found["notices"]), (0, &json!([])), "{step}: {looked:?}");
        let left = match &place.store {
            None => records(&place.path(&name)).len(),
            Some(store) => store.files(&format!("{name}/_rollbook/publishing")).len(),
        };
        assert_eq!(left, 0, "{step}: the record of a dead run has stayed");
        if !died {
            assert!(step > 20, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn bytes_are_known_through_a_death_at_every_step_in_a_folder() {
    killed_at_every_step(&Place::folder());
}

#[test]
fn bytes_are_known_through_a_death_at_every_step_in_an_object_store() {
    killed_at_every_step(&Place::moto());
}

#[test]
fn the_first_run_dies_at_every_step() {
    let bed = exported();
    for step in 1..200 {
        let folder = format!("first-{step}");
        let export = || {
            let mut command = rollbook(bed.folder.path());
            command.args(["export", "-q", "--json", "--base-url", &bed.server.base_url(), "--dest", &folder]);
            command.env("VIDEOSDK_TOKEN", TOKEN);
            command
        };
        let dataset = bed.folder.path().join(&folder);
        let died =
            export().env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        assert_eq!(all_known(&dataset), Ok(()), "{step}");
        let again = Ran::of(export().output().unwrap());
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        assert!(records(&dataset).is_empty(), "{step}");
        if !died {
            assert!(step > 20, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn a_purge_dies_at_every_step() {
    for step in 1..200 {
        let bed = exported();
        let name = bed.rows(Table::Participants)[3].iter().find(|(column, _)| column == "name").unwrap().1.clone();
        let purge = |faults: &str| {
            let mut command = bed.command(&["purge", "--json", "--participant-name", &name]);
            command.env("ROLLBOOK_TEST_FAULTS", faults).output().unwrap()
        };
        let died = purge(&format!("die:{step}")).status.code().is_none();
        assert_eq!(all_known(&bed.dataset()), Ok(()), "{step}");
        let again = Ran::of(purge("none"));
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        let ran = verify(&bed, &["--json"]);
        assert_eq!((ran.code, &report(&ran)["notices"]), (0, &json!([])), "{step}: {ran:?}");
        assert!(records(&bed.dataset()).is_empty(), "{step}: the record of a dead purge has stayed");
        if !died {
            assert!(step > 12, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

/// Two writers that no lease keeps apart, at each other's steps: what they leave is known, and nothing is taken for restored.
fn two_writers(place: &Place, rounds: u64) {
    let after = served(changes());
    place.committed(&after);
    for round in 0..rounds {
        let name = format!("two-{round}");
        place.copy("committed", &name);
        let start = |wait: u64| {
            std::thread::sleep(std::time::Duration::from_millis(wait));
            place.export(&after, &name).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for child in [start(0), start(4 * round)] {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!((ran.code, &ran.receipt()["restored"]), (0, &Value::Null), "{name}: {ran:?}");
        }
        let looked = place.verified(&name);
        assert_eq!((looked.code, &report(&looked)["notices"]), (0, &json!([])), "{name}: {looked:?}");
        let next = Ran::of(place.export(&after, &name).output().unwrap());
        assert_eq!((next.code, &next.receipt()["restored"]), (0, &Value::Null), "{name}: {next:?}");
    }
}

#[test]
fn two_writers_in_a_folder_know_each_others_bytes() {
    two_writers(&Place::folder(), 30);
}

#[test]
fn two_writers_in_an_object_store_know_each_others_bytes() {
    two_writers(&Place::moto(), 10);
}

const DAY: i64 = 24 * 3_600_000_000;

/// Sessions in two months that are far apart; `more` in both, one that the API has changed since.
fn nights(more: bool) -> Options {
    let account = Account::new(61, 60, Shape::Plain);
    let mut changes: Vec<_> =
        (0..20).map(|number| Change::InsertHead(account.fresh(number, account.start(0) + 60 * DAY))).collect();
    if more {
        changes.push(Change::InsertHead(account.fresh(50, account.start(0) + 60 * DAY + 1)));
        changes.push(Change::InsertByStart(account.fresh(51, account.start(30))));
    }
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

/// Two nights over both months, and the files as they were after the first.
fn two_nights() -> (Bed, Vec<(PathBuf, Vec<u8>)>) {
    let mut bed = Bed::new(nights(false));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let older = bed.files();
    bed.serve(nights(true));
    assert_eq!(bed.run(&["-q"]).code, 0);
    (bed, older)
}

/// The files of the first night that the second one has replaced.
fn replaced(older: &[(PathBuf, Vec<u8>)]) -> Vec<(PathBuf, Vec<u8>)> {
    older.iter().filter(|(path, bytes)| fs::read(path).unwrap() != *bytes).cloned().collect()
}

#[test]
fn an_older_copy_of_a_file_is_merged_named_and_read_again() {
    let (bed, older) = two_nights();
    let whole = rows(&bed);
    let replaced = replaced(&older);
    assert!(replaced.len() >= 6, "{replaced:?}");
    for (path, bytes) in replaced {
        let name = relative(&bed, &path);
        fs::write(&path, bytes).unwrap();
        let looked = verify(&bed, &["--json"]);
        let notices = lines(&report(&looked), "notices");
        assert!(notices.iter().any(|(path, what)| *path == name && what.starts_with("an older run's file, put back")));
        assert!(
            report(&looked)["damages"].as_array().unwrap().iter().all(|it| it["what"] != "no record knows its bytes")
        );

        // A night reads December only; the file may be November's.
        let ran = bed.line("export --json");
        let receipt = ran.receipt();
        assert_eq!((ran.code, &receipt["outcome"]), (3, &"not_proven".into()), "{name}: {ran:?}");
        assert_eq!(
            (&receipt["goal"]["kind"], &receipt["restored"]),
            (&"nightly".into(), &json!([name])),
            "{receipt:#}"
        );
        assert_eq!(receipt["walk"]["evidence"], "none", "{receipt:#}");
        assert!(receipt["walk"]["reasons"][0].as_str().unwrap().contains(&name), "{receipt:#}");
        assert!(ran.stderr.contains(&name), "{ran:?}");
        assert_eq!(state(&bed)["covered"], Value::Null, "{name}: the fence stands");

        let ran = bed.line("export --json");
        let receipt = ran.receipt();
        assert_eq!(
            (ran.code, &receipt["goal"]["kind"], &receipt["restored"]),
            (0, &"full".into(), &Value::Null),
            "{ran:?}"
        );
        assert!(rows(&bed) == whole, "{name}: something was lost for good");
        assert_eq!(bed.line("export --json").receipt()["goal"]["kind"], "nightly");
        assert_eq!(verify(&bed, &[]).code, 0, "{name}");
    }
}

#[test]
fn a_run_that_dies_over_an_older_copy_does_not_hide_it() {
    for step in 1..200 {
        let (bed, older) = two_nights();
        let whole = rows(&bed);
        let (path, bytes) =
            replaced(&older).into_iter().find(|(path, _)| path.to_str().unwrap().contains("sessions/")).unwrap();
        fs::write(&path, bytes).unwrap();
        let mut command = bed.command(&["backfill", "--month", "2026-11", "-q"]);
        let died = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        // Told by the next run, or read again by it.
        let ran = bed.line("export --json");
        let receipt = ran.receipt();
        let is_told = ran.code == 3 && receipt["restored"] == json!([relative(&bed, &path)]);
        assert!(is_told || ran.code == 0 && receipt["goal"]["kind"] == "full", "{step}: {ran:?}");
        assert_eq!(bed.line("export").code, 0, "{step}");
        assert!(rows(&bed) == whole, "{step}: something was lost for good");
        if !died {
            assert!(step > 12, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn a_purge_and_a_dry_run_tell_of_an_older_copy_too() {
    let (bed, older) = two_nights();
    let (path, bytes) = replaced(&older)[0].clone();
    let [name, current] = [json!([relative(&bed, &path)]), json!(fs::read(&path).unwrap())];
    fs::write(&path, &bytes).unwrap();
    let dry = bed.line("export --json --dry-run");
    assert_eq!((dry.code, &dry.receipt()["restored"]), (3, &name), "{dry:?}");
    let ran = bed.line("purge --json --yes --participant-id nobody-at-all");
    assert_eq!(
        (ran.code, &ran.receipt()["outcome"], &ran.receipt()["restored"]),
        (3, &"restored".into(), &name),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("error: older copies of files had been put back\n  caused by: "), "{ran:?}");
    assert_eq!(state(&bed)["covered"], Value::Null);
    assert_eq!(bed.line("export").code, 0);
    assert_eq!(json!(fs::read(&path).unwrap()), current);
    // From before a purge: what was purged is in it.
    let sessions = |(path, _): &(PathBuf, Vec<u8>)| path.starts_with(bed.dataset().join("sessions"));
    let (path, bytes) = older.into_iter().rfind(sessions).unwrap();
    fs::write(&path, &bytes).unwrap();
    let ran = bed.line("export --json");
    assert_eq!(ran.code, 3, "{ran:?}");
    let reason = ran.receipt()["walk"]["reasons"][0].as_str().unwrap().to_owned();
    assert!(reason.contains("before a purge: run the same purge"), "{reason}");
}

#[test]
fn a_lost_state_stays_a_full_walk_and_the_receipts_stand_for_it() {
    let (mut bed, older) = two_nights();
    let whole = rows(&bed);
    let path = bed.dataset().join("_rollbook/state.json");
    for damage in [None, Some("{"), Some("")] {
        match damage {
            None => fs::remove_file(&path).unwrap(),
            Some(text) => fs::write(&path, text).unwrap(),
        }
        let ran = bed.line("export --json");
        let receipt = ran.receipt();
        assert_eq!(
            (ran.code, &receipt["goal"]["kind"], &receipt["restored"]),
            (0, &"full".into(), &Value::Null),
            "{ran:?}"
        );
    }
    // Without a state, an older file is still an older file.
    fs::remove_file(&path).unwrap();
    let (file, bytes) = replaced(&older)[0].clone();
    fs::write(&file, bytes).unwrap();
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["restored"]), (3, &json!([relative(&bed, &file)])), "{ran:?}");
    assert_eq!(bed.line("export").code, 0);
    assert!(rows(&bed) == whole);
    // What is no longer listed is named by the new state as well.
    fs::remove_file(&path).unwrap();
    bed.serve(Options::new(Account::new(61, 60, Shape::Plain)));
    assert!([0, 3].contains(&bed.line("export").code));
    assert_eq!(state(&bed)["files"].as_object().unwrap().len(), bed.files().len());
    assert_eq!(bed.line("export --json").receipt()["restored"], Value::Null);
    // And flipped bits are still damage.
    fs::remove_file(&path).unwrap();
    flip(&file, &mut 3);
    let ran = bed.line("export");
    assert!(ran.code == 6 && ran.stderr.contains(&relative(&bed, &file)), "{ran:?}");
    assert_eq!(verify(&bed, &[]).code, 9);
}

#[test]
fn an_old_copy_of_the_state_is_told_and_costs_one_full_walk() {
    let mut bed = Bed::new(nights(false));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let path = bed.dataset().join("_rollbook/state.json");
    let old = fs::read(&path).unwrap();
    bed.serve(nights(true));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let whole = rows(&bed);
    fs::write(&path, old).unwrap();
    let ran = bed.line("export --json");
    assert_eq!(ran.code, 3, "{ran:?}");
    assert!(ran.receipt()["restored"].as_array().unwrap().len() >= 6, "{ran:?}");
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"full".into()), "{ran:?}");
    assert!(rows(&bed) == whole);
    assert_eq!(verify(&bed, &[]).code, 0);
}

#[test]
fn a_copy_of_the_whole_dataset_is_as_good() {
    let (mut bed, _) = two_nights();
    let before = everything(&bed);
    let moved = bed.folder.path().join("moved");
    crate::place::copy(&bed.dataset(), &moved);
    fs::remove_dir_all(bed.dataset()).unwrap();
    fs::rename(moved, bed.dataset()).unwrap();
    assert_eq!(verify(&bed, &[]).code, 0);
    bed.serve(nights(true));
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"nightly".into()), "{ran:?}");
    let files = |all: &BTreeMap<PathBuf, Vec<u8>>| {
        all.iter()
            .filter(|(path, _)| path.extension().is_some_and(|it| it == "parquet"))
            .map(|(_, it)| it.clone())
            .collect::<Vec<_>>()
    };
    assert!(files(&everything(&bed)) == files(&before));
}

#[test]
fn a_record_that_cannot_be_understood_is_told_with_a_way_out() {
    let bed = exported();
    let folder = bed.dataset().join("_rollbook/publishing");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("20260101T000000000Z-aaaaaa.json");
    let of = |file: &str| {
        let files = [json!({"path": file, "rows": 1, "sha256": "0".repeat(64)})];
        json!({"layout": 1, "run_id": "x", "files": files}).to_string()
    };
    let cases = [
        (String::new(), "is damaged"),
        ("{\"layout\": 1".to_owned(), "is damaged"),
        ("[".repeat(100_000), "is damaged"),
        (of("../../etc/passwd"), "names what is no file of this dataset"),
        (of("sessions/start_month=2026-11/other.parquet"), "names what is no file of this dataset"),
        (of("sessions/start_month=2026-11/part-0.parquet").replace("00", "xx"), "names no SHA-256"),
        (of("sessions/start_month=2026-11/part-0.parquet").replace("\"layout\":1", "\"layout\":2"), "newer version"),
    ];
    for (text, what) in cases {
        fs::write(&path, text).unwrap();
        let before = everything(&bed);
        for command in ["export", "export --full", "backfill --month 2026-11", "purge --participant-id x"] {
            let ran = bed.line(command);
            assert_eq!(ran.code, 6, "{what}, {command}: {ran:?}");
            assert!(ran.stderr.contains(what) && ran.stderr.contains(path.to_str().unwrap()), "{what}: {ran:?}");
            assert!(
                ran.stderr.contains("hint: `rollbook verify --repair`") && ran.stderr.len() < 1000,
                "{what}: {ran:?}"
            );
        }
        assert!(everything(&bed) == before, "{what}: something was written");
        let ran = verify(&bed, &["--repair", "--json"]);
        assert_eq!(ran.code, 9, "{what}: {ran:?}");
        let [(damaged, told)] = &lines(&report(&ran), "damages")[..] else { panic!("{what}: {ran:?}") };
        assert!(bed.dataset().join(damaged) == path && told.contains(what), "{what}: {ran:?}");
        assert!(!path.exists(), "{what}");
        assert_eq!(verify(&bed, &[]).code, 0, "{what}");
        assert_eq!(bed.line("export").code, 0, "{what}");
    }
}

/// A name typed with a blank behind it: another name, and the same person.
fn retyped(batch: &RecordBatch) -> RecordBatch {
    let names = batch.column_by_name("name").unwrap().as_string::<i32>();
    let name = if names.is_valid(5) { names.value(5) } else { "" };
    renamed(batch, "name", 5, &format!("{name} "))
}

#[test]
fn a_sound_file_is_accepted_by_who_knows_why() {
    let bed = exported();
    let paths = [Table::Participants, Table::Timelogs].map(|table| relative(&bed, &part(&bed, table, MONTH)));
    // Still the same person, so that everything else fits.
    change(&bed, Table::Participants, |batch| retyped(&batch));
    let before = everything(&bed);
    assert_eq!(bed.line("export").code, 6);
    let found = verify(&bed, &[]);
    assert_eq!(found.code, 9, "{found:?}");
    assert!(found.stdout.contains(&format!("rollbook verify --accept {}", paths[0])), "{found:?}");
    let dry = verify(&bed, &["--accept", &paths[0], "--dry-run"]);
    assert!(dry.code == 0 && dry.stdout.contains("would be accepted: "), "{dry:?}");
    assert!(everything(&bed) == before, "something was written");

    for (path, what) in [
        (paths[1].as_str(), "bytes are known"),
        ("sessions/start_month=2031-01/part-0.parquet", "or it is not there"),
        ("../x", "not the path of a published file"),
        ("_rollbook/state.json", "not the path of a published file"),
        ("sessions/start_day=1/part-0.parquet", "not the path of a published file"),
    ] {
        let ran = verify(&bed, &["--accept", &paths[0], "--accept", path]);
        assert!(ran.code == 2 && ran.stderr.contains(what) && ran.stderr.contains("hint: "), "{path}: {ran:?}");
    }
    assert!(everything(&bed) == before, "something was written");

    let runs = |bed: &Bed| fs::read_dir(bed.dataset().join("_rollbook/runs")).unwrap().count();
    let receipts = runs(&bed);
    let ran = verify(&bed, &["--accept", &paths[0], "--json"]);
    assert_eq!((ran.code, &report(&ran)["outcome"]), (0, &"sound".into()), "{ran:?}");
    assert_eq!(report(&ran)["accepted"]["files"], json!([paths[0]]), "{ran:?}");
    assert_eq!(runs(&bed), receipts + 1);
    let ran = verify(&bed, &["--json"]);
    assert_eq!((ran.code, &report(&ran)["notices"]), (0, &json!([])), "{ran:?}");
    // By the receipt alone, too.
    let state = bed.dataset().join("_rollbook/state.json");
    let stored = fs::read(&state).unwrap();
    fs::remove_file(&state).unwrap();
    assert_eq!(verify(&bed, &[]).code, 0);
    fs::write(state, stored).unwrap();
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &"full".into()), "{ran:?}");
}

#[test]
fn a_file_that_is_not_sound_is_not_accepted() {
    let bed = exported();
    let whole = bed.files();
    let name = |table| relative(&bed, &part(&bed, table, MONTH));
    let cases: [(Table, fn(&Bed)); 3] = [
        (Table::Sessions, |bed| change(bed, Table::Sessions, |batch| one_more(&batch, "occupied_ms", 7))),
        (Table::Timelogs, |bed| change(bed, Table::Timelogs, |batch| batch.slice(0, batch.num_rows() - 1))),
        (Table::Participants, |bed| fs::write(part(bed, Table::Participants, MONTH), "PAR1").unwrap()),
    ];
    for (table, spoil) in cases {
        spoil(&bed);
        let before = everything(&bed);
        let ran = verify(&bed, &["--accept", &name(table), "--json"]);
        assert_eq!(ran.code, 9, "{table:?}: {ran:?}");
        assert_eq!(report(&ran)["accepted"]["refused"], json!([name(table)]), "{ran:?}");
        assert!(everything(&bed) == before, "{table:?}: something was written");
        for (path, bytes) in &whole {
            fs::write(path, bytes).unwrap();
        }
    }
    // Of two files, one is left.
    change(&bed, Table::Participants, |batch| retyped(&batch));
    let december = part(&bed, Table::Sessions, "start_month=2026-12");
    fs::write(&december, "").unwrap();
    let ran = verify(&bed, &["--accept", &name(Table::Participants), "--json"]);
    assert_eq!(ran.code, 9, "{ran:?}");
    let damages = lines(&report(&ran), "damages");
    assert_eq!(damages.len(), 1, "{damages:?}");
    assert_eq!(damages[0].0, relative(&bed, &december));
    let mut both = Command::new(env!("CARGO_BIN_EXE_rollbook"));
    let ran = Ran::of(both.args(["verify", "--accept", "x", "--repair"]).output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
}
