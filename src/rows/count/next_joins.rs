//! When the participant of an open timelog joined next, from the rows of several sessions.
//!
//! Most sessions have no open timelog and cost nothing here.

use std::iter::Peekable;
use std::ops::Range;

use arrow_array::{Array, BooleanArray, Int32Array, StringArray, TimestampMicrosecondArray};
use arrow_buffer::bit_iterator::BitIndexIterator;

use crate::rows::attendance::{Joins, Log};
use crate::rows::tables::time;

/// Timelogs of several sessions, those of a session together: whose they are, and their facts.
#[derive(Debug, Clone, Copy)]
pub struct Logs<'a> {
    /// `participant_id`: the join identity of whoever joined; null where the entry has none.
    pub ids: &'a StringArray,
    /// `participant_index`: the position of the timelog's entry in the session's list, from 0.
    pub index: &'a Int32Array,
    /// `started_at`: the join, in microseconds since 1970, UTC; null where missing or unreadable.
    pub joined: &'a TimestampMicrosecondArray,
    /// `ended_at`: the leave, in microseconds since 1970, UTC; null where none is listed, or one that can't be read.
    pub left: &'a TimestampMicrosecondArray,
    /// `is_open`: whether no leave is listed; a leave that can't be read is listed all the same.
    pub is_open: &'a BooleanArray,
}

/// Who joined: all entries with an id are one participant, an entry without an id is its own.
type Participant<'a> = (Option<&'a str>, Option<i32>);

impl<'a> Logs<'a> {
    /// A timelog as listed.
    pub fn log(&self, row: usize) -> Log {
        Log { start: time(self.joined, row), end: time(self.left, row), is_open: self.is_open.value(row) }
    }

    fn participant(&self, row: usize) -> Participant<'a> {
        if self.ids.is_valid(row) { (Some(self.ids.value(row)), None) } else { (None, Some(self.index.value(row))) }
    }
}

/// Answers for one session after the other, in the order of their rows.
pub struct NextJoins<'a> {
    logs: Logs<'a>,
    /// Open timelogs, from the session at hand on.
    open: Peekable<BitIndexIterator<'a>>,
    joins: Joins<Participant<'a>>,
}

impl<'a> NextJoins<'a> {
    /// Before the first session.
    pub fn new(logs: Logs<'a>) -> Self {
        Self { logs, open: logs.is_open.values().set_indices().peekable(), joins: Joins::default() }
    }

    /// Goes on to the session with these timelogs.
    pub fn session(&mut self, rows: Range<usize>) {
        while self.open.next_if(|row| *row < rows.start).is_some() {}
        if self.open.peek().is_some_and(|row| *row < rows.end) {
            let of = self.logs;
            self.joins.gather(rows.map(|row| (of.participant(row), of.log(row))));
        }
    }

    /// The next join of the participant of a timelog of this session; `None` for one that has its end.
    pub fn after(&self, row: usize, log: Log) -> Option<i64> {
        if log.is_open { self.joins.after(self.logs.participant(row), log.start) } else { None }
    }
}
