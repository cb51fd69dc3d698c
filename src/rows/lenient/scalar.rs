//! A value that should be a text or a number.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::LONGEST_CHAR;
use crate::words::limits;

/// A value that should be a text or a number.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Scalar<'a> {
    /// The object has no such field.
    #[default]
    Missing,
    /// The field is there, and its value is `null`.
    Null,
    /// A text; one that is not as it stands in the answer is longer than any column takes at most by a character.
    Text(Cow<'a, str>),
    /// A whole number that fits into 64 bits with a sign.
    Integer(i64),
    /// A whole number above the range of `Integer` that fits into 64 bits without a sign.
    Large(u64),
    /// Any other number. A whole one of more digits is here, too, though not with all of them.
    Float(f64),
    /// A boolean, an array or an object.
    Other,
}

impl Scalar<'_> {
    /// Missing, null, or an empty text, by which some servers say the same.
    pub fn is_absent(&self) -> bool {
        match self {
            Self::Missing | Self::Null => true,
            Self::Text(text) => text.is_empty(),
            _ => false,
        }
    }

    /// Whether it may be a whole number whose digits did not all fit.
    pub(in crate::rows) fn is_long(&self) -> bool {
        const INTEGERS: f64 = 9_223_372_036_854_775_808.0; // 2^63
        matches!(self, Self::Float(number) if number.abs() >= INTEGERS)
    }

    /// As text: a text as it is unless it is empty, a whole number in digits.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(Cow::Borrowed(text.as_ref())).filter(|text| !text.is_empty()),
            Self::Integer(number) => Some(Cow::Owned(number.to_string())),
            Self::Large(number) => Some(Cow::Owned(number.to_string())),
            _ => None,
        }
    }

    pub(in crate::rows) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

/// What a visitor of any value does with those that are no list, no object and not null.
macro_rules! scalar_visits {
    ($ok:expr) => {
        fn visit_u64<E>(self, number: u64) -> Result<Self::Value, E> {
            Ok($ok(i64::try_from(number).map_or(Scalar::Large(number), Scalar::Integer)))
        }
        fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
            Ok($ok(Scalar::Integer(number)))
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
            Ok($ok(Scalar::Text(Cow::Owned(limits::cut(text, limits::TEXT + LONGEST_CHAR).to_owned()))))
        }
    };
}

pub(super) use scalar_visits;

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

/// The value of a key: of one that is there twice neither is taken.
pub(in crate::rows) fn scalar<'de, A: MapAccess<'de>>(map: &mut A, is_first: bool) -> Result<Scalar<'de>, A::Error> {
    let value = map.next_value()?;
    Ok(if is_first { value } else { Scalar::Other })
}
