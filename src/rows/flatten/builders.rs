//! The Arrow builders of the three staged tables; field order is the schemas'.

use std::sync::Arc;

use arrow_array::builder::{
    BooleanBuilder, Float64Builder, Int32Builder, Int64Builder, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::ArrowError;

use crate::rows::anomaly::{self, Anomalies};
use crate::rows::model::Lists;
use crate::rows::tables::Table;

macro_rules! table {
    ($(#[$doc:meta])* $name:ident, $table:expr, { $($field:ident: $kind:ident,)* }) => {
        $(#[$doc])*
        pub struct $name { $(pub $field: kind!($kind),)* }

        impl $name {
            fn new(rows: usize) -> Self {
                Self { $($field: new!($kind, rows),)* }
            }

            fn finish(self) -> Result<RecordBatch, ArrowError> {
                let Self { $($field,)* } = self;
                let columns: Vec<ArrayRef> = vec![$(finish!($kind, $field),)*];
                RecordBatch::try_new($table.staged_schema(), columns)
            }
        }
    };
}

macro_rules! kind {
    (Text) => {
        StringBuilder
    };
    (Time) => {
        TimestampMicrosecondBuilder
    };
    (Count) => {
        Int32Builder
    };
    (Millis) => {
        Int64Builder
    };
    (Double) => {
        Float64Builder
    };
    (Flag) => {
        BooleanBuilder
    };
    (Texts) => {
        Vec<Anomalies>
    };
}

macro_rules! new {
    (Text, $rows:ident) => {
        StringBuilder::with_capacity($rows, $rows * 16)
    };
    (Time, $rows:ident) => {
        TimestampMicrosecondBuilder::with_capacity($rows).with_timezone("UTC")
    };
    (Count, $rows:ident) => {
        Int32Builder::with_capacity($rows)
    };
    (Millis, $rows:ident) => {
        Int64Builder::with_capacity($rows)
    };
    (Double, $rows:ident) => {
        Float64Builder::with_capacity($rows)
    };
    (Flag, $rows:ident) => {
        BooleanBuilder::with_capacity($rows)
    };
    (Texts, $rows:ident) => {
        Vec::with_capacity($rows)
    };
}

macro_rules! finish {
    (Texts, $field:ident) => {
        anomaly::bits(&$field)
    };
    ($kind:ident, $field:ident) => {{
        let mut field = $field;
        Arc::new(field.finish()) as ArrayRef
    }};
}

table! {
    /// `sessions`
    Sessions, Table::Sessions, {
        session_id: Text, meeting_id: Text, started_at: Time, ended_at: Time, status: Text, custom_room_id: Text,
        region: Text, chat_link: Text, active_duration: Double, duration_ms: Millis, occupied_ms: Millis,
        total_attended_ms: Millis, peak_participants: Count, participant_count: Count, timelog_count: Count,
        is_open: Flag, observed_at: Time, anomalies: Texts, extra: Text,
    }
}

table! {
    /// `participants`
    Participants, Table::Participants, {
        participant_index: Count, participant_id: Text, name: Text, join_count: Count, attended_ms: Millis,
        anomalies: Texts, extra: Text,
    }
}

table! {
    /// `timelogs`
    Timelogs, Table::Timelogs, { started_at: Time, ended_at: Time, is_open: Flag, anomalies: Texts, }
}

/// The builders of one page.
pub struct Builders {
    pub sessions: Sessions,
    pub participants: Participants,
    pub timelogs: Timelogs,
}

impl Builders {
    /// Room for these records; texts grow as needed.
    pub fn new(lists: &Lists<'_>) -> Self {
        Self {
            sessions: Sessions::new(lists.sessions.len()),
            participants: Participants::new(lists.participants.len()),
            timelogs: Timelogs::new(lists.timelogs.len()),
        }
    }

    /// The three batches.
    pub fn finish(self) -> Result<[RecordBatch; 3], ArrowError> {
        Ok([self.sessions.finish()?, self.participants.finish()?, self.timelogs.finish()?])
    }
}
