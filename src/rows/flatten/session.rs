//! One session to its rows as they are staged: what is listed of it, and what of that can not be read. Nothing is counted
//! here but rows.

use std::borrow::Cow;

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use super::Options;
use super::builders::Builders;
use super::extra;
use super::values::{double, id, text, time};
use crate::rows::anomaly::{Anomalies, Anomaly};
use crate::rows::facts::{Facts, Own};
use crate::rows::lenient::{Entries, Scalar};
use crate::rows::method::Method;
use crate::rows::model::{Lists, Participant, Session};
use crate::rows::privacy::{Column, Guarded};
use crate::rows::tables::{Table, Tables};
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
}

/// What the rows of a session, or of an entry of it, come to so far.
#[derive(Default)]
struct Totals {
    participants: usize,
    timelogs: usize,
    facts: Facts,
    anomalies: Anomalies,
}

/// Digits of a whole number at most.
const DIGITS: usize = 20;

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl<'a> Flattener<'a> {
    /// For sessions of a page; there is room for all of them.
    pub fn new(options: &'a Options, lists: &'a Lists<'a>) -> Self {
        Self { options, lists, builders: Builders::new(lists), erased: Vec::new() }
    }

    pub fn finish(self) -> Result<Tables<RecordBatch>, ArrowError> {
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
        let totals = self.participants(session, session_id);
        anomalies.merge(totals.anomalies);

        let meeting_id = id(&session.meeting_id, &mut anomalies);
        let custom_room_id = id(&session.custom_room_id, &mut anomalies);
        let region = text(&session.region, &mut anomalies);
        let chat_link = text(&session.chat_link, &mut anomalies);
        let privacy = &self.options.method.privacy;
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
        rows.custom_room_id.append_option(privacy.kept(Column::CustomRoomId, custom_room_id));
        rows.region.append_option(region);
        rows.chat_link.append_option(privacy.kept(Column::ChatLink, chat_link));
        rows.active_duration.append_option(active_duration);
        rows.participant_count.append_value(count(totals.participants));
        rows.timelog_count.append_value(count(totals.timelogs));
        rows.is_open.append_value(is_open);
        rows.observed_at.append_option(is_open.then_some(self.options.observed_at));
        rows.anomalies.push(anomalies);
        rows.extra.append_option(privacy.kept(Column::Extra, extra.map(Cow::Owned)));
        Row { is_open, facts, anomalies }
    }

    fn participants(&mut self, session: &Session<'_>, session_id: &str) -> Totals {
        let mut totals = Totals::default();
        if session.participants.is_odd() {
            totals.anomalies.add(Anomaly::BadParticipants);
        }
        let lists = self.lists;
        let mut participants = session.participants.of(&lists.participants);
        if session.participants == Entries::TooMany || self.is_too_large(session, session_id.len()) {
            totals.anomalies.add(Anomaly::TooLarge);
            participants = &[];
        }
        self.find_erased(participants);
        for (index, participant) in participants.iter().enumerate() {
            if !self.is_erased(index) {
                let number = session.participants.range().start + index;
                self.participant(session_id, (index, number), participant, &mut totals);
            }
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
            let name = length(&participant.name, limits::TEXT);
            let person = name.max(id);
            let own = limits::PARTICIPANT_ROW + parents + id + name + person;
            let unknown = lists.unknown.bytes(Table::Timelogs, timelogs.clone());
            own + timelogs.len() * (limits::TIMELOG_ROW + parents + id + person) + unknown
        };
        let unknown = lists.unknown.bytes(Table::Participants, session.participants.range());
        let rows = session.participants.of(&lists.participants).iter().map(row).sum::<usize>();
        rows + unknown > limits::SESSION
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

    /// Adds an entry's row and those of its timelogs. `index`: its place in the session, `number`: in the lists.
    fn participant(
        &mut self,
        session_id: &str,
        (index, number): (usize, usize),
        participant: &Participant<'_>,
        totals: &mut Totals,
    ) {
        let mut anomalies = Anomalies::NONE;
        let id = id(&participant.id, &mut anomalies);
        let name = text(&participant.name, &mut anomalies);
        totals.facts.participant(id.as_deref(), name.as_deref());
        let joins = self.timelogs(&participant.timelogs, &mut anomalies, &mut totals.facts);
        let timelogs = participant.timelogs.range();
        let extra = extra::of_participant(&self.lists.unknown, number, timelogs, &mut anomalies);
        totals.participants += 1;
        totals.timelogs += joins;
        totals.anomalies.merge(anomalies);

        let Method { people, privacy, .. } = &*self.options.method;
        let index = count(index);
        let Guarded { participant_id, name, told } = privacy.guard(people, (session_id, index), id, name);
        let (person, is_excluded) = told.unzip();
        let extra = privacy.kept(Column::Extra, extra.map(Cow::Owned));

        let rows = &mut self.builders.participants;
        rows.participant_index.append_value(index);
        rows.participant_id.append_option(participant_id);
        rows.name.append_option(name);
        rows.person.append_option(person);
        rows.is_excluded.append_option(is_excluded);
        rows.join_count.append_value(count(joins));
        rows.anomalies.push(anomalies);
        rows.extra.append_option(extra);
    }

    /// Adds the rows of an entry's timelogs; returns how many there are.
    fn timelogs(&mut self, timelogs: &Entries, of_entry: &mut Anomalies, facts: &mut Facts) -> usize {
        if timelogs.is_odd() {
            of_entry.add(Anomaly::BadTimelog);
        }
        let listed = timelogs.of(&self.lists.timelogs);
        for (index, timelog) in listed.iter().enumerate() {
            let mut anomalies = Anomalies::NONE;
            let (start, end) = (time(timelog.start, &mut anomalies), time(timelog.end, &mut anomalies));
            of_entry.merge(anomalies);
            facts.timelog(index == 0, start, end);

            let rows = &mut self.builders.timelogs;
            rows.started_at.append_option(start);
            rows.ended_at.append_option(end);
            rows.is_open.append_value(timelog.end.is_absent());
            rows.anomalies.push(anomalies);
        }
        listed.len()
    }
}
