//! The message in an answer that is no page: found while the body is read, without a tree of all that is in it.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::keys::OneOf;
use crate::words::limits;

/// Where the API puts its message, in the order of VideoSDK's own SDKs.
const KEYS: [&str; 4] = ["message", "error", "msg", "statusMessage"];

/// The message in a JSON body, no longer than a text may be: the text itself, or what an object holds under one of the
/// known keys, directly or deeper. An outer `None`: it is not JSON.
#[allow(clippy::option_option)] // not JSON, and JSON without a message
pub fn said(body: &[u8]) -> Option<Option<String>> {
    serde_json::from_slice::<Said>(body).ok().map(|said| said.0)
}

/// The message that stands in a JSON body, where that holds any.
pub fn message_in(body: &[u8]) -> Option<String> {
    said(body).flatten().filter(|message| !message.trim().is_empty())
}

/// Whether a body is one JSON object that holds a message under one of the known keys.
pub fn has_message(body: &[u8]) -> bool {
    message_in(body).is_some()
}

struct Said(Option<String>);

impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any).map(Self)
    }
}

struct Any;

impl<'de> DeserializeSeed<'de> for Any {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(limits::cut(text, limits::TEXT).to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found: [Option<String>; KEYS.len()] = Default::default();
        while let Some(key) = map.next_key_seed(OneOf(&KEYS))? {
            match key {
                Some(key) => found[key] = map.next_value_seed(Self)?,
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found.into_iter().flatten().next())
    }
}
