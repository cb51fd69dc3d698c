//! One rule of what must not come back, as it stands in `_rollbook/erasures.json`.

use std::collections::BTreeMap;
use std::ops::Add;

use serde::{Deserialize, Serialize};

use crate::dataset::encode::hexadecimal;
use crate::rows::erasure::{Denied, Hash, Identifier, Token};
use crate::rows::method::Method;
use crate::rows::privacy::{Column, Shown};
use crate::words::{limits, name, timestamp};

/// What a rule is about. The names are a contract: they stand in files and receipts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Sessions that started before a moment.
    Before,
    /// Entries with this `participantId`, in whatever session.
    ParticipantId,
    /// Entries with this name, in whatever session.
    ParticipantName,
    /// One of the two: earlier versions did not write down which.
    ParticipantIdOrName,
}

/// How a name or an id must be like the one that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Character for character: `Ann Lee` is not `ann lee`.
    Exact,
    /// As it is in its normal form, so that `Ann Lee` also is `ann  lee` ([`crate::words::name`]).
    Normalised,
}

/// How much a rule has taken out of a dataset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Sessions that went whole, with all that is in them.
    pub sessions: u64,
    /// Entries that went out of sessions that stay.
    pub participants: u64,
    /// Raw records that were dropped, or lost somebody.
    pub rejects: u64,
}

/// How much by the number of the rule.
pub type Tally = BTreeMap<u32, Taken>;

impl Add for Taken {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.saturating_add(other.sessions),
            participants: self.participants.saturating_add(other.participants),
            rejects: self.rejects.saturating_add(other.rejects),
        }
    }
}

impl Taken {
    /// Whether nothing at all was removed: such a rule can be taken back.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }

    /// How much more this has taken out than another, kind by kind; 0 where less.
    #[must_use]
    pub fn beyond(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.saturating_sub(other.sessions),
            participants: self.participants.saturating_sub(other.participants),
            rejects: self.rejects.saturating_sub(other.rejects),
        }
    }

    /// The greater number of each kind.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self {
            sessions: self.sessions.max(other.sessions),
            participants: self.participants.max(other.participants),
            rejects: self.rejects.max(other.rejects),
        }
    }
}

/// By what a participant is known in rows whose names or ids are protected: the keyed hash of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alias {
    /// The column that has the token.
    pub of: Token,
    /// The keyed hash of the token, in hexadecimal.
    pub hash: String,
}

impl Alias {
    /// One by the hash of its token.
    pub fn of(of: Token, hash: &Hash) -> Self {
        Self { of, hash: hexadecimal(hash) }
    }
}

/// By what column and token a participant of this id or name is known in rows of a method that protects these.
pub fn alias(by: Identifier, text: &str, method: &Method) -> Option<(Token, String)> {
    let Method { people, privacy, .. } = method;
    // As far as a table holds it.
    let name = limits::cut(text, limits::TEXT);
    let shown = |column| privacy.columns().shown(column);
    match by {
        Identifier::Id if shown(Column::ParticipantId) == Shown::Token => {
            Some((Token::ParticipantId, privacy.token(Column::ParticipantId, text)))
        }
        Identifier::Name if shown(Column::Name) == Shown::Token => {
            Some((Token::Name, privacy.token(Column::Name, name)))
        }
        Identifier::Name if shown(Column::Name) == Shown::Dropped => {
            Some((Token::Person, privacy.person(&people.by_name(name)?)))
        }
        _ => None,
    }
}

/// A rule in force, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// By which it is named; never given to another one.
    pub number: u32,
    /// Whether it is about a moment, an id or a name.
    pub what: What,
    /// How exactly a name or id is meant; `None` for a floor.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<Match>,
    /// The floor, RFC 3339: sessions that started before it go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// The keyed hash of the name or id, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// By what the same participant is known in rows whose names or ids are protected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<Alias>,
    /// The number of the purge that made it.
    pub epoch: u64,
    /// When that was, RFC 3339; not known of those of earlier versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<String>,
    /// The run whose receipt tells of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
    /// How much it took out; `None` where that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub removed: Option<Taken>,
    /// For a normal form: the version of Unicode that it is of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unicode: Option<String>,
    /// The name has characters that this version of Unicode does not know, so that a later one may fold it otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_unsettled: bool,
}

/// When and by which run a rule is made.
#[derive(Debug, Clone)]
pub struct Origin {
    /// When the purge began, RFC 3339.
    pub at: String,
    /// The id of the purge, as its receipt has it.
    pub run_id: String,
}

impl Rule {
    /// A rule that has not taken out anything yet.
    pub fn new(number: u32, what: What, epoch: u64, origin: Option<&Origin>) -> Self {
        Self {
            number,
            what,
            matched: None,
            before: None,
            hash: None,
            alias: None,
            epoch,
            made_at: origin.map(|origin| origin.at.clone()),
            run_id: origin.map(|origin| origin.run_id.clone()),
            removed: origin.map(|_| Taken::default()),
            unicode: None,
            is_unsettled: false,
        }
    }

    /// Of sessions that started before this, in microseconds.
    #[must_use]
    pub fn of_floor(mut self, floor: i64) -> Self {
        self.before = Some(timestamp::text(floor));
        self
    }

    /// Of participants with this name or id.
    #[must_use]
    pub fn of_participant(mut self, by: Identifier, text: &str, hash: &Hash) -> Self {
        let is_normal = by == Identifier::Name;
        self.matched = Some(if is_normal { Match::Normalised } else { Match::Exact });
        self.hash = Some(hexadecimal(hash));
        self.unicode = is_normal.then(|| name::UNICODE.to_owned());
        self.is_unsettled = is_normal && !name::is_settled(text);
        self
    }

    /// Sessions that started before this are not kept, in microseconds.
    pub fn floor(&self) -> Option<i64> {
        timestamp::parse(self.before.as_deref()?)
    }

    /// By what participants are not kept; nothing for a moment.
    pub const fn identifiers(&self) -> &'static [Identifier] {
        match (self.what, self.matched) {
            (What::Before, _) => &[],
            (What::ParticipantId, _) => &[Identifier::Id],
            (What::ParticipantName, Some(Match::Normalised)) => &[Identifier::Name],
            (What::ParticipantName, _) => &[Identifier::ExactName],
            (What::ParticipantIdOrName, _) => &[Identifier::Id, Identifier::ExactName],
        }
    }

    /// Whether all that such a rule must say is there and can be read.
    pub fn is_sound(&self) -> bool {
        if self.what == What::Before { self.floor().is_some() } else { self.bytes().is_some() }
    }

    /// Adds whoever the rule is about to those who have been erased; a rule about starts adds nobody.
    pub fn deny(&self, denied: &mut Denied) {
        if let Some(hash) = self.bytes() {
            self.identifiers().iter().for_each(|by| denied.add(*by, hash, self.number));
        }
        if let Some(Alias { of, hash }) = &self.alias
            && let Some(hash) = hash_of(hash)
        {
            denied.add_alias(*of, hash, self.number);
        }
    }

    fn bytes(&self) -> Option<Hash> {
        hash_of(self.hash.as_deref()?)
    }

    /// Whether it was made by a version of Unicode that is later than the one built in.
    pub fn is_of_later_unicode(&self) -> bool {
        self.unicode.as_deref().is_some_and(name::is_later)
    }

    /// Whether today's Unicode may fold its name otherwise than the one that it was made with.
    pub fn may_miss(&self) -> bool {
        self.is_unsettled && self.unicode.as_deref() != Some(name::UNICODE)
    }

    /// Whether it is known to have taken out nothing.
    pub fn is_idle(&self) -> bool {
        self.removed.is_some_and(Taken::is_nothing)
    }
}

fn hash_of(hexadecimal: &str) -> Option<Hash> {
    bytes(hexadecimal)?.try_into().ok()
}

/// The bytes that a text says in hexadecimal.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let pair = |at: usize| u8::from_str_radix(text.get(at..at + 2)?, 16).ok();
    (0..text.len()).step_by(2).map(pair).collect()
}
