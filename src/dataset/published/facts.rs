//! How much of published sessions is filled in, read from a few columns.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, Int32Array, RecordBatch, TimestampMicrosecondArray};

use super::chunks::Children;
use super::{Published, ROWS};
use crate::error::Result;
use crate::rows::chunk::{Key, Keys, column};
use crate::rows::erasure::Denied;
use crate::rows::facts::{Facts, Own};
use crate::rows::tables::{Table, Tables, text, time};

/// The columns that are read of each table, besides those of its keys.
const COLUMNS: Tables<&[&str]> = Tables {
    sessions: &[
        "session_id",
        "meeting_id",
        "started_at",
        "ended_at",
        "status",
        "custom_room_id",
        "region",
        "active_duration",
        "is_open",
    ],
    participants: &["session_id", "session_started_at", "participant_index", "participant_id", "name"],
    timelogs: &["session_id", "session_started_at", "participant_index", "started_at", "ended_at"],
};

impl Published {
    /// Calls with how much of each of some sessions is filled in; they are given by their rising numbers. Erased
    /// participants do not count. What counts is the rows that are there, not what a session says of them: a run that was killed
    /// between two tables has left others.
    ///
    /// # Errors
    /// `Unreadable` where a file is damaged; `Raced` where one was replaced.
    pub fn each_facts(
        &self,
        sessions: impl Iterator<Item = u64>,
        erased: Option<&Denied>,
        mut each: impl FnMut(Facts),
    ) -> Result<()> {
        let mut wanted = sessions.peekable();
        let mut counter = Counter {
            participants: self.children(Table::Participants, COLUMNS.participants)?,
            timelogs: self.children(Table::Timelogs, COLUMNS.timelogs)?,
            erased,
            gone: Vec::new(),
        };
        let Some(mut rows) = self.rows(Table::Sessions, ROWS, COLUMNS.sessions)? else { return Ok(()) };
        let mut first = 0;
        while wanted.peek().is_some() {
            let Some(batch) = rows.next()? else { break };
            let (keys, end) = (Keys::new(Table::Sessions, &batch), first + batch.num_rows() as u64);
            while let Some(row) = wanted.next_if(|row| *row < end) {
                let at = usize::try_from(row - first).unwrap_or_default();
                each(counter.count(&batch, at, keys.key(at))?);
            }
            first = end;
        }
        Ok(())
    }
}

/// Counts one session after the other.
struct Counter<'a> {
    participants: Children,
    timelogs: Children,
    erased: Option<&'a Denied>,
    /// Indexes of the erased entries of the session at hand.
    gone: Vec<i32>,
}

impl Counter<'_> {
    fn count(&mut self, sessions: &RecordBatch, row: usize, key: Key<'_>) -> Result<Facts> {
        let Self { participants, timelogs, erased, gone } = self;
        gone.clear();
        let mut facts = Facts { own: own(sessions, row), ..Facts::default() };
        participants.each_run(key, |batch, rows| count_entries(&mut facts, batch, rows, *erased, gone))?;
        let mut last = None;
        timelogs.each_run(key, |batch, rows| count_timelogs(&mut facts, batch, rows, gone, &mut last))?;
        Ok(facts)
    }
}

/// What is known of the session itself.
fn own(sessions: &RecordBatch, row: usize) -> Own {
    let is_open = sessions.column_by_name("is_open").and_then(|column| column.as_boolean_opt());
    let ended = (Own::ENDED, is_open.is_some_and(|is_open| !is_open.value(row)));
    let filled = [
        ("started_at", Own::START),
        ("ended_at", Own::END),
        ("meeting_id", Own::MEETING),
        ("status", Own::STATUS),
        ("custom_room_id", Own::CUSTOM_ROOM),
        ("region", Own::REGION),
        ("active_duration", Own::ACTIVE_DURATION),
    ];
    let is_there = |name| sessions.column_by_name(name).is_some_and(|column| is_filled(column, row));
    Own::of(filled.map(|(name, fact)| (fact, is_there(name))).into_iter().chain([ended]))
}

/// Earlier versions kept empty texts.
fn is_filled(column: &dyn Array, row: usize) -> bool {
    let texts = column.as_string_opt::<i32>();
    column.is_valid(row) && texts.is_none_or(|texts| !texts.value(row).is_empty())
}

fn count_entries(
    facts: &mut Facts,
    participants: &RecordBatch,
    rows: Range<usize>,
    erased: Option<&Denied>,
    gone: &mut Vec<i32>,
) {
    let index = index(participants);
    let texts = |name| participants.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let (ids, names) = (texts("participant_id"), texts("name"));
    for row in rows {
        let [id, name] = [ids, names].map(|texts| text(texts?, row));
        if erased.is_some_and(|erased| erased.has(id, name)) {
            gone.push(index.value(row));
        } else {
            facts.participant(id, name);
        }
    }
}

/// `gone`: the entries that do not count, in order. `last`: the entry of the timelog before.
fn count_timelogs(facts: &mut Facts, timelogs: &RecordBatch, rows: Range<usize>, gone: &[i32], last: &mut Option<i32>) {
    let index = index(timelogs);
    let times = |name| timelogs.column_by_name(name).and_then(|column| column.as_primitive_opt());
    let (starts, ends) = (times("started_at"), times("ended_at"));
    let at = |times: Option<&TimestampMicrosecondArray>, row| times.and_then(|times| time(times, row));
    for row in rows {
        let entry = index.value(row);
        if gone.binary_search(&entry).is_err() {
            facts.timelog(*last != Some(entry), at(starts, row), at(ends, row));
            *last = Some(entry);
        }
    }
}

fn index(batch: &RecordBatch) -> &Int32Array {
    column(batch, "participant_index").as_primitive::<Int32Type>()
}
