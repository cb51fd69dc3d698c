//! The columns of each table, in order, one doc line each.

use super::{Column, Type};

const fn must(name: &'static str, kind: Type, doc: &'static str) -> Column {
    Column { name, kind, nullable: false, doc }
}

const fn may(name: &'static str, kind: Type, doc: &'static str) -> Column {
    Column { name, kind, nullable: true, doc }
}

const EXTRA: Column =
    may("extra", Type::Text, "JSON of fields unknown to this version; filled only with `keep_unknown_fields`");
const ANOMALIES: &str = "what was odd, sorted and distinct; see below";

pub(super) const SESSIONS: &[Column] = &[
    must("session_id", Type::Text, "the session's id; unique in the table"),
    may("meeting_id", Type::Text, "`meetingId`, or `roomId` of v2"),
    may("started_at", Type::Time, "start; null where missing or unreadable"),
    may("ended_at", Type::Time, "end; null while running, or where unreadable"),
    may("status", Type::Text, "as the API reports it (v2)"),
    may("custom_room_id", Type::Text, "`customRoomId` (v2)"),
    may("region", Type::Text, "`region` (v2)"),
    may("chat_link", Type::Text, "where the API keeps the chat; may grant access, never fetched"),
    may("active_duration", Type::Double, "`activeDuration` as the API reports it, unit undocumented"),
    may("duration_ms", Type::Millis, "`ended_at` - `started_at`"),
    must("occupied_ms", Type::Millis, "time with at least one participant present: the active duration"),
    must("total_attended_ms", Type::Millis, "sum of the participants' `attended_ms`"),
    must("peak_participants", Type::Count, "most people present at one moment"),
    must("participant_count", Type::Count, "entries as listed: rows in `participants`"),
    must("timelog_count", Type::Count, "intervals as listed: rows in `timelogs`"),
    must("is_open", Type::Flag, "no end yet"),
    may("observed_at", Type::Time, "when last seen; only while open"),
    must("anomalies", Type::Texts, ANOMALIES),
    EXTRA,
];

pub(super) const PARTICIPANTS: &[Column] = &[
    must("session_id", Type::Text, "the session"),
    may("meeting_id", Type::Text, "the session's meeting"),
    may("session_started_at", Type::Time, "the session's start"),
    may("session_ended_at", Type::Time, "the session's end"),
    must("participant_index", Type::Count, "position in the session's list, from 0"),
    may("participant_id", Type::Text, "a join identity, not a person: by default new at each join"),
    may("name", Type::Text, "display name as given"),
    may("first_joined_at", Type::Time, "earliest join, not clamped"),
    may("last_left_at", Type::Time, "latest leave, not clamped; null while present"),
    must("join_count", Type::Count, "intervals as listed"),
    must("attended_ms", Type::Millis, "union of the entry's intervals, clamped to the session"),
    must("gross_ms", Type::Millis, "plain sum of the entry's intervals, not clamped"),
    must("is_present", Type::Flag, "in the session when it was last seen, by the latest join of the `participant_id`"),
    must("is_excluded", Type::Flag, "false until exclusion rules exist"),
    must("anomalies", Type::Texts, ANOMALIES),
    EXTRA,
];

pub(super) const TIMELOGS: &[Column] = &[
    must("session_id", Type::Text, "the session"),
    may("meeting_id", Type::Text, "the session's meeting"),
    may("session_started_at", Type::Time, "the session's start"),
    may("session_ended_at", Type::Time, "the session's end"),
    must("participant_index", Type::Count, "the participant's position in the session's list"),
    may("participant_id", Type::Text, "the participant's join identity"),
    must("timelog_index", Type::Count, "position in the participant's list, from 0"),
    may("started_at", Type::Time, "join, as listed"),
    may("ended_at", Type::Time, "leave, as listed"),
    may("duration_ms", Type::Millis, "`ended_at` - `started_at`; null when open or backwards"),
    may(
        "effective_started_at",
        Type::Time,
        "start of the span that counts, clamped to the session; null where nothing counts",
    ),
    may(
        "effective_ended_at",
        Type::Time,
        "end of the span that counts, by the participant's next join where no leave is listed; null where nothing counts",
    ),
    must("is_open", Type::Flag, "no end listed"),
    must("is_excluded", Type::Flag, "false until exclusion rules exist"),
    must("anomalies", Type::Texts, ANOMALIES),
];

/// What of a participant's row follows from its timelogs, one by one, or is the same in every row.
pub(super) const FOLLOWING_OF_PARTICIPANTS: &[&str] =
    &["first_joined_at", "last_left_at", "gross_ms", "is_present", "is_excluded"];

/// What of a timelog's row follows from its participant, from its place among that one's timelogs, and from its times and
/// the session's, or is the same in every row.
pub(super) const FOLLOWING_OF_TIMELOGS: &[&str] = &[
    "participant_index",
    "participant_id",
    "timelog_index",
    "duration_ms",
    "effective_started_at",
    "effective_ended_at",
    "is_excluded",
];
