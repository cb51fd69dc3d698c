//! What the log says of the rows in a file: how many there are, and the bounds of their starts, by which readers skip files.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat};
use serde::Serialize;

use crate::dataset::lake::snapshot::Entry;
use crate::rows::tables::Table;
use crate::words::timestamp;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Stats {
    num_records: u64,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    min_values: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    max_values: BTreeMap<&'static str, String>,
}

/// The statistics of a file as JSON. Times are cut to milliseconds, as the protocol has them, outwards.
pub fn text(table: Table, entry: &Entry) -> String {
    let bound = |millis: i64| time(millis).map(|text| (table.start_column(), text)).into_iter().collect();
    let stats = Stats {
        num_records: entry.rows,
        min_values: entry.starts.map(|[first, _]| bound(first.div_euclid(1000))).unwrap_or_default(),
        max_values: entry
            .starts
            .map(|[_, last]| bound(last.div_euclid(1000) + i64::from(last.rem_euclid(1000) > 0)))
            .unwrap_or_default(),
    };
    serde_json::to_string(&stats).unwrap_or_default()
}

/// A time in milliseconds since 1970; `None` where it is outside of the years that dates have.
fn time(millis: i64) -> Option<String> {
    let time = millis.checked_mul(1000).filter(|micros| timestamp::is_one(*micros))?;
    Some(DateTime::from_timestamp_micros(time)?.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(table: Table, starts: Option<[i64; 2]>) -> String {
        text(table, &Entry { path: "x".to_owned(), rows: 3, bytes: 1, starts })
    }

    #[test]
    fn bounds_are_rounded_outwards() {
        let stats = |first, last| {
            format!(
                r#"{{"numRecords":3,"minValues":{{"started_at":"{first}"}},"maxValues":{{"started_at":"{last}"}}}}"#
            )
        };
        let (first, last) = ("2026-11-01T00:00:00.123Z", "2026-11-30T23:59:59.999Z");
        let micros = |text| timestamp::parse(text).unwrap();
        let whole = [micros(first), micros(last)];
        assert_eq!(of(Table::Sessions, Some(whole)), stats(first, last));
        assert_eq!(of(Table::Sessions, Some([whole[0] + 999, whole[1] - 999])), stats(first, last));
        assert_eq!(
            of(Table::Sessions, Some([whole[0] - 1, whole[1] + 1])),
            stats("2026-11-01T00:00:00.122Z", "2026-12-01T00:00:00.000Z")
        );
        // Before 1970, too.
        assert_eq!(of(Table::Sessions, Some([-1, -1])), stats("1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z"));
    }

    #[test]
    fn no_bound_is_said_that_there_is_none_of() {
        assert_eq!(of(Table::Timelogs, None), r#"{"numRecords":3}"#);
        let last = timestamp::parse("9999-12-31T23:59:59.999999Z").unwrap();
        assert_eq!(
            of(Table::Timelogs, Some([last, last])),
            r#"{"numRecords":3,"minValues":{"session_started_at":"9999-12-31T23:59:59.999Z"}}"#
        );
    }
}
