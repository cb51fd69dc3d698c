//! One session as the report counts it: who attended, when, and for how long, by person.
//!
//! The numbers are those of the view `attendance`: a person's time is the union of the person's effective spans.

use std::collections::HashMap;
use std::ops::Range;

use arrow_array::Array;

use crate::rows::attendance::{Span, length, millis, unite};
use crate::rows::chunk::Chunk;
use crate::rows::tables::{participants, sessions, text, time, timelogs};

/// A session's own columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session<'a> {
    /// The session's id.
    pub id: &'a str,
    /// The meeting that it is a session of.
    pub meeting: Option<&'a str>,
    /// Start in microseconds; `None` where it is not known.
    pub start: Option<i64>,
    /// End in microseconds; `None` while it runs or where it is not known.
    pub end: Option<i64>,
    /// `ended_at` - `started_at` in milliseconds.
    pub duration_ms: Option<i64>,
    /// Milliseconds with somebody present.
    pub occupied_ms: i64,
    /// Most people at one moment.
    pub peak: i32,
    /// Whether it had not ended when it was last seen.
    pub is_open: bool,
    /// When it was last seen, in microseconds; only while it runs.
    pub observed_at: Option<i64>,
}

/// What one person did in one session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attendance<'a> {
    /// Who: a key, not to be shown.
    pub person: &'a str,
    /// The name, of the first entry that has one.
    pub name: Option<&'a str>,
    /// Intervals as listed.
    pub joins: i64,
    /// Earliest join in microseconds, not clamped.
    pub first_joined_at: Option<i64>,
    /// Latest leave in microseconds, not clamped; `None` while present.
    pub last_left_at: Option<i64>,
    /// Whether the person is there now.
    pub is_present: bool,
    /// Milliseconds of the union of the spans.
    pub attended_ms: i64,
    /// The union of the spans, in time order.
    pub spans: Vec<Span>,
    /// When each span that counts began, before they were united, in order; the moment of a join that goes on is among them.
    pub joined: Vec<i64>,
    /// Since when the person is there, where that goes on.
    pub present_since: Option<i64>,
}

impl Attendance<'_> {
    /// The share of the session's length; `None` while it runs, or where it has none.
    #[allow(clippy::cast_precision_loss, reason = "milliseconds of millennia are exact")]
    pub fn share(&self, session: &Session<'_>) -> Option<f64> {
        let length = session.duration_ms.filter(|length| *length > 0)?;
        Some(self.attended_ms as f64 / length as f64)
    }

    /// How long after the session's start the person came, in milliseconds, at least 0.
    pub fn late_ms(&self, session: &Session<'_>) -> Option<i64> {
        let (joined, start) = self.first_joined_at.zip(session.start)?;
        Some(millis(joined.saturating_sub(start)).max(0))
    }

    /// How long before the session's end the person left, in milliseconds, at least 0.
    pub fn early_ms(&self, session: &Session<'_>) -> Option<i64> {
        let (left, end) = self.last_left_at.zip(session.end)?;
        Some(millis(end.saturating_sub(left)).max(0))
    }
}

/// The sessions of a chunk.
pub struct Rows<'a> {
    chunk: &'a Chunk,
}

impl<'a> Rows<'a> {
    /// Of a chunk.
    pub const fn of(chunk: &'a Chunk) -> Self {
        Self { chunk }
    }

    /// A session's own columns.
    pub fn session(&self, row: usize) -> Session<'a> {
        let batch = &self.chunk.batches().sessions;
        let (start, id) = self.chunk.key(row);
        let duration = sessions::duration_ms(batch);
        Session {
            id,
            meeting: text(sessions::meeting_id(batch), row),
            start,
            end: time(sessions::ended_at(batch), row),
            duration_ms: duration.is_valid(row).then(|| duration.value(row)),
            occupied_ms: sessions::occupied_ms(batch).value(row),
            peak: sessions::peak_participants(batch).value(row),
            is_open: self.chunk.is_open(row),
            observed_at: time(sessions::observed_at(batch), row),
        }
    }

    /// The persons of a session, in the order of their first entries. Rows that are excluded have none.
    pub fn attendances(&self, row: usize) -> Vec<Attendance<'a>> {
        let session = self.session(row);
        let [entries, logs] = self.chunk.children(row);
        let (mut persons, places) = self.persons(entries.clone());
        let batch = &self.chunk.batches().timelogs;
        let (index, excluded) = (timelogs::participant_index(batch), timelogs::is_excluded(batch));
        let of_entry = participants::participant_index(&self.chunk.batches().participants);
        let mut entry = entries.start;
        for log in logs.filter(|log| !excluded.value(*log)) {
            // Both are in the order of entries; a timelog whose entry is missing is nobody's.
            while entry < entries.end && of_entry.value(entry) < index.value(log) {
                entry += 1;
            }
            let is_here = entry < entries.end && of_entry.value(entry) == index.value(log);
            if let Some(place) = places.get(entry - entries.start).copied().flatten().filter(|_| is_here) {
                self.add(&mut persons[place], &session, log);
            }
        }
        persons.iter_mut().for_each(sum);
        persons
    }

    /// The persons of some entries, without their times, and the place of each entry's person.
    fn persons(&self, entries: Range<usize>) -> (Vec<Attendance<'a>>, Vec<Option<usize>>) {
        let batch = &self.chunk.batches().participants;
        let (names, keys) = (participants::name(batch), participants::person(batch));
        let excluded = participants::is_excluded(batch);
        let mut persons: Vec<Attendance<'a>> = Vec::new();
        let mut known = Known::default();
        let mut places = Vec::with_capacity(entries.len());
        for entry in entries {
            if excluded.value(entry) {
                places.push(None);
                continue;
            }
            let name = text(names, entry);
            let key = keys.value(entry);
            let place = known.place(key, &persons).unwrap_or_else(|| {
                known.insert(key, persons.len());
                persons.push(Attendance::new(key, name));
                persons.len() - 1
            });
            places.push(Some(place));
            let person = &mut persons[place];
            person.name = person.name.or(name);
            person.joins += i64::from(participants::join_count(batch).value(entry));
            person.is_present |= participants::is_present(batch).value(entry);
            let joined = time(participants::first_joined_at(batch), entry);
            person.first_joined_at = person.first_joined_at.into_iter().chain(joined).min();
            person.last_left_at = person.last_left_at.max(time(participants::last_left_at(batch), entry));
        }
        (persons, places)
    }

    fn add(&self, person: &mut Attendance<'a>, session: &Session<'a>, log: usize) {
        let batch = &self.chunk.batches().timelogs;
        let span = time(timelogs::effective_started_at(batch), log).zip(time(timelogs::effective_ended_at(batch), log));
        if let Some((start, end)) = span {
            person.spans.push(Span { start, end });
            person.joined.push(start);
        } else if session.is_open && person.is_present && timelogs::is_open(batch).value(log) {
            let start = time(timelogs::started_at(batch), log);
            let since = start.map(|start| session.start.map_or(start, |bound| start.max(bound)));
            person.joined.extend(since);
            person.present_since = person.present_since.into_iter().chain(since).min();
        }
    }
}

/// Adds up a person's spans, all of which are there.
fn sum(person: &mut Attendance<'_>) {
    person.joined.sort_unstable();
    unite(&mut person.spans);
    person.attended_ms = millis(length(&person.spans));
    person.last_left_at = person.last_left_at.filter(|_| !person.is_present);
}

impl<'a> Attendance<'a> {
    const fn new(person: &'a str, name: Option<&'a str>) -> Self {
        Self {
            person,
            name,
            joins: 0,
            first_joined_at: None,
            last_left_at: None,
            is_present: false,
            attended_ms: 0,
            spans: Vec::new(),
            joined: Vec::new(),
            present_since: None,
        }
    }
}

/// Which persons of a session are known already: few are looked through, many are looked up.
#[derive(Default)]
struct Known<'a> {
    places: HashMap<&'a str, usize>,
}

impl<'a> Known<'a> {
    /// Persons that are looked through rather than looked up.
    const FEW: usize = 16;

    fn place(&mut self, key: &str, persons: &[Attendance<'a>]) -> Option<usize> {
        if persons.len() <= Self::FEW {
            return persons.iter().position(|person| person.person == key);
        }
        if self.places.is_empty() {
            self.places = persons.iter().enumerate().map(|(place, person)| (person.person, place)).collect();
        }
        self.places.get(key).copied()
    }

    fn insert(&mut self, key: &'a str, place: usize) {
        if !self.places.is_empty() {
            self.places.insert(key, place);
        }
    }
}
