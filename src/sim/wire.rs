//! Sessions and pages as the API's JSON, written straight into a buffer.
//!
//! Made by hand so that the server's cost does not show in a benchmark of its client: no allocation per field, no
//! value tree. The second form of a session is in [`super::v2`].

use std::io::Write;

use super::session::{Name, Participant, Session, Timelog};

/// `pageInfo`: each field as raw JSON text, so that a test can have it say anything; `None` leaves the field out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Info {
    /// `currentPage`: the page's number.
    pub current_page: Option<String>,
    /// `perPage`: the size of pages.
    pub per_page: Option<String>,
    /// `lastPage`: the number of the last page.
    pub last_page: Option<String>,
    /// `total`: the number of sessions.
    pub total: Option<String>,
}

/// The session as one object.
pub fn session(out: &mut Vec<u8>, session: &Session) {
    let Session { id, meeting_id, start, end, chat_link, active_duration, participants } = session;
    out.extend_from_slice(b"{\"id\":");
    text(out, id);
    if let Some(meeting_id) = meeting_id {
        out.extend_from_slice(b",\"meetingId\":");
        text(out, meeting_id);
    }
    if start.is_some() {
        out.extend_from_slice(b",\"start\":");
        time(out, *start);
    }
    out.extend_from_slice(b",\"end\":");
    time(out, *end);
    if let Some(chat_link) = chat_link {
        out.extend_from_slice(b",\"chatLink\":");
        text(out, chat_link);
    }
    // Writing into memory can't fail; the same holds below.
    let _ = write!(out, ",\"activeDuration\":{active_duration},\"participants\":[");
    joined(out, participants, participant);
    out.extend_from_slice(b"]}");
}

/// A page up to the end of its `pageInfo`; the object goes on behind it.
pub fn page_info(out: &mut Vec<u8>, info: &Info) {
    let Info { current_page, per_page, last_page, total } = info;
    out.extend_from_slice(b"{\"pageInfo\":{");
    let fields = [("currentPage", current_page), ("perPage", per_page), ("lastPage", last_page), ("total", total)];
    let mut comma = "";
    for (name, value) in fields {
        if let Some(value) = value {
            let _ = write!(out, "{comma}\"{name}\":{value}");
            comma = ",";
        }
    }
    out.push(b'}');
}

/// All that stands between `pageInfo` and the rows of a page.
pub const PAGE_ROWS: &[u8] = b",\"data\":[";

/// All that stands behind the rows of a page.
pub const PAGE_TAIL: &[u8] = b"]}";

pub(super) fn participant(out: &mut Vec<u8>, participant: &Participant) {
    let Participant { id, name, timelogs } = participant;
    out.extend_from_slice(b"{\"participantId\":");
    text_or_null(out, id.as_deref());
    match name {
        Name::Text(name) => {
            out.extend_from_slice(b",\"name\":");
            text(out, name);
        }
        Name::Null => out.extend_from_slice(b",\"name\":null"),
        Name::Missing => {}
    }
    out.extend_from_slice(b",\"timelog\":[");
    joined(out, timelogs, |out, Timelog { start, end }| {
        out.extend_from_slice(b"{\"start\":");
        time(out, *start);
        out.extend_from_slice(b",\"end\":");
        time(out, *end);
        out.push(b'}');
    });
    out.extend_from_slice(b"]}");
}

/// The items, with commas between them.
pub(super) fn joined<T>(out: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    for (place, item) in items.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        write(out, item);
    }
}

/// A JSON text, or null for none.
pub(super) fn text_or_null(out: &mut Vec<u8>, value: Option<&str>) {
    match value {
        Some(value) => text(out, value),
        None => out.extend_from_slice(b"null"),
    }
}

/// A JSON text; only what must be escaped is.
pub(super) fn text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for &byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..0x20 => {
                let _ = write!(out, "\\u{byte:04x}");
            }
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// `"2021-10-19T07:55:35.807Z"`, with six digits where milliseconds don't do; null for none.
pub(super) fn time(out: &mut Vec<u8>, micros: Option<i64>) {
    let Some(micros) = micros else {
        out.extend_from_slice(b"null");
        return;
    };
    let (year, month, day) = civil(micros.div_euclid(86_400_000_000));
    let rest = micros.rem_euclid(86_400_000_000);
    let mut form = *b"\"0000-00-00T00:00:00.000Z\"";
    for (digits, value) in [
        (1..5, year),
        (6..8, month),
        (9..11, day),
        (12..14, rest / 3_600_000_000),
        (15..17, rest / 60_000_000 % 60),
        (18..20, rest / 1_000_000 % 60),
        (21..24, rest / 1000 % 1000),
    ] {
        fill(&mut form[digits], value);
    }
    if rest % 1000 == 0 {
        out.extend_from_slice(&form);
    } else {
        out.extend_from_slice(&form[..24]);
        let _ = write!(out, "{:03}Z\"", rest % 1000);
    }
}

fn fill(digits: &mut [u8], value: i64) {
    let mut value = value.unsigned_abs();
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a day since 1970, by the usual trick of letting the year begin in March.
const fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (year + era * 400 + if month <= 2 { 1 } else { 0 }, month, day)
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, SecondsFormat};
    use serde_json::{Value, json};

    use super::*;
    use crate::sim::account::{Account, Shape};

    fn iso(micros: i64) -> String {
        DateTime::from_timestamp_micros(micros).unwrap().to_rfc3339_opts(SecondsFormat::Millis, true)
    }

    fn parsed(value: &Session) -> Value {
        let mut out = Vec::new();
        session(&mut out, value);
        serde_json::from_slice(&out).unwrap()
    }

    /// The expected object, built the slow way.
    fn expected(session: &Session) -> Value {
        let participants: Vec<Value> = session
            .participants
            .iter()
            .map(|participant| {
                let logs = participant.timelogs.iter();
                let logs: Vec<Value> =
                    logs.map(|log| json!({"start": log.start.map(iso), "end": log.end.map(iso)})).collect();
                let mut object = json!({"participantId": participant.id, "timelog": logs});
                match &participant.name {
                    Name::Text(name) => object["name"] = json!(name),
                    Name::Null => object["name"] = Value::Null,
                    Name::Missing => {}
                }
                object
            })
            .collect();
        let mut object = json!({
            "id": session.id, "meetingId": session.meeting_id, "start": session.start.map(iso),
            "end": session.end.map(iso), "participants": participants,
        });
        object["activeDuration"] =
            if session.active_duration == 0.0 { json!(0) } else { json!(session.active_duration) };
        if let Some(link) = &session.chat_link {
            object["chatLink"] = json!(link);
        }
        object
    }

    #[test]
    fn generated_sessions_parse_back() {
        for session in Account::new(5, 3000, Shape::Realistic).sessions() {
            let (got, want) = (parsed(&session), expected(&session));
            // A whole number of activeDuration has no fraction on the wire.
            assert_eq!(got["activeDuration"].as_f64(), want["activeDuration"].as_f64());
            let strip = |mut value: Value| {
                value["activeDuration"] = Value::Null;
                value
            };
            assert_eq!(strip(got), strip(want));
        }
    }

    #[test]
    fn the_documented_example_has_the_documented_form() {
        let session_ = Session {
            id: "616e79f7ba68c7768bfd18bf".into(),
            meeting_id: Some("ywnm-eicr-d55x".into()),
            start: Some(1_634_630_135_807_000),
            end: None,
            chat_link: None,
            active_duration: 0.0,
            participants: vec![],
        };
        let mut out = Vec::new();
        session(&mut out, &session_);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"{"id":"616e79f7ba68c7768bfd18bf","meetingId":"ywnm-eicr-d55x","start":"2021-10-19T07:55:35.807Z","end":null,"activeDuration":0,"participants":[]}"#
        );
    }

    #[test]
    fn times_agree_with_chrono() {
        for micros in (-2_000_000_000_000_000..4_000_000_000_000_000).step_by(999_999_777_000).chain([0, -1000]) {
            let mut out = Vec::new();
            time(&mut out, Some(micros));
            assert_eq!(String::from_utf8(out).unwrap(), format!("{:?}", iso(micros)));
        }
        let mut out = Vec::new();
        time(&mut out, Some(1_234_567));
        assert_eq!(out, b"\"1970-01-01T00:00:01.234567Z\"");
    }

    #[test]
    fn absent_page_fields_leave_no_comma() {
        let info = Info { per_page: Some("20".into()), total: Some("\"8\"".into()), ..Info::default() };
        let mut out = Vec::new();
        page_info(&mut out, &info);
        out.extend_from_slice(PAGE_ROWS);
        out.extend_from_slice(PAGE_TAIL);
        assert_eq!(out, br#"{"pageInfo":{"perPage":20,"total":"8"},"data":[]}"#);
    }
}
