//! What the tables must say of given sessions: the rules of the dataset, computed slowly and plainly.
//!
//! For tests only, and on purpose independent of the code under test. It takes no shortcut: every rule is a line of its
//! own, and time is walked from one coming or going to the next.

use std::collections::{BTreeMap, BTreeSet};

use self::spans::Span;
use super::session::{Participant, Session, Timelog};

mod spans;

/// A session's row, with those below it. Times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionTruth {
    /// `session_id`: the id as it was listed.
    pub id: String,
    /// The month of its start, `2026-11`, and `1970-01` without one: its partition.
    pub month: String,
    /// `duration_ms`: end less start; `None` where one is missing, or the end comes first.
    pub duration_ms: Option<i64>,
    /// `occupied_ms`: time with at least one person there, within the session.
    pub occupied_ms: i64,
    /// `total_attended_ms`: the sum of `attended_ms` over the entries.
    pub total_attended_ms: i64,
    /// `peak_participants`: most persons at one moment, those with one id being one.
    pub peak_participants: usize,
    /// `participant_count`: entries as listed.
    pub participant_count: usize,
    /// `timelog_count`: timelogs as listed, over all entries.
    pub timelog_count: usize,
    /// `is_open`: whether it has no end.
    pub is_open: bool,
    /// `anomalies`: its own and those of all its entries, sorted, each once.
    pub anomalies: Vec<&'static str>,
    /// Its rows in `participants`, in their order.
    pub participants: Vec<ParticipantTruth>,
}

/// The row of an entry in a session's participants. Times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParticipantTruth {
    /// `first_joined_at`: the earliest join of its spans, and of whoever is present.
    pub first_joined_at: Option<i64>,
    /// `last_left_at`: the latest leave; `None` while the entry is present.
    pub last_left_at: Option<i64>,
    /// `join_count`: its timelogs as listed.
    pub join_count: usize,
    /// `attended_ms`: the union of its spans, within the session.
    pub attended_ms: i64,
    /// `gross_ms`: the plain sum of its spans, not cut to the session.
    pub gross_ms: i64,
    /// `is_present`: whether somebody is there by this entry, in a running session.
    pub is_present: bool,
    /// `anomalies`: its own and those of its timelogs, sorted, each once.
    pub anomalies: Vec<&'static str>,
    /// Its rows in `timelogs`, in their order.
    pub timelogs: Vec<TimelogTruth>,
}

/// The row of a timelog. Times in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelogTruth {
    /// `duration_ms`: leave less join; `None` where one is missing, or the leave comes first.
    pub duration_ms: Option<i64>,
    /// `effective_started_at`: where the part begins that counts; `None` where nothing does.
    pub effective_started_at: Option<i64>,
    /// `effective_ended_at`: where that part ends.
    pub effective_ended_at: Option<i64>,
    /// `is_open`: whether it has no leave.
    pub is_open: bool,
    /// `anomalies`: its own, sorted, each once.
    pub anomalies: Vec<&'static str>,
}

/// Sums over many sessions, in the units of the columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows of `sessions`, one a session.
    pub sessions: u64,
    /// Rows of `participants`, one an entry.
    pub participants: u64,
    /// Rows of `timelogs`, one an interval.
    pub timelogs: u64,
    /// Sessions that are still running (`is_open`).
    pub open_sessions: u64,
    /// The sum of `sessions.duration_ms`, nulls as 0.
    pub session_duration_ms: i64,
    /// The sum of `sessions.occupied_ms`.
    pub occupied_ms: i64,
    /// Sum of `sessions.total_attended_ms`, which is the sum of `participants.attended_ms`.
    pub attended_ms: i64,
    /// The sum of `participants.gross_ms`.
    pub gross_ms: i64,
    /// The sum of `timelogs.duration_ms`, nulls as 0.
    pub timelog_duration_ms: i64,
    /// Sessions by month, as in [`SessionTruth::month`].
    pub months: BTreeMap<String, u64>,
}

impl Totals {
    /// The sums over these sessions.
    pub fn of(sessions: impl IntoIterator<Item = Session>) -> Self {
        let mut totals = Self::default();
        for session in sessions {
            totals.add(&SessionTruth::of(&session));
        }
        totals
    }

    fn add(&mut self, session: &SessionTruth) {
        let logs = || session.participants.iter().flat_map(|participant| &participant.timelogs);
        self.sessions += 1;
        self.participants += session.participants.len() as u64;
        self.timelogs += logs().count() as u64;
        self.open_sessions += u64::from(session.is_open);
        self.session_duration_ms += session.duration_ms.unwrap_or(0);
        self.occupied_ms += session.occupied_ms;
        self.attended_ms += session.total_attended_ms;
        self.gross_ms += session.participants.iter().map(|participant| participant.gross_ms).sum::<i64>();
        self.timelog_duration_ms += logs().filter_map(|log| log.duration_ms).sum::<i64>();
        *self.months.entry(session.month.clone()).or_default() += 1;
    }
}

/// Where the session begins and ends, as far as spans are cut there.
#[derive(Debug, Clone, Copy)]
struct Frame {
    start: Option<i64>,
    end: Option<i64>,
    /// The end that open timelogs of an ended session run to at most.
    ended: Option<i64>,
}

impl Frame {
    fn of(session: &Session) -> Self {
        let backwards = runs_backwards(session.start, session.end);
        Self { start: session.start, end: session.end.filter(|_| !backwards), ended: session.end }
    }

    fn cut(&self, span: Span) -> Span {
        let later = |moment: i64, limit: Option<i64>| limit.map_or(moment, |limit| moment.max(limit));
        let earlier = |moment: i64| self.end.map_or(moment, |limit| moment.min(limit));
        Span { from: later(span.from, self.start), to: span.to.map(earlier) }
    }
}

/// What one timelog comes to: its row, and its span if it has one.
struct Stay {
    /// As it counts before cutting: closed in time, by a later join, or by the session's end.
    span: Option<Span>,
    /// Somebody who is still there, from then on.
    present_since: Option<i64>,
    present: bool,
    row: TimelogTruth,
}

impl SessionTruth {
    /// What the tables must say of this session.
    pub fn of(session: &Session) -> Self {
        let frame = Frame::of(session);
        let mut anomalies = BTreeSet::new();
        if runs_backwards(session.start, session.end) {
            anomalies.insert("end_before_start");
        }
        let stays: Vec<Vec<Stay>> =
            (0..session.participants.len()).map(|entry| stays(&frame, session, entry)).collect();
        let mut participants = Vec::new();
        for (entry, stays) in session.participants.iter().zip(&stays) {
            let row = participant(&frame, stays, is_repeated(entry, &session.participants));
            anomalies.extend(row.anomalies.iter().copied());
            participants.push(row);
        }
        let counted: Vec<Span> = stays.iter().flatten().filter_map(|stay| counted(&frame, stay)).collect();
        Self {
            id: session.id.clone(),
            month: month(session.start),
            duration_ms: length_ms(session.start, session.end),
            occupied_ms: floor_ms(spans::union(&counted)),
            total_attended_ms: participants.iter().map(|participant| participant.attended_ms).sum(),
            peak_participants: peak(&frame, session, &stays),
            participant_count: participants.len(),
            timelog_count: participants.iter().map(|participant| participant.join_count).sum(),
            is_open: session.end.is_none(),
            anomalies: anomalies.into_iter().collect(),
            participants,
        }
    }
}

fn participant(frame: &Frame, stays: &[Stay], repeated: bool) -> ParticipantTruth {
    let spans: Vec<Span> = stays.iter().filter_map(|stay| stay.span).collect();
    let counted: Vec<Span> = stays.iter().filter_map(|stay| counted(frame, stay)).collect();
    let is_present = stays.iter().any(|stay| stay.present);
    let joins = spans.iter().map(|span| span.from).chain(stays.iter().filter_map(|stay| stay.present_since));
    let leaves = spans.iter().filter_map(|span| span.to);
    let mut anomalies: BTreeSet<_> = stays.iter().flat_map(|stay| stay.row.anomalies.iter().copied()).collect();
    if spans::union(&counted) < counted.iter().map(|span| span.length()).sum() {
        anomalies.insert("overlap");
    }
    if repeated {
        anomalies.insert("repeated_participant");
    }
    ParticipantTruth {
        first_joined_at: joins.min(),
        last_left_at: if is_present { None } else { leaves.max() },
        join_count: stays.len(),
        attended_ms: floor_ms(spans::union(&counted)),
        gross_ms: floor_ms(spans.iter().map(|span| span.length()).sum()),
        is_present,
        anomalies: anomalies.into_iter().collect(),
        timelogs: stays.iter().map(|stay| stay.row.clone()).collect(),
    }
}

fn stays(frame: &Frame, session: &Session, entry: usize) -> Vec<Stay> {
    let stay = |log: &Timelog| stay(frame, *log, joined_again(session, entry, log.start));
    session.participants[entry].timelogs.iter().map(stay).collect()
}

/// When whoever an entry is of joined again: the earliest join after `since` in any entry with its id, or in the entry
/// itself if it has none. Every join comes after one of which nobody knows when it was.
fn joined_again(session: &Session, entry: usize, since: Option<i64>) -> Option<i64> {
    let own = &session.participants[entry];
    let mut joins = BTreeSet::new();
    for (other, participant) in session.participants.iter().enumerate() {
        let is_the_same = if id(own).is_some() { id(participant) == id(own) } else { other == entry };
        if !is_the_same {
            continue;
        }
        for log in &participant.timelogs {
            match log.start {
                Some(start) if !runs_backwards(log.start, log.end) => joins.insert(start),
                _ => false,
            };
        }
    }
    joins.into_iter().find(|join| since.is_none_or(|since| *join > since))
}

fn stay(frame: &Frame, log: Timelog, again: Option<i64>) -> Stay {
    let mut anomalies = BTreeSet::new();
    let running = frame.ended.is_none();
    if log.start.is_none() {
        anomalies.insert("no_start");
    }
    if log.end.is_none() && !running {
        anomalies.insert("open_in_ended_session");
    }
    if runs_backwards(log.start, log.end) {
        anomalies.insert("end_before_start");
    }
    let left = match (again, frame.ended) {
        (Some(again), Some(ended)) if again > ended => Some(ended),
        (Some(again), _) => Some(again),
        (None, ended) => ended,
    };
    if running && log.start.is_some() && log.end.is_none() && again.is_some() {
        anomalies.insert("left_open");
    }
    // An open timelog that begins after its session's end runs backwards too, and is nothing as well.
    let end = log.end.or(left);
    let span = log.start.zip(end).filter(|(from, to)| from <= to).map(|(from, to)| Span { from, to: Some(to) });
    if span.is_some_and(|span| frame.cut(span) != span) {
        anomalies.insert("outside_session");
    }
    let present = running && log.end.is_none() && again.is_none();
    let effective = span.map(|span| frame.cut(span)).filter(|span| span.length() > 0);
    let row = TimelogTruth {
        duration_ms: length_ms(log.start, log.end),
        effective_started_at: effective.map(|span| span.from),
        effective_ended_at: effective.and_then(|span| span.to),
        is_open: log.end.is_none(),
        anomalies: anomalies.into_iter().collect(),
    };
    Stay { span, present_since: log.start.filter(|_| present), present, row }
}

/// The part of a stay that counts, if any does.
fn counted(frame: &Frame, stay: &Stay) -> Option<Span> {
    stay.span.map(|span| frame.cut(span)).filter(|span| span.length() > 0)
}

/// Those with the same id are one person; an entry without one is a person of its own.
fn peak(frame: &Frame, session: &Session, stays: &[Vec<Stay>]) -> usize {
    let mut people: BTreeMap<&str, usize> = BTreeMap::new();
    let mut there = Vec::new();
    for (index, (entry, stays)) in session.participants.iter().zip(stays).enumerate() {
        let person = id(entry).map_or(index, |id| *people.entry(id).or_insert(index));
        for stay in stays {
            let still = stay.present_since.map(|from| frame.cut(Span { from, to: None }));
            there.extend(counted(frame, stay).into_iter().chain(still).map(|span| (person, span)));
        }
    }
    spans::peak(there.into_iter())
}

fn is_repeated(entry: &Participant, all: &[Participant]) -> bool {
    id(entry).is_some() && all.iter().filter(|other| id(other) == id(entry)).count() > 1
}

/// The id of an entry, if it has one: an empty text is none.
fn id(entry: &Participant) -> Option<&str> {
    entry.id.as_deref().filter(|id| !id.is_empty())
}

fn length_ms(start: Option<i64>, end: Option<i64>) -> Option<i64> {
    start.zip(end).filter(|(start, end)| start <= end).map(|(start, end)| floor_ms(end - start))
}

fn runs_backwards(start: Option<i64>, end: Option<i64>) -> bool {
    start.zip(end).is_some_and(|(start, end)| end < start)
}

const fn floor_ms(micros: i64) -> i64 {
    micros.div_euclid(1000)
}

fn month(start: Option<i64>) -> String {
    let start = chrono::DateTime::from_timestamp_micros(start.unwrap_or(0)).unwrap_or_default();
    start.format("%Y-%m").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::account::{Account, Shape};
    use crate::sim::session::Name;

    /// So many milliseconds in microseconds.
    const fn ms(milliseconds: i64) -> i64 {
        milliseconds * 1000
    }

    fn log(start: impl Into<Option<i64>>, end: impl Into<Option<i64>>) -> Timelog {
        Timelog { start: start.into().map(ms), end: end.into().map(ms) }
    }

    fn person(id: &str, timelogs: &[Timelog]) -> Participant {
        Participant { id: Some(id.to_owned()), name: Name::Null, timelogs: timelogs.to_vec() }
    }

    fn truth(start: impl Into<Option<i64>>, end: impl Into<Option<i64>>, people: &[Participant]) -> SessionTruth {
        let Timelog { start, end } = log(start, end);
        let mut session = Account::new(1, 1, Shape::Plain).session(0);
        (session.start, session.end, session.participants) = (start, end, people.to_vec());
        SessionTruth::of(&session)
    }

    #[test]
    fn rejoins_and_overlaps_are_counted_once() {
        let ann = person("ann", &[log(0, 100), log(50, 200), log(300, 400)]);
        let truth = truth(0, 1000, &[ann, person("bob", &[log(350, 450)])]);
        let ann = &truth.participants[0];
        assert_eq!((ann.attended_ms, ann.gross_ms, ann.join_count), (300, 350, 3));
        assert_eq!((ann.first_joined_at, ann.last_left_at), (Some(0), Some(ms(400))));
        assert_eq!(ann.anomalies, ["overlap"]);
        assert_eq!((truth.occupied_ms, truth.total_attended_ms, truth.peak_participants), (350, 400, 2));
        assert_eq!((truth.duration_ms, truth.participant_count, truth.timelog_count), (Some(1000), 2, 4));
        assert_eq!(truth.anomalies, ["overlap"]);
        assert!(truth.participants[1].anomalies.is_empty() && !truth.is_open);
    }

    #[test]
    fn spans_are_cut_at_the_session() {
        let truth = truth(100, 200, &[person("ann", &[log(50, 150), log(190, 260), log(300, 400)])]);
        let ann = &truth.participants[0];
        assert_eq!((ann.attended_ms, ann.gross_ms), (60, 270));
        assert_eq!((ann.first_joined_at, ann.last_left_at), (Some(ms(50)), Some(ms(400))));
        let effective =
            |index: usize| (ann.timelogs[index].effective_started_at, ann.timelogs[index].effective_ended_at);
        assert_eq!(effective(0), (Some(ms(100)), Some(ms(150))));
        assert_eq!(effective(1), (Some(ms(190)), Some(ms(200))));
        assert_eq!(effective(2), (None, None));
        assert_eq!(truth.anomalies, ["outside_session"]);
    }

    #[test]
    fn an_open_end_in_an_ended_session_is_the_sessions() {
        let truth = truth(0, 100, &[person("ann", &[log(40, None)]), person("bob", &[log(140, None)])]);
        let (ann, bob) = (&truth.participants[0], &truth.participants[1]);
        assert_eq!((ann.attended_ms, ann.gross_ms, ann.last_left_at, ann.is_present), (60, 60, Some(ms(100)), false));
        assert_eq!((ann.timelogs[0].duration_ms, ann.timelogs[0].is_open), (None, true));
        assert_eq!(ann.timelogs[0].effective_ended_at, Some(ms(100)));
        assert_eq!((bob.gross_ms, bob.first_joined_at, &*bob.anomalies), (0, None, &["open_in_ended_session"][..]));
        assert_eq!(truth.peak_participants, 1);
    }

    #[test]
    fn whoever_joins_again_has_left() {
        // Up to the next join in whatever entry, by that or by the session's end.
        let ann = person("ann", &[log(0, None), log(41, 68), log(60, None)]);
        let truth_of =
            truth(0, 100, &[ann, person("ann", &[log(90, None), log(95, 92)]), person("bob", &[log(5, None)])]);
        let [first, second, bob] = &truth_of.participants[..] else { panic!("{truth_of:?}") };
        let ends = |one: &ParticipantTruth| one.timelogs.iter().map(|log| log.effective_ended_at).collect::<Vec<_>>();
        assert_eq!(ends(first), [Some(ms(41)), Some(ms(68)), Some(ms(90))]);
        assert_eq!((ends(second), ends(bob)), (vec![Some(ms(100)), None], vec![Some(ms(100))]));
        assert_eq!((first.attended_ms, second.attended_ms, first.last_left_at), (90, 10, Some(ms(90))));
        // Of those who are still there the latest join counts, of two at one moment both.
        let ann = person("ann", &[log(0, None), log(10, 20)]);
        let twins = [person("bob", &[log(5, None)]), person("bob", &[log(1, None), log(5, None)])];
        let truth_of = truth(0, None, &[ann, twins[0].clone(), twins[1].clone()]);
        let [ann, one, other] = &truth_of.participants[..] else { panic!("{truth_of:?}") };
        assert_eq!((ann.attended_ms, ann.is_present, ann.last_left_at), (20, false, Some(ms(20))));
        assert_eq!((one.attended_ms, one.is_present, other.attended_ms, other.is_present), (0, true, 4, true));
        assert_eq!((&ann.anomalies[..], truth_of.peak_participants), (&["left_open"][..], 2));
    }

    #[test]
    fn in_a_running_session_the_closed_part_counts() {
        let ann = person("ann", &[log(10, 60), log(80, None)]);
        let truth = truth(20, None, &[ann, person("bob", &[log(90, 95)])]);
        let ann = &truth.participants[0];
        assert_eq!((ann.attended_ms, ann.gross_ms, ann.is_present, ann.last_left_at), (40, 50, true, None));
        assert_eq!((truth.is_open, truth.duration_ms, truth.occupied_ms, truth.peak_participants), (true, None, 45, 2));
        assert_eq!(ann.timelogs[1].effective_started_at, None);
        assert_eq!(truth.anomalies, ["outside_session"]);
    }

    #[test]
    fn what_makes_no_sense_counts_for_nothing() {
        let truth = truth(0, 100, &[person("ann", &[log(None, 50), log(60, 40), log(70, 70)])]);
        let ann = &truth.participants[0];
        assert_eq!((ann.attended_ms, ann.gross_ms, truth.peak_participants), (0, 0, 0));
        assert_eq!((ann.first_joined_at, ann.last_left_at), (Some(ms(70)), Some(ms(70))));
        assert_eq!(ann.anomalies, ["end_before_start", "no_start"]);
        let durations: Vec<_> = ann.timelogs.iter().map(|log| log.duration_ms).collect();
        assert_eq!(durations, [None, None, Some(0)]);
    }

    #[test]
    fn a_session_that_ends_before_it_starts_cuts_only_at_its_start() {
        let truth = truth(100, 50, &[person("ann", &[log(80, 200)])]);
        assert_eq!((truth.duration_ms, truth.occupied_ms, truth.is_open), (None, 100, false));
        assert_eq!(truth.anomalies, ["end_before_start", "outside_session"]);
    }

    #[test]
    fn the_same_id_is_one_person_at_a_time() {
        let nobody = Participant { id: None, name: Name::Missing, timelogs: vec![log(0, 50)] };
        let people = [person("ann", &[log(0, 50)]), person("ann", &[log(20, 80)]), nobody.clone(), nobody];
        let truth = truth(0, 100, &people);
        assert_eq!((truth.peak_participants, truth.participant_count, truth.total_attended_ms), (3, 4, 210));
        assert_eq!(truth.anomalies, ["repeated_participant"]);
        assert!(truth.participants[2].anomalies.is_empty());
    }

    #[test]
    fn a_missing_start_belongs_to_the_first_month() {
        let truth = truth(None, 100, &[person("ann", &[log(-50, 120)])]);
        assert_eq!((&*truth.month, truth.duration_ms, truth.occupied_ms), ("1970-01", None, 150));
        assert_eq!(SessionTruth::of(&Account::new(1, 1, Shape::Plain).session(0)).month, "2026-11");
    }

    #[test]
    fn totals_add_up() {
        let account = Account::new(1, 5000, Shape::Realistic);
        let totals = Totals::of(account.sessions());
        assert_eq!((totals.sessions, totals.months.values().sum::<u64>()), (5000, 5000));
        let participants: usize = account.sessions().map(|session| session.participants.len()).sum();
        assert_eq!(totals.participants, participants as u64);
        assert!(totals.open_sessions > 0 && totals.occupied_ms < totals.session_duration_ms * 2);
        assert!(totals.attended_ms <= totals.gross_ms && totals.occupied_ms <= totals.attended_ms);
    }
}
