//! The views that `rollbook views` prints say the same in DuckDB 1.5, DuckDB 2.0 and Spark, whatever the session's zone is and
//! however the dataset is cut, on disk and in an object store; and that is what the simulated account's own truth says.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use arrow_array::Array;
use rollbook::dataset::layout::Layout;
use rollbook::dataset::published::Published;
use rollbook::rows::partition::PartitionBy;
use rollbook::rows::tables::sessions;
use rollbook::sim::{Account, Change, Options, Script, Session, Shape, Spacing};
use serde_json::{Value, json};

use crate::answers::{Answers, Seen, Zone, answers, row};
use crate::bed::{Bed, Ran, TOKEN, number, rollbook};
use crate::oddities::made_odd;
use crate::place::copy;
use crate::python::{python, python_with_s3, run};
use crate::servers::ObjectStore;

/// The columns of each view in order, a contract; of the tables, the keys.
const COLUMNS: [(&str, &str); 13] = [
    ("sessions", "session_id"),
    ("participants", "session_id participant_index"),
    ("timelogs", "session_id participant_index timelog_index"),
    (
        "attendance",
        "session_id meeting_id session_started_at session_ended_at person name entries joins first_joined_at last_left_at \
         attended_ms attended_share late_ms early_ms is_present",
    ),
    ("people", "person name sessions meetings attended_ms first_seen_at last_seen_at mean_share"),
    (
        "meetings",
        "meeting_id sessions first_started_at last_started_at duration_ms occupied_ms attended_ms persons peak",
    ),
    ("daily", "day sessions meetings persons duration_ms occupied_ms attended_ms peak"),
    ("presence", "session_id meeting_id changed_at present"),
    ("concurrency", "hour sessions peak_present"),
    ("open_sessions", "session_id meeting_id started_at observed_at present"),
    ("anomaly_counts", "table_name anomaly rows"),
    ("runs", "run_id command started_at finished_at exit_code outcome evidence requests sessions new updated rejects"),
    ("gone", "session_id noticed_at last_listed_at"),
];

/// A dataset, and the zones in which its views are made and read.
struct Case {
    dataset: String,
    zone: Zone,
    session_zone: Zone,
    /// What is printed and read, by the name of the engine.
    folder: PathBuf,
}

/// Engines, each with the name by which it is known to the command and to the script.
const ENGINES: [(&str, &str); 3] = [("duckdb-1.5", "duckdb"), ("duckdb-2.0", "duckdb"), ("spark-4.0", "spark")];

impl Case {
    fn new(bed: &Bed, name: &str, dataset: String, [zone, session_zone]: [Zone; 2]) -> Self {
        let folder = bed.folder.path().join("views").join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { dataset, zone, session_zone, folder }
    }

    /// Prints the SQL for each engine.
    fn print(&self, environment: &[(String, String)]) {
        for engine in ["duckdb", "spark"] {
            let mut command = rollbook(&self.folder);
            command.args(["views", "--engine", engine, "--zone", self.zone.name(), "--dest", &self.dataset]);
            let ran = Ran::of(command.envs(environment.iter().cloned()).output().unwrap());
            assert_eq!(ran.code, 0, "{ran:?}");
            fs::write(self.folder.join(format!("{engine}.sql")), ran.stdout).unwrap();
        }
    }

    /// The views that an engine could not make or read.
    fn failed(&self, engine: &str) -> BTreeMap<String, String> {
        serde_json::from_str(&fs::read_to_string(self.folder.join(engine).join("failed.json")).unwrap()).unwrap()
    }

    /// Holds all rows of a view against the truth.
    fn compare(&self, engine: &str, view: &str, truth: &[String]) {
        let what = format!("{engine}: {view} of {}", self.folder.display());
        let text = fs::read_to_string(self.folder.join(engine).join(format!("{view}.jsonl")));
        let text = text.unwrap_or_else(|_| panic!("{what}: {:?}", self.failed(engine)));
        let (comment, rows) = text.split_once('\n').unwrap();
        assert!(comment.starts_with("\"A row is ") || engine.starts_with("spark"), "{what}: {comment}");
        let mut expected: HashMap<&str, i64> = HashMap::new();
        let found: Vec<_> = rows.lines().map(same_text).collect();
        for (lines, step) in [(truth, 1), (&found, -1)] {
            for line in lines {
                *expected.entry(line).or_default() += step;
            }
        }
        let mut wrong: Vec<_> = expected.into_iter().filter(|(_, number)| *number != 0).collect();
        wrong.sort_unstable();
        wrong.truncate(10);
        assert!(wrong.is_empty(), "{what}: rows that lack (1) or are too many (-1): {wrong:#?}");
    }
}

/// A row whose texts are escaped as Rust escapes them, with its columns in their order.
fn same_text(line: &str) -> String {
    if !line.contains('\\') {
        return line.to_owned();
    }
    let mut pieces = String::new();
    // Texts begin and end at quotes; nothing between them is escaped.
    let mut rest = line;
    while let Some(begin) = rest.find('"') {
        pieces.push_str(&rest[..begin]);
        let mut texts = serde_json::Deserializer::from_str(&rest[begin..]).into_iter::<String>();
        let text = texts.next().unwrap().unwrap();
        let end = begin + texts.byte_offset();
        pieces.push_str(&json!(text).to_string());
        rest = &rest[end..];
    }
    pieces + rest
}

/// Makes and reads the views of some cases in an engine.
fn read(cases: &[&Case], (name, engine): (&str, &str), port: Option<u16>) {
    let folder = cases[0].folder.parent().unwrap();
    let views: serde_json::Map<String, Value> = COLUMNS
        .iter()
        .map(|(view, columns)| ((*view).to_owned(), json!(columns.split(' ').collect::<Vec<_>>())))
        .collect();
    let case = |case: &&Case| {
        json!({
            "sql": case.folder.join(format!("{engine}.sql")),
            "zone": case.session_zone.name(),
            "out": case.folder.join(name),
        })
    };
    let plan = folder.join(format!("{name}.json"));
    let cases: Vec<_> = cases.iter().map(case).collect();
    fs::write(&plan, json!({"views": views, "cases": cases}).to_string()).unwrap();
    let interpreter = if name == "duckdb-1.5" { python_with_s3() } else { python() };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers/views_rows.py");
    run(Command::new(interpreter).arg(script).arg(engine).arg(plan).args(port.map(|port| port.to_string())));
}

/// When each running session of a dataset was seen.
fn observed(dataset: &Path, by: PartitionBy) -> HashMap<String, i64> {
    let mut found = HashMap::new();
    for published in Published::all(&Layout::local(dataset, by)).unwrap() {
        let mut chunks = published.chunks().unwrap();
        while let Some(chunk) = chunks.next_chunk().unwrap() {
            let batch = &chunk.batches().sessions;
            let (ids, seen) = (sessions::session_id(batch), sessions::observed_at(batch));
            let rows = (0..batch.num_rows()).filter(|row| seen.is_valid(*row));
            found.extend(rows.map(|row| (ids.value(row).to_owned(), seen.value(row))));
        }
    }
    found
}

fn seen(sessions: &[Session], observed: &HashMap<String, i64>) -> Vec<Seen> {
    let of = |session: &Session| Seen { session: session.clone(), observed_at: observed.get(&session.id).copied() };
    sessions.iter().map(of).collect()
}

fn micros(time: &Value) -> Value {
    json!(chrono::DateTime::parse_from_rfc3339(time.as_str().unwrap()).unwrap().timestamp_micros())
}

fn state(dataset: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(dataset.join("_rollbook/state.json")).unwrap()).unwrap()
}

/// What `runs` must say of a receipt.
fn run_of(receipt: &Value) -> String {
    row([
        ("run_id", receipt["run_id"].clone()),
        ("command", receipt["command"].clone()),
        ("started_at", micros(&receipt["started_at"])),
        ("finished_at", micros(&receipt["finished_at"])),
        ("exit_code", receipt["exit_code"].clone()),
        ("outcome", receipt["outcome"].clone()),
        ("evidence", receipt["walk"]["evidence"].clone()),
        ("requests", receipt["walk"]["requests"].clone()),
        ("sessions", receipt["sessions"].clone()),
        ("new", receipt["changes"]["new"].clone()),
        ("updated", receipt["changes"]["updated"].clone()),
        ("rejects", receipt["rejects"]["total"].clone()),
    ])
}

/// Exports an account to a place, and returns the receipt.
fn export(bed: &Bed, dataset: &str, environment: &[(String, String)], by: &str) -> Value {
    let mut command = rollbook(bed.folder.path());
    command.args(["export", "--full", "--json", "--base-url", &bed.server.base_url(), "--dest", dataset]);
    command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_DATASET_PARTITION_BY", by).envs(environment.iter().cloned());
    let ran = Ran::of(command.output().unwrap());
    assert!([0, 3].contains(&ran.code), "{ran:?}");
    ran.receipt()
}

/// So many sessions, or as many as `ROLLBOOK_TEST_VIEWS` says, over 300 days of 2026, both nights on which clocks change in New York
/// among them. Spark takes minutes of CPU for 20,000.
fn account() -> Account {
    let sessions = number("ROLLBOOK_TEST_VIEWS").unwrap_or(2_000);
    Account::new(77, sessions, Shape::Realistic).spaced(Spacing::every(300 * 86_400_000 / sessions))
}

/// A case, and what its views must say; the views that can't be made have nothing to say.
struct Held {
    case: Case,
    truth: Answers,
}

impl Held {
    fn is_said_by(&self, engine: &str) {
        let failed: Vec<_> =
            self.case.failed(engine).into_iter().filter(|(view, _)| self.truth.contains_key(&**view)).collect();
        assert!(failed.is_empty(), "{engine}: {}: {failed:#?}", self.case.folder.display());
        for (view, truth) in &self.truth {
            self.case.compare(engine, view, truth);
        }
    }
}

/// An account full of oddities, exported in each way in which a dataset may be cut.
fn whole_accounts() -> (Bed, Vec<Held>) {
    let mut sessions: Vec<_> = account().sessions().collect();
    let mut changes = Vec::new();
    for (index, session) in sessions.iter_mut().enumerate() {
        if made_odd(index, session) {
            changes.push(Change::Replace(session.id.as_str().into(), session.clone()));
        }
    }
    let bed = Bed::new(Options { script: Script::new().before(1, changes), ..Options::new(account()) });
    let mut held = Vec::new();
    for (by, name, zones) in [
        (PartitionBy::Month, "month", [Zone::NewYork, Zone::Kolkata]),
        (PartitionBy::Day, "day", [Zone::Kolkata, Zone::NewYork]),
        (PartitionBy::None, "none", [Zone::Utc, Zone::NewYork]),
    ] {
        let path = bed.folder.path().join(name);
        let case = Case::new(&bed, name, path.to_str().unwrap().to_owned(), zones);
        let receipt = export(&bed, &case.dataset, &[], name);
        assert_eq!(receipt["sessions"], sessions.len(), "{receipt}");
        case.print(&[]);
        let mut truth = answers(&seen(&sessions, &observed(&path, by)), zones[0]);
        truth.insert("runs", vec![run_of(&receipt)]);
        truth.insert("gone", Vec::new());
        held.push(Held { case, truth });
    }
    (bed, held)
}

/// Datasets with little in them, in a folder with an odd name; some records are out of reach, or there are none.
fn odd_places() -> (Bed, Vec<Held>) {
    let account = Account::new(79, 60, Shape::AllOpen);
    let mut bed = Bed::new(Options::new(account));
    let zones = [Zone::Kolkata, Zone::NewYork];
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let whole = bed.folder.path().join("it's {a} [whole] *data?");
    let first = export(&bed, &path(&whole), &[], "month");
    let full_at = state(&whole)["covered"]["full_at"].clone();
    let sessions: Vec<_> = account.sessions().collect();
    let script = Script::new().before(1, Change::delete(&*sessions[7].id));
    bed.serve(Options { script, ..Options::new(account) });
    let second = export(&bed, &path(&whole), &[], "month");
    let tables = answers(&seen(&sessions, &observed(&whole, PartitionBy::Month)), Zone::Kolkata);
    let gone = [
        ("session_id", json!(sessions[7].id)),
        ("noticed_at", micros(&second["started_at"])),
        ("last_listed_at", micros(&full_at)),
    ];
    let with = |truth: &Answers, runs: &[&Value], gone: &[String]| {
        let runs = runs.iter().map(|receipt| run_of(receipt)).collect();
        let mut truth = truth.clone();
        truth.extend([("runs", runs), ("gone", gone.to_vec())]);
        truth
    };
    let case = |name: &str, dataset: &Path| {
        let case = Case::new(&bed, name, path(dataset), zones);
        case.print(&[]);
        case
    };
    let all = Held { case: case("all", &whole), truth: with(&tables, &[&first, &second], &[row(gone)]) };
    // Through a snapshot, which is what is printed where there is one.
    let lake = bed.folder.path().join("it's {a} [lake] *data?");
    let third = export(&bed, &path(&lake), &[("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), "files".to_owned())], "month");
    let left: Vec<_> = sessions.iter().filter(|session| session.id != sessions[7].id).cloned().collect();
    let tables_of_lake = answers(&seen(&left, &observed(&lake, PartitionBy::Month)), Zone::Kolkata);
    let lake = Held { case: case("lake", &lake), truth: with(&tables_of_lake, &[&third], &[]) };
    // Who may read the tables only: with SQL that somebody else has printed, or with that reader's own.
    let readable = bed.folder.path().join("readable");
    copy(&whole, &readable);
    let printed = case("printed", &readable);
    fs::remove_dir_all(readable.join("_rollbook")).unwrap();
    let own = Held { case: case("own", &readable), truth: with(&tables, &[], &[]) };
    let nobody = bed.folder.path().join("nobody");
    bed.serve(Options::default());
    let nothing = export(&bed, &path(&nobody), &[], "month");
    let empty = Case::new(&bed, "empty", path(&nobody), zones);
    empty.print(&[]);
    let empty = Held { case: empty, truth: with(&answers(&[], Zone::Kolkata), &[&nothing], &[]) };
    (bed, vec![all, lake, Held { case: printed, truth: tables }, own, empty])
}

#[test]
fn the_views_are_the_truth_in_every_engine() {
    let ((_large, mut held), (_small, odd)) = (whole_accounts(), odd_places());
    held.extend(odd);
    for engine in ENGINES {
        read(&held.iter().map(|held| &held.case).collect::<Vec<_>>(), engine, None);
        for held in &held {
            held.is_said_by(engine.0);
        }
    }
}

#[test]
fn the_views_read_from_an_object_store() {
    let account = Account::new(78, 400, Shape::Realistic).spaced(Spacing::every(6_480_000));
    let sessions: Vec<_> = account.sessions().collect();
    let bed = Bed::new(Options::new(account));
    let store = ObjectStore::moto();
    let held = ["none", "files"].map(|format| {
        // What is no wildcard here is none to the engine.
        let dataset = store.url(&format!("it's [a] data of {format}"));
        let case = Case::new(&bed, &format!("objects-{format}"), dataset, [Zone::NewYork, Zone::Kolkata]);
        let mut environment = store.environment.clone();
        environment.push(("ROLLBOOK_SNAPSHOTS_FORMAT".to_owned(), format.to_owned()));
        let receipt = export(&bed, &case.dataset, &environment, "month");
        case.print(&store.environment);
        let copied = bed.folder.path().join(format!("copied-{format}"));
        crate::servers::download(&store.environment, &case.dataset, &copied);
        let mut truth = answers(&seen(&sessions, &observed(&copied, PartitionBy::Month)), Zone::NewYork);
        truth.insert("runs", vec![run_of(&receipt)]);
        truth.insert("gone", Vec::new());
        Held { case, truth }
    });
    read(&held.each_ref().map(|held| &held.case), ENGINES[0], Some(store.port));
    for held in held {
        held.is_said_by(ENGINES[0].0);
    }
}

#[test]
fn who_is_gone_is_told_to_whoever_may_read_the_tables() {
    let account = Account::new(80, 40, Shape::Plain);
    let mut bed = Bed::new(Options::new(account));
    let dataset = bed.dataset();
    let file = dataset.join("_rollbook/gone.jsonl");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(bed.run(&["-q"]).code, 0);
    assert!(!file.exists(), "nobody is gone");
    let ids = [3, 5].map(|index| account.session(index).id);
    let without = |ids: &[String]| {
        let changes: Vec<_> = ids.iter().map(|id| Change::delete(id.as_str())).collect();
        Options { script: Script::new().before(1, changes), ..Options::new(account) }
    };
    let lines = || fs::read_to_string(&file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>();
    bed.serve(without(&ids[..1]));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let first = lines();
    assert_eq!(mode(&file), mode(&dataset.join("sessions/start_month=1970-01/part-0.parquet")));
    bed.serve(without(&ids));
    assert_eq!(bed.run(&["-q"]).code, 0);
    let both = lines();
    assert!(first.len() == 1 && both.len() == 2 && both.contains(&first[0]), "{first:?} {both:?}");
    // Killed before the file was written: the next run writes it, and does not know when it was noticed.
    fs::write(&file, format!("{}\n", first[0])).unwrap();
    assert_eq!(bed.run(&["-q"]).code, 0);
    let unknown = format!("{{\"session_id\":\"{}\",\"noticed_at\":null,\"last_listed_at\":null}}", ids[1]);
    assert!(lines().contains(&unknown) && lines().contains(&first[0]), "{:?}", lines());
    // Listed again.
    bed.serve(without(&ids[1..]));
    assert_eq!(bed.run(&["-q"]).code, 0);
    assert_eq!(lines(), [unknown]);
}

#[test]
fn a_zone_that_is_none_and_a_dataset_that_is_not_there_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let views = |arguments: &[&str]| {
        Ran::of(rollbook(folder.path()).args(["views", "--engine", "duckdb"]).args(arguments).output().unwrap())
    };
    let ran = views(&["--zone", "America/NewYork"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("is America/New_York meant?"), "{ran:?}");
    let ran = views(&["--zone", "UTC'); DROP TABLE x; --"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    let ran = views(&[]);
    assert_eq!((ran.code, ran.stdout.as_str()), (6, ""), "{ran:?}");
    assert!(ran.stderr.contains("error: there is no dataset: ") && ran.stderr.contains("\nhint: "), "{ran:?}");
}
