//! One export by many processes: any number, any order, twice at once, killed at any step, overtaken by others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rollbook::dataset::layout::Layout;
use rollbook::dataset::published::Published;
use rollbook::rows::partition::PartitionBy;
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Answered, Auth, Change, Name, On, Options, Per, Script, Shape, Special};
use serde_json::Value;

use crate::bed::{Bed, Ran, TOKEN, cells, next, number};
use crate::place::copy;
use crate::servers::ObjectStore;

const SESSIONS: u64 = 900;

/// An account whose sessions lie on several days and have ended, so that two exports of it are the same bytes.
fn account() -> Account {
    Account::new(77, SESSIONS, Shape::Realistic)
}

/// What has all running sessions of an account end.
fn ended(account: &Account) -> Vec<Change> {
    let running = account.sessions().filter(|session| session.end.is_none());
    running.map(|session| Change::end(session.id.as_str(), session.start.unwrap() + 3_600_000_000)).collect()
}

fn still(account: Account) -> Options {
    Options { script: Script::new().before(1, ended(&account)), ..Options::new(account) }
}

fn served() -> Bed {
    of(still(account()))
}

fn of(options: Options) -> Bed {
    let mut bed = Bed::new(options);
    bed.environment = vec![
        ("ROLLBOOK_DATASET_PARTITION_BY".to_owned(), "day".to_owned()),
        ("ROLLBOOK_API_PER_PAGE".to_owned(), "20".to_owned()),
    ];
    bed
}

/// A split of the bed's dataset.
struct Split<'b> {
    bed: &'b Bed,
    place: PathBuf,
}

impl<'b> Split<'b> {
    fn of(bed: &'b Bed) -> Self {
        Self { bed, place: bed.folder.path().join("split") }
    }

    fn command(&self, step: &str, arguments: &[&str]) -> Command {
        let mut command = self.bed.command(&["split", step, "--json"]);
        command.args(arguments).arg("--split").arg(&self.place);
        command
    }

    fn ran(&self, step: &str, arguments: &[&str]) -> Ran {
        Ran::of(self.command(step, arguments).output().unwrap())
    }

    /// A step that must end with 0; what it printed.
    fn done(&self, step: &str, arguments: &[&str]) -> Value {
        let ran = self.ran(step, arguments);
        assert_eq!(ran.code, 0, "{step} {arguments:?}: {ran:?}");
        ran.receipt()
    }

    /// A step that must end with this code; what it said.
    fn refused(&self, code: i32, step: &str, arguments: &[&str]) -> String {
        let ran = self.ran(step, arguments);
        assert_eq!(ran.code, code, "{step} {arguments:?}: {ran:?}");
        ran.stderr
    }

    fn task(&self, step: &str, task: u64) -> Value {
        self.done(step, &["--task", &task.to_string()])
    }

    fn plan(&self, tasks: u64) -> u64 {
        self.done("plan", &["--tasks", &tasks.to_string()])["fetch_tasks"].as_u64().unwrap()
    }

    fn join(&self) -> u64 {
        self.done("join", &[])["publish_tasks"].as_u64().unwrap()
    }

    fn finish(&self) -> Value {
        self.done("finish", &[])
    }

    /// All steps up to one; returns how many tasks publish, as soon as that is known.
    fn up_to(&self, step: &str, tasks: u64) -> u64 {
        let fetching = self.plan(tasks);
        if step == "plan" {
            return 0;
        }
        (0..fetching).for_each(|task| drop(self.task("fetch", task)));
        if step == "fetch" {
            return 0;
        }
        let publishing = self.join();
        if step == "publish" {
            (0..publishing).for_each(|task| drop(self.task("publish", task)));
        }
        publishing
    }

    fn whole(&self, tasks: u64) -> Value {
        self.up_to("publish", tasks);
        self.finish()
    }

    /// The files that tasks have left, relative to the split.
    fn left(&self) -> Vec<String> {
        let mut found = Vec::new();
        files_below(&self.place, &self.place, &mut found);
        found.retain(|path| !path.starts_with("_rollbook"));
        found.sort();
        found
    }
}

fn files_below(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            files_below(root, &entry.path(), found);
        } else {
            found.push(entry.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
}

/// The bytes of every published file, by its path in the dataset.
fn bytes(bed: &Bed) -> BTreeMap<String, Vec<u8>> {
    let dataset = bed.dataset();
    let files = bed.files().into_iter();
    files.map(|(path, bytes)| (path.strip_prefix(&dataset).unwrap().to_str().unwrap().to_owned(), bytes)).collect()
}

fn verify(bed: &Bed, arguments: &[&str]) -> Ran {
    let ran = Ran::of(bed.command(&["verify"]).args(arguments).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}

/// The cells of a table.
fn rows(bed: &Bed, table: Table) -> Vec<Vec<String>> {
    let layout = Layout::local(bed.dataset(), PartitionBy::Day);
    let mut rows = Vec::new();
    for published in Published::all(&layout).unwrap() {
        let mut chunks = published.chunks().unwrap();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            let batch = &chunk.batches()[table];
            rows.extend((0..batch.num_rows()).map(|row| cells(batch, row).into_iter().map(|(_, cell)| cell).collect()));
        }
    }
    rows
}

/// What a plain export of the same list makes.
fn plain(options: Options) -> BTreeMap<String, Vec<u8>> {
    let bed = of(options);
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let bytes = bytes(&bed);
    assert!(bytes.len() >= 9, "{:?}", bytes.keys());
    bytes
}

fn assert_same(found: &BTreeMap<String, Vec<u8>>, expected: &BTreeMap<String, Vec<u8>>, what: &str) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{what}");
    let other: Vec<_> = found.iter().filter(|(path, bytes)| expected[*path] != **bytes).map(|(path, _)| path).collect();
    assert!(other.is_empty(), "{what}: {other:?}");
}

fn shuffled(count: u64, random: &mut u64) -> Vec<u64> {
    let mut left: Vec<_> = (0..count).collect();
    (0..count).map(|_| left.remove(next(random) % left.len())).collect()
}

#[test]
fn any_number_of_tasks_in_any_order_makes_the_bytes_of_a_plain_export() {
    let expected = plain(still(account()));
    let random = &mut 7;
    for tasks in [1, 2, 4, 8] {
        let bed = served();
        let split = Split::of(&bed);
        let fetching = split.plan(tasks);
        assert_eq!(fetching, tasks);
        for task in shuffled(fetching, random) {
            split.task("fetch", task);
        }
        assert!(bytes(&bed).is_empty(), "nothing is published before the join");
        let publishing = split.join();
        assert!(bytes(&bed).is_empty(), "nothing is published by the join");
        assert!((1..=tasks).contains(&publishing), "{publishing}");
        for task in shuffled(publishing, random) {
            split.task("publish", task);
        }
        let receipt = split.finish();
        assert_same(&bytes(&bed), &expected, &format!("{tasks} tasks"));
        assert_eq!((&receipt["command"], &receipt["outcome"]), (&"split".into(), &"proven".into()));
        assert_eq!(receipt["walk"]["evidence"], "chain", "{receipt}");
        assert_eq!(receipt["changes"], serde_json::json!({"new": SESSIONS, "updated": 0, "unchanged": 0}));
        assert_eq!(receipt["dataset"]["files"], expected.len());
        assert_eq!(split.left(), ["finish.json", "join.json", "plan.json"]);
        assert!(!bed.dataset().join("_rollbook/split.json").exists());
        let night = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
        assert_eq!((night.code, &night.receipt()["goal"]["kind"]), (0, &"nightly".into()), "{night:?}");
        verify(&bed, &[]);
        assert_same(&bytes(&bed), &expected, "after a night");
    }
}

#[test]
fn a_still_list_costs_few_requests_more_than_a_plain_export() {
    let account = Account::new(3, 20_000, Shape::Realistic);
    let bed = Bed::new(still(account));
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let plain = ran.receipt()["walk"]["sent"].as_u64().unwrap();
    for tasks in [2, 4, 8] {
        let bed = Bed::new(still(account));
        let receipt = Split::of(&bed).whole(tasks);
        let sent = receipt["walk"]["sent"].as_u64().unwrap();
        let asked = bed.server.requests().log.len() as u64;
        assert_eq!(sent, asked, "{tasks} tasks: all requests are told");
        // Looking how the list is cut, the head once more and a page for each seam are the same for any length.
        assert!(sent <= plain + 12 + 2 * tasks, "{tasks} tasks: {sent} requests, {plain} of a plain export");
    }
}

#[test]
fn every_step_can_be_repeated_and_run_twice_at_once() {
    let expected = plain(still(account()));
    let bed = served();
    let split = Split::of(&bed);
    let twice = |step: &str, arguments: &[&str]| {
        let children: Vec<_> = (0..2)
            .map(|_| {
                let mut command = split.command(step, arguments);
                command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        let ran: Vec<_> = children.into_iter().map(|child| Ran::of(child.wait_with_output().unwrap())).collect();
        for ran in &ran {
            assert_eq!(ran.code, 0, "{step} {arguments:?}: {ran:?}");
        }
        let again = split.done(step, arguments);
        assert!(ran.iter().all(|ran| ran.receipt() == again), "{step} {arguments:?}: {ran:?}, {again}");
        again
    };
    // Two plans at once: one waits for the lease of the other, or is told to come again.
    let fetching = split.plan(4);
    assert_eq!(split.plan(7), fetching, "the first plan counts");
    for task in 0..fetching {
        twice("fetch", &["--task", &task.to_string()]);
    }
    let attempts = split.left().iter().filter(|path| path.ends_with("/journal")).count() as u64;
    assert_eq!(attempts, fetching, "what the second attempt has left is swept: {:?}", split.left());
    let publishing = twice("join", &[])["publish_tasks"].as_u64().unwrap();
    for task in 0..publishing {
        twice("publish", &["--task", &task.to_string()]);
    }
    twice("finish", &[]);
    assert_same(&bytes(&bed), &expected, "twice");
    for (step, arguments) in
        [("plan", vec![]), ("fetch", vec!["--task", "1"]), ("join", vec![]), ("publish", vec!["--task", "0"])]
    {
        split.done(step, &arguments);
    }
    assert_eq!(split.done("status", &[])["finished"], true);
    assert_same(&bytes(&bed), &expected, "once more");
    let runs = fs::read_dir(bed.dataset().join("_rollbook/runs")).unwrap().count();
    assert_eq!(runs, 1);
}

#[test]
fn tasks_know_their_number_from_the_cluster_and_those_beyond_the_plan_do_nothing() {
    let bed = served();
    let split = Split::of(&bed);
    let fetching = split.plan(3);
    for (task, name) in (0..fetching + 2)
        .zip(["JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX", "CLOUD_RUN_TASK_INDEX"].iter().cycle())
    {
        let ran = Ran::of(split.command("fetch", &[]).env(name, task.to_string()).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        assert_eq!(ran.stdout.contains("nothing to do"), task >= fetching, "{ran:?}");
    }
    let unknown = split.refused(2, "fetch", &[]);
    assert!(unknown.contains("which task is this?\nhint: give --task, or set JOB_COMPLETION_INDEX"), "{unknown}");
    let odd = Ran::of(split.command("fetch", &[]).env("JOB_COMPLETION_INDEX", "two").output().unwrap());
    assert!(odd.code == 2 && odd.stderr.contains("JOB_COMPLETION_INDEX must be a whole number: two"), "{odd:?}");
    let publishing = split.join();
    let beyond = split.done("publish", &["--task", &publishing.to_string()]);
    assert!(beyond["nothing_to_do"].as_str().unwrap().contains("nothing to do"));
}

/// Runs a step again and again, each time dying one step of a store later, until it lives; then goes on with it.
fn die_everywhere(
    split: &Split<'_>,
    faults: &str,
    step: &str,
    arguments: &[&str],
    restart: &dyn Fn(),
    every: u64,
) -> u64 {
    let mut deaths = 0;
    for at in (1..).step_by(usize::try_from(every).unwrap()) {
        restart();
        let ran = Ran::of(split.command(step, arguments).env(faults, format!("die:{at}")).output().unwrap());
        if ran.code == 0 {
            break;
        }
        assert_eq!(ran.code, -1, "{faults} {at} {step}: {ran:?}");
        deaths += 1;
        assert!(deaths < 400, "{faults} {step}");
        split.done(step, arguments);
    }
    deaths
}

/// An account of which some sessions start a day earlier than before.
fn moved() -> Options {
    let day = 24 * 3_600_000_000;
    let account = account();
    let moves = |number: u64| {
        let mut session = account.sessions().nth(usize::try_from(number).unwrap()).unwrap();
        session.start = session.start.map(|start| start - day);
        Change::replace(number, session)
    };
    let changes = [ended(&account), (10..20).map(moves).collect()].concat();
    Options { script: Script::new().before(1, changes), ..Options::new(account) }
}

/// Every step of a split of a dataset dies at every step of the dataset's store and of the split's.
fn deaths(format: Option<&str>, every: u64) {
    let mut bed = served();
    bed.environment.extend(format.map(|format| ("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), format.to_owned())));
    assert_eq!(bed.run(&[]).code, 0);
    bed.serve(moved());
    let expected = {
        let mut other = of(moved());
        other.environment.clone_from(&bed.environment);
        copy(&bed.dataset(), &other.dataset());
        assert_eq!(other.run(&[]).code, 0);
        bytes(&other)
    };
    let split = Split::of(&bed);
    let publishing = split.up_to("join", 3);
    let folder = bed.folder.path();
    let save = |name: &str| {
        for what in ["data", "split"] {
            let _ = fs::remove_dir_all(folder.join(name).join(what));
            copy(&folder.join(what), &folder.join(name).join(what));
        }
    };
    let bring = |name: &str| {
        for what in ["data", "split"] {
            let _ = fs::remove_dir_all(folder.join(what));
            copy(&folder.join(name).join(what), &folder.join(what));
        }
    };
    let mut deaths = 0;
    save("joined");
    let last = (publishing - 1).to_string();
    for faults in ["ROLLBOOK_TEST_FAULTS", "ROLLBOOK_TEST_SPLIT_FAULTS"] {
        deaths += die_everywhere(&split, faults, "publish", &["--task", &last], &|| bring("joined"), every);
        bring("joined");
        (0..publishing).for_each(|task| drop(split.task("publish", task)));
        save("published");
        deaths += die_everywhere(&split, faults, "finish", &[], &|| bring("published"), every);
        assert_same(&bytes(&bed), &expected, "after deaths");
        verify(&bed, &[]);
        assert_eq!(split.left(), ["finish.json", "join.json", "plan.json"]);
    }
    assert!(deaths * every > 40, "{deaths}");
}

#[test]
fn a_death_at_any_step_of_publishing_or_finishing_is_made_up_for() {
    deaths(None, number("ROLLBOOK_TEST_EVERY").unwrap_or(2));
}

#[test]
fn a_death_at_any_step_is_made_up_for_where_there_are_snapshots() {
    deaths(Some("delta"), number("ROLLBOOK_TEST_EVERY").unwrap_or(5));
}

#[test]
fn a_death_at_any_step_of_planning_reading_or_joining_is_made_up_for() {
    let expected = plain(still(account()));
    for faults in ["ROLLBOOK_TEST_FAULTS", "ROLLBOOK_TEST_SPLIT_FAULTS"] {
        let bed = served();
        let split = Split::of(&bed);
        let mut deaths = 0;
        let empty = || {
            let _ = fs::remove_dir_all(&split.place);
            let _ = fs::remove_dir_all(bed.dataset());
        };
        deaths += die_everywhere(&split, faults, "plan", &["--tasks", "2"], &empty, 1);
        let (done, joined) = (split.place.join("fetch/0.done"), split.place.join("join.json"));
        deaths += die_everywhere(&split, faults, "fetch", &["--task", "0"], &|| drop(fs::remove_file(&done)), 1);
        split.task("fetch", 1);
        deaths += die_everywhere(&split, faults, "join", &[], &|| drop(fs::remove_file(&joined)), 1);
        let publishing = split.join();
        (0..publishing).for_each(|task| drop(split.task("publish", task)));
        split.finish();
        assert!(deaths >= 3, "{faults}: {deaths}");
        assert_same(&bytes(&bed), &expected, faults);
    }
}

#[test]
fn an_export_waits_for_a_split_and_a_split_for_nobody_who_came_first() {
    let bed = served();
    let split = Split::of(&bed);
    split.up_to("join", 2);
    for arguments in [vec!["export"], vec!["backfill", "--month", "2026-10"]] {
        let ran = Ran::of(bed.command(&arguments).output().unwrap());
        assert_eq!(ran.code, 7, "{ran:?}");
        assert!(
            ran.stderr.contains("a split is under way (run ") && ran.stderr.contains("rollbook split drop --split"),
            "{ran:?}"
        );
    }
    let other = Split { bed: &bed, place: bed.folder.path().join("other") };
    let refused = other.refused(7, "plan", &[]);
    assert!(refused.contains("a split is under way"), "{refused}");
    assert!(other.left().is_empty());
    // Given up: the way is free, and nothing of it stays.
    assert_eq!(split.ran("drop", &[]).code, 0);
    assert_eq!(split.left(), Vec::<String>::new());
    let refused = split.refused(2, "publish", &["--task", "0"]);
    assert!(refused.contains("no split is planned here"), "{refused}");
    assert_eq!(bed.run(&[]).code, 0);
}

#[test]
fn a_split_of_which_nothing_was_done_for_a_day_holds_nobody_up_and_goes_on_no_more() {
    let bed = served();
    let split = Split::of(&bed);
    let publishing = split.up_to("join", 2);
    let noted = bed.dataset().join("_rollbook/split.json");
    let text = fs::read_to_string(&noted).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["expires_at"] = "2026-01-01T00:00:00Z".into();
    fs::write(&noted, record.to_string()).unwrap();
    let refused = split.refused(2, "publish", &["--task", "0"]);
    assert!(refused.contains("nothing was done of the split for a day") && refused.contains("plan anew"), "{refused}");
    assert_eq!(bed.run(&[]).code, 0);
    let before = bytes(&bed);
    for task in 0..publishing {
        split.refused(2, "publish", &["--task", &task.to_string()]);
    }
    split.refused(2, "finish", &[]);
    assert_same(&bytes(&bed), &before, "nothing of the split is published");
    assert_eq!(split.ran("drop", &[]).code, 0);
    split.whole(2);
}

/// Another machine that knows nothing of the split publishes all the same.
fn overtaken_at(step: &str) {
    let moved = account();
    let later = Change::replace(5, {
        let mut session = moved.sessions().nth(5).unwrap();
        session.chat_link = Some("https://later.example".to_owned());
        session
    });
    let changes = [ended(&moved), vec![later]].concat();
    let mut bed = served();
    let newer = || Options { script: Script::new().before(1, changes.clone()), ..Options::new(account()) };
    let expected = plain(newer());
    let publishing = Split::of(&bed).up_to(step, 3);
    bed.serve(newer());
    let noted = bed.dataset().join("_rollbook/split.json");
    let text = fs::read(&noted).unwrap();
    fs::remove_file(&noted).unwrap();
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{step}: {ran:?}");
    fs::write(&noted, text).unwrap();
    let split = Split::of(&bed);
    let steps: Vec<(&str, String)> = match step {
        "plan" => vec![("fetch", "0".to_owned())],
        "fetch" => vec![("join", String::new())],
        _ => (0..publishing).map(|task| ("publish", task.to_string())).chain([("finish", String::new())]).collect(),
    };
    for (name, task) in steps {
        let arguments = if task.is_empty() { vec![] } else { vec!["--task", &task] };
        let ran = split.ran(name, &arguments);
        // A task that had made its files before says so once more, and does nothing.
        if step == "publish" && name == "publish" {
            assert_eq!(ran.code, 0, "{ran:?}");
            continue;
        }
        assert_eq!(ran.code, 2, "{step}, {name}: {ran:?}");
        assert!(ran.stderr.contains("another run has published since") && ran.stderr.contains("plan anew"), "{ran:?}");
    }
    assert_same(&bytes(&bed), &expected, step);
}

#[test]
fn nobodys_newer_rows_give_way_to_those_of_a_split() {
    for step in ["plan", "fetch", "join", "publish"] {
        overtaken_at(step);
    }
}

#[test]
fn what_is_purged_while_a_split_is_under_way_stays_away() {
    let name = "Uniquely Named Person";
    let account = account();
    let mut session = account.sessions().nth(40).unwrap();
    session.participants[0].name = Name::Text(name.to_owned());
    let changes = [ended(&account), vec![Change::replace(40, session)]].concat();
    let options = || Options { script: Script::new().before(1, changes.clone()), ..Options::new(account) };
    for (step, format) in
        [("plan", None), ("fetch", None), ("join", None), ("publish", None), ("publish", Some("files"))]
    {
        let mut bed = of(options());
        bed.environment.extend(format.map(|format| ("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), format.to_owned())));
        // So that there is a dataset for the rule.
        let ran = Ran::of(bed.command(&["backfill", "--from", "2026-11-26"]).output().unwrap());
        assert!([0, 3].contains(&ran.code), "{ran:?}");
        let split = Split::of(&bed);
        let publishing = split.up_to(step, 3);
        let purged = Ran::of(bed.command(&["purge", "--participant-name", name, "--yes"]).output().unwrap());
        assert_eq!(purged.code, 0, "{step}: {purged:?}");
        assert!(purged.stderr.contains("the split under way is given up"), "{step}: {purged:?}");
        assert_eq!(split.left(), Vec::<String>::new(), "{step}");
        for (name, arguments) in
            [("fetch", vec!["--task", "1"]), ("join", vec![]), ("publish", vec!["--task", "0"]), ("finish", vec![])]
        {
            split.refused(2, name, &arguments);
        }
        let holds = |folder: &Path| {
            let mut found = Vec::new();
            files_below(folder, folder, &mut found);
            found.retain(|path| contains(&fs::read(folder.join(path)).unwrap(), name.as_bytes()));
            found
        };
        assert_eq!(holds(bed.folder.path()), Vec::<String>::new(), "{step} {publishing}");
        assert!(rows(&bed, Table::Participants).iter().flatten().all(|value| value != name), "{step}");
        // A new one keeps to the rule.
        split.whole(2);
        assert_eq!(holds(bed.folder.path()), Vec::<String>::new(), "{step}, anew");
    }
}

fn contains(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

#[test]
fn what_is_torn_is_read_again_and_what_is_foreign_is_refused() {
    let expected = plain(still(account()));
    let cut = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    };
    let flip = |path: &Path| {
        let mut bytes = fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        fs::write(path, bytes).unwrap();
    };
    let spoils: [(&str, &dyn Fn(&Path)); 5] = [
        ("rows.0", &cut),
        ("identities", &cut),
        ("journal", &flip),
        ("index", &flip),
        ("identities", &|path| fs::remove_file(path).unwrap()),
    ];
    for (name, spoil) in spoils {
        let bed = served();
        let split = Split::of(&bed);
        split.up_to("fetch", 4);
        let torn = split.left().into_iter().find(|path| path.starts_with("fetch/2/") && path.ends_with(name)).unwrap();
        spoil(&split.place.join(torn));
        let ran = split.ran("join", &[]);
        assert_eq!(ran.code, 0, "{name}: {ran:?}");
        assert!(ran.stderr.contains("what task 2 has read can't be used and is read again"), "{name}: {ran:?}");
        let publishing = ran.receipt()["publish_tasks"].as_u64().unwrap();
        (0..publishing).for_each(|task| drop(split.task("publish", task)));
        assert_eq!(split.finish()["walk"]["evidence"], "chain");
        assert_same(&bytes(&bed), &expected, name);
    }
    // Rows that have changed since the join can't be read again.
    let bed = served();
    let split = Split::of(&bed);
    let publishing = split.up_to("join", 4);
    for path in split.left().into_iter().filter(|path| path.contains("/rows.")) {
        flip(&split.place.join(path));
    }
    let ended: Vec<_> = (0..publishing).map(|task| split.ran("publish", &["--task", &task.to_string()])).collect();
    assert!(
        ended.iter().any(|ran| ran.code == 2 && ran.stderr.contains("what a task has left is damaged")),
        "{ended:?}"
    );
    assert!(ended.iter().all(|ran| [0, 2].contains(&ran.code)), "{ended:?}");
    let status = split.done("status", &[]);
    assert_eq!(status["publish"]["failed"][0]["exit_code"], 2, "{status}");
    split.refused(2, "finish", &[]);
}

#[test]
fn records_of_another_split_are_refused() {
    let bed = served();
    let split = Split::of(&bed);
    split.up_to("fetch", 2);
    let done = split.place.join("fetch/1.done");
    let own = fs::read_to_string(&done).unwrap();
    let (own, _) = own.split_once(",\n  \"sum\": ").unwrap();
    let run = own.split("\"run_id\": \"").nth(1).unwrap().split('"').next().unwrap();
    let others = format!("{}\n}}\n", own.replace(run, "20260101T000000000Z-000000"));
    for (text, expected) in [
        (others.as_str(), "a record is of another split, or of another version"),
        ("{}", "a record of the split can't be read"),
        ("", "a record of the split can't be read"),
    ] {
        fs::write(&done, text).unwrap();
        let refused = split.refused(2, "join", &[]);
        assert!(refused.contains(expected) && refused.contains("plan anew"), "{text}: {refused}");
    }
    let plan = split.place.join("plan.json");
    let text = fs::read_to_string(&plan).unwrap();
    let (text, _) = text.split_once(",\n  \"sum\": ").unwrap();
    fs::write(&plan, format!("{}\n}}\n", text.replace("\"form\": 1", "\"form\": 2"))).unwrap();
    let refused = split.refused(2, "fetch", &["--task", "0"]);
    assert!(refused.contains("the split was planned by another version of rollbook"), "{refused}");
}

#[test]
fn all_machines_must_have_the_settings_of_the_plan() {
    let key = "00112233445566778899aabbccddeeff0123456789abcdef0123456789abcdef";
    let mut bed = served();
    bed.environment.extend([
        ("ROLLBOOK_PRIVACY_PSEUDONYMIZE".to_owned(), "name".to_owned()),
        ("ROLLBOOK_PRIVACY_EXCLUDE_PARTICIPANTS".to_owned(), "Secret Agent.*".to_owned()),
        ("ROLLBOOK_PSEUDONYM_KEY".to_owned(), key.to_owned()),
    ]);
    let split = Split::of(&bed);
    split.plan(2);
    let text = fs::read_to_string(split.place.join("plan.json")).unwrap();
    for secret in ["Secret Agent", key, TOKEN] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    for (name, value, expected) in [
        ("ROLLBOOK_PSEUDONYM_KEY", &key.replace('0', "1")[..], "[privacy], or the key for it"),
        ("ROLLBOOK_PRIVACY_EXCLUDE_PARTICIPANTS", "Nobody", "[privacy], or the key for it"),
        ("ROLLBOOK_PEOPLE_KEY", "participant_id", "[people]"),
        ("ROLLBOOK_DATASET_PARTITION_BY", "month", "dataset.partition_by"),
        ("ROLLBOOK_DATASET_SINCE", "2026-01-01", "dataset.since"),
        ("ROLLBOOK_API_VERSION", "v2", "the API's address or version, or the account"),
        // The claims of this token name another account.
        (
            "VIDEOSDK_TOKEN",
            "eyJhbGciOiJIUzI1NiJ9.eyJhcGlrZXkiOiJvdGhlciJ9.c2ln",
            "the API's address or version, or the account",
        ),
    ] {
        let ran = Ran::of(split.command("fetch", &["--task", "0"]).env(name, value).output().unwrap());
        assert_eq!(ran.code, 2, "{name}: {ran:?}");
        assert!(ran.stderr.contains(&format!("other settings than those of the plan: {expected}")), "{name}: {ran:?}");
    }
    let status = split.done("status", &[]);
    assert_eq!(status["fetch"]["failed"][0]["exit_code"], 2, "{status}");
    split.task("fetch", 0);
    assert_eq!(split.done("status", &[])["fetch"]["failed"], serde_json::json!([]), "done takes it back");
    let elsewhere = Ran::of({
        let mut command = split.bed.command(&["split", "fetch", "--task", "1"]);
        command.arg("--split").arg(&split.place).arg("--dest").arg("/elsewhere");
        command.output().unwrap()
    });
    assert_eq!(elsewhere.code, 2, "{elsewhere:?}");
}

#[test]
fn the_plan_names_the_dataset() {
    let bed = served();
    let split = Split::of(&bed);
    split.plan(1);
    let folder = bed.folder.path().join("nowhere");
    fs::create_dir(&folder).unwrap();
    let step = |arguments: &[&str]| {
        let mut command = crate::bed::rollbook(&folder);
        command.args(arguments).args(["--json", "--base-url", &bed.server.base_url(), "--split"]).arg(&split.place);
        command.env("VIDEOSDK_TOKEN", TOKEN).envs(bed.environment.clone());
        let ran = Ran::of(command.output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    };
    step(&["split", "fetch", "--task", "0"]);
    step(&["split", "join"]);
    step(&["split", "publish", "--task", "0"]);
    step(&["split", "finish"]);
    assert_eq!(bytes(&bed).len(), plain(still(account())).len());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[test]
fn a_task_that_can_not_be_done_says_so_and_can_be_done_later() {
    let mut bed = served();
    let split = Split::of(&bed);
    split.plan(2);
    split.task("fetch", 0);
    for (auth, code) in [(Auth::Token("another".to_owned()), 4), (Auth::Open, 5)] {
        let failing = if code == 5 { vec![Special::new(On::Anything, Answered::Status(500))] } else { vec![] };
        bed.serve(Options { auth, specials: failing, ..still(account()) });
        let split = Split::of(&bed);
        let ran =
            Ran::of(split.command("fetch", &["--task", "1"]).env("ROLLBOOK_API_RETRY_BUDGET", "1s").output().unwrap());
        // The address of the API is another one now, and so the source: that is what counts here, too.
        assert!([2, code].contains(&ran.code), "{ran:?}");
    }
}

#[test]
fn sessions_that_change_their_partition_leave_the_old_one() {
    let changed = || {
        let options = moved();
        let script = options.script.clone().before(1, vec![Change::delete(880_u64)]);
        Options { script, ..options }
    };
    for format in [None, Some("files")] {
        let prepare = || {
            let mut bed = served();
            bed.environment.extend(format.map(|format| ("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), format.to_owned())));
            assert_eq!(bed.run(&[]).code, 0);
            bed.serve(changed());
            bed
        };
        let expected = {
            let bed = prepare();
            let ran = bed.run(&["--json"]);
            assert!([0, 3].contains(&ran.code), "{ran:?}");
            (bytes(&bed), ran.receipt()["changes"].clone(), ran.code)
        };
        let bed = prepare();
        let split = Split::of(&bed);
        split.up_to("publish", 4);
        let ran = split.ran("finish", &[]);
        assert_eq!(ran.code, expected.2, "{ran:?}");
        assert_same(&bytes(&bed), &expected.0, "moved");
        assert_eq!(ran.receipt()["changes"], expected.1);
        verify(&bed, &[]);
    }
}

#[test]
fn where_there_are_snapshots_nobody_sees_anything_before_the_end() {
    let mut bed = served();
    bed.environment.push(("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), "delta".to_owned()));
    let expected = plain(still(account()));
    let split = Split::of(&bed);
    split.up_to("publish", 4);
    assert!(bytes(&bed).is_empty() && !bed.dataset().join("lake/current.json").exists());
    let receipt = split.finish();
    assert_eq!(receipt["snapshot"], 1);
    assert_same(&bytes(&bed), &expected, "snapshots");
    verify(&bed, &[]);
    let again = split.done("finish", &[]);
    assert_eq!(again, receipt);
}

#[test]
fn a_list_that_moves_while_many_read_it_loses_nothing() {
    let random = &mut 11;
    for round in 0..number("ROLLBOOK_TEST_ROUNDS").unwrap_or(6) {
        let account = Account::new(500 + round, 600, Shape::Realistic);
        let script = Script::new().every(1, 1 + round % 3, Change::Churn(1 + round % 4));
        let bed = of(Options { script, ..Options::new(account) });
        let split = Split::of(&bed);
        let fetching = split.plan(1 + round % 5);
        for task in shuffled(fetching, random) {
            split.task("fetch", task);
        }
        let publishing = split.join();
        for task in shuffled(publishing, random) {
            split.task("publish", task);
        }
        let ran = split.ran("finish", &[]);
        assert!([0, 3].contains(&ran.code), "{ran:?}");
        if ran.code == 3 {
            continue;
        }
        let listed: Vec<String> = bed.server.with_list(|list| list.sessions().map(|session| session.id).collect());
        let rows = rows(&bed, Table::Sessions);
        let read: BTreeSet<_> = rows.iter().map(|row| row[0].clone()).collect();
        assert_eq!(read.len(), rows.len(), "nothing is doubled");
        let first: BTreeSet<_> = account.sessions().map(|session| session.id).collect();
        let lost: Vec<_> = listed.iter().filter(|id| first.contains(*id) && !read.contains(*id)).collect();
        assert!(lost.is_empty(), "round {round}: {lost:?}");
    }
}

#[test]
fn a_list_whose_parts_can_not_be_joined_is_read_by_the_join() {
    let one_size = Options { one_page_size: Some(50), ..still(account()) };
    let bed = of(one_size.clone());
    let expected = plain(one_size);
    let split = Split::of(&bed);
    let ran = split.ran("plan", &["--tasks", "4"]);
    assert_eq!((ran.code, &ran.receipt()["fetch_tasks"]), (0, &0.into()), "{ran:?}");
    assert!(ran.stderr.contains("the pages of this list can't overlap"), "{ran:?}");
    let publishing = split.join();
    (0..publishing).for_each(|task| drop(split.task("publish", task)));
    split.finish();
    assert_same(&bytes(&bed), &expected, "one size");
}

#[test]
fn an_empty_list_is_split_too() {
    let bed = Bed::new(Options::default());
    let split = Split::of(&bed);
    split.plan(4);
    assert_eq!(split.join(), 1);
    split.task("publish", 0);
    let receipt = split.finish();
    assert_eq!((&receipt["sessions"], &receipt["exit_code"]), (&0.into(), &0.into()), "{receipt}");
}

/// The paths and sums of all files that a receipt names.
fn named(receipt: &Value) -> BTreeMap<String, String> {
    let files = receipt["partitions"].as_array().unwrap().iter();
    let text = |file: &Value, name: &str| file[name].as_str().unwrap().to_owned();
    files.map(|file| (text(file, "path"), text(file, "sha256"))).collect()
}

#[test]
fn a_split_in_an_object_store_lives_through_deaths() {
    let store = ObjectStore::moto();
    let bed = served();
    let run = |arguments: &[&str], faults: Option<(&str, u64)>| {
        let mut command = crate::bed::rollbook(bed.folder.path());
        command.args(arguments).args(["--json", "--base-url", &bed.server.base_url()]);
        command.env("VIDEOSDK_TOKEN", TOKEN).envs(bed.environment.clone()).envs(store.environment.clone());
        // A lease that a dead one holds keeps others out for half a minute.
        command.env("ROLLBOOK_TEST_LEASE", "off");
        command.envs(faults.map(|(faults, at)| (faults, format!("die:{at}"))));
        Ran::of(command.output().unwrap())
    };
    let place = store.url("split");
    let step = |name: &str, arguments: &[&str], faults: Option<(&str, u64)>| {
        run(&[&["split", name, "--split", &place], arguments].concat(), faults)
    };
    let mut deaths = 0;
    let mut lives = |name: &str, arguments: &[&str]| {
        for faults in ["ROLLBOOK_TEST_FAULTS", "ROLLBOOK_TEST_SPLIT_FAULTS"] {
            for at in [2, 5, 9, 14] {
                let ran = step(name, arguments, Some((faults, at)));
                assert!([0, -1].contains(&ran.code), "{faults} {at} {name}: {ran:?}");
                deaths += u64::from(ran.code == -1);
            }
        }
        let ran = step(name, arguments, None);
        assert_eq!(ran.code, 0, "{name} {arguments:?}: {ran:?}");
        ran.receipt()
    };
    let expected = run(&["export", "--full", "--dest", &store.url("plain")], None);
    assert_eq!(expected.code, 0, "{expected:?}");
    let dataset = store.url("data");
    let plan = lives("plan", &["--tasks", "3", "--dest", &dataset]);
    for task in 0..plan["fetch_tasks"].as_u64().unwrap() {
        lives("fetch", &["--task", &task.to_string()]);
    }
    let join = lives("join", &[]);
    for task in 0..join["publish_tasks"].as_u64().unwrap() {
        lives("publish", &["--task", &task.to_string()]);
    }
    let receipt = lives("finish", &[]);
    assert_eq!(named(&receipt), named(&expected.receipt()));
    assert!(deaths > 15, "{deaths}");
    let left = store.files("split/");
    assert_eq!(left.len(), 3, "{left:?}");
}

/// A plain export and a split of a limited API, and how often each was told to come back later.
fn refusals(options: Options, limit: &str, settings: &[(&str, &str)]) -> (u64, u64) {
    let mut bed = of(options.clone());
    bed.environment.push(("ROLLBOOK_API_RETRY_BUDGET".to_owned(), "60s".to_owned()));
    bed.environment.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let alone = bed.run(&["--json"]);
    assert_eq!(alone.code, 0, "{alone:?}");
    fs::remove_dir_all(bed.dataset()).unwrap();
    bed.serve(options);
    let split = Split::of(&bed);
    let fetching = split.done("plan", &["--tasks", "4", "--limit", limit])["fetch_tasks"].as_u64().unwrap();
    let children: Vec<_> = (0..fetching)
        .map(|task| {
            let mut command = split.command("fetch", &["--task", &task.to_string()]);
            command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    for child in children {
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let publishing = split.join();
    (0..publishing).for_each(|task| drop(split.task("publish", task)));
    let retries = |receipt: &Value| receipt["walk"]["retries"].as_u64().unwrap();
    (retries(&alone.receipt()), retries(&split.finish()))
}

#[test]
fn tasks_share_what_the_api_allows_all_of_them_and_each_has_what_it_allows_a_connection() {
    let limited = |per| Options { rate_limit: Some(20), rate_limit_per: per, ..still(account()) };
    let settings = [("ROLLBOOK_API_REQUESTS_PER_SECOND", "20"), ("ROLLBOOK_API_CONCURRENCY", "4")];
    let (alone, shared) = refusals(limited(Per::Key), "key", &settings);
    assert!(shared <= alone, "{shared} refusals of four tasks, {alone} of one process");
    let settings = [("ROLLBOOK_API_REQUESTS_PER_SECOND", "20"), ("ROLLBOOK_API_CONCURRENCY", "1")];
    let (alone, each) = refusals(limited(Per::Connection), "connection", &settings);
    assert_eq!((alone, each), (0, 0));
    // The same in vain, where all of them count together.
    let (_, many) = refusals(Options { rate_limit: Some(5), ..limited(Per::Key) }, "connection", &settings);
    assert!(many > 0);
}

#[test]
fn what_is_not_the_splits_own_is_never_touched() {
    let bed = served();
    let split = Split::of(&bed);
    let others = [
        "publish/mine.txt",
        "fetch/mine.txt",
        "fetch/0/old/mine.txt",
        "join/deep/mine.txt",
        "fetch/0/rows.0",
        "notes.json",
    ];
    for path in others {
        let path = split.place.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "mine").unwrap();
    }
    assert_eq!(split.ran("drop", &[]).code, 0);
    split.whole(2);
    assert_eq!(split.ran("drop", &[]).code, 0);
    let mut left = split.left();
    left.sort();
    let mut expected = others.map(str::to_owned);
    expected.sort();
    assert_eq!(left, expected);
    for (place, dataset) in [("s", "s/publish"), ("s", "s/fetch/0"), ("d/sessions/s", "d"), ("d/_rollbook", "d")] {
        let folder = bed.folder.path();
        let mut command = crate::bed::rollbook(folder);
        command.args(["split", "plan", "--base-url", &bed.server.base_url(), "--create-parents"]);
        command
            .arg("--split")
            .arg(folder.join(place))
            .arg("--dest")
            .arg(folder.join(dataset))
            .env("VIDEOSDK_TOKEN", TOKEN);
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.code == 2 && ran.stderr.contains("lie in each other's folders"), "{place} {dataset}: {ran:?}");
    }
}

#[test]
fn records_that_can_not_be_read_are_told_by_the_end_and_by_nobody_else() {
    let options = || Options { reject_every: Some(50), ..still(account()) };
    let alone = of(options()).run(&["--json"]);
    assert_eq!(alone.code, 3, "{alone:?}");
    let bed = of(options());
    let split = Split::of(&bed);
    split.up_to("join", 3);
    // Given up: the next run finds them as new as ever.
    assert_eq!(split.ran("drop", &[]).code, 0);
    assert!(!bed.dataset().join("_rollbook/rejects").exists());
    split.up_to("publish", 3);
    let ran = split.ran("finish", &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let (receipt, alone) = (ran.receipt(), alone.receipt());
    assert_eq!((&receipt["rejects"], &receipt["outcome"]), (&alone["rejects"], &"rejects".into()));
    let kept = bed.dataset().join("_rollbook/rejects").join(format!("{}.jsonl", receipt["run_id"].as_str().unwrap()));
    assert!(fs::read_to_string(kept).unwrap().lines().count() > 10);
    assert_eq!(split.ran("finish", &[]).code, 3, "once more");
}

#[test]
fn a_file_that_somebody_had_put_back_costs_the_proof() {
    let bed = served();
    assert_eq!(bed.run(&[]).code, 0);
    let (path, old) = bed.files().into_iter().rfind(|(path, _)| path.to_str().unwrap().contains("/sessions/")).unwrap();
    let mut bed = bed;
    let linked = Change::replace(3, {
        let mut session = account().sessions().nth(3).unwrap();
        session.chat_link = Some("https://new.example".to_owned());
        session
    });
    let changes = [ended(&account()), vec![linked]].concat();
    bed.serve(Options { script: Script::new().before(1, changes), ..Options::new(account()) });
    assert_eq!(bed.run(&[]).code, 0);
    fs::write(path, old).unwrap();
    let split = Split::of(&bed);
    split.up_to("publish", 2);
    let ran = split.ran("finish", &[]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let receipt = ran.receipt();
    assert_eq!(receipt["restored"].as_array().unwrap().len(), 1, "{receipt}");
    let next = Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!((next.code, &next.receipt()["goal"]["kind"]), (0, &"full".into()), "{next:?}");
}

#[test]
fn a_list_that_grows_while_the_tasks_read_one_after_the_other_is_proven() {
    for (growth, tasks) in [(5_u64, 4), (30, 8), (100, 4)] {
        let mut bed = Bed::new(still(Account::new(9, 3_000, Shape::Realistic)));
        bed.environment = vec![("ROLLBOOK_DATASET_PARTITION_BY".to_owned(), "day".to_owned())];
        let split = Split::of(&bed);
        let fetching = split.plan(tasks);
        for task in 0..fetching {
            bed.server.with_list(|list| (0..growth).for_each(|_| drop(list.insert_fresh(0))));
            split.task("fetch", task);
        }
        let publishing = split.join();
        (0..publishing).for_each(|task| drop(split.task("publish", task)));
        let ran = split.ran("finish", &[]);
        assert_eq!(ran.code, 0, "{growth} {tasks}: {:?}", ran.receipt()["walk"]);
        assert_eq!(ran.receipt()["dataset"]["sessions"], 3_000 + growth * fetching);
    }
}

#[test]
fn a_task_that_comes_too_late_leaves_nothing_and_brings_nothing_back() {
    let slow = || of(Options { latency: std::time::Duration::from_millis(150), ..still(account()) });
    // Given up while a task reads.
    let bed = slow();
    let split = Split::of(&bed);
    split.plan(2);
    let start = |step: &str, arguments: &[&str]| {
        let before = bed.pages();
        let mut command = split.command(step, arguments);
        let child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
        for _ in 0..1_000 {
            if bed.pages() > before + 1 {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        child
    };
    let late = start("fetch", &["--task", "0"]);
    assert_eq!(split.ran("drop", &[]).code, 0);
    let ran = Ran::of(late.wait_with_output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert_eq!(split.left(), Vec::<String>::new());
    assert!(!bed.dataset().join("_rollbook/split.json").exists());
    // Finished while a second join reads.
    split.up_to("fetch", 2);
    let late = start("join", &[]);
    let publishing = split.join();
    (0..publishing).for_each(|task| drop(split.task("publish", task)));
    split.finish();
    let ran = Ran::of(late.wait_with_output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(split.left(), ["finish.json", "join.json", "plan.json"]);
    assert!(!bed.dataset().join("_rollbook/split.json").exists());
    assert_eq!(bed.run(&[]).code, 0);
}
