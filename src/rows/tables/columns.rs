//! Each column of each table, declared once and in order: its name, its type, where its values come from, its meaning.
//!
//! All else that knows of columns is made from these lines: the schemas, `docs/schema.md`, what is staged, the builders, and
//! a function by which the column of a batch is found. To add a column, add its line, and a line where its values are
//! made: in [`crate::rows::flatten`] where it is listed, in [`crate::rows::count`] where it is counted.

use arrow_array::{ArrayRef, RecordBatch};

use super::Column;
use super::kinds::{Count, Double, Flag, Millis, Text, Texts, Time, Typed};
use super::origin::{Maker, Making, Origin, Slot};

/// Computed columns and their values, in the order of the table.
pub type Computed = Vec<(&'static Column, ArrayRef)>;

macro_rules! table {
    ($table:ident, $rows:literal: $($column:ident: $type:ty, $origin:ident $(since $version:literal)?, $meaning:literal;)*) => {
        #[doc = concat!("`", stringify!($table), "`: ", $rows, ".")]
        ///
        /// For each column there is a function that finds it in a batch of published rows, or of staged ones where its type
        /// is the same there. A batch that lacks the column is a defect of this program, which then panics.
        pub mod $table {
            #[allow(clippy::wildcard_imports, reason = "not every table has columns of every type")]
            use super::*;

            /// The columns in order.
            pub const COLUMNS: &[Column] =
                &[$(Column::new::<$type>(stringify!($column), Origin::$origin, $meaning)$(.since($version))?,)*];

            /// The staged columns of rows in the making.
            pub struct Staged {
                $(#[doc = $meaning] pub $column: Slot<{ Origin::$origin.is_staged() }, $type>,)*
            }

            impl Staged {
                /// No rows yet, and room for so many; texts grow as needed.
                pub fn with_capacity(rows: usize) -> Self {
                    Self { $($column: Maker::<{ Origin::$origin.is_staged() }>::begin::<$type>(rows),)* }
                }

                /// The columns in order.
                pub fn finish(self) -> Vec<ArrayRef> {
                    let columns = [$(Maker::<{ Origin::$origin.is_staged() }>::end::<$type>(
                        self.$column,
                        <$type as Typed>::staged,
                    ),)*];
                    columns.into_iter().flatten().collect()
                }
            }

            /// The computed columns of rows in the making.
            pub struct Counts {
                $(#[doc = $meaning] pub $column: Slot<{ Origin::$origin.is_counted() }, $type>,)*
            }

            impl Counts {
                /// No rows yet, and room for so many.
                pub fn with_capacity(rows: usize) -> Self {
                    Self { $($column: Maker::<{ Origin::$origin.is_counted() }>::begin::<$type>(rows),)* }
                }

                /// The columns in order.
                pub fn finish(self) -> Computed {
                    let columns = [$(Maker::<{ Origin::$origin.is_counted() }>::end::<$type>(
                        self.$column,
                        <$type as Typed>::published,
                    ),)*];
                    COLUMNS.iter().zip(columns).filter_map(|(column, values)| Some((column, values?))).collect()
                }
            }

            $(
                #[doc = concat!("`", stringify!($column), "`: ", $meaning)]
                pub fn $column(batch: &RecordBatch) -> &<$type as Typed>::Array {
                    <$type as Typed>::array(&batch[stringify!($column)])
                }
            )*
        }
    };
}

table! { sessions, "one row a session":
    session_id: Text, Listed, "the session's id; unique in the table";
    meeting_id: Option<Text>, Listed, "`meetingId`, or `roomId` of v2";
    started_at: Option<Time>, Listed, "start; null where missing or unreadable";
    ended_at: Option<Time>, Listed, "end; null while running, or where unreadable";
    status: Option<Text>, Listed, "as the API reports it (v2)";
    custom_room_id: Option<Text>, Listed, "`customRoomId` (v2)";
    region: Option<Text>, Listed, "`region` (v2)";
    chat_link: Option<Text>, Listed, "where the API keeps the chat; may grant access, never fetched";
    active_duration: Option<Double>, Listed, "`activeDuration` as the API reports it, unit undocumented";
    duration_ms: Option<Millis>, Counted, "`ended_at` - `started_at`";
    occupied_ms: Millis, Counted, "time with at least one participant present: the active duration";
    total_attended_ms: Millis, Counted, "sum of the participants' `attended_ms`, excluded ones left out";
    peak_participants: Count, Counted, "most people present at one moment";
    participant_count: Count, Rows, "entries as listed: rows in `participants`";
    person_count: Count, Counted since 2, "distinct `person` among them, excluded ones left out";
    timelog_count: Count, Rows, "intervals as listed: rows in `timelogs`";
    is_open: Flag, Listed, "no end yet";
    observed_at: Option<Time>, Listed, "when last seen; only while open";
    anomalies: Texts, Odd, "what was odd, sorted and distinct; see below";
    extra: Option<Text>, Listed, "JSON of fields unknown to this version; filled only with `keep_unknown_fields`";
}

table! { participants, "one row an entry in a session's list of participants":
    session_id: Text, Session, "the session";
    meeting_id: Option<Text>, Session, "the session's meeting";
    session_started_at: Option<Time>, Session, "the session's start";
    session_ended_at: Option<Time>, Session, "the session's end";
    participant_index: Count, Listed, "position in the session's list, from 0";
    participant_id: Option<Text>, Listed, "a join identity, not a person: by default new at each join";
    name: Option<Text>, Listed, "display name as given";
    person: Text, Personal since 2, "who is one human, by `[people]`: the name in its normal form; without one `id:` and the id, else `#` and the row's place; a token where `[privacy]` protects names or ids";
    first_joined_at: Option<Time>, Counted, "earliest join, not clamped";
    last_left_at: Option<Time>, Counted, "latest leave, not clamped; null while present";
    join_count: Count, Rows, "intervals as listed";
    attended_ms: Millis, Counted, "union of the entry's intervals, clamped to the session";
    gross_ms: Millis, Counted, "plain sum of the entry's intervals, not clamped";
    is_present: Flag, Counted, "in the session when it was last seen, by the latest join of the `participant_id`";
    is_excluded: Flag, Personal, "the name or id matches `[privacy] exclude_participants`: kept, and counts in no number of the session but `participant_count` and `timelog_count`";
    anomalies: Texts, Odd, "what was odd, sorted and distinct; see below";
    extra: Option<Text>, Listed, "JSON of fields unknown to this version; filled only with `keep_unknown_fields`";
}

table! { timelogs, "one row a join-leave interval":
    session_id: Text, Session, "the session";
    meeting_id: Option<Text>, Session, "the session's meeting";
    session_started_at: Option<Time>, Session, "the session's start";
    session_ended_at: Option<Time>, Session, "the session's end";
    participant_index: Count, Participant, "the participant's position in the session's list";
    participant_id: Option<Text>, Participant, "the participant's join identity";
    person: Text, Counted since 2, "the participant's `person`";
    timelog_index: Count, Participant, "position in the participant's list, from 0";
    started_at: Option<Time>, Listed, "join, as listed";
    ended_at: Option<Time>, Listed, "leave, as listed";
    duration_ms: Option<Millis>, Counted, "`ended_at` - `started_at`; null when open or backwards";
    effective_started_at: Option<Time>, Counted, "start of the span that counts, clamped to the session; null where nothing counts";
    effective_ended_at: Option<Time>, Counted, "end of the span that counts, by the participant's next join where no leave is listed; null where nothing counts";
    is_open: Flag, Listed, "no end listed";
    is_excluded: Flag, Counted, "the participant's `is_excluded`";
    anomalies: Texts, Odd, "what was odd, sorted and distinct; see below";
}
