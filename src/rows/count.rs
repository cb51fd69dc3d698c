//! From what is listed of sessions to every computed column: the one place where anything is counted.
//!
//! Pure. What is listed is a [`Roll`]: each timelog's start and end and whether it has one, whose it is, each session's start
//! and end and whether it runs, and which values could not be read. All else follows by the rules of
//! [`crate::rows::attendance`], whoever asks: rows as they are published, rows that are compared with what they should be,
//! and rows out of which participants were taken.

mod identities;
mod next_joins;
mod roll;

use std::ops::Range;

use arrow_array::builder::{ArrayBuilder, StringBuilder};

use crate::rows::anomaly::{Anomalies, Anomaly};
use crate::rows::attendance::{self, Bounds, Moments, Span, Totals, millis};
use crate::rows::method::Method;
use crate::rows::person::Entry;
use crate::rows::tables::{Computed, Tables, participants, sessions, timelogs};
use identities::Identities;
pub use next_joins::Logs;
use next_joins::NextJoins;
pub use roll::{Roll, Told};

/// The first schema version in which an open timelog ends with the next join of its participant. Before, it ended with its
/// session only, and everybody who had joined and not left was present while that ran.
const NEXT_JOINS_SINCE: u32 = 2;

/// The computed columns of all rows. A timelog whose entry is not there counts for nothing but itself.
pub fn count(roll: &Roll<'_>, method: &Method) -> Tables<Computed> {
    let mut counter = Counter::new(roll, method);
    for session in 0..roll.started_at.len() {
        counter.session(session);
    }
    let Counter { sessions, participants, timelogs, .. } = counter;
    Tables { sessions: sessions.finish(), participants: participants.finish(), timelogs: timelogs.finish() }
}

/// The columns so far, and scratch space that is kept from one session to the next.
struct Counter<'a> {
    roll: &'a Roll<'a>,
    method: &'a Method,
    /// `None` where the rules know of no next join.
    next_joins: Option<NextJoins<'a>>,
    sessions: sessions::Counts,
    participants: participants::Counts,
    timelogs: timelogs::Counts,
    /// Effective spans of the entry at hand.
    entry: Vec<Span>,
    /// Those of the session at hand, united by entry.
    all: Vec<Span>,
    /// The same with those who are present, united by `participant_id`.
    present: Vec<Span>,
    /// Which ids have several entries in the session at hand, and the spans of those.
    ids: Identities,
    shared: Vec<(usize, Span)>,
    /// The person behind the entry at hand, and whether that counts.
    person: String,
    is_excluded: bool,
    /// All persons of the session, and which of its entries do not count.
    persons: Identities,
    excluded: Vec<bool>,
    moments: Moments,
}

/// What the entries of the session at hand come to so far.
struct OfSession {
    attended_ms: i64,
    anomalies: Anomalies,
    /// Whether the spans by `participant_id` are other than those by entry.
    ids_differ: bool,
}

/// What some timelogs come to, but for their spans.
#[derive(Default)]
struct OfLogs {
    totals: Totals,
    present_since: Option<i64>,
    anomalies: Anomalies,
}

impl<'a> Counter<'a> {
    fn new(roll: &'a Roll<'a>, method: &'a Method) -> Self {
        Self {
            roll,
            method,
            next_joins: (method.schema_version >= NEXT_JOINS_SINCE).then(|| NextJoins::new(roll.logs)),
            sessions: sessions::Counts::with_capacity(roll.started_at.len()),
            participants: participants::Counts::with_capacity(roll.participant_index.len()),
            timelogs: timelogs::Counts::with_capacity(roll.logs.joined.len()),
            entry: Vec::new(),
            all: Vec::new(),
            present: Vec::new(),
            ids: Identities::default(),
            shared: Vec::new(),
            person: String::new(),
            is_excluded: false,
            persons: Identities::default(),
            excluded: Vec::new(),
            moments: Moments::default(),
        }
    }

    fn session(&mut self, row: usize) {
        let bounds = self.roll.bounds(row);
        let [entries, logs] = self.roll.children(row);
        let mut session = OfSession { attended_ms: 0, anomalies: self.roll.read.sessions[row], ids_differ: false };
        if bounds.is_backwards() {
            session.anomalies.add(Anomaly::EndBeforeStart);
        }
        let first = self.participants.person.len();
        self.entries(row, entries.clone(), logs.clone(), &mut session);
        let persons = Persons { of: &self.participants.person, first };
        let person_count = self.persons.find(entries.len(), |place| (!self.excluded[place]).then(|| persons.at(place)));
        let swept = attendance::sweep(&self.all, &mut self.moments);
        let peak =
            if session.ids_differ { attendance::sweep(&self.present, &mut self.moments).most } else { swept.most };

        let counts = &mut self.sessions;
        counts.duration_ms.append_option(attendance::duration(bounds.start, bounds.end));
        counts.occupied_ms.append_value(millis(swept.covered));
        counts.total_attended_ms.append_value(session.attended_ms);
        counts.peak_participants.append_value(peak);
        counts.participant_count.append_value(number(entries.len()));
        counts.person_count.append_value(number(person_count));
        counts.timelog_count.append_value(number(logs.len()));
        counts.anomalies.push(session.anomalies);
    }

    /// Counts the rows of a session; leaves its spans, by entry and by `participant_id`.
    fn entries(&mut self, row: usize, entries: Range<usize>, logs: Range<usize>, session: &mut OfSession) {
        let bounds = self.roll.bounds(row);
        self.all.clear();
        self.present.clear();
        self.shared.clear();
        self.excluded.clear();
        self.ids.find(entries.len(), |place| self.roll.id(entries.start + place));
        if let Some(next_joins) = &mut self.next_joins {
            next_joins.session(logs.clone());
        }
        let mut next = logs.start;
        for (place, entry) in entries.enumerate() {
            let own = self.roll.logs_of(entry, next..logs.end);
            self.strays(row, next..own.start);
            next = own.end;
            self.meet(self.roll.told_of_entry(entry), self.roll.of_entry(row, entry));
            self.excluded.push(self.is_excluded);
            self.entry(bounds, entry, own, self.ids.shared(place), session);
        }
        self.strays(row, next..logs.end);
        self.shared.sort_unstable();
        for spans in self.shared.chunk_by(|a, b| a.0 == b.0) {
            self.entry.clear();
            self.entry.extend(spans.iter().map(|(_, span)| *span));
            attendance::unite(&mut self.entry);
            self.present.extend_from_slice(&self.entry);
        }
    }

    /// Counts timelogs of a session whose entries are not there.
    fn strays(&mut self, session: usize, logs: Range<usize>) {
        for row in logs {
            self.meet(self.roll.told_of_stray(row), self.roll.of_stray(session, row));
            self.logs(self.roll.bounds(session), row..row + 1);
        }
    }

    /// Finds out who is behind the rows that are counted next.
    fn meet(&mut self, told: Option<(&str, bool)>, listed: Entry<'_>) {
        if let Some((person, is_excluded)) = told {
            self.person.clear();
            self.person.push_str(person);
            self.is_excluded = is_excluded;
        } else {
            let Method { people, privacy, .. } = self.method;
            people.person(listed, &mut self.person);
            self.is_excluded = privacy.excludes(listed.participant_id, listed.name);
        }
    }

    /// Counts an entry and its timelogs. `shared`: its `participant_id`, where others have the same.
    fn entry(
        &mut self,
        bounds: Bounds,
        row: usize,
        logs: Range<usize>,
        shared: Option<usize>,
        session: &mut OfSession,
    ) {
        let join_count = number(logs.len());
        let OfLogs { totals, present_since, mut anomalies } = self.logs(bounds, logs);
        anomalies.merge(self.roll.read.participants[row]);
        if shared.is_some() {
            anomalies.add(Anomaly::RepeatedParticipant);
        }
        if attendance::unite(&mut self.entry) {
            anomalies.add(Anomaly::Overlap);
        }
        let attended_ms = millis(attendance::length(&self.entry));
        session.anomalies.merge(anomalies);
        if !self.is_excluded {
            session.attended_ms = session.attended_ms.saturating_add(attended_ms);
            session.ids_differ |= present_since.is_some() || shared.is_some();
            self.keep_spans(shared, present_since);
        }

        let counts = &mut self.participants;
        counts.person.append_value(&self.person);
        counts.first_joined_at.append_option(totals.first_joined);
        counts.last_left_at.append_option(totals.last_left());
        counts.join_count.append_value(join_count);
        counts.attended_ms.append_value(attended_ms);
        counts.gross_ms.append_value(millis(totals.gross));
        counts.is_present.append_value(totals.is_present);
        counts.is_excluded.append_value(self.is_excluded);
        counts.anomalies.push(anomalies);
    }

    /// Adds the spans of the entry at hand, united, to those of its session.
    fn keep_spans(&mut self, shared: Option<usize>, present_since: Option<i64>) {
        self.all.extend_from_slice(&self.entry);
        if let Some(since) = present_since {
            self.entry.push(Span { start: since, end: Span::FOREVER });
            attendance::unite(&mut self.entry);
        }
        match shared {
            Some(id) => self.shared.extend(self.entry.iter().map(|span| (id, *span))),
            None => self.present.extend_from_slice(&self.entry),
        }
    }

    /// Counts some timelogs, of one entry or of none; leaves their effective spans.
    fn logs(&mut self, bounds: Bounds, rows: Range<usize>) -> OfLogs {
        let mut all = OfLogs::default();
        self.entry.clear();
        for row in rows {
            let log = self.roll.logs.log(row);
            let next_join = self.next_joins.as_ref().and_then(|next_joins| next_joins.after(row, log));
            let mut counted = attendance::count(bounds, log, next_join);
            counted.anomalies.merge(self.roll.read.timelogs[row]);
            all.totals.add(&counted);
            all.present_since = attendance::earlier(all.present_since, counted.present_since);
            all.anomalies.merge(counted.anomalies);
            self.entry.extend(counted.effective);

            let counts = &mut self.timelogs;
            counts.person.append_value(&self.person);
            counts.duration_ms.append_option(attendance::duration(log.start, log.end));
            counts.effective_started_at.append_option(counted.effective.map(|span| span.start));
            counts.effective_ended_at.append_option(counted.effective.map(|span| span.end));
            counts.is_excluded.append_value(self.is_excluded);
            counts.anomalies.push(counted.anomalies);
        }
        all
    }
}

/// The persons of a column in the making, from a row on.
struct Persons<'a> {
    of: &'a StringBuilder,
    first: usize,
}

impl<'a> Persons<'a> {
    fn at(&self, place: usize) -> &'a str {
        let bound = |row: usize| usize::try_from(self.of.offsets_slice()[row]).unwrap_or_default();
        let bytes = &self.of.values_slice()[bound(self.first + place)..bound(self.first + place + 1)];
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
