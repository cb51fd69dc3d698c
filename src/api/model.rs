//! The wire model: what a page of sessions says, borrowed from its bytes.
//!
//! Every field is read leniently, so that one odd record never costs its page: a value of a wrong type becomes
//! [`Scalar::Other`] and is judged where rows are made. No JSON value type leaves this module.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::walk::PageInfo;

/// A value that should be a text or a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scalar<'a> {
    /// No such field.
    #[default]
    Missing,
    /// An explicit null.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// A whole number of at most 64 bits.
    Integer(i128),
    /// Any other number.
    Float(f64),
    /// A boolean, an array or an object.
    Other,
}

impl Scalar<'_> {
    /// Missing or null.
    pub const fn is_absent(&self) -> bool {
        matches!(self, Self::Missing | Self::Null)
    }

    /// As text: a text as it is, a whole number in digits.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => i64::try_from(*number).ok(),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

macro_rules! scalar_visits {
    ($ok:expr) => {
        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Integer(number.into())))
        }
        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Integer(number.into())))
        }
        fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Float(number)))
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Other))
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Text(Cow::Borrowed(text))))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Text(Cow::Owned(text.to_owned()))))
        }
    };
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Scalar<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            scalar_visits!(|scalar| scalar);
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Other)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

/// A value that should be a list of objects; an entry that is not an object is `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Entries<T> {
    /// Missing or null.
    #[default]
    Absent,
    /// A list.
    List(Vec<Option<T>>),
    /// Of another type.
    Other,
}

impl<T> Entries<T> {
    /// The list; empty where there is none.
    pub fn list(&self) -> &[Option<T>] {
        match self {
            Self::List(list) => list,
            Self::Absent | Self::Other => &[],
        }
    }
}

impl<'de, T: Record<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(std::marker::PhantomData<T>);
        impl<'de, T: Record<'de>> Visitor<'de> for Any<T> {
            type Value = Entries<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            scalar_visits!(|_: Scalar<'_>| Entries::Other);
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Entries::Absent)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(Maybe(entry)) = seq.next_element()? {
                    list.push(entry);
                }
                Ok(Entries::List(list))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Entries::Other)
            }
        }
        deserializer.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// An object read field by field.
trait Record<'de>: Default {
    /// Takes the value of a field; the last of several with one name counts.
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error>;
}

/// A record, or `None` where something other than an object stands.
struct Maybe<T>(Option<T>);

impl<'de, T: Record<'de>> Deserialize<'de> for Maybe<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any<T>(std::marker::PhantomData<T>);
        impl<'de, T: Record<'de>> Visitor<'de> for Any<T> {
            type Value = Maybe<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record")
            }
            scalar_visits!(|_: Scalar<'_>| Maybe(None));
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Maybe(None))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Maybe(None))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut record = T::default();
                while let Some(Key(name)) = map.next_key()? {
                    record.field(name, &mut map)?;
                }
                Ok(Maybe(Some(record)))
            }
        }
        deserializer.deserialize_any(Any(std::marker::PhantomData))
    }
}

/// An object's key, borrowed where it has no escapes.
struct Key<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

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
    /// `participants`
    pub participants: Entries<Participant<'a>>,
    /// The rest.
    pub unknown: Unknown<'a>,
}

impl<'de> Record<'de> for Session<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match name.as_ref() {
            "id" => prefer(&mut self.id, map.next_value()?),
            "_id" => fall_back(&mut self.id, map.next_value()?),
            "meetingId" => prefer(&mut self.meeting_id, map.next_value()?),
            "roomId" => fall_back(&mut self.meeting_id, map.next_value()?),
            "start" => self.start = map.next_value()?,
            "end" => self.end = map.next_value()?,
            "status" => self.status = map.next_value()?,
            "customRoomId" => self.custom_room_id = map.next_value()?,
            "region" => self.region = map.next_value()?,
            "chatLink" => self.chat_link = map.next_value()?,
            "activeDuration" => self.active_duration = map.next_value()?,
            "participants" => self.participants = map.next_value()?,
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
    /// `timelog`
    pub timelogs: Entries<Timelog<'a>>,
    /// The rest.
    pub unknown: Unknown<'a>,
}

impl<'de> Record<'de> for Participant<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match name.as_ref() {
            "participantId" => self.id = map.next_value()?,
            "name" => self.name = map.next_value()?,
            "timelog" => self.timelogs = map.next_value()?,
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
}

impl<'de> Record<'de> for Timelog<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match name.as_ref() {
            "start" => self.start = map.next_value()?,
            "end" => self.end = map.next_value()?,
            _ => drop(map.next_value::<IgnoredAny>()?),
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

impl<'de> Record<'de> for Info<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
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

/// One page of the list. An entry of `sessions` that is not an object is `None`.
#[derive(Debug, Default)]
pub struct Page<'a> {
    /// The server's own words on the page.
    pub info: PageInfo,
    /// Its records in list order.
    pub sessions: Vec<Option<Session<'a>>>,
}

#[derive(Default)]
struct Body<'a> {
    info: Option<Info<'a>>,
    data: Entries<Session<'a>>,
}

impl<'de> Record<'de> for Body<'de> {
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error> {
        match name.as_ref() {
            "pageInfo" => self.info = map.next_value::<Maybe<_>>()?.0,
            "data" => self.data = map.next_value()?,
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
    /// JSON, but without a `data` array.
    #[error("no `data` array in the answer")]
    NoData,
}

/// Reads a page. The text must be valid Unicode throughout; see [`crate::api::mend`] for what is not.
pub fn page(text: &str) -> Result<Page<'_>, ShapeError> {
    let Maybe(body) = serde_json::from_str::<Maybe<Body<'_>>>(text)?;
    let body = body.ok_or(ShapeError::NoData)?;
    let Entries::List(sessions) = body.data else { return Err(ShapeError::NoData) };
    let info = body.info.unwrap_or_default();
    let info = PageInfo {
        current_page: info.current_page.integer(),
        per_page: info.per_page.integer(),
        last_page: info.last_page.integer(),
        total: info.total.integer(),
    };
    Ok(Page { info, sessions })
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
