//! Names: one name however it was typed, rules that match nothing, rules that are listed and taken back.

use std::path::PathBuf;
use std::process::Command;

use rollbook::rows::erasure::{Denied, Identifier};
use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, rollbook};
use crate::terminal::in_terminal;

const NAME: &str = "Zo\u{eb} Mu\u{f1}oz";
const HIDDEN: &str = "Zo\u{eb}\u{200b} Mu\u{f1}oz";

/// A list of one session with five entries whose names look alike.
fn alike() -> Options {
    let list: Vec<Value> = serde_json::from_str(include_str!("../cases/names.json")).unwrap();
    listing(&list[0])
}

fn listing(record: &Value) -> Options {
    let script = Script::new().before(1, Change::raw(0, record.to_string()));
    Options { script, ..Options::new(Account::new(9, 1, Shape::Plain)) }
}

/// A list of one session with these people.
fn with(names: &[&str]) -> Options {
    let entry = |name: &&str| json!({"name": name, "timelog": [{"start": START, "end": "2026-11-20T10:10:00Z"}]});
    let participants: Vec<_> = names.iter().map(entry).collect();
    listing(&json!({"id": "s", "start": START, "end": "2026-11-20T10:30:00Z", "participants": participants}))
}

const START: &str = "2026-11-20T10:00:00Z";

fn exported(options: Options) -> Bed {
    let bed = Bed::new(options);
    let ran = bed.run(&[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

fn command(bed: &Bed, arguments: &[&str]) -> Command {
    let mut command = bed.command(&["purge"]);
    command.args(arguments);
    command
}

fn purge(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(command(bed, arguments).output().unwrap())
}

fn names(bed: &Bed) -> Vec<String> {
    let name = |row: Vec<(String, String)>| row.into_iter().find(|(column, _)| column == "name").unwrap().1;
    bed.rows(Table::Participants).into_iter().map(name).collect()
}

fn rules(bed: &Bed) -> Vec<Value> {
    let ran = purge(bed, &["--list", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.receipt()["rules"].as_array().unwrap().clone()
}

fn erasures(bed: &Bed) -> PathBuf {
    bed.dataset().join("_rollbook/erasures.json")
}

fn is_sound(bed: &Bed) {
    let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_name_is_found_however_it_was_typed() {
    let bed = exported(alike());
    let dry = purge(&bed, &["--participant-name", NAME, "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    assert_eq!(
        dry.stdout,
        "would go (dry run, nothing written): 0 sessions, 4 participants, 4 timelogs, 0 raw records\n\
         a new rule (a participant's name, however typed): 4 entries\n\
         near matches, which stay; a name that is meant must be given, too:\n  \
           $'Zo\u{eb}\\u200b Mu\u{f1}oz': 1 entry\n"
    );
    assert!(!dry.stderr.contains("Zo"), "a name is on stderr: {dry:?}");
    assert!(!erasures(&bed).exists() && names(&bed).len() == 5);

    let dry = purge(&bed, &["--participant-name", NAME, "--dry-run", "--json"]).receipt();
    assert_eq!(dry["near_matches"], json!([{"name": HIDDEN, "entries": 1}]));
    assert_eq!(dry["rules"][0]["number"], Value::Null);

    let ran = purge(&bed, &["--participant-name", NAME, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let receipt = ran.receipt();
    assert_eq!(receipt["removed"]["participants"], 4);
    assert_eq!(
        receipt["rules"],
        json!([{"number": 1, "what": "participant_name", "match": "normalised", "is_new": true,
                "removed": {"sessions": 0, "participants": 4, "rejects": 0}}])
    );
    assert_eq!(names(&bed), [HIDDEN]);
    is_sound(&bed);
    // A later run leaves them out in the same way, whatever it has forgotten.
    for lost in [false, true] {
        if lost {
            std::fs::remove_file(bed.dataset().join("_rollbook/state.json")).unwrap();
        }
        let again = bed.run(&["--json", "--fresh"]);
        assert_eq!((again.code, names(&bed)), (0, vec![HIDDEN.to_owned()]), "{again:?}");
        assert!(again.receipt()["partitions"].as_array().unwrap().iter().all(|file| file["changed"] == false));
    }
    // Near matches are for the person who asks; they are kept nowhere.
    for entry in std::fs::read_dir(bed.dataset().join("_rollbook/runs")).unwrap() {
        assert!(!std::fs::read_to_string(entry.unwrap().path()).unwrap().contains("Zo"));
    }
}

#[test]
fn an_exact_name_is_that_one_alone() {
    let bed = exported(alike());
    let dry = purge(&bed, &["--participant-name", NAME, "--exact", "--dry-run"]);
    assert_eq!(dry.code, 0, "{dry:?}");
    for near in [
        "$'Zoe\\u0308 Mun\\u0303oz': 1 entry",
        "$'zo\u{eb} mu\u{f1}oz ': 1 entry",
        "$'Zo\u{eb}\\u00a0Mu\u{f1}oz'",
        "\\u200b",
    ] {
        assert!(dry.stdout.contains(near), "{near}: {dry:?}");
    }
    let ran = purge(&bed, &["--participant-name", NAME, "--exact", "--json"]);
    assert_eq!((ran.code, &ran.receipt()["removed"]["participants"]), (0, &1.into()), "{ran:?}");
    assert_eq!(names(&bed).len(), 4);
    assert_eq!(rules(&bed)[0]["match"], "exact");
    let again = bed.run(&[]);
    assert_eq!((again.code, names(&bed).len()), (0, 4), "{again:?}");
    // The others, by their common form: another rule.
    let ran = purge(&bed, &["--participant-name", "ZO\u{cb} MU\u{d1}OZ", "--json"]);
    assert_eq!((ran.code, &ran.receipt()["rules"][0]["number"]), (0, &2.into()), "{ran:?}");
    assert_eq!(names(&bed), [HIDDEN]);
}

#[test]
fn raw_records_lose_a_name_however_it_was_typed() {
    let record = json!({"id": "r", "start": START, "end": "soon", "host": "ZO\u{cb}  MU\u{d1}OZ",
                        "participants": [{"name": "Zoe\u{308} Mun\u{303}oz"}, {"name": "Bob"}]});
    let bed = Bed::new(listing(&record));
    assert_eq!(bed.run(&[]).code, 3);
    let rejects = || -> String {
        let files = std::fs::read_dir(bed.dataset().join("_rollbook/rejects")).unwrap();
        files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    };
    assert!(rejects().contains("ZO\u{cb}"));
    let ran = purge(&bed, &["--participant-name", NAME, "--json"]);
    let taken = json!({"sessions": 0, "participants": 1, "rejects": 1});
    assert_eq!((ran.code, &ran.receipt()["rules"][0]["removed"]), (0, &taken), "{ran:?}");
    let kept = rejects();
    assert!(kept.contains("Bob") && !kept.contains("ZO") && !kept.contains("Zo"), "{kept}");
    // The same record again has nobody to be recorded anew for.
    let again = bed.run(&["--json"]);
    assert_eq!((again.code, &again.receipt()["rejects"]["new"]), (0, &0.into()), "{again:?}");
    assert!(!rejects().contains("Zo"));
}

#[test]
fn a_purge_that_matches_nothing_is_not_stored_unless_somebody_says_so() {
    let bed = exported(with(&["Ann Lee", "Bob"]));
    for (arguments, message) in [
        (&["--participant-name", "Anne Lee"][..], "error: nothing in the dataset matches: --participant-name\n"),
        (
            &["--participant-name", "Bob", "--participant-name", "Anne Lee", "--participant-id", "x"],
            "error: nothing in the dataset matches: --participant-id, --participant-name (2 of 2)\n",
        ),
        (&["--participant-name", "ann lee", "--exact"], "error: nothing in the dataset matches: --participant-name\n"),
    ] {
        let ran = purge(&bed, arguments);
        assert!(ran.code == 2 && ran.stderr.contains(message), "{ran:?}");
        assert!(
            ran.stderr.contains("hint: check the spelling (--dry-run lists near matches), or give --yes"),
            "{ran:?}"
        );
        assert!(!ran.stderr.contains("Anne"), "a name is on stderr: {ran:?}");
        assert!(!erasures(&bed).exists() && names(&bed).len() == 2, "something was stored");
    }
    let dry = purge(&bed, &["--participant-name", "Anne Lee", "--dry-run"]);
    assert!(
        dry.code == 0
            && dry
                .stdout
                .contains("a new rule (a participant's name, however typed): nothing in the dataset matches; "),
        "{dry:?}"
    );

    let ran = purge(&bed, &["--participant-name", "Anne Lee", "--yes"]);
    assert!(ran.code == 0 && ran.stdout.contains("rule 1 (a participant's name, however typed): nothing\n"), "{ran:?}");
    assert!(ran.stderr.contains("nothing in the dataset matches: --participant-name"), "{ran:?}");
    // The rule is in force: the same purge is no question any more, and it keeps her out when she comes.
    let again = purge(&bed, &["--participant-name", "ANNE LEE"]);
    assert!(again.code == 0 && again.stdout.contains("in force already): nothing\n"), "{again:?}");
    let mut bed = bed;
    bed.serve(with(&["Ann Lee", "Anne Lee", "Bob"]));
    assert_eq!((bed.run(&[]).code, names(&bed)), (0, vec!["Ann Lee".to_owned(), "Bob".to_owned()]));
}

#[test]
fn a_person_at_a_terminal_is_asked() {
    let bed = exported(with(&["Ann Lee", "Bob"]));
    let purge = command(&bed, &["--participant-name", "Anne Lee"]);
    let question = "nothing in the dataset matches: --participant-name\r\nStore the rule all the same, so that later runs leave these out? [y/N] ";
    for key in ["answer:n", "answer:", "answer:yess"] {
        let (code, seen) = in_terminal(&purge, key, &[]);
        assert!(code == Some(2) && seen.contains(question), "{key}: {seen}");
        assert!(seen.contains("error: the purge was not confirmed, and nothing was stored"), "{key}: {seen}");
        assert!(!erasures(&bed).exists());
    }
    let (code, seen) = in_terminal(&purge, "ctrl-c?", &[]);
    assert!(code == Some(130) && seen.contains("error: stopped by SIGINT"), "{seen}");
    assert!(!erasures(&bed).exists());
    // One that matches is no question, and neither is one that was answered beforehand.
    for arguments in [&["--participant-name", "bob", "--dry-run"][..], &["--participant-name", "Annie", "--yes"]] {
        let (code, seen) = in_terminal(&command(&bed, arguments), "answer:n", &[]);
        assert!(code == Some(0) && !seen.contains("[y/N]"), "{seen}");
    }
    let (code, seen) = in_terminal(&purge, "answer:Y", &[]);
    assert!(code == Some(0) && seen.contains(question), "{seen}");
    assert_eq!(rules(&bed).len(), 2);
}

#[test]
fn rules_are_listed_and_those_that_removed_nothing_are_taken_back() {
    let bed = exported(with(&["Ann Lee", "Bob", "Bob"]));
    let ran = purge(&bed, &["--list"]);
    assert!(ran.code == 0 && ran.stdout.starts_with("no rules are in force: "), "{ran:?}");
    assert_eq!(purge(&bed, &["--participant-name", "bob", "--before", "2020-01-01"]).code, 0);
    assert_eq!(purge(&bed, &["--participant-name", "Cleo", "--participant-id", "c", "--exact", "--yes"]).code, 0);
    let listed = purge(&bed, &["--list"]);
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 6, "{listed:?}");
    for (line, parts) in lines[1..].iter().zip([
        ["1", "sessions before 2020-01-01T00:00:00", "nothing"],
        ["2", "a participant's name, however typed", "2 entries"],
        ["3", "a participant's id, exact", "nothing"],
        ["4", "a participant's name, exact", "nothing"],
    ]) {
        assert!(
            parts.iter().all(|part| line.contains(part)) && line.contains("Z.json") | line.contains("_rollbook/runs/"),
            "{line}"
        );
    }
    let all = rules(&bed);
    assert_eq!(
        (&all[1]["what"], &all[1]["match"], &all[1]["removed"]["participants"], &all[1]["can_be_taken_back"]),
        (&"participant_name".into(), &"normalised".into(), &2.into(), &false.into())
    );
    assert_eq!(
        (&all[1]["unicode"], &all[3]["can_be_taken_back"]),
        (&rollbook::words::name::UNICODE.into(), &true.into())
    );
    let receipt = bed.dataset().join(format!("_rollbook/runs/{}.json", all[1]["run_id"].as_str().unwrap()));
    assert!(receipt.exists() && all[1]["made_at"].as_str().unwrap().ends_with('Z'));
    assert!(all.iter().all(|rule| rule.get("hash").is_none()));

    for (number, message) in
        [("2", "error: something was removed by the rule"), ("9", "error: no such rule is in force")]
    {
        let ran = purge(&bed, &["--take-back", number]);
        assert!(ran.code == 2 && ran.stderr.contains(message) && ran.stderr.contains("hint: "), "{ran:?}");
    }
    assert_eq!(rules(&bed).len(), 4);
}

/// One whom a rule kept out by mistake comes back with the next nightly run, also into sessions that were settled.
#[test]
fn what_a_rule_kept_out_comes_back_when_it_is_taken_back() {
    let mut bed = exported(with(&["Ann Lee"]));
    assert_eq!(purge(&bed, &["--participant-name", "Cleo", "--yes"]).code, 0);
    bed.serve(with(&["Ann Lee", "CLEO"]));
    let night = |bed: &Bed| Ran::of(bed.command(&["export", "--json"]).output().unwrap());
    assert_eq!((night(&bed).code, names(&bed)), (0, vec!["Ann Lee".to_owned()]));

    let dry = purge(&bed, &["--take-back", "1", "--dry-run"]);
    assert!(
        dry.code == 0 && dry.stdout.starts_with("would be taken back (dry run, nothing written): rule 1"),
        "{dry:?}"
    );
    assert_eq!(rules(&bed).len(), 1);
    let ran = purge(&bed, &["--take-back", "1", "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let receipt = ran.receipt();
    assert_eq!(
        (&receipt["command"], &receipt["outcome"], &receipt["taken_back"], &receipt["erasures"]),
        (&"purge".into(), &"taken_back".into(), &1.into(), &2.into())
    );
    assert_eq!(rules(&bed), Vec::<Value>::new());
    let ran = night(&bed);
    assert_eq!((ran.code, names(&bed)), (0, vec!["Ann Lee".to_owned(), "CLEO".to_owned()]), "{ran:?}");
    assert!(!ran.stderr.contains("a purge was not finished"), "{ran:?}");
    is_sound(&bed);
    // An old copy of the list would keep her out again, so it is noticed.
    assert_eq!(purge(&bed, &["--take-back", "1"]).code, 2);
    assert_eq!(purge(&bed, &["--participant-name", "Dora", "--yes", "--json"]).receipt()["rules"][0]["number"], 2);
}

#[test]
fn a_taking_back_that_dies_at_any_step_does_no_harm() {
    for step in 1.. {
        assert!(step < 100, "there is no end");
        let mut bed = exported(with(&["Ann Lee"]));
        assert_eq!(purge(&bed, &["--participant-name", "Cleo", "--yes"]).code, 0);
        bed.serve(with(&["Ann Lee", "CLEO"]));
        assert_eq!(bed.run(&[]).code, 0);
        let ran =
            command(&bed, &["--take-back", "1"]).env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).output().unwrap();
        let again = purge(&bed, &["--take-back", "1"]);
        assert!(again.code == 0 || rules(&bed).is_empty(), "step {step}: {again:?}");
        let night = Ran::of(bed.command(&["export"]).output().unwrap());
        assert_eq!((night.code, names(&bed).len()), (0, 2), "step {step}: {night:?}");
        assert!(!night.stderr.contains("a purge was not finished"), "step {step}: {night:?}");
        if ran.status.success() {
            assert!(step > 3);
            return;
        }
    }
}

/// A job that keeps sessions for so long runs every night without a terminal, and mostly finds nothing.
#[test]
fn a_floor_that_matches_nothing_is_no_question_and_makes_no_long_list() {
    let bed = exported(with(&["Ann Lee"]));
    for (day, numbers) in [("01", vec![1]), ("02", vec![2]), ("03", vec![3])] {
        let ran = purge(&bed, &["--before", &format!("2026-10-{day}")]);
        assert_eq!(ran.code, 0, "{ran:?}");
        let numbered: Vec<_> = rules(&bed).iter().map(|rule| rule["number"].as_u64().unwrap()).collect();
        assert_eq!(numbered, numbers);
    }
    // A lower floor is in force with the higher one.
    let ran = purge(&bed, &["--before", "2026-09-01"]);
    assert!(
        ran.code == 0 && ran.stdout.contains("rule 3 (sessions before a time, in force already): nothing\n"),
        "{ran:?}"
    );
    assert_eq!(purge(&bed, &["--take-back", "3"]).code, 0);
    assert_eq!(rules(&bed), Vec::<Value>::new());
    let ran = purge(&bed, &["--before", "2026-11-21", "--json"]);
    assert_eq!((ran.code, &ran.receipt()["rules"][0]["removed"]["sessions"]), (0, &1.into()), "{ran:?}");
    assert_eq!(purge(&bed, &["--take-back", "4"]).code, 2);
    // A floor above one that has removed something can be taken back, and that one is in force again.
    assert_eq!(purge(&bed, &["--before", "2026-11-22"]).code, 0);
    assert_eq!((rules(&bed).len(), purge(&bed, &["--take-back", "5"]).code), (2, 0));
    assert_eq!((bed.run(&[]).code, bed.rows(Table::Sessions).len(), rules(&bed).len()), (0, 0, 1));
}

/// The list as an earlier version has written it: exact names and ids, without more about them.
fn of_form_1(names: &[&str]) -> Value {
    let key = [7; 32];
    let digits = |bytes: &[u8]| bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]).collect::<Vec<_>>();
    let hex = |bytes: &[u8]| {
        digits(bytes).into_iter().map(|digit| char::from_digit(digit.into(), 16).unwrap()).collect::<String>()
    };
    let denied = Denied::nobody(&key).unwrap();
    let hashes: Vec<_> = names.iter().map(|name| hex(&denied.hash(Identifier::ExactName, name))).collect();
    json!({"form": 1, "epoch": 1, "key": hex(&key), "before": "2020-01-01T00:00:00Z", "denied": hashes})
}

#[test]
fn rules_of_an_earlier_version_stay_exact() {
    let bed = exported(alike());
    std::fs::write(erasures(&bed), of_form_1(&[NAME]).to_string()).unwrap();
    // The purge was killed before it had removed anything.
    let ran = bed.run(&[]);
    assert!(ran.code == 0 && ran.stderr.contains("a purge was not finished"), "{ran:?}");
    assert_eq!(names(&bed).len(), 4);
    let ran = purge(&bed, &["--list"]);
    assert!(ran.stdout.contains("a participant's id or name, exact") && ran.stdout.contains("not known"), "{ran:?}");
    let ran = purge(&bed, &["--take-back", "2"]);
    assert!(ran.code == 2 && ran.stderr.contains("it is not known what was removed by it: 2"), "{ran:?}");
    // It is known as what it was.
    let ran = purge(&bed, &["--participant-name", NAME, "--exact", "--json"]);
    assert_eq!((ran.code, &ran.receipt()["rules"][0]["is_new"]), (0, &false.into()), "{ran:?}");
    assert_eq!(purge(&bed, &["--participant-name", NAME]).code, 0);
    assert_eq!((names(&bed), rules(&bed).len()), (vec![HIDDEN.to_owned()], 3));
    assert_eq!((bed.run(&[]).code, names(&bed).len()), (0, 1));
    // The version before reads form, epoch, key, before and denied, and then refuses a form that is newer than its own.
    let stored: Value = serde_json::from_slice(&std::fs::read(erasures(&bed)).unwrap()).unwrap();
    assert_eq!((&stored["form"], &stored["epoch"]), (&2.into(), &2.into()));
    assert!(stored["key"].is_string() && stored["before"].is_string() && stored["denied"].is_array(), "{stored}");
}

#[test]
fn a_list_of_a_newer_version_or_a_later_unicode_is_refused() {
    let bed = exported(with(&["Ann Lee", "Bob"]));
    assert_eq!(purge(&bed, &["--participant-name", "bob"]).code, 0);
    let stored: Value = serde_json::from_slice(&std::fs::read(erasures(&bed)).unwrap()).unwrap();
    let mut newer_form = json!({"form": 3, "rules": {"in": "another shape"}});
    let mut later_unicode = stored.clone();
    later_unicode["rules"][0]["unicode"] = "99.0.0".into();
    for list in [&mut newer_form, &mut later_unicode] {
        std::fs::write(erasures(&bed), list.to_string()).unwrap();
        for arguments in [&["export"][..], &["purge", "--participant-name", "x"], &["purge", "--list"], &["verify"]] {
            let ran = Ran::of(bed.command(arguments).output().unwrap());
            let message = "error: a newer version of rollbook wrote the list of erasures: ";
            assert!(ran.code == 2 && ran.stderr.contains(message), "{arguments:?}: {ran:?}");
        }
    }
    // A name whose characters were new to an older Unicode may be folded otherwise by now: that is told.
    let mut unsettled = stored.clone();
    unsettled["rules"][0]["unicode"] = "15.0.0".into();
    std::fs::write(erasures(&bed), unsettled.to_string()).unwrap();
    assert!(!bed.run(&[]).stderr.contains("Unicode"), "all characters of the name were known");
    unsettled["rules"][0]["is_unsettled"] = true.into();
    std::fs::write(erasures(&bed), unsettled.to_string()).unwrap();
    let ran = bed.run(&[]);
    assert!(ran.code == 0 && ran.stderr.contains("rule 1 of the purges has a name with characters"), "{ran:?}");
    assert_eq!(purge(&bed, &["--participant-name", "Bob"]).code, 0);
    assert!(!bed.run(&[]).stderr.contains("rule 1 of the purges"));
    // Half a rule is damage, not a rule that says nothing.
    let mut half = stored;
    half["rules"][0].as_object_mut().unwrap().remove("hash");
    std::fs::write(erasures(&bed), half.to_string()).unwrap();
    let ran = bed.run(&[]);
    assert!(ran.code == 6 && ran.stderr.contains("the list of erasures is damaged: "), "{ran:?}");
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let bed = exported(with(&["Ann Lee"]));
    for (arguments, message) in [
        (&["--participant-name", ""][..], "for '--participant-name <NAME>'"),
        (&["--participant-name", " \u{3000} "], "it is empty; is a variable unset?"),
        (&["--participant-id", ""], "for '--participant-id <ID>'"),
        (&["--exact"], "error: the following required arguments were not provided"),
        (&["--exact", "--before", "2020-01-01"], "--participant-name <NAME>"),
        (&["--list", "--participant-name", "x"], "error: the argument '--list' cannot be used with"),
        (
            &["--take-back", "1", "--before", "2020-01-01"],
            "error: the argument '--take-back <NUMBER>' cannot be used with",
        ),
        (&["--take-back", "one"], "error: invalid value 'one' for '--take-back <NUMBER>'"),
    ] {
        let ran = purge(&bed, arguments);
        assert!(ran.code == 2 && ran.stderr.contains(message), "{arguments:?}: {ran:?}");
    }
    for arguments in [["--list", "--json"], ["--take-back", "1"]] {
        let mut command = rollbook(bed.folder.path());
        let ran = Ran::of(command.args(["purge", "--dest", "elsewhere"]).args(arguments).output().unwrap());
        assert!(ran.code == 6 && ran.stderr.contains("error: there is no dataset: elsewhere"), "{ran:?}");
    }
}
