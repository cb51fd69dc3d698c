//! Random damage to any file of a dataset, its records included: every command ends with a code of the contract, names the
//! file, and shows a way out that works.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bed::{Bed, Ran};
use crate::damage::{exported, rows};

/// So many in `cargo test`; `ROLLBOOK_TEST_DAMAGES` has more of them tried.
const DAMAGES: u64 = 40;

/// Every file below a folder, with its bytes.
fn all(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            found.extend(all(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            found.insert(path, bytes);
        }
    }
    found
}

fn put_back(dataset: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    fs::remove_dir_all(dataset).unwrap();
    for (path, bytes) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % end.max(1)
    }
}

/// Damages some bytes in one of several ways; which it was.
fn damage(bytes: &mut Vec<u8>, random: &mut Random) -> &'static str {
    let at = random.below(bytes.len());
    let to = (at + 1 + random.below(64)).min(bytes.len());
    match random.below(16) {
        0 => {
            bytes.truncate(at);
            "cut off"
        }
        1 => {
            bytes[at..to].fill(0);
            "zeros"
        }
        2 => {
            bytes[at..to].iter_mut().for_each(|byte| *byte = u8::try_from(random.below(256)).unwrap());
            "noise"
        }
        3 => {
            let block = bytes[at..to].to_vec();
            bytes.splice(at..at, block);
            "a block twice"
        }
        4 => {
            bytes.drain(at..to);
            "a block gone"
        }
        5 => {
            bytes.clear();
            "emptied"
        }
        6 => {
            bytes.extend_from_slice(b"{\"more\":1}");
            "more at the end"
        }
        _ => {
            bytes[at] ^= 1 << random.below(8);
            "a bit"
        }
    }
}

fn run(bed: &Bed, line: &str) -> Ran {
    let arguments: Vec<_> = line.split(' ').skip_while(|word| *word == "rollbook").collect();
    Ran::of(bed.command(&arguments).output().unwrap())
}

/// What is wrong with how the commands ended over one damage.
fn tried(bed: &Bed, path: &Path, whole: &[Vec<(String, String)>]) -> Vec<String> {
    let name = path.strip_prefix(bed.dataset()).unwrap().to_str().unwrap().to_owned();
    let mut faults = Vec::new();
    let mut check = |line: &str, codes: &[i32]| {
        let ran = run(bed, line);
        let is_named = ran.code == 0 || ran.stdout.contains(&name) || ran.stderr.contains(&name);
        if !codes.contains(&ran.code) || !is_named && ran.code != 3 {
            faults.push(format!("{line}: {} {}{}", ran.code, ran.stdout, ran.stderr));
        }
        ran
    };
    let is_table = !name.starts_with("_rollbook/");
    check("verify --json", if is_table { &[9] } else { &[0, 6, 9] });
    check("export", if is_table { &[6] } else { &[0, 3, 6] });
    let repaired = check("verify --repair --json", &[0, 6, 9]);
    let report: Value = serde_json::from_str(&repaired.stdout).unwrap_or_default();
    for command in report["repaired"]["commands"].as_array().into_iter().flatten() {
        check(command.as_str().unwrap(), &[0, 3]);
    }
    if name.ends_with("erasures.json") {
        check("export --full", &[0, 6]); // nobody but its owner can put the rules back
        return faults;
    }
    check("export --full", &[0, 3]);
    check("export --full", &[0]);
    if rows(bed) != whole {
        faults.push("the dataset is not what it was".to_owned());
    }
    faults
}

#[test]
fn whatever_is_damaged_is_named_and_there_is_a_way_out() {
    let bed = exported();
    assert_eq!(run(&bed, "purge --participant-id nobody --yes -q").code, 0);
    assert_eq!(run(&bed, "export -q").code, 0);
    let (whole, files) = (rows(&bed), all(&bed.dataset()));
    let paths: Vec<_> = files.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path).collect();
    let number = |name: &str| std::env::var(name).ok().map(|number| number.parse::<u64>().unwrap());
    let first = number("ROLLBOOK_TEST_FIRST").unwrap_or(0);
    let mut faulty = Vec::new();
    for seed in first..first + number("ROLLBOOK_TEST_DAMAGES").unwrap_or(DAMAGES) {
        put_back(&bed.dataset(), &files);
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.below(1);
        let path = paths[random.below(paths.len())];
        let mut bytes = files[path].clone();
        let kind = damage(&mut bytes, &mut random);
        if bytes == files[path] {
            continue;
        }
        fs::write(path, bytes).unwrap();
        let wrong = tried(&bed, path, &whole);
        if !wrong.is_empty() {
            faulty.push(format!("{seed}, {kind} in {}: {wrong:#?}", path.display()));
        }
    }
    assert!(faulty.is_empty(), "{} of them: {}", faulty.len(), faulty.join("\n"));
}
