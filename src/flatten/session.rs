//! One session to its rows, by the exact rules of the tables' contract.

use std::collections::BTreeMap;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;
use serde_json::value::RawValue;

use super::Options;
use super::builders::Builders;
use super::persons::Persons;
use super::values::{double, text, time};
use crate::anomaly::{Anomalies, Anomaly};
use crate::api::lenient::Entries;
use crate::api::model::{Lists, Participant, Session, Timelog, Unknown};
use crate::attendance::{self, Bounds, Joins, Log, Moments, Span, millis};
use crate::facts::{Facts, Own};
use crate::timestamp;

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
    unknown: BTreeMap<String, u64>,
    reader: timestamp::Reader,
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

/// The session's start, for its place in the order.
pub fn start(session: &Session<'_>) -> Option<i64> {
    time(&session.start, &mut timestamp::Reader::default(), &mut Anomalies::default())
}

/// The session's end, for lists that are ordered by it.
pub fn end(session: &Session<'_>) -> Option<i64> {
    time(&session.end, &mut timestamp::Reader::default(), &mut Anomalies::default())
}

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
            unknown: BTreeMap::new(),
            reader: timestamp::Reader::default(),
            all: Vec::new(),
            people: Vec::new(),
            entry: Vec::new(),
            moments: Moments::default(),
            persons: Persons::default(),
            shared: Vec::new(),
            joins: Joins::default(),
        }
    }

    pub fn finish(self) -> Result<([RecordBatch; 3], BTreeMap<String, u64>), ArrowError> {
        Ok((self.builders.finish()?, self.unknown))
    }

    /// Adds the rows of a session. `mended`: part of its text was not valid Unicode.
    pub fn session(&mut self, id: &str, session: &Session<'_>, mended: bool) -> Row {
        let mut anomalies = Anomalies::NONE;
        if mended {
            anomalies.add(Anomaly::BadText);
        }
        let started_at = time(&session.start, &mut self.reader, &mut anomalies);
        let ended_at = time(&session.end, &mut self.reader, &mut anomalies);
        let status = text(&session.status, &mut anomalies);
        let is_open = session.end.is_absent() && status.as_deref() != Some("ended");
        let bounds = Bounds { start: started_at, end: ended_at, is_open };
        if bounds.is_backwards() {
            anomalies.add(Anomaly::EndBeforeStart);
        }
        let totals = self.participants(bounds, &session.participants);
        anomalies.merge(totals.anomalies);
        let swept = attendance::sweep(&self.all, &mut self.moments);
        let peak =
            if totals.people_differ { attendance::sweep(&self.people, &mut self.moments).most } else { swept.most };

        let meeting_id = text(&session.meeting_id, &mut anomalies);
        let custom_room_id = text(&session.custom_room_id, &mut anomalies);
        let region = text(&session.region, &mut anomalies);
        let chat_link = text(&session.chat_link, &mut anomalies);
        let active_duration = double(&session.active_duration, &mut anomalies);
        let extra = self.extra("", &session.unknown, None);
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

        let rows = &mut self.builders.sessions;
        rows.session_id.append_value(id);
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

    fn participants(&mut self, bounds: Bounds, participants: &Entries) -> SessionTotals {
        self.all.clear();
        self.people.clear();
        let mut totals = SessionTotals::default();
        if matches!(participants, Entries::Other) {
            totals.anomalies.add(Anomaly::BadParticipants);
        }
        let participants = participants.of(&self.lists.participants);
        let erased = self.erased(participants);
        self.persons.find(participants, &erased);
        self.gather_joins(participants, &erased);
        self.shared.clear();
        for (index, participant) in participants.iter().enumerate() {
            if erased.contains(&index) {
                continue;
            }
            totals.participants += 1;
            let person = self.persons.shared(index);
            let entry = self.participant(bounds, index, participant.as_ref(), person, &mut totals);
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

    /// Finds out who joined when. Nothing but an open timelog asks for that, and hardly any session has one.
    fn gather_joins(&mut self, participants: &[Option<Participant<'_>>], erased: &[usize]) {
        let Self { lists, persons, reader, joins, .. } = self;
        let logs = |entry: &Participant<'_>| entry.timelogs.of(&lists.timelogs).iter().flatten();
        let is_open = |log: &Timelog<'_>| log.end.is_absent();
        if !participants.iter().flatten().any(|entry| logs(entry).any(is_open)) {
            return;
        }
        let entries = (0..).zip(participants).filter(|(index, _)| !erased.contains(index));
        let listed =
            entries.filter_map(|(index, entry)| Some((persons.shared(index).unwrap_or(index), entry.as_ref()?)));
        joins.gather(listed.flat_map(|(person, entry)| logs(entry).map(move |log| (person, log))).map(
            |(person, log)| {
                let mut read = |value| time(value, reader, &mut Anomalies::default());
                (person, Log { start: read(&log.start), end: read(&log.end), is_open: is_open(log) })
            },
        ));
    }

    /// Positions of the entries that get no rows.
    fn erased(&self, participants: &[Option<Participant<'_>>]) -> Vec<usize> {
        let Some(denied) = &self.options.denied else { return Vec::new() };
        let is_erased = |entry: &Participant<'_>| denied.has(entry.id.text().as_deref(), entry.name.text().as_deref());
        let entries = participants.iter().enumerate();
        entries.filter(|(_, entry)| entry.as_ref().is_some_and(is_erased)).map(|(index, _)| index).collect()
    }

    /// Adds an entry's row and those of its timelogs; leaves its effective spans, united, in `self.entry`.
    fn participant(
        &mut self,
        bounds: Bounds,
        index: usize,
        participant: Option<&Participant<'_>>,
        person: Option<usize>,
        totals: &mut SessionTotals,
    ) -> EntryTotals {
        let missing = Participant::default();
        let mut entry = EntryTotals::default();
        if participant.is_none() {
            entry.anomalies.add(Anomaly::BadParticipants);
        }
        let participant = participant.unwrap_or(&missing);
        if person.is_some() {
            entry.anomalies.add(Anomaly::RepeatedParticipant);
        }
        let id = text(&participant.id, &mut entry.anomalies);
        let name = text(&participant.name, &mut entry.anomalies);
        totals.facts.participant(id.as_deref(), name.as_deref());
        self.timelogs(bounds, person.unwrap_or(index), &participant.timelogs, &mut entry, &mut totals.facts);
        if attendance::unite(&mut self.entry) {
            entry.anomalies.add(Anomaly::Overlap);
        }
        let attended_ms = millis(attendance::length(&self.entry));
        totals.attended_ms += attended_ms;
        let extra = self.participant_extra(participant);

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
        if matches!(timelogs, Entries::Other) {
            entry.anomalies.add(Anomaly::BadTimelog);
        }
        for timelog in timelogs.of(&self.lists.timelogs) {
            let mut anomalies = Anomalies::NONE;
            let (start, end, is_open) = if let Some(timelog) = timelog {
                let is_open = timelog.end.is_absent();
                let mut read = |value| time(value, &mut self.reader, &mut anomalies);
                (read(&timelog.start), read(&timelog.end), is_open)
            } else {
                anomalies.add(Anomaly::BadTimelog);
                (None, None, false)
            };
            let next_join = if is_open { self.joins.after(person, start) } else { None };
            let counted = attendance::count(bounds, Log { start, end, is_open }, next_join);
            anomalies.merge(counted.anomalies);
            entry.anomalies.merge(anomalies);
            facts.timelog(entry.timelogs == 0, start, end);
            entry.timelogs += 1;
            entry.present_since = attendance::earlier(entry.present_since, counted.present_since);
            self.entry.extend(counted.effective);

            let rows = &mut self.builders.timelogs;
            rows.started_at.append_option(start);
            rows.ended_at.append_option(end);
            rows.is_open.append_value(is_open);
            rows.anomalies.push(anomalies);
        }
    }

    /// The unknown fields of an entry and of its timelogs, which have no `extra` of their own: under `timelog`, one
    /// object each.
    fn participant_extra(&mut self, participant: &Participant<'_>) -> Option<String> {
        let unknown = |timelog: &Option<Timelog<'_>>| timelog.as_ref().is_some_and(|log| !log.unknown.is_empty());
        let timelogs = participant.timelogs.of(&self.lists.timelogs);
        if !timelogs.iter().any(unknown) {
            return self.extra("participants.", &participant.unknown, None);
        }
        let each = timelogs.iter().map(|timelog| {
            let fields =
                timelog.as_ref().and_then(|timelog| self.extra("participants.timelog.", &timelog.unknown, None));
            fields.unwrap_or_else(|| "{}".to_owned())
        });
        let timelogs = format!("[{}]", each.collect::<Vec<_>>().join(","));
        let timelogs = RawValue::from_string(timelogs).ok();
        self.extra("participants.", &participant.unknown, timelogs.as_deref())
    }

    /// Counts unknown fields by their path, and renders them where they are kept.
    fn extra(&mut self, path: &str, unknown: &Unknown<'_>, timelogs: Option<&RawValue>) -> Option<String> {
        for (name, _) in unknown {
            *self.unknown.entry(format!("{path}{name}")).or_default() += 1;
        }
        if !self.options.keep_unknown_fields || unknown.is_empty() && timelogs.is_none() {
            return None;
        }
        let mut fields: BTreeMap<&str, _> = unknown.iter().map(|(name, value)| (name.as_ref(), *value)).collect();
        fields.extend(timelogs.map(|timelogs| ("timelog", timelogs)));
        serde_json::to_string(&fields).ok()
    }
}
