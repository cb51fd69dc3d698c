//! Who has been erased: participants whose name or id was taken out of a dataset, and stays out.
//!
//! Names and ids are known by a keyed hash only, so that the list of the erased does not hold what was erased. Each hash
//! belongs to a rule, known by its number. Pure.

use std::borrow::Cow;
use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::Sha256;

use crate::error::{Error, Kind, Result};
use crate::rows::mend;
use crate::rows::privacy::{self, Columns, Shown};
use crate::words::limits;
use crate::words::name;

/// The hash of a name or an id.
pub type Hash = [u8; 32];

/// By what a participant is erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// `participantId`: all entries with this very id.
    Id,
    /// `name`, exactly as listed.
    ExactName,
    /// `name`, in its normal form ([`name::normal`]).
    Name,
}

impl Identifier {
    /// All ways; `by as usize` is the index of each.
    pub const ALL: [Self; 3] = [Self::Id, Self::ExactName, Self::Name];
}

/// A column that may have tokens of people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Token {
    /// `participant_id`.
    ParticipantId,
    /// `name`.
    Name,
    /// `person`, where names are not kept.
    Person,
}

/// A row of `participants`, as far as it says who it is of.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// `participant_id`, or its token.
    pub participant_id: Option<&'a str>,
    /// `name`, or its token.
    pub name: Option<&'a str>,
    /// `person`, or its token.
    pub person: Option<&'a str>,
}

/// Those who have been erased.
#[derive(Debug, Clone)]
pub struct Denied {
    keyed: Hmac<Sha256>,
    /// Hashes and the numbers of their rules, in the order of [`Identifier::ALL`].
    rules: [BTreeMap<Hash, u32>; Identifier::ALL.len()],
    /// Hashes of tokens, by which the same people are known in rows that protect their names or ids.
    aliases: BTreeMap<(Token, Hash), u32>,
}

impl Denied {
    /// Nobody yet. `key`: of the hashes.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn nobody(key: &[u8]) -> Result<Self> {
        let keyed = Hmac::new_from_slice(key);
        let keyed = keyed.map_err(|error| Error::new(Kind::Unexpected, "the key can't be used").because(error))?;
        Ok(Self { keyed, rules: Default::default(), aliases: BTreeMap::new() })
    }

    /// Adds who has this hash, by the rule of this number.
    pub fn add(&mut self, by: Identifier, hash: Hash, rule: u32) {
        self.rules[by as usize].insert(hash, rule);
    }

    /// Whether nobody has been erased.
    pub fn is_empty(&self) -> bool {
        self.rules.iter().all(BTreeMap::is_empty)
    }

    /// The hash by which somebody is known. A name counts as far as a table holds it.
    pub fn hash(&self, by: Identifier, text: &str) -> Hash {
        let stored = limits::cut(text, limits::TEXT);
        let (prefix, text) = match by {
            Identifier::Id => ("id:", Cow::Borrowed(text)),
            Identifier::ExactName => ("name:", Cow::Borrowed(stored)),
            Identifier::Name => ("normal:", name::normal(stored)),
        };
        let mut keyed = self.keyed.clone();
        keyed.update(prefix.as_bytes());
        keyed.update(text.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// The numbers of the rules by which a participant with this id and name, as listed, has been erased.
    pub fn rules(&self, id: Option<&str>, name: Option<&str>) -> impl Iterator<Item = u32> {
        Identifier::ALL.into_iter().filter_map(move |by| {
            let rules = &self.rules[by as usize];
            let text = if by == Identifier::Id { id } else { name };
            // A hash costs more than all else that is done with an entry.
            if rules.is_empty() { None } else { rules.get(&self.hash(by, text?)).copied() }
        })
    }

    /// The numbers of the rules by which the participant of a row has been erased. What is protected is known by its token alone:
    /// nobody is called like a token.
    pub fn rules_of_row<'a>(&'a self, columns: &Columns, row: &'a Row<'a>) -> impl Iterator<Item = u32> + 'a {
        let Row { participant_id, name, person } = *row;
        let is_raw = |column| columns.shown(column) == Shown::Raw;
        let listed_id = participant_id.filter(|_| is_raw(privacy::Column::ParticipantId));
        let listed_name = name.filter(|_| is_raw(privacy::Column::Name));
        let tokens = [(Token::ParticipantId, participant_id), (Token::Name, name), (Token::Person, person)];
        let by_token = tokens.into_iter().filter_map(|(of, text)| {
            if self.aliases.is_empty() { None } else { self.aliases.get(&(of, self.hash_of_token(text?))).copied() }
        });
        self.rules(listed_id, listed_name).chain(by_token)
    }

    /// Adds who has a token with this hash, by the rule of this number.
    pub fn add_alias(&mut self, of: Token, hash: Hash, rule: u32) {
        self.aliases.insert((of, hash), rule);
    }

    /// The hash by which a token is known.
    pub fn hash_of_token(&self, token: &str) -> Hash {
        let mut keyed = self.keyed.clone();
        keyed.update(b"token:");
        keyed.update(token.as_bytes());
        keyed.finalize().into_bytes().into()
    }

    /// Whether a participant with this id and name has been erased.
    pub fn has(&self, id: Option<&str>, name: Option<&str>) -> bool {
        self.rules(id, name).next().is_some()
    }

    /// A raw record without those who have been erased. One that can't be read is not kept.
    pub fn scrub<'a>(&self, raw: &'a str) -> Cow<'a, str> {
        self.scrub_by(raw, &mut |_| {})
    }

    /// The same; calls with the number of each rule whenever it takes something out.
    pub fn scrub_by<'a>(&self, raw: &'a str, by: &mut dyn FnMut(u32)) -> Cow<'a, str> {
        // As a number, an id of many digits would lose some of them.
        let quoted = mend::quote_long(raw, usize::MAX);
        let Some(Ok(mut value)) = quoted.map(|quoted| serde_json::from_str::<Value>(&quoted)) else {
            return Cow::Borrowed("null");
        };
        if self.clean(&mut value, by) { Cow::Owned(value.to_string()) } else { Cow::Borrowed(raw) }
    }

    /// Takes entries of the erased out of lists, and their names and ids out of whatever else; says whether it found any.
    fn clean(&self, value: &mut Value, by: &mut dyn FnMut(u32)) -> bool {
        match value {
            Value::Array(items) => {
                let before = items.len();
                items.retain(|item| !self.is_erased(item, by));
                let inside = items.iter_mut().fold(false, |found, item| self.clean(item, by) | found);
                inside || items.len() != before
            }
            Value::Object(fields) => fields.values_mut().fold(false, |found, value| self.clean(value, by) | found),
            other => {
                let found = text(other).is_some_and(|text| told(self.rules(Some(&text), Some(&text)), by));
                if found {
                    *other = Value::Null;
                }
                found
            }
        }
    }

    fn is_erased(&self, entry: &Value, by: &mut dyn FnMut(u32)) -> bool {
        let field = |name| entry.get(name).and_then(text);
        told(self.rules(field("participantId").as_deref(), field("name").as_deref()), by)
    }
}

/// Calls with each number; says whether there was one.
fn told(rules: impl Iterator<Item = u32>, by: &mut dyn FnMut(u32)) -> bool {
    rules.fold(false, |_, rule| {
        by(rule);
        true
    })
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

    fn denied(key: &[u8]) -> Denied {
        let mut denied = Denied::nobody(key).unwrap();
        for (rule, (by, text)) in (1..).zip([
            (Identifier::ExactName, "Ann"),
            (Identifier::Id, "7"),
            (Identifier::Name, "Zo\u{eb} M"),
            (Identifier::Id, "184467440737095516160"),
        ]) {
            denied.add(by, Denied::nobody(b"key").unwrap().hash(by, text), rule);
        }
        denied
    }

    #[test]
    fn a_name_is_not_an_id() {
        let denied = denied(b"key");
        assert!(denied.has(Some("x"), Some("Ann")) && denied.has(Some("7"), None));
        assert!(!denied.has(Some("Ann"), Some("7")) && !denied.has(None, None) && !denied.has(None, Some("ann")));
        assert!(!super::tests::denied(b"other").has(Some("7"), Some("Ann")), "the key does not matter");
    }

    #[test]
    fn a_name_in_its_normal_form_is_found_however_it_is_typed() {
        let rules = |id, name| denied(b"key").rules(id, name).collect::<Vec<_>>();
        for name in ["Zoe\u{308} M", "zo\u{eb}\u{a0}m ", "ZO\u{cb}  M"] {
            assert_eq!(rules(Some("x"), Some(name)), [3], "{name}");
        }
        assert_eq!(rules(Some("7"), Some("zo\u{eb} m")), [2, 3]);
        assert_eq!(rules(Some("zo\u{eb} m"), Some("Zoe M")), Vec::<u32>::new());
    }

    #[test]
    fn a_name_that_is_too_long_is_known_as_it_is_stored() {
        let long = "\u{e9}".repeat(limits::TEXT);
        let mut denied = denied(b"key");
        denied.add(Identifier::Name, denied.hash(Identifier::Name, limits::cut(&long, limits::TEXT)), 7);
        assert_eq!(denied.rules(None, Some(&long)).collect::<Vec<_>>(), [7]);
        assert_eq!(denied.scrub(&format!("[{{\"name\":\"{long}\"}}]")), "[]");
    }

    #[test]
    fn raw_records_lose_the_erased_only() {
        let denied = denied(b"key");
        let scrubbed = |raw: &str| denied.scrub(raw).into_owned();
        let others = r#"{ "participants": [{"name": "Bob"}], "start": 5 }"#;
        assert_eq!(scrubbed(others), others);
        assert_eq!(
            scrubbed(r#"{"participants":[{"name":"Bob"},{"participantId":7},{"name":"Ann","timelog":[]}]}"#),
            r#"{"participants":[{"name":"Bob"}]}"#
        );
        assert_eq!(scrubbed(r#"{"participants":{"host":"Ann"}}"#), r#"{"participants":{"host":null}}"#);
        assert_eq!(scrubbed(r#"{"host":" ZO\u00cb m","guest":"zoe m"}"#), r#"{"guest":"zoe m","host":null}"#);
        let mut by = Vec::new();
        denied.scrub_by(r#"[{"name":"Ann"},{"x":[7,"Ann"]},{"name":"Bob"}]"#, &mut |rule| by.push(rule));
        assert_eq!(by, [1, 2, 1]);
        assert_eq!(scrubbed("not JSON, by Ann"), "null");
        let [erased, other] = ["184467440737095516160", "184467440737095516161"]
            .map(|id| format!(r#"{{"participants":[{{"participantId":{id}}}]}}"#));
        assert_eq!((scrubbed(&erased).as_str(), scrubbed(&other)), (r#"{"participants":[]}"#, other));
    }
}
