//! Random damage to any file of a dataset, its records included: every command ends with a code of the contract, names the
//! file, and shows a way out that works.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bed::{Bed, next, number};
use crate::damage::{exported, files_below, rows};

/// So many in `cargo test`; `ROLLBOOK_TEST_DAMAGES` has more of them tried.
const DAMAGES: u64 = 40;

fn put_back(dataset: &Path, files: &BTreeMap<PathBuf, Vec<u8>>) {
    fs::remove_dir_all(dataset).unwrap();
    for (path, bytes) in files {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Damages some bytes in one of several ways; which it was.
fn damage(bytes: &mut Vec<u8>, random: &mut u64) -> &'static str {
    let at = next(random) % bytes.len();
    let to = (at + 1 + next(random) % 64).min(bytes.len());
    match next(random) % 16 {
        0 => {
            bytes.truncate(at);
            "cut off"
        }
        1 => {
            bytes[at..to].fill(0);
            "zeros"
        }
        2 => {
            bytes[at..to].iter_mut().for_each(|byte| *byte = u8::try_from(next(random) % 256).unwrap());
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
            bytes[at] ^= 1 << (next(random) % 8);
            "a bit"
        }
    }
}

/// What is wrong with how the commands ended over one damage.
fn tried(bed: &Bed, path: &Path, whole: &[Vec<(String, String)>]) -> Vec<String> {
    let name = path.strip_prefix(bed.dataset()).unwrap().to_str().unwrap().to_owned();
    let mut faults = Vec::new();
    let mut check = |line: &str, codes: &[i32]| {
        let ran = bed.line(line);
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
    assert_eq!(bed.line("purge --participant-id nobody --yes -q").code, 0);
    assert_eq!(bed.line("export -q").code, 0);
    let (whole, files) = (rows(&bed), files_below(&bed.dataset(), &[]));
    let paths: Vec<_> = files.iter().filter(|(_, bytes)| !bytes.is_empty()).map(|(path, _)| path).collect();
    let first = number("ROLLBOOK_TEST_FIRST").unwrap_or(0);
    let mut faulty = Vec::new();
    for seed in first..first + number("ROLLBOOK_TEST_DAMAGES").unwrap_or(DAMAGES) {
        put_back(&bed.dataset(), &files);
        let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        next(&mut random);
        let path = paths[next(&mut random) % paths.len()];
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
