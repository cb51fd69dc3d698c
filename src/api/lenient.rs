//! Lenient reading: a value of a wrong type is kept as such and never fails the page that it is in.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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

    pub(super) fn integer(&self) -> Option<i64> {
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
pub(super) trait Record<'de>: Default {
    /// Takes the value of a field; the last of several with one name counts.
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A) -> Result<(), A::Error>;
}

/// A record, or `None` where something other than an object stands.
pub(super) struct Maybe<T>(pub Option<T>);

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
