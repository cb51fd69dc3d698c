//! Who is one human: the key of a person in the tables, and what happens where the rule for it changes.

use std::process::Command;

use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};
use crate::python::python;

const BY_NAME: [&str; 3] = ["name", "", "true"];
const BY_USER: [&str; 3] = ["participant_id", "^(.+?)--", "true"];

/// Runs a command with a rule for persons in the environment.
fn run(bed: &Bed, arguments: &[&str], [key, pattern, normalize]: [&str; 3]) -> Ran {
    let mut command = bed.command(arguments);
    command.env("ROLLBOOK_PEOPLE_KEY", key).env("ROLLBOOK_PEOPLE_PATTERN", pattern);
    Ran::of(command.env("ROLLBOOK_PEOPLE_NORMALIZE", normalize).output().unwrap())
}

/// Holds every key of the dataset against what another program makes of the raw values; entries and persons.
fn check(bed: &Bed, rule: [&str; 3]) -> (u64, u64) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/readers/people_check.py");
    let ran = Ran::of(Command::new(python()).arg(script).arg(bed.dataset()).args(rule).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let (entries, people) = ran.stdout.trim().split_once(' ').unwrap();
    (entries.parse().unwrap(), people.parse().unwrap())
}

/// Two sessions with people who are typed in many ways, or have lasting ids, or neither.
fn typed() -> Options {
    let entries = |entries: &[&str]| entries.iter().map(|entry| format!("{{{entry}}}")).collect::<Vec<_>>().join(",");
    let session = |id: &str, start: &str, listed: &[&str]| {
        let (start, end) = (format!("{start}T08:00:00Z"), format!("{start}T09:00:00Z"));
        format!(r#"{{"id":"{id}","start":"{start}","end":"{end}","participants":[{}]}}"#, entries(listed))
    };
    let log = r#""timelog":[{"start":"2026-03-03T08:10:00Z","end":"2026-03-03T08:20:00Z"}]"#;
    let first = [
        &format!(r#""participantId":"u1--a","name":"Zoë  Muñoz",{log}"#),
        r#""participantId":"u1--b","name":"Zoe\u0308 MUÑOZ ""#,
        r#""participantId":"u2--a","name":"=id:x""#,
        r#""participantId":"k7","name":" ""#,
        r#""name":"ID:k7""#,
        r#""participantId":"""#,
        "",
    ];
    let second = [r#""participantId":"u1--c","name":"zoë muñoz""#, r#""participantId":"k7""#];
    let records = [session("a", "2026-03-03", &first), session("b", "2026-04-04", &second)];
    let changes: Vec<_> = (0..).zip(records).map(|(at, record)| Change::raw(at, record)).collect();
    Options { script: Script::new().before(1, changes), ..Options::new(Account::new(5, 2, Shape::Plain)) }
}

#[test]
fn a_key_is_what_another_program_makes_of_the_raw_values() {
    let bed = Bed::new(Options::new(Account::new(17, 3_000, Shape::Realistic)));
    assert_eq!(run(&bed, &["export"], BY_NAME).code, 0);
    let (entries, people) = check(&bed, BY_NAME);
    assert!(people > 600 && people * 5 < entries, "{people} of {entries}");
    for rule in [["name", "", "false"], ["name", r"^(\w+) \w+$", "true"], ["participant_id", "", "true"]] {
        let ran = run(&bed, &["export"], rule);
        assert_eq!(ran.code, 0, "{ran:?}");
        check(&bed, rule);
        assert_eq!(Ran::of(bed.command(&["verify"]).output().unwrap()).code, 0);
    }
}

#[test]
fn whoever_is_typed_in_many_ways_is_one() {
    let bed = Bed::new(typed());
    assert_eq!(run(&bed, &["export"], BY_NAME).code, 0);
    // Zoë, `==id:x`, `id:k7`, `=id:k7`, and two without a name or an id.
    assert_eq!(check(&bed, BY_NAME), (9, 6));
    assert_eq!(run(&bed, &["export"], BY_USER).code, 0);
    assert_eq!(check(&bed, BY_USER), (9, 6));
}

#[test]
fn a_changed_rule_is_applied_to_every_file_by_the_next_export_of_all() {
    let mut bed = Bed::new(typed());
    assert_eq!(run(&bed, &["export"], BY_USER).code, 0);
    let wanted = bed.files();
    std::fs::remove_dir_all(bed.dataset()).unwrap();
    assert_eq!(run(&bed, &["export"], BY_NAME).code, 0);
    let before = bed.files();
    for arguments in [
        &["export", "--meeting-id", "m"][..],
        &["backfill", "--month", "2026-03"],
        &["purge", "--before", "2026-04-01"],
        &["purge", "--before", "2026-04-01", "--dry-run"],
    ] {
        let ran = run(&bed, arguments, BY_USER);
        let what = r#"`[people]` is other than what the dataset was written with (key = "name", pattern = "", normalize = true)"#;
        assert!(ran.code == 2 && ran.stderr.contains(what), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("first run `rollbook export` without a filter"), "{ran:?}");
    }
    assert!(bed.files() == before, "something was written");
    // Through a death at every step: what there is can always be read and is sound.
    for step in 1.. {
        assert!(step < 200, "there is no end");
        bed.serve(typed());
        let mut command = bed.command(&["export", "-q"]);
        command.env("ROLLBOOK_PEOPLE_KEY", BY_USER[0]).env("ROLLBOOK_PEOPLE_PATTERN", BY_USER[1]);
        let died = !command.env("ROLLBOOK_TEST_FAULTS", format!("die:{step}")).status().unwrap().success();
        let ran = Ran::of(bed.command(&["verify", "--wait", "9s"]).output().unwrap());
        assert!(ran.code == 0 || died && ran.code == 3, "step {step}: {ran:?}");
        if !died {
            break;
        }
    }
    assert!(bed.files() == wanted, "it is not what a fresh export writes");
    check(&bed, BY_USER);
    let ran = run(&bed, &["export", "--json"], BY_USER);
    assert!(ran.code == 0 && !ran.stdout.contains("\"changed\": true"), "{ran:?}");
    let ran = run(&bed, &["backfill", "--month", "2026-03"], BY_USER);
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_rule_that_cannot_be_meant_is_refused() {
    let bed = Bed::new(typed());
    for (rule, why) in [
        (["mail", "", "true"], "`name` or `participant_id`"),
        (["name", "(", "true"], "unclosed group"),
        (["name", ".*", "true"], "exactly one group"),
        (["name", "", "yes"], "`true` or `false`"),
    ] {
        let ran = run(&bed, &["export"], rule);
        assert!(ran.code == 2 && ran.stderr.contains(why), "{rule:?}: {ran:?}");
    }
    assert!(!bed.dataset().exists());
}

#[test]
fn the_rule_of_a_newer_version_is_not_written_over() {
    let bed = Bed::new(typed());
    assert_eq!(run(&bed, &["export"], BY_NAME).code, 0);
    for (from, to) in [("18.0.0", "99.0.0"), (r#"\"name\""#, r#"\"mail\""#)] {
        let path = bed.dataset().join("_rollbook/state.json");
        let before = std::fs::read(&path).unwrap();
        bed.edit_state(|text| {
            assert!(text.contains(from), "{text}");
            text.replace(from, to)
        });
        let ran = run(&bed, &["export"], BY_NAME);
        assert!(ran.code == 2 && ran.stderr.contains("a rule of a newer version of rollbook"), "{ran:?}");
        std::fs::write(path, before).unwrap();
    }
}
