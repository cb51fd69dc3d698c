//! What is added up by meeting and by person, and how that goes to a file and back.

use std::io::{self, Read, Write};

use super::attended::{Attendance, Session};
use super::numbers::{Meeting, Person};
use super::spill::{Group, number, numbers, read_text, write_text};

/// Stands for a time that is not known; no session has it.
const NEVER: i64 = i64::MIN;

/// What a meeting's sessions come to so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingTally(pub Meeting);

impl MeetingTally {
    /// Of one session.
    pub fn of(id: &str, session: &Session<'_>, attended_ms: i64) -> Self {
        Self(Meeting {
            id: id.to_owned(),
            sessions: 1,
            persons: 0,
            first_started_at: session.start,
            last_started_at: session.start,
            duration_ms: session.duration_ms.unwrap_or_default(),
            occupied_ms: session.occupied_ms,
            attended_ms,
            peak: session.peak,
        })
    }
}

impl Group for MeetingTally {
    type Key = u128;

    fn absorb(&mut self, Self(later): Self) {
        let Self(all) = self;
        all.sessions += later.sessions;
        all.first_started_at = earliest(all.first_started_at, later.first_started_at);
        all.last_started_at = all.last_started_at.max(later.last_started_at);
        all.duration_ms = all.duration_ms.saturating_add(later.duration_ms);
        all.occupied_ms = all.occupied_ms.saturating_add(later.occupied_ms);
        all.attended_ms = all.attended_ms.saturating_add(later.attended_ms);
        all.peak = all.peak.max(later.peak);
    }

    fn weight(&self) -> usize {
        self.0.id.len()
    }

    fn write(key: u128, Self(meeting): &Self, to: &mut impl Write) -> io::Result<()> {
        let Meeting { id, sessions, persons: _, first_started_at, last_started_at, duration_ms, occupied_ms, .. } =
            meeting;
        to.write_all(&key.to_le_bytes())?;
        let times = [*first_started_at, *last_started_at].map(|time| time.unwrap_or(NEVER));
        let sums = [sessions.cast_signed(), *duration_ms, *occupied_ms, meeting.attended_ms, i64::from(meeting.peak)];
        times.into_iter().chain(sums).try_for_each(|number| to.write_all(&number.to_le_bytes()))?;
        write_text(Some(id), to)
    }

    fn read(from: &mut impl Read) -> io::Result<(u128, Self)> {
        let key = number(from)?;
        let [first, last, sessions, duration_ms, occupied_ms, attended_ms, peak] = numbers(from)?;
        let meeting = Meeting {
            id: read_text(from)?.unwrap_or_default().into(),
            sessions: sessions.cast_unsigned(),
            persons: 0,
            first_started_at: known(first),
            last_started_at: known(last),
            duration_ms,
            occupied_ms,
            attended_ms,
            peak: i32::try_from(peak).unwrap_or_default(),
        };
        Ok((key, Self(meeting)))
    }
}

/// What a person's attendances come to so far.
#[derive(Debug, Clone, PartialEq)]
pub struct PersonTally {
    person: Box<str>,
    name: Option<Box<str>>,
    sessions: u64,
    attended_ms: i64,
    first_seen_at: Option<i64>,
    last_seen_at: Option<i64>,
    shares: f64,
    shared: u64,
}

impl PersonTally {
    /// Of one attendance.
    pub fn of(session: &Session<'_>, attendance: &Attendance<'_>) -> Self {
        let share = attendance.share(session);
        let seen = if attendance.is_present { session.observed_at } else { attendance.last_left_at };
        Self {
            person: attendance.person.into(),
            name: attendance.name.map(Into::into),
            sessions: 1,
            attended_ms: attendance.attended_ms,
            first_seen_at: attendance.first_joined_at,
            last_seen_at: seen,
            shares: share.unwrap_or_default(),
            shared: u64::from(share.is_some()),
        }
    }

    /// The person as it is shown.
    #[allow(clippy::cast_precision_loss, reason = "nobody attends so many sessions")]
    pub fn finish(self) -> Person {
        Person {
            person: self.person.into(),
            name: self.name.map(Into::into),
            sessions: self.sessions,
            attended_ms: self.attended_ms,
            first_seen_at: self.first_seen_at,
            last_seen_at: self.last_seen_at,
            mean_share: (self.shared > 0).then(|| self.shares / self.shared as f64),
        }
    }

    /// Milliseconds in all sessions.
    pub const fn attended_ms(&self) -> i64 {
        self.attended_ms
    }

    /// The key.
    pub fn person(&self) -> &str {
        &self.person
    }
}

impl Group for PersonTally {
    type Key = u128;

    fn absorb(&mut self, later: Self) {
        // Sessions come in the order of their starts, so the later name is the latest.
        self.name = later.name.or(self.name.take());
        self.sessions += later.sessions;
        self.attended_ms = self.attended_ms.saturating_add(later.attended_ms);
        self.first_seen_at = earliest(self.first_seen_at, later.first_seen_at);
        self.last_seen_at = self.last_seen_at.max(later.last_seen_at);
        self.shares += later.shares;
        self.shared += later.shared;
    }

    fn weight(&self) -> usize {
        self.person.len() + self.name.as_ref().map_or(0, |name| name.len()) + 32
    }

    fn write(key: u128, group: &Self, to: &mut impl Write) -> io::Result<()> {
        let Self { person, name, sessions, attended_ms, first_seen_at, last_seen_at, shares, shared } = group;
        to.write_all(&key.to_le_bytes())?;
        let times = [*first_seen_at, *last_seen_at].map(|time| time.unwrap_or(NEVER));
        let sums = [sessions.cast_signed(), *attended_ms, shares.to_bits().cast_signed(), shared.cast_signed()];
        times.into_iter().chain(sums).try_for_each(|number| to.write_all(&number.to_le_bytes()))?;
        write_text(Some(person), to)?;
        write_text(name.as_deref(), to)
    }

    fn read(from: &mut impl Read) -> io::Result<(u128, Self)> {
        let key = number(from)?;
        let [first, last, sessions, attended_ms, sum_of_shares, shared] = numbers(from)?;
        let tally = Self {
            person: read_text(from)?.unwrap_or_default(),
            name: read_text(from)?,
            sessions: sessions.cast_unsigned(),
            attended_ms,
            first_seen_at: known(first),
            last_seen_at: known(last),
            shares: f64::from_bits(sum_of_shares.cast_unsigned()),
            shared: shared.cast_unsigned(),
        };
        Ok((key, tally))
    }
}

fn known(time: i64) -> Option<i64> {
    (time != NEVER).then_some(time)
}

fn earliest(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let meeting = MeetingTally(Meeting {
            id: "m".to_owned(),
            sessions: 2,
            persons: 0,
            first_started_at: None,
            last_started_at: Some(-5),
            duration_ms: 3,
            occupied_ms: i64::MAX,
            attended_ms: -1,
            peak: 9,
        });
        let mut bytes = Vec::new();
        MeetingTally::write(7, &meeting, &mut bytes).unwrap();
        assert_eq!(MeetingTally::read(&mut bytes.as_slice()).unwrap(), (7, meeting));
        let person = PersonTally {
            person: "ann".into(),
            name: None,
            sessions: 1,
            attended_ms: 2,
            first_seen_at: Some(3),
            last_seen_at: None,
            shares: 0.5,
            shared: 1,
        };
        bytes.clear();
        PersonTally::write(8, &person, &mut bytes).unwrap();
        assert_eq!(PersonTally::read(&mut bytes.as_slice()).unwrap(), (8, person.clone()));
        let later = PersonTally { name: Some("Ann".into()), ..person.clone() };
        let mut both = later;
        both.absorb(person);
        assert_eq!(
            (both.name.as_deref(), both.sessions, both.clone().finish().mean_share),
            (Some("Ann"), 2, Some(0.5))
        );
    }
}
