//! The fold against a count that is made another way: from the listed cells, one question at a time.

use std::collections::{BTreeMap, BTreeSet};

use arrow_array::Array;
use proptest::prelude::*;

use super::*;
use crate::rows::flatten::{self, Options};
use crate::rows::method::Method;
use crate::rows::tables::time;
use crate::sim::wire::{self, PAGE_TAIL};
use crate::sim::{Account, Shape};

fn chunk(account: Account, sessions: std::ops::Range<u64>) -> Chunk {
    let mut body = b"{\"data\":[".to_vec();
    for at in sessions.clone() {
        body.extend_from_slice(if at > sessions.start { b"," } else { b"" });
        wire::session(&mut body, &account.session(at));
    }
    body.extend_from_slice(PAGE_TAIL);
    Chunk::widen(&flatten::page(body, &Options::default()).unwrap().batches, &Method::default()).unwrap()
}

fn folded(chunk: &Chunk, zone: &str, held: usize) -> Numbers {
    let folder = tempfile::tempdir().unwrap();
    let mut fold = Fold::new(Zone::named(zone).unwrap(), &[], &Below::named(folder.path()));
    fold.hold(held);
    (0..chunk.len()).for_each(|row| fold.add(chunk, row).unwrap());
    fold.finish().unwrap()
}

/// Microseconds in at least one of some spans, by the stretches between all their ends.
fn covered(spans: &[(i64, i64)]) -> i64 {
    let moments: BTreeSet<i64> = spans.iter().flat_map(|(start, end)| [*start, *end]).collect();
    let moments: Vec<i64> = moments.into_iter().collect();
    let is_in = |at: i64| spans.iter().any(|(start, end)| *start <= at && at < *end);
    moments.windows(2).filter(|pair| is_in(pair[0])).map(|pair| pair[1] - pair[0]).sum()
}

/// Milliseconds by session and person.
fn naive(chunk: &Chunk) -> BTreeMap<(String, String), i64> {
    let tables = chunk.batches();
    let (ids, persons) = (timelogs::session_id(&tables.timelogs), timelogs::person(&tables.timelogs));
    let starts = timelogs::effective_started_at(&tables.timelogs);
    let ends = timelogs::effective_ended_at(&tables.timelogs);
    let mut spans: BTreeMap<(String, String), Vec<(i64, i64)>> = BTreeMap::new();
    let entries = &tables.participants;
    for row in 0..entries.num_rows() {
        let (id, person) = (participants::session_id(entries).value(row), participants::person(entries).value(row));
        spans.entry((id.to_owned(), person.to_owned())).or_default();
    }
    for row in 0..ids.len() {
        let span = time(starts, row).zip(time(ends, row));
        spans.entry((ids.value(row).to_owned(), persons.value(row).to_owned())).or_default().extend(span);
    }
    spans.into_iter().map(|(key, spans)| (key, covered(&spans).div_euclid(1_000))).collect()
}

fn check(chunk: &Chunk, numbers: &Numbers) {
    let naive = naive(chunk);
    let mut people: BTreeMap<&str, (u64, i64)> = BTreeMap::new();
    for ((_, person), attended) in &naive {
        let (sessions, sum) = people.entry(person).or_default();
        (*sessions, *sum) = (*sessions + 1, *sum + attended);
    }
    assert_eq!(numbers.all.sessions, chunk.len() as u64);
    assert_eq!(numbers.all.attended_ms, naive.values().sum::<i64>());
    assert_eq!(numbers.all.persons, people.len() as u64);
    let ranked = numbers.people.iter().map(|person| (person.person.as_str(), (person.sessions, person.attended_ms)));
    assert_eq!(ranked.collect::<BTreeMap<_, _>>(), people);
    let meeting = sessions::meeting_id(&chunk.batches().sessions);
    let id = sessions::session_id(&chunk.batches().sessions);
    let mut of_meeting: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in (0..chunk.len()).filter(|row| meeting.is_valid(*row)) {
        let persons = naive.keys().filter(|(session, _)| session == id.value(row)).map(|(_, person)| person.as_str());
        of_meeting.entry(meeting.value(row)).or_default().extend(persons);
    }
    let counted = numbers.meetings.iter().map(|meeting| (meeting.id.as_str(), meeting.persons));
    let expected = of_meeting.iter().map(|(id, persons)| (*id, persons.len() as u64));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), expected.collect::<BTreeMap<_, _>>());
    assert_eq!(numbers.all.meetings, of_meeting.len() as u64);
    let days = numbers.daily.iter().map(|(_, day)| (day.sessions, day.attended_ms));
    let sums = days.fold((0, 0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    assert_eq!(sums, (numbers.all.sessions, numbers.all.attended_ms));
    // Spans are whole milliseconds in these accounts, so nothing is cut.
    let week: i64 = numbers.week.attended.iter().flatten().sum();
    assert_eq!(week / 1_000, numbers.all.attended_ms);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_fold_is_what_a_naive_count_is(seed in 0..1_000_u64, sessions in 1..120_u64, shape in 0..3_usize) {
        let shape = [Shape::Realistic, Shape::Varied, Shape::AllOpen][shape];
        let chunk = chunk(Account::new(seed, sessions, shape), 0..sessions);
        let numbers = folded(&chunk, "Europe/Berlin", HELD);
        check(&chunk, &numbers);
        // The same where nearly nothing fits into memory; only the sum of shares may be made in another order.
        let spilled = folded(&chunk, "Europe/Berlin", 2_000);
        prop_assert_eq!(&spilled.all, &numbers.all);
        prop_assert_eq!(&spilled.daily, &numbers.daily);
        prop_assert_eq!(&spilled.meetings, &numbers.meetings);
        let people = |numbers: &Numbers| numbers.people.iter().map(|person| {
            (person.person.clone(), person.name.clone(), person.attended_ms, person.first_seen_at, person.last_seen_at)
        }).collect::<Vec<_>>();
        prop_assert_eq!(people(&spilled), people(&numbers));
    }
}

#[test]
fn a_session_of_millennia_takes_no_longer_than_others() {
    let chunk = chunk(Account::new(1, 1, Shape::Plain), 0..1);
    let mut fold = Fold::new(Zone::named("UTC").unwrap(), &[], &Below::named(std::path::Path::new("/nowhere")));
    fold.add(&chunk, 0).unwrap();
    let before: i64 = fold.attended.iter().flatten().sum();
    let span = Span { start: -62_135_596_800_000_000, end: 253_402_300_799_000_000 };
    fold.add_span(span);
    assert_eq!(fold.attended.iter().flatten().sum::<i64>() - before, span.length());
}
