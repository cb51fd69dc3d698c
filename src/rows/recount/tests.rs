use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, UInt32Array};
use proptest::prelude::*;

use super::*;
use crate::rows::anomaly::{self, Anomaly};
use crate::rows::flatten::{self, Options};
use crate::rows::privacy::{Columns, Patterns, Privacy};
use crate::sim::session::{Name, Participant, Timelog};
use crate::sim::truth::{ParticipantTruth, SessionTruth, TimelogTruth};
use crate::sim::wire::{self, PAGE_TAIL};
use crate::sim::{Account, Session, Shape};

fn body(sessions: &[Session]) -> Vec<u8> {
    let mut body = b"{\"data\":[".to_vec();
    for (at, session) in sessions.iter().enumerate() {
        body.extend_from_slice(if at > 0 { b"," } else { b"" });
        wire::session(&mut body, session);
    }
    body.extend_from_slice(PAGE_TAIL);
    body
}

fn flattened(body: &[u8]) -> Chunk {
    Chunk::widen(&flatten::page(body.to_vec(), &Options::default()).unwrap().batches, &Method::default()).unwrap()
}

fn check(chunk: &Chunk) -> Result<(), TestCaseError> {
    let numbers = Numbers::of(chunk, &Method::default());
    for (table, stored) in chunk.batches() {
        prop_assert_eq!(numbers.difference(table, stored), None, "{}", table.name());
    }
    prop_assert_eq!(&numbers.put(chunk.batches()).unwrap(), chunk.batches());
    Ok(())
}

/// A time in a narrow range, so that everything meets; now and then null, missing or unreadable.
fn odd_time() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..60_u32, 0..1_000_u32).prop_map(|(s, us)| format!("\"2026-11-01T10:00:{s:02}.{us:03}7Z\"")),
        1 => Just("null".to_owned()),
        1 => Just("\"at noon\"".to_owned()),
    ]
}

fn odd_timelog() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => (odd_time(), odd_time()).prop_map(|(start, end)| format!(r#"{{"start":{start},"end":{end}}}"#)),
        1 => Just("7".to_owned()),
    ]
}

fn odd_session() -> impl Strategy<Value = String> {
    let id = prop_oneof![Just("null"), Just("\"\""), Just("\"a\""), Just("\"b\""), Just("5")];
    let timelogs = prop::collection::vec(odd_timelog(), 0..5);
    let entry =
        (id, timelogs).prop_map(|(id, logs)| format!(r#"{{"participantId":{id},"timelog":[{}]}}"#, logs.join(",")));
    let entry = prop_oneof![12 => entry, 1 => Just("null".to_owned())];
    let status = prop_oneof![Just(""), Just(r#""status":"ended","#)];
    let entries = prop::collection::vec(entry, 0..7);
    (odd_time(), odd_time(), status, entries, 0..1_000_u32).prop_map(|(start, end, status, entries, id)| {
        let entries = entries.join(",");
        format!(r#"{{"id":"s{id}","start":{start},"end":{end},{status}"participants":[{entries}]}}"#)
    })
}

/// A session of few people who come and go within a few moments, now and then without an end or a start.
fn busy_session() -> impl Strategy<Value = Session> {
    let moment = || prop::option::weighted(0.85, (0..20_i64).prop_map(|ms| ms * 1000));
    let log = (moment(), moment()).prop_map(|(start, end)| Timelog { start, end });
    let id = prop::option::weighted(0.8, prop_oneof![Just("a".to_owned()), Just("b".to_owned()), Just(String::new())]);
    // Nobody is known by a place in the list: where somebody is taken out, the places of the others are other ones.
    let name = prop_oneof![Just("Ann"), Just("ann "), Just("Bo")].prop_map(|name| Name::Text(name.to_owned()));
    let entry = (id, name, prop::collection::vec(log, 0..5));
    let entry = entry.prop_map(|(id, name, timelogs)| Participant { id, name, timelogs });
    (moment(), moment(), prop::collection::vec(entry, 0..5)).prop_map(|(start, end, participants)| {
        let plain = Account::new(1, 1, Shape::Plain).session(0);
        Session { start, end, participants, ..plain }
    })
}

/// What a chunk of one session says, in the words of the truth.
fn told(chunk: &Chunk) -> SessionTruth {
    let Tables { sessions, participants, timelogs } = chunk.batches();
    let number = |batch: &RecordBatch, name: &str, row: usize| {
        let column = column(batch, name);
        let counts = column.as_primitive_opt::<Int32Type>().map(|counts| i64::from(counts.value(row)));
        let millis = || column.as_primitive_opt::<arrow_array::types::Int64Type>().map(|millis| millis.value(row));
        let times = || column.as_primitive::<TimestampMicrosecondType>().value(row);
        column.is_valid(row).then(|| counts.or_else(millis).unwrap_or_else(times))
    };
    let sum = |batch, name, row| number(batch, name, row).unwrap();
    let count = |batch, name, row| usize::try_from(sum(batch, name, row)).unwrap();
    let flag = |batch, name, row| column(batch, name).as_boolean().value(row);
    let odd = |batch, row: usize| {
        anomaly::sets(column(batch, "anomalies").as_list())[row].iter().map(Anomaly::name).collect()
    };
    let timelog = |row| TimelogTruth {
        duration_ms: number(timelogs, "duration_ms", row),
        effective_started_at: number(timelogs, "effective_started_at", row),
        effective_ended_at: number(timelogs, "effective_ended_at", row),
        is_open: flag(timelogs, "is_open", row),
        anomalies: odd(timelogs, row),
    };
    let of = |entry: usize| {
        let is_its = |row: &usize| count(timelogs, "participant_index", *row) == entry;
        (0..timelogs.num_rows()).filter(is_its).map(timelog).collect()
    };
    let participant = |row| ParticipantTruth {
        first_joined_at: number(participants, "first_joined_at", row),
        last_left_at: number(participants, "last_left_at", row),
        join_count: count(participants, "join_count", row),
        attended_ms: sum(participants, "attended_ms", row),
        gross_ms: sum(participants, "gross_ms", row),
        is_present: flag(participants, "is_present", row),
        anomalies: odd(participants, row),
        timelogs: of(row),
    };
    SessionTruth {
        id: column(sessions, "session_id").as_string::<i32>().value(0).to_owned(),
        month: String::new(),
        duration_ms: number(sessions, "duration_ms", 0),
        occupied_ms: sum(sessions, "occupied_ms", 0),
        total_attended_ms: sum(sessions, "total_attended_ms", 0),
        peak_participants: count(sessions, "peak_participants", 0),
        participant_count: count(sessions, "participant_count", 0),
        timelog_count: count(sessions, "timelog_count", 0),
        is_open: flag(sessions, "is_open", 0),
        anomalies: odd(sessions, 0),
        participants: (0..participants.num_rows()).map(participant).collect(),
    }
}

/// The chunk of one session without one of its participants.
fn without(chunk: &Chunk, participant: usize) -> Chunk {
    let Tables { sessions, participants, timelogs } = chunk.batches();
    let keep = |batch: &RecordBatch| {
        let index = column(batch, "participant_index").as_primitive::<Int32Type>();
        let taken_out = i32::try_from(participant).unwrap();
        let kept = (0..index.len()).filter(|&row| index.value(row) != taken_out);
        let kept: UInt32Array = kept.map(|row| u32::try_from(row).unwrap()).collect();
        arrow_select::take::take_record_batch(batch, &kept).unwrap()
    };
    let children = [keep(participants), keep(timelogs)];
    let offsets = children.each_ref().map(|batch| vec![0, batch.num_rows()]);
    let [participants, timelogs] = children;
    Chunk::new(Tables { sessions: sessions.clone(), participants, timelogs }, offsets)
}

/// The computed columns of a chunk, by table.
fn computed(chunk: &Chunk) -> Tables<Computed> {
    let numbers = Numbers::of(chunk, &Method::default()).tables;
    let stored = |table: Table| {
        let columns = numbers[table].iter().map(|(column, _)| *column);
        columns.map(|of| (of, Arc::clone(column(&chunk.batches()[table], of.name)))).collect()
    };
    Tables::from_fn(stored)
}

proptest! {
    #[test]
    fn a_realistic_page_is_recounted_to_what_is_stored(seed in 0..u64::MAX, from in 0..1_000_u64, size in 0..100_u64) {
        let account = Account::new(seed, 2_000, Shape::Realistic);
        let sessions: Vec<_> = (from..from + size).map(|index| account.session(index)).collect();
        check(&flattened(&body(&sessions)))?;
    }

    #[test]
    fn a_page_of_oddities_is_recounted_to_what_is_stored(sessions in prop::collection::vec(odd_session(), 0..8)) {
        check(&flattened(format!(r#"{{"data":[{}]}}"#, sessions.join(",")).as_bytes()))?;
    }

    #[test]
    fn sessions_of_people_who_come_back_are_as_an_independent_computation_says(session in busy_session()) {
        let chunk = flattened(&body(std::slice::from_ref(&session)));
        check(&chunk)?;
        let truth = SessionTruth { month: String::new(), ..SessionTruth::of(&session) };
        prop_assert_eq!(told(&chunk), truth);
    }

    #[test]
    fn whoever_was_left_open_is_counted_as_if_those_taken_out_had_never_been_there(
        mut session in busy_session(), chosen in 0..5_usize,
    ) {
        prop_assume!(chosen < session.participants.len());
        let whole = flattened(&body(std::slice::from_ref(&session)));
        session.participants.remove(chosen);
        let expected = computed(&flattened(&body(&[session])));
        prop_assert_eq!(Numbers::of(&without(&whole, chosen), &Method::default()), Numbers { tables: expected });
    }

    #[test]
    fn rows_of_an_older_version_are_counted_anew_to_what_this_one_writes(session in busy_session()) {
        let current = flattened(&body(&[session]));
        let older = Numbers::of(&current, &Method { schema_version: 1, ..Method::default() }).put(current.batches()).unwrap();
        let renewed = anew(current.clone().with(older), &Tables::from_fn(|_| Arc::default()), &Method::default()).unwrap();
        prop_assert_eq!(renewed.batches(), current.batches());
    }

    #[test]
    fn without_a_participant_the_numbers_are_those_of_a_session_that_never_had_it(
        seed in 0..u64::MAX, index in 0..2_000_u64, chosen in 0..usize::MAX,
    ) {
        let mut session = Account::new(seed, 2_000, Shape::Realistic).session(index);
        prop_assume!(!session.participants.is_empty());
        let whole = flattened(&body(std::slice::from_ref(&session)));
        let chosen = chosen % session.participants.len();
        session.participants.remove(chosen);
        let expected = computed(&flattened(&body(&[session])));
        prop_assert_eq!(Numbers::of(&without(&whole, chosen), &Method::default()), Numbers { tables: expected });
    }
}

#[test]
fn a_number_that_was_changed_is_found_in_its_row() {
    let account = Account::new(3, 50, Shape::Realistic);
    // So that every column has different values.
    let patterns = Patterns::parse(vec!["a".to_owned()]).unwrap();
    let method = Method { privacy: Privacy::new(Columns::default(), patterns, None), ..Method::default() };
    let chunk =
        anew(flattened(&body(&account.sessions().collect::<Vec<_>>())), &Tables::from_fn(|_| Arc::default()), &method)
            .unwrap();
    let numbers = Numbers::of(&chunk, &method);
    for (table, stored) in chunk.batches() {
        for (Column { name, .. }, _) in &numbers.tables[table] {
            let mut columns = stored.columns().to_vec();
            let index = stored.schema_ref().index_of(name).unwrap();
            let (row, other) = another_row(&columns[index]);
            let rows = (0..stored.num_rows()).map(|at| if at == row { other } else { at });
            let rows: UInt32Array = rows.map(|at| u32::try_from(at).unwrap()).collect();
            columns[index] = arrow_select::take::take(&columns[index], &rows, None).unwrap();
            let changed = RecordBatch::try_new(stored.schema(), columns).unwrap();
            assert_eq!(numbers.difference(table, &changed), Some(Difference { row, column: name }));
        }
    }
}

/// A row of a column, and one with another value.
fn another_row(column: &ArrayRef) -> (usize, usize) {
    let row = column.len() / 2;
    let differs = |other: &usize| column.slice(*other, 1).to_data() != column.slice(row, 1).to_data();
    (row, (0..column.len()).find(differs).unwrap())
}
