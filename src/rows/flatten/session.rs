//! One session to its rows, by the exact rules of the tables' contract.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::Options;
use super::builders::Builders;
use super::extra;
use super::persons::Persons;
use super::values::{double, id, text, time};
use crate::rows::anomaly::{Anomalies, Anomaly};
use crate::rows::attendance::{self, Bounds, Joins, Log, Moments, Span, millis};
use crate::rows::facts::{Facts, Own};
use crate::rows::lenient::{Entries, Scalar};
use crate::rows::model::{Lists, Participant, Session, Timelog};
use crate::rows::tables::Table;
use crate::words::limits;

/// What the caller needs of a row just made.
pub struct Row {
    pub is_open: bool,
    pub facts: Facts,
    pub anomalies: Anomalies,
}

/// Makes rows, one session after the other; keeps its scratch space between them.
pub struct Flattener<'a> {
    options: &'a Options,
    lists: &'a Lists<'a>,
    builders: Builders,
    /// The entries of the session at hand that have been erased; none where nobody has.
    erased: Vec<bool>,
    /// Effective spans of the session so far, united by entry.
    all: Vec<Span>,
    /// The same with those who are present, united by person.
    people: Vec<Span>,
    /// Effective spans of the entry at hand.
    entry: Vec<Span>,
    moments: Moments,
    /// Who has several entries in the session at hand, and their spans.
    persons: Persons,
    shared: Vec<(usize, Span)>,
    /// Who joined when, by the place of one of the person's entries; only where a timelog is open.
    joins: Joins<usize>,
}

#[derive(Default)]
struct EntryTotals {
    present_since: Option<i64>,
    timelogs: usize,
    anomalies: Anomalies,
}

#[derive(Default)]
struct SessionTotals {
    attended_ms: i64,
    participants: usize,
    timelogs: usize,
    facts: Facts,
    anomalies: Anomalies,
    /// Whether the spans by person are other than those by entry.
    people_differ: bool,
}

/// Digits of a whole number at most.
const DIGITS: usize = 20;

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl<'a> Flattener<'a> {
    /// For sessions of a page; there is room for all of them.
    pub fn new(options: &'a Options, lists: &'a Lists<'a>) -> Self {
        Self {
            options,
            lists,
            builders: Builders::new(lists),
            erased: Vec::new(),
            all: Vec::new(),
            people: Vec::new(),
            entry: Vec::new(),
            moments: Moments::default(),
            persons: Persons::default(),
            shared: Vec::new(),
            joins: Joins::default(),
        }
    }

    pub fn finish(self) -> Result<[RecordBatch; 3], ArrowError> {
        self.builders.finish()
    }

    /// Adds the rows of a session, by its number in the lists. `mended`: part of its text was not valid Unicode.
    pub fn session(&mut self, session_id: &str, number: usize, mended: bool) -> Row {
        let session = &self.lists.sessions[number];
        let mut anomalies = Anomalies::NONE;
        if mended {
            anomalies.add(Anomaly::BadText);
        }
        let started_at = time(session.start, &mut anomalies);
        let ended_at = time(session.end, &mut anomalies);
        let status = text(&session.status, &mut anomalies);
        let is_open = session.end.is_absent() && status.as_deref() != Some("ended");
        let bounds = Bounds { start: started_at, end: ended_at, is_open };
        if bounds.is_backwards() {
            anomalies.add(Anomaly::EndBeforeStart);
        }
        let totals = self.participants(bounds, session, session_id.len());
        anomalies.merge(totals.anomalies);
        let swept = attendance::sweep(&self.all, &mut self.moments);
        let peak =
            if totals.people_differ { attendance::sweep(&self.people, &mut self.moments).most } else { swept.most };

        let meeting_id = id(&session.meeting_id, &mut anomalies);
        let custom_room_id = id(&session.custom_room_id, &mut anomalies);
        let region = text(&session.region, &mut anomalies);
        let chat_link = text(&session.chat_link, &mut anomalies);
        let active_duration = double(&session.active_duration, &mut anomalies);
        let own = [
            (Own::ENDED, !is_open),
            (Own::START, started_at.is_some()),
            (Own::END, ended_at.is_some()),
            (Own::MEETING, meeting_id.is_some()),
            (Own::STATUS, status.is_some()),
            (Own::CUSTOM_ROOM, custom_room_id.is_some()),
            (Own::REGION, region.is_some()),
            (Own::ACTIVE_DURATION, active_duration.is_some()),
        ];
        let facts = Facts { own: Own::of(own), ..totals.facts };
        let extra = extra::of_session(&self.lists.unknown, number, &mut anomalies);

        let rows = &mut self.builders.sessions;
        rows.session_id.append_value(session_id);
        rows.meeting_id.append_option(meeting_id);
        rows.started_at.append_option(started_at);
        rows.ended_at.append_option(ended_at);
        rows.status.append_option(status);
        rows.custom_room_id.append_option(custom_room_id);
        rows.region.append_option(region);
        rows.chat_link.append_option(chat_link);
        rows.active_duration.append_option(active_duration);
        rows.duration_ms.append_option(attendance::duration(started_at, ended_at));
        rows.occupied_ms.append_value(millis(swept.covered));
        rows.total_attended_ms.append_value(totals.attended_ms);
        rows.peak_participants.append_value(peak);
        rows.participant_count.append_value(count(totals.participants));
        rows.timelog_count.append_value(count(totals.timelogs));
        rows.is_open.append_value(is_open);
        rows.observed_at.append_option(is_open.then_some(self.options.observed_at));
        rows.anomalies.push(anomalies);
        rows.extra.append_option(extra);
        Row { is_open, facts, anomalies }
    }

    fn participants(&mut self, bounds: Bounds, session: &Session<'_>, id_length: usize) -> SessionTotals {
        self.all.clear();
        self.people.clear();
        let mut totals = SessionTotals::default();
        if session.participants.is_odd() {
            totals.anomalies.add(Anomaly::BadParticipants);
        }
        let lists = self.lists;
        let mut participants = session.participants.of(&lists.participants);
        if session.participants == Entries::TooMany || self.is_too_large(session, id_length) {
            totals.anomalies.add(Anomaly::TooLarge);
            participants = &[];
        }
        self.find_erased(participants);
        let Self { persons, erased, .. } = self;
        persons.find(participants, |index| erased.get(index).is_some_and(|erased| *erased));
        self.gather_joins(participants);
        self.shared.clear();
        for (index, participant) in participants.iter().enumerate() {
            if self.is_erased(index) {
                continue;
            }
            totals.participants += 1;
            let person = self.persons.shared(index);
            let number = session.participants.range().start + index;
            let entry = self.participant(bounds, (index, number), participant, person, &mut totals);
            totals.timelogs += entry.timelogs;
            totals.anomalies.merge(entry.anomalies);
            self.all.extend_from_slice(&self.entry);
            totals.people_differ |= entry.present_since.is_some() || person.is_some();
            if let Some(since) = entry.present_since {
                self.entry.push(Span { start: since, end: Span::FOREVER });
                attendance::unite(&mut self.entry);
            }
            match person {
                Some(person) => self.shared.extend(self.entry.iter().map(|span| (person, *span))),
                None => self.people.extend_from_slice(&self.entry),
            }
        }
        self.shared.sort_unstable();
        for spans in self.shared.chunk_by(|a, b| a.0 == b.0) {
            self.entry.clear();
            self.entry.extend(spans.iter().map(|(_, span)| *span));
            attendance::unite(&mut self.entry);
            self.people.extend_from_slice(&self.entry);
        }
        totals
    }

    /// Whether the rows of a session's participants and timelogs are more than fit into memory wherever they are handled.
    fn is_too_large(&self, session: &Session<'_>, id_length: usize) -> bool {
        let lists = self.lists;
        let length = |text: &Scalar<'_>, most: usize| match text {
            Scalar::Text(text) => text.len().min(most),
            _ => DIGITS,
        };
        let parents = id_length + length(&session.meeting_id, limits::ID);
        let row = |participant: &Participant<'_>| {
            let (id, timelogs) = (length(&participant.id, limits::ID), participant.timelogs.range());
            let own = limits::PARTICIPANT_ROW + parents + id + length(&participant.name, limits::TEXT);
            let unknown = lists.unknown.bytes(Table::Timelogs, timelogs.clone());
            own + timelogs.len() * (limits::TIMELOG_ROW + parents + id) + unknown
        };
        let unknown = lists.unknown.bytes(Table::Participants, session.participants.range());
        let rows = session.participants.of(&lists.participants).iter().map(row).sum::<usize>();
        rows + unknown > limits::SESSION
    }

    /// Finds out who joined when. Nothing but an open timelog asks for that, and hardly any session has one.
    fn gather_joins(&mut self, participants: &[Participant<'_>]) {
        let Self { lists, persons, erased, joins, .. } = self;
        let logs = |entry: &Participant<'_>| entry.timelogs.of(&lists.timelogs).iter().copied();
        if !participants.iter().any(|entry| logs(entry).any(|log| log.end.is_absent())) {
            return;
        }
        let is_erased = |index: usize| erased.get(index).is_some_and(|erased| *erased);
        let listed = participants.iter().enumerate().filter(|(index, _)| !is_erased(*index));
        joins.gather(listed.flat_map(|(index, entry)| {
            let person = persons.shared(index).unwrap_or(index);
            logs(entry).map(move |log| (person, as_listed(log)))
        }));
    }

    /// Finds the entries that get no rows.
    fn find_erased(&mut self, participants: &[Participant<'_>]) {
        self.erased.clear();
        let Some(denied) = &self.options.denied else { return };
        let mut ignored = Anomalies::default();
        self.erased.extend(participants.iter().map(|entry| {
            let (id, name) = (id(&entry.id, &mut ignored), text(&entry.name, &mut ignored));
            denied.has(id.as_deref(), name.as_deref())
        }));
    }

    fn is_erased(&self, index: usize) -> bool {
        self.erased.get(index).is_some_and(|erased| *erased)
    }

    /// Adds an entry's row and those of its timelogs; leaves its effective spans, united, in `self.entry`. `index`: its
    /// place in the session, `number`: in the lists.
    fn participant(
        &mut self,
        bounds: Bounds,
        (index, number): (usize, usize),
        participant: &Participant<'_>,
        person: Option<usize>,
        totals: &mut SessionTotals,
    ) -> EntryTotals {
        let mut entry = EntryTotals::default();
        if person.is_some() {
            entry.anomalies.add(Anomaly::RepeatedParticipant);
        }
        let id = id(&participant.id, &mut entry.anomalies);
        let name = text(&participant.name, &mut entry.anomalies);
        totals.facts.participant(id.as_deref(), name.as_deref());
        self.timelogs(bounds, person.unwrap_or(index), &participant.timelogs, &mut entry, &mut totals.facts);
        if attendance::unite(&mut self.entry) {
            entry.anomalies.add(Anomaly::Overlap);
        }
        let attended_ms = millis(attendance::length(&self.entry));
        totals.attended_ms = totals.attended_ms.saturating_add(attended_ms);
        let timelogs = participant.timelogs.range();
        let extra = extra::of_participant(&self.lists.unknown, number, timelogs, &mut entry.anomalies);

        let rows = &mut self.builders.participants;
        rows.participant_index.append_value(count(index));
        rows.participant_id.append_option(id);
        rows.name.append_option(name);
        rows.join_count.append_value(count(entry.timelogs));
        rows.attended_ms.append_value(attended_ms);
        rows.anomalies.push(entry.anomalies);
        rows.extra.append_option(extra);
        entry
    }

    fn timelogs(
        &mut self,
        bounds: Bounds,
        person: usize,
        timelogs: &Entries,
        entry: &mut EntryTotals,
        facts: &mut Facts,
    ) {
        self.entry.clear();
        if timelogs.is_odd() {
            entry.anomalies.add(Anomaly::BadTimelog);
        }
        for timelog in timelogs.of(&self.lists.timelogs) {
            let mut anomalies = Anomalies::NONE;
            let log = Log {
                start: time(timelog.start, &mut anomalies),
                end: time(timelog.end, &mut anomalies),
                is_open: timelog.end.is_absent(),
            };
            let next_join = if log.is_open { self.joins.after(person, log.start) } else { None };
            let counted = attendance::count(bounds, log, next_join);
            anomalies.merge(counted.anomalies);
            entry.anomalies.merge(anomalies);
            facts.timelog(entry.timelogs == 0, log.start, log.end);
            entry.timelogs += 1;
            entry.present_since = attendance::earlier(entry.present_since, counted.present_since);
            self.entry.extend(counted.effective);

            let rows = &mut self.builders.timelogs;
            rows.started_at.append_option(log.start);
            rows.ended_at.append_option(log.end);
            rows.is_open.append_value(log.is_open);
            rows.anomalies.push(anomalies);
        }
    }
}

fn as_listed(timelog: Timelog) -> Log {
    Log { start: timelog.start.at(), end: timelog.end.at(), is_open: timelog.end.is_absent() }
}
