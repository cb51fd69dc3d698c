//! `rollbook rejects`: what could not be read, where it stood, and what this version makes of it.

use std::fs;

use rollbook::sim::{Account, Options, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, rollbook};

/// Two of a hundred records that nobody can read.
fn odd() -> Bed {
    let bed = Bed::new(Options { reject_every: Some(50), ..Options::new(Account::new(72, 100, Shape::Plain)) });
    assert_eq!(bed.run(&["-q"]).code, 3);
    bed
}

/// `rollbook rejects`, without credentials and without an API.
fn rejects(bed: &Bed, arguments: &[&str]) -> Ran {
    let mut command = rollbook(bed.folder.path());
    Ran::of(command.arg("rejects").args(arguments).arg("--dest").arg(bed.dataset()).output().unwrap())
}

fn report(bed: &Bed, arguments: &[&str]) -> Value {
    let ran = rejects(bed, &[&["--json"], arguments].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.receipt()
}

/// Writes what a run could have kept.
fn keep(bed: &Bed, run: &str, lines: &[Value]) {
    let folder = bed.dataset().join("_rollbook/rejects");
    fs::create_dir_all(&folder).unwrap();
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    fs::write(folder.join(format!("{run}.jsonl")), lines.join("\n") + "\n").unwrap();
}

fn counted_by_status(bed: &Bed) -> Value {
    let mut command = rollbook(bed.folder.path());
    Ran::of(command.args(["status", "--json", "--dest"]).arg(bed.dataset()).output().unwrap()).receipt()["rejects"]
        .clone()
}

#[test]
fn each_record_is_listed_once_with_its_place() {
    let bed = odd();
    assert_eq!(bed.run(&["-q"]).code, 0, "they are known by now");
    let kept: Vec<_> = fs::read_dir(bed.dataset().join("_rollbook/rejects")).unwrap().flatten().collect();
    assert_eq!(kept.len(), 2);
    let report = report(&bed, &[]);
    assert_eq!(
        (&report["total"], &report["not_listed"], &report["hashed"]),
        (&json!(2), &json!(0), &json!(0)),
        "{report:#}"
    );
    let newest = kept.iter().map(|entry| entry.file_name().into_string().unwrap()).max().unwrap();
    for record in report["rejects"].as_array().unwrap() {
        assert_eq!((record["runs"].as_u64(), newest.starts_with(record["run_id"].as_str().unwrap())), (Some(2), true));
        assert!(record["raw"].as_str().unwrap().contains(record["session_id"].as_str().unwrap()), "{record:#}");
        assert!(record["page"].is_u64() && record["index"].is_u64() && record["now"].is_null());
    }
    assert_eq!(counted_by_status(&bed), json!(2));
    let text = rejects(&bed, &[]).stdout;
    assert!(text.starts_with("2 records could not be read, or not all of them: "), "{text}");
    assert!(
        text.contains(" (and 1 run earlier), page ") && text.contains(", session ") && text.contains("\n    {\""),
        "{text}"
    );
}

#[test]
fn where_there_are_none_it_says_so() {
    let bed = Bed::new(Options::new(Account::new(72, 10, Shape::Plain)));
    assert_eq!(bed.run(&["-q"]).code, 0);
    for arguments in [&[][..], &["--try"]] {
        let ran = rejects(&bed, arguments);
        assert_eq!(ran.code, 0);
        assert_eq!(ran.stdout, format!("no records are kept that could not be read: {}\n", bed.dataset().display()));
    }
    assert_eq!(report(&bed, &[])["rejects"], json!([]));
    for wrong in [&["--retry"][..], &["--try", "5"]] {
        assert_eq!(rejects(&bed, wrong).code, 2, "{wrong:?}");
    }
}

#[test]
fn this_version_reads_them_once_more() {
    let bed = odd();
    let whole = r#"{"id":"s","start":"2026-11-01T00:00:00.000Z","end":"2026-11-01T01:00:00.000Z","participants":[]}"#;
    let line = |raw: &str, reason: &str| json!({"page": 3, "index": 7, "reason": reason, "id": "s", "raw": raw});
    let lines = [line(whole, "bad_timestamp"), line("7", "no_usable_id"), line("{\"id\"", "bad_value,cut_raw")];
    keep(&bed, &today(), &lines);
    let files = bed.files();
    let report = report(&bed, &["--try"]);
    let now = |raw: &str| {
        let records = report["rejects"].as_array().unwrap();
        records.iter().find(|record| record["raw"] == raw).unwrap()["now"].clone()
    };
    assert_eq!(now(whole), json!({"sessions": 1, "participants": 0, "timelogs": 0, "reason": null}));
    assert_eq!(now("7"), json!({"sessions": 0, "participants": 0, "timelogs": 0, "reason": "no_usable_id"}));
    assert_eq!(now("{\"id\""), json!(null));
    assert!(bed.files() == files, "something was written");
    let text = rejects(&bed, &["--try"]).stdout;
    for part in [
        "    now: a session with 0 participants and 0 timelogs\n",
        "    now: no row: no_usable_id\n",
        "    now: can't be told, since the kept text is not whole\n",
        "\nnow read whole: 1, in part: 2, not at all: 1\n`rollbook export --full` reads such sessions anew",
    ] {
        assert!(text.contains(part), "{part:?}: {text}");
    }
}

/// A name of a run of today.
fn today() -> String {
    let now = chrono::DateTime::<chrono::Utc>::from(std::time::SystemTime::now());
    format!("{}-00000a", now.format("%Y%m%dT%H%M%S000Z"))
}

#[test]
fn what_has_expired_or_is_a_hash_is_counted_and_not_shown() {
    let bed = odd();
    let line = |raw: &str| json!({"page": 1, "index": 0, "reason": "bad_value", "raw": raw});
    let hash = json!({"page": 1, "index": 0, "reason": "bad_value", "hash": "ab"});
    keep(&bed, "20200101T000000000Z-000001", &[line("{\"secret\":1}"), hash.clone(), hash]);
    let report = report(&bed, &[]);
    assert_eq!((&report["total"], &report["hashed"]), (&json!(2), &json!(2)), "{report:#}");
    let text = rejects(&bed, &[]).stdout;
    assert!(text.contains("\nnot shown: 2 older records; their texts are kept for 30 days\n"), "{text}");
    assert!(!text.contains("secret") && !report.to_string().contains("secret"));
    assert_eq!(counted_by_status(&bed), json!(2));
}

#[test]
fn records_of_others_do_no_harm_where_they_are_shown() {
    let bed = odd();
    let evil = format!("\u{1b}[31m\u{202e}\u{9b}2J{}", "x".repeat(5_000));
    let lines: Vec<_> = (0..30)
        .map(|index| json!({"page": 1, "index": index, "reason": format!("bad\u{1b}[0m"), "id": evil, "raw": format!("{evil}{index}")}))
        .collect();
    keep(&bed, &today(), &lines);
    fs::write(bed.dataset().join("_rollbook/rejects/20260101T000000000Z-0.jsonl"), b"\xff\xfe\n{}\n").unwrap();
    let ran = rejects(&bed, &["--try"]);
    assert_eq!(ran.code, 0);
    let acts = |text: &str| text.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}'));
    assert!(!acts(&ran.stdout), "{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.chars().count() < 700), "{}", ran.stdout);
    assert!(ran.stdout.contains("\n  and 20 more; --json lists them\n"), "{}", ran.stdout);
    assert!(ran.stdout.contains("\nnotice: _rollbook/rejects/20260101T000000000Z-0.jsonl\n"), "{}", ran.stdout);
    let ran = rejects(&bed, &["--json"]);
    assert!(!acts(&ran.stdout));
    let records = ran.receipt()["rejects"].as_array().unwrap().clone();
    assert!(records.iter().any(|record| record["raw"] == format!("{evil}29")), "a text is not whole");
}
