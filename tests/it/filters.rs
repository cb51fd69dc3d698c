//! The server's own filters, which are not trusted.

use std::collections::BTreeSet;

use rollbook::rows::tables::Table;
use rollbook::sim::{Account, Change, Options, Script, Session, Shape, Spacing};
use serde_json::json;

use crate::bed::{Bed, Ran, time};

fn account() -> Account {
    Account::new(8, 1_000, Shape::Plain).spaced(Spacing::every(600_000))
}

fn run(bed: &Bed, arguments: &[&str]) -> Ran {
    Ran::of(bed.command(arguments).arg("--json").output().unwrap())
}

/// The sessions of these meetings in the account.
fn of(meetings: &[&str]) -> BTreeSet<String> {
    let sessions = account()
        .sessions()
        .filter(|session| session.meeting_id.as_deref().is_some_and(|meeting| meetings.contains(&meeting)));
    sessions.map(|session| session.id).collect()
}

fn exported(bed: &Bed) -> BTreeSet<String> {
    bed.rows(Table::Sessions).iter().map(|row| row[0].1.clone()).collect()
}

#[test]
fn a_meeting_that_is_not_listed_is_named_and_the_others_are_there() {
    let known = account().meeting_id(3);
    for version in ["v1", "v2"] {
        let bed = Bed::new(Options::new(account()));
        let ran = run(&bed, &["export", "--api", version, "--meeting-id", "no-such", "--meeting-id", &known]);
        assert_eq!((ran.code, &ran.receipt()["walk"]["unlisted_meetings"]), (0, &json!(["no-such"])), "{ran:?}");
        assert!(
            ran.stderr.contains("WARN") && ran.stderr.contains("lists no session of the meeting: no-such"),
            "{ran:?}"
        );
        assert!(!ran.stderr.contains(&format!("meeting: {known}")), "{ran:?}");
        assert_eq!(exported(&bed), of(&[&known]));
    }
    // Alone it leaves an empty dataset behind.
    let bed = Bed::new(Options::new(account()));
    let ran = run(&bed, &["export", "--meeting-id", "no-such"]);
    assert!(ran.code == 0 && ran.stderr.contains("no-such"), "{ran:?}");
    assert_eq!(bed.rows(Table::Sessions).len(), 0);
    let ran = Ran::of(bed.command(&["export", "--meeting-id", "no-such"]).output().unwrap());
    assert!(ran.code == 0 && ran.stdout.contains("; nothing is listed of: no-such\n"), "{ran:?}");
    // Whoever wants to hear of errors only hears nothing.
    let ran = Ran::of(bed.command(&["export", "-q", "--meeting-id", "no-such"]).output().unwrap());
    assert_eq!((ran.code, &*ran.stdout, &*ran.stderr), (0, "", ""));
}

#[test]
fn a_filter_that_is_ignored_is_found_out_and_only_the_meeting_is_kept() {
    let [one, other] = [3, 4].map(|number| account().meeting_id(number));
    for version in ["v1", "v2"] {
        for meetings in [&[one.as_str()][..], &[one.as_str(), other.as_str()], &[one.as_str(), "no-such"]] {
            let bed = Bed::new(Options { ignore_filter: true, ..Options::new(account()) });
            let flags = meetings.iter().flat_map(|meeting| ["--meeting-id", meeting]);
            let line: Vec<_> = ["export", "--api", version].into_iter().chain(flags).collect();
            let ran = run(&bed, &line);
            let walk = ran.receipt()["walk"].clone();
            assert_eq!((ran.code, &walk["evidence"]), (0, &json!("chain")), "{ran:?}");
            assert!(walk["foreign_meetings"].as_u64() > Some(900), "{walk:#}");
            assert!(ran.stderr.contains("does not keep to the filter for the meeting"), "{ran:?}");
            assert_eq!(
                walk["unlisted_meetings"],
                json!(meetings.iter().filter(|id| **id == "no-such").collect::<Vec<_>>())
            );
            assert_eq!(exported(&bed), of(meetings));
        }
    }
    // One that keeps to it has nothing to tell.
    let bed = Bed::new(Options::new(account()));
    let ran = run(&bed, &["export", "--meeting-id", &one]);
    let walk = ran.receipt()["walk"].clone();
    assert_eq!((&walk["foreign_meetings"], &walk["foreign_dates"]), (&json!(0), &json!(0)), "{walk:#}");
    assert!(!ran.stderr.contains("WARN"), "{ran:?}");
}

#[test]
fn a_filter_for_dates_that_is_ignored_is_told() {
    let (from, to) = (time(account().start(600)), time(account().start(400)));
    for meeting in [None, Some(account().meeting_id(3))] {
        let bed = Bed::new(Options { ignore_filter: true, ..Options::new(account()) });
        let mut line = vec!["backfill", "--api", "v2", "--from", &from, "--to", &to];
        line.extend(meeting.iter().flat_map(|meeting| ["--meeting-id", meeting.as_str()]));
        let ran = run(&bed, &line);
        let walk = ran.receipt()["walk"].clone();
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(walk["foreign_dates"].as_u64() > Some(0), "{walk:#}");
        assert!(ran.stderr.contains("does not keep to the filter for dates"), "{ran:?}");
        let range = (401..=600).map(|index| account().session(index).id).collect::<BTreeSet<_>>();
        let wanted = meeting.map_or_else(|| range.clone(), |id| &of(&[&id]) & &range);
        assert_eq!(exported(&bed), wanted);
    }
}

#[test]
fn a_session_without_a_meeting_and_one_in_other_case_belong_to_what_was_asked_for() {
    let meeting = account().meeting_id(3);
    let ids: Vec<_> = of(&[&meeting]).into_iter().collect();
    let with = |id: &str, meeting_id: Option<String>| {
        let session = account().sessions().find(|session| session.id == id).unwrap();
        Change::replace(id, Session { meeting_id, ..session })
    };
    // The filter is that of the list at its start; what the answers show is another matter.
    let script = Script::new().before(1, vec![with(&ids[0], None), with(&ids[1], Some(meeting.to_uppercase()))]);
    let bed = Bed::new(Options { script, ignore_filter: true, ..Options::new(account()) });
    let ran = run(&bed, &["export", "--meeting-id", &meeting]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(exported(&bed), ids.into_iter().collect());
}

#[test]
fn what_a_stopped_run_has_read_of_other_meetings_stays_out() {
    let meeting = account().meeting_id(3);
    let failing = Script::new().answer_every(9, 1, rollbook::sim::Answer::status(401));
    let mut bed = Bed::new(Options { script: failing, ignore_filter: true, ..Options::new(account()) });
    let line = ["export", "--meeting-id", meeting.as_str()];
    assert_eq!(run(&bed, &line).code, 4);
    bed.serve(Options { ignore_filter: true, ..Options::new(account()) });
    let ran = run(&bed, &line);
    let walk = ran.receipt()["walk"].clone();
    assert!(ran.code == 0 && walk["recalled"].as_u64() > Some(0), "{ran:?}");
    assert!(walk["foreign_meetings"].as_u64() > Some(900), "{walk:#}");
    assert_eq!(exported(&bed), of(&[&meeting]));
}
