//! What of a session may be written down: columns that are kept as tokens or not at all, and participants who count for nothing.
//!
//! Pure. The rule holds before anything reaches the disk: [`crate::rows::flatten`] asks it for every value that it could
//! protect. Rows that were published by a weaker rule are brought under this one by [`crate::rows::protect`]. A token is a pseudonym:
//! who has the key and the files can try names.

mod columns;
mod key;
mod patterns;
mod shape;

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::rows::person::{Entry, People};
use crate::words::name;
pub use columns::{Column, Columns, Shown};
pub use key::Key;
use key::Tokens;
pub use patterns::Patterns;
pub use shape::shape;

/// `[privacy]`: what may be written down. The rule of a dataset is in its state and in each of its files.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct Privacy {
    columns: Columns,
    excluded: Patterns,
    /// The patterns as the rule is written down: as they are, or one token of them all where persons are tokens, since a
    /// pattern may be a name.
    stored: Vec<String>,
    key_id: Option<String>,
    /// What makes tokens; only whoever writes has it.
    tokens: Option<Tokens>,
}

/// A rule as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    pseudonymize: Vec<Column>,
    drop: Vec<Column>,
    exclude: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
}

impl TryFrom<Stored> for Privacy {
    type Error = String;

    fn try_from(Stored { pseudonymize, drop, exclude, key_id }: Stored) -> Result<Self, String> {
        let columns = Columns::new(pseudonymize, drop)?;
        let excluded = if columns.protect_people() { Patterns::default() } else { Patterns::parse(exclude.clone())? };
        Ok(Self { columns, excluded, stored: exclude, key_id, tokens: None })
    }
}

impl From<Privacy> for Stored {
    fn from(Privacy { columns, stored, key_id, .. }: Privacy) -> Self {
        Self { pseudonymize: columns.tokens, drop: columns.dropped, exclude: stored, key_id }
    }
}

impl PartialEq for Privacy {
    fn eq(&self, other: &Self) -> bool {
        (&self.columns, &self.stored, &self.key_id) == (&other.columns, &other.stored, &other.key_id)
    }
}

impl Eq for Privacy {}

/// A participant as far as the rule allows it to be written down.
#[derive(Debug, PartialEq, Eq)]
pub struct Guarded<'a> {
    /// `participant_id`, or its token.
    pub participant_id: Option<Cow<'a, str>>,
    /// `name`, or its token; `None` where names are not kept.
    pub name: Option<Cow<'a, str>>,
    /// The `person`, and whether the participant is excluded, where these can't be told from the rest any more.
    pub told: Option<(String, bool)>,
}

impl Privacy {
    /// The rule of these settings. Without a key nothing can be protected by it, but it can be compared.
    pub fn new(columns: Columns, excluded: Patterns, key: Option<&Key>) -> Self {
        let tokens = key.filter(|_| columns.protect_any()).map(Key::tokens);
        let stored = match &tokens {
            Some(tokens) if columns.protect_people() && !excluded.texts.is_empty() => {
                vec![tokens.of("exclude_participants", &excluded.texts.join("\n"))]
            }
            _ => excluded.texts.clone(),
        };
        Self { columns, excluded, stored, key_id: tokens.as_ref().map(|tokens| tokens.key_id.clone()), tokens }
    }

    /// Whether everything is kept as it is listed, and everybody counts.
    pub fn is_open(&self) -> bool {
        !self.columns.protect_any() && self.stored.is_empty()
    }

    /// How the columns are kept.
    pub const fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Whether a participant with this id and name counts for nothing, by what is listed.
    pub fn excludes(&self, id: Option<&str>, name: Option<&str>) -> bool {
        self.excluded.match_any(id, name)
    }

    /// The rule in the words of the settings, for somebody who has to set it: `pseudonymize = ["name"], drop = []`.
    pub fn text(&self) -> String {
        let Stored { pseudonymize, drop, exclude, key_id } = self.clone().into();
        let names = |columns: Vec<Column>| columns.into_iter().map(Column::name).collect::<Vec<_>>();
        let (tokens, dropped) = (names(pseudonymize), names(drop));
        let exclude = if self.columns.protect_people() && !exclude.is_empty() {
            "not shown".to_owned()
        } else {
            format!("{exclude:?}")
        };
        let key = key_id.map(|id| format!(", key {id}")).unwrap_or_default();
        format!("pseudonymize = {tokens:?}, drop = {dropped:?}, exclude_participants = {exclude}{key}")
    }

    /// Whether rows under another rule hold what this one does not allow.
    pub fn is_stricter_than(&self, other: &Self) -> bool {
        Column::all().any(|(_, column)| other.columns.shown(column) < self.columns.shown(column))
    }

    /// Why rows under another rule can't be brought under this one; `None` where they can.
    pub fn refusal(&self, other: &Self) -> Option<String> {
        let back = Column::all().find(|(_, column)| self.columns.shown(*column) < other.columns.shown(*column));
        if let Some((name, column)) = back {
            let [theirs, own] = [&other.columns, &self.columns].map(|columns| columns.shown(column).text());
            return Some(format!("the dataset keeps `{name}` {theirs}, and the settings would have it {own}"));
        }
        if let (Some(theirs), Some(own)) = (&other.key_id, &self.key_id)
            && theirs != own
        {
            return Some(format!(
                "the tokens of the dataset were made with key {theirs}, and the key at hand is {own}"
            ));
        }
        (other.columns.protect_people() && other.stored != self.stored).then(|| {
            "the dataset has tokens for persons, so who is excluded by other patterns can't be found out".to_owned()
        })
    }

    /// A participant as far as this allows it to be written down, by its place in the session; the rule for persons sees what
    /// is listed.
    pub fn guard<'a>(
        &self,
        people: &People,
        (session_id, index): (&str, i32),
        participant_id: Option<Cow<'a, str>>,
        name: Option<Cow<'a, str>>,
    ) -> Guarded<'a> {
        if !self.columns.protect_people() {
            return Guarded { participant_id, name, told: None };
        }
        let entry = Entry { session_id, index, participant_id: participant_id.as_deref(), name: name.as_deref() };
        let mut person = String::new();
        people.person(entry, &mut person);
        let told = Some((self.person(&person), self.excludes(entry.participant_id, entry.name)));
        let participant_id = self.kept(Column::ParticipantId, participant_id);
        Guarded { participant_id, name: self.kept(Column::Name, name), told }
    }

    /// A value of a column as it is kept.
    pub fn kept<'a>(&self, column: Column, value: Option<Cow<'a, str>>) -> Option<Cow<'a, str>> {
        match self.columns.shown(column) {
            Shown::Raw => value,
            Shown::Token => value.map(|value| Cow::Owned(self.token(column, &value))),
            Shown::Dropped => None,
        }
    }

    /// The token of a value. A name has one token however it is typed.
    pub fn token(&self, column: Column, value: &str) -> String {
        let value = if column == Column::Name { name::normal(value) } else { Cow::Borrowed(value) };
        self.made(column.name(), &value)
    }

    /// A person as it is kept where persons are tokens: whether it comes from an id still shows, and one that is only a row's
    /// place stays as it is.
    pub fn person(&self, person: &str) -> String {
        match person.as_bytes().first() {
            Some(b'#') => person.to_owned(),
            _ if person.starts_with("id:") => format!("id:{}", self.made("person", person)),
            _ => self.made("person", person),
        }
    }

    /// By what a raw record is known again, where this keeps records without their content; `content` is its hash.
    pub fn mark(&self, content: u128) -> Option<u128> {
        let tokens = self.tokens.as_ref().filter(|_| self.columns.protect_any())?;
        Some(tokens.number("reject", &format!("{content:x}")))
    }

    /// Without a key nobody flattens a page under a rule that needs one: writers are refused before. Then nothing is kept.
    fn made(&self, column: &str, value: &str) -> String {
        self.tokens.as_ref().map(|tokens| tokens.of(column, value)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn rule(tokens: &[Column], dropped: &[Column], excluded: &[&str]) -> Privacy {
        let excluded = Patterns::parse(excluded.iter().map(|text| (*text).to_owned()).collect()).unwrap();
        Privacy::new(Columns::new(tokens.to_vec(), dropped.to_vec()).unwrap(), excluded, Key::parse(HEX).ok().as_ref())
    }

    #[test]
    fn protection_grows_and_never_shrinks() {
        let open = rule(&[], &[], &[]);
        let by_name = rule(&[Column::Name], &[], &[]);
        let dropped = rule(&[Column::ParticipantId], &[Column::Name], &[]);
        let chat = rule(&[], &[Column::ChatLink], &["bot"]);
        for (stricter, than) in [(&by_name, &open), (&dropped, &by_name), (&chat, &open)] {
            assert!(stricter.is_stricter_than(than) && stricter.refusal(than).is_none(), "{stricter:?} {than:?}");
            assert!(than.refusal(stricter).is_some(), "{stricter:?} {than:?}");
        }
        assert!(open.is_open() && !chat.is_open() && !rule(&[], &[], &["x"]).is_open());
        // `extra` goes with any protection, so even one that leaves names alone is stricter.
        assert!(chat.is_stricter_than(&by_name) && by_name.refusal(&chat).is_some());
        assert_eq!(chat.columns().shown(Column::Extra), Shown::Dropped);
    }

    #[test]
    fn a_rule_is_read_back_as_it_was_written_and_names_no_pattern_that_may_be_a_name() {
        for (rule, shows) in
            [(rule(&[Column::Name], &[], &["^Ann$"]), false), (rule(&[Column::CustomRoomId], &[], &["^Ann$"]), true)]
        {
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(text.contains("Ann"), shows, "{text}");
            assert_eq!(rule.text().contains("Ann"), shows, "{}", rule.text());
            let read: Privacy = serde_json::from_str(&text).unwrap();
            assert!(read == rule);
            assert_eq!(read.excludes(None, Some("Ann")), shows);
            assert!(rule.excludes(None, Some("Ann")) && rule.excludes(Some("Ann"), None) && !rule.excludes(None, None));
        }
        assert_ne!(rule(&[Column::Name], &[], &["a"]), rule(&[Column::Name], &[], &["b"]));
    }

    #[test]
    fn a_person_that_says_nothing_of_anybody_stays() {
        let rule = rule(&[Column::Name], &[], &[]);
        assert_eq!(rule.person("#s/3"), "#s/3");
        let (by_id, by_name) = (rule.person("id:x"), rule.person("x"));
        assert!(by_id.starts_with("id:") && by_id.len() == 25 && by_name.len() == 22 && !by_id.ends_with(&by_name));
        assert_eq!(rule.token(Column::Name, " ANN  lee"), rule.token(Column::Name, "ann lee"));
        assert_ne!(rule.token(Column::Name, "ann lee"), by_name);
    }
}
