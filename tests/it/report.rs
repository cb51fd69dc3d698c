//! `rollbook report`: its numbers are those of another program, its page is what a browser makes of it, its files are private.
//!
//! Time and memory of a report of 100,000 sessions on the release build:
//! `cargo test --release --test it -- --nocapture report::of_many_sessions`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use rollbook::sim::{Account, Change, Options, Script, Shape};
use serde_json::{Value, json};

use crate::bed::{Bed, Ran, rollbook};
use crate::python::{Figures, measured, python_with_browser, run};

/// More than a report may ever need.
const PEAK_MIB: u64 = 256;
/// The longest page of many sessions.
const BYTES: u64 = 2_000_000;

fn exported(options: Options) -> Bed {
    let bed = Bed::new(options);
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    bed
}

fn page(bed: &Bed) -> PathBuf {
    bed.folder.path().join("rollbook-report.html")
}

fn report(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(bed.command(&["report"]).args(arguments).output().unwrap())
}

/// Writes the files of a report and has another program count the same.
fn check(bed: &Bed, zone: &str, arguments: &[&str], condition: &str) {
    let folder = bed.folder.path().join("csv");
    let ran = report(bed, &[&["--csv", folder.to_str().unwrap(), "--zone", zone], arguments].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    run(reader("report_check.py").arg(bed.dataset()).arg(&folder).args([zone, condition]));
}

fn reader(script: &str) -> Command {
    let mut command = Command::new(python_with_browser());
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/readers").join(script));
    command
}

/// The browser, which a machine of the tests' own gets with this.
fn chromium() -> PathBuf {
    // Of two installations at once one fails.
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = PathBuf::from("/usr/bin/chromium");
    if !path.exists() {
        let install = "apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium";
        let installed = Command::new("sh").args(["-c", install]).output().is_ok_and(|output| output.status.success());
        assert!(installed && path.exists(), "Chromium is missing, and only root can install it: {install}");
    }
    path
}

/// What a browser finds on the page; with `ROLLBOOK_TEST_PICTURES`, pictures are left in that folder.
fn seen(page: &Path) -> Value {
    let mut command = reader("browser.py");
    let pictures = std::env::var("ROLLBOOK_TEST_PICTURES").unwrap_or_default();
    let output = command.arg(page).arg(&pictures).arg(chromium()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The cells of a column of a table by the names of its rows.
fn column(seen: &Value, table: &str, name: &str) -> BTreeMap<String, String> {
    let rows: Vec<Vec<String>> = serde_json::from_value(seen["tables"][table][0].clone()).unwrap();
    let place = rows[0].iter().rposition(|title| title == name).unwrap_or_else(|| panic!("{name}: {:?}", rows[0]));
    rows[1..].iter().map(|row| (row[0].clone(), row[place].clone())).collect()
}

/// The cells of a column of a file by those of the first column.
fn cells(bed: &Bed, file: &str, name: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(bed.folder.path().join("csv").join(file)).unwrap();
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(|line| line.split(',').collect::<Vec<_>>());
    let place = lines.next().unwrap().iter().position(|title| *title == name).unwrap();
    lines.map(|line| (line[0].trim_matches('"').to_owned(), line[place].to_owned())).collect()
}

#[test]
fn the_numbers_are_those_of_another_program() {
    let bed = exported(Options::new(Account::new(31, 4_000, Shape::Realistic)));
    check(&bed, "UTC", &[], "true");
    check(&bed, "America/St_Johns", &[], "true");
    let days = "started_at >= TIMESTAMPTZ '2026-11-18' AND started_at < TIMESTAMPTZ '2026-11-20'";
    check(&bed, "Europe/Berlin", &["--from", "2026-11-18", "--to", "2026-11-20"], days);
    let meetings = cells(&bed, "meetings.csv", "sessions");
    let id = meetings.keys().next().unwrap();
    check(&bed, "UTC", &["--meeting-id", id], &format!("meeting_id = '{id}'"));
    for shape in [Shape::AllOpen, Shape::Varied] {
        check(&exported(Options::new(Account::new(32, 300, shape))), "Asia/Kolkata", &[], "true");
    }
    check(&exported(Options::new(Account::new(33, 0, Shape::Plain))), "UTC", &[], "true");
}

#[test]
fn both_nights_on_which_clocks_change_have_the_right_hours() {
    let session = |at: u64, start: &str, end: &str| {
        let log = json!({"start": start, "end": end});
        let record = json!({"id": format!("s{at}"), "meetingId": "m", "start": start, "end": end,
            "participants": [{"participantId": "p", "name": "Ann", "timelog": [log]}]});
        Change::raw(at, record.to_string())
    };
    let changes = vec![
        session(0, "2026-03-29T00:30:00Z", "2026-03-29T02:00:00Z"),
        session(1, "2026-10-24T23:30:00Z", "2026-10-25T02:30:00Z"),
        session(2, "2026-10-25T22:59:00Z", "2026-10-25T23:01:00Z"),
    ];
    let script = Script::new().before(1, changes);
    let bed = exported(Options { script, ..Options::new(Account::new(34, 3, Shape::Plain)) });
    check(&bed, "Europe/Berlin", &[], "true");
    let text = fs::read_to_string(bed.folder.path().join("csv/hours.csv")).unwrap();
    let minutes = |hour: u32| {
        let line = text.lines().find(|line| line.starts_with(&format!("\"Europe/Berlin\",7,{hour},"))).unwrap();
        line.split(',').nth(3).unwrap().parse::<u64>().unwrap() / 60_000
    };
    // In spring 01:30 to 04:00 by the clock, without the hour from 2; in autumn 01:30 to 03:30, that hour twice.
    assert_eq!([1, 2, 3, 23].map(minutes), [60, 120, 90, 1]);
    let days = cells(&bed, "daily.csv", "sessions");
    assert_eq!(
        days.into_iter().collect::<Vec<_>>(),
        [("2026-03-29".into(), "1".into()), ("2026-10-25".into(), "2".into())]
    );
}

#[test]
fn a_browser_shows_the_same_numbers_and_says_nothing() {
    let bed = exported(Options::new(Account::new(35, 2_500, Shape::Realistic)));
    check(&bed, "UTC", &[], "true");
    let seen = seen(&page(&bed));
    println!("opened in {} s, smallest text of charts {}", seen["opened_in_s"], seen["smallest"]);
    let icon = seen["requests"].as_array().unwrap().iter().filter(|url| !url.as_str().unwrap().starts_with("file://"));
    assert!(icon.clone().all(|url| url.as_str().unwrap().starts_with("data:image/")), "{:?}", seen["requests"]);
    assert_eq!(seen["messages"], json!([]));
    for none in
        ["charts_without_label", "figures_without_table", "links_to_nothing", "ids_twice", "scripts", "inline_styles"]
    {
        assert_eq!(seen[none], 0, "{none}");
    }
    assert_eq!(seen["wide"], json!({"phone": false, "tablet": false, "desktop": false}));
    assert_eq!((&seen["opened_by_key"], &seen["charts_without_style"]), (&json!(true), &json!(true)));
    assert!(seen["opened_in_s"].as_f64().unwrap() < 1.5, "{}", seen["opened_in_s"]);
    assert_eq!(seen["tiles"]["sessions"], "2,500");
    let grouped = |number: String| number.replace(',', "");
    for (title, name) in [("Sessions", "sessions"), ("Persons", "persons")] {
        let shown = column(&seen, title, name).into_iter().map(|(day, number)| (day, grouped(number)));
        assert_eq!(shown.collect::<BTreeMap<_, _>>(), cells(&bed, "daily.csv", name), "{title}");
    }
    let listed = cells(&bed, "meetings.csv", "persons");
    let shown = column(&seen, "The busiest meetings", "persons");
    assert_eq!(shown.len(), 15);
    assert!(shown.iter().all(|(id, persons)| listed[id] == grouped(persons.clone())), "{shown:?}");
    assert!(seen["verdict"].as_str().unwrap().starts_with("The last run has shown that no session was missed."));
}

#[test]
fn what_others_wrote_is_text() {
    let names = [
        "<script>window.hacked = 1</script>",
        "\"><img src=x onerror=\"window.hacked = 2\">",
        "</style><style>body{display:none}</style>",
        "\u{202e}txet desrever",
        "\u{2067}علي\u{200f}",
        "=HYPERLINK(\"http://evil\")",
        "&lt;b&gt; &amp; ]]>",
    ];
    let log = json!([{"start": "2026-11-20T10:00:00Z", "end": "2026-11-20T10:10:00Z"}]);
    let people: Vec<_> = names.iter().map(|name| json!({"name": name, "timelog": log})).collect();
    let record = json!({"id": "<i>s", "meetingId": "'\"><svg onload=alert(1)>", "start": "2026-11-20T10:00:00Z",
        "end": "2026-11-20T10:30:00Z", "participants": people});
    let script = Script::new().before(1, Change::raw(0, record.to_string()));
    let bed = exported(Options { script, ..Options::new(Account::new(36, 1, Shape::Plain)) });
    check(&bed, "UTC", &["--meeting-id", "'\"><svg", "--session", "<b>none"], "false");
    check(&bed, "UTC", &["--session", "<i>s", "--session", "<b>none"], "true");
    let seen = seen(&page(&bed));
    assert_eq!((&seen["messages"], &seen["hacked"], &seen["scripts"]), (&json!([]), &Value::Null, &json!(0)));
    let shown = column(&seen, "The people who attend most", "attended");
    for name in names {
        assert!(shown.contains_key(&name.split_whitespace().collect::<Vec<_>>().join(" ")), "{name}: {shown:?}");
    }
    let text = seen["text"].as_str().unwrap();
    assert!(
        text.contains("Session <b>none is not among those") && text.contains("'\"><svg onload=alert(1)>"),
        "{text}"
    );
    let people = fs::read_to_string(bed.folder.path().join("csv/people.csv")).unwrap();
    assert!(people.contains("\"'=HYPERLINK(\"\"http://evil\"\")\""), "{people}");
}

#[test]
fn files_are_private_and_nothing_else_is_overwritten() {
    let bed = exported(Options::new(Account::new(37, 20, Shape::Plain)));
    let before = bed.files();
    let dry = report(&bed, &["--dry-run", "--csv", "csv"]);
    assert!(dry.code == 0 && dry.stdout.contains("would be written"), "{dry:?}");
    assert!(!page(&bed).exists() && !bed.folder.path().join("csv").exists());
    for _ in 0..2 {
        let ran = report(&bed, &["--csv", "csv", "--json"]);
        assert_eq!(ran.receipt()["sessions"], 20, "{ran:?}");
        let files = ran.receipt()["files"].as_array().unwrap().clone();
        assert_eq!(files.len(), 12);
        for file in files {
            let path = bed.folder.path().join(file["path"].as_str().unwrap());
            let status = fs::metadata(&path).unwrap();
            assert_eq!(
                (status.permissions().mode() & 0o777, json!(status.len())),
                (0o600, file["bytes"].clone()),
                "{path:?}"
            );
        }
    }
    symlink("rollbook-report.html", bed.folder.path().join("link")).unwrap();
    let at = |path: &str| report(&bed, &["-o", path]);
    for (path, code) in
        [("link", 2), ("csv", 2), ("data/page.html", 2), ("data/sessions/x.html", 2), ("none/x.html", 6)]
    {
        let ran = at(path);
        assert!(ran.code == code && ran.stderr.contains(path.split('/').next().unwrap()), "{path}: {ran:?}");
    }
    assert_eq!(report(&bed, &["--csv", "data/timelogs"]).code, 2);
    assert_eq!(bed.files(), before);
    for (arguments, hint) in [
        (["--zone", "Mars"], "a time zone is UTC, or an area and a place"),
        (["--from", "yesterday"], "`--from` must be a day"),
        (["--session", ""], "it is empty"),
    ] {
        let ran = report(&bed, &arguments);
        assert!(ran.code == 2 && ran.stderr.contains(hint), "{ran:?}");
    }
    let nowhere = Ran::of(rollbook(bed.folder.path()).args(["report", "--dest", "nowhere"]).output().unwrap());
    assert_eq!(nowhere.code, 6, "{nowhere:?}");
}

#[test]
fn a_run_that_reads_no_list_is_no_proof() {
    let bed = exported(Options::new(Account::new(36, 20, Shape::Plain)));
    let said = |json: bool, text: &str| {
        let ran = report(&bed, &["--json"]);
        assert_eq!((ran.code, &ran.receipt()["proven"]), (0, &json!(json)), "{ran:?}");
        assert!(fs::read_to_string(page(&bed)).unwrap().contains(text), "{text}");
    };
    said(true, "The last run has shown that no session was missed.");
    let purged = Ran::of(bed.command(&["purge", "--before", "1990-01-01", "-q"]).output().unwrap());
    assert_eq!(purged.code, 0, "{purged:?}");
    said(false, "The last run was none that can show that no session was missed");
}

#[test]
fn of_many_sessions() {
    let bed = exported(Options::new(Account::new(38, 100_000, Shape::Realistic)));
    let folder = bed.folder.path();
    let mut command = bed.command(&["report", "-q"]);
    command.arg("--csv").arg(folder.join("csv")).arg("-o").arg(page(&bed)).env("TMPDIR", folder);
    let (ran, Figures { wall_s, cpu_s, peak_mib }) = measured(&command);
    assert_eq!(ran.code, 0, "{ran:?}");
    let bytes = fs::metadata(page(&bed)).unwrap().len();
    println!("{wall_s} s, {cpu_s} s of CPU, {peak_mib} MiB at most, {bytes} bytes");
    assert!(peak_mib < PEAK_MIB && bytes < BYTES, "{peak_mib} MiB, {bytes} bytes");
    run(reader("report_check.py").arg(bed.dataset()).arg(bed.folder.path().join("csv")).arg("UTC"));
    let seen = seen(&page(&bed));
    println!("opened in {} s", seen["opened_in_s"]);
    assert!(seen["messages"] == json!([]) && seen["opened_in_s"].as_f64().unwrap() < 1.5, "{}", seen["opened_in_s"]);
}
