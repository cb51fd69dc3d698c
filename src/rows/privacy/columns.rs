//! The columns that may be protected, and how each is kept.

use serde::{Deserialize, Serialize};

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

    /// All of them, some twice.
    pub(super) fn all() -> impl Iterator<Item = (&'static str, Self)> {
        Self::TOKENS.into_iter().chain(Self::DROPS)
    }

    /// The column's name in files and settings: `participant_id`.
    pub fn name(self) -> &'static str {
        Self::all().find(|(_, column)| *column == self).map_or("", |(name, _)| name)
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
    /// How values are kept, to be read after "keeps the column".
    pub(super) const fn text(self) -> &'static str {
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
    /// Those that are kept as tokens, in order.
    pub(super) tokens: Vec<Column>,
    /// Those that are not kept, in order.
    pub(super) dropped: Vec<Column>,
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
