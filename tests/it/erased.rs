//! Erased means erased: whatever killed runs have left, in every folder that rollbook writes to, goes with a purge, and what it
//! could not reach is named.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};
use serde_json::json;

use crate::bed::{Bed, Ran, TOKEN, rollbook};

const ANN: &str = "Ann Lee";

/// A list with a session that Ann was in, and with a record of another one that can't be read whole.
fn with_ann() -> Bed {
    let record = |id: &str, end: &str| {
        format!(
            r#"{{"id":"{id}","start":"2026-11-05T00:00:00Z","end":"{end}","participants":[{{"participantId":"p{id}","name":"{ANN}"}},{{"participantId":"q{id}","name":"Bob"}}]}}"#
        )
    };
    let whole = Change::raw(0, record("whole", "2026-11-05T01:00:00Z"));
    let script = Script::new().before(1, vec![whole, Change::raw(0, record("half", "soon"))]);
    Bed::new(Options { script, ..Options::new(Account::new(97, 30, Shape::Realistic)) })
}

/// Every file below a folder, as long as somebody is there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()) {
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// The files below a folder that show her name, or were in the making.
fn traces(folder: &Path) -> Vec<PathBuf> {
    let is_trace = |path: &PathBuf| {
        let (name, bytes) = (path.file_name().unwrap().to_str().unwrap(), fs::read(path).unwrap());
        name.starts_with('.') || bytes.windows(ANN.len()).any(|window| window == ANN.as_bytes())
    };
    files(folder).into_iter().filter(is_trace).collect()
}

fn purge(bed: &Bed) -> Command {
    bed.command(&["purge", "--participant-name", ANN, "--yes", "--json"])
}

#[test]
fn what_a_killed_run_has_left_goes_with_a_purge() {
    for is_first in [true, false] {
        let (mut drafts, mut records) = (0, 0);
        for step in 1.. {
            assert!(step < 100, "there is no end");
            let bed = with_ann();
            if !is_first {
                assert_eq!(bed.run(&["-q"]).code, 3);
                fs::remove_dir_all(bed.dataset().join("_rollbook/rejects")).unwrap();
            }
            let ran = bed.export(&["-q"]).env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
            let left = traces(&bed.dataset());
            drafts += left.iter().filter(|path| path.to_str().unwrap().contains("/.part-0.parquet")).count();
            records += left.iter().filter(|path| path.to_str().unwrap().contains("/rejects/.")).count();
            let purged = Ran::of(purge(&bed).output().unwrap());
            let is_absent = purged.code == 6 && purged.stderr.contains("there is no dataset");
            assert!(purged.code == 0 || is_first && is_absent, "{is_first}, {step}: {purged:?}");
            assert_eq!(traces(&bed.dataset()), Vec::<PathBuf>::new(), "{is_first}, {step}: something has survived");
            let next = bed.run(&["-q"]);
            assert!([0, 3].contains(&next.code), "{is_first}, {step}: {next:?}");
            if is_absent {
                continue; // no rule is stored where no dataset is
            }
            assert_eq!(traces(&bed.dataset()), Vec::<PathBuf>::new(), "{is_first}, {step}: she has come back");
            let names = bed.rows(Table::Participants);
            assert!(!names.is_empty() && !format!("{names:?}").contains(ANN), "{is_first}, {step}");
            if ran.status.code().is_some() {
                break;
            }
        }
        assert!(drafts > 3 && records > 0, "{is_first}: nothing was in the making: {drafts}, {records}");
    }
}

#[test]
fn the_next_run_lets_go_of_what_a_killed_one_was_writing() {
    let bed = with_ann();
    assert_eq!(bed.run(&["-q"]).code, 3);
    for folder in [
        "_rollbook",
        "_rollbook/rejects",
        "_rollbook/runs",
        "sessions/start_month=2026-11",
        "timelogs",
        "_rollbook/old",
    ] {
        fs::create_dir_all(bed.dataset().join(folder)).unwrap();
        fs::write(bed.dataset().join(folder).join(".x.dead.0.tmp"), ANN).unwrap();
    }
    let kept = bed.dataset().join("timelogs/.DS_Store");
    fs::write(&kept, "").unwrap();
    // Nothing new is rejected, and no other partition is written.
    assert_eq!(bed.run(&["-q"]).code, 0);
    let left: Vec<_> =
        files(&bed.dataset()).into_iter().filter(|path| path.extension().is_some_and(|it| it == "tmp")).collect();
    assert!(left.is_empty() && kept.exists(), "{left:?}");
}

#[test]
fn stages_of_other_settings_go_with_a_purge_too() {
    let bed = with_ann();
    let elsewhere = bed.folder.path().join("elsewhere");
    assert_eq!(bed.run(&["-q"]).code, 3);
    for dir in ["", elsewhere.to_str().unwrap()] {
        let mut killed = bed.export(&["-q"]);
        killed.env("ROLLBOOK_TEST_FAULTS", "die:3").env("ROLLBOOK_STAGE_DIR", dir);
        assert_eq!(killed.output().unwrap().status.code(), None);
    }
    let staged = |folder: &Path| files(folder).iter().any(|path| path.ends_with("rows"));
    assert!(staged(&bed.dataset().join("_rollbook/stage")) && staged(&elsewhere));
    let purged = Ran::of(purge(&bed).env("ROLLBOOK_STAGE_DIR", &elsewhere).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    assert_eq!([traces(&bed.dataset()), traces(&elsewhere)], [Vec::<PathBuf>::new(), Vec::new()]);
}

#[test]
fn a_stage_of_the_same_dataset_by_another_way_goes_with_a_purge_too() {
    let bed = with_ann();
    assert_eq!(bed.run(&["-q"]).code, 3);
    let (elsewhere, way) = (bed.folder.path().join("elsewhere"), bed.folder.path().join("way"));
    std::os::unix::fs::symlink(bed.dataset(), &way).unwrap();
    let mut killed = rollbook(bed.folder.path());
    killed.args(["export", "--full", "-q", "--base-url", &bed.server.base_url()]).arg("--dest").arg(&way);
    killed.env("VIDEOSDK_TOKEN", TOKEN);
    killed.env("ROLLBOOK_TEST_FAULTS", "die:3").env("ROLLBOOK_STAGE_DIR", &elsewhere);
    assert_eq!(killed.output().unwrap().status.code(), None);
    assert!(!traces(&elsewhere).is_empty());
    let purged = Ran::of(purge(&bed).env("ROLLBOOK_STAGE_DIR", &elsewhere).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    assert_eq!(traces(&elsewhere), Vec::<PathBuf>::new());
}

#[test]
fn copies_of_dead_runs_go_with_a_purge_and_those_of_the_living_stay() {
    let bed = with_ann();
    assert_eq!(bed.run(&["-q"]).code, 3);
    let (temporary, stage) = (bed.folder.path().join("tmp"), bed.dataset().join("_rollbook/stage"));
    let mut living = Vec::new();
    for folder in [&temporary, &stage] {
        for name in ["dead", "living"] {
            let copies = folder.join(format!(".rollbook-read-{name}"));
            fs::create_dir_all(&copies).unwrap();
            fs::write(copies.join("0"), ANN).unwrap();
            if name == "living" {
                let held = File::open(&copies).unwrap();
                held.lock().unwrap();
                living.push(held);
            }
        }
    }
    let purged = Ran::of(purge(&bed).env("TMPDIR", &temporary).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    for folder in [&temporary, &stage] {
        assert!(!folder.join(".rollbook-read-dead").exists() && folder.join(".rollbook-read-living/0").exists());
    }
}

#[test]
fn what_a_purge_could_not_reach_is_named() {
    let bed = with_ann();
    assert_eq!(bed.run(&["-q"]).code, 3);
    let writing = bed.dataset().join("_rollbook/rejects/.x.jsonl.living.0.tmp");
    fs::write(&writing, ANN).unwrap();
    let held = File::open(&writing).unwrap();
    held.lock().unwrap();
    let aside = bed.dataset().join("_rollbook/damaged");
    fs::create_dir_all(aside.join("run")).unwrap();
    fs::write(aside.join("run/file"), ANN).unwrap();
    let purged = Ran::of(purge(&bed).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    assert_eq!(purged.receipt()["unreached"], json!([writing, aside]), "{purged:?}");
    for place in [&writing, &aside] {
        assert!(purged.stderr.contains(place.to_str().unwrap()), "{purged:?}");
    }
    let text = Ran::of(bed.command(&["purge", "--participant-name", ANN]).output().unwrap());
    assert!(
        text.stdout.contains(&format!("not reached, and may hold what was purged: {}\n", writing.display())),
        "{text:?}"
    );
    drop(held);
    fs::remove_dir_all(&aside).unwrap();
    let purged = Ran::of(purge(&bed).output().unwrap());
    assert_eq!((purged.code, &purged.receipt()["unreached"]), (0, &json!(null)), "{purged:?}");
}

#[test]
fn a_purge_that_may_not_remove_what_is_left_fails_and_names_it() {
    let bed = with_ann();
    assert_eq!(bed.run(&["-q"]).code, 3);
    let folder = bed.dataset().join("_rollbook/old");
    fs::create_dir(&folder).unwrap();
    let left = folder.join(".x.dead.0.tmp");
    fs::write(&left, ANN).unwrap();
    // For root nothing is read-only, but a mount.
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" || exit 99; \"$@\"";
    let purge = purge(&bed);
    let mut mounted = Command::new("unshare");
    mounted.args(["-rm", "sh", "-c", script]).arg(&folder).arg(purge.get_program()).args(purge.get_args()).env_clear();
    mounted.envs(purge.get_envs().filter_map(|(name, value)| Some((name, value?))));
    mounted.env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(bed.folder.path());
    let purged = Ran::of(mounted.output().unwrap());
    assert_eq!(purged.code, 6, "{purged:?}");
    let message = "what may hold what must not stay can't be removed";
    assert!(purged.stderr.contains(message) && purged.stderr.contains(left.to_str().unwrap()), "{purged:?}");
    assert!(purged.stderr.contains("hint: "), "{purged:?}");
    // All else is gone, and the same purge finishes the rest.
    assert!(!format!("{:?}", bed.rows(Table::Participants)).contains(ANN));
    let again = Ran::of(self::purge(&bed).output().unwrap());
    assert!(again.code == 0 && !left.exists(), "{again:?}");
}
