//! The computed columns of each table, in the making.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int32Array, Int64Array, TimestampMicrosecondArray};

use crate::rows::anomaly::{self, Anomalies};

/// What a session's rows add up to.
#[derive(Default)]
pub struct Sessions {
    pub duration_ms: Vec<Option<i64>>,
    pub occupied_ms: Vec<i64>,
    pub total_attended_ms: Vec<i64>,
    pub peak_participants: Vec<i32>,
    pub participant_count: Vec<i32>,
    pub timelog_count: Vec<i32>,
    pub anomalies: Vec<Anomalies>,
}

/// What an entry's timelogs add up to.
#[derive(Default)]
pub struct Participants {
    pub first_joined_at: Vec<Option<i64>>,
    pub last_left_at: Vec<Option<i64>>,
    pub join_count: Vec<i32>,
    pub attended_ms: Vec<i64>,
    pub gross_ms: Vec<i64>,
    pub is_present: Vec<bool>,
    pub anomalies: Vec<Anomalies>,
}

/// What a timelog counts for.
#[derive(Default)]
pub struct Timelogs {
    pub duration_ms: Vec<Option<i64>>,
    pub effective_started_at: Vec<Option<i64>>,
    pub effective_ended_at: Vec<Option<i64>>,
    pub anomalies: Vec<Anomalies>,
}

impl Sessions {
    pub fn columns(self) -> Vec<(&'static str, ArrayRef)> {
        let Self {
            duration_ms,
            occupied_ms,
            total_attended_ms,
            peak_participants,
            participant_count,
            timelog_count,
            anomalies,
        } = self;
        vec![
            ("duration_ms", Arc::new(Int64Array::from(duration_ms))),
            ("occupied_ms", Arc::new(Int64Array::from(occupied_ms))),
            ("total_attended_ms", Arc::new(Int64Array::from(total_attended_ms))),
            ("peak_participants", Arc::new(Int32Array::from(peak_participants))),
            ("participant_count", Arc::new(Int32Array::from(participant_count))),
            ("timelog_count", Arc::new(Int32Array::from(timelog_count))),
            ("anomalies", anomaly::column(&anomalies)),
        ]
    }
}

impl Participants {
    pub fn columns(self) -> Vec<(&'static str, ArrayRef)> {
        let Self { first_joined_at, last_left_at, join_count, attended_ms, gross_ms, is_present, anomalies } = self;
        vec![
            ("first_joined_at", times(first_joined_at)),
            ("last_left_at", times(last_left_at)),
            ("join_count", Arc::new(Int32Array::from(join_count))),
            ("attended_ms", Arc::new(Int64Array::from(attended_ms))),
            ("gross_ms", Arc::new(Int64Array::from(gross_ms))),
            ("is_present", Arc::new(BooleanArray::from(is_present))),
            ("anomalies", anomaly::column(&anomalies)),
        ]
    }
}

impl Timelogs {
    pub fn columns(self) -> Vec<(&'static str, ArrayRef)> {
        let Self { duration_ms, effective_started_at, effective_ended_at, anomalies } = self;
        vec![
            ("duration_ms", Arc::new(Int64Array::from(duration_ms))),
            ("effective_started_at", times(effective_started_at)),
            ("effective_ended_at", times(effective_ended_at)),
            ("anomalies", anomaly::column(&anomalies)),
        ]
    }
}

fn times(values: Vec<Option<i64>>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}
