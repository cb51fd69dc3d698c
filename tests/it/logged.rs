//! Log lines name the run.

use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran};

#[test]
fn each_line_for_a_machine_and_one_for_a_person_name_the_run() {
    let bed = Bed::new(Options::new(Account::new(5, 30, Shape::Plain)));
    let run = |arguments: &[&str], json: &[&str]| Ran::of(bed.command(arguments).args(json).output().unwrap());
    for arguments in [
        &["export", "--json"][..],
        &["backfill", "--month", "2026-10", "--json"],
        &["purge", "--before", "2020-01-01", "--json"],
    ] {
        let ran = run(arguments, &["--log-format", "json", "-v"]);
        let run_id = ran.receipt()["run_id"].clone();
        let lines: Vec<serde_json::Value> =
            ran.stderr.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line["run_id"] == run_id), "{ran:?}");
        let ran = run(arguments, &[]);
        let name = ran.receipt()["run_id"].as_str().unwrap().to_owned();
        assert_eq!(ran.stderr.lines().filter(|line| line.contains(&name)).count(), 1, "{ran:?}");
    }
    let ran = Ran::of(bed.command(&["export", "--log-format", "json"]).env_remove("VIDEOSDK_TOKEN").output().unwrap());
    let last: serde_json::Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert!(last["level"] == "ERROR" && last["run_id"].is_string(), "{ran:?}");
    assert_eq!(run(&["export", "-q"], &[]).stderr, "");
}
