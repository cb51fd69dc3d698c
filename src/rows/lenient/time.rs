//! A value that should be a time: read at once, so that it takes eight bytes and not a text.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::words::timestamp;

/// A time, in microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Time(i64);

impl Default for Time {
    fn default() -> Self {
        Self::ABSENT
    }
}

impl Time {
    /// No time that can be read is so early.
    const ABSENT: Self = Self(i64::MIN);
    const BAD: Self = Self(i64::MIN + 1);

    /// Missing, null, or an empty text.
    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }

    /// Whether the field is there and holds no time: another type, a text that can't be read, or a key that stands twice.
    pub fn is_bad(self) -> bool {
        self == Self::BAD
    }

    /// The time, if it can be read.
    pub fn at(self) -> Option<i64> {
        (self.0 > Self::BAD.0).then_some(self.0)
    }
}

/// The time of a key: of one that is there twice neither is taken.
pub(in crate::rows) fn time<'de, A: MapAccess<'de>>(
    map: &mut A,
    is_first: bool,
    reader: &mut timestamp::Reader,
) -> Result<Time, A::Error> {
    let value = map.next_value_seed(TimeOf(reader))?;
    Ok(if is_first { value } else { Time::BAD })
}

struct TimeOf<'r>(&'r mut timestamp::Reader);

impl<'de> DeserializeSeed<'de> for TimeOf<'_> {
    type Value = Time;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Time, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for TimeOf<'_> {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time")
    }

    fn visit_str<E>(self, text: &str) -> Result<Time, E> {
        Ok(if text.is_empty() { Time::ABSENT } else { self.0.parse(text).map_or(Time::BAD, Time) })
    }

    fn visit_unit<E>(self) -> Result<Time, E> {
        Ok(Time::ABSENT)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Time, E> {
        Ok(Time::BAD)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Time, E> {
        Ok(Time::BAD)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Time, E> {
        Ok(Time::BAD)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Time, E> {
        Ok(Time::BAD)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Time, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Time::BAD)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Time, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Time::BAD)
    }
}
