//! A session as the simulated API knows it.

/// One session of a simulated account. Times are microseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// 24 hexadecimal digits: `6afd590d973e2975b9ec5f86`.
    pub id: String,
    /// `abcd-efgh-ijkl`; `None`: the field is missing.
    pub meeting_id: Option<String>,
    /// `None`: the field is missing.
    pub start: Option<i64>,
    /// `None` while the session is running.
    pub end: Option<i64>,
    /// `None`: the field is missing.
    pub chat_link: Option<String>,
    /// `activeDuration` as the API reports it; nobody knows its unit.
    pub active_duration: f64,
    /// Entries of the list of participants, in the order in which they are listed.
    pub participants: Vec<Participant>,
}

/// One entry of a session's participants.
#[derive(Debug, Clone, PartialEq)]
pub struct Participant {
    /// `None` is listed as null.
    pub id: Option<String>,
    /// The name as the wire has it: a text, null, or no such field.
    pub name: Name,
    /// Join-leave intervals in the order listed.
    pub timelogs: Vec<Timelog>,
}

/// A participant's name on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// This text, be it empty.
    Text(String),
    /// `"name": null`
    Null,
    /// There is no field `name`.
    Missing,
}

/// One interval from join to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timelog {
    /// The join; `None` is listed as null.
    pub start: Option<i64>,
    /// The leave; `None` while nobody has left.
    pub end: Option<i64>,
}
