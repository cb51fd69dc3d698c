//! What the views must say of given sessions: computed plainly from the simulated account's own truth, without SQL.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, NaiveDate, Weekday};
use rollbook::sim::{Name, Participant, Session, SessionTruth};
use rollbook::words::name::normal;
use serde_json::{Value, json};

/// A zone whose clocks are known without a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Zone {
    Utc,
    Kolkata,
    NewYork,
}

const HOUR: i64 = 3_600_000_000;

impl Zone {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utc => "UTC",
            Self::Kolkata => "Asia/Kolkata",
            Self::NewYork => "America/New_York",
        }
    }

    /// What clocks show at a moment, as microseconds.
    pub fn local(self, moment: i64) -> i64 {
        let ahead = match self {
            Self::Utc => 0,
            Self::Kolkata => 5 * HOUR + HOUR / 2,
            Self::NewYork => {
                let year = DateTime::from_timestamp_micros(moment).unwrap().year();
                let sunday = |month, number, hour| {
                    let day = NaiveDate::from_weekday_of_month_opt(year, month, Weekday::Sun, number).unwrap();
                    day.and_hms_opt(hour, 0, 0).unwrap().and_utc().timestamp_micros()
                };
                let is_summer = (sunday(3, 2, 7)..sunday(11, 1, 6)).contains(&moment);
                if is_summer { -4 * HOUR } else { -5 * HOUR }
            }
        };
        moment + ahead
    }

    fn day(self, moment: i64) -> String {
        DateTime::from_timestamp_micros(self.local(moment)).unwrap().date_naive().to_string()
    }

    /// The hours that `[since, until)` is in, by their beginnings.
    fn hours(self, since: i64, until: i64) -> Vec<i64> {
        let first = since - self.local(since).rem_euclid(HOUR);
        let (mut hours, mut hour) = (Vec::new(), first);
        while hour < until {
            hours.push(hour);
            hour += HOUR;
        }
        hours
    }
}

/// A session as a run has read it.
pub struct Seen {
    pub session: Session,
    /// When that was, of a session without an end.
    pub observed_at: Option<i64>,
}

/// The rows of each view as JSON, in any order.
pub type Answers = BTreeMap<&'static str, Vec<String>>;

/// A row: its columns in order.
pub fn row<const N: usize>(columns: [(&str, Value); N]) -> String {
    format!("{{{}}}", columns.map(|(name, value)| format!("\"{name}\":{value}")).join(","))
}

/// A person in a session.
struct Visit {
    session: usize,
    person: String,
    name: Option<String>,
    entries: usize,
    joins: usize,
    first_joined_at: Option<i64>,
    last_left_at: Option<i64>,
    attended_ms: i64,
    share: Option<f64>,
    is_present: bool,
}

struct Facts<'a> {
    seen: &'a [Seen],
    truths: Vec<SessionTruth>,
    attended: Vec<Visit>,
    /// By session: moments at which the number of people there changes, and that number.
    present: Vec<Vec<(i64, i64)>>,
}

/// What all views over the tables must say.
pub fn answers(seen: &[Seen], zone: Zone) -> Answers {
    let truths: Vec<_> = seen.iter().map(|seen| SessionTruth::of(&seen.session)).collect();
    let attended =
        seen.iter().zip(&truths).enumerate().flat_map(|(at, (seen, truth))| attended(at, seen, truth)).collect();
    let present = seen.iter().zip(&truths).map(|(seen, truth)| present(seen, truth)).collect();
    let facts = Facts { seen, truths, attended, present };
    BTreeMap::from([
        ("sessions", facts.sessions()),
        ("participants", facts.participants()),
        ("timelogs", facts.timelogs()),
        ("attendance", facts.attendance()),
        ("people", facts.people()),
        ("meetings", facts.meetings()),
        ("daily", facts.daily(zone)),
        ("presence", facts.presence()),
        ("concurrency", facts.concurrency(zone)),
        ("open_sessions", facts.open_sessions()),
        ("anomaly_counts", facts.anomaly_counts()),
    ])
}

fn text(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn name(entry: &Participant) -> Option<&str> {
    if let Name::Text(name) = &entry.name { text(Some(name)) } else { None }
}

/// Who an entry is: a name, else an id, else the entry itself.
fn person(session: &Session, index: usize) -> String {
    let entry = &session.participants[index];
    let key = name(entry).map(normal).filter(|key| !key.is_empty());
    match (key, text(entry.id.as_ref())) {
        (Some(key), _) if ["=", "#", "id:"].iter().any(|mark| key.starts_with(mark)) => format!("={key}"),
        (Some(key), _) => key.into_owned(),
        (None, Some(id)) => format!("id:{id}"),
        (None, None) => format!("#{}/{index}", session.id),
    }
}

/// Whom a seat is counted for: those with one id are one.
fn seat(session: &Session, index: usize) -> String {
    text(session.participants[index].id.as_ref()).map_or_else(|| format!("entry {index}"), |id| format!("id {id}"))
}

fn attended(at: usize, Seen { session, .. }: &Seen, truth: &SessionTruth) -> Vec<Visit> {
    let mut people: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for index in 0..session.participants.len() {
        people.entry(person(session, index)).or_default().push(index);
    }
    let of = |(person, entries): (String, Vec<usize>)| {
        let rows: Vec<_> = entries.iter().map(|index| &truth.participants[*index]).collect();
        let logs = rows.iter().flat_map(|row| &row.timelogs);
        let spans = logs.filter_map(|log| log.effective_started_at.zip(log.effective_ended_at)).collect();
        let attended_ms = union(spans).div_euclid(1000);
        let is_present = rows.iter().any(|row| row.is_present);
        let last_left_at = rows.iter().filter_map(|row| row.last_left_at).max();
        Visit {
            session: at,
            person,
            name: entries.iter().find_map(|index| name(&session.participants[*index])).map(str::to_owned),
            entries: entries.len(),
            joins: rows.iter().map(|row| row.join_count).sum(),
            first_joined_at: rows.iter().filter_map(|row| row.first_joined_at).min(),
            last_left_at: last_left_at.filter(|_| !is_present),
            attended_ms,
            share: truth.duration_ms.filter(|duration| *duration > 0).map(|duration| share(attended_ms, duration)),
            is_present,
        }
    };
    people.into_iter().map(of).collect()
}

#[allow(clippy::cast_precision_loss)] // far fewer than 2^52
fn share(part: i64, whole: i64) -> f64 {
    part as f64 / whole as f64
}

/// In billionths, so that the last bits of a sum make no difference.
#[allow(clippy::cast_possible_truncation)]
fn billionths(share: f64) -> i64 {
    (share * 1e9).round() as i64
}

/// How long at least one of these spans lasts.
fn union(mut spans: Vec<(i64, i64)>) -> i64 {
    spans.sort_unstable();
    let (mut covered, mut until) = (0, i64::MIN);
    for (start, end) in spans {
        covered += (end - start.max(until)).max(0);
        until = until.max(end);
    }
    covered
}

/// Who is in a running session, and has not left, is there from the join until the session was seen.
fn present(Seen { session, observed_at }: &Seen, truth: &SessionTruth) -> Vec<(i64, i64)> {
    let mut steps: BTreeMap<i64, Vec<(String, i64)>> = BTreeMap::new();
    for (index, (entry, row)) in session.participants.iter().zip(&truth.participants).enumerate() {
        for (log, counted) in entry.timelogs.iter().zip(&row.timelogs) {
            let closed = counted.effective_started_at.zip(counted.effective_ended_at);
            let is_there = truth.is_open && log.end.is_none() && !counted.anomalies.contains(&"left_open");
            let still = log.start.filter(|_| is_there).zip(*observed_at);
            let still = still.map(|(joined, seen)| (session.start.map_or(joined, |start| joined.max(start)), seen));
            for (since, until) in closed.into_iter().chain(still).filter(|(since, until)| since < until) {
                steps.entry(since).or_default().push((seat(session, index), 1));
                steps.entry(until).or_default().push((seat(session, index), -1));
            }
        }
    }
    let (mut seats, mut changes, mut last): (BTreeMap<String, i64>, _, _) = (BTreeMap::new(), Vec::new(), 0);
    for (moment, steps) in steps {
        for (seat, step) in steps {
            *seats.entry(seat).or_default() += step;
        }
        seats.retain(|_, times| *times > 0);
        let number = i64::try_from(seats.len()).unwrap();
        if number != last {
            changes.push((moment, number));
        }
        last = number;
    }
    changes
}

impl Facts<'_> {
    fn sessions(&self) -> Vec<String> {
        self.truths.iter().map(|truth| row([("session_id", json!(truth.id))])).collect()
    }

    fn participants(&self) -> Vec<String> {
        let of = |truth: &SessionTruth| {
            let id = json!(truth.id);
            (0..truth.participants.len())
                .map(|index| row([("session_id", id.clone()), ("participant_index", json!(index))]))
                .collect::<Vec<_>>()
        };
        self.truths.iter().flat_map(of).collect()
    }

    fn timelogs(&self) -> Vec<String> {
        let mut rows = Vec::new();
        for truth in &self.truths {
            for (index, entry) in truth.participants.iter().enumerate() {
                rows.extend((0..entry.timelogs.len()).map(|number| {
                    let (entry, number) = (("participant_index", json!(index)), ("timelog_index", json!(number)));
                    row([("session_id", json!(truth.id)), entry, number])
                }));
            }
        }
        rows
    }

    fn attendance(&self) -> Vec<String> {
        let of = |attended: &Visit| {
            let Session { id, meeting_id, start, end, .. } = &self.seen[attended.session].session;
            let apart = |from: Option<i64>, to: Option<i64>| from.zip(to).map(|(from, to)| (to - from).max(0) / 1000);
            row([
                ("session_id", json!(id)),
                ("meeting_id", json!(meeting_id)),
                ("session_started_at", json!(start)),
                ("session_ended_at", json!(end)),
                ("person", json!(attended.person)),
                ("name", json!(attended.name)),
                ("entries", json!(attended.entries)),
                ("joins", json!(attended.joins)),
                ("first_joined_at", json!(attended.first_joined_at)),
                ("last_left_at", json!(attended.last_left_at)),
                ("attended_ms", json!(attended.attended_ms)),
                ("attended_share", json!(attended.share.map(billionths))),
                ("late_ms", json!(apart(*start, attended.first_joined_at))),
                ("early_ms", json!(apart(attended.last_left_at, *end))),
                ("is_present", json!(attended.is_present)),
            ])
        };
        self.attended.iter().map(of).collect()
    }

    fn people(&self) -> Vec<String> {
        let mut people: BTreeMap<&str, Vec<&Visit>> = BTreeMap::new();
        for attended in &self.attended {
            people.entry(&attended.person).or_default().push(attended);
        }
        let mut names: BTreeMap<String, ((Option<i64>, &str, usize), &str)> = BTreeMap::new();
        for session in self.seen.iter().map(|seen| &seen.session) {
            for (index, entry) in session.participants.iter().enumerate() {
                let Some(name) = name(entry) else { continue };
                let listed = ((session.start, session.id.as_str(), index), name);
                let latest = names.entry(person(session, index)).or_insert(listed);
                *latest = listed.max(*latest);
            }
        }
        let of = |(person, rows): (&str, Vec<&Visit>)| {
            let meetings: BTreeSet<_> =
                rows.iter().filter_map(|row| self.seen[row.session].session.meeting_id.as_ref()).collect();
            let seen_at =
                |row: &&&Visit| if row.is_present { self.seen[row.session].observed_at } else { row.last_left_at };
            let shares: Vec<f64> = rows.iter().filter_map(|row| row.share).collect();
            let number = f64::from(u32::try_from(shares.len()).unwrap());
            let mean = (!shares.is_empty()).then(|| shares.iter().sum::<f64>() / number);
            row([
                ("person", json!(person)),
                ("name", json!(names.get(person).map(|(_, name)| name))),
                ("sessions", json!(rows.len())),
                ("meetings", json!(meetings.len())),
                ("attended_ms", json!(rows.iter().map(|row| row.attended_ms).sum::<i64>())),
                ("first_seen_at", json!(rows.iter().filter_map(|row| row.first_joined_at).min())),
                ("last_seen_at", json!(rows.iter().filter_map(|row| seen_at(&row)).max())),
                ("mean_share", json!(mean.map(billionths))),
            ])
        };
        people.into_iter().map(of).collect()
    }

    /// The sums over some sessions.
    fn sums(&self, sessions: &[usize]) -> Sums {
        let mut sums = Sums::default();
        for truth in sessions.iter().map(|session| &self.truths[*session]) {
            sums.duration_ms += truth.duration_ms.unwrap_or(0);
            sums.occupied_ms += truth.occupied_ms;
            sums.peak = sums.peak.max(truth.peak_participants);
        }
        let mut persons = BTreeSet::new();
        // Rows stand by session.
        for session in sessions {
            let first = self.attended.partition_point(|row| row.session < *session);
            for row in self.attended[first..].iter().take_while(|row| row.session == *session) {
                persons.insert(&row.person);
                sums.attended_ms += row.attended_ms;
            }
        }
        sums.persons = persons.len();
        sums
    }

    fn meetings(&self) -> Vec<String> {
        let of = |(meeting, sessions): (Option<&String>, Vec<usize>)| {
            let starts = || sessions.iter().filter_map(|session| self.seen[*session].session.start);
            let Sums { duration_ms, occupied_ms, attended_ms, persons, peak } = self.sums(&sessions);
            row([
                ("meeting_id", json!(meeting)),
                ("sessions", json!(sessions.len())),
                ("first_started_at", json!(starts().min())),
                ("last_started_at", json!(starts().max())),
                ("duration_ms", json!(duration_ms)),
                ("occupied_ms", json!(occupied_ms)),
                ("attended_ms", json!(attended_ms)),
                ("persons", json!(persons)),
                ("peak", json!(peak)),
            ])
        };
        self.by(|session| session.meeting_id.as_ref()).into_iter().map(of).collect()
    }

    fn daily(&self, zone: Zone) -> Vec<String> {
        let of = |(day, sessions): (Option<String>, Vec<usize>)| {
            let meeting = |session: &usize| self.seen[*session].session.meeting_id.as_ref();
            let meetings: BTreeSet<_> = sessions.iter().filter_map(meeting).collect();
            let Sums { duration_ms, occupied_ms, attended_ms, persons, peak } = self.sums(&sessions);
            row([
                ("day", json!(day)),
                ("sessions", json!(sessions.len())),
                ("meetings", json!(meetings.len())),
                ("persons", json!(persons)),
                ("duration_ms", json!(duration_ms)),
                ("occupied_ms", json!(occupied_ms)),
                ("attended_ms", json!(attended_ms)),
                ("peak", json!(peak)),
            ])
        };
        self.by(|session| session.start.map(|start| zone.day(start))).into_iter().map(of).collect()
    }

    fn by<'a, K: Ord>(&'a self, key: impl Fn(&'a Session) -> K) -> BTreeMap<K, Vec<usize>> {
        let mut groups: BTreeMap<K, Vec<usize>> = BTreeMap::new();
        for (at, seen) in self.seen.iter().enumerate() {
            groups.entry(key(&seen.session)).or_default().push(at);
        }
        groups
    }

    fn presence(&self) -> Vec<String> {
        let of = |(seen, changes): (&Seen, &Vec<(i64, i64)>)| {
            let [id, meeting] = [json!(seen.session.id), json!(seen.session.meeting_id)];
            let change = |(moment, number): &(i64, i64)| {
                let (changed_at, present) = (("changed_at", json!(moment)), ("present", json!(number)));
                row([("session_id", id.clone()), ("meeting_id", meeting.clone()), changed_at, present])
            };
            changes.iter().map(change).collect::<Vec<_>>()
        };
        self.seen.iter().zip(&self.present).flat_map(of).collect()
    }

    fn concurrency(&self, zone: Zone) -> Vec<String> {
        let mut hours: BTreeMap<i64, (usize, i64)> = BTreeMap::new();
        for Seen { session, observed_at } in self.seen {
            if let Some((start, end)) = session.start.zip(session.end.or(*observed_at)) {
                let running = if start < end { zone.hours(start, end) } else { Vec::new() };
                for hour in running {
                    hours.entry(hour).or_default().0 += 1;
                }
            }
        }
        let mut steps: BTreeMap<i64, i64> = BTreeMap::new();
        for changes in &self.present {
            let mut last = 0;
            for (moment, number) in changes {
                *steps.entry(*moment).or_default() += number - last;
                last = *number;
            }
        }
        let mut present = 0;
        let ends = steps.keys().copied().skip(1).collect::<Vec<_>>();
        for ((since, step), until) in steps.iter().zip(ends) {
            present += step;
            let there = if present > 0 { zone.hours(*since, until) } else { Vec::new() };
            for hour in there {
                let peak = &mut hours.entry(hour).or_default().1;
                *peak = present.max(*peak);
            }
        }
        let of = |(hour, (sessions, peak)): (i64, (usize, i64))| {
            row([("hour", json!(hour)), ("sessions", json!(sessions)), ("peak_present", json!(peak))])
        };
        hours.into_iter().map(of).collect()
    }

    fn open_sessions(&self) -> Vec<String> {
        let of = |(Seen { session, observed_at }, truth): (&Seen, &SessionTruth)| {
            let there = truth.participants.iter().enumerate().filter(|(_, row)| row.is_present);
            let seats: BTreeSet<_> = there.map(|(index, _)| seat(session, index)).collect();
            row([
                ("session_id", json!(session.id)),
                ("meeting_id", json!(session.meeting_id)),
                ("started_at", json!(session.start)),
                ("observed_at", json!(observed_at)),
                ("present", json!(seats.len())),
            ])
        };
        self.seen.iter().zip(&self.truths).filter(|(_, truth)| truth.is_open).map(of).collect()
    }

    fn anomaly_counts(&self) -> Vec<String> {
        let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        let mut count = |table, anomalies: &[&'static str]| {
            for anomaly in anomalies {
                *counts.entry((table, anomaly)).or_default() += 1;
            }
        };
        for truth in &self.truths {
            count("sessions", &truth.anomalies);
            for entry in &truth.participants {
                count("participants", &entry.anomalies);
                for log in &entry.timelogs {
                    count("timelogs", &log.anomalies);
                }
            }
        }
        let of = |((table, anomaly), rows): ((&str, &str), usize)| {
            row([("table_name", json!(table)), ("anomaly", json!(anomaly)), ("rows", json!(rows))])
        };
        counts.into_iter().map(of).collect()
    }
}

#[derive(Default)]
struct Sums {
    duration_ms: i64,
    occupied_ms: i64,
    attended_ms: i64,
    persons: usize,
    peak: usize,
}
