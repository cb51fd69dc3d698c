//! The raw text of the records of a page, one after the other.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Limits;
use super::keys::OneOf;

/// Calls with the place and the raw text of each record of an answer, until it says that it has enough. Of a text that is
/// not a page there is none, or not all.
pub fn raw_records<'a>(text: &'a str, limits: &Limits, mut each: impl FnMut(usize, &'a str) -> bool) {
    if limits.is_single {
        each(0, text);
        return;
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    // What is not a page was refused before; one that has enough stops in the middle.
    let _ = Data(each).deserialize(&mut reader);
}

/// An object whose `data` is looked at.
struct Data<F>(F);

/// The list in it.
struct List<'f, F>(&'f mut F);

impl<'de, F: FnMut(usize, &'de str) -> bool> DeserializeSeed<'de> for Data<F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(usize, &'de str) -> bool> Visitor<'de> for Data<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a page")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(OneOf(&["data"]))? {
            if key.is_some() {
                return map.next_value_seed(List(&mut self.0));
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl<'de, F: FnMut(usize, &'de str) -> bool> DeserializeSeed<'de> for List<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, F: FnMut(usize, &'de str) -> bool> Visitor<'de> for List<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut place = 0;
        while let Some(raw) = seq.next_element::<&'de RawValue>()? {
            if !self.0(place, raw.get()) {
                return Err(serde::de::Error::custom("enough"));
            }
            place += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_met_one_after_the_other_until_enough() {
        let met = |text: &str, most: usize| {
            let mut met = Vec::new();
            raw_records(text, &Limits::default(), |place, raw| {
                met.push(format!("{place}:{raw}"));
                place + 1 < most
            });
            met
        };
        let text = r#"{"x":[1,2],"d\u0061ta":[{"id":"a"}, 7,null],"data":[8]}"#;
        assert_eq!(met(text, 9), [r#"0:{"id":"a"}"#, "1:7", "2:null"]);
        assert_eq!(met(text, 2), [r#"0:{"id":"a"}"#, "1:7"]);
        for text in ["{}", "[]", "null", r#"{"data":null}"#, r#"{"data":{}}"#, "{", r#"{"data":["#] {
            assert!(met(text, 9).is_empty(), "{text}");
        }
    }
}
