//! The sessions that are drawn with everyone who was there: the ones asked for, else the busiest.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::attended::{Attendance, Session};
use super::numbers::{Row, Timeline};
use crate::rows::attendance::Span;

/// Sessions that are drawn where none are asked for.
const BUSIEST: usize = 3;
/// Persons that are drawn of a session, those who were there longest.
const PERSONS: usize = 25;
/// Spans, and joins, that are drawn of a person.
const SPANS: usize = 200;

/// The sessions to be drawn, so far.
pub struct Timelines {
    /// The ids that were asked for, without those that were found.
    wanted: Vec<String>,
    wants_busiest: bool,
    found: BTreeMap<(Reverse<i64>, String), Timeline>,
}

impl Timelines {
    /// None yet.
    pub fn new(wanted: &[String]) -> Self {
        Self { wanted: wanted.to_vec(), wants_busiest: wanted.is_empty(), found: BTreeMap::new() }
    }

    /// Keeps a session if it is to be drawn.
    pub fn add(&mut self, session: &Session<'_>, attended_ms: i64, persons: Vec<Attendance<'_>>) {
        if self.wants_busiest {
            let last = self.found.keys().next_back().filter(|_| self.found.len() >= BUSIEST);
            let (Reverse(lowest), _) = last.cloned().unwrap_or((Reverse(0), String::new()));
            if attended_ms <= lowest {
                return;
            }
        } else {
            let Some(place) = self.wanted.iter().position(|id| id == session.id) else { return };
            self.wanted.swap_remove(place);
        }
        if let Some(timeline) = timeline(session, attended_ms, persons) {
            self.found.insert((Reverse(attended_ms), session.id.to_owned()), timeline);
        }
        if self.wants_busiest && self.found.len() > BUSIEST {
            self.found.pop_last();
        }
    }

    /// The sessions, the busiest first, and the ids that were asked for and not found.
    pub fn finish(self) -> (Vec<Timeline>, Vec<String>) {
        (self.found.into_values().collect(), self.wanted)
    }
}

/// `None` where nothing says when the session was.
fn timeline(session: &Session<'_>, attended_ms: i64, mut persons: Vec<Attendance<'_>>) -> Option<Timeline> {
    let all = persons.iter().flat_map(|person| person.spans.iter());
    let (first, last) = all.fold((None, None), |(first, last): (Option<i64>, Option<i64>), span| {
        (first.into_iter().chain([span.start]).min(), last.max(Some(span.end)))
    });
    let start = session.start.or(first)?;
    let end = session.end.or(session.observed_at).max(last).unwrap_or(start);
    let span = Span { start, end: end.max(start.saturating_add(60_000_000)) };
    persons.sort_by_key(|person| Reverse(person.attended_ms));
    let more = persons.len().saturating_sub(PERSONS);
    persons.truncate(PERSONS);
    persons.sort_by_key(|person| (person.first_joined_at.is_none(), person.first_joined_at));
    Some(Timeline {
        id: session.id.to_owned(),
        meeting: session.meeting.map(ToOwned::to_owned),
        span,
        is_open: session.is_open,
        peak: session.peak,
        attended_ms,
        rows: persons.into_iter().map(row).collect(),
        more,
    })
}

fn row(person: Attendance<'_>) -> Row {
    let Attendance { name, mut spans, mut joined, present_since, joins, attended_ms, .. } = person;
    spans.truncate(SPANS);
    joined.truncate(SPANS);
    Row {
        name: name.map(ToOwned::to_owned),
        spans,
        joined,
        present_since,
        joins,
        attended_ms,
        first_joined_at: person.first_joined_at,
        last_left_at: person.last_left_at,
    }
}
