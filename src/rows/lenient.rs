//! Lenient reading: a value of a wrong type is kept as such and never fails the page that it is in.
//!
//! Records of one kind go into one list a page, whatever they are nested in: a page costs a handful of allocations,
//! not one a record. Memory follows bytes: what is no record takes no place, and where there is no more room what is left
//! of a list is passed over.

mod scalar;
mod time;

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::words::limits;
pub use scalar::Scalar;
pub(super) use scalar::scalar;
use scalar::scalar_visits;
pub use time::Time;
pub(super) use time::time;

/// Bytes of a character at most: a text that is cut so far behind its limit is still seen to be too long.
const LONGEST_CHAR: usize = 4;

/// A value that should be a list of objects.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Entries {
    /// Missing, null, or an empty text.
    #[default]
    Absent,
    /// A list: where in the page's records of that kind its entries are.
    List {
        /// Index of the first entry among all records of that kind in the page.
        from: u32,
        /// Index behind the last entry; equal to `from` where no entry is an object.
        to: u32,
        /// Whether something that is no object stood among them.
        is_odd: bool,
    },
    /// Of another type, or there twice.
    Other,
    /// There was no room for all of it.
    TooMany,
}

impl Entries {
    /// Where its entries are in the page's records of that kind; nowhere where there is no list.
    pub const fn range(&self) -> Range<usize> {
        match self {
            Self::List { from, to, .. } => *from as usize..*to as usize,
            Self::Absent | Self::Other | Self::TooMany => 0..0,
        }
    }

    /// Its part of the page's records of that kind.
    pub fn of<'a, T>(&self, all: &'a [T]) -> &'a [T] {
        all.get(self.range()).unwrap_or_default()
    }

    /// Whether it, or something in it, is not of the documented type.
    pub const fn is_odd(&self) -> bool {
        matches!(self, Self::Other | Self::List { is_odd: true, .. })
    }
}

/// The known keys that an object has shown so far, a bit each.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seen(u16);

impl Seen {
    /// Whether a key, by its number below 16, is there for the first time.
    pub const fn first(&mut self, key: u32) -> bool {
        let is_first = self.0 & (1 << key) == 0;
        self.0 |= 1 << key;
        is_first
    }
}

/// An object read field by field. `L` is what the lists of a page are gathered in.
pub(super) trait Record<'de, L>: Default {
    /// Takes the value of a field.
    fn field<A: MapAccess<'de>>(&mut self, field: Field<'_, 'de, A>, lists: &mut L) -> Result<(), A::Error>;
}

/// A field of an object whose value is to be taken.
pub(super) struct Field<'a, 'de, A> {
    /// The key, its escapes resolved: `meetingId`.
    pub name: Cow<'de, str>,
    /// The reader of the object, from which the value must be taken next.
    pub map: &'a mut A,
    /// Which known keys the object has shown before this one, so that a second one is noticed.
    pub seen: &'a mut Seen,
}

/// An object that stands in lists.
pub(super) trait Entry<'de, L>: Record<'de, L> {
    /// How many records of this kind there are.
    fn count(lists: &L) -> usize;

    /// Whether there is room for an entry at this place of its own list.
    fn has_room(lists: &L, place: usize) -> bool;

    /// Takes an entry in.
    fn add(self, lists: &mut L, place: usize);

    /// Takes note of an entry that is no object; its list is marked in any case.
    fn pass(_lists: &mut L, _place: usize) {}

    /// The same of so many entries for which there was no room.
    fn leave(lists: &mut L, entries: u64);
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
        let Self { lists, .. } = self;
        let (from, mut is_odd, mut place) = (T::count(lists), false, 0);
        while T::has_room(lists, place) {
            match seq.next_element_seed(One::<T, L>::new(lists))? {
                Some(Some(entry)) => entry.add(lists, place),
                Some(None) => {
                    is_odd = true;
                    T::pass(lists, place);
                }
                None => return Ok(list(from, T::count(lists), is_odd)),
            }
            place += 1;
        }
        let mut left = 0;
        while seq.next_element::<IgnoredAny>()?.is_some() {
            left += 1;
        }
        T::leave(lists, left);
        Ok(list(from, T::count(lists), is_odd))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Entries::Other)
    }
}

fn list(from: usize, to: usize, is_odd: bool) -> Entries {
    let place = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
    Entries::List { from: place(from), to: place(to), is_odd }
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
        let (mut record, mut seen) = (T::default(), Seen::default());
        while let Some(Key(name)) = map.next_key()? {
            record.field(Field { name, map: &mut map, seen: &mut seen }, self.lists)?;
        }
        Ok(Some(record))
    }
}

/// An object's key, borrowed where it has no escapes; else without what is longer than any is kept.
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
                Ok(Key(Cow::Owned(limits::cut(text, limits::EXTRA + LONGEST_CHAR).to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}
