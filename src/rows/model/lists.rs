//! Where the records of a page are gathered, and how much room there is for them.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::unknown::Unknown;
use super::{Participant, Session, Timelog};
use crate::rows::lenient::{Scalar, scalar};
use crate::rows::tables::Table;
use crate::words::limits;
use crate::words::timestamp;

/// Bytes that a participant takes here, and as a row; without texts.
const PARTICIPANT: usize = size_of::<Participant<'_>>() + 40;
/// The same of a timelog.
const TIMELOG: usize = size_of::<Timelog>() + 24;
/// What the allocator takes for a text at least.
const ALLOCATION: usize = 32;

/// How an answer is read, and how much of it.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Whether it is one session, and no page of the list.
    pub is_single: bool,
    /// Records at most; further ones are counted.
    pub records: usize,
    /// Bytes of memory for what is in them. A session for whose participants there is no room has none.
    pub room: usize,
    /// Bytes of the text, if it must be mended.
    pub text: usize,
    /// Whether the values of fields unknown to this version are kept.
    pub keep_unknown: bool,
}

impl Limits {
    /// For an answer of so many bytes at most to a request for so many records. What any real session takes in memory is
    /// less than half as much again as its text.
    pub const fn of(size: u32, bytes: usize, keep_unknown: bool) -> Self {
        let room = bytes.saturating_add(bytes / 2);
        Self { is_single: false, records: limits::records(size), room, text: bytes, keep_unknown }
    }

    /// The same for an answer that is one session.
    #[must_use]
    pub const fn single(self) -> Self {
        Self { is_single: true, records: 1, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(limits::PAGE, 64 << 20, false)
    }
}

/// The records of a page by kind, each in the order of the text.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// The objects in `data`, each a session, with a usable id or without.
    pub sessions: Vec<Session<'a>>,
    /// The participants of all sessions.
    pub participants: Vec<Participant<'a>>,
    /// The timelogs of all participants.
    pub timelogs: Vec<Timelog>,
    /// Places in `data` where something stands that is no object.
    pub no_objects: Vec<usize>,
    /// Records behind the last that is read.
    pub surplus: u64,
    /// Fields of these records that this version does not know.
    pub unknown: Unknown<'a>,
    /// Where a text should be there may be a whole number whose digits did not all fit; see [`crate::rows::mend::long_numbers`].
    pub has_long_numbers: bool,
    most_sessions: usize,
    room: usize,
    is_full: bool,
    reader: timestamp::Reader,
}

/// How far the lists were filled when a session began, and how much room there was.
#[derive(Debug, Clone, Copy)]
pub struct Mark {
    participants: usize,
    timelogs: usize,
    room: usize,
}

impl<'a> Lists<'a> {
    /// Room for what a text of this length usually holds, and no more than there may be.
    pub(super) fn for_text(length: usize, limits: &Limits) -> Self {
        Self {
            sessions: Vec::with_capacity((length / 1024).min(limits.records)),
            participants: Vec::with_capacity(length / 192),
            timelogs: Vec::with_capacity(length / 120),
            unknown: Unknown::new(limits.keep_unknown),
            most_sessions: limits.records,
            room: limits.room,
            ..Self::default()
        }
    }

    pub(super) const fn most_sessions(&self) -> usize {
        self.most_sessions
    }

    pub(super) const fn has_room(&self) -> bool {
        self.room > 0
    }

    /// There was more than there is room for.
    pub(super) const fn overflow(&mut self) {
        self.is_full = true;
    }

    pub(super) const fn reader(&mut self) -> &mut timestamp::Reader {
        &mut self.reader
    }

    const fn take(&mut self, bytes: usize) {
        self.room = self.room.saturating_sub(bytes);
    }

    pub(super) fn add_session(&mut self, session: Session<'a>) {
        let Session { id, meeting_id, status, custom_room_id, region, chat_link, .. } = &session;
        let texts = [id, meeting_id, status, custom_room_id, region, chat_link];
        self.take(texts.into_iter().map(bytes).sum());
        self.sessions.push(session);
    }

    pub(super) fn add_participant(&mut self, participant: Participant<'a>) {
        self.take(PARTICIPANT + bytes(&participant.id) + bytes(&participant.name));
        self.participants.push(participant);
    }

    pub(super) fn add_timelog(&mut self, timelog: Timelog) {
        self.take(TIMELOG);
        self.timelogs.push(timelog);
    }

    /// Remembers where a session's participants begin.
    pub(super) const fn mark(&self) -> Mark {
        Mark { participants: self.participants.len(), timelogs: self.timelogs.len(), room: self.room }
    }

    /// Lets go of a session's participants where there was no room for all of them; says whether that was so.
    pub(super) fn go_back_if_full(&mut self, mark: Mark) -> bool {
        if !self.is_full {
            return false;
        }
        let Mark { participants, timelogs, room } = mark;
        self.is_full = false;
        self.room = room;
        self.participants.truncate(participants);
        self.timelogs.truncate(timelogs);
        self.unknown.go_back(participants, timelogs);
        true
    }

    /// The value of a field that should be a text; of one that is there twice neither is taken.
    pub(super) fn text<A: MapAccess<'a>>(&mut self, map: &mut A, is_first: bool) -> Result<Scalar<'a>, A::Error> {
        let value = scalar(map, is_first)?;
        self.has_long_numbers |= value.is_long();
        Ok(value)
    }

    /// Takes the value of a field unknown to this version, of the record of this kind that is being read.
    pub(super) fn unknown<A: MapAccess<'a>>(
        &mut self,
        table: Table,
        name: Cow<'a, str>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let record = match table {
            Table::Sessions => self.sessions.len(),
            Table::Participants => self.participants.len(),
            Table::Timelogs => self.timelogs.len(),
        };
        let taken = self.unknown.field(table, record, name, map, self.room)?;
        self.take(taken);
        Ok(())
    }
}

/// Bytes of a text in memory: as it stands in the answer it takes none here, but in a row.
fn bytes(value: &Scalar<'_>) -> usize {
    match value {
        Scalar::Text(Cow::Borrowed(text)) => text.len().min(limits::TEXT),
        Scalar::Text(Cow::Owned(text)) => ALLOCATION + 2 * text.len(),
        _ => 0,
    }
}
