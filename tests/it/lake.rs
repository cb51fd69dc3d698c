//! Snapshots: immutable files, the pointer that leads to them, and the plain files beside them, through kills, races, purges,
//! restores and changes of the format.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Name, Options, Script, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, TOKEN, number, rollbook, sha256};
use crate::damage::rows;
use crate::place::{Place, changes, copy, served};
use crate::python::{python, run};
use crate::verify::{lines, report, verify};

const FORMAT: &str = "ROLLBOOK_SNAPSHOTS_FORMAT";
const KEEP: &str = "ROLLBOOK_SNAPSHOTS_KEEP";
const KEY: &str = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";

fn json_of(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))).unwrap()
}

fn current(dataset: &Path) -> Value {
    json_of(&dataset.join("lake/current.json"))
}

fn names(folder: &Path, end: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(end) && !name.starts_with('.'));
    names.sort();
    names
}

fn snapshots(dataset: &Path) -> Vec<String> {
    names(&dataset.join("lake/snapshots"), ".json")
}

/// The immutable files that are there, relative to the lake.
fn immutable(dataset: &Path) -> BTreeSet<String> {
    let lake = dataset.join("lake");
    let mut found = BTreeSet::new();
    for table in Table::ALL {
        for folder in fs::read_dir(lake.join(table.name())).into_iter().flatten().flatten() {
            for name in names(&folder.path(), ".parquet") {
                if !folder.path().ends_with("_delta_log") {
                    let path = folder.path().join(name);
                    found.insert(path.strip_prefix(&lake).unwrap().to_str().unwrap().to_owned());
                }
            }
        }
    }
    found
}

/// The files that the pointer leads to, after a look at each: its bytes are those of its name, and of the plain file beside it.
fn whole(dataset: &Path) -> BTreeSet<String> {
    let current = current(dataset);
    let number = current["snapshot"].as_u64().unwrap();
    assert_eq!(snapshots(dataset).last().unwrap(), &format!("{number:08}.json"), "a commit has not been followed");
    let mut listed = BTreeSet::new();
    for (_, paths) in current["tables"].as_object().unwrap() {
        for path in paths.as_array().unwrap() {
            let path = path.as_str().unwrap();
            let (folder, name) = path.rsplit_once('/').unwrap();
            let sum = sha256(&File::open(dataset.join("lake").join(path)).unwrap());
            assert_eq!(name, format!("{sum}.parquet"));
            let plain = File::open(dataset.join(folder).join("part-0.parquet")).unwrap();
            assert_eq!(sha256(&plain), sum, "{path}: the plain file is another one");
            listed.insert(path.to_owned());
        }
    }
    let plain: usize = Table::ALL.iter().map(|table| names(&dataset.join(table.name()), "").len()).sum();
    assert_eq!(listed.len(), plain, "there are plain files that no snapshot lists");
    logs(dataset, &current);
    listed
}

/// The Delta logs, if there are any: versions without a gap up to that of the newest snapshot, in step.
fn logs(dataset: &Path, current: &Value) {
    let number = current["snapshot"].as_u64().unwrap();
    let newest = json_of(&dataset.join(format!("lake/snapshots/{number:08}.json")));
    for table in Table::ALL {
        let versions: Vec<_> = names(&dataset.join("lake").join(table.name()).join("_delta_log"), ".json");
        match newest["delta"]["version"].as_u64() {
            None => assert!(versions.is_empty(), "{versions:?}"),
            Some(last) => {
                let first: u64 = versions[0].trim_end_matches(".json").parse().unwrap();
                let wanted: Vec<_> = (first..=last).map(|version| format!("{version:020}.json")).collect();
                assert_eq!(versions, wanted);
            }
        }
    }
}

/// The account with so many sessions more at the head of its list.
fn newer_sessions(number: u64) -> Options {
    let script = Script::new().before(1, vec![Change::InsertFresh(number)]);
    Options { script, ..Options::new(Account::new(5, 300, Shape::Realistic)) }
}

/// An export of 300 sessions into a dataset with snapshots.
fn exported(format: &str) -> Bed {
    let mut bed = Bed::new(Options::new(Account::new(5, 300, Shape::Realistic)));
    bed.environment.push((FORMAT.to_owned(), format.to_owned()));
    let ran = bed.run(&["--json"]);
    assert_eq!((ran.code, &ran.receipt()["snapshot"]), (0, &json!(1)), "{ran:?}");
    bed
}

/// Notices but that files are there which nobody lists, as a dead run leaves them for a day.
fn notices(ran: &Ran) -> Vec<(String, String)> {
    lines(&report(ran), "notices").into_iter().filter(|(_, what)| !what.contains("that no snapshot lists")).collect()
}

fn killed_at_every_step(place: &Place, format: &str) {
    let after = served(changes());
    let export = |name: &str| {
        let mut command = place.export(&after, name);
        command.env(FORMAT, format).env("ROLLBOOK_TEST_LEASE", "100ms").arg("--wait=30s");
        command
    };
    let first = Ran::of(place.export(&served(vec![]), "before").env(FORMAT, format).output().unwrap());
    assert_eq!(first.code, 0, "{first:?}");
    place.copy("before", "complete");
    assert_eq!(Ran::of(export("complete").output().unwrap()).code, 0);
    let [before, complete] = ["before", "complete"].map(|name| place.look(name));
    assert_ne!(before, complete);
    // In an object store a third of them.
    let stride = if place.store.is_some() { 3 } else { 1 };
    for step in (1..400).step_by(stride) {
        let name = format!("lake-{step}");
        place.copy("before", &name);
        let ran = export(&name).env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
        let died = ran.status.code().is_none();
        if place.store.is_none() {
            let listed = current(&place.path(&name));
            let there = immutable(&place.path(&name));
            for path in listed["tables"].as_object().unwrap().values().flat_map(|paths| paths.as_array().unwrap()) {
                assert!(there.contains(path.as_str().unwrap()), "{step}: {path}");
            }
        }
        let again = Ran::of(export(&name).output().unwrap());
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        assert!(place.look(&name) == complete, "{step}");
        if place.store.is_none() {
            whole(&place.path(&name));
        }
        let looked = place.verified(&name);
        assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{step}: {looked:?}");
        if !died {
            assert!(step > 40, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn an_export_with_delta_logs_dies_at_every_step_in_a_folder() {
    killed_at_every_step(&Place::folder(), "delta");
}

#[test]
fn an_export_with_snapshots_dies_at_every_step_in_an_object_store() {
    killed_at_every_step(&Place::moto(), "delta");
}

#[test]
fn the_first_snapshot_of_a_dataset_dies_at_every_step() {
    let bed = Bed::new(Options::new(Account::new(5, 60, Shape::Plain)));
    assert_eq!(bed.run(&[]).code, 0);
    let wanted = rows(&bed);
    let plain = bed.folder.path().join("plain");
    copy(&bed.dataset(), &plain);
    for step in 1..200 {
        fs::remove_dir_all(bed.dataset()).unwrap();
        copy(&plain, &bed.dataset());
        let export = || {
            let mut command = bed.export(&["--json"]);
            command.env(FORMAT, "delta");
            command
        };
        let died =
            export().env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        assert!(rows(&bed) == wanted, "{step}");
        let again = Ran::of(export().output().unwrap());
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        whole(&bed.dataset());
        if !died {
            assert!(step > 15, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

/// Two writers that no lease keeps apart: nothing is lost, and every number is used once.
fn two_writers(place: &Place, format: &str, rounds: u64) {
    let rounds = number("ROLLBOOK_TEST_ROUNDS").unwrap_or(rounds);
    let after = served(changes());
    let first = Ran::of(place.export(&served(vec![]), "before").env(FORMAT, format).output().unwrap());
    assert_eq!(first.code, 0, "{first:?}");
    place.copy("before", "complete");
    assert_eq!(Ran::of(place.export(&after, "complete").output().unwrap()).code, 0);
    let complete = place.look("complete");
    for round in 0..rounds {
        let name = format!("two-{round}");
        place.copy("before", &name);
        let start = |wait: u64| {
            std::thread::sleep(std::time::Duration::from_millis(wait));
            place.export(&after, &name).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
        };
        for child in [start(0), start(3 * round)] {
            let ran = Ran::of(child.wait_with_output().unwrap());
            assert_eq!((ran.code, &ran.receipt()["restored"]), (0, &Value::Null), "{name}: {ran:?}");
        }
        assert!(place.look(&name) == complete, "{name}");
        if place.store.is_none() {
            whole(&place.path(&name));
        }
        let looked = place.verified(&name);
        assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{name}: {looked:?}");
    }
}

#[test]
fn two_writers_of_snapshots_in_a_folder() {
    two_writers(&Place::folder(), "delta", 15);
}

#[test]
fn two_writers_of_snapshots_in_an_object_store() {
    two_writers(&Place::moto(), "files", 4);
}

#[test]
fn a_purge_leaves_nothing_of_whom_it_removes_in_any_snapshot_wherever_it_dies() {
    let search = |bed: &Bed, name: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/byte_search.py");
        Command::new(python()).arg(script).args([bed.dataset().to_str().unwrap(), name]).output().unwrap()
    };
    for step in (1..400).step_by(3) {
        let mut bed = exported("delta");
        // An older snapshot with the same people, and a file that a dead run has left.
        bed.serve(newer_sessions(3));
        assert_eq!(bed.line("export").code, 0);
        bed.environment.clear(); // a machine without the configuration
        let people = bed.rows(Table::Participants);
        let named = |row: &Vec<(String, String)>| row.iter().find(|(column, _)| column == "name").unwrap().1.clone();
        let name = people.iter().map(named).find(|name| name.len() > 8).unwrap();
        let purge = |faults: &str| {
            let mut command = bed.command(&["purge", "--json", "--participant-name", &name]);
            Ran::of(command.env("ROLLBOOK_TEST_FAULTS", faults).output().unwrap())
        };
        if step == 1 {
            assert!(!search(&bed, &name).status.success(), "the search finds nobody");
        }
        let ran = purge(&format!("die:{step}"));
        let again = purge("none");
        assert_eq!((again.code, &again.receipt()["restored"]), (0, &Value::Null), "{step}: {again:?}");
        let found = search(&bed, &name);
        let found = String::from_utf8_lossy(&found.stdout);
        assert!(found.is_empty(), "{step}, {name}: {found}");
        assert_eq!(whole(&bed.dataset()), immutable(&bed.dataset()), "{step}: there are files that no snapshot lists");
        let looked = verify(&bed, &["--json"]);
        assert_eq!((looked.code, &report(&looked)["notices"]), (0, &json!([])), "{step}: {looked:?}");
        if ran.code >= 0 {
            assert!(step > 30, "{step} steps only");
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn what_has_not_changed_is_neither_written_nor_listed_anew() {
    let mut bed = exported("delta");
    let (first, listed) = (immutable(&bed.dataset()), whole(&bed.dataset()));
    assert_eq!(first, listed);
    for command in ["export --json", "export --full --json", "backfill --month 2026-11 --json"] {
        let ran = bed.line(command);
        assert_eq!((ran.code, &ran.receipt()["snapshot"]), (0, &json!(1)), "{ran:?}");
    }
    assert_eq!((immutable(&bed.dataset()), snapshots(&bed.dataset()).len()), (first.clone(), 1));
    bed.serve(newer_sessions(2));
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["snapshot"]), (0, &json!(2)), "{ran:?}");
    let new: Vec<_> = immutable(&bed.dataset()).difference(&first).cloned().collect();
    for table in Table::ALL {
        let of = new.iter().filter(|path| path.starts_with(table.name())).count();
        assert!(of <= 1, "{new:?}");
    }
    assert!(!new.is_empty());
    whole(&bed.dataset());
}

#[test]
fn formats_come_and_go_and_no_row_is_lost() {
    let mut bed = Bed::new(Options::new(Account::new(5, 300, Shape::Realistic)));
    assert_eq!(bed.line("export").code, 0);
    let wanted = rows(&bed);
    let mut numbers = Vec::new();
    for format in ["none", "files", "delta", "none", "delta", "files", ""] {
        bed.environment = vec![(FORMAT.to_owned(), format.to_owned())];
        let ran = bed.line("export --json");
        assert_eq!(ran.code, 0, "{format}: {ran:?}");
        assert!(rows(&bed) == wanted, "{format}");
        if format == "none" {
            assert_eq!(ran.receipt()["snapshot"], Value::Null);
            assert!(!bed.dataset().join("lake/current.json").exists(), "readers of snapshots read on");
            assert!(names(&bed.dataset().join("lake/sessions/_delta_log"), "").is_empty());
            continue;
        }
        numbers.push(ran.receipt()["snapshot"].as_u64().unwrap());
        whole(&bed.dataset());
        let looked = verify(&bed, &["--json"]);
        assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{format}: {looked:?}");
    }
    // No number is used twice, and the last setting is none: what the dataset has is followed.
    assert_eq!(numbers, [1, 2, 3, 4, 4]);
    // What is left after they are turned off holds nobody who is purged.
    bed.environment = vec![(FORMAT.to_owned(), "none".to_owned())];
    assert_eq!(bed.line("export").code, 0);
    assert!(!immutable(&bed.dataset()).is_empty());
    bed.environment.clear();
    let id = bed.rows(Table::Participants)[3].iter().find(|(column, _)| column == "participant_id").unwrap().1.clone();
    assert_eq!(bed.command(&["purge", "--participant-id", &id]).output().unwrap().status.code(), Some(0));
    assert!(immutable(&bed.dataset()).is_empty());
}

#[test]
fn an_older_snapshot_is_brought_back_and_the_next_night_misses_nothing() {
    let mut bed = exported("delta");
    let first = rows(&bed);
    bed.serve(newer_sessions(7));
    assert_eq!(bed.line("export").code, 0);
    let second = rows(&bed);
    assert_ne!(first, second);
    let ran = bed.line("snapshots restore 1 --dry-run");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(rows(&bed) == second);
    let ran = bed.line("snapshots restore 1");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(rows(&bed) == first, "not what it was");
    whole(&bed.dataset());
    let looked = verify(&bed, &["--json"]);
    assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{looked:?}");
    let ran = bed.line("export --json");
    assert_eq!((ran.code, &ran.receipt()["goal"]["kind"]), (0, &json!("full")), "{ran:?}");
    assert_eq!(ran.receipt()["restored"], Value::Null, "{ran:?}");
    assert!(rows(&bed) == second, "something is missing");
    whole(&bed.dataset());
    for (line, code, what) in
        [("snapshots restore 99", 2, "there is no snapshot 99"), ("snapshots restore", 2, "required")]
    {
        let ran = bed.line(line);
        assert!(ran.code == code && ran.stderr.contains(what), "{ran:?}");
    }
    let id = bed.rows(Table::Participants)[3].iter().find(|(column, _)| column == "participant_id").unwrap().1.clone();
    assert_eq!(bed.command(&["purge", "--participant-id", &id]).output().unwrap().status.code(), Some(0));
    let ran = bed.line("snapshots --json");
    let listed: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(listed["snapshots"].as_array().unwrap().len(), 1, "{listed:#}");
}

#[test]
fn a_restore_dies_at_every_step() {
    let mut bed = exported("delta");
    let first = rows(&bed);
    bed.serve(newer_sessions(7));
    assert_eq!(bed.line("export").code, 0);
    let second = rows(&bed);
    let kept = bed.folder.path().join("kept");
    copy(&bed.dataset(), &kept);
    for step in 1..200 {
        fs::remove_dir_all(bed.dataset()).unwrap();
        copy(&kept, &bed.dataset());
        let mut command = bed.command(&["snapshots", "restore", "1"]);
        let died = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        if !died {
            assert!(step > 15, "{step} steps only");
            assert!(rows(&bed) == first);
            return;
        }
        let ran = bed.line("export --json");
        assert!(matches!(ran.code, 0 | 3), "{step}: {ran:?}");
        assert_eq!(bed.line("export").code, 0, "{step}");
        assert!(rows(&bed) == second, "{step}: something is missing");
        whole(&bed.dataset());
        assert_eq!(verify(&bed, &[]).code, 0, "{step}");
    }
    panic!("there is no end");
}

#[test]
fn snapshots_are_kept_as_long_as_it_is_set_and_never_the_current_one() {
    let mut bed = exported("files");
    bed.environment.push((KEEP.to_owned(), "0s".to_owned()));
    let first = whole(&bed.dataset());
    bed.serve(newer_sessions(2));
    assert_eq!(bed.line("export").code, 0);
    // It has ceased to be current just now; the files stay for a day more.
    assert_eq!(bed.line("export").code, 0);
    assert_eq!(snapshots(&bed.dataset()), ["00000002.json"]);
    assert!(immutable(&bed.dataset()).is_superset(&first), "a file went before its time");
    let seen = bed.dataset().join("_rollbook/unlisted.json");
    let text = fs::read_to_string(&seen).unwrap();
    let mut times: Value = serde_json::from_str(&text).unwrap();
    for time in times.as_object_mut().unwrap().values_mut() {
        *time = json!(time.as_i64().unwrap() - 25 * 3_600_000_000);
    }
    fs::write(&seen, times.to_string()).unwrap();
    assert_eq!(bed.line("export").code, 0);
    assert_eq!(immutable(&bed.dataset()), whole(&bed.dataset()));
    assert!(!seen.exists());
}

#[test]
fn damage_among_the_immutable_files_is_found_and_mended() {
    let mut bed = exported("files");
    let wanted = rows(&bed);
    let path = |bed: &Bed| -> PathBuf {
        let listed = whole(&bed.dataset());
        bed.dataset().join("lake").join(listed.iter().find(|path| path.starts_with("participants")).unwrap())
    };
    let damages: [(&str, fn(&Path)); 4] = [
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("short", |path| File::options().write(true).open(path).unwrap().set_len(100).unwrap()),
        ("a copy with other bytes", |path| {
            let mut bytes = fs::read(path).unwrap();
            fs::remove_file(path).unwrap();
            bytes[50] ^= 1;
            fs::write(path, bytes).unwrap();
        }),
        ("no file", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (what, damage) in damages {
        damage(&path(&bed));
        let looked = verify(&bed, &["--json"]);
        assert_eq!(looked.code, 9, "{what}: {looked:?}");
        let found = lines(&report(&looked), "damages");
        assert!(found.iter().any(|(path, _)| path.starts_with("lake/participants")), "{what}: {found:?}");
        let repaired = verify(&bed, &["--repair", "--json"]);
        for command in report(&repaired)["repaired"]["commands"].as_array().unwrap() {
            let ran = bed.line(command.as_str().unwrap());
            assert_eq!(ran.code, 0, "{what}, {command}: {ran:?}");
        }
        assert_eq!(bed.line("export").code, 0, "{what}");
        assert!(rows(&bed) == wanted, "{what}");
        whole(&bed.dataset());
        let looked = verify(&bed, &["--json"]);
        assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{what}: {looked:?}");
    }
    for is_pointer in [true, false] {
        let newest = || format!("lake/snapshots/{}", snapshots(&bed.dataset()).last().unwrap());
        let record = if is_pointer { "lake/current.json".to_owned() } else { newest() };
        fs::write(bed.dataset().join(&record), "{").unwrap();
        let ran = bed.line("export");
        assert!(ran.code == 6 && ran.stderr.contains(&record), "{ran:?}");
        assert_eq!(verify(&bed, &["--repair"]).code, 9, "{record}");
        assert_eq!(bed.line("export").code, 0, "{record}");
        assert!(rows(&bed) == wanted);
        whole(&bed.dataset());
    }
    bed.environment.clear();
}

#[test]
fn a_dataset_that_is_copied_to_another_place_still_reads() {
    let bed = exported("delta");
    let other = bed.folder.path().join("elsewhere");
    run(Command::new("cp").arg("-r").arg(bed.dataset()).arg(&other));
    whole(&other);
    let mut command = rollbook(bed.folder.path());
    let ran = Ran::of(command.args(["verify", "--json", "--dest", other.to_str().unwrap()]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut command = rollbook(bed.folder.path());
    command.args(["export", "--json", "--base-url", &bed.server.base_url(), "--dest", other.to_str().unwrap()]);
    let ran = Ran::of(command.env("VIDEOSDK_TOKEN", TOKEN).output().unwrap());
    assert_eq!((ran.code, &ran.receipt()["snapshot"]), (0, &json!(1)), "{ran:?}");
}

/// Sessions among the oldest, which no night reads again.
fn old_sessions(number: u64) -> Options {
    let account = Account::new(5, 300, Shape::Realistic);
    let changes =
        (0..number).map(|it| Change::InsertByStart(account.fresh(it, account.start(290) + 1 + it.cast_signed())));
    Options { script: Script::new().before(1, changes.collect::<Vec<_>>()), ..Options::new(account) }
}

#[test]
fn whoever_writes_next_finishes_what_a_dead_export_has_committed() {
    let mut bed = exported("delta");
    let kept = bed.folder.path().join("kept");
    copy(&bed.dataset(), &kept);
    bed.serve(old_sessions(3));
    assert_eq!(bed.run(&[]).code, 0);
    let wanted = rows(&bed);
    let id = bed.rows(Table::Participants)[3].iter().find(|(column, _)| column == "participant_id").unwrap().1.clone();
    for step in 1..400 {
        fs::remove_dir_all(bed.dataset()).unwrap();
        copy(&kept, &bed.dataset());
        let mut command = bed.export(&["-q"]);
        let died = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        // A backfill of another month, a purge, a restore.
        let others: [&[&str]; 3] =
            [&["backfill", "--month", "2020-01"], &["purge", "--participant-id", &id], &["snapshots", "restore", "1"]];
        let other = others[step % 3];
        let ran = Ran::of(bed.command(other).output().unwrap());
        assert_eq!(ran.code, 0, "{step}, {other:?}: {ran:?}");
        let listed = whole(&bed.dataset());
        if other[0] == "purge" {
            assert_eq!(listed, immutable(&bed.dataset()), "{step}: there are files that no snapshot lists");
        }
        let ran = bed.run(&[]);
        assert_eq!(ran.code, 0, "{step}: {ran:?}");
        if other[0] == "purge" {
            assert!(rows(&bed).iter().all(|row| !row.iter().any(|(_, cell)| *cell == id)), "{step}: erased and back");
        } else {
            assert!(rows(&bed) == wanted, "{step}, {other:?}: something is missing");
        }
        whole(&bed.dataset());
        if !died {
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn a_format_that_is_turned_on_or_off_dies_at_every_step() {
    let mut bed = exported("delta");
    let wanted = rows(&bed);
    let kept = bed.folder.path().join("kept");
    copy(&bed.dataset(), &kept);
    for (first, then) in [("none", "none"), ("none", ""), ("none", "delta"), ("files", "delta"), ("files", "none")] {
        for step in (1..200).step_by(2) {
            fs::remove_dir_all(bed.dataset()).unwrap();
            copy(&kept, &bed.dataset());
            bed.environment = vec![(FORMAT.to_owned(), first.to_owned())];
            let mut command = bed.command(&["export", "-q"]);
            let died =
                command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
            bed.environment = vec![(FORMAT.to_owned(), then.to_owned())];
            let ran = bed.line("export");
            // Logs that were half moved away are no log any more; the way out is the one that is named.
            if ran.code == 6 && ran.stderr.contains("_delta_log") {
                for format in ["files", "delta"] {
                    bed.environment = vec![(FORMAT.to_owned(), format.to_owned())];
                    let ran = bed.line("export");
                    assert_eq!(ran.code, 0, "{first}, {then}, {step}: {ran:?}");
                }
            } else {
                assert_eq!(ran.code, 0, "{first}, {then}, {step}: {ran:?}");
            }
            assert!(rows(&bed) == wanted, "{first}, {then}, {step}");
            if bed.dataset().join("lake/current.json").exists() {
                whole(&bed.dataset());
            }
            let looked = verify(&bed, &["--json"]);
            assert_eq!(looked.code, 0, "{first}, {then}, {step}: {looked:?}");
            if !died {
                break;
            }
            assert!(step < 198, "there is no end");
        }
    }
}

#[test]
fn what_a_restore_takes_away_below_the_fence_comes_back_wherever_it_dies() {
    let mut bed = exported("files");
    bed.serve(old_sessions(4));
    assert_eq!(bed.run(&[]).code, 0);
    let second = rows(&bed);
    assert_eq!(bed.line("export --json").receipt()["goal"]["kind"], "nightly");
    let kept = bed.folder.path().join("kept");
    copy(&bed.dataset(), &kept);
    for step in 1..200 {
        fs::remove_dir_all(bed.dataset()).unwrap();
        copy(&kept, &bed.dataset());
        let mut command = bed.command(&["snapshots", "restore", "1"]);
        let died = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap().status.code().is_none();
        let ran = bed.line("export");
        assert!(matches!(ran.code, 0 | 3), "{step}: {ran:?}");
        assert_eq!(bed.line("export").code, 0, "{step}");
        assert!(rows(&bed) == second, "{step}: something is missing");
        if !died {
            return;
        }
    }
    panic!("there is no end");
}

#[test]
fn plain_files_that_somebody_puts_back_give_way_to_those_of_the_snapshot() {
    let mut bed = exported("files");
    let older = bed.files();
    let id = bed.rows(Table::Participants)[3].iter().find(|(column, _)| column == "participant_id").unwrap().1.clone();
    assert_eq!(bed.command(&["purge", "--participant-id", &id]).output().unwrap().status.code(), Some(0));
    let purged = rows(&bed);
    for command in ["export", "purge --before 2020-01-01 --yes"] {
        for (path, bytes) in &older {
            fs::remove_file(path).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let looked = verify(&bed, &["--json"]);
        assert_eq!(looked.code, 9, "{looked:?}");
        let found = lines(&report(&looked), "damages");
        assert!(found.iter().all(|(_, what)| what.contains("is not that of the newest snapshot")), "{found:?}");
        let ran = bed.line(command);
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
        assert!(rows(&bed) == purged, "{command}: what was erased is back");
        whole(&bed.dataset());
    }
    bed.environment.clear();
}

#[test]
fn a_bit_that_rots_in_both_names_of_a_file_is_found_and_mended() {
    let bed = exported("files");
    let wanted = rows(&bed);
    for at in [60, 900] {
        let (path, bytes) =
            bed.files().into_iter().find(|(path, _)| path.to_str().unwrap().contains("participants")).unwrap();
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        fs::write(&path, flipped).unwrap(); // in place
        assert_eq!(bed.line("export --full").code, 6);
        let repaired = verify(&bed, &["--repair", "--json"]);
        assert_eq!(repaired.code, 9, "{repaired:?}");
        for command in report(&repaired)["repaired"]["commands"].as_array().unwrap() {
            let ran = bed.line(command.as_str().unwrap());
            assert_eq!(ran.code, 0, "{command}: {ran:?}");
        }
        assert!(rows(&bed) == wanted);
        whole(&bed.dataset());
        let looked = verify(&bed, &["--json"]);
        assert_eq!((looked.code, notices(&looked)), (0, vec![]), "{looked:?}");
    }
}

#[test]
fn no_value_that_a_stricter_rule_protects_stays_in_a_snapshot_or_beside_one() {
    let search = |bed: &Bed, name: &str| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/byte_search.py");
        let found = Command::new(python()).arg(script).args([bed.dataset().to_str().unwrap(), name]).output().unwrap();
        String::from_utf8_lossy(&found.stdout).into_owned()
    };
    for step in (1..400).step_by(7) {
        let mut bed = Bed::new(old_sessions(0));
        bed.environment.push((FORMAT.to_owned(), "delta".to_owned()));
        // A first run that dies has left files that no snapshot lists.
        let mut command = bed.export(&["-q"]);
        let _ = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
        if step % 2 == 1 {
            assert_eq!(bed.run(&[]).code, 0);
        }
        let named = |row: &Vec<(String, String)>| row.iter().find(|(column, _)| column == "name").unwrap().1.clone();
        let account: Vec<_> = Account::new(5, 300, Shape::Realistic).sessions().collect();
        let name = account
            .iter()
            .flat_map(|it| &it.participants)
            .filter_map(|it| match &it.name {
                Name::Text(name) => Some(name.clone()),
                _ => None,
            })
            .find(|it| it.len() > 8);
        let name = name.unwrap();
        if step == 1 {
            assert!(bed.rows(Table::Participants).iter().any(|row| named(row) == name));
            assert!(!search(&bed, &name).is_empty(), "the search finds nobody");
        }
        bed.environment.push(("ROLLBOOK_PRIVACY_PSEUDONYMIZE".to_owned(), "name,participant_id".to_owned()));
        bed.environment.push(("ROLLBOOK_PSEUDONYM_KEY".to_owned(), KEY.to_owned()));
        let mut command = bed.export(&["-q"]);
        let ran = command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
        let died = ran.status.code().is_none();
        let ran = bed.run(&[]);
        assert_eq!(ran.code, 0, "{step}: {ran:?}");
        let found = search(&bed, &name);
        assert!(found.is_empty(), "{step}, {name}: {found}");
        whole(&bed.dataset());
        if !died && step > 150 {
            return;
        }
    }
    panic!("there is no end");
}

/// Has a snapshot say that it was made so many days ago, in a record without a sum.
fn made_before(dataset: &Path, number: u64, days: i64) {
    let path = dataset.join(format!("lake/snapshots/{number:08}.json"));
    let mut record = json_of(&path);
    let made = chrono::Utc::now() - chrono::Duration::days(days);
    record["created_at"] = json!(made.to_rfc3339_opts(chrono::SecondsFormat::Micros, true));
    record.as_object_mut().unwrap().remove("sum");
    fs::write(&path, record.to_string()).unwrap();
}

#[test]
fn a_weekly_rhythm_takes_no_snapshot_away_that_a_query_reads() {
    let mut bed = exported("files");
    bed.environment.push((KEEP.to_owned(), "7d".to_owned()));
    for (week, made) in [(1, 8), (2, 8), (3, 0)] {
        // Last week's export is eight days old, and has been current until now.
        made_before(&bed.dataset(), week, made);
        fs::remove_file(bed.dataset().join("lake/current.json")).unwrap(); // it says when, too
        bed.serve(old_sessions(week));
        let first = whole_files(&bed.dataset(), week);
        assert_eq!(bed.run(&[]).code, 0);
        assert!(snapshots(&bed.dataset()).contains(&format!("{week:08}.json")), "week {week}");
        assert!(immutable(&bed.dataset()).is_superset(&first), "week {week}");
    }
    // What has ceased to be current eight days ago has gone.
    assert_eq!(snapshots(&bed.dataset()), ["00000002.json", "00000003.json", "00000004.json"]);
}

/// The files that a snapshot lists.
fn whole_files(dataset: &Path, number: u64) -> BTreeSet<String> {
    let record = json_of(&dataset.join(format!("lake/snapshots/{number:08}.json")));
    let files = record["tables"].as_object().unwrap().values().flat_map(|files| files.as_array().unwrap());
    files.map(|file| file["path"].as_str().unwrap().to_owned()).collect()
}
