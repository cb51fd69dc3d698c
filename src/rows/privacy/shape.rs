//! The shape of a raw record: what says why the record was rejected, without what may be about somebody.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Column, Columns, Shown};
use crate::rows::mend;
use crate::words::limits;
use crate::words::timestamp;

/// The name of a field whose own is not shown begins so.
const UNKNOWN: &str = "unknown_";

/// What a record, or a part of one, may hold that is known.
enum Known {
    /// A record, an entry of its participants, or a timelog of such an entry.
    Object(&'static [(&'static str, Self)]),
    /// A list of these.
    List(&'static Self),
    /// A value that a table has as it is, unless its column is protected.
    Scalar(Option<Column>),
    /// A time; any other text says nothing that a table would have.
    Time,
    /// A number, and the same of that.
    Number,
}

use Known::{List, Number, Object, Scalar, Time};

const SESSION: Known = Object(&[
    ("id", Scalar(None)),
    ("_id", Scalar(None)),
    ("meetingId", Scalar(None)),
    ("roomId", Scalar(None)),
    ("start", Time),
    ("end", Time),
    ("status", Scalar(None)),
    ("customRoomId", Scalar(Some(Column::CustomRoomId))),
    ("region", Scalar(None)),
    ("chatLink", Scalar(Some(Column::ChatLink))),
    ("activeDuration", Number),
    ("participants", List(&PARTICIPANT)),
]);

const PARTICIPANT: Known = Object(&[
    ("participantId", Scalar(Some(Column::ParticipantId))),
    ("name", Scalar(Some(Column::Name))),
    ("timelog", List(&TIMELOG)),
]);

const TIMELOG: Known = Object(&[("start", Time), ("end", Time)]);

/// A raw record of a session in which only those scalars are left that a table has as they are. Every other value gives way to its
/// type and length, such as `string(7)`, and the name of every field that is not known to a number. A shape has itself as shape.
pub fn shape(raw: &str, columns: &Columns) -> String {
    // As a number, an id of many digits would lose some of them.
    let quoted = mend::quote_long(raw, usize::MAX).unwrap_or(Cow::Borrowed(raw).into_owned());
    match serde_json::from_str::<Value>(&quoted) {
        Ok(value) => shaped(value, &SESSION, columns).to_string(),
        Err(_) => Value::from(format!("unreadable({})", raw.len())).to_string(),
    }
}

fn shaped(value: Value, known: &Known, columns: &Columns) -> Value {
    match (known, value) {
        (Object(known), Value::Object(fields)) => Value::Object(object(fields, known, columns)),
        (List(known), Value::Array(items)) => items.into_iter().map(|item| shaped(item, known, columns)).collect(),
        (Scalar(column), value) if column.is_none_or(|column| columns.shown(column) == Shown::Raw) => match value {
            Value::String(text) if text.len() > limits::ID => hidden(&Value::String(text)),
            Value::Array(_) | Value::Object(_) => hidden(&value),
            scalar => scalar,
        },
        (Number, Value::Number(number)) => Value::Number(number),
        (Time, Value::String(text)) if timestamp::parse(&text).is_some() => Value::String(text),
        (_, value) => hidden(&value),
    }
}

fn object(fields: Map<String, Value>, known: &[(&str, Known)], columns: &Columns) -> Map<String, Value> {
    let mut unknown = 0;
    let field = |(name, value): (String, Value)| {
        if let Some((_, known)) = known.iter().find(|(known, _)| *known == name) {
            return (name, shaped(value, known, columns));
        }
        unknown += 1;
        let is_shape = name.strip_prefix(UNKNOWN).is_some_and(is_number);
        (if is_shape { name } else { format!("{UNKNOWN}{unknown}") }, hidden(&value))
    };
    fields.into_iter().map(field).collect()
}

/// The type and length of a value: bytes of a text, characters of a number, items of a list, fields of an object.
fn hidden(value: &Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value.clone(),
        Value::Number(number) => format!("number({})", number.to_string().len()).into(),
        Value::String(text) if is_hidden(text) => value.clone(),
        Value::String(text) => format!("string({})", text.len()).into(),
        Value::Array(items) => format!("array({})", items.len()).into(),
        Value::Object(fields) => format!("object({})", fields.len()).into(),
    }
}

/// Whether a text stands for a value that was hidden before.
fn is_hidden(text: &str) -> bool {
    let length = |kind| text.strip_prefix(kind)?.strip_prefix('(')?.strip_suffix(')');
    ["number", "string", "array", "object", "unreadable"].into_iter().find_map(length).is_some_and(is_number)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(raw: &str, tokens: &[Column], dropped: &[Column]) -> String {
        shape(raw, &Columns::new(tokens.to_vec(), dropped.to_vec()).unwrap())
    }

    #[test]
    fn only_what_a_table_has_is_left() {
        let raw = r#"{"id":"s1","start":"2026-01-01T00:00:00Z","end":"Ann Lee","customRoomId":"r","host":"Ann Lee",
            "participants":[{"participantId":7,"name":"Ann Lee","timelog":[{"start":1,"end":"2026-01-01T00:00:00Z","by":"Ann"}]},
            "Ann Lee",{"name":{"first":"Ann"},"participantId":184467440737095516160}],"chatLink":["Ann"],"Ann Lee":1,"activeDuration":12}"#;
        let by_name = of(raw, &[Column::Name], &[]);
        assert!(!by_name.contains("Ann"), "{by_name}");
        for kept in [
            "\"s1\"",
            "2026-01-01T00:00:00Z",
            "\"participantId\":7",
            "184467440737095516160",
            "\"r\"",
            "12",
            "string(7)",
        ] {
            assert!(by_name.contains(kept), "{kept}: {by_name}");
        }
        let all = of(raw, &[Column::ParticipantId, Column::Name], &[Column::CustomRoomId]);
        assert!(
            all.contains("\"participantId\":\"number(1)\"") && all.contains("\"customRoomId\":\"string(1)\""),
            "{all}"
        );
        assert!(!all.contains("18446744073709"), "{all}");
        let by_id = of(raw, &[Column::ParticipantId], &[]);
        assert!(by_id.contains("\"name\":\"Ann Lee\"") && by_id.contains("\"end\":\"string(7)\""), "{by_id}");
        assert_eq!(by_id.matches("Ann").count(), 1, "{by_id}");
        for (shape, tokens) in [(by_name, Column::Name), (by_id, Column::ParticipantId)] {
            assert_eq!(of(&shape, &[tokens], &[]), shape);
        }
    }

    #[test]
    fn what_is_no_record_keeps_nothing() {
        for (raw, expected) in [
            ("\"Ann\"", "\"string(3)\""),
            ("[1,2]", "\"array(2)\""),
            ("null", "null"),
            ("{\"name\":\"An", "\"unreadable(11)\""),
            ("12", "\"number(2)\""),
        ] {
            assert_eq!(of(raw, &[Column::Name], &[]), expected);
        }
    }
}
