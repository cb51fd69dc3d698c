//! What the report shows, as values: no text of the page and no shape of a chart is decided here.
//!
//! Where a view of `rollbook views` has a number of the same name, it means the same.

use super::spread::Spread;
use crate::rows::attendance::Span;

/// All numbers of a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Numbers {
    /// The sessions together.
    pub all: Day,
    /// How many had not ended when they were last seen.
    pub open: u64,
    /// How many had nobody in them at any time.
    pub empty: u64,
    /// The first and the last start, in microseconds.
    pub starts: Option<(i64, i64)>,
    /// By day of the sessions' starts, in order; sessions without a start come first, on no day.
    pub daily: Vec<(Option<i32>, Day)>,
    /// When people were there.
    pub week: Week,
    /// How long somebody was there in a session.
    pub active: Spread,
    /// How late persons came to a session.
    pub late: Spread,
    /// How early persons left a session.
    pub early: Spread,
    /// The meetings with the most attended time, the most first.
    pub meetings: Vec<Meeting>,
    /// The persons who attended most, the most first.
    pub people: Vec<Person>,
    /// Sessions with everyone who was there.
    pub timelines: Vec<Timeline>,
    /// Ids of sessions that were asked for and are not among those counted.
    pub missing: Vec<String>,
    /// Sessions that had not ended when they were last seen; the latest first, some of them only where there are many.
    pub running: Vec<Running>,
    /// How many rows of which table have which anomaly.
    pub anomalies: Vec<(&'static str, String, u64)>,
}

/// What sessions of one day, or all, come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Day {
    /// How many sessions.
    pub sessions: u64,
    /// How many different meetings they are of.
    pub meetings: u64,
    /// How many different persons were listed.
    pub persons: u64,
    /// Their length in milliseconds; a session that runs has none.
    pub duration_ms: i64,
    /// Milliseconds with somebody there.
    pub occupied_ms: i64,
    /// Milliseconds of all persons.
    pub attended_ms: i64,
    /// Most people at one moment of one session.
    pub peak: i32,
}

/// Attended time by the hour of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Week {
    /// Microseconds of all persons, by day of the week from Monday on, and by hour of the day.
    pub attended: [[i64; 24]; 7],
    /// How many days with sessions there are of each day of the week.
    pub days: [u64; 7],
}

impl Week {
    /// How many people are there on average in an hour of a day that has sessions.
    #[allow(clippy::cast_precision_loss, reason = "it is rounded for the page")]
    pub fn present(&self, weekday: usize, hour: usize) -> f64 {
        self.attended[weekday][hour] as f64 / 3.6e9 / self.days[weekday].max(1) as f64
    }
}

/// A meeting: a row of the view `meetings`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Meeting {
    /// Its id.
    pub id: String,
    /// How many sessions it had.
    pub sessions: u64,
    /// How many different persons were listed in them.
    pub persons: u64,
    /// The first start in microseconds.
    pub first_started_at: Option<i64>,
    /// The last start in microseconds.
    pub last_started_at: Option<i64>,
    /// The length of its sessions in milliseconds.
    pub duration_ms: i64,
    /// Milliseconds with somebody there.
    pub occupied_ms: i64,
    /// Milliseconds of all persons.
    pub attended_ms: i64,
    /// Most people at one moment of one session.
    pub peak: i32,
}

/// A person: a row of the view `people`.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(clippy::struct_field_names, reason = "as the view names it")]
pub struct Person {
    /// The key.
    pub person: String,
    /// The name that was used last.
    pub name: Option<String>,
    /// How many sessions the person is listed in.
    pub sessions: u64,
    /// Milliseconds in all sessions.
    pub attended_ms: i64,
    /// The earliest join in microseconds.
    pub first_seen_at: Option<i64>,
    /// The latest leave in microseconds; of who is there now, when that was seen.
    pub last_seen_at: Option<i64>,
    /// The mean of the shares of the sessions' lengths.
    pub mean_share: Option<f64>,
}

/// A session with everyone who was there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timeline {
    /// The session's id.
    pub id: String,
    /// The meeting that it is a session of.
    pub meeting: Option<String>,
    /// From when to when it is drawn, in microseconds.
    pub span: Span,
    /// Whether it had not ended when it was last seen.
    pub is_open: bool,
    /// Most people at one moment.
    pub peak: i32,
    /// Milliseconds of all persons.
    pub attended_ms: i64,
    /// Persons in the order in which they came.
    pub rows: Vec<Row>,
    /// How many persons more there were.
    pub more: usize,
}

/// One person in a timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The name, if there is one.
    pub name: Option<String>,
    /// When the person was there, in order.
    pub spans: Vec<Span>,
    /// When the person joined, in order.
    pub joined: Vec<i64>,
    /// Since when the person is there, where that goes on.
    pub present_since: Option<i64>,
    /// Joins as listed.
    pub joins: i64,
    /// Milliseconds of the spans.
    pub attended_ms: i64,
    /// The earliest join in microseconds.
    pub first_joined_at: Option<i64>,
    /// The latest leave in microseconds; `None` while present.
    pub last_left_at: Option<i64>,
}

/// A session that had not ended when it was last seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// The session's id.
    pub id: String,
    /// The meeting that it is a session of.
    pub meeting: Option<String>,
    /// Start in microseconds.
    pub started_at: Option<i64>,
    /// When it was last seen, in microseconds.
    pub observed_at: Option<i64>,
    /// How many persons were there then.
    pub present: u64,
}
