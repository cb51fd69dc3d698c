//! Somebody who can write into the dataset's folder: links, pipes, sockets and folders in place of files, records that name
//! files elsewhere, second names, folders that are swapped while a run goes on. No run hangs, nothing outside is touched, and
//! there is a way out.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rollbook::sim::{Account, Options, Shape};
use rollbook::store::{Local, Store};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, end_within};
use crate::damage::rows;

/// No command here takes longer, unless it hangs.
const LONGEST: Duration = Duration::from_mins(1);

/// A command's end, which must come.
pub fn ends(mut command: Command) -> Ran {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    end_within(LONGEST, &format!("{command:?}"), child)
}

pub fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

pub fn exported() -> Bed {
    let bed = Bed::new(Options::new(Account::new(83, 40, Shape::Realistic)));
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

pub fn run(bed: &Bed, line: &str) -> Ran {
    let arguments: Vec<_> = line.split(' ').skip_while(|word| *word == "rollbook").collect();
    ends(bed.command(&arguments))
}

pub fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap().success());
}

/// Everything in a folder outside of the dataset: names, bytes and times.
fn seen(folder: &Path) -> Vec<(PathBuf, Vec<u8>, i64, u32)> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let status = fs::metadata(&path).unwrap();
        if status.is_dir() {
            found.extend(seen(&path));
        }
        let bytes = if status.is_file() { fs::read(&path).unwrap() } else { Vec::new() };
        found.push((path, bytes, status.mtime_nsec() + status.mtime() * 1_000_000_000, status.mode()));
    }
    found.sort();
    found
}

/// What is put in a place, by its name in the message; what was there is outside now.
type Obstacle = (&'static str, fn(&Path, &Path));

const OBSTACLES: [Obstacle; 4] = [
    ("a symbolic link", |path, outside| symlink(outside, path).unwrap()),
    ("a symbolic link", |path, _| symlink("/nowhere/at/all", path).unwrap()),
    ("a named pipe", |path, _| pipe(path)),
    ("a socket", |path, _| {
        // Paths of sockets are short.
        let folder = File::open(path.parent().unwrap()).unwrap();
        let short = format!(
            "/proc/self/fd/{}/{}",
            std::os::fd::AsRawFd::as_raw_fd(&folder),
            path.file_name().unwrap().to_str().unwrap()
        );
        drop(UnixListener::bind(short).unwrap());
    }),
];

/// Where they are put; those of a run under way are there while one is stopped.
const PLACES: [&str; 16] = [
    "sessions",
    "participants/start_month=2026-11",
    "timelogs/start_month=2026-11/part-0.parquet",
    "sessions/start_month=2026-11/part-0.parquet",
    "sessions/start_month=2031-01",
    "_rollbook",
    "_rollbook/lock",
    "_rollbook/swap",
    "_rollbook/state.json",
    "_rollbook/erasures.json",
    "_rollbook/runs",
    "_rollbook/runs/9.json",
    "_rollbook/publishing/9.json",
    "_rollbook/rejects/9.jsonl",
    "_rollbook/stage",
    "_rollbook/stage/journal",
];

/// Puts an obstacle in a place, and what was there outside.
fn obstruct(dataset: &Path, place: &str, obstacle: fn(&Path, &Path), outside: &Path) {
    let (path, kept) = (dataset.join(place), outside.join("kept"));
    fs::create_dir_all(outside).unwrap();
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if path.exists() {
        fs::rename(&path, &kept).unwrap();
    } else {
        fs::write(&kept, "somebody's\n").unwrap();
    }
    obstacle(&path, &kept);
}

#[test]
fn what_is_no_file_hangs_no_run_and_leads_nowhere() {
    let bed = exported();
    let sound = bed.folder.path().join("sound");
    fs::rename(bed.dataset(), &sound).unwrap();
    for (number, place) in PLACES.into_iter().enumerate() {
        for (at, (name, obstacle)) in OBSTACLES.into_iter().enumerate() {
            let outside = bed.folder.path().join(format!("outside-{number}-{at}"));
            copy(&sound, &bed.dataset());
            obstruct(&bed.dataset(), place, obstacle, &outside);
            let before = seen(&outside);
            let words = format!("{name} is in the way: {}", bed.dataset().join(place).display());
            for line in
                ["export", "export --full --dry-run", "backfill --month 2026-11", "purge --before 2020-01-01", "check"]
            {
                let ran = run(&bed, line);
                assert_eq!(ran.code, 6, "{place}, {line}: {ran:?}");
                assert!(ran.stderr.contains(&words) && ran.stderr.contains("hint: "), "{place}, {line}: {ran:?}");
                assert!(seen(&outside) == before, "{place}, {name}, {line}: something outside was changed");
            }
            let looked = run(&bed, "verify --json");
            assert_eq!(looked.code, 9, "{place}, {name}: {looked:?}");
            let damages = looked.receipt()["damages"].to_string();
            assert!(damages.contains(place), "{place}, {name}: {damages}");
            let _ = run(&bed, "verify --repair");
            assert!(seen(&outside) == before, "{place}, {name}: a repair has changed something outside");
            fs::remove_dir_all(bed.dataset()).unwrap();
        }
    }
}

#[test]
fn a_repair_sets_aside_what_is_no_file_and_names_what_makes_the_dataset_whole() {
    let bed = exported();
    let whole = rows(&bed);
    let sound = bed.folder.path().join("sound");
    fs::rename(bed.dataset(), &sound).unwrap();
    for (number, place) in PLACES.into_iter().enumerate() {
        // What runs lock and the list of what was purged are a person's to put right.
        if ["_rollbook", "_rollbook/lock", "_rollbook/swap", "_rollbook/erasures.json"].contains(&place) {
            continue;
        }
        let (name, obstacle) = OBSTACLES[number % OBSTACLES.len()];
        let outside = bed.folder.path().join(format!("outside-{number}"));
        copy(&sound, &bed.dataset());
        obstruct(&bed.dataset(), place, obstacle, &outside);
        let repaired = run(&bed, "verify --repair --json");
        assert_eq!(repaired.code, 9, "{place}, {name}: {repaired:?}");
        let report = repaired.receipt();
        let aside = bed.dataset().join(report["repaired"]["folder"].as_str().unwrap()).join(place);
        assert!(fs::symlink_metadata(&aside).is_ok(), "{place}, {name}: {report}");
        let commands: Vec<_> = report["repaired"]["commands"].as_array().unwrap().iter().collect();
        for command in &commands {
            let ran = run(&bed, command.as_str().unwrap());
            assert_eq!(ran.code, 0, "{place}, {name}, {command}: {ran:?}");
        }
        let ran = run(&bed, "export -q");
        assert_eq!(ran.code, 0, "{place}, {name}, {commands:?}: {ran:?}");
        assert!(rows(&bed) == whole, "{place}, {name}, {commands:?}");
        let looked = run(&bed, "verify");
        assert_eq!(looked.code, 0, "{place}, {name}: {looked:?}");
        fs::remove_dir_all(bed.dataset()).unwrap();
    }
}

#[test]
fn a_folder_in_place_of_a_file_is_told() {
    let bed = exported();
    for place in ["lock", "swap", "state.json", "erasures.json"] {
        let path = bed.dataset().join("_rollbook").join(place);
        let kept = fs::read(&path);
        let _ = fs::remove_file(&path);
        fs::create_dir(&path).unwrap();
        let ran = run(&bed, "export");
        assert_eq!(ran.code, 6, "{place}: {ran:?}");
        assert!(ran.stderr.contains(&format!("a folder is in the way: {}", path.display())), "{place}: {ran:?}");
        fs::remove_dir(&path).unwrap();
        if let Ok(kept) = kept {
            fs::write(&path, kept).unwrap();
        }
    }
    assert_eq!(run(&bed, "export").code, 0);
}

/// A run that dies with rows on the disk.
pub fn stopped(bed: &Bed) {
    let ran = bed.export(&["-q"]).env("ROLLBOOK_TEST_FAULTS", "die:3").output().unwrap();
    assert_eq!(ran.status.code(), None, "{ran:?}");
    assert!(bed.dataset().join("_rollbook/stage/rows").metadata().unwrap().len() > 0);
}

#[test]
fn a_link_in_the_stage_is_not_written_through() {
    let bed = Bed::new(Options::new(Account::new(83, 40, Shape::Realistic)));
    let victim = bed.folder.path().join("authorized_keys");
    for (name, at) in [("rows", false), ("identities", false), ("journal", false), ("rows", true), ("journal", true)] {
        fs::write(&victim, "ssh-ed25519 AAAA\n").unwrap();
        let stage = bed.dataset().join("_rollbook/stage");
        fs::create_dir_all(&stage).unwrap();
        if at {
            stopped(&bed);
            fs::remove_file(stage.join(name)).unwrap();
        }
        symlink(&victim, stage.join(name)).unwrap();
        let ran = run(&bed, "export");
        assert_eq!(ran.code, 6, "{name}: {ran:?}");
        assert!(
            ran.stderr.contains(&format!("a symbolic link is in the way: {}", stage.join(name).display())),
            "{ran:?}"
        );
        assert_eq!(fs::read_to_string(&victim).unwrap(), "ssh-ed25519 AAAA\n", "{name}");
        fs::remove_file(stage.join(name)).unwrap();
        assert_eq!(run(&bed, "export --full").code, 0, "{name}");
    }
}

#[test]
fn a_stage_elsewhere_is_no_way_to_other_files_either() {
    let bed = exported();
    let (stages, victim) = (bed.folder.path().join("stages"), bed.folder.path().join("victim"));
    fs::write(&victim, "kept\n").unwrap();
    let export = |faults: &str| {
        let mut command = bed.export(&["-q"]);
        command.env("ROLLBOOK_STAGE_DIR", &stages).env("ROLLBOOK_TEST_FAULTS", faults);
        command
    };
    assert_eq!(export("die:3").output().unwrap().status.code(), None);
    let own = fs::read_dir(&stages).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
    for name in ["rows", "journal"] {
        fs::remove_file(own.join(name)).unwrap();
        symlink(&victim, own.join(name)).unwrap();
        let ran = ends(export("none"));
        assert_eq!(ran.code, 6, "{name}: {ran:?}");
        assert!(ran.stderr.contains("a symbolic link is in the way: "), "{name}: {ran:?}");
        fs::remove_file(own.join(name)).unwrap();
        pipe(&own.join(name));
        let ran = ends(export("none"));
        assert!(ran.code == 6 && ran.stderr.contains("a named pipe is in the way: "), "{name}: {ran:?}");
        fs::remove_file(own.join(name)).unwrap();
    }
    fs::remove_dir_all(&own).unwrap();
    symlink(bed.folder.path(), &own).unwrap();
    let ran = ends(export("none"));
    assert!(ran.code == 6 && ran.stderr.contains("a symbolic link is in the way: "), "{ran:?}");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept\n");
    fs::remove_file(&own).unwrap();
    // The folder that was named may be reached by a link.
    fs::rename(&stages, bed.folder.path().join("disk")).unwrap();
    symlink("disk", &stages).unwrap();
    assert_eq!(ends(export("none")).code, 0);
}

#[test]
fn a_staged_file_with_a_second_name_is_not_written_to() {
    for name in ["rows", "identities", "journal"] {
        let bed = exported();
        stopped(&bed);
        let (staged, other) = (bed.dataset().join("_rollbook/stage").join(name), bed.folder.path().join("other"));
        fs::hard_link(&staged, &other).unwrap();
        let before = fs::read(&other).unwrap();
        let ran = run(&bed, "export --full");
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert!(ran.stderr.contains("one of its files has another name, too"), "{name}: {ran:?}");
        assert!(fs::read(&other).unwrap() == before, "{name}");
    }
}

#[test]
fn a_lock_with_a_second_name_keeps_its_mode() {
    let bed = exported();
    let (lock, other) = (bed.dataset().join("_rollbook/lock"), bed.folder.path().join("other"));
    fs::write(&other, "text\n").unwrap();
    fs::set_permissions(&other, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::remove_file(&lock).unwrap();
    fs::hard_link(&other, &lock).unwrap();
    assert_eq!(run(&bed, "export").code, 0);
    assert_eq!((fs::metadata(&other).unwrap().mode() & 0o777, fs::read(&other).unwrap()), (0o644, b"text\n".to_vec()));
}

#[test]
fn a_state_that_names_files_elsewhere_moves_none_of_them() {
    let bed = exported();
    let whole = rows(&bed);
    let victim = bed.folder.path().join("victim.parquet");
    let inner = bed.dataset().join("notes.parquet");
    let state = bed.dataset().join("_rollbook/state.json");
    for path in [
        victim.to_str().unwrap(),
        "../victim.parquet",
        "sessions/../../victim.parquet",
        "sessions/start_month=2026-11/../../../victim.parquet",
        "notes.parquet",
        "_rollbook/erasures.json",
        "sessions/start_month=2026-11/../start_month=2026-11/part-0.parquet",
        "sessions/start_date=2026-11-01/part-0.parquet",
        "./sessions/start_month=2026-12/part-0.parquet",
        "sessions//start_month=2026-12/part-0.parquet",
        "",
    ] {
        fs::write(&victim, "kept\n").unwrap();
        fs::write(&inner, "kept\n").unwrap();
        let sound = fs::read(&state).unwrap();
        let mut crafted: Value = serde_json::from_slice(&sound).unwrap();
        crafted["files"][path] = json!({"rows": 1, "sha256": "0".repeat(64)});
        fs::write(&state, crafted.to_string()).unwrap();
        let looked = run(&bed, "verify --json");
        assert_eq!(looked.code, 9, "{path}: {looked:?}");
        let damages = &looked.receipt()["damages"];
        assert_eq!(damages[0]["path"], "_rollbook/state.json", "{path}: {looked:?}");
        assert!(
            damages[0]["what"].as_str().unwrap().contains("names what is no file of this dataset"),
            "{path}: {damages}"
        );
        let repaired = run(&bed, "verify --repair --json");
        assert_eq!(
            repaired.receipt()["repaired"]["set_aside"],
            json!(["_rollbook/state.json"]),
            "{path}: {repaired:?}"
        );
        assert_eq!([&victim, &inner].map(|file| fs::read_to_string(file).unwrap()), ["kept\n", "kept\n"], "{path}");
        let ran = run(&bed, "export --full");
        assert_eq!(ran.code, 0, "{path}: {ran:?}");
        assert!(rows(&bed) == whole, "{path}");
        assert_eq!(run(&bed, "verify").code, 0, "{path}");

        // A run sets such a state aside by itself, as any damaged one.
        fs::write(&state, crafted.to_string()).unwrap();
        let ran = run(&bed, "export");
        assert_eq!(ran.code, 0, "{path}: {ran:?}");
        assert!(ran.stderr.contains("names what is no file of this dataset"), "{path}: {ran:?}");
        assert_eq!([&victim, &inner].map(|file| fs::read_to_string(file).unwrap()), ["kept\n", "kept\n"], "{path}");
    }
}

#[test]
fn a_receipt_that_names_files_elsewhere_says_nothing() {
    let bed = exported();
    let victim = bed.folder.path().join("victim.parquet");
    fs::write(&victim, "kept\n").unwrap();
    let receipt = fs::read_dir(bed.dataset().join("_rollbook/runs")).unwrap().next().unwrap().unwrap().path();
    let mut crafted: Value = serde_json::from_slice(&fs::read(&receipt).unwrap()).unwrap();
    crafted["partitions"][0]["path"] = json!("../victim.parquet");
    fs::write(&receipt, crafted.to_string()).unwrap();
    let looked = run(&bed, "verify --json");
    assert_eq!(looked.code, 0, "{looked:?}");
    let notice = looked.receipt()["notices"][0].clone();
    assert!(receipt.ends_with(notice["path"].as_str().unwrap()), "{notice}");
    assert!(notice["what"].as_str().unwrap().contains("the receipt can't be read"), "{notice}");
    fs::remove_file(bed.dataset().join("_rollbook/state.json")).unwrap();
    let _ = run(&bed, "verify --repair");
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept\n");
}

#[test]
fn a_stray_file_that_looks_like_a_partition_locks_nobody_out() {
    for stray in [
        "sessions/start_month=2026-1/part-0.parquet",
        "sessions/start_month=26-11/part-0.parquet",
        "timelogs/start_month=2026-11-01/part-0.parquet",
        "participants/start_date=2026-11-03/part-0.parquet",
        "sessions/part-0.parquet",
    ] {
        let bed = exported();
        let path = bed.dataset().join(stray);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        let before = rows(&bed);
        for line in ["rollbook export --full", "rollbook purge --before 2020-01-01"] {
            let ran = ends(match line.split_once(' ').unwrap().1 {
                "export --full" => bed.export(&[]),
                purge => bed.command(&purge.split(' ').collect::<Vec<_>>()),
            });
            assert_eq!(ran.code, 0, "{stray}, {line}: {ran:?}");
        }
        let ran = run(&bed, "rollbook verify --repair");
        assert!(ran.code == 9 || ran.code == 0, "{stray}: {ran:?}");
        let ran = run(&bed, "rollbook verify");
        assert_eq!(ran.code, 0, "{stray}: {ran:?}");
        assert_eq!(rows(&bed), before, "{stray}");
    }
}

#[test]
fn columns_that_are_nested_without_end_are_damage() {
    let bed = exported();
    let (path, _) = bed.files().remove(0);
    // A version, then a list of 20,000 groups, each with the next one in it.
    let mut metadata = vec![0x15, 2, 0x19, 0xfc, 0xa0, 0x9c, 0x01];
    for _ in 0..20_000 {
        metadata.extend([0x48, 1, b'a', 0x15, 2, 0]);
    }
    metadata.extend([0x16, 0, 0x19, 0x0c, 0]);
    let length = u32::try_from(metadata.len()).unwrap().to_le_bytes();
    fs::write(&path, [b"PAR1", &metadata[..], &length, b"PAR1"].concat()).unwrap();
    let name = path.strip_prefix(bed.dataset()).unwrap().to_str().unwrap().to_owned();
    let ran = run(&bed, "rollbook verify");
    assert!(ran.code == 9 && ran.stdout.contains(&name), "{ran:?}");
    let ran = ends(bed.export(&[]));
    assert!(ran.code == 6 && ran.stderr.contains(&name), "{ran:?}");
    let ran = run(&bed, "rollbook verify --repair");
    assert!(ran.code == 9 && ran.stdout.contains("set aside"), "{ran:?}");
    assert_eq!(ends(bed.export(&[])).code, 0);
    assert_eq!(run(&bed, "rollbook verify").code, 0);
}

#[test]
fn names_of_files_do_not_act_on_the_terminal_of_a_repair() {
    let bed = exported();
    let folder = bed.files()[0].0.parent().unwrap().to_owned();
    fs::write(folder.join("a\u{1b}[2J\nall sound.parquet"), "").unwrap();
    for line in ["rollbook verify", "rollbook verify --repair"] {
        let ran = run(&bed, line);
        assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("\nall sound"), "{line}: {ran:?}");
    }
}

#[test]
fn numbers_that_would_overflow_are_damage() {
    let bed = exported();
    assert_eq!(run(&bed, "rollbook purge --before 2020-01-01").code, 0);
    let path = bed.dataset().join("_rollbook/erasures.json");
    let sound: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (field, number) in [("epoch", json!(u64::MAX)), ("last_number", json!(u32::MAX))] {
        let mut erasures = sound.clone();
        erasures[field] = number;
        fs::write(&path, erasures.to_string()).unwrap();
        for line in ["rollbook purge --before 2020-01-02", "rollbook purge --list"] {
            let ran = run(&bed, line);
            assert!(ran.code == 6 && ran.stderr.contains("the list of erasures is damaged"), "{line}: {ran:?}");
        }
    }
}

#[test]
fn a_store_goes_nowhere_else_whatever_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let (dataset, victim) = (folder.path().join("data"), folder.path().join("victim"));
    fs::create_dir_all(dataset.join("sessions")).unwrap();
    fs::write(&victim, "kept\n").unwrap();
    let store = Local::new(&dataset, "run");
    for path in
        ["../victim", "sessions/../../victim", victim.to_str().unwrap(), "..", ".", "", "sessions/", "a//b", "a/./b"]
    {
        assert!(store.open(path).is_err(), "{path}");
        assert!(store.begin(path).is_err(), "{path}");
        assert!(store.remove(path).is_err(), "{path}");
        assert!(store.set_aside(path, "_rollbook/damaged/x").is_err(), "{path}");
        fs::write(dataset.join("sessions/x"), "").unwrap();
        assert!(store.set_aside("sessions/x", path).is_err(), "{path}");
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "kept\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
}

/// Somebody who keeps replacing folders of the dataset by links, and back, while runs go on.
#[test]
fn folders_that_are_swapped_for_links_meanwhile_lead_nowhere() {
    let bed = exported();
    let outside = bed.folder.path().join("outside");
    fs::create_dir_all(outside.join("stage")).unwrap();
    for name in ["rows", "identities", "journal", "part-0.parquet", "state.json", "stage/rows"] {
        fs::write(outside.join(name), "kept\n").unwrap();
    }
    let before = seen(&outside);
    let (data, done) = (bed.dataset(), AtomicBool::new(false));
    let swapped = ["_rollbook/stage", "_rollbook/runs", "_rollbook", "sessions/start_month=2026-11", "timelogs"];
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for name in swapped {
                    let (path, aside) = (data.join(name), data.join("aside"));
                    if fs::rename(&path, &aside).is_ok() {
                        let _ = symlink(&outside, &path);
                        std::thread::sleep(Duration::from_micros(300));
                        let _ = fs::remove_file(&path);
                        // A run may have made the folder anew meanwhile.
                        let _ = fs::remove_dir_all(&path);
                        let _ = fs::rename(&aside, &path);
                    }
                    std::thread::sleep(Duration::from_micros(700));
                }
            }
        });
        for number in 0..12 {
            let ran = run(&bed, ["export --full", "backfill --month 2026-11", "purge --before 2020-01-01"][number % 3]);
            assert!([0, 2, 3, 6, 7].contains(&ran.code), "{ran:?}");
            assert!(seen(&outside) == before, "{number}: something outside was changed: {ran:?}");
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(seen(&outside) == before);
}
