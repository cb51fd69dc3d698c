//! Retention and erasure: what was purged is gone from everything, and nothing brings it back.

use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};

fn account() -> Account {
    Account::new(9, 300, Shape::Realistic)
}

fn exported() -> Bed {
    let bed = Bed::new(Options::new(account()));
    assert_eq!(bed.run(&[]).code, 0);
    bed
}

fn purge(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(bed.command(&["purge"]).args(arguments).output().unwrap())
}

/// The values of a column, each with how often it occurs.
fn counted(bed: &Bed, table: Table, name: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for row in bed.rows(table) {
        let (_, value) = row.into_iter().find(|(column, _)| column == name).unwrap();
        *counts.entry(value).or_default() += 1;
    }
    counts.remove("null");
    counts
}

/// The names that occur most, and an id that occurs twice if there is one.
fn people(bed: &Bed) -> (Vec<String>, String) {
    let mut names: Vec<_> =
        counted(bed, Table::Participants, "name").into_iter().map(|(name, count)| (count, name)).collect();
    names.sort();
    let ids = counted(bed, Table::Participants, "participant_id");
    let id = ids.into_iter().max_by_key(|(_, count)| *count).unwrap().0;
    (names.into_iter().rev().take(3).map(|(_, name)| name).collect(), id)
}

fn is_sound(bed: &Bed) {
    let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

fn changed(ran: &Ran) -> usize {
    ran.receipt()["partitions"].as_array().unwrap().iter().filter(|file| file["changed"] == true).count()
}

#[test]
fn the_erased_are_gone_as_if_they_had_never_been_listed() {
    let bed = exported();
    let (names, id) = people(&bed);
    let before = counted(&bed, Table::Participants, "name");
    let expected = names.iter().map(|name| before[name] as u64).sum();
    let mut arguments: Vec<&str> = names.iter().flat_map(|name| ["--participant-name", name]).collect();
    arguments.extend(["--participant-id", &id]);

    let files = bed.files();
    let told = purge(&bed, &[&arguments[..], &["--dry-run", "--json"]].concat());
    assert_eq!(told.code, 0, "{told:?}");
    assert!(files == bed.files() && !bed.dataset().join("_rollbook/erasures.json").exists(), "a dry run wrote");
    let ran = purge(&bed, &[&arguments[..], &["--json"]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    let receipt = ran.receipt();
    assert_eq!(receipt["removed"], told.receipt()["removed"]);
    assert_eq!(
        (&receipt["outcome"], &receipt["erasures"], &receipt["removed"]["sessions"]),
        (&"purged".into(), &1.into(), &0.into())
    );
    assert!(receipt["removed"]["participants"].as_u64() > Some(expected) && changed(&ran) > 0);
    let left = counted(&bed, Table::Participants, "name");
    assert!(names.iter().all(|name| !left.contains_key(name)));
    assert!(!counted(&bed, Table::Participants, "participant_id").contains_key(&id));
    assert!(!counted(&bed, Table::Timelogs, "participant_id").contains_key(&id));

    is_sound(&bed);

    let aside = bed.dataset().join("_rollbook/damaged/some-run");
    assert!(!ran.stderr.contains("set aside"), "{ran:?}");
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::write(aside.join("part-0.parquet"), "").unwrap();
    let told = purge(&bed, &[&arguments[..], &["--dry-run"]].concat());
    assert!(told.stderr.contains("files that repairs have set aside may hold purged data"), "{told:?}");
    std::fs::remove_dir_all(aside.parent().unwrap()).unwrap();

    // What the same list gives without them is, to the byte, what the purge has left.
    let again = bed.run(&["--json"]);
    assert_eq!((again.code, changed(&again)), (0, 0), "{again:?}");
    // Neither without the state nor on another way through the list do they come back.
    std::fs::remove_file(bed.dataset().join("_rollbook/state.json")).unwrap();
    let again = bed.run(&["--json", "--fresh"]);
    assert_eq!((again.code, changed(&again)), (0, 0), "{again:?}");
    // The same purge again finds nothing.
    let again = purge(&bed, &[&arguments[..], &["--json"]].concat());
    assert_eq!((again.code, changed(&again), &again.receipt()["erasures"]), (0, 0, &1.into()), "{again:?}");
    for entry in walk(&bed.dataset()) {
        let bytes = std::fs::read(&entry).unwrap();
        let holds = names.iter().find(|name| bytes.windows(name.len()).any(|window| window == name.as_bytes()));
        assert!(holds.is_none() || entry.extension().is_some_and(|it| it == "parquet"), "{holds:?} in {entry:?}");
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn old_sessions_are_gone_for_good() {
    let bed = exported();
    let start = |row: &Vec<(String, String)>| row[2].1.clone();
    let mut starts: Vec<_> = bed.rows(Table::Sessions).iter().map(start).filter(|start| start != "null").collect();
    starts.sort();
    let floor = &starts[starts.len() / 2];
    let ran = purge(&bed, &["--before", floor, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.receipt()["removed"]["sessions"], starts.len() / 2);
    let kept = |bed: &Bed| {
        let rows = bed.rows(Table::Sessions);
        assert!(rows.iter().all(|row| row[2].1 == "null" || row[2].1 >= *floor));
        rows.len()
    };
    let left = kept(&bed);
    is_sound(&bed);
    assert_eq!(left, starts.len() - starts.len() / 2);
    let participants: usize = bed.rows(Table::Sessions).iter().map(|row| row[13].1.parse::<usize>().unwrap()).sum();
    assert_eq!(bed.rows(Table::Participants).len(), participants);

    for arguments in
        [&["export", "--full", "--json"][..], &["export", "--json"], &["backfill", "--from", "2020-01-01", "--json"]]
    {
        let ran = Ran::of(bed.command(arguments).output().unwrap());
        assert_eq!((ran.code, changed(&ran), kept(&bed)), (0, 0, left), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_dataset_without_its_erasures_is_refused() {
    let bed = exported();
    let (names, id) = people(&bed);
    let [path, state] = ["erasures", "state"].map(|name| bed.dataset().join(format!("_rollbook/{name}.json")));
    let old_state = std::fs::read(&state).unwrap();
    assert_eq!(purge(&bed, &["--participant-name", &names[0]]).code, 0);
    let old = std::fs::read(&path).unwrap();
    assert_eq!(purge(&bed, &["--participant-id", &id]).code, 0);
    let current = std::fs::read(&path).unwrap();
    let refused = |what: &str| {
        for arguments in [&["export"][..], &["purge", "--participant-name", "x"]] {
            let ran = Ran::of(bed.command(arguments).output().unwrap());
            assert!(
                ran.code == 6 && ran.stderr.contains(what) && ran.stderr.contains("hint: put the file back"),
                "{ran:?}"
            );
        }
    };
    std::fs::write(&path, &old).unwrap();
    refused("the list of erasures is an old copy: ");
    std::fs::write(&path, &current[..current.len() / 2]).unwrap();
    refused("the list of erasures is damaged: ");
    std::fs::remove_file(&path).unwrap();
    refused("the list of erasures is missing: ");
    // A state that knows of no purge is an old copy, too.
    std::fs::write(&state, old_state).unwrap();
    refused("the list of erasures is missing: ");
    std::fs::write(&path, &old).unwrap();
    refused("the list of erasures is an old copy: ");
    std::fs::remove_file(&path).unwrap();
    std::fs::remove_file(state).unwrap();
    refused("the list of erasures is missing: ");
    std::fs::write(&path, &current).unwrap();
    assert_eq!(bed.run(&[]).code, 0);
}

#[test]
fn raw_records_and_the_stage_are_purged_and_raw_records_expire() {
    let record =
        r#"{"id":"r","start":"2024-05-05T00:00:00Z","end":"soon","participants":[{"name":"Ann Lee"},{"name":"Bob"}]}"#;
    let script = Script::new().before(1, Change::raw(0, record));
    let bed = Bed::new(Options { script, ..Options::new(account()) });
    assert_eq!(bed.run(&[]).code, 3);
    let folder = bed.dataset().join("_rollbook/rejects");
    let rejects = || -> String {
        let files = std::fs::read_dir(&folder).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    };
    assert!(rejects().contains("Ann Lee"));
    // A run that was killed has left a stage.
    let slow =
        Bed::new(Options { latency: Duration::from_millis(150), ..Options::new(Account::new(9, 3_000, Shape::Plain)) });
    let mut command = rollbook(bed.folder.path());
    command.args(["export", "--full", "-q", "--base-url", &slow.server.base_url(), "--dest"]).arg(bed.dataset());
    let mut child = command.env("VIDEOSDK_TOKEN", TOKEN).stderr(Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(600));
    child.kill().unwrap();
    child.wait().unwrap();
    let staged = bed.dataset().join("_rollbook/stage/rows");
    assert!(std::fs::metadata(&staged).is_ok_and(|staged| staged.len() > 0), "nothing was staged");

    let ran = purge(&bed, &["--participant-name", "Ann Lee", "--json"]);
    assert_eq!((ran.code, &ran.receipt()["removed"]["rejects"]), (0, &1.into()), "{ran:?}");
    assert!(!rejects().contains("Ann Lee") && rejects().contains("Bob") && !staged.exists());
    // The record is known without her, too.
    let again = bed.run(&["--json"]);
    assert_eq!((again.code, &again.receipt()["rejects"]["new"]), (0, &0.into()), "{again:?}");
    assert!(!rejects().contains("Ann Lee"));

    for file in std::fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()).collect::<Vec<_>>() {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        std::fs::rename(&file, folder.join(format!("20200101{}", &name[8..]))).unwrap();
    }
    let again = bed.run(&["--json"]);
    assert_eq!((again.code, &again.receipt()["rejects"]["new"]), (0, &0.into()), "{again:?}");
    let old = std::fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .find(|path| path.to_str().unwrap().contains("/20200101"));
    assert!(!std::fs::read_to_string(old.unwrap()).unwrap().contains("Bob"), "an old raw record is still there");
    let once_more = bed.run(&["--json"]);
    assert_eq!((once_more.code, &once_more.receipt()["rejects"]["new"]), (0, &0.into()), "{once_more:?}");
}

/// A list whose first session has Ann Lee among its participants, answered slowly.
fn with_ann(end: &str) -> Options {
    let record = format!(
        r#"{{"id":"r","start":"2024-05-05T00:00:00Z","end":"{end}","participants":[{{"name":"Ann Lee"}},{{"name":"Bob"}}]}}"#
    );
    let script = Script::new().before(1, Change::raw(0, record));
    Options { script, latency: Duration::from_millis(200), ..Options::new(account()) }
}

/// Files in a folder that hold a name in plain text.
fn holding(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let holds = |path: &std::path::PathBuf| {
        std::fs::read(path).unwrap().windows(name.len()).any(|window| window == name.as_bytes())
    };
    walk(folder).into_iter().filter(holds).collect()
}

fn killed(bed: &Bed, stage: &std::path::Path) {
    let mut command = bed.export(&["-q"]);
    command.env("ROLLBOOK_STAGE_DIR", stage).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn the_erased_are_in_no_stage_that_a_later_run_has_seen() {
    let mut bed = exported();
    bed.serve(with_ann("soon"));
    let stage = bed.folder.path().join("elsewhere");
    killed(&bed, &stage);
    assert!(!holding(&stage, "Ann Lee").is_empty(), "nothing was staged");
    // The purge does not know of this folder; the next run that uses it does the rest.
    assert_eq!(purge(&bed, &["--participant-name", "Ann Lee", "--yes"]).code, 0);
    for _ in 0..2 {
        killed(&bed, &stage);
        assert!(!holding(&stage, "Bob").is_empty(), "nothing was staged");
        assert_eq!(holding(bed.folder.path(), "Ann Lee"), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn a_run_that_has_read_somebody_who_is_purged_meanwhile_publishes_nothing() {
    let mut bed = exported();
    bed.serve(with_ann("2024-05-05T01:00:00Z"));
    let mut command = bed.export(&["--fresh"]);
    let child =
        command.env("ROLLBOOK_TEST_LEASE", "off").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let mut command = bed.command(&["purge", "--participant-name", "Ann Lee", "--yes"]);
    assert_eq!(Ran::of(command.env("ROLLBOOK_TEST_LEASE", "off").output().unwrap()).code, 0);
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert!(ran.code == 6 && ran.stderr.contains("error: the dataset was purged meanwhile: "), "{ran:?}");
    assert!(ran.stderr.contains("hint: run the same purge once more"), "{ran:?}");
    for _ in 0..2 {
        assert!(!counted(&bed, Table::Participants, "name").contains_key("Ann Lee"));
        bed.run(&["-q"]);
    }
    assert!(counted(&bed, Table::Participants, "name").contains_key("Bob"));
}

#[test]
fn a_purge_that_dies_at_any_step_is_finished_by_the_next() {
    let mut died_after_writing = false;
    for step in 1.. {
        assert!(step < 200, "there is no end");
        let bed = Bed::new(Options::new(Account::new(9, 60, Shape::Realistic)));
        assert_eq!(bed.run(&[]).code, 0);
        let ids = |bed: &Bed| counted(bed, Table::Sessions, "session_id").into_keys().collect::<Vec<_>>();
        let (sessions, (names, _)) = (ids(&bed), people(&bed));
        let arguments = ["purge", "--participant-name", &names[0]];
        let mut command = bed.command(&arguments);
        let status = command
            .env("ROLLBOOK_TEST_FAULTS", format!("die:{step}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        let is_whole = status.unwrap().success();
        assert_eq!(ids(&bed), sessions, "a session is gone or doubled");
        let written = bed.dataset().join("_rollbook/erasures.json").exists();
        let next = if written { bed.run(&[]) } else { Ran::of(bed.command(&arguments).output().unwrap()) };
        assert_eq!(next.code, 0, "{next:?}");
        died_after_writing |= written && !is_whole;
        assert!(!counted(&bed, Table::Participants, "name").contains_key(&names[0]), "step {step}");
        if is_whole {
            assert!(step > 8 && died_after_writing);
            return;
        }
    }
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bed = exported();
    for (arguments, message) in [
        (&[][..], "required arguments were not provided"),
        (&["--before", "soon"], "`--before` must be a day (2026-10-31)"),
        (&["--before", "2999-01-01"], "`--before` lies in the future, so everything would go: 2999-01-01"),
        (&["--participant-name", ""], "it is empty"),
    ] {
        let mut command = rollbook(bed.folder.path());
        let ran = Ran::of(command.arg("purge").args(arguments).output().unwrap());
        assert!(ran.code == 2 && ran.stderr.contains(message), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn a_purge_that_dies_at_any_step_is_finished_by_the_same_purge() {
    for step in 1.. {
        assert!(step < 200, "there is no end");
        let bed = Bed::new(Options::new(Account::new(9, 60, Shape::Realistic)));
        assert_eq!(bed.run(&[]).code, 0);
        let (names, _) = people(&bed);
        let arguments = ["purge", "--participant-name", &names[0]];
        let mut command = bed.command(&arguments);
        command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).stdout(Stdio::null()).stderr(Stdio::null());
        let is_whole = command.status().unwrap().success();
        let again = purge(&bed, &arguments[1..]);
        assert_eq!(again.code, 0, "step {step}: {again:?}");
        let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
        assert_eq!(ran.code, 0, "step {step}: {ran:?}");
        let full = bed.run(&["--json"]);
        assert_eq!((full.code, changed(&full)), (0, 0), "step {step}: {full:?}");
        if is_whole {
            return;
        }
    }
}
