//! The rows are right: by hand for the documented example, by an independent computation for a whole account.

use std::collections::BTreeMap;

use rollbook::rows::tables::Table;
use rollbook::sim::truth::SessionTruth;
use rollbook::sim::{Account, Change, Options, Script, Shape, v2};

use crate::bed::{Bed, time};

/// The example of the API's documentation, made valid.
const DOCUMENTED: &str = r#"{"id": "616e79f7ba68c7768bfd18bf", "meetingId": "ywnm-eicr-d55x",
   "start": "2021-10-19T07:55:35.807Z", "end": "2021-10-19T07:55:39.941Z",
   "chatLink": "https://cdn.videosdk.live/chats/hq3g.csv", "activeDuration": 0,
   "participants": [{"participantId": "wcrkkrf4", "name": "John Doe",
     "timelog": [{"start": "2021-10-19T07:55:36.316Z", "end": "2021-10-19T07:55:39.937Z"}]}]}"#;

/// Exports one record in place of an account's only session.
fn export_one(record: &str, arguments: &[&str], code: i32) -> Bed {
    let script = Script::new().before(1, Change::raw(0, record));
    let bed = Bed::new(Options { script, ..Options::new(Account::new(7, 1, Shape::Plain)) });
    let ran = bed.run(arguments);
    assert_eq!(ran.code, code, "{ran:?}");
    bed
}

fn assert_row(actual: &[(String, String)], expected: &[(&str, &str)]) {
    let actual: Vec<(&str, &str)> = actual.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(actual, expected);
}

#[test]
fn the_documented_example_is_as_computed_by_hand() {
    let bed = export_one(DOCUMENTED, &[], 0);
    let session = [("session_id", "616e79f7ba68c7768bfd18bf"), ("meeting_id", "ywnm-eicr-d55x")];
    let parent = [("session_started_at", "2021-10-19T07:55:35.807Z"), ("session_ended_at", "2021-10-19T07:55:39.941Z")];
    let sessions = [
        session[0],
        session[1],
        ("started_at", "2021-10-19T07:55:35.807Z"),
        ("ended_at", "2021-10-19T07:55:39.941Z"),
        ("status", "null"),
        ("custom_room_id", "null"),
        ("region", "null"),
        ("chat_link", "https://cdn.videosdk.live/chats/hq3g.csv"),
        ("active_duration", "0"),
        ("duration_ms", "4134"),
        ("occupied_ms", "3621"),
        ("total_attended_ms", "3621"),
        ("peak_participants", "1"),
        ("participant_count", "1"),
        ("person_count", "1"),
        ("timelog_count", "1"),
        ("is_open", "false"),
        ("observed_at", "null"),
        ("anomalies", ""),
        ("extra", "null"),
    ];
    let participants = [
        session[0],
        session[1],
        parent[0],
        parent[1],
        ("participant_index", "0"),
        ("participant_id", "wcrkkrf4"),
        ("name", "John Doe"),
        ("person", "john doe"),
        ("first_joined_at", "2021-10-19T07:55:36.316Z"),
        ("last_left_at", "2021-10-19T07:55:39.937Z"),
        ("join_count", "1"),
        ("attended_ms", "3621"),
        ("gross_ms", "3621"),
        ("is_present", "false"),
        ("is_excluded", "false"),
        ("anomalies", ""),
        ("extra", "null"),
    ];
    let timelogs = [
        session[0],
        session[1],
        parent[0],
        parent[1],
        ("participant_index", "0"),
        ("participant_id", "wcrkkrf4"),
        ("person", "john doe"),
        ("timelog_index", "0"),
        ("started_at", "2021-10-19T07:55:36.316Z"),
        ("ended_at", "2021-10-19T07:55:39.937Z"),
        ("duration_ms", "3621"),
        ("effective_started_at", "2021-10-19T07:55:36.316Z"),
        ("effective_ended_at", "2021-10-19T07:55:39.937Z"),
        ("is_open", "false"),
        ("is_excluded", "false"),
        ("anomalies", ""),
    ];
    for (table, expected) in Table::ALL.into_iter().zip([&sessions[..], &participants, &timelogs]) {
        let rows = bed.rows(table);
        assert_eq!(rows.len(), 1);
        assert_row(&rows[0], expected);
    }
}

/// What one odd record becomes: exit code, and some of its session's cells (none where it has no row).
#[test]
#[allow(clippy::too_many_lines)] // a table of records
fn odd_records_keep_their_row_and_go_raw_to_the_rejects() {
    let cases: &[(&str, i32, &[(&str, &str)])] = &[
        (
            r#"{"_id": 12345678901234567890, "start": null, "participants": null}"#,
            0,
            &[("session_id", "12345678901234567890"), ("started_at", "null"), ("is_open", "true"), ("anomalies", "")],
        ),
        (
            r#"{"id": "a", "start": "yesterday", "end": "2026-01-01T00:00:00+01:00"}"#,
            3,
            &[("started_at", "null"), ("ended_at", "2025-12-31T23:00:00.000Z"), ("anomalies", "bad_timestamp")],
        ),
        (
            r#"{"id": "a", "start": 1634630135807, "end": "soon"}"#,
            3,
            &[("is_open", "false"), ("ended_at", "null"), ("anomalies", "bad_timestamp")],
        ),
        (r#"{"id": "a", "participants": "none"}"#, 3, &[("participant_count", "0"), ("anomalies", "bad_participants")]),
        (
            r#"{"id": "a", "participants": [{"timelog": 5}]}"#,
            3,
            &[("participant_count", "1"), ("timelog_count", "0"), ("anomalies", "bad_timelog")],
        ),
        (
            r#"{"id": "a", "status": "ended", "participants": [{"participantId": "p", "timelog": [{"end": null}]}]}"#,
            0,
            &[("is_open", "false"), ("anomalies", "no_start,open_in_ended_session")],
        ),
        (r#"{"id": "a", "participants": [{"name": "cut \ud83d"}]}"#, 3, &[("anomalies", "bad_text")]),
        (
            r#"{"id": "a", "region": ["eu"], "activeDuration": "12.5"}"#,
            3,
            &[("region", "null"), ("active_duration", "12.5"), ("anomalies", "bad_value")],
        ),
        (
            r#"{"id": "a", "status": "paused", "start": "2021-10-19T07:55:35.807123456+00:00", "end": null, "links": null,
                "region": null, "participants": [{"participantId": null, "name": null, "timelog": null}]}"#,
            0,
            &[
                ("status", "paused"),
                ("is_open", "true"),
                ("started_at", "2021-10-19T07:55:35.807Z"),
                ("participant_count", "1"),
                ("timelog_count", "0"),
                ("chat_link", "null"),
                ("anomalies", ""),
            ],
        ),
        (
            r#"{"id": "a", "activeDuration": 1e999, "odd": -1e999}"#,
            3,
            &[("active_duration", "null"), ("anomalies", "bad_text,bad_value")],
        ),
        (r#"{"name": "no id"}"#, 3, &[]),
        (r"null", 3, &[]),
        // Neither of two values is taken.
        (r#"{"id": "a", "id": "a"}"#, 3, &[]),
        (
            r#"{"id": "a", "start": "2021-10-19T08:00:00Z", "start": "2021-10-19T08:00:00Z"}"#,
            3,
            &[("started_at", "null"), ("anomalies", "bad_timestamp")],
        ),
        (
            r#"{"id": "a", "region": "eu", "participants": [{}], "region": "us", "participants": [{}, {}]}"#,
            3,
            &[("region", "null"), ("participant_count", "0"), ("anomalies", "bad_participants,bad_value")],
        ),
        // A time that UTC puts into another age.
        (
            r#"{"id": "a", "start": "9999-12-31T23:59:59-01:00", "end": "0000-06-01T00:00:00Z"}"#,
            3,
            &[("started_at", "null"), ("ended_at", "null"), ("anomalies", "bad_timestamp")],
        ),
        // What is no object is no participant, and no timelog.
        (
            r#"{"id": "a", "status": "ended", "participants": [0, null, {"timelog": [1, [], {"start": "2021-10-19T08:00:00Z", "end": "2021-10-19T08:00:00Z"}]}]}"#,
            3,
            &[("participant_count", "1"), ("timelog_count", "1"), ("anomalies", "bad_participants,bad_timelog")],
        ),
        (
            r#"{"id": "a", "start": "2021-10-19T08:00:00Z", "end": "2021-10-19T07:00:00Z"}"#,
            0,
            &[("duration_ms", "null"), ("anomalies", "end_before_start")],
        ),
    ];
    for (record, code, expected) in cases {
        let bed = export_one(record, &[], *code);
        let rows = bed.rows(Table::Sessions);
        assert_eq!(rows.len(), usize::from(!expected.is_empty()), "{record}");
        for (name, value) in *expected {
            let cell = rows[0].iter().find(|(column, _)| column == name).unwrap();
            assert_eq!((cell.1.as_str(), *record), (*value, *record), "{name}");
        }
        let rejects = bed.dataset().join("_rollbook/rejects");
        let kept: String = std::fs::read_dir(rejects)
            .into_iter()
            .flatten()
            .flatten()
            .map(|file| std::fs::read_to_string(file.path()).unwrap())
            .collect();
        assert_eq!(kept.lines().count(), usize::from(*code == 3), "{record}: {kept}");
        if *code == 3 {
            // What an earlier run recorded of a session does not count again; what names none always does.
            let again = bed.run(&["--json"]);
            let rejects = again.receipt()["rejects"].clone();
            if expected.is_empty() {
                assert!(rejects["without_id"].as_u64() > Some(0) && rejects["new"] == rejects["total"], "{record}");
            } else {
                assert_eq!(
                    rejects,
                    serde_json::json!({"total": 1, "new": 0, "without_id": 0, "reasons": {}}),
                    "{record}"
                );
            }
            assert_eq!(again.code, if expected.is_empty() { 3 } else { 0 }, "{record}");
        }
    }
}

/// An empty text is no value, whatever the field.
#[test]
fn an_empty_text_is_read_as_null() {
    let cases: &[(&str, i32, &[(&str, &str)])] = &[
        (
            r#"{"id": "", "_id": "a", "start": "2021-10-19T08:00:00Z", "end": "", "meetingId": "", "roomId": "r",
                "status": "", "region": "", "customRoomId": "", "chatLink": "", "activeDuration": "", "participants": [
                {"participantId": "", "name": "", "timelog": [{"start": "2021-10-19T08:00:00Z", "end": ""}]},
                {"participantId": "", "name": "", "timelog": ""}]}"#,
            0,
            &[
                ("session_id", "a"),
                ("ended_at", "null"),
                ("is_open", "true"),
                ("meeting_id", "r"),
                ("status", "null"),
                ("region", "null"),
                ("custom_room_id", "null"),
                ("chat_link", "null"),
                ("active_duration", "null"),
                ("peak_participants", "1"),
                ("participant_count", "2"),
                ("timelog_count", "1"),
                ("anomalies", ""),
            ],
        ),
        (r#"{"id": "a", "start": "", "participants": ""}"#, 0, &[("started_at", "null"), ("anomalies", "")]),
        (r#"{"id": "a", "end": " "}"#, 3, &[("is_open", "false"), ("anomalies", "bad_timestamp")]),
    ];
    for (record, code, expected) in cases {
        let row: BTreeMap<_, _> = export_one(record, &[], *code).rows(Table::Sessions).remove(0).into_iter().collect();
        for (name, value) in *expected {
            assert_eq!((row[*name].as_str(), *record), (*value, *record), "{name}");
        }
    }
}

#[test]
fn texts_that_are_too_long_are_cut_and_ids_are_rejects() {
    let text = |name: &str, length: usize| {
        format!("\"{name}\": \"{}\"", "\u{e9}".repeat(length / 2) + &"x".repeat(length % 2))
    };
    for (fields, code, session, participant) in [
        (text("id", 1024), 0, Some(""), ""),
        (text("id", 1025), 3, None, ""),
        (format!("\"id\": \"a\", {}", text("meetingId", 1025)), 3, Some("long_id"), ""),
        (format!("\"id\": \"a\", {}", text("chatLink", 5000)), 0, Some("cut_text"), ""),
        (format!("\"id\": \"a\", \"participants\": [{{{}}}]", text("participantId", 1024)), 0, Some(""), ""),
        (
            format!("\"id\": \"a\", \"participants\": [{{{}}}]", text("participantId", 300_000)),
            3,
            Some("long_id"),
            "null",
        ),
        (format!("\"id\": \"a\", \"participants\": [{{{}}}]", text("name", 4097)), 0, Some("cut_text"), ""),
    ] {
        let bed = export_one(&format!("{{\"status\": \"ended\", {fields}}}"), &[], code);
        let rows = bed.rows(Table::Sessions);
        assert_eq!(rows.len(), usize::from(session.is_some()), "{fields:.60}");
        let cell =
            |row: &[(String, String)], name: &str| row.iter().find(|(column, _)| column == name).unwrap().1.clone();
        if let Some(session) = session {
            assert_eq!(cell(&rows[0], "anomalies"), session, "{fields:.60}");
            assert!(cell(&rows[0], "chat_link").len() <= 4096 && !cell(&rows[0], "meeting_id").is_empty());
        }
        for row in bed.rows(Table::Participants) {
            assert_eq!(
                cell(&row, "participant_id") == "null",
                participant == "null" || fields.contains("name"),
                "{fields:.60}"
            );
            assert!(cell(&row, "name").len() <= 4096);
        }
        let verified = crate::bed::Ran::of(bed.command(&["verify"]).output().unwrap());
        assert_eq!(verified.code, 0, "{verified:?}");
    }
}

#[test]
fn unknown_fields_are_counted_and_kept_on_request() {
    let record = r#"{"id": "a", "zeta": [1, {"b": null}], "alpha": "x", "participants": [
        {"device": "phone", "timelog": [{"start": "2021-10-19T07:55:36Z"}, {"start": null, "via": 7}]}]}"#;
    let bed = export_one(record, &[], 0);
    assert_eq!(bed.rows(Table::Sessions)[0].last().unwrap().1, "null");
    let mut command = bed.export(&["--json"]);
    let ran = crate::bed::Ran::of(command.env("ROLLBOOK_DATASET_KEEP_UNKNOWN_FIELDS", "true").output().unwrap());
    let receipt = ran.receipt();
    let counts = receipt["walk"]["unknown_fields"].as_object().unwrap();
    let names: Vec<_> = counts.keys().map(String::as_str).collect();
    assert_eq!(names, ["alpha", "participants.device", "participants.timelog.via", "zeta"]);
    assert!(counts.values().all(|count| count == &counts["alpha"] && count.as_u64() > Some(0)));
    assert_eq!(bed.rows(Table::Sessions)[0].last().unwrap().1, r#"{"alpha":"x","zeta":[1, {"b": null}]}"#);
    assert_eq!(bed.rows(Table::Participants)[0].last().unwrap().1, r#"{"device":"phone","timelog":[{},{"via":7}]}"#);
}

#[test]
fn the_second_version_gives_the_same_rows_and_more() {
    let account = Account::new(12, 500, Shape::Realistic);
    let bed = Bed::new(Options::new(account));
    assert_eq!(bed.run(&["--api", "v2"]).code, 0);
    let second = [Table::Participants, Table::Timelogs].map(|table| bed.rows(table));
    let rows = bed.rows(Table::Sessions);
    for session in account.sessions() {
        let row: BTreeMap<_, _> = rows.iter().find(|row| row[0].1 == session.id).unwrap().iter().cloned().collect();
        let text = |value: Option<&str>| value.unwrap_or("null").to_owned();
        assert_eq!(row["meeting_id"], text(session.meeting_id.as_deref()));
        assert_eq!(row["status"], v2::status(&session));
        assert_eq!(row["region"], text(v2::region(&session)));
        assert_eq!(row["custom_room_id"], text(v2::custom_room_id(&session).as_deref()));
        assert_eq!((row["chat_link"].as_str(), row["active_duration"].as_str()), ("null", "null"));
    }
    let bed = Bed::new(Options::new(account));
    assert_eq!(bed.run(&[]).code, 0);
    assert!(second == [Table::Participants, Table::Timelogs].map(|table| bed.rows(table)));
}

type Rows = BTreeMap<String, String>;

fn number(row: &Rows, name: &str) -> i64 {
    row[name].parse().unwrap()
}

fn moment(time_or_none: Option<i64>) -> String {
    time_or_none.map_or_else(|| "null".to_owned(), time)
}

#[test]
fn a_whole_account_equals_an_independent_computation() {
    let account = Account::new(11, 4_000, Shape::Realistic);
    let bed = Bed::new(Options::new(account));
    let ran = bed.run(&["--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let [sessions, participants, timelogs] = Table::ALL
        .map(|table| bed.rows(table).into_iter().map(|row| row.into_iter().collect::<Rows>()).collect::<Vec<_>>());
    let mut by_session: BTreeMap<&str, (Vec<&Rows>, Vec<&Rows>)> = BTreeMap::new();
    for row in &participants {
        by_session.entry(&row["session_id"]).or_default().0.push(row);
    }
    for row in &timelogs {
        by_session.entry(&row["session_id"]).or_default().1.push(row);
    }
    let rows: BTreeMap<&str, &Rows> = sessions.iter().map(|row| (row["session_id"].as_str(), row)).collect();
    assert_eq!((rows.len(), sessions.len()), (4_000, 4_000));

    for session in (0..4_000).map(|index| account.session(index)) {
        let truth = SessionTruth::of(&session);
        let row = rows[session.id.as_str()];
        let what = &session.id;
        assert_eq!(row["duration_ms"], truth.duration_ms.map_or("null".to_owned(), |ms| ms.to_string()), "{what}");
        assert_eq!(number(row, "occupied_ms"), truth.occupied_ms, "{what}");
        assert_eq!(number(row, "total_attended_ms"), truth.total_attended_ms, "{what}");
        assert_eq!(row["peak_participants"], truth.peak_participants.to_string(), "{what}");
        assert_eq!(row["is_open"], truth.is_open.to_string(), "{what}");
        assert_eq!(row["anomalies"], truth.anomalies.join(","), "{what}");
        let (participants, timelogs) = by_session.get(session.id.as_str()).cloned().unwrap_or_default();
        assert_eq!(participants.len(), truth.participants.len(), "{what}");
        let mut timelogs = timelogs.into_iter();
        for (row, truth) in participants.iter().zip(&truth.participants) {
            assert_eq!(row["first_joined_at"], moment(truth.first_joined_at), "{what}");
            assert_eq!(row["last_left_at"], moment(truth.last_left_at), "{what}");
            assert_eq!(number(row, "attended_ms"), truth.attended_ms, "{what}");
            assert_eq!(number(row, "gross_ms"), truth.gross_ms, "{what}");
            assert_eq!(row["is_present"], truth.is_present.to_string(), "{what}");
            assert_eq!(row["anomalies"], truth.anomalies.join(","), "{what}");
            for truth in &truth.timelogs {
                let row = timelogs.next().unwrap();
                assert_eq!(row["effective_started_at"], moment(truth.effective_started_at), "{what}");
                assert_eq!(row["effective_ended_at"], moment(truth.effective_ended_at), "{what}");
                assert_eq!(row["anomalies"], truth.anomalies.join(","), "{what}");
            }
        }
        assert!(timelogs.next().is_none(), "{what}");
    }
}
