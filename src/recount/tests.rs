use arrow_array::UInt32Array;
use proptest::prelude::*;

use super::*;
use crate::flatten::{self, Options};
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
    Chunk::widen(flatten::page(body, &Options::default()).unwrap().batches).unwrap()
}

fn check(chunk: &Chunk) -> Result<(), TestCaseError> {
    let numbers = Numbers::of(chunk);
    for (table, stored) in Table::ALL.into_iter().zip(chunk.batches()) {
        prop_assert_eq!(numbers.difference(table, stored), None, "{}", table.name());
        prop_assert_eq!(&numbers.put(table, stored).unwrap(), stored);
    }
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

/// The chunk of one session without one of its participants.
fn without(chunk: &Chunk, participant: usize) -> Chunk {
    let [sessions, participants, timelogs] = chunk.batches();
    let keep = |batch: &RecordBatch| {
        let index = column(batch, "participant_index").as_primitive::<Int32Type>();
        let kept = (0..index.len()).filter(|&row| index.value(row) != number(participant));
        let kept: UInt32Array = kept.map(|row| u32::try_from(row).unwrap()).collect();
        arrow_select::take::take_record_batch(batch, &kept).unwrap()
    };
    let children = [keep(participants), keep(timelogs)];
    let offsets = children.each_ref().map(|batch| vec![0, batch.num_rows()]);
    let [participants, timelogs] = children;
    Chunk::new([sessions.clone(), participants, timelogs], offsets)
}

/// The computed columns of a chunk, by table.
fn computed(chunk: &Chunk) -> [Vec<(&'static str, ArrayRef)>; 3] {
    let stored = |table: Table| {
        let names = Numbers::of(chunk).tables[table as usize].iter().map(|(name, _)| *name).collect::<Vec<_>>();
        names.into_iter().map(|name| (name, Arc::clone(column(&chunk.batches()[table as usize], name)))).collect()
    };
    Table::ALL.map(stored)
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
    fn without_a_participant_the_numbers_are_those_of_a_session_that_never_had_it(
        seed in 0..u64::MAX, index in 0..2_000_u64, chosen in 0..usize::MAX,
    ) {
        let mut session = Account::new(seed, 2_000, Shape::Realistic).session(index);
        prop_assume!(!session.participants.is_empty());
        let whole = flattened(&body(std::slice::from_ref(&session)));
        let chosen = chosen % session.participants.len();
        session.participants.remove(chosen);
        let expected = computed(&flattened(&body(&[session])));
        prop_assert_eq!(Numbers::of(&without(&whole, chosen)), Numbers { tables: expected });
    }
}

#[test]
fn a_number_that_was_changed_is_found_in_its_row() {
    let account = Account::new(3, 50, Shape::Realistic);
    let chunk = flattened(&body(&account.sessions().collect::<Vec<_>>()));
    let numbers = Numbers::of(&chunk);
    for (table, stored) in Table::ALL.into_iter().zip(chunk.batches()) {
        for (name, _) in &numbers.tables[table as usize] {
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
