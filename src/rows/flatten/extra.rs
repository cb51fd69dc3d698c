//! `extra`: the fields of a record that are unknown to this version, as JSON.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_json::value::RawValue;

use crate::rows::anomaly::{Anomalies, Anomaly};
use crate::rows::model::Unknown;
use crate::rows::tables::Table;
use crate::words::limits;

/// That of a session, by its number in the lists.
pub fn of_session(unknown: &Unknown<'_>, number: usize, anomalies: &mut Anomalies) -> Option<String> {
    if unknown.has_none(Table::Sessions) {
        return None;
    }
    let fields = unknown.of(Table::Sessions, number);
    checked(fields.and_then(|fields| json(&fields)), anomalies)
}

/// That of a participant, and of its timelogs, which have no `extra` of their own: under `timelog`, one object each.
pub fn of_participant(
    unknown: &Unknown<'_>,
    number: usize,
    timelogs: Range<usize>,
    anomalies: &mut Anomalies,
) -> Option<String> {
    if unknown.has_none(Table::Participants) && unknown.has_none(Table::Timelogs) {
        return None;
    }
    let all = || {
        let mut fields = unknown.of(Table::Participants, number)?;
        // Each timelog takes three bytes at least.
        if unknown.bytes(Table::Timelogs, timelogs.clone()) == 0 {
            return json(&fields);
        }
        if unknown.bytes(Table::Timelogs, timelogs.clone()) + 3 * timelogs.len() > limits::EXTRA {
            return None;
        }
        let each = timelogs.map(|number| json(&unknown.of(Table::Timelogs, number)?));
        let timelogs = format!("[{}]", each.collect::<Option<Vec<_>>>()?.join(","));
        let timelogs = RawValue::from_string(timelogs).ok()?;
        fields.insert("timelog", &timelogs);
        json(&fields)
    };
    checked(all(), anomalies)
}

fn json(fields: &BTreeMap<&str, &RawValue>) -> Option<String> {
    serde_json::to_string(fields).ok()
}

/// Null where there is nothing, or too much.
fn checked(extra: Option<String>, anomalies: &mut Anomalies) -> Option<String> {
    let extra = extra.filter(|extra| extra.len() <= limits::EXTRA);
    if extra.is_none() {
        anomalies.add(Anomaly::CutText);
    }
    extra.filter(|extra| extra != "{}")
}
