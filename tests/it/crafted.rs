//! Somebody who can write into the dataset's folder and knows its forms: stages with right sums, rejects without an end, folders in
//! folders, files where folders should be. No run ends at it for good, and `verify` tells of it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::damage::rows;
use crate::hostile_files::{copy, exported, run, stopped};

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
        let told = ran.stderr.matches("what a stopped run had read is set aside").count();
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
