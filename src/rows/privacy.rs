//! What of a session may be written down: columns that are kept as tokens or not at all, and participants who count for nothing.
//!
//! Pure. The rule holds before anything reaches the disk: [`crate::rows::flatten`] asks it for every value that it could
//! protect. Rows that were published by a weaker rule are brought under this one by [`published`]. A token is a pseudonym:
//! who has the key and the files can try names.

mod key;
mod published;
mod shape;

use std::borrow::Cow;

use regex::{RegexSet, RegexSetBuilder};
use serde::{Deserialize, Serialize};

use crate::rows::person::{Entry, People};
use crate::words::name;
pub use key::Key;
use key::Tokens;
pub use published::protect;
pub use shape::shape;

/// A column that may be protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Column {
    /// `participants.name`.
    Name,
    /// `participant_id` of participants and timelogs.
    ParticipantId,
    /// `sessions.custom_room_id`.
    CustomRoomId,
    /// `sessions.chat_link`.
    ChatLink,
    /// `extra` of sessions and participants.
    Extra,
}

impl Column {
    /// Those that can be kept as tokens, by their names.
    pub const TOKENS: [(&'static str, Self); 3] =
        [("name", Self::Name), ("participant_id", Self::ParticipantId), ("custom_room_id", Self::CustomRoomId)];
    /// Those that need not be kept at all, by their names.
    pub const DROPS: [(&'static str, Self); 4] = [
        ("name", Self::Name),
        ("chat_link", Self::ChatLink),
        ("custom_room_id", Self::CustomRoomId),
        ("extra", Self::Extra),
    ];

    /// The column's name in files and settings: `participant_id`.
    pub fn name(self) -> &'static str {
        let mut all = Self::TOKENS.into_iter().chain(Self::DROPS);
        all.find(|(_, column)| *column == self).map_or("", |(name, _)| name)
    }
}

/// How the values of a column are kept, the weakest protection first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub enum Shown {
    /// As they are listed.
    #[default]
    Raw,
    /// As tokens.
    Token,
    /// Not at all: null.
    Dropped,
}

impl Shown {
    const fn text(self) -> &'static str {
        match self {
            Self::Raw => "as it is listed",
            Self::Token => "as tokens",
            Self::Dropped => "not at all",
        }
    }
}

/// How the columns are kept that may be protected.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    tokens: Vec<Column>,
    dropped: Vec<Column>,
}

impl Columns {
    /// `privacy.pseudonymize` and `privacy.drop`.
    ///
    /// # Errors
    /// The name of a column that is in both.
    pub fn new(mut tokens: Vec<Column>, mut dropped: Vec<Column>) -> Result<Self, &'static str> {
        for columns in [&mut tokens, &mut dropped] {
            columns.sort_unstable();
            columns.dedup();
        }
        match tokens.iter().find(|column| dropped.contains(column)) {
            Some(column) => Err(column.name()),
            None => Ok(Self { tokens, dropped }),
        }
    }

    /// How a column is kept. Under any protection `extra` is not: nobody knows what is in it.
    pub fn shown(&self, column: Column) -> Shown {
        if self.dropped.contains(&column) || column == Column::Extra && self.protect_any() {
            Shown::Dropped
        } else if self.tokens.contains(&column) {
            Shown::Token
        } else {
            Shown::Raw
        }
    }

    /// Whether anything is protected.
    pub const fn protect_any(&self) -> bool {
        !(self.tokens.is_empty() && self.dropped.is_empty())
    }

    /// Whether somebody could be told from others by what is not kept: then a `person` is a token, too.
    pub fn protect_people(&self) -> bool {
        [Column::Name, Column::ParticipantId].iter().any(|column| self.shown(*column) != Shown::Raw)
    }
}

/// Participants who are kept and flagged, and count for nothing: `privacy.exclude_participants`.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    texts: Vec<String>,
    set: Option<RegexSet>,
}

impl Patterns {
    /// Reads some.
    ///
    /// # Errors
    /// What is allowed, to be read after "must be".
    pub fn parse(texts: Vec<String>) -> Result<Self, String> {
        const ALLOWED: &str = "a list of regular expressions such as `[\"^Recorder$\"]`";
        // A file names them, too, and somebody may have written that file.
        const LENGTH: usize = 10_000;
        const COMPILED: usize = 1 << 20;
        if texts.is_empty() {
            return Ok(Self::default());
        }
        if texts.iter().any(String::is_empty) {
            return Err(format!("{ALLOWED} (one of them is empty, and would exclude everybody)"));
        }
        if texts.iter().any(|text| text.contains(char::is_control)) {
            return Err(format!(
                "{ALLOWED} (one of them has a control character, which can be written as `\\t` or `\\x07`)"
            ));
        }
        if texts.iter().map(String::len).sum::<usize>() > LENGTH {
            return Err(format!("{ALLOWED} (they have more than {LENGTH} bytes together)"));
        }
        let set = RegexSetBuilder::new(&texts).size_limit(COMPILED).build();
        let set = set.map_err(|error| {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            format!("{ALLOWED} ({reason})")
        })?;
        Ok(Self { texts, set: Some(set) })
    }

    fn match_any(&self, id: Option<&str>, name: Option<&str>) -> bool {
        self.set.as_ref().is_some_and(|set| [id, name].into_iter().flatten().any(|text| set.is_match(text)))
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}

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
        let weaker = |(_, column): &(_, Column)| other.columns.shown(*column) < self.columns.shown(*column);
        Column::TOKENS.iter().chain(&Column::DROPS).any(weaker)
    }

    /// Why rows under another rule can't be brought under this one; `None` where they can.
    pub fn refusal(&self, other: &Self) -> Option<String> {
        let all = Column::TOKENS.into_iter().chain(Column::DROPS);
        let back = all.into_iter().find(|(_, column)| self.columns.shown(*column) < other.columns.shown(*column));
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

    /// Whether something is to be protected, and there is no key for it.
    pub const fn lacks_key(&self) -> bool {
        self.columns.protect_any() && self.tokens.is_none()
    }
}
