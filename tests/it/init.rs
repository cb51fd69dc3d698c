//! `rollbook init`: a settings file to begin with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rollbook::config::KEYS;
use rollbook::sim::{Account, Canned, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::terminal::in_terminal;

fn init(folder: &Path, arguments: &[&str]) -> Ran {
    Ran::of(rollbook(folder).arg("init").args(arguments).output().unwrap())
}

/// What is in force in a folder, but for the file itself: values by name.
fn in_force(folder: &Path, arguments: &[&str]) -> serde_json::Value {
    let ran = Ran::of(rollbook(folder).args(["config", "--json"]).args(arguments).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran.receipt()["settings"].clone()
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn without_a_terminal_and_flags_the_defaults_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let before = in_force(folder.path(), &[]);
    let ran = init(folder.path(), &[]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.starts_with("written: ./rollbook.toml\nnext: set VIDEOSDK_TOKEN, "), "{ran:?}");
    assert_eq!(names(folder.path()), ["rollbook.toml"]);
    let path = folder.path().join("rollbook.toml");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o644);
    let text = fs::read_to_string(&path).unwrap();
    for key in KEYS {
        assert!(text.contains(&format!("# {}\n", key.doc)), "{}", key.name);
    }
    assert_eq!(in_force(folder.path(), &[]), before);
    // Each line that is a comment is a setting once it is none.
    let settings = text.lines().map(|line| {
        line.strip_prefix("# ")
            .filter(|rest| {
                rest.contains(" = ")
                    && rest.split(' ').next().is_some_and(|word| KEYS.iter().any(|key| key.field() == word))
            })
            .unwrap_or(line)
    });
    let whole = settings.collect::<Vec<_>>().join("\n");
    fs::write(&path, whole).unwrap();
    let after = in_force(folder.path(), &[]);
    for key in KEYS {
        assert_eq!(after[key.name]["value"], before[key.name]["value"], "{}", key.name);
        assert!(after[key.name]["source"].as_str().unwrap().starts_with("file ./rollbook.toml:"), "{}", key.name);
    }
}

#[test]
fn flags_are_written_and_nothing_is_overwritten_unless_that_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let flags = [
        "--yes",
        "--dest",
        "s3://bucket/a \"b",
        "--api",
        "v2",
        "--base-url",
        "https://api.example.com",
        "--partition-by",
        "day",
        "--since",
        "2026-01",
    ];
    assert_eq!(init(folder.path(), &flags).code, 0);
    let settings = in_force(folder.path(), &[]);
    for (name, value) in [
        ("dataset.url", "s3://bucket/a \"b"),
        ("api.version", "v2"),
        ("api.base_url", "https://api.example.com"),
        ("dataset.partition_by", "day"),
        ("dataset.since", "2026-01"),
    ] {
        assert_eq!(settings[name]["value"], value);
        assert!(settings[name]["source"].as_str().unwrap().starts_with("file "), "{name}");
    }
    let text = fs::read_to_string(folder.path().join("rollbook.toml")).unwrap();
    let ran = init(folder.path(), &["--yes"]);
    assert_eq!(
        (ran.code, ran.stderr.as_str()),
        (
            2,
            "error: a settings file is there already: ./rollbook.toml\nhint: change that file, or overwrite it with --force\n"
        )
    );
    assert_eq!(fs::read_to_string(folder.path().join("rollbook.toml")).unwrap(), text);
    assert_eq!(init(folder.path(), &["--force"]).code, 0);
    assert_ne!(fs::read_to_string(folder.path().join("rollbook.toml")).unwrap(), text);
    assert_eq!(init(folder.path(), &["--config", "other.toml", "--dest", "there"]).code, 0);
    assert_eq!(in_force(folder.path(), &["--config", "other.toml"])["dataset.url"]["value"], "there");
    std::os::unix::fs::symlink("nowhere", folder.path().join("link.toml")).unwrap();
    assert_eq!(init(folder.path(), &["--config", "link.toml"]).code, 2);
    assert_eq!(names(folder.path()).len(), 3);
}

#[test]
fn what_makes_no_sense_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("taken")).unwrap();
    for (flags, word) in [
        (&["--dest", "ftp://x"][..], "`dataset.url` must be"),
        (&["--base-url", "http://api.example.com"], "`api.base_url` must be"),
        (&["--partition-by", "week"], "`dataset.partition_by` must be"),
        (&["--since", "yesterday"], "`dataset.since` must be"),
        (&["--config", "nowhere/rollbook.toml"], "the settings file cannot be written: nowhere/rollbook.toml"),
        (&["--config", "taken", "--force"], "the settings file cannot be written: taken"),
    ] {
        let ran = init(folder.path(), flags);
        assert!(ran.code == 2 && ran.stderr.contains(word), "{flags:?}: {ran:?}");
    }
    let ran = init(folder.path(), &["--dry-run", "--dest", "there"]);
    assert!(ran.code == 0 && ran.stdout.contains("\nurl = \"there\"\n"), "{ran:?}");
    assert_eq!(names(folder.path()), ["taken"]);
}

#[test]
fn with_credentials_it_tries_the_api_and_no_secret_is_written() {
    let account = || Options::new(Account::new(5, 30, Shape::Plain));
    let script = (1..=20).fold(Script::new(), |script, request| script.answer(request, Canned::status(403)));
    let mut bed = Bed::new(account());
    for word in ["next: rollbook export\n", "next: correct that, then run: rollbook check\n"] {
        let mut command = rollbook(bed.folder.path());
        command.args(["init", "--force", "--base-url", &bed.server.base_url()]).env("VIDEOSDK_TOKEN", TOKEN);
        let ran = Ran::of(command.output().unwrap());
        assert!(ran.code == 0 && ran.stdout.ends_with(word), "{ran:?}");
        let text = fs::read_to_string(bed.folder.path().join("rollbook.toml")).unwrap();
        assert!(!text.contains(TOKEN), "{text}");
        bed.serve(Options { script: script.clone(), ..account() });
    }
    let mut command = rollbook(bed.folder.path());
    let ran = Ran::of(command.args(["init", "--force", "-q"]).output().unwrap());
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", ""));
    let mut command = rollbook(bed.folder.path());
    let ran = Ran::of(command.args(["init", "--force", "--json"]).output().unwrap());
    assert_eq!((ran.code, ran.receipt()), (0, serde_json::json!({"file": "./rollbook.toml"})));
}

#[test]
fn a_person_is_asked_and_asked_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rollbook.toml");
    let mut command = rollbook(folder.path());
    command.args(["init", "--config"]).arg(&path);
    let (code, seen) = in_terminal(&command, "answers:/srv/data|v3|v2|day||", &[]);
    assert_eq!(code, Some(0), "{seen}");
    assert!(seen.contains("`api.version` must be `v1` or `v2`"), "{seen}");
    let settings = in_force(folder.path(), &[]);
    for (name, value) in
        [("dataset.url", "/srv/data"), ("api.version", "v2"), ("dataset.partition_by", "day"), ("dataset.since", "")]
    {
        assert_eq!(settings[name]["value"], value, "{seen}");
    }
}

#[test]
fn ctrl_c_in_the_middle_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = rollbook(folder.path());
    command.args(["init", "--config"]).arg(folder.path().join("rollbook.toml"));
    let (code, seen) = in_terminal(&command, "answers:/srv/data|^C", &[]);
    assert_eq!(code, Some(130), "{seen}");
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
