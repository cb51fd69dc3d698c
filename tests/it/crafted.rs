//! Somebody who can write into the dataset's folder and knows its forms: stages with right sums, rejects without an end, folders in
//! folders, files where folders should be. No run ends at it for good, and `verify` tells of it.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::damage::rows;
use crate::hostile_files::{copy, ends, exported, run, stopped};

/// The responses of a stage that a run has left.
struct Staged {
    header: String,
    rows: Vec<u8>,
    identities: Vec<u8>,
    records: Vec<Value>,
}

impl Staged {
    fn read(folder: &Path) -> Self {
        let read = |name: &str| fs::read(folder.join(name)).unwrap();
        let journal = String::from_utf8(read("journal")).unwrap();
        let (header, lines) = journal.split_once('\n').unwrap();
        let value = |line: &str| serde_json::from_str(line.split_once(' ').unwrap().1).unwrap();
        let records = lines.lines().map(value).filter(|record: &Value| record["hash"].is_u64()).collect();
        Self { header: header.to_owned(), rows: read("rows"), identities: read("identities"), records }
    }

    /// Puts it there with right sums.
    fn write(mut self, folder: &Path) {
        let number = |record: &Value, name: &str| usize::try_from(record[name].as_u64().unwrap()).unwrap();
        let sessions = self.records.last().map_or(1, |last| number(last, "sessions")).max(1);
        let size = self.identities.len() / sessions;
        let (mut end, mut before) = (0, 0);
        let mut journal = self.header + "\n";
        for record in &mut self.records {
            let mut hasher = Xxh3::new();
            let (to, behind) = (number(record, "end"), number(record, "sessions"));
            hasher.update(&self.rows[end..to]);
            hasher.update(&self.identities[before * size..behind * size]);
            record["hash"] = hasher.digest().into();
            (end, before) = (to, behind);
            let text = record.to_string();
            writeln!(journal, "{:016x} {text}", xxh3_64(text.as_bytes())).unwrap();
        }
        for (name, bytes) in
            [("rows", &self.rows[..]), ("identities", &self.identities), ("journal", journal.as_bytes())]
        {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }

    /// The first response with rows.
    fn first(&mut self) -> &mut Value {
        self.records.iter_mut().find(|record| record["segments"][0].is_object()).unwrap()
    }
}

#[test]
fn a_crafted_stage_ends_no_run_for_good() {
    let whole = rows(&exported());
    let bed = exported();
    stopped(&bed);
    let left = bed.folder.path().join("left");
    copy(&bed.dataset(), &left);
    let changes: [(&str, fn(&mut Staged)); 6] = [
        ("nothing", |_| {}),
        ("day", |staged| staged.first()["segments"][0]["day"] = 3_652_060.into()),
        ("page", |staged| staged.first()["page"] = 0.into()),
        ("unusable", |staged| staged.first()["unusable"] = u64::MAX.into()),
        ("ordinal", |staged| staged.identities[31] = 1),
        // Behind the sessions of a segment stand its participants and timelogs.
        ("rows", |staged| {
            let segment = &staged.first()["segments"][0];
            let [at, length] =
                ["offset", "length"].map(|name| usize::try_from(segment[name].as_u64().unwrap()).unwrap());
            staged.rows[at + length / 2..at + length].fill(0xff);
        }),
    ];
    for (what, change) in changes {
        fs::remove_dir_all(bed.dataset()).unwrap();
        copy(&left, &bed.dataset());
        let stage = bed.dataset().join("_rollbook/stage");
        let mut staged = Staged::read(&stage);
        change(&mut staged);
        staged.write(&stage);
        let ran = run(&bed, "export --full");
        let told = ran.stderr.matches("the rows that a stopped run had read are set aside").count();
        assert_eq!(told, usize::from(what != "nothing"), "{what}: {ran:?}");
        // What is only met when the rows are wanted ends this run, and no other.
        assert_eq!(ran.code, if what == "rows" { 6 } else { 0 }, "{what}: {ran:?}");
        if what == "rows" {
            assert!(ran.stderr.contains(stage.to_str().unwrap()) && ran.stderr.contains("`--fresh`"), "{ran:?}");
        }
        let ran = run(&bed, "export --full");
        assert_eq!(ran.code, 0, "{what}: {ran:?}");
        assert!(rows(&bed) == whole, "{what}");
    }
}

#[test]
fn rejects_that_can_not_be_read_end_no_command_and_are_told() {
    let bed = exported();
    let sound = bed.folder.path().join("sound");
    fs::rename(bed.dataset(), &sound).unwrap();
    let line = r#"{"page":1,"index":0,"reason":"bad_value","raw":"{}"}"#;
    for (what, is_endless) in [("no UTF-8", false), ("no end", true)] {
        for repairs in [true, false] {
            copy(&sound, &bed.dataset());
            let path = bed.dataset().join("_rollbook/rejects/20261101T000000Z-0.jsonl");
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, format!("{line}\n")).unwrap();
            let mut file = OpenOptions::new().append(true).open(&path).unwrap();
            file.write_all(b"\xff\xfe\n").unwrap();
            if is_endless {
                file.set_len(5 << 30).unwrap();
            }
            let ran = run(&bed, "export");
            assert_eq!(ran.code, 0, "{what}: {ran:?}");
            assert_eq!(ran.stderr.matches("holds what is no line of it").count(), 1, "{what}: {ran:?}");
            assert!(ran.stderr.contains(path.to_str().unwrap()), "{what}: {ran:?}");
            let looked = run(&bed, "verify --json");
            assert_eq!(looked.code, 9, "{what}: {looked:?}");
            let damage = &looked.receipt()["damages"][0];
            assert!(path.ends_with(damage["path"].as_str().unwrap()), "{what}: {damage}");
            if repairs {
                let _ = run(&bed, "verify --repair");
                assert!(!path.exists(), "{what}");
            } else {
                let ran = run(&bed, "purge --before 2020-01-01 --yes");
                assert_eq!(ran.code, 0, "{what}: {ran:?}");
                assert_eq!(ran.stderr.matches("holds what is no line of it").count(), 1, "{what}: {ran:?}");
                assert_eq!(fs::read_to_string(&path).unwrap(), format!("{line}\n"), "{what}");
            }
            let looked = run(&bed, "verify");
            assert_eq!(looked.code, 0, "{what}: {looked:?}");
            fs::remove_dir_all(bed.dataset()).unwrap();
        }
    }
}

/// Thousands of folders in one another. The last is reached by no path, which would be too long.
fn nested(folder: &Path) {
    let (inner, outer) = (folder.join("inner"), folder.join("outer"));
    fs::create_dir_all(&inner).unwrap();
    for _ in 1..3_000 {
        fs::create_dir(&outer).unwrap();
        fs::rename(&inner, outer.join("inner")).unwrap();
        fs::rename(&outer, &inner).unwrap();
    }
}

fn remove(folder: &Path) {
    assert!(Command::new("rm").arg("-rf").arg(folder).status().unwrap().success());
}

#[test]
fn folders_in_folders_overflow_nothing_and_are_set_aside() {
    let bed = exported();
    let sound = bed.folder.path().join("sound");
    fs::rename(bed.dataset(), &sound).unwrap();
    for place in ["_rollbook/publishing", "sessions", "_rollbook/damaged"] {
        copy(&sound, &bed.dataset());
        nested(&bed.dataset().join(place));
        let limited = |line: &str| {
            let command = bed.command(&line.split(' ').collect::<Vec<_>>());
            let mut shell = Command::new("sh");
            shell.args(["-c", "ulimit -n 256; exec \"$0\" \"$@\""]).arg(command.get_program()).args(command.get_args());
            shell.env_clear().envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
            shell.current_dir(bed.folder.path());
            ends(shell)
        };
        let is_told = place != "_rollbook/damaged"; // what a repair has set aside is nobody's way
        for line in ["export", "purge --before 2020-01-01 --yes"] {
            let ran = limited(line);
            assert_eq!(ran.code, if is_told { 6 } else { 0 }, "{place}, {line}: {ran:?}");
            assert!(!is_told || ran.stderr.contains("a folder is in the way: "), "{place}, {line}: {ran:?}");
        }
        let looked = limited("verify");
        assert_eq!(looked.code, if is_told { 9 } else { 0 }, "{place}: {looked:?}");
        let _ = limited("verify --repair");
        for line in ["export --full", "verify"] {
            let ran = limited(line);
            assert_eq!(ran.code, 0, "{place}, {line}: {ran:?}");
        }
        remove(&bed.dataset());
    }
}

/// Makes a file of what is to be a folder, or the other way round.
fn otherwise(path: &Path, is_file: bool) {
    let _ = fs::remove_file(path);
    let _ = fs::remove_dir_all(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    if is_file { fs::write(path, "somebody's\n").unwrap() } else { fs::create_dir_all(path.join("x")).unwrap() }
}

#[test]
fn a_folder_for_a_file_and_a_file_for_a_folder_are_told_and_set_aside() {
    let bed = exported();
    let whole = rows(&bed);
    let sound = bed.folder.path().join("sound");
    fs::rename(bed.dataset(), &sound).unwrap();
    for (place, is_file) in [
        ("_rollbook/stage", true),
        ("_rollbook/stage/rows", false),
        ("_rollbook/stage/aside", true),
        ("_rollbook/stage/aside/rows", false),
        ("_rollbook/runs", true),
        ("_rollbook/publishing", true),
        ("_rollbook/publishing/9.json", false),
        ("_rollbook/rejects", true),
        ("_rollbook/state.json", false),
        ("sessions", true),
        ("sessions/start_month=2026-11", true),
        ("sessions/start_month=2031-01", true),
        ("timelogs/start_month=2026-11/part-0.parquet", false),
    ] {
        copy(&sound, &bed.dataset());
        otherwise(&bed.dataset().join(place), is_file);
        for line in ["export", "purge --before 2020-01-01 --yes"] {
            let ran = run(&bed, line);
            assert_eq!(ran.code, 6, "{place}, {line}: {ran:?}");
            assert!(ran.stderr.contains(bed.dataset().join(place).to_str().unwrap()), "{place}, {line}: {ran:?}");
        }
        let looked = run(&bed, "verify --json");
        assert_eq!(looked.code, 9, "{place}: {looked:?}");
        assert!(looked.receipt()["damages"].to_string().contains(place), "{place}: {looked:?}");
        let repaired = run(&bed, "verify --repair --json");
        assert_eq!(repaired.code, 9, "{place}: {repaired:?}");
        for command in repaired.receipt()["repaired"]["commands"].as_array().unwrap() {
            let ran = run(&bed, command.as_str().unwrap());
            assert_eq!(ran.code, 0, "{place}, {command}: {ran:?}");
        }
        for line in ["export --full", "verify"] {
            let ran = run(&bed, line);
            assert_eq!(ran.code, 0, "{place}, {line}: {ran:?}");
        }
        assert!(rows(&bed) == whole, "{place}");
        fs::remove_dir_all(bed.dataset()).unwrap();
    }
}
