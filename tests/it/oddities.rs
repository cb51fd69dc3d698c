//! Sessions that are odd on purpose, for those who count what is in them.

use chrono::DateTime;
use rollbook::sim::{Name, Participant, Session, Timelog};

const MINUTE: i64 = 60_000_000;
const HOUR: i64 = 60 * MINUTE;
/// Every so many-th session is odd.
const EVERY: usize = 61;

type Oddity = fn(&mut Session, i64);

/// Makes the session at an index odd, if it is its turn; each oddity comes in its turn again and again.
pub fn made_odd(index: usize, session: &mut Session) -> bool {
    let Some(start) = session.start.filter(|_| index.is_multiple_of(EVERY)) else { return false };
    ODDITIES[index / EVERY % ODDITIES.len()](session, start);
    true
}

const ODDITIES: [Oddity; 17] = [
    |session, _| session.meeting_id = None,
    |session, _| session.start = None,
    |session, start| session.end = Some(start - 1),
    |session, start| session.end = Some(start),
    |session, _| session.participants.clear(),
    |session, _| session.participants.iter_mut().for_each(|entry| entry.timelogs.clear()),
    one_person_by_many_names,
    nobody_knows_who,
    never_ended,
    left_open,
    relay,
    fractions,
    names_like_ids,
    clocks_go_back,
    clocks_go_forward,
    only_moments,
    backwards,
];

fn entry(id: Option<&str>, name: &str, logs: &[(i64, Option<i64>)]) -> Participant {
    let log = |(start, end): &(i64, Option<i64>)| Timelog { start: Some(*start), end: *end };
    Participant {
        id: id.map(str::to_owned),
        name: Name::Text(name.to_owned()),
        timelogs: logs.iter().map(log).collect(),
    }
}

fn lasts(session: &mut Session, start: i64, length: i64, participants: Vec<Participant>) {
    (session.start, session.end, session.participants) = (Some(start), Some(start + length), participants);
}

/// One person on three devices, whose times overlap.
fn one_person_by_many_names(session: &mut Session, start: i64) {
    let people = vec![
        entry(
            Some("a"),
            "Ann  Example",
            &[(start, Some(start + 20 * MINUTE)), (start + 10 * MINUTE, Some(start + 25 * MINUTE))],
        ),
        entry(Some("b"), " ann example ", &[(start + 24 * MINUTE, Some(start + 40 * MINUTE))]),
        entry(Some("c"), "ANN EXAMPLE", &[]),
        entry(Some("c"), "Bob", &[(start + 5 * MINUTE, Some(start + 5 * MINUTE + 1))]),
    ];
    lasts(session, start, HOUR, people);
}

/// Neither a name nor an id, or a blank one.
fn nobody_knows_who(session: &mut Session, start: i64) {
    let stay = [(start, Some(start + MINUTE))];
    let mut people: Vec<_> = ["", " ", "\t"].map(|name| entry(None, name, &stay)).into();
    people.extend([entry(Some("d"), "", &stay), entry(Some(""), "", &stay), entry(Some("d"), " ", &stay)]);
    people[0].name = Name::Null;
    lasts(session, start, HOUR, people);
}

/// Somebody is there still, somebody has come and gone, somebody came before the session began.
fn never_ended(session: &mut Session, start: i64) {
    let people = vec![
        entry(Some("e"), "Eve", &[(start + MINUTE, Some(start + HOUR)), (start + 2 * HOUR, None)]),
        entry(Some("f"), "Finn", &[(start + MINUTE, Some(start + HOUR))]),
        entry(Some("g"), "Gus", &[(start - MINUTE, None)]),
        entry(None, "eve", &[(start + HOUR, None)]),
    ];
    lasts(session, start, HOUR, people);
    session.end = None;
}

/// A running session whose participants joined again before anybody noticed that they had left.
fn left_open(session: &mut Session, start: i64) {
    let people = vec![
        entry(Some("h"), "Hal", &[(start - 3 * MINUTE, None), (start - 2 * MINUTE, None)]),
        entry(Some("h"), "Hal", &[(start + 5 * MINUTE, None), (start + 5 * MINUTE, None)]),
        entry(Some("i"), "Ida", &[(start, None), (start + 9 * MINUTE, Some(start + 10 * MINUTE))]),
    ];
    lasts(session, start, HOUR, people);
    session.end = None;
}

/// One leaves at the moment at which the next one comes: nothing changes.
fn relay(session: &mut Session, start: i64) {
    let at = |number: i64| start + number * MINUTE;
    let people = vec![
        entry(Some("j"), "Jan", &[(at(0), Some(at(10))), (at(10), Some(at(20)))]),
        entry(Some("k"), "Kim", &[(at(20), Some(at(30)))]),
        entry(Some("l"), "Lou", &[(at(30), Some(at(40))), (at(15), Some(at(20)))]),
    ];
    lasts(session, start, HOUR, people);
}

/// Times between milliseconds: sums are cut once.
fn fractions(session: &mut Session, start: i64) {
    let people = vec![
        entry(Some("m"), "Max", &[(start + 1, Some(start + 1_700)), (start + 2_100, Some(start + 3_800))]),
        entry(Some("n"), "max", &[(start + 3_999, Some(start + 4_998))]),
    ];
    lasts(session, start, 7_654_321, people);
}

/// Names that look like keys of people who have none.
fn names_like_ids(session: &mut Session, start: i64) {
    let stay = [(start, Some(start + MINUTE))];
    let number = format!("#{}/0", session.id);
    let names = ["id:p", "=id:p", &number, "id:p"];
    let mut people: Vec<_> = names.iter().map(|name| entry(Some("p"), name, &stay)).collect();
    people[3].name = Name::Missing;
    lasts(session, start, HOUR, people);
}

fn moment(text: &str) -> i64 {
    DateTime::parse_from_rfc3339(text).unwrap().timestamp_micros()
}

/// Over the night in New York in which an hour comes twice, and over midnight in Kolkata.
fn clocks_go_back(session: &mut Session, start: i64) {
    over(session, moment("2026-11-01T04:10:00Z") + start % HOUR);
}

/// Over the night in New York in which an hour is left out.
fn clocks_go_forward(session: &mut Session, start: i64) {
    over(session, moment("2026-03-08T05:10:00Z") + start % HOUR);
}

fn over(session: &mut Session, start: i64) {
    let at = |number: i64| start + number * 10 * MINUTE;
    let people = vec![
        entry(Some("q"), "Quin", &[(at(0), Some(at(7))), (at(8), Some(at(24)))]),
        entry(Some("r"), "Rae", &[(at(3), Some(at(13))), (at(14), Some(at(15))), (at(17), Some(at(23)))]),
    ];
    lasts(session, start, 4 * HOUR, people);
}

/// Somebody was there for no time, at the beginning, in the middle and outside.
fn only_moments(session: &mut Session, start: i64) {
    let moments = [start, start + MINUTE, start - MINUTE].map(|moment| (moment, Some(moment)));
    lasts(session, start, HOUR, vec![entry(Some("s"), "Sam", &moments)]);
}

/// Timelogs that end before they begin, without a start, and outside of the session.
fn backwards(session: &mut Session, start: i64) {
    let stays = [(start + MINUTE, Some(start)), (start - HOUR, Some(start - MINUTE)), (start + 2 * HOUR, None)];
    let mut person = entry(Some("t"), "Tea", &stays);
    person.timelogs.push(Timelog { start: None, end: Some(start + MINUTE) });
    person.timelogs.push(Timelog { start: None, end: None });
    lasts(session, start, HOUR, vec![person]);
}
