//! Lenient reading: a value of a wrong type is kept as such and never fails the page that it is in.
//!
//! Records of one kind go into one list a page, whatever they are nested in: a page costs a handful of allocations,
//! not one a record.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

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
    /// A whole number that fits.
    Integer(i64),
    /// A whole number beyond that.
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
    pub(super) fn is_long(&self) -> bool {
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

    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

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

/// A value that should be a list of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Entries {
    /// Missing, null, or an empty text.
    #[default]
    Absent,
    /// A list: where in the page's records of that kind its entries are. One that is not an object is `None` there.
    List(Range<usize>),
    /// Of another type.
    Other,
}

impl Entries {
    /// Its part of the page's records of that kind; empty where there is no list.
    pub fn of<'a, T>(&self, all: &'a [Option<T>]) -> &'a [Option<T>] {
        match self {
            Self::List(range) => all.get(range.clone()).unwrap_or_default(),
            Self::Absent | Self::Other => &[],
        }
    }
}

/// An object read field by field. `L` is what the lists of a page are gathered in.
pub(super) trait Record<'de, L>: Default {
    /// Takes the value of a field; the last of several with one name counts.
    fn field<A: MapAccess<'de>>(&mut self, name: Cow<'de, str>, map: &mut A, lists: &mut L) -> Result<(), A::Error>;
}

/// An object that stands in lists.
pub(super) trait Entry<'de, L>: Record<'de, L> {
    /// The list that all records of this kind go to.
    fn list(lists: &mut L) -> &mut Vec<Option<Self>>;
}

/// Reads a list of records.
pub(super) struct Many<'l, T, L> {
    lists: &'l mut L,
    kind: PhantomData<T>,
}

impl<'l, T, L> Many<'l, T, L> {
    pub(super) const fn new(lists: &'l mut L) -> Self {
        Self { lists, kind: PhantomData }
    }
}

impl<'de, T: Entry<'de, L>, L> DeserializeSeed<'de> for Many<'_, T, L> {
    type Value = Entries;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entries, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Entry<'de, L>, L> Visitor<'de> for Many<'_, T, L> {
    type Value = Entries;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalar_visits!(|scalar: Scalar<'_>| if scalar.is_absent() { Entries::Absent } else { Entries::Other });

    fn visit_unit<E>(self) -> Result<Entries, E> {
        Ok(Entries::Absent)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entries, A::Error> {
        let begin = T::list(self.lists).len();
        while let Some(entry) = seq.next_element_seed(One::<T, L>::new(self.lists))? {
            T::list(self.lists).push(entry);
        }
        Ok(Entries::List(begin..T::list(self.lists).len()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Entries::Other)
    }
}

/// Reads a record; `None` where something other than an object stands.
pub(super) struct One<'l, T, L> {
    lists: &'l mut L,
    kind: PhantomData<T>,
}

impl<'l, T, L> One<'l, T, L> {
    pub(super) const fn new(lists: &'l mut L) -> Self {
        Self { lists, kind: PhantomData }
    }
}

impl<'de, T: Record<'de, L>, L> DeserializeSeed<'de> for One<'_, T, L> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Record<'de, L>, L> Visitor<'de> for One<'_, T, L> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    scalar_visits!(|_: Scalar<'_>| None);

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Option<T>, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<T>, A::Error> {
        let mut record = T::default();
        while let Some(Key(name)) = map.next_key()? {
            record.field(name, &mut map, self.lists)?;
        }
        Ok(Some(record))
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
