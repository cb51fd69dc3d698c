//! The second version of the API: the same sessions with other field names, more fields and filters.

use std::io::Write;

use super::session::Session;
use super::wire;

/// Which version of the API a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// `/v1/meeting-sessions`, with sessions as [`super::wire`] writes them.
    #[default]
    V1,
    /// `/v2/sessions`, with sessions as this file writes them.
    V2,
}

/// `status`: `ended` or `ongoing`.
#[must_use]
pub const fn status(session: &Session) -> &'static str {
    if session.end.is_some() { "ended" } else { "ongoing" }
}

/// `region`; null for every fifth session or so.
#[must_use]
pub fn region(session: &Session) -> Option<&'static str> {
    ["sg001", "us001", "in002", "eu001"].get(digit(session, 23) % 5).copied()
}

/// `customRoomId`; most sessions have none.
#[must_use]
pub fn custom_room_id(session: &Session) -> Option<String> {
    digit(session, 22).is_multiple_of(4).then(|| format!("room {}", digit(session, 21)))
}

fn digit(session: &Session, place: usize) -> usize {
    session.id.as_bytes().get(place).map_or(0, |&byte| usize::from(byte))
}

/// The session as one object of a list, or alone, where the id has another name.
pub(super) fn session(out: &mut Vec<u8>, session: &Session, alone: bool) {
    out.extend_from_slice(if alone { b"{\"_id\":" } else { b"{\"id\":" });
    wire::text(out, &session.id);
    out.extend_from_slice(b",\"roomId\":");
    wire::text_or_null(out, session.meeting_id.as_deref());
    out.extend_from_slice(b",\"customRoomId\":");
    wire::text_or_null(out, custom_room_id(session).as_deref());
    // Writing into memory can't fail.
    let _ = write!(out, ",\"userId\":\"5f7edbb14c938bcd42944527\",\"status\":\"{}\",\"region\":", status(session));
    wire::text_or_null(out, region(session));
    if session.start.is_some() {
        out.extend_from_slice(b",\"start\":");
        wire::time(out, session.start);
    }
    out.extend_from_slice(b",\"end\":");
    wire::time(out, session.end);
    out.extend_from_slice(b",\"links\":{\"get_room\":\"https://api.videosdk.live/v2/rooms/");
    out.extend_from_slice(session.meeting_id.as_deref().unwrap_or_default().as_bytes());
    // As documented, the link to the session may lack its id.
    out.extend_from_slice(b"\",\"get_session\":\"https://api.videosdk.live/v2/sessions/\"},\"participants\":[");
    wire::joined(out, &session.participants, wire::participant);
    out.extend_from_slice(b"]}");
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::sim::account::{Account, Shape};

    #[test]
    fn both_forms_say_the_same() {
        let account = Account::new(5, 300, Shape::Realistic);
        let mut regions = std::collections::BTreeSet::new();
        for one in account.sessions() {
            let parse = |write: &dyn Fn(&mut Vec<u8>)| {
                let mut out = Vec::new();
                write(&mut out);
                serde_json::from_slice::<Value>(&out).unwrap()
            };
            let first = parse(&|out| wire::session(out, &one));
            let second = parse(&|out| session(out, &one, false));
            let alone = parse(&|out| session(out, &one, true));
            assert_eq!((&first["id"], &first["meetingId"]), (&second["id"], &second["roomId"]));
            for name in ["start", "end", "participants"] {
                assert_eq!(first[name], second[name]);
            }
            assert_eq!((&alone["_id"], &alone["id"]), (&second["id"], &Value::Null));
            regions.insert(region(&one));
        }
        assert_eq!(regions.len(), 5);
    }
}
