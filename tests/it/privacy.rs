//! `[privacy]`: what is protected never reaches the disk, whoever is excluded counts for nothing, and a dataset is brought under a
//! stricter rule, but never back.

use std::path::Path;
use std::process::Command;

use rollbook::sim::{Account, Canned, Change, Options, Script, Shape};
use serde_json::json;

use crate::bed::{Bed, Ran};
use crate::python::{python, run};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

/// The settings of a run.
#[derive(Clone, Copy, Default)]
struct Rule {
    pseudonymize: &'static [&'static str],
    drop: &'static [&'static str],
    exclude: &'static [&'static str],
}

const OPEN: Rule = Rule { pseudonymize: &[], drop: &[], exclude: &[] };
const BY_NAME: Rule = Rule { pseudonymize: &["name"], ..OPEN };
const BY_ID: Rule = Rule { pseudonymize: &["participant_id"], ..OPEN };
/// All that there is.
const ALL: Rule = Rule {
    pseudonymize: &["name", "participant_id", "custom_room_id"],
    drop: &["chat_link"],
    exclude: &["(?i)^recorder", "-bot$"],
};

/// Under these settings, with the key where one is needed.
fn under(mut command: Command, rule: Rule) -> Command {
    let list = |texts: &[&str]| json!(texts).to_string();
    command.env("ROLLBOOK_PRIVACY_PSEUDONYMIZE", list(rule.pseudonymize));
    command.env("ROLLBOOK_PRIVACY_DROP", list(rule.drop));
    command.env("ROLLBOOK_PRIVACY_EXCLUDE_PARTICIPANTS", list(rule.exclude));
    command.env("ROLLBOOK_PSEUDONYM_KEY", KEY);
    command
}

fn ran(bed: &Bed, arguments: &[&str], rule: Rule) -> Ran {
    Ran::of(under(bed.command(arguments), rule).output().unwrap())
}

fn reader(script: &str) -> Command {
    let mut command = Command::new(python());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script));
    command
}

/// Holds every row of a protected dataset against what another program makes of an open one of the same account.
fn check(open: &Bed, protected: &Bed, rule: Rule) -> (u64, u64) {
    let settings = json!({"key": KEY, "pseudonymize": rule.pseudonymize, "drop": rule.drop, "exclude": rule.exclude});
    let checked = Ran::of(
        reader("privacy_check.py")
            .arg(open.dataset())
            .arg(protected.dataset())
            .arg(settings.to_string())
            .output()
            .unwrap(),
    );
    assert_eq!(checked.code, 0, "{checked:?}");
    let (entries, excluded) = checked.stdout.trim().split_once(' ').unwrap();
    (entries.parse().unwrap(), excluded.parse().unwrap())
}

/// Where words are found below the test's folder, in whatever file; none.
fn refuse_found(bed: &Bed, words: &[&str]) {
    let found = Ran::of(reader("byte_search.py").arg(bed.folder.path()).args(words).output().unwrap());
    assert_eq!(found.code, 0, "{found:?}");
}

/// The same in the bytes of all files as they are, which is quick.
fn refuse_bytes(folder: &Path, words: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            refuse_bytes(&path, words);
        } else {
            let bytes = std::fs::read(&path).unwrap().to_ascii_lowercase();
            let has = |word: &&&str| memchr::memmem::find(&bytes, word.as_bytes()).is_some();
            assert_eq!(words.iter().find(has), None, "{}", path.display());
        }
    }
}

/// Words of names, of ids, of all else that can be protected.
const NAMES: &[&str] = &["quellwort"];
const IDS: &[&str] = &["rohkennung"];
const OTHERS: &[&str] = &["rohraum", "rohkette", "rohfeld"];

/// Sessions whose values can be told from all else, at their places and at others.
fn telling() -> Options {
    let log = r#""timelog":[{"start":"2026-03-03T08:10:00Z","end":"2026-03-03T08:20:00Z","weiteres":"rohfeld"}]"#;
    let session = |id: &str, month: u32, rest: &str| {
        format!(
            r#"{{"id":"{id}","meetingId":"m","start":"2026-0{month}-03T08:00:00Z","end":"2026-0{month}-03T09:00:00Z",
            "customRoomId":"Rohraum {id}","chatLink":"https://c.example/rohkette-{id}","weiteres":"Quellwort rohfeld",{rest}}}"#
        )
        .replace('\n', "")
    };
    let people = |more: &str| {
        format!(
            r#""participants":[{{"participantId":"rohkennung-1","name":"Ann Quellwort",{log}}},
            {{"participantId":"rohkennung-2","name":"  ann   QUELLWORT",{log}}},{{"participantId":"rohkennung-3",{log}}},
            {{"name":"Bob Quellwort","weiteres":"rohfeld"}},{{"participantId":"rohkennung-4","name":"Recorder Quellwort",{log}}}{more}]"#
        )
    };
    let records = [
        session("a", 3, &people("")),
        // All kinds of values that can't be read, which become rejects.
        session("b", 4, &people(r#","Quellwort lose",{"name":{"first":"Quellwort"},"participantId":["rohkennung"]}"#)),
        session("c", 3, r#""participants":{"Quellwort":"rohkennung"},"activeDuration":"Quellwort""#),
        r#"{"participants":[{"name":"Quellwort without","participantId":"rohkennung-5"}],"chatLink":"rohkette","customRoomId":"rohraum"}"#.to_owned(),
        r#"{"id":"d","start":"Quellwort","end":"2026-03-03T09:00:00Z","participants":[{"name":"Quellwort","timelog":"rohkennung"}]}"#.to_owned(),
        r#""Quellwort rohkennung""#.to_owned(),
    ];
    let number = records.len() as u64;
    let changes: Vec<_> = (0..).zip(records).map(|(at, record)| Change::raw(at, record)).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, number, Shape::Plain)) }
}

#[test]
fn every_row_is_as_another_program_makes_it() {
    let account = || Options::new(Account::new(17, 2_000, Shape::Realistic));
    let open = Bed::new(account());
    assert_eq!(ran(&open, &["export"], OPEN).code, 0);
    let excluding = Rule { exclude: ALL.exclude, ..OPEN };
    let dropping = Rule { drop: &["name", "custom_room_id", "extra"], exclude: ALL.exclude, ..BY_ID };
    for rule in [ALL, BY_NAME, BY_ID, excluding, dropping] {
        let bed = Bed::new(account());
        let exported = ran(&bed, &["export"], rule);
        assert_eq!(exported.code, 0, "{exported:?}");
        let (entries, excluded) = check(&open, &bed, rule);
        assert!(entries > 5_000 && (excluded > 20) != rule.exclude.is_empty(), "{excluded} of {entries}");
        for command in ["verify", "status"] {
            assert_eq!(ran(&bed, &[command], OPEN).code, 0, "{command}");
        }
        let again = ran(&bed, &["export", "--full", "--json"], rule);
        assert!(again.code == 0 && !again.stdout.contains("\"changed\": true"), "{again:?}");
        let changes = &again.receipt()["changes"];
        assert_eq!((&changes["new"], &changes["updated"]), (&json!(0), &json!(0)), "{changes}");
    }
}

#[test]
fn nothing_raw_is_anywhere_whatever_happens() {
    for (rule, words) in [(BY_NAME, [NAMES, &[]].concat()), (BY_ID, IDS.to_vec()), (ALL, [NAMES, IDS, OTHERS].concat())]
    {
        let mut bed = Bed::new(telling());
        let temporary = bed.folder.path().join("tmp");
        std::fs::create_dir(&temporary).unwrap();
        for step in 1.. {
            assert!(step < 200, "there is no end");
            bed.serve(telling());
            let mut command = under(bed.command(&["export", "-vv", "--json"]), rule);
            command.env("TMPDIR", &temporary).env("ROLLBOOK_DATASET_KEEP_UNKNOWN_FIELDS", "true");
            let ended = Ran::of(command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap());
            std::fs::write(bed.folder.path().join("printed"), format!("{}{}", ended.stdout, ended.stderr)).unwrap();
            refuse_bytes(bed.folder.path(), &words);
            if ended.code == 3 {
                assert!(step > 10, "it has not died often enough");
                break;
            }
        }
        let printed = [&["status"][..], &["rejects"], &["rejects", "--json"], &["verify"], &["check"], &["report"]];
        for (number, arguments) in printed.iter().enumerate() {
            let ended = ran(&bed, arguments, rule);
            assert!(ended.code == 0 || arguments[0] == "check", "{arguments:?}: {ended:?}");
            std::fs::write(
                bed.folder.path().join(format!("printed-{number}")),
                format!("{}{}", ended.stdout, ended.stderr),
            )
            .unwrap();
        }
        refuse_found(&bed, &words);
        let status = ran(&bed, &["status"], OPEN).stdout;
        assert!(status.contains("privacy       pseudonymize = [") && status.contains(", key "), "{status}");
        let rejects = ran(&bed, &["rejects", "--json"], rule).stdout;
        assert!(rejects.contains("bad_timestamp") && rejects.contains("string("), "{rejects}");
        // A reject is known again by the keyed hash of its content.
        let again = ran(&bed, &["export", "--full", "--json"], rule).receipt();
        let [new, without_id] = ["new", "without_id"].map(|name| again["rejects"][name].as_u64().unwrap());
        assert_eq!(new, without_id, "{again}");
    }
}

#[test]
fn an_answer_that_is_no_page_is_not_quoted() {
    let body = r#"{"data":{"name":"Ann Quellwort"}}"#;
    let script = Script::new().answer_every(1, 1, Canned::status(200).json(body));
    let bed = Bed::new(Options { script, ..telling() });
    let open = ran(&bed, &["export"], OPEN);
    assert!(open.code == 8 && open.stderr.contains("Quellwort"), "{open:?}");
    let protected = ran(&bed, &["export"], BY_NAME);
    assert!(protected.code == 8 && !protected.stderr.contains("Quellwort"), "{protected:?}");
    assert!(protected.stderr.contains("33 bytes, not shown since `[privacy]` is set"), "{protected:?}");
}

#[test]
fn a_dataset_is_brought_under_a_stricter_rule_through_a_death_at_every_step() {
    let words = [NAMES, IDS, OTHERS].concat();
    let mut bed = Bed::new(telling());
    assert_eq!(ran(&bed, &["export"], ALL).code, 3);
    let wanted = bed.files();
    std::fs::remove_dir_all(bed.dataset()).unwrap();
    // An open dataset, and a stopped run that has staged beside it.
    assert_eq!(ran(&bed, &["export"], OPEN).code, 3);
    bed.serve(telling());
    let mut stopped = under(bed.command(&["export", "--full"]), OPEN);
    assert_ne!(stopped.env("ROLLBOOK_TEST_FAULTS", "die:4").output().unwrap().status.code(), Some(3));
    for arguments in [
        &["export", "--meeting-id", "m"][..],
        &["backfill", "--month", "2026-03"],
        &["purge", "--before", "2026-03-01"],
    ] {
        let refused = ran(&bed, arguments, ALL);
        assert!(
            refused.code == 2 && refused.stderr.contains("`[privacy]` is other than"),
            "{arguments:?}: {refused:?}"
        );
    }
    let aside = bed.dataset().join("_rollbook/damaged/x");
    std::fs::create_dir_all(&aside).unwrap();
    std::fs::write(aside.join("part-0.parquet"), "Quellwort").unwrap();
    let refused = ran(&bed, &["export"], ALL);
    assert!(refused.code == 2 && refused.stderr.contains("_rollbook/damaged"), "{refused:?}");
    std::fs::remove_dir_all(bed.dataset().join("_rollbook/damaged")).unwrap();
    let mut last = None;
    for step in 1.. {
        assert!(step < 60, "there is no end: {last:?}");
        bed.serve(telling());
        let mut command = under(bed.command(&["export", "-q"]), ALL);
        let ended = Ran::of(command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap());
        let verified = ran(&bed, &["verify"], OPEN);
        assert!(verified.code == 0 || ended.code != 3 && verified.code == 3, "step {step}: {verified:?}");
        if ended.code == 3 {
            assert!(step > 10, "it has not died often enough");
            break;
        }
        last = Some(ended);
    }
    refuse_found(&bed, &words);
    assert!(bed.files() == wanted, "it is not what a fresh export writes");
    // Rows of some people only, and nobody else's: what is published follows, and what is known of a reject stays.
    let again = ran(&bed, &["export", "--full", "--json"], ALL).receipt();
    assert_eq!(again["rejects"]["new"], again["rejects"]["without_id"], "{again}");
}

#[test]
fn what_is_gone_is_not_promised() {
    let bed = Bed::new(telling());
    let first = Rule { exclude: &["Bob"], ..BY_NAME };
    assert_eq!(ran(&bed, &["export"], first).code, 3);
    let before = bed.files();
    let other_key = |arguments: &[&str]| {
        Ran::of(
            under(bed.command(arguments), first).env("ROLLBOOK_PSEUDONYM_KEY", KEY.replace('0', "f")).output().unwrap(),
        )
    };
    let refused = [
        (
            ran(&bed, &["export"], Rule { pseudonymize: &[], ..first }),
            "keeps `name` as tokens, and the settings would have it as it is listed",
        ),
        (
            ran(&bed, &["export"], Rule { exclude: &["Ann"], ..first }),
            "who is excluded by other patterns can't be found out",
        ),
        (ran(&bed, &["export"], OPEN), "keeps `name` as tokens"),
        (other_key(&["export"]), "were made with key"),
        (other_key(&["purge", "--before", "2026-03-01"]), "were made with key"),
        (
            Ran::of(
                under(bed.command(&["export"]), first).env("ROLLBOOK_PEOPLE_KEY", "participant_id").output().unwrap(),
            ),
            "can't be made by other `[people]` than its own",
        ),
    ];
    for (refused, why) in refused {
        assert!(refused.code == 2 && refused.stderr.contains(why), "{why}: {refused:?}");
        assert!(refused.stderr.contains("begin a new dataset with --dest"), "{refused:?}");
    }
    // The files say so themselves where the state is lost.
    let state = bed.dataset().join("_rollbook/state.json");
    let kept = std::fs::read(&state).unwrap();
    std::fs::remove_file(&state).unwrap();
    let lost = ran(&bed, &["export"], OPEN);
    assert!(
        lost.code == 2 && lost.stderr.contains("keeps `name` as tokens") && lost.stderr.contains("part-0.parquet"),
        "{lost:?}"
    );
    refuse_bytes(bed.folder.path(), NAMES);
    std::fs::write(&state, kept).unwrap();
    assert!(bed.files() == before, "something was written");
    // Token to dropped, and one more column, are possible.
    let dropped = Rule { pseudonymize: &["participant_id"], drop: &["name"], ..first };
    let stricter = ran(&bed, &["export"], dropped);
    assert_eq!(stricter.code, 3, "{stricter:?}");
    refuse_found(&bed, &[NAMES, IDS].concat());
    let back = ran(&bed, &["export"], first);
    assert!(back.code == 2 && back.stderr.contains("keeps `name` not at all"), "{back:?}");
}

#[test]
fn who_is_excluded_may_change_while_the_values_are_there() {
    let bed = Bed::new(telling());
    assert_eq!(ran(&bed, &["export"], OPEN).code, 3);
    let open = bed.files();
    let excluding = Rule { exclude: &["^Recorder"], ..OPEN };
    let refused = ran(&bed, &["backfill", "--month", "2026-03"], excluding);
    assert!(refused.code == 2 && refused.stderr.contains("`[privacy]` is other than"), "{refused:?}");
    assert_eq!(ran(&bed, &["export"], excluding).code, 3);
    assert!(bed.files() != open);
    assert_eq!(ran(&bed, &["verify"], OPEN).code, 0);
    assert_eq!(ran(&bed, &["export"], OPEN).code, 3);
    assert!(bed.files() == open, "the patterns have left something behind");
}

#[test]
fn a_purge_knows_people_by_what_they_are_called() {
    let dropping = Rule { drop: &["name"], ..BY_ID };
    for rule in [ALL, BY_NAME, BY_ID, dropping] {
        for (flag, value, gone) in [
            ("--participant-name", "ANN  quellwort ", 4),
            ("--participant-id", "rohkennung-3", 2),
            ("--participant-name", "Nobody", 0),
        ] {
            let bed = Bed::new(telling());
            assert_eq!(ran(&bed, &["export"], rule).code, 3);
            let purged = ran(&bed, &["purge", flag, value, "--yes", "--json"], rule);
            assert_eq!(purged.code, 0, "{purged:?}");
            assert_eq!(purged.receipt()["removed"]["participants"], json!(gone), "{flag} {value}: {purged:?}");
            assert_eq!(ran(&bed, &["verify"], OPEN).code, 0);
            let files = bed.files();
            assert_eq!(ran(&bed, &["export", "--full"], rule).code, 3);
            assert!(bed.files() == files, "{flag} {value}: somebody has come back");
            let protected: Vec<_> = [
                (rule.pseudonymize.contains(&"name") || rule.drop.contains(&"name"), NAMES),
                (rule.pseudonymize.contains(&"participant_id"), IDS),
            ]
            .iter()
            .filter(|(is_protected, _)| *is_protected)
            .flat_map(|(_, words)| words.to_vec())
            .collect();
            refuse_found(&bed, &protected);
        }
        if rule.pseudonymize.contains(&"name") {
            let bed = Bed::new(telling());
            assert_eq!(ran(&bed, &["export"], rule).code, 3);
            let exact = ran(&bed, &["purge", "--participant-name", "Ann Quellwort", "--exact", "--yes"], rule);
            assert!(exact.code == 2 && exact.stderr.contains("leave `--exact` out"), "{exact:?}");
        }
    }
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    let bed = Bed::new(telling());
    let with = |rule: Rule, key: Option<&str>| {
        let mut command = under(bed.command(&["export"]), rule);
        match key {
            Some(key) => command.env("ROLLBOOK_PSEUDONYM_KEY", key),
            None => command.env_remove("ROLLBOOK_PSEUDONYM_KEY"),
        };
        Ran::of(command.output().unwrap())
    };
    let key = |key| with(BY_NAME, key);
    let rule = |pseudonymize, drop, exclude| with(Rule { pseudonymize, drop, exclude }, Some(KEY));
    for (refused, why) in [
        (key(None), "no key is given: ROLLBOOK_PSEUDONYM_KEY, or privacy.key_file"),
        (key(Some("secret-word")), "at least 32 random bytes in base64 or hexadecimal"),
        (key(Some(&KEY[2..])), "(it has 31)"),
        (rule(&["person"], &[], &[]), "a list of some of these: `name`, `participant_id`, `custom_room_id`"),
        (rule(&["name", "meeting_id"], &[], &[]), "a list of some of these"),
        (
            rule(&[], &["participant_id"], &[]),
            "a list of some of these: `name`, `chat_link`, `custom_room_id`, `extra`",
        ),
        (rule(&["name"], &["name"], &[]), "`name` is in `privacy.pseudonymize` and in `privacy.drop`"),
        (rule(&[], &[], &["("]), "unclosed group"),
        (rule(&[], &[], &[""]), "would exclude everybody"),
    ] {
        assert!(refused.code == 2 && refused.stderr.contains(why), "{why}: {refused:?}");
        assert!(!refused.stderr.contains("secret-word"), "{refused:?}");
    }
    assert!(!bed.dataset().exists());
    // From a file, in base64; not from both.
    let file = bed.folder.path().join("key");
    std::fs::write(&file, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let mut command = under(bed.command(&["export"]), BY_NAME);
    command.env("ROLLBOOK_PRIVACY_KEY_FILE", &file);
    let twice = Ran::of(command.output().unwrap());
    assert!(twice.code == 2 && twice.stderr.contains("is given twice"), "{twice:?}");
    let exported = Ran::of(command.env_remove("ROLLBOOK_PSEUDONYM_KEY").output().unwrap());
    assert_eq!(exported.code, 3, "{exported:?}");
    assert_eq!(ran(&bed, &["export"], BY_NAME).code, 3, "it is not the same key");
}

#[test]
fn views_and_the_report_work_without_the_excluded() {
    let bed = Bed::new(Options::new(Account::new(23, 800, Shape::Realistic)));
    assert_eq!(ran(&bed, &["export"], ALL).code, 0);
    let folder = bed.folder.path().join("csv");
    let report = ran(&bed, &["report", "--csv", folder.to_str().unwrap()], OPEN);
    assert_eq!(report.code, 0, "{report:?}");
    run(reader("report_check.py").arg(bed.dataset()).arg(&folder).args(["UTC", "true"]));
    let views = ran(&bed, &["views", "--engine", "duckdb"], OPEN);
    assert_eq!(views.code, 0, "{views:?}");
    let query = "SELECT sum(attended_ms), count(*) FILTER (WHERE length(replace(person, 'id:', '')) <> 22 AND person NOT LIKE '#%') FROM attendance";
    let sums = "SELECT sum(total_attended_ms), 0 FROM sessions";
    let script = format!(
        "import duckdb, sys\ndb = duckdb.connect()\ndb.execute(sys.stdin.read())\na, b = [db.execute(q).fetchone() for q in ({query:?}, {sums:?})]\n\
         assert a[1] == 0, a\nassert 0 < a[0] <= b[0], (a, b)\n"
    );
    let mut child = Command::new(python()).args(["-c", &script]).stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), views.stdout.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_token_is_nobodys_name_and_a_long_name_is_known_as_it_is_stored() {
    let long = "Quellwort".repeat(1_000);
    let record = format!(
        r#"{{"id":"a","start":"2026-03-03T08:00:00Z","end":"2026-03-03T09:00:00Z","participants":[{{"name":"Ann|1","participantId":"x"}},{{"name":"Ann|2"}},{{"name":"{long}"}}]}}"#
    );
    let account = || Options {
        script: Script::new().before(1, [Change::raw(0, record.clone())]),
        ..Options::new(Account::new(5, 1, Shape::Plain))
    };
    let bed = Bed::new(account());
    let both = Rule { pseudonymize: &["name", "participant_id"], ..OPEN };
    assert_eq!(ran(&bed, &["export"], both).code, 0);
    let cell = |row: &[(String, String)], name: &str| row.iter().find(|(column, _)| column == name).unwrap().1.clone();
    let rows = bed_rows(&bed);
    for (flag, column) in [("--participant-name", "name"), ("--participant-id", "participant_id")] {
        let token = cell(&rows[0], column);
        let purged = ran(&bed, &["purge", flag, &token], both);
        assert!(purged.code == 2 && purged.stderr.contains("nothing in the dataset matches"), "{purged:?}");
    }
    let purged = ran(&bed, &["purge", "--participant-name", &long, "--json"], both);
    assert!(purged.code == 0 && purged.receipt()["removed"]["participants"] == json!(1), "{purged:?}");
    assert_eq!(ran(&bed, &["export", "--full"], both).code, 0);
    assert_eq!(bed_rows(&bed).len(), 2, "somebody has come back");
    // A pattern makes one person of both, who is more than one name.
    let bed = Bed::new(account());
    let dropping = Rule { drop: &["name"], ..OPEN };
    let with_pattern = |arguments: &[&str]| {
        Ran::of(under(bed.command(arguments), dropping).env("ROLLBOOK_PEOPLE_PATTERN", "^([^|]+)").output().unwrap())
    };
    assert_eq!(with_pattern(&["export"]).code, 0);
    let refused = with_pattern(&["purge", "--participant-name", "Ann|1"]);
    assert!(refused.code == 2 && refused.stderr.contains("purge by --participant-id"), "{refused:?}");
}

fn bed_rows(bed: &Bed) -> Vec<Vec<(String, String)>> {
    let read = format!(
        "import duckdb, json\nrows = duckdb.connect().execute(\"SELECT name, participant_id FROM read_parquet('{}/participants/*/*.parquet') \
         ORDER BY session_id, participant_index\").fetchall()\nprint(json.dumps(rows))",
        bed.dataset().display()
    );
    let rows = Ran::of(Command::new(python()).args(["-c", &read]).output().unwrap());
    let rows: Vec<[Option<String>; 2]> = serde_json::from_str(&rows.stdout).unwrap();
    let named = |[name, id]: [Option<String>; 2]| {
        vec![("name".to_owned(), name.unwrap_or_default()), ("participant_id".to_owned(), id.unwrap_or_default())]
    };
    rows.into_iter().map(named).collect()
}
