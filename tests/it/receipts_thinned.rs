//! Old receipts go (`dataset.keep_receipts`), and nothing that rests on receipts falls.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use rollbook::sim::{Account, Canned, Options, Script, Shape};
use serde_json::Value;

use crate::bed::{Bed, Ran};

fn bed() -> Bed {
    Bed::new(Options::new(Account::new(71, 120, Shape::Varied)))
}

fn own(bed: &Bed, name: &str) -> PathBuf {
    bed.dataset().join("_rollbook").join(name)
}

/// The ids of the runs that have receipts.
fn receipts(bed: &Bed) -> BTreeSet<String> {
    let entries = fs::read_dir(own(bed, "runs")).unwrap();
    entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
}

/// Runs a command, and has the run been in another year by its receipt and all that names it.
fn long_ago(bed: &Bed, arguments: &[&str], year: u32) -> String {
    let mut command = bed.command(arguments);
    let ran = Ran::of(command.arg("--json").env("ROLLBOOK_DATASET_KEEP_RECEIPTS", "0s").output().unwrap());
    let receipt = ran.receipt();
    let run_id = receipt["run_id"].as_str().unwrap().to_owned();
    let other = format!("{year}{}", &run_id[4..]);
    let path = own(bed, &format!("runs/{run_id}.json"));
    let text = fs::read_to_string(&path).unwrap();
    let mut aged: Value = serde_json::from_str(&text).unwrap();
    for field in ["started_at", "finished_at"] {
        aged[field] = format!("{year}{}", &aged[field].as_str().unwrap()[4..]).into();
    }
    aged["run_id"] = other.clone().into();
    fs::write(own(bed, &format!("runs/{other}.json")), aged.to_string()).unwrap();
    fs::remove_file(path).unwrap();
    other
}

fn refuse(bed: &mut Bed) {
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    bed.serve(Options { script, ..Options::new(Account::new(71, 120, Shape::Varied)) });
}

/// A dataset with receipts of other years: the first export, two failures, a purge, two nights.
fn aged() -> (Bed, [String; 6]) {
    let mut bed = bed();
    let first = long_ago(&bed, &["export"], 2019);
    refuse(&mut bed);
    let failures = [2020, 2021].map(|year| long_ago(&bed, &["export"], year));
    bed.serve(Options::new(Account::new(71, 120, Shape::Varied)));
    let purge = long_ago(&bed, &["purge", "--before", "2020-01-01"], 2022);
    let nights = [2023, 2024].map(|year| long_ago(&bed, &["export"], year));
    let [[early, late], [before, last]] = [failures, nights];
    (bed, [first, early, late, purge, before, last])
}

#[test]
fn a_run_removes_old_receipts_that_nothing_rests_on() {
    let (bed, [first, early, late, purge, before, last]) = aged();
    assert_eq!(receipts(&bed).len(), 6);
    let ran = bed.line("rollbook export --json --dry-run");
    assert_eq!((ran.code, receipts(&bed).len()), (0, 6), "{ran:?}");
    let mut all = bed.command(&["export"]);
    assert_eq!(Ran::of(all.env("ROLLBOOK_DATASET_KEEP_RECEIPTS", "0s").output().unwrap()).code, 0);
    assert_eq!(receipts(&bed).len(), 7);
    let ran = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let left = receipts(&bed);
    for gone in [&early, &late] {
        assert!(!left.contains(gone), "{gone} is left: {left:?}");
    }
    assert!(left.contains(&purge), "{left:?}");
    // Every file of the dataset has its receipt still.
    let named: BTreeSet<(String, String)> = left
        .iter()
        .flat_map(|run| {
            let text = fs::read_to_string(own(&bed, &format!("runs/{run}.json"))).unwrap();
            let receipt: Value = serde_json::from_str(&text).unwrap();
            receipt["partitions"].as_array().unwrap().clone()
        })
        .map(|file| (file["path"].as_str().unwrap().to_owned(), file["sha256"].as_str().unwrap().to_owned()))
        .collect();
    let state: Value = serde_json::from_str(&fs::read_to_string(own(&bed, "state.json")).unwrap()).unwrap();
    for (path, recorded) in state["files"].as_object().unwrap() {
        assert!(named.contains(&(path.clone(), recorded["sha256"].as_str().unwrap().to_owned())), "{path}: {left:?}");
    }
    assert!(left.len() < 8, "{first} {before} {last}: {left:?}");
    assert_eq!(bed.line("rollbook verify").code, 0);
}

#[test]
fn after_the_thinning_a_lost_state_is_still_made_up_for() {
    let (bed, _) = aged();
    assert_eq!(bed.line("rollbook export").code, 0);
    fs::remove_file(own(&bed, "state.json")).unwrap();
    assert_eq!(bed.line("rollbook verify").code, 0);
    let bytes = bed.files();
    assert_eq!(bed.line("rollbook export").code, 0);
    assert!(bed.files() == bytes);
}

#[test]
fn the_newest_the_newest_success_and_what_is_not_understood_stay() {
    let mut bed = bed();
    let proof = long_ago(&bed, &["export"], 2019);
    let range = long_ago(&bed, &["backfill", "--month", "2020-01"], 2020);
    refuse(&mut bed);
    let failed = long_ago(&bed, &["export"], 2021);
    for (name, text) in [("20180101T000000000Z-000000", "{}"), ("20180101T000000000Z-000001", "no receipt")] {
        fs::write(own(&bed, &format!("runs/{name}.json")), text).unwrap();
    }
    let ran = bed.line("rollbook export --json");
    assert_eq!(ran.code, 4);
    let newest = ran.receipt()["run_id"].as_str().unwrap().to_owned();
    let left = receipts(&bed);
    assert!(left.is_superset(&BTreeSet::from([proof, range, newest])), "{left:?}");
    assert!(!left.contains(&failed) && left.iter().filter(|run| run.starts_with("2018")).count() == 2, "{left:?}");
}
