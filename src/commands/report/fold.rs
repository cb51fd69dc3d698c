//! One pass over the sessions with their rows, in order: what they come to.
//!
//! What is held does not grow with the sessions: days and hours of the week are few, of meetings and persons only those are kept
//! that are shown, and what must be known of all of them goes to private files beyond a bound ([`super::spill`]).

use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::io;

use super::attended::{Attendance, Rows, Session};
use super::numbers::{Day, Meeting, Numbers, Person, Running, Week};
use super::spill::{Groups, Member};
use super::spread::{ACTIVE, APART, Spread};
use super::tally::{MeetingTally, PersonTally};
use super::timelines::Timelines;
use super::zone::Zone;
use crate::rows::attendance::Span;
use crate::rows::chunk::Chunk;
use crate::rows::tables::{Table, participants, sessions, timelogs};
use crate::store::files::Below;
use crate::words::id::hash;

/// Meetings and persons that are kept, the most attended ones.
pub const RANKED: usize = 1_000;
/// Sessions that run and are kept, the latest ones.
const RUNNING: usize = 50;
/// Bytes of groups that are held in memory, of each kind.
const HELD: usize = 24 << 20;
/// Different anomalies of a table that are told apart; more are only in files that somebody has damaged.
const ANOMALIES: usize = 64;
/// The sets of persons and of meetings of a day are told apart by these, the sets of a meeting by its hash.
const PERSONS_OF_DAY: u128 = 1 << 64;
const MEETINGS_OF_DAY: u128 = 2 << 64;
const WEEK: i64 = 7 * 24 * 3_600_000_000;

/// What was counted so far.
pub struct Fold {
    zone: Zone,
    all: Day,
    open: u64,
    empty: u64,
    starts: Option<(i64, i64)>,
    daily: BTreeMap<Option<i32>, Day>,
    attended: [[i64; 24]; 7],
    active: Spread,
    late: Spread,
    early: Spread,
    meetings: Groups<MeetingTally>,
    people: Groups<PersonTally>,
    members: Groups<Member>,
    timelines: Timelines,
    running: VecDeque<Running>,
    anomalies: BTreeMap<(Table, String), u64>,
}

impl Fold {
    /// Nothing yet. `wanted`: ids of the sessions whose timelines are wanted, the busiest ones if there are none; `folder`: where
    /// files go.
    pub fn new(zone: Zone, wanted: &[String], folder: &Below) -> Self {
        Self {
            zone,
            all: Day::default(),
            open: 0,
            empty: 0,
            starts: None,
            daily: BTreeMap::new(),
            attended: [[0; 24]; 7],
            active: Spread::new(ACTIVE),
            late: Spread::new(APART),
            early: Spread::new(APART),
            meetings: Groups::new(HELD, folder),
            people: Groups::new(HELD, folder),
            members: Groups::new(HELD, folder),
            timelines: Timelines::new(wanted),
            running: VecDeque::new(),
            anomalies: BTreeMap::new(),
        }
    }

    /// Another bound of what is held in memory.
    #[cfg(test)]
    fn hold(&mut self, bytes: usize) {
        self.meetings.hold(bytes);
        self.people.hold(bytes);
        self.members.hold(bytes);
    }

    /// Counts a session of a chunk; sessions come in the order of their keys.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn add(&mut self, chunk: &Chunk, row: usize) -> io::Result<()> {
        let rows = Rows::of(chunk);
        let (session, attendances) = (rows.session(row), rows.attendances(row));
        let attended_ms = attendances.iter().fold(0_i64, |sum, one| sum.saturating_add(one.attended_ms));
        let day = session.start.map(|start| self.zone.hour(start).day);
        for day in [&mut self.all, self.daily.entry(day).or_default()] {
            day.sessions += 1;
            day.duration_ms = day.duration_ms.saturating_add(session.duration_ms.unwrap_or_default());
            day.occupied_ms = day.occupied_ms.saturating_add(session.occupied_ms);
            day.attended_ms = day.attended_ms.saturating_add(attended_ms);
            day.peak = day.peak.max(session.peak);
        }
        if let Some(start) = session.start {
            self.starts = Some(self.starts.map_or((start, start), |(first, last)| (first.min(start), last.max(start))));
        }
        self.active.add(session.occupied_ms);
        self.empty += u64::from(session.occupied_ms == 0);
        self.add_groups(&session, &attendances, attended_ms, day)?;
        for attendance in &attendances {
            self.add_times(&session, attendance);
        }
        if session.is_open {
            self.add_running(&session, &attendances);
        }
        self.add_anomalies(chunk, row);
        self.timelines.add(&session, attended_ms, attendances);
        Ok(())
    }

    /// Counts what must be told apart exactly: the meeting, its persons and those of the day.
    fn add_groups(
        &mut self,
        session: &Session<'_>,
        attendances: &[Attendance<'_>],
        attended_ms: i64,
        day: Option<i32>,
    ) -> io::Result<()> {
        let of_day = u128::from(day.unwrap_or(i32::MIN).cast_unsigned());
        let meeting = session.meeting.map(|id| (hash(id), id));
        if let Some((key, id)) = meeting {
            self.meetings.add(key, MeetingTally::of(id, session, attended_ms))?;
            self.members.add((MEETINGS_OF_DAY | of_day, key), Member)?;
        }
        for attendance in attendances {
            let person = hash(attendance.person);
            self.people.add(person, PersonTally::of(session, attendance))?;
            self.members.add((PERSONS_OF_DAY | of_day, person), Member)?;
            if let Some((meeting, _)) = meeting {
                self.members.add((meeting, person), Member)?;
            }
        }
        Ok(())
    }

    /// Counts when and how punctually a person was there.
    fn add_times(&mut self, session: &Session<'_>, attendance: &Attendance<'_>) {
        if let Some(late) = attendance.late_ms(session) {
            self.late.add(late);
        }
        if let Some(early) = attendance.early_ms(session) {
            self.early.add(early);
        }
        for span in &attendance.spans {
            self.add_span(*span);
        }
    }

    fn add_span(&mut self, Span { start, end }: Span) {
        // Whole weeks of what lasts for years are the same in every hour; to walk through them would take long.
        let weeks = ((end.saturating_sub(start)) / WEEK - 52).max(0);
        for hour in self.attended.iter_mut().flatten().filter(|_| weeks > 0) {
            *hour = hour.saturating_add(weeks.saturating_mul(WEEK / 168));
        }
        let mut at = start.saturating_add(weeks * WEEK);
        while at < end {
            let hour = self.zone.hour(at);
            let until = hour.end.min(end);
            let attended = &mut self.attended[hour.weekday()][hour.hour];
            *attended = attended.saturating_add(until - at);
            at = until;
        }
    }

    fn add_running(&mut self, session: &Session<'_>, attendances: &[Attendance<'_>]) {
        self.open += 1;
        self.running.push_front(Running {
            id: session.id.to_owned(),
            meeting: session.meeting.map(ToOwned::to_owned),
            started_at: session.start,
            observed_at: session.observed_at,
            present: attendances.iter().filter(|attendance| attendance.is_present).count() as u64,
        });
        self.running.truncate(RUNNING);
    }

    fn add_anomalies(&mut self, chunk: &Chunk, row: usize) {
        let batches = chunk.batches();
        let [entries, logs] = chunk.children(row);
        let tables = [
            (Table::Sessions, sessions::anomalies(&batches.sessions), row..row + 1),
            (Table::Participants, participants::anomalies(&batches.participants), entries),
            (Table::Timelogs, timelogs::anomalies(&batches.timelogs), logs),
        ];
        for (table, lists, rows) in tables {
            let offsets = lists.value_offsets();
            let names = arrow_array::cast::AsArray::as_string::<i32>(lists.values());
            for place in offsets[rows.start]..offsets[rows.end] {
                let name = names.value(usize::try_from(place).unwrap_or_default());
                let key = (table, name.to_owned());
                if self.anomalies.len() < ANOMALIES || self.anomalies.contains_key(&key) {
                    *self.anomalies.entry(key).or_default() += 1;
                }
            }
        }
    }

    /// What all of it comes to.
    ///
    /// # Errors
    /// Where a file can't be written or read.
    pub fn finish(mut self) -> io::Result<Numbers> {
        let (people, persons) = ranked_people(self.people)?;
        let (mut ranked, meetings) = ranked_meetings(self.meetings)?;
        (self.all.persons, self.all.meetings) = (persons, meetings);
        let daily = &mut self.daily;
        self.members.finish(|(set, _), Member| {
            if let Some(meeting) = ranked.get_mut(&set) {
                meeting.persons += 1;
            }
            let day = (set & u128::from(u32::MAX)).try_into().map(u32::cast_signed).unwrap_or_default();
            if let Some(day) = daily.get_mut(&(day != i32::MIN).then_some(day)) {
                match set & !u128::from(u32::MAX) {
                    PERSONS_OF_DAY => day.persons += 1,
                    MEETINGS_OF_DAY => day.meetings += 1,
                    _ => {}
                }
            }
            Ok(())
        })?;
        let mut meetings: Vec<_> = ranked.into_values().collect();
        meetings.sort_by(|a, b| b.attended_ms.cmp(&a.attended_ms).then_with(|| a.id.cmp(&b.id)));
        let mut days = [0; 7];
        for day in self.daily.keys().flatten() {
            days[usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default()] += 1;
        }
        let (timelines, missing) = self.timelines.finish();
        let anomalies = self.anomalies.into_iter().map(|((table, name), rows)| (table.name(), name, rows));
        Ok(Numbers {
            all: self.all,
            open: self.open,
            empty: self.empty,
            starts: self.starts,
            daily: self.daily.into_iter().collect(),
            week: Week { attended: self.attended, days },
            active: self.active,
            late: self.late,
            early: self.early,
            meetings,
            people,
            timelines,
            missing,
            running: self.running.into(),
            anomalies: anomalies.collect(),
        })
    }
}

/// Those who attended most, the most first, and how many there are in all.
fn ranked_people(people: Groups<PersonTally>) -> io::Result<(Vec<Person>, u64)> {
    let (mut best, mut all) = (BTreeMap::new(), 0);
    people.finish(|_, person| {
        all += 1;
        best.insert((Reverse(person.attended_ms()), person.person().to_owned()), person);
        if best.len() > RANKED {
            best.pop_last();
        }
        Ok(())
    })?;
    Ok((best.into_values().map(PersonTally::finish).collect(), all))
}

/// The meetings with the most attended time, by their hashes, and how many there are in all.
fn ranked_meetings(meetings: Groups<MeetingTally>) -> io::Result<(BTreeMap<u128, Meeting>, u64)> {
    let (mut best, mut all) = (BTreeMap::new(), 0);
    meetings.finish(|key, MeetingTally(meeting)| {
        all += 1;
        best.insert((Reverse(meeting.attended_ms), meeting.id.clone()), (key, meeting));
        if best.len() > RANKED {
            best.pop_last();
        }
        Ok(())
    })?;
    Ok((best.into_values().collect(), all))
}

#[cfg(test)]
mod tests;
