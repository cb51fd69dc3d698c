//! The wire model: what a page of sessions says, borrowed from its bytes.
//!
//! Every field is read leniently, so that one odd record never costs its page: a value of a wrong type becomes
//! [`Scalar::Other`] and is judged where rows are made. No JSON value type leaves this module.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess};
use serde_json::value::RawValue;

use super::body::has_message;
use super::lenient::{Entries, Entry, Many, One, Record, Scalar};
use crate::walk::PageInfo;

/// Fields unknown to this version: their names and raw values.
pub type Unknown<'a> = Vec<(Cow<'a, str>, &'a RawValue)>;

/// One session as listed.
#[derive(Debug, Clone, Default)]
pub struct Session<'a> {
    /// `id`, or `_id` where that is absent.
    pub id: Scalar<'a>,
    /// `meetingId`, or `roomId` where that is absent.
    pub meeting_id: Scalar<'a>,
    /// `start`
    pub start: Scalar<'a>,
    /// `end`
    pub end: Scalar<'a>,
    /// `status`
    pub status: Scalar<'a>,
    /// `customRoomId`
    pub custom_room_id: Scalar<'a>,
    /// `region`
    pub region: Scalar<'a>,
    /// `chatLink`
    pub chat_link: Scalar<'a>,
    /// `activeDuration`
    pub active_duration: Scalar<'a>,
    /// `participants`, in [`Lists::participants`]
    pub participants: Entries,
    /// The rest.
    pub unknown: Unknown<'a>,
}

impl<'de> Entry<'de, Lists<'de>> for Session<'de> {
    fn list<'l>(lists: &'l mut Lists<'de>) -> &'l mut Vec<Option<Self>> {
        &mut lists.sessions
    }
}

impl<'de> Record<'de, Lists<'de>> for Session<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        lists: &mut Lists<'de>,
    ) -> Result<(), A::Error> {
        match name.as_ref() {
            "id" => prefer(&mut self.id, lists.text(map)?),
            "_id" => fall_back(&mut self.id, lists.text(map)?),
            "meetingId" => prefer(&mut self.meeting_id, lists.text(map)?),
            "roomId" => fall_back(&mut self.meeting_id, lists.text(map)?),
            "start" => self.start = map.next_value()?,
            "end" => self.end = map.next_value()?,
            "status" => self.status = lists.text(map)?,
            "customRoomId" => self.custom_room_id = lists.text(map)?,
            "region" => self.region = lists.text(map)?,
            "chatLink" => self.chat_link = lists.text(map)?,
            "activeDuration" => self.active_duration = map.next_value()?,
            "participants" => {
                self.participants = map.next_value_seed(Many::<Participant<'_>, _>::new(lists))?;
            }
            // Documented, and not a column: the links can be built, the user is the account's own.
            "links" | "userId" => drop(map.next_value::<IgnoredAny>()?),
            _ => self.unknown.push((name, map.next_value()?)),
        }
        Ok(())
    }
}

fn prefer<'a>(field: &mut Scalar<'a>, value: Scalar<'a>) {
    if !value.is_absent() || field.is_absent() {
        *field = value;
    }
}

fn fall_back<'a>(field: &mut Scalar<'a>, value: Scalar<'a>) {
    if field.is_absent() {
        *field = value;
    }
}

/// One entry of a session's participants.
#[derive(Debug, Clone, Default)]
pub struct Participant<'a> {
    /// `participantId`
    pub id: Scalar<'a>,
    /// `name`
    pub name: Scalar<'a>,
    /// `timelog`, in [`Lists::timelogs`]
    pub timelogs: Entries,
    /// The rest.
    pub unknown: Unknown<'a>,
}

impl<'de> Entry<'de, Lists<'de>> for Participant<'de> {
    fn list<'l>(lists: &'l mut Lists<'de>) -> &'l mut Vec<Option<Self>> {
        &mut lists.participants
    }
}

impl<'de> Record<'de, Lists<'de>> for Participant<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        lists: &mut Lists<'de>,
    ) -> Result<(), A::Error> {
        match name.as_ref() {
            "participantId" => self.id = lists.text(map)?,
            "name" => self.name = lists.text(map)?,
            "timelog" => self.timelogs = map.next_value_seed(Many::<Timelog<'_>, _>::new(lists))?,
            _ => self.unknown.push((name, map.next_value()?)),
        }
        Ok(())
    }
}

/// One join-leave interval.
#[derive(Debug, Clone, Default)]
pub struct Timelog<'a> {
    /// `start`
    pub start: Scalar<'a>,
    /// `end`
    pub end: Scalar<'a>,
    /// The rest.
    pub unknown: Unknown<'a>,
}

impl<'de> Entry<'de, Lists<'de>> for Timelog<'de> {
    fn list<'l>(lists: &'l mut Lists<'de>) -> &'l mut Vec<Option<Self>> {
        &mut lists.timelogs
    }
}

impl<'de> Record<'de, Lists<'de>> for Timelog<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        _: &mut Lists<'de>,
    ) -> Result<(), A::Error> {
        match name.as_ref() {
            "start" => self.start = map.next_value()?,
            "end" => self.end = map.next_value()?,
            _ => self.unknown.push((name, map.next_value()?)),
        }
        Ok(())
    }
}

#[derive(Default)]
struct Info<'a> {
    current_page: Scalar<'a>,
    per_page: Scalar<'a>,
    last_page: Scalar<'a>,
    total: Scalar<'a>,
}

impl<'de> Record<'de, Lists<'de>> for Info<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        _: &mut Lists<'de>,
    ) -> Result<(), A::Error> {
        match name.as_ref() {
            "currentPage" => self.current_page = map.next_value()?,
            "perPage" => self.per_page = map.next_value()?,
            "lastPage" => self.last_page = map.next_value()?,
            "total" => self.total = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// The records of a page by kind, each in the order of the text. An entry that is not an object is `None`.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// The sessions.
    pub sessions: Vec<Option<Session<'a>>>,
    /// The participants of all sessions.
    pub participants: Vec<Option<Participant<'a>>>,
    /// The timelogs of all participants.
    pub timelogs: Vec<Option<Timelog<'a>>>,
    /// Where a text should be there may be a whole number whose digits did not all fit; see [`crate::api::mend::long_numbers`].
    pub has_long_numbers: bool,
}

impl<'de> Lists<'de> {
    /// Room for what a text of this length usually holds.
    fn with_room_for(length: usize) -> Self {
        Self {
            sessions: Vec::with_capacity(length / 1024),
            participants: Vec::with_capacity(length / 192),
            timelogs: Vec::with_capacity(length / 120),
            has_long_numbers: false,
        }
    }

    /// The value of a field that should be a text.
    fn text<A: MapAccess<'de>>(&mut self, map: &mut A) -> Result<Scalar<'de>, A::Error> {
        let value: Scalar<'de> = map.next_value()?;
        self.has_long_numbers |= value.is_long();
        Ok(value)
    }
}

/// One page of the list.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// The server's own words on the page.
    pub info: PageInfo,
    /// Where its records are, in list order.
    pub sessions: Entries,
    /// All records.
    pub lists: Lists<'a>,
}

#[derive(Default)]
struct Body<'a> {
    info: Option<Info<'a>>,
    /// `None` where there is no such field.
    data: Option<Entries>,
}

impl<'de> Record<'de, Lists<'de>> for Body<'de> {
    fn field<A: MapAccess<'de>>(
        &mut self,
        name: Cow<'de, str>,
        map: &mut A,
        lists: &mut Lists<'de>,
    ) -> Result<(), A::Error> {
        match name.as_ref() {
            "pageInfo" => self.info = map.next_value_seed(One::new(lists))?,
            "data" => self.data = Some(map.next_value_seed(Many::<Session<'_>, _>::new(lists))?),
            _ => drop(map.next_value::<IgnoredAny>()?),
        }
        Ok(())
    }
}

/// Why a body is not a page of sessions.
#[derive(Debug, thiserror::Error)]
pub enum ShapeError {
    /// Not JSON at all, or cut off.
    #[error("not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON, but without a `data` array, and without another word on the list.
    #[error("no `data` array in the answer")]
    NoData,
}

/// Reads a page. Without `data`, or with null or an empty text, it is one without sessions, so long as there is `pageInfo`; null alone is
/// one too, unless a message beside it says why it is null. The text must be valid Unicode throughout; see [`crate::api::mend`] for what is not.
pub fn page(text: &str) -> Result<Page<'_>, ShapeError> {
    let mut lists = Lists::with_room_for(text.len());
    let mut reader = serde_json::Deserializer::from_str(text);
    let body = One::<Body<'_>, _>::new(&mut lists).deserialize(&mut reader)?;
    reader.end()?;
    let Body { info, data } = body.ok_or(ShapeError::NoData)?;
    let sessions = match (data, &info) {
        (Some(list @ Entries::List(_)), _) => list,
        (None | Some(Entries::Absent), Some(_)) => Entries::Absent,
        (Some(Entries::Absent), None) if !has_message(text.as_bytes()) => Entries::Absent,
        _ => return Err(ShapeError::NoData),
    };
    let info = info.unwrap_or_default();
    let info = PageInfo {
        current_page: info.current_page.integer(),
        per_page: info.per_page.integer(),
        last_page: info.last_page.integer(),
        total: info.total.integer(),
    };
    Ok(Page { info, sessions, lists })
}

/// The raw text of each record of a page that [`page`] can read, for the rejects.
pub fn raw_records(text: &str) -> Vec<&RawValue> {
    #[derive(serde::Deserialize)]
    struct Raw<'a> {
        #[serde(borrow)]
        data: Vec<&'a RawValue>,
    }
    serde_json::from_str::<Raw<'_>>(text).map(|raw| raw.data).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_may_lack_its_rows_but_not_every_word_on_the_list() {
        for (text, rows) in [
            (r#"{"data":[]}"#, Some(0)),
            (r#"{"data":[{"id":"a"},null,7]}"#, Some(3)),
            (r#"{"pageInfo":{"currentPage":4,"perPage":20,"lastPage":3,"total":45},"data":null}"#, Some(0)),
            (r#"{"pageInfo":{"total":0}}"#, Some(0)),
            (r#"{"pageInfo":{},"message":"no sessions"}"#, Some(0)),
            (r#"{"data":null}"#, Some(0)),
            (r#"{"pageInfo":null,"data":null}"#, Some(0)),
            (r#"{"data":null,"message":null}"#, Some(0)),
            (r#"{"pageInfo":{"total":3},"data":""}"#, Some(0)),
            (r#"{"data":"","message":"Token is invalid"}"#, None),
            (r#"{"data":null,"message":"Token is invalid"}"#, None),
            (r#"{"data":null,"error":{"message":"deep"}}"#, None),
            (r#"{"message":"Token is invalid"}"#, None),
            (r#"{"pageInfo":{"total":3},"data":{}}"#, None),
            (r#"{"pageInfo":{"total":3},"data":"none"}"#, None),
            (r#"{"pageInfo":{"total":3},"data":0}"#, None),
            (r#"{"pageInfo":[]}"#, None),
            (r#"{"pageInfo":null}"#, None),
            ("{}", None),
            ("null", None),
            ("[]", None),
        ] {
            let read = page(text).ok().map(|page| page.sessions.of(&page.lists.sessions).len());
            assert_eq!(read, rows, "{text}");
        }
        let info = page(r#"{"pageInfo":{"currentPage":"4","total":"45","perPage":" 20 "},"data":null}"#).unwrap().info;
        assert_eq!((info.current_page, info.per_page, info.total), (Some(4), Some(20), Some(45)));
    }
}
