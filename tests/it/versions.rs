//! A dataset belongs to one version of the API, since v1 lacks columns that v2 fills.

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Options, Shape};

use crate::bed::{Bed, Ran, rollbook};

fn account() -> Options {
    Options::new(Account::new(3, 120, Shape::Plain))
}

fn run(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(bed.command(arguments).output().unwrap())
}

/// How many sessions have a status.
fn filled(bed: &Bed) -> usize {
    let has_status = |row: &&Vec<(String, String)>| row.iter().any(|(name, cell)| name == "status" && cell != "null");
    bed.rows(Table::Sessions).iter().filter(has_status).count()
}

/// The run is refused with both versions and a hint, before anything is asked or changed.
fn refused(bed: &Bed, arguments: &[&str], ours: &str, others: &str) {
    let (before, asked) = (bed.files(), bed.server.requests().count);
    let ran = run(bed, arguments);
    let what = format!("error: the dataset was read from {ours} of the API, and this run reads {others}: ");
    assert!(ran.code == 2 && ran.stderr.contains(&what), "{arguments:?}: {ran:?}");
    assert!(ran.stderr.contains(&format!("hint: use `--api {ours}`")), "{ran:?}");
    assert!(bed.files() == before && bed.server.requests().count == asked, "{arguments:?}");
}

#[test]
fn another_version_is_refused_by_every_command_that_asks_the_api() {
    for (ours, others) in [("v2", "v1"), ("v1", "v2")] {
        let bed = Bed::new(account());
        assert_eq!(run(&bed, &["export", "--api", ours]).code, 0);
        let status = filled(&bed);
        assert_eq!(status, if ours == "v2" { 120 } else { 0 });
        for command in [
            &["export"][..],
            &["export", "--full"],
            &["export", "--dry-run"],
            &["export", "--meeting-id", "m"],
            &["backfill", "--month", "2026-10"],
            &["check"],
        ] {
            refused(&bed, &[command, &["--api", others]].concat(), ours, others);
        }
        // Those that do not ask the API need not be told.
        for command in [&["verify", "--api", others][..], &["purge", "--before", "2001-01-01", "--api", others]] {
            let ran = run(&bed, command);
            assert_eq!(ran.code, 0, "{ran:?}");
        }
        assert_eq!(run(&bed, &["export", "--api", ours]).code, 0);
        assert_eq!(filled(&bed), status);
    }
}

#[test]
fn the_version_is_told_by_the_setting_and_by_the_default_too() {
    let bed = Bed::new(account());
    let ran = Ran::of(bed.command(&["export"]).env("ROLLBOOK_API_VERSION", "v2").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    refused(&bed, &["export"], "v2", "v1");
    assert_eq!(filled(&bed), 120);
}

#[test]
fn without_a_state_the_receipts_tell_the_version() {
    let bed = Bed::new(account());
    assert_eq!(run(&bed, &["export", "--api", "v2"]).code, 0);
    // Its receipt names the version in its settings, and files, but it has read nothing.
    let purged = run(&bed, &["purge", "--before", "2026-01-01", "--json"]);
    assert!(purged.code == 0 && purged.receipt()["api"]["version"] == "v1", "{purged:?}");
    // Neither has a run that was refused.
    refused(&bed, &["export"], "v2", "v1");
    let state = bed.dataset().join("_rollbook/state.json");
    for spoil in
        [&|| std::fs::remove_file(&state), &|| std::fs::write(&state, "{")] as [&dyn Fn() -> std::io::Result<()>; 2]
    {
        spoil().unwrap();
        refused(&bed, &["export"], "v2", "v1");
        assert_eq!(run(&bed, &["export", "--api", "v2"]).code, 0);
        assert_eq!(filled(&bed), 120);
    }
    // Without any record nothing tells what the files are.
    std::fs::remove_dir_all(bed.dataset().join("_rollbook")).unwrap();
    assert_eq!(run(&bed, &["export"]).code, 6);
}

#[test]
fn without_a_state_the_receipts_tell_the_base_url() {
    let bed = Bed::new(account());
    assert_eq!(run(&bed, &["export"]).code, 0);
    std::fs::remove_file(bed.dataset().join("_rollbook/state.json")).unwrap();
    let runs = bed.dataset().join("_rollbook/runs");
    for receipt in std::fs::read_dir(runs).unwrap().flatten() {
        let text = std::fs::read_to_string(receipt.path()).unwrap();
        std::fs::write(receipt.path(), text.replace(&bed.server.base_url(), "https://api.videosdk.live")).unwrap();
    }
    let ran = run(&bed, &["export"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("from https://api.videosdk.live, and this run asks loopback: "), "{ran:?}");
}

#[test]
fn a_demo_goes_on_with_the_version_of_its_dataset() {
    let bed = Bed::new(account());
    let demo = |arguments: &[&str]| {
        let mut command = rollbook(bed.folder.path());
        command.args(["demo", "--sessions", "40", "--json"]).args(arguments).arg("--dest").arg(bed.dataset());
        Ran::of(command.output().unwrap())
    };
    for arguments in [&["--api", "v2"][..], &[], &["--api", "v1"]] {
        let ran = demo(arguments);
        assert!(ran.code == 0 && ran.receipt()["api"]["version"] == "v2", "{ran:?}");
        assert_eq!(filled(&bed), 40);
    }
}
