//! Joins that never got their end, though whoever left them open came back: the next join ends them.

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran};

/// Somebody who lost the connection after 41 seconds or less, and came back for 27.
const LEFT_OPEN: &str = r#"{"id":"s1","meetingId":"m","start":"2026-11-20T10:00:00.000Z","end":"2026-11-20T11:00:00.000Z",
    "participants":[{"participantId":"p1","name":"A","timelog":[
        {"start":"2026-11-20T10:00:00.000Z","end":null},
        {"start":"2026-11-20T10:00:41.000Z","end":"2026-11-20T10:01:08.000Z"}]}]}"#;

/// The same in two entries.
const TWO_ENTRIES: &str = r#"{"id":"two-entries","meetingId":"m","start":"2026-11-20T08:00:00.000Z","end":"2026-11-20T08:50:00.000Z",
    "participants":[
        {"participantId":"u1","name":"A","timelog":[{"start":"2026-11-20T08:00:00.000Z","end":null}]},
        {"participantId":"u1","name":"B","timelog":[
            {"start":"2026-11-20T08:10:00.000Z","end":"2026-11-20T08:20:00.000Z"}]}]}"#;

/// Somebody who came back and left while the session runs on.
const RUNNING: &str = r#"{"id":"running","meetingId":"m","start":"2026-11-20T08:00:00.000Z","end":null,
    "participants":[{"participantId":"u1","name":"A","timelog":[
        {"start":"2026-11-20T08:00:00.000Z","end":null},
        {"start":"2026-11-20T08:10:00.000Z","end":"2026-11-20T08:20:00.000Z"}]}]}"#;

/// A list of one session.
fn listing(record: &str) -> Options {
    Options {
        script: Script::new().before(1, Change::raw(0, record)),
        ..Options::new(Account::new(7, 1, Shape::Plain))
    }
}

fn exported(record: &str) -> Bed {
    let bed = Bed::new(listing(record));
    let ran = bed.run(&["-q"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    is_sound(&bed);
    bed
}

fn is_sound(bed: &Bed) {
    let ran = Ran::of(bed.command(&["verify"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
}

/// Some columns of a table, a text a row.
fn cells(bed: &Bed, table: Table, names: &[&str]) -> Vec<String> {
    let of = |row: Vec<(String, String)>| {
        let cell = |name: &&str| row.iter().find(|(column, _)| column == name).unwrap().1.clone();
        names.iter().map(cell).collect::<Vec<_>>().join(" ").replace("2026-11-20T", "").replace(".000Z", "")
    };
    bed.rows(table).into_iter().map(of).collect()
}

const TIMELOG: [&str; 6] = ["started_at", "ended_at", "duration_ms", "effective_ended_at", "is_open", "anomalies"];
const ENTRY: [&str; 6] = ["attended_ms", "gross_ms", "join_count", "last_left_at", "is_present", "anomalies"];
const SESSION: [&str; 5] = ["occupied_ms", "total_attended_ms", "peak_participants", "is_open", "anomalies"];

#[test]
fn an_open_timelog_of_an_ended_session_ends_with_the_next_join() {
    let bed = exported(LEFT_OPEN);
    assert_eq!(cells(&bed, Table::Sessions, &SESSION), ["68000 68000 1 false open_in_ended_session"]);
    assert_eq!(cells(&bed, Table::Participants, &ENTRY), ["68000 68000 2 10:01:08 false open_in_ended_session"]);
    assert_eq!(
        cells(&bed, Table::Timelogs, &TIMELOG),
        ["10:00:00 null null 10:00:41 true open_in_ended_session", "10:00:41 10:01:08 27000 10:01:08 false "]
    );
}

#[test]
fn the_next_join_may_be_in_another_entry() {
    let bed = exported(TWO_ENTRIES);
    let anomalies = "open_in_ended_session,repeated_participant";
    assert_eq!(cells(&bed, Table::Sessions, &SESSION), [format!("1200000 1200000 1 false {anomalies}")]);
    assert_eq!(
        cells(&bed, Table::Participants, &ENTRY),
        [
            format!("600000 600000 1 08:10:00 false {anomalies}"),
            "600000 600000 1 08:20:00 false repeated_participant".to_owned()
        ]
    );
    assert_eq!(cells(&bed, Table::Timelogs, &["effective_ended_at", "is_open"]), ["08:10:00 true", "08:20:00 false"]);
}

#[test]
fn in_a_running_session_only_the_latest_join_is_present() {
    let mut bed = exported(RUNNING);
    assert_eq!(cells(&bed, Table::Sessions, &SESSION), ["1200000 1200000 1 true left_open"]);
    assert_eq!(cells(&bed, Table::Participants, &ENTRY), ["1200000 1200000 2 08:20:00 false left_open"]);
    assert_eq!(
        cells(&bed, Table::Timelogs, &TIMELOG),
        ["08:00:00 null null 08:10:00 true left_open", "08:10:00 08:20:00 600000 08:20:00 false "]
    );
    // Back again, twice at one moment: both are the latest.
    let back = RUNNING.replace(
        "}]}]}",
        r#"},{"start":"2026-11-20T08:30:00.000Z","end":null}]},
        {"participantId":"u1","timelog":[{"start":"2026-11-20T08:30:00.000Z","end":null}]}]}"#,
    );
    bed.serve(listing(&back));
    assert_eq!(bed.run(&["-q"]).code, 0);
    is_sound(&bed);
    assert_eq!(
        cells(&bed, Table::Participants, &["attended_ms", "last_left_at", "is_present"]),
        ["1200000 null true", "0 null true"]
    );
    assert_eq!(
        cells(&bed, Table::Timelogs, &["effective_ended_at", "anomalies"]),
        ["08:10:00 left_open", "08:20:00 ", "null ", "null "]
    );
    // And the end of the session ends both.
    bed.serve(listing(&back.replacen("\"end\":null", "\"end\":\"2026-11-20T09:00:00.000Z\"", 1)));
    assert_eq!(bed.run(&["-q"]).code, 0);
    is_sound(&bed);
    assert_eq!(cells(&bed, Table::Participants, &["attended_ms", "is_present"]), ["3000000 false", "1800000 false"]);
}

#[test]
fn a_join_that_is_purged_ends_no_other() {
    for (purged, attended) in [("B", "3000000 08:50:00 open_in_ended_session"), ("A", "600000 08:20:00 ")] {
        let mut bed = exported(TWO_ENTRIES);
        let ran = Ran::of(bed.command(&["purge", "--participant-name", purged]).output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        is_sound(&bed);
        assert_eq!(cells(&bed, Table::Participants, &["attended_ms", "last_left_at", "anomalies"]), [attended]);
        // A full export says the same of the entry that is left, to the byte.
        bed.serve(listing(TWO_ENTRIES));
        let again = bed.run(&["--json"]);
        assert!(again.code == 0 && !again.stdout.contains("\"changed\": true"), "{again:?}");
    }
    // While the session runs, whoever was thought to have left is there again.
    let running = TWO_ENTRIES.replacen("\"end\":\"2026-11-20T08:50:00.000Z\"", "\"end\":null", 1);
    let mut bed = exported(&running);
    assert_eq!(cells(&bed, Table::Participants, &["attended_ms", "is_present"]), ["600000 false", "600000 false"]);
    let ran = Ran::of(bed.command(&["purge", "--participant-name", "B"]).output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    is_sound(&bed);
    assert_eq!(cells(&bed, Table::Timelogs, &["effective_ended_at", "is_open", "anomalies"]), ["null true "]);
    assert_eq!(cells(&bed, Table::Participants, &["attended_ms", "is_present", "anomalies"]), ["0 true "]);
    bed.serve(listing(&running));
    let again = bed.run(&["--json"]);
    assert!(again.code == 0 && !again.stdout.contains("\"changed\": true"), "{again:?}");
}

/// Odd joins, and where the open ones of them end.
#[test]
fn who_left_what_open_is_told_as_exactly_as_it_can_be() {
    let session = |end: &str, entries: &str| {
        format!(r#"{{"id":"odd","start":"2026-11-20T08:00:00Z","end":{end},"participants":[{entries}]}}"#)
    };
    let entry = |id: &str, logs: &[(&str, &str)]| {
        let time =
            |text: &str| if text.is_empty() { "null".to_owned() } else { format!("\"2026-11-20T08:{text}:00Z\"") };
        let log = |(start, end): &(&str, &str)| format!(r#"{{"start":{},"end":{}}}"#, time(start), time(end));
        format!(r#"{{"participantId":{id},"timelog":[{}]}}"#, logs.iter().map(log).collect::<Vec<_>>().join(","))
    };
    let ended = "\"2026-11-20T08:30:00Z\"";
    let cases: &[(&str, String, &[&str])] = &[
        (
            "a join behind the session's end",
            session(ended, &entry("\"u\"", &[("05", ""), ("40", "45")])),
            &["08:30:00", "null"],
        ),
        (
            "a join that runs backwards is none",
            session(ended, &entry("\"u\"", &[("05", ""), ("10", "09")])),
            &["08:30:00", "null"],
        ),
        (
            "joins at one moment",
            session(ended, &entry("\"u\"", &[("05", ""), ("05", ""), ("15", "")])),
            &["08:15:00", "08:15:00", "08:30:00"],
        ),
        (
            "without an id, an entry is its own",
            session(ended, &[entry("null", &[("05", ""), ("12", "20")]), entry("null", &[("08", "")])].join(",")),
            &["08:12:00", "08:20:00", "08:30:00"],
        ),
        (
            "an id as number and as text is one",
            session(ended, &[entry("5", &[("05", "")]), entry("\"5\"", &[("10", "20")])].join(",")),
            &["08:10:00", "08:20:00"],
        ),
        (
            "an end that nobody knows",
            session("null,\"status\":\"ended\"", &entry("\"u\"", &[("05", ""), ("10", "20"), ("25", "")])),
            &["08:10:00", "08:20:00", "null"],
        ),
        (
            "a join that starts after the end",
            session(ended, &entry("\"u\"", &[("35", ""), ("40", "")])),
            &["null", "null"],
        ),
        (
            "another's join",
            session(ended, &[entry("\"u\"", &[("05", "")]), entry("\"v\"", &[("10", "20")])].join(",")),
            &["08:30:00", "08:20:00"],
        ),
        ("no start at all", session("null", &entry("\"u\"", &[("", ""), ("10", "")])), &["null", "null"]),
    ];
    for (what, record, ends) in cases {
        let bed = exported(record);
        assert_eq!(cells(&bed, Table::Timelogs, &["effective_ended_at"]), *ends, "{what}");
    }
}
