//! What this version makes of a record that an earlier run could not read, or not all of. Nothing is asked and nothing written.

use serde::Serialize;

use crate::rows::flatten::{self, Options};
use crate::rows::tables::Table;

/// Added to the reason where a record's text is not whole.
const CUT: &str = "cut_raw";

/// The rows that a record would become now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Now {
    /// 1, or 0 where it would get no row.
    pub sessions: u64,
    /// How many rows of participants the record would become.
    pub participants: u64,
    /// How many rows of timelogs the record would become.
    pub timelogs: u64,
    /// What would still not be read; null where all of it would.
    pub reason: Option<String>,
}

/// Reads a record's text once more, as a page that holds nothing else; `None` where the text is not whole, so that it shows nothing.
pub fn of(raw: &str, reason: &str) -> Option<Now> {
    if raw.is_empty() || reason.split(',').any(|reason| reason == CUT) {
        return None;
    }
    let nothing = |reason: &str| Now { sessions: 0, participants: 0, timelogs: 0, reason: Some(reason.to_owned()) };
    let Ok(flat) = flatten::page(format!("{{\"data\":[{raw}]}}"), &Options::default()) else {
        return Some(nothing("no_page"));
    };
    let rows = |table: Table| flat.batches[table].num_rows() as u64;
    let reasons: Vec<_> = flat.rejects.iter().map(|reject| reject.reason.clone()).collect();
    Some(Now {
        sessions: rows(Table::Sessions),
        participants: rows(Table::Participants),
        timelogs: rows(Table::Timelogs),
        reason: (!reasons.is_empty()).then(|| reasons.join(",")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_a_page_would_be() {
        let now = |raw: &str, reason: &str| of(raw, reason).map(|now| (now.sessions, now.participants, now.reason));
        let reason = |text: &str| Some(text.to_owned());
        let whole =
            r#"{"id":"a","start":"2026-11-01T00:00:00.000Z","end":"2026-11-01T01:00:00.000Z","participants":[{}]}"#;
        assert_eq!(now(whole, "bad_timestamp"), Some((1, 1, None)));
        assert_eq!(now(r#"{"id":"a","start":"yesterday"}"#, "bad_timestamp"), Some((1, 0, reason("bad_timestamp"))));
        assert_eq!(now(r#"{"start":null}"#, "no_usable_id"), Some((0, 0, reason("no_usable_id"))));
        assert_eq!(now("7", "no_usable_id"), Some((0, 0, reason("no_usable_id"))));
        assert_eq!(now("{\"id\":\"a", "bad_timestamp"), Some((0, 0, reason("no_page"))));
        for (raw, reason) in [("", "no_usable_id"), (r#"{"id":"#, "no_usable_id,cut_raw")] {
            assert_eq!(now(raw, reason), None);
        }
    }
}
