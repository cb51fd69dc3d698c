//! A session as listed, its participants and their timelogs, each read field by field.

use serde::de::{IgnoredAny, MapAccess};

use super::Lists;
use crate::rows::lenient::{Entries, Entry, Field, Many, Record, Scalar, Seen, Time, scalar, time};
use crate::rows::tables::Table;

/// One session as listed.
#[derive(Debug, Clone, Default)]
pub struct Session<'a> {
    /// The session's place in `data`, from 0.
    pub place: u32,
    /// `id`, or `_id` where that is absent.
    pub id: Scalar<'a>,
    /// `meetingId`, or `roomId` where that is absent.
    pub meeting_id: Scalar<'a>,
    /// `start`: when the session began, in microseconds since 1970, UTC.
    pub start: Time,
    /// `end`: when the session ended, in microseconds since 1970, UTC; absent while it runs.
    pub end: Time,
    /// `status`: how the session stands in the API's own word, such as `ended` (v2).
    pub status: Scalar<'a>,
    /// `customRoomId`: the account's own id of the room (v2).
    pub custom_room_id: Scalar<'a>,
    /// `region`: the region by the API's name for it (v2).
    pub region: Scalar<'a>,
    /// `chatLink`: where the API keeps the session's chat. The link may grant access, and is never fetched.
    pub chat_link: Scalar<'a>,
    /// `activeDuration`: a number whose unit the API does not document.
    pub active_duration: Scalar<'a>,
    /// `participants`: which of [`Lists::participants`] are the entries of this session.
    pub participants: Entries,
}

impl<'de> Entry<'de, Lists<'de>> for Session<'de> {
    fn count(lists: &Lists<'de>) -> usize {
        lists.sessions.len()
    }

    fn has_room(lists: &Lists<'de>, place: usize) -> bool {
        place < lists.most_sessions()
    }

    fn add(self, lists: &mut Lists<'de>, place: usize) {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        lists.add_session(Self { place, ..self });
    }

    fn pass(lists: &mut Lists<'de>, place: usize) {
        lists.no_objects.push(place);
    }

    fn leave(lists: &mut Lists<'de>, entries: u64) {
        lists.surplus += entries;
    }
}

/// The numbers of a session's keys. A session may have both an `id` and an `_id`.
mod key {
    pub const ID: u32 = 0;
    pub const OTHER_ID: u32 = 1;
    pub const MEETING_ID: u32 = 2;
    pub const ROOM_ID: u32 = 3;
    pub const START: u32 = 4;
    pub const END: u32 = 5;
    pub const STATUS: u32 = 6;
    pub const CUSTOM_ROOM_ID: u32 = 7;
    pub const REGION: u32 = 8;
    pub const CHAT_LINK: u32 = 9;
    pub const ACTIVE_DURATION: u32 = 10;
    pub const PARTICIPANTS: u32 = 11;
}

impl<'de> Record<'de, Lists<'de>> for Session<'de> {
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, lists: &mut Lists<'de>) -> Result<(), A::Error> {
        let Field { name, map, seen } = field;
        match name.as_ref() {
            "id" => prefer(&mut self.id, lists.text(map, true)?, seen, [key::ID, key::OTHER_ID]),
            "_id" => fall_back(&mut self.id, lists.text(map, true)?, seen, [key::OTHER_ID, key::ID]),
            "meetingId" => prefer(&mut self.meeting_id, lists.text(map, true)?, seen, [key::MEETING_ID, key::ROOM_ID]),
            "roomId" => fall_back(&mut self.meeting_id, lists.text(map, true)?, seen, [key::ROOM_ID, key::MEETING_ID]),
            "start" => self.start = time(map, seen.first(key::START), lists.reader())?,
            "end" => self.end = time(map, seen.first(key::END), lists.reader())?,
            "status" => self.status = lists.text(map, seen.first(key::STATUS))?,
            "customRoomId" => self.custom_room_id = lists.text(map, seen.first(key::CUSTOM_ROOM_ID))?,
            "region" => self.region = lists.text(map, seen.first(key::REGION))?,
            "chatLink" => self.chat_link = lists.text(map, seen.first(key::CHAT_LINK))?,
            "activeDuration" => self.active_duration = scalar(map, seen.first(key::ACTIVE_DURATION))?,
            "participants" if seen.first(key::PARTICIPANTS) => {
                let mark = lists.mark();
                self.participants = map.next_value_seed(Many::<Participant<'_>, _>::new(lists))?;
                if lists.go_back_if_full(mark) {
                    self.participants = Entries::TooMany;
                }
            }
            "participants" => {
                map.next_value::<IgnoredAny>()?;
                self.participants = Entries::Other;
            }
            // Documented, and not a column: the links can be built, the user is the account's own.
            "links" | "userId" => drop(map.next_value::<IgnoredAny>()?),
            _ => lists.unknown(Table::Sessions, name, map)?,
        }
        Ok(())
    }
}

/// Takes the value of a field that has another name besides. What stands twice is nothing, whatever the other name says.
fn prefer<'a>(field: &mut Scalar<'a>, value: Scalar<'a>, seen: &mut Seen, keys: [u32; 2]) {
    if !seen.first(keys[0]) {
        refuse(field, seen, keys);
    } else if !value.is_absent() || field.is_absent() {
        *field = value;
    }
}

/// The same of the other name.
fn fall_back<'a>(field: &mut Scalar<'a>, value: Scalar<'a>, seen: &mut Seen, keys: [u32; 2]) {
    if !seen.first(keys[0]) {
        refuse(field, seen, keys);
    } else if field.is_absent() {
        *field = value;
    }
}

fn refuse(field: &mut Scalar<'_>, seen: &mut Seen, keys: [u32; 2]) {
    *field = Scalar::Other;
    for key in keys {
        seen.first(key);
    }
}

/// One entry of a session's participants.
#[derive(Debug, Clone, Default)]
pub struct Participant<'a> {
    /// `participantId`: a join identity, not a person: by default new at each join.
    pub id: Scalar<'a>,
    /// `name`: the display name as given.
    pub name: Scalar<'a>,
    /// `timelog`: which of [`Lists::timelogs`] are the stays of this entry.
    pub timelogs: Entries,
}

impl<'de> Entry<'de, Lists<'de>> for Participant<'de> {
    fn count(lists: &Lists<'de>) -> usize {
        lists.participants.len()
    }

    fn has_room(lists: &Lists<'de>, _: usize) -> bool {
        lists.has_room()
    }

    fn add(self, lists: &mut Lists<'de>, _: usize) {
        lists.add_participant(self);
    }

    fn leave(lists: &mut Lists<'de>, _: u64) {
        lists.overflow();
    }
}

impl<'de> Record<'de, Lists<'de>> for Participant<'de> {
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, lists: &mut Lists<'de>) -> Result<(), A::Error> {
        let Field { name, map, seen } = field;
        match name.as_ref() {
            "participantId" => self.id = lists.text(map, seen.first(0))?,
            "name" => self.name = lists.text(map, seen.first(1))?,
            "timelog" if seen.first(2) => {
                self.timelogs = map.next_value_seed(Many::<Timelog, _>::new(lists))?;
            }
            "timelog" => {
                map.next_value::<IgnoredAny>()?;
                self.timelogs = Entries::Other;
            }
            _ => lists.unknown(Table::Participants, name, map)?,
        }
        Ok(())
    }
}

/// One stay of a participant in a session, from a join to the leave.
#[derive(Debug, Clone, Copy, Default)]
pub struct Timelog {
    /// `start`: the join, in microseconds since 1970, UTC.
    pub start: Time,
    /// `end`: the leave, in microseconds since 1970, UTC; absent where none is listed.
    pub end: Time,
}

impl<'de> Entry<'de, Lists<'de>> for Timelog {
    fn count(lists: &Lists<'de>) -> usize {
        lists.timelogs.len()
    }

    fn has_room(lists: &Lists<'de>, _: usize) -> bool {
        lists.has_room()
    }

    fn add(self, lists: &mut Lists<'de>, _: usize) {
        lists.add_timelog(self);
    }

    fn leave(lists: &mut Lists<'de>, _: u64) {
        lists.overflow();
    }
}

impl<'de> Record<'de, Lists<'de>> for Timelog {
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, lists: &mut Lists<'de>) -> Result<(), A::Error> {
        let Field { name, map, seen } = field;
        match name.as_ref() {
            "start" => self.start = time(map, seen.first(0), lists.reader())?,
            "end" => self.end = time(map, seen.first(1), lists.reader())?,
            _ => lists.unknown(Table::Timelogs, name, map)?,
        }
        Ok(())
    }
}
