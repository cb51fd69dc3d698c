//! What is in a generated session. Knows nothing of lists and servers.
//!
//! The realistic shape follows what is known of the field: half the sessions have at most four entries, the mean is
//! near seven, and one in 30,000 is a webinar of 5,000.

use std::ops::RangeInclusive;

use super::account::{Account, FRESH, NOW, Shape};
use super::names;
use super::random::Random;
use super::session::{Name, Participant, Session, Timelog};

/// The stream of random numbers that decides who is left open; apart, so that the rest does not depend on it.
const LEFT_OPEN: u64 = 0xD000_0000_0000_0000;

const SECOND: i64 = 1_000_000;
const MINUTE: i64 = 60 * SECOND;

/// How many of 30,000 sessions have how many participant entries. Mean about 7, median 4.
const ENTRIES: [(u64, RangeInclusive<u64>); 12] = [
    (600, 0..=0),
    (2900, 1..=1),
    (5700, 2..=2),
    (4800, 3..=3),
    (3600, 4..=4),
    (5400, 5..=7),
    (3900, 8..=12),
    (2200, 13..=25),
    (780, 26..=60),
    (110, 61..=200),
    (9, 201..=900),
    (1, 5000..=5000),
];
/// How many of 100 sessions last how many seconds.
const LENGTHS: [(u64, RangeInclusive<u64>); 5] =
    [(10, 4..=120), (30, 120..=1500), (40, 1500..=3900), (18, 3900..=10_800), (2, 10_800..=43_200)];

impl Account {
    /// The session at this index, 0 being the newest.
    pub fn session(&self, index: u64) -> Session {
        session(self, index, self.start(index))
    }

    /// All sessions, newest first, each made when it is asked for.
    pub fn sessions(&self) -> impl Iterator<Item = Session> + use<> {
        let account = *self;
        (0..account.sessions).map(move |index| account.session(index))
    }

    /// The `number`-th session that comes in later, with a start of the caller's choice in microseconds.
    /// Its id is none of the account's.
    pub fn fresh(&self, number: u64, start: i64) -> Session {
        session(self, FRESH | number, start)
    }
}

/// The session with this index and start, in microseconds.
fn session(account: &Account, index: u64, start: i64) -> Session {
    match account.shape {
        Shape::Realistic => realistic(account, index, start),
        Shape::Plain => plain(account, index, start, 30 * MINUTE, false),
        Shape::AllOpen => plain(account, index, start, 30 * MINUTE, true),
        Shape::Varied => varied(account, index, start),
    }
}

/// Of any length; running if it would end later than now, and one in forty for good.
fn varied(account: &Account, index: u64, start: i64) -> Session {
    const LENGTHS: u64 = 0xE000_0000_0000_0000;
    let mut random = Random::new(account.seed, LENGTHS ^ index);
    let length = 2 * MINUTE + whole(random.within(180 * MINUTE));
    let open = start + length > NOW || random.once_in(40);
    plain(account, index, start, length, open)
}

/// Two people; the second stays when the session is open.
fn plain(account: &Account, index: u64, start: i64, length: i64, open: bool) -> Session {
    let mut random = Random::new(account.seed, index);
    let end = start + length;
    let entry = |random: &mut Random, name: &str, end| Participant {
        id: Some(short_id(random)),
        name: Name::Text(name.to_owned()),
        timelogs: vec![Timelog { start: Some(start + random.within(60_000) * 1000), end }],
    };
    Session {
        id: account.id(index, start),
        meeting_id: Some(account.meeting_id(index)),
        start: Some(start),
        end: (!open).then_some(end),
        chat_link: None,
        active_duration: 0.0,
        participants: vec![
            entry(&mut random, "Host", Some(end - MINUTE)),
            entry(&mut random, "Guest", (!open).then_some(end)),
        ],
    }
}

fn realistic(account: &Account, index: u64, start: i64) -> Session {
    let mut random = Random::new(account.seed, index);
    let planned = draw(&mut random, &LENGTHS) * SECOND + random.within(1000) * 1000;
    // Sessions that nobody closed stay open for good; a lookback meets them long after.
    let open = index == 0 || start + planned > NOW || random.once_in(20_000);
    let length = if open { planned.min((NOW - start).max(MINUTE)) } else { planned };
    let room = Room { start, end: start + length, open };
    let id = account.id(index, start);
    let meeting_id = account.meeting_id(index);
    let chat_link = (!random.once_in(10)).then(|| {
        let file = random.next();
        format!("https://cdn.videosdk.live/chats/{meeting_id}-{file:016x}{:08x}-{id}.csv", file >> 32)
    });
    let active_duration = active_duration(&mut random);
    let mut participants = participants(&mut random, &room);
    leave_open(&mut Random::new(account.seed, LEFT_OPEN ^ index), &mut participants);
    Session {
        chat_link,
        meeting_id: Some(meeting_id),
        id,
        start: Some(start),
        end: (!open).then_some(room.end),
        active_duration,
        participants,
    }
}

/// Some who lost their connection joined again before the server knew: the earlier join never got its end.
fn leave_open(random: &mut Random, participants: &mut [Participant]) {
    for entry in 0..participants.len() {
        if !random.once_in(120) {
            continue;
        }
        let joins_again = participants[entry + 1..].iter().any(|other| other.id == participants[entry].id);
        let logs = &mut participants[entry].timelogs;
        let earlier = if joins_again { logs.len() } else { logs.len().saturating_sub(1) };
        let left = usize::try_from(random.below(earlier as u64)).unwrap_or(0);
        if let Some(log) = logs[..earlier].get_mut(left) {
            log.end = None;
        }
    }
}

/// The session's span as it shapes its timelogs; an open one has run up to `end`.
struct Room {
    start: i64,
    end: i64,
    open: bool,
}

fn participants(random: &mut Random, room: &Room) -> Vec<Participant> {
    let count = draw(random, &ENTRIES);
    let mut entries: Vec<Participant> = Vec::with_capacity(usize::try_from(count).unwrap_or(0));
    for _ in 0..count {
        let again = !entries.is_empty() && random.once_in(14);
        let (id, name) = if again {
            // Whoever comes back may be listed again, with the old id or with a new one.
            let earlier = random.pick(&entries);
            let (id, name) = (earlier.id.clone(), earlier.name.clone());
            (if random.once_in(2) { id } else { Some(short_id(random)) }, name)
        } else {
            (Some(short_id(random)), names::name(random))
        };
        entries.push(Participant { id, name, timelogs: timelogs(random, room) });
    }
    entries
}

/// One stay, and while there is time, every other one is followed by another; sometimes none at all.
fn timelogs(random: &mut Random, room: &Room) -> Vec<Timelog> {
    const MOST: usize = 30;
    let length = room.end - room.start;
    let mut logs = Vec::with_capacity(2);
    if random.once_in(250) {
        return logs;
    }
    let mut joined = room.start + whole(random.within(length / 4));
    if random.once_in(200) {
        joined = room.start - whole(random.within(5 * SECOND));
    }
    while logs.len() < MOST {
        let stay = SECOND + whole(random.within(length));
        let mut left = (joined + stay).min(room.end).max(joined);
        if random.once_in(200) && !room.open {
            left = room.end + whole(random.within(90 * SECOND));
        }
        logs.push(Timelog { start: Some(joined), end: Some(left) });
        if random.below(100) >= 53 || left >= room.end {
            break;
        }
        let overlap = random.once_in(25);
        let step = whole(random.within(if overlap { stay } else { length / 20 }));
        joined = if overlap { (left - step).max(joined) } else { (left + step).min(room.end) };
    }
    let stays = if room.open { random.once_in(2) } else { random.once_in(600) };
    if let (true, Some(last)) = (stays, logs.last_mut()) {
        last.end = None;
    }
    logs
}

/// 0 in nearly every session, as in every sample of the API.
fn active_duration(random: &mut Random) -> f64 {
    if random.once_in(60) { f64::from(u16::try_from(random.below(36_000)).unwrap_or(0)) / 10.0 } else { 0.0 }
}

/// Draws a class by its weight, then a number from its range.
fn draw(random: &mut Random, classes: &[(u64, RangeInclusive<u64>)]) -> i64 {
    let mut ticket = random.below(classes.iter().map(|(weight, _)| weight).sum());
    for (weight, range) in classes {
        if ticket < *weight {
            let number = range.start() + random.below(range.end() - range.start() + 1);
            return i64::try_from(number).unwrap_or(0);
        }
        ticket -= weight;
    }
    0
}

/// Cut to whole milliseconds, the API's precision.
const fn whole(micros: i64) -> i64 {
    micros - micros % 1000
}

/// Eight letters and digits, as the API makes up for each join.
fn short_id(random: &mut Random) -> String {
    (0..8).map(|_| char::from(*random.pick(b"abcdefghijklmnopqrstuvwxyz0123456789"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::truth::{SessionTruth, TimelogTruth};
    use crate::sim::wire;

    fn sample() -> Vec<Session> {
        Account::new(1, 30_000, Shape::Realistic).sessions().collect()
    }

    fn share<T>(items: &[T], holds: impl Fn(&T) -> bool) -> usize {
        items.iter().filter(|item| holds(item)).count()
    }

    #[test]
    fn sizes_are_those_of_the_field() {
        let sessions = sample();
        let mut counts: Vec<usize> = sessions.iter().map(|session| session.participants.len()).collect();
        counts.sort_unstable();
        let entries: usize = counts.iter().sum();
        let logs: usize = sessions.iter().flat_map(|session| &session.participants).map(|p| p.timelogs.len()).sum();
        let mut json = Vec::new();
        for session in &sessions {
            wire::session(&mut json, session);
        }
        assert_eq!(counts[15_000], 4);
        assert!((190_000..235_000).contains(&entries), "{entries}");
        assert!((310_000..390_000).contains(&logs), "{logs}");
        assert!((40_000_000..52_000_000).contains(&json.len()), "{}", json.len());
        assert!(share(&counts, |count| *count > 200) > 2);
        assert!(share(&counts, |count| *count == 0) > 300);
    }

    #[test]
    fn every_oddity_occurs() {
        let sessions = sample();
        let open = share(&sessions, |session| session.end.is_none());
        assert!(sessions[0].end.is_none() && (2..200).contains(&open), "{open}");
        assert!(share(&sessions, |session| session.chat_link.is_none()) > 1000);
        assert!(share(&sessions, |session| session.active_duration != 0.0) < 1000);
        let ended: Vec<&Session> = sessions.iter().filter(|session| session.end.is_some()).collect();
        let logged = |holds: &dyn Fn(&Session, &Timelog) -> bool| {
            share(&ended, |session| {
                session.participants.iter().flat_map(|p| &p.timelogs).any(|log| holds(session, log))
            })
        };
        assert!(logged(&|_, log| log.end.is_none()) > 50);
        assert!(logged(&|session, log| log.start < session.start) > 50);
        let left_open = |session: &&Session| {
            let truth = SessionTruth::of(session);
            let ends =
                |log: &TimelogTruth| log.is_open && log.effective_ended_at.is_some_and(|end| Some(end) < session.end);
            truth
                .participants
                .iter()
                .flat_map(|p| &p.timelogs)
                .any(|log| ends(log) || log.anomalies.contains(&"left_open"))
        };
        assert!(share(&ended, left_open) > 500);
        let running: Vec<&Session> = sessions.iter().filter(|session| session.end.is_none()).collect();
        assert!(share(&running, left_open) > 0, "of {}", running.len());
        assert!(logged(&|session, log| log.end > session.end) > 50);
        let names: Vec<&Name> = sessions.iter().flat_map(|session| &session.participants).map(|p| &p.name).collect();
        assert!(share(&names, |name| **name == Name::Null) > 1000);
        assert!(share(&names, |name| **name == Name::Missing) > 500);
        assert!(share(&names, |name| matches!(name, Name::Text(text) if text.contains('"'))) > 100);
        let overlapping = share(&sessions, |session| {
            session.participants.iter().any(|p| p.timelogs.windows(2).any(|pair| pair[1].start < pair[0].end))
        });
        assert!(overlapping > 100, "{overlapping}");
        let repeated = share(&sessions, |session| {
            let mut ids: Vec<_> = session.participants.iter().map(|p| &p.id).collect();
            ids.sort();
            ids.windows(2).any(|pair| pair[0] == pair[1])
        });
        assert!(repeated > 500, "{repeated}");
    }

    #[test]
    fn timelogs_do_not_run_backwards() {
        for session in sample() {
            for log in session.participants.iter().flat_map(|p| &p.timelogs) {
                assert!(log.end.is_none_or(|end| end >= log.start.unwrap()), "{session:?}");
                assert!(log.start.unwrap() % 1000 == 0);
            }
        }
    }

    #[test]
    fn the_open_shape_is_open_throughout() {
        for session in Account::new(1, 50, Shape::AllOpen).sessions() {
            assert!(session.end.is_none() && session.participants[1].timelogs[0].end.is_none());
        }
    }
}
