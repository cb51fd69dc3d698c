//! What a receipt says of a purge.

use serde::Serialize;

use crate::dataset::erasures::{Match, Taken, What};

/// How many rows and raw records a purge has removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Removed {
    /// Rows of `sessions`: sessions that went whole, since they started before a date.
    pub sessions: u64,
    /// Rows of `participants`, those of whole sessions included.
    pub participants: u64,
    /// Rows of `timelogs`, those of whole sessions and entries included.
    pub timelogs: u64,
    /// Raw records that were dropped, or lost somebody.
    pub rejects: u64,
}

/// A rule that a purge was asked for, and what this purge has removed by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Ruled {
    /// Its number; `None` where a dry run would have made it.
    pub number: Option<u32>,
    /// Whether it is about a moment, an id or a name.
    pub what: What,
    /// How a name or id must be like the one that was given.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matched: Option<Match>,
    /// Whether it was not in force before.
    pub is_new: bool,
    /// How much this purge has removed by it.
    pub removed: Taken,
}

/// A name that stays, though it looks like one that was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Near {
    /// The name as it is listed.
    pub name: String,
    /// How many entries have that name, over all sessions.
    pub entries: u64,
}

impl std::ops::AddAssign for Removed {
    fn add_assign(&mut self, other: Self) {
        let Self { sessions, participants, timelogs, rejects } = other;
        self.sessions += sessions;
        self.participants += participants;
        self.timelogs += timelogs;
        self.rejects += rejects;
    }
}
