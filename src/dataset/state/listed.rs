//! How much a state lists. Who may write it may list millions of names in what a record may be long, each of which takes several times
//! its length in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::words::limits;

/// Reads a list of names that is not too long.
pub fn set<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeSet<String>, D::Error> {
    from.deserialize_seq(Names)
}

/// Reads entries by their names, if they are not too many.
pub fn map<'de, D: Deserializer<'de>, V: Deserialize<'de>>(from: D) -> Result<BTreeMap<String, V>, D::Error> {
    from.deserialize_map(Entries(PhantomData))
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = BTreeSet<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of names")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Self::Value, A::Error> {
        let mut set = BTreeSet::new();
        while let Some(name) = names.next_element()? {
            refuse_more::<A::Error>(set.len())?;
            set.insert(name);
        }
        Ok(set)
    }
}

struct Entries<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
    type Value = BTreeMap<String, V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("entries by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
        let mut map = BTreeMap::new();
        while let Some((name, value)) = entries.next_entry()? {
            refuse_more::<A::Error>(map.len())?;
            map.insert(name, value);
        }
        Ok(map)
    }
}

fn refuse_more<E: Error>(there: usize) -> Result<(), E> {
    if there < limits::LISTED { Ok(()) } else { Err(E::custom("it lists more than a state may")) }
}
