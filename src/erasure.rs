//! Who has been erased: participants whose name or id was taken out of a dataset, and stays out.
//!
//! Names and ids are known by a keyed hash only, so that the list of the erased does not hold what was erased. Pure.

use std::borrow::Cow;
use std::collections::BTreeSet;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

use crate::error::{Error, Kind, Result};

/// The hash of a name or an id.
pub type Hash = [u8; 32];

/// By what a participant is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// `participantId`
    Id,
    /// `name`, exactly as listed.
    Name,
}

/// Those who have been erased.
#[derive(Debug, Clone)]
pub struct Denied {
    keyed: Hmac<Sha256>,
    hashes: BTreeSet<Hash>,
}

impl Denied {
    /// Those with these hashes, made with this key.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn new(key: &[u8], hashes: BTreeSet<Hash>) -> Result<Self> {
        let keyed = Hmac::new_from_slice(key);
        let keyed = keyed.map_err(|error| Error::new(Kind::Unexpected, "the key can't be used").because(error))?;
        Ok(Self { keyed, hashes })
    }

    /// The hash by which somebody is known.
    pub fn hash(&self, by: Identifier, text: &str) -> Hash {
        let mut keyed = self.keyed.clone();
        keyed.update(match by {
            Identifier::Id => b"id:",
            Identifier::Name => b"name:",
        });
        keyed.update(text.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// Whether a participant with this id and name has been erased.
    pub fn has(&self, id: Option<&str>, name: Option<&str>) -> bool {
        let known = |by, text: Option<&str>| text.is_some_and(|text| self.hashes.contains(&self.hash(by, text)));
        known(Identifier::Id, id) || known(Identifier::Name, name)
    }

    /// A raw record without those who have been erased. One that can't be read is not kept.
    pub fn scrub<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        let Ok(mut value) = serde_json::from_str::<Value>(raw) else { return Cow::Borrowed("null") };
        if self.clean(&mut value) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(raw) }
    }

    /// Takes entries of the erased out of lists, and their names and ids out of whatever else; says whether it found any.
    fn clean(&self, value: &mut Value) -> bool {
        match value {
            Value::Array(items) => {
                let before = items.len();
                items.retain(|item| !self.is_erased(item));
                let inside = items.iter_mut().fold(false, |found, item| self.clean(item) | found);
                inside || items.len() != before
            }
            Value::Object(fields) => fields.values_mut().fold(false, |found, value| self.clean(value) | found),
            other => {
                let found = text(other).is_some_and(|text| self.has(Some(&text), Some(&text)));
                if found {
                    *other = Value::Null;
                }
                found
            }
        }
    }

    fn is_erased(&self, entry: &Value) -> bool {
        let field = |name| entry.get(name).and_then(text);
        self.has(field("participantId").as_deref(), field("name").as_deref())
    }
}

/// As the tables have it: a text, or a whole number in digits.
fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn denied() -> Denied {
        let empty = Denied::new(b"key", BTreeSet::new()).unwrap();
        let hashes = [empty.hash(Identifier::Name, "Ann"), empty.hash(Identifier::Id, "7")];
        Denied::new(b"key", hashes.into()).unwrap()
    }

    #[test]
    fn a_name_is_not_an_id() {
        let denied = denied();
        assert!(denied.has(Some("x"), Some("Ann")) && denied.has(Some("7"), None));
        assert!(!denied.has(Some("Ann"), Some("7")) && !denied.has(None, None) && !denied.has(None, Some("ann")));
        assert!(
            !Denied::new(b"other", denied.hashes.clone()).unwrap().has(None, Some("Ann")),
            "the key does not matter"
        );
    }

    #[test]
    fn raw_records_lose_the_erased_only() {
        let denied = denied();
        let scrubbed = |raw: &str| denied.scrub(raw).into_owned();
        let others = r#"{ "participants": [{"name": "Bob"}], "start": 5 }"#;
        assert_eq!(scrubbed(others), others);
        assert_eq!(
            scrubbed(r#"{"participants":[{"name":"Bob"},{"participantId":7},{"name":"Ann","timelog":[]}]}"#),
            r#"{"participants":[{"name":"Bob"}]}"#
        );
        assert_eq!(scrubbed(r#"{"participants":{"host":"Ann"}}"#), r#"{"participants":{"host":null}}"#);
        assert_eq!(scrubbed("not JSON, by Ann"), "null");
    }
}
