//! The numbers and anomalies of published rows, computed anew from the facts in them: what `verify` compares, and what is
//! written where participants were taken out of a session, or where rows were counted by the rules of an older version.
//!
//! Pure. The facts are each timelog's `started_at`, `ended_at` and `is_open`, whose it is, the session's `started_at`,
//! `ended_at` and `is_open`, and which values could not be read. Everything else follows from these by the rules of
//! [`crate::rows::attendance`]. A number is stored exactly as it comes out here: a difference is damage, or the work of another
//! rule.

mod columns;

use std::ops::Range;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_schema::ArrowError;

use crate::rows::anomaly::{self, Anomalies, Anomaly};
use crate::rows::attendance::{self, Bounds, Counted, Span, Totals, millis};
use crate::rows::chunk::{Chunk, NextJoins, Rows, column, time};
use crate::rows::tables::{SCHEMA_VERSION, Table};
use columns::{Participants, Sessions, Timelogs};

/// The first schema version in which an open timelog ends with the next join of its participant. Before, it ended with its
/// session only, and everybody who had joined and not left was present while that ran.
const NEXT_JOINS_SINCE: u32 = 2;

/// Anomalies that come of values which could not be read, and so don't follow from others; by table. A session's also hold
/// those of its participants, theirs those of their timelogs.
const READ: [&[Anomaly]; 3] = [
    &[
        Anomaly::BadParticipants,
        Anomaly::BadText,
        Anomaly::BadTimestamp,
        Anomaly::BadValue,
        Anomaly::CutText,
        Anomaly::LongId,
        Anomaly::TooLarge,
    ],
    &[Anomaly::BadParticipants, Anomaly::BadTimelog, Anomaly::BadValue, Anomaly::CutText, Anomaly::LongId],
    &[Anomaly::BadTimelog, Anomaly::BadTimestamp],
];

/// Columns of counts "as listed". They follow from the rows that are there, unless some are missing: between the swaps of a
/// run that was killed.
const LISTED: [&str; 3] = ["participant_count", "timelog_count", "join_count"];

/// The computed columns of all rows of a chunk.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    tables: [Vec<(&'static str, ArrayRef)>; 3],
}

/// A row whose stored number is not the computed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// The row in its batch.
    pub row: usize,
    /// The column.
    pub column: &'static str,
}

impl Numbers {
    /// Computes them for the sessions of a chunk by the rules of a schema version. A timelog whose entry is not there counts
    /// for nothing but itself.
    pub fn of(chunk: &Chunk, schema_version: u32) -> Self {
        let mut recount = Recount::new(chunk, schema_version);
        for session in 0..chunk.len() {
            recount.session(session);
        }
        recount.finish()
    }

    /// The first row of a table in which the stored batch says otherwise.
    pub fn difference(&self, table: Table, stored: &RecordBatch) -> Option<Difference> {
        let first = |(name, computed): &(&'static str, ArrayRef)| {
            let stored = column(stored, name);
            if stored == computed {
                return None;
            }
            let differs = |row: &usize| stored.slice(*row, 1).to_data() != computed.slice(*row, 1).to_data();
            (0..computed.len()).find(differs).map(|row| Difference { row, column: name })
        };
        self.tables[table as usize].iter().filter_map(first).min_by_key(|difference| difference.row)
    }

    /// The batch of a table with these numbers in place of its own.
    ///
    /// # Errors
    /// Where the batch has not as many rows as numbers were computed for.
    pub fn put(&self, table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        self.put_but(&[], table, batch)
    }

    fn put_but(&self, left_out: &[&str], table: Table, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let mut columns = batch.columns().to_vec();
        for (name, computed) in self.tables[table as usize].iter().filter(|(name, _)| !left_out.contains(name)) {
            columns[batch.schema_ref().index_of(name)?] = Arc::clone(computed);
        }
        RecordBatch::try_new(batch.schema(), columns)
    }
}

/// The rows of a chunk that an older schema version has counted, as this one counts them. The counts of rows stay, so that
/// it still shows where some are missing.
///
/// # Errors
/// Where the rows are not those of the tables.
pub fn anew(chunk: Chunk) -> Result<Chunk, ArrowError> {
    let numbers = Numbers::of(&chunk, SCHEMA_VERSION);
    let [sessions, participants, timelogs] = chunk.batches();
    let batches = [
        numbers.put_but(&LISTED, Table::Sessions, sessions)?,
        numbers.put_but(&LISTED, Table::Participants, participants)?,
        numbers.put_but(&LISTED, Table::Timelogs, timelogs)?,
    ];
    Ok(chunk.with(batches))
}

/// The facts of a chunk, the numbers made of them so far, and scratch space.
struct Recount<'a> {
    chunk: &'a Chunk,
    ended_at: &'a TimestampMicrosecondArray,
    index: &'a Int32Array,
    participant_id: &'a StringArray,
    logs: Rows<'a>,
    /// `None` where the rules know of no next join.
    next_joins: Option<NextJoins<'a>>,
    /// Anomalies as stored, by table.
    stored: [Vec<Anomalies>; 3],
    sessions: Sessions,
    participants: Participants,
    timelogs: Timelogs,
    /// The timelogs of the session at hand.
    counted: Vec<Counted>,
    /// Its entries: who, where their spans are, and their rows.
    entries: Vec<(Option<&'a str>, Range<usize>, usize)>,
    /// Effective spans of its entries, each entry's united, those who are present included.
    spans: Vec<Span>,
    /// Effective spans of all entries without that.
    all: Vec<Span>,
    /// Effective spans of the entry at hand.
    entry: Vec<Span>,
    moments: attendance::Moments,
}

impl<'a> Recount<'a> {
    fn new(chunk: &'a Chunk, schema_version: u32) -> Self {
        let [sessions, participants, timelogs] = chunk.batches();
        let times = |batch: &'a RecordBatch, name| column(batch, name).as_primitive::<TimestampMicrosecondType>();
        let logs = Rows {
            ids: column(timelogs, "participant_id").as_string(),
            index: column(timelogs, "participant_index").as_primitive::<Int32Type>(),
            joined: times(timelogs, "started_at"),
            left: times(timelogs, "ended_at"),
            is_open: column(timelogs, "is_open").as_boolean(),
        };
        Self {
            chunk,
            ended_at: times(sessions, "ended_at"),
            index: column(participants, "participant_index").as_primitive::<Int32Type>(),
            participant_id: column(participants, "participant_id").as_string::<i32>(),
            logs,
            next_joins: (schema_version >= NEXT_JOINS_SINCE).then(|| NextJoins::new(logs)),
            stored: chunk.batches().each_ref().map(|batch| anomaly::sets(column(batch, "anomalies"))),
            sessions: Sessions::default(),
            participants: Participants::default(),
            timelogs: Timelogs::default(),
            counted: Vec::new(),
            entries: Vec::new(),
            spans: Vec::new(),
            all: Vec::new(),
            entry: Vec::new(),
            moments: attendance::Moments::default(),
        }
    }

    fn session(&mut self, row: usize) {
        let [participants, timelogs] = self.chunk.children(row);
        let (start, _) = self.chunk.key(row);
        let bounds = Bounds { start, end: time(self.ended_at, row), is_open: self.chunk.is_open(row) };
        self.count(bounds, timelogs.clone());
        self.entries.clear();
        self.spans.clear();
        self.all.clear();
        let mut next = timelogs.start;
        let mut attended_ms = 0;
        for participant in participants.clone() {
            let index = self.index.value(participant);
            let from = (next..timelogs.end).find(|&row| self.logs.index.value(row) >= index).unwrap_or(timelogs.end);
            let to = (from..timelogs.end).find(|&row| self.logs.index.value(row) != index).unwrap_or(timelogs.end);
            let attended = self.entry(participant, from - timelogs.start..to - timelogs.start);
            attended_ms = i64::saturating_add(attended_ms, attended);
            next = to;
        }
        let people = self.people();
        let anomalies = self.of_session(row, bounds, participants.clone());
        let sessions = &mut self.sessions;
        sessions.duration_ms.push(attendance::duration(start, bounds.end));
        sessions.occupied_ms.push(millis(attendance::sweep(&self.all, &mut self.moments).covered));
        sessions.total_attended_ms.push(attended_ms);
        sessions.peak_participants.push(attendance::sweep(&people, &mut self.moments).most);
        sessions.participant_count.push(number(participants.len()));
        sessions.timelog_count.push(number(timelogs.len()));
        sessions.anomalies.push(anomalies);
    }

    /// What is odd about a session, once its participants are done.
    fn of_session(&self, row: usize, bounds: Bounds, participants: Range<usize>) -> Anomalies {
        let mut anomalies = self.read(Table::Sessions, row);
        if bounds.is_backwards() {
            anomalies.add(Anomaly::EndBeforeStart);
        }
        self.participants.anomalies[participants].iter().for_each(|of_entry| anomalies.merge(*of_entry));
        anomalies
    }

    /// What of a row could not be read.
    fn read(&self, table: Table, row: usize) -> Anomalies {
        self.stored[table as usize][row].among(READ[table as usize])
    }

    /// What each timelog of a session counts for.
    fn count(&mut self, bounds: Bounds, timelogs: Range<usize>) {
        self.counted.clear();
        if let Some(next_joins) = &mut self.next_joins {
            next_joins.session(timelogs.clone());
        }
        for row in timelogs {
            let log = self.logs.log(row);
            let next_join = self.next_joins.as_ref().and_then(|next_joins| next_joins.after(row, log));
            let mut counted = attendance::count(bounds, log, next_join);
            counted.anomalies.merge(self.read(Table::Timelogs, row));
            self.timelogs.duration_ms.push(attendance::duration(log.start, log.end));
            self.timelogs.effective_started_at.push(counted.effective.map(|span| span.start));
            self.timelogs.effective_ended_at.push(counted.effective.map(|span| span.end));
            self.timelogs.anomalies.push(counted.anomalies);
            self.counted.push(counted);
        }
    }

    /// Adds up an entry's timelogs; returns what it attended.
    fn entry(&mut self, row: usize, timelogs: Range<usize>) -> i64 {
        let mut anomalies = self.read(Table::Participants, row);
        let counted = &self.counted[timelogs];
        self.entry.clear();
        self.entry.extend(counted.iter().filter_map(|timelog| timelog.effective));
        if attendance::unite(&mut self.entry) {
            anomalies.add(Anomaly::Overlap);
        }
        let attended_ms = millis(attendance::length(&self.entry));
        self.all.extend_from_slice(&self.entry);
        if let Some(since) = counted.iter().filter_map(|timelog| timelog.present_since).min() {
            self.entry.push(Span { start: since, end: Span::FOREVER });
            attendance::unite(&mut self.entry);
        }
        let begin = self.spans.len();
        self.spans.extend_from_slice(&self.entry);
        let id = self.participant_id.is_valid(row).then(|| self.participant_id.value(row));
        self.entries.push((id, begin..self.spans.len(), row));

        let mut totals = Totals::default();
        for timelog in counted {
            totals.add(timelog);
            anomalies.merge(timelog.anomalies);
        }
        let participants = &mut self.participants;
        participants.first_joined_at.push(totals.first_joined);
        participants.last_left_at.push(totals.last_left());
        participants.join_count.push(number(counted.len()));
        participants.attended_ms.push(attended_ms);
        participants.gross_ms.push(millis(totals.gross));
        participants.is_present.push(totals.is_present);
        participants.anomalies.push(anomalies);
        attended_ms
    }

    /// The spans of each person, united: entries with one id are one person, an entry without an id is its own.
    fn people(&mut self) -> Vec<Span> {
        self.entries.sort_unstable_by_key(|(id, spans, _)| (*id, spans.start));
        let mut people = Vec::with_capacity(self.spans.len());
        for person in self.entries.chunk_by(|(a, ..), (b, ..)| a.is_some() && a == b) {
            for (_, _, row) in person.iter().filter(|_| person.len() > 1) {
                self.participants.anomalies[*row].add(Anomaly::RepeatedParticipant);
            }
            let mut spans: Vec<_> = person.iter().flat_map(|(_, at, _)| &self.spans[at.clone()]).copied().collect();
            attendance::unite(&mut spans);
            people.append(&mut spans);
        }
        people
    }

    fn finish(self) -> Numbers {
        let Self { sessions, participants, timelogs, .. } = self;
        Numbers { tables: [sessions.columns(), participants.columns(), timelogs.columns()] }
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests;
