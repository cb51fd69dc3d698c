//! Whether a response that a journal names is what the stage's files hold.
//!
//! Sums show what a disk has changed, and what was not written to its end. They do not show who has written: whoever may write
//! into the folder makes right ones. So no number of a record is taken for granted, be it one that memory is taken by, a place, or
//! a time. What can't have been staged makes the whole stage worthless.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use arrow_array::cast::AsArray;
use arrow_buffer::Buffer;
use xxhash_rust::xxh3::Xxh3;

use super::identity::{self, Identity};
use super::record::{Record, SegmentRecord};
use super::segment;
use crate::list::Listed;
use crate::rows::chunk::{Keys, column};
use crate::rows::partition::PartitionBy;
use crate::rows::tables::Table;
use crate::words::{id, limits, timestamp};

/// More records than any list has.
const MOST_LISTED: u64 = 1 << 48;
/// More records than are read of any response.
const MOST_SESSIONS: u64 = limits::records(limits::PAGE) as u64;
/// More bytes than any segment has: its rows take less as they are staged than as they are published.
pub const MOST_LENGTH: usize = 2 * limits::SESSION;
/// More bytes than the rows of any response take.
const MOST_ROWS: u64 = 8 << 30;

/// What a stage's files hold of a response.
pub enum Held {
    /// Other bytes than were written, or not all of them: a run has died here.
    Torn,
    /// Sums are right, yet no run has staged this: somebody else has written it.
    Forged,
    /// All of it, and what it tells.
    Whole(Shown),
}

/// What the rows of a response tell.
#[derive(Debug, Default)]
pub struct Shown {
    /// The sessions that it listed, in the order of the list.
    pub listed: Vec<Listed>,
    /// The first id of each of its segments.
    pub first_ids: Vec<String>,
    /// Ids of sessions that were still running.
    pub open: Vec<String>,
}

/// Where an answer begins in the stage: bytes of segments, session rows, and answers before it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Begin {
    end: u64,
    sessions: u64,
    response: u64,
}

impl Begin {
    /// Behind a response; so many were before it.
    pub const fn behind(record: &Record, responses: u64) -> Self {
        Self { end: record.end, sessions: record.sessions, response: responses }
    }

    /// Where the identities of the response that begins here are, and where they end.
    pub const fn identities(self, record: &Record) -> (u64, u64) {
        let bytes = identity::BYTES as u64;
        (self.sessions.saturating_mul(bytes), record.sessions.saturating_mul(bytes))
    }
}

/// The files that a journal speaks of.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    /// The file `rows`: the segments, one behind the other.
    pub rows: &'a File,
    /// The file `identities`: one fixed record for each session row.
    pub identities: &'a File,
    /// How sessions are cut into partitions, so that a segment of another one is found out.
    pub by: PartitionBy,
}

impl Files<'_> {
    /// Holds a response against them, one segment in memory at a time.
    pub fn hold(self, record: &Record, begin: Begin) -> io::Result<Held> {
        if !record.is_possible(begin) {
            return Ok(Held::Forged);
        }
        let (from, to) = begin.identities(record);
        if self.rows.metadata()?.len() < record.end || self.identities.metadata()?.len() < to {
            return Ok(Held::Torn);
        }
        let identities = bytes(self.identities, from, length(from, to))?;
        let mut staged = Staged { rest: identity::read(&identities), next: begin, by: self.by };
        let (mut hasher, mut shown) = (Xxh3::new(), Some(Shown::default()));
        for segment in &record.segments {
            let bytes = bytes(self.rows, segment.offset, segment.length)?;
            hasher.update(&bytes);
            // Read to the end in any case: the sum tells whether it is torn or forged.
            shown = shown.and_then(|shown| staged.segment(shown, segment, bytes));
        }
        hasher.update(&identities);
        if hasher.digest() != record.hash {
            return Ok(Held::Torn);
        }
        let shown = shown.filter(|_| staged.next.sessions == record.sessions);
        let listed = shown.and_then(|shown| Some(Shown { listed: record.listed(&identities)?, ..shown }));
        Ok(listed.map_or(Held::Forged, Held::Whole))
    }
}

impl Record {
    /// Whether there can be such a window, and so many bytes and rows of it behind those before.
    pub(super) fn is_possible(&self, begin: Begin) -> bool {
        let sessions = self.sessions.checked_sub(begin.sessions);
        let mut end = Some(begin.end);
        for SegmentRecord { offset, length, .. } in &self.segments {
            end = end.filter(|end| end == offset && *length <= MOST_LENGTH);
            end = end.and_then(|end| end.checked_add(*length as u64));
        }
        self.size > 0
            && self.page > 0
            && sessions.is_some_and(|sessions| sessions <= MOST_SESSIONS)
            && end.is_some_and(|end| end == self.end && end - begin.end <= MOST_ROWS)
    }

    /// All that it listed; `None` where that can't be.
    pub(super) fn listed(&self, identities: &[u8]) -> Option<Vec<Listed>> {
        let listed = self.keys.give(self.unstaged.joined(identities)?)?;
        let number = listed.len() as u64;
        let before = self.page.checked_sub(1)?.checked_mul(self.size.into())?;
        let behind = before.checked_add(self.size.into())?.checked_add(number)?.checked_add(self.unusable)?;
        let times = || listed.iter().flat_map(|row| [row.start, row.end]).flatten();
        let can_be = number <= MOST_SESSIONS && self.foreign <= number && behind <= MOST_LISTED;
        (can_be && times().all(timestamp::is_one)).then_some(listed)
    }
}

/// The identities of a response, of which those behind the rows that were looked at are left.
struct Staged<I> {
    rest: I,
    next: Begin,
    by: PartitionBy,
}

impl<I: Iterator<Item = Identity>> Staged<I> {
    /// Adds what a segment tells; `None` where its rows are not those of the identities, in order and of one partition.
    fn segment(&mut self, mut shown: Shown, record: &SegmentRecord, bytes: Vec<u8>) -> Option<Shown> {
        let batch = segment::sessions(Buffer::from_vec(bytes)).ok()?;
        let (keys, is_open) = (Keys::new(Table::Sessions, &batch), column(&batch, "is_open").as_boolean());
        if keys.is_empty() || record.first_ordinal != self.next.sessions || record.first_start != keys.key(0).0 {
            return None;
        }
        for row in 0..keys.len() {
            let (key, is_open) = (keys.key(row), is_open.value(row));
            let is_in_order = row == 0 || keys.key(row - 1) <= key;
            if !is_in_order || !self.is_next(key, is_open) || self.by.partition(key.0).day() != record.day {
                return None;
            }
            if is_open {
                shown.open.push(key.1.to_owned());
            }
        }
        shown.first_ids.push(keys.key(0).1.to_owned());
        Some(shown)
    }

    /// Whether the next identity is of this session.
    fn is_next(&mut self, (start, id): (Option<i64>, &str), is_open: bool) -> bool {
        let Begin { sessions, response, .. } = self.next;
        self.next.sessions += 1;
        self.rest.next().is_some_and(|identity| {
            (identity.ordinal, identity.response(), identity.start()) == (sessions, response, start)
                && (identity.id, identity.is_open()) == (id::hash(id), is_open)
        })
    }
}

/// Bytes between two positions of a file.
pub fn length(from: u64, to: u64) -> usize {
    usize::try_from(to.saturating_sub(from)).unwrap_or_default()
}

/// Bytes `from..from + length` of a file; the file's own position stays where it is.
pub fn bytes(file: &File, from: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, from)?;
    Ok(bytes)
}
