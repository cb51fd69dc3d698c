//! What a journal says of a response: a line each.

use serde::{Deserialize, Serialize};

use super::identity;
use super::keys::Keys;
use crate::list::Listed;
use crate::rows::flatten::Flat;

/// A staged answer, as a line of the journal has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub(super) leg: usize,
    /// When it was answered, in microseconds.
    pub(super) at: i64,
    pub(super) size: u32,
    pub(super) page: u64,
    pub(super) info: [Option<i64>; 4],
    pub(super) unusable: u64,
    /// Listed sessions of another meeting than the one that was asked for.
    pub(super) foreign: u64,
    /// What it listed besides its staged rows.
    pub(super) unstaged: Unstaged,
    /// Ends and ranks of all that it listed, in the order of the list.
    pub(super) keys: Keys,
    pub(super) segments: Vec<SegmentRecord>,
    /// Rows and bytes of the stage with this response.
    pub(super) sessions: u64,
    pub(super) end: u64,
    /// A checksum of its segments and of its identities.
    pub(super) hash: u64,
}

/// A segment's entry in the index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentRecord {
    /// The partition's first day, counted from the year 1.
    pub(super) day: i32,
    pub(super) first_start: Option<i64>,
    pub(super) first_ordinal: u64,
    pub(super) offset: u64,
    pub(super) length: usize,
    /// Bytes that its rows take as they are published.
    pub(super) weight: usize,
    /// A checksum of its bytes.
    pub(super) hash: u64,
}

/// Sessions that a response listed and that got no row: their places among all that it listed, hashed ids in
/// hexadecimal, and starts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Unstaged(Vec<(usize, String, Option<i64>)>);

impl Unstaged {
    /// The sessions of a page that got no row: they were cut, or are of another meeting.
    pub fn of(flat: &Flat) -> Self {
        if flat.listed.len() == flat.entries.len() {
            return Self::default();
        }
        let mut staged: Vec<_> = flat.entries.iter().map(|entry| (entry.position, entry.id, entry.start)).collect();
        staged.sort_unstable();
        let mut staged = staged.into_iter().peekable();
        let mut has_row =
            |row: &Listed| staged.next_if(|(_, id, start)| (*id, *start) == (row.id, row.start)).is_some();
        let rest = flat.listed.iter().enumerate().filter(|(_, row)| !has_row(row));
        Self(rest.map(|(at, row)| (at, format!("{:x}", row.id), row.start)).collect())
    }

    /// Their places, and what is known of them.
    pub fn rows(&self) -> impl Iterator<Item = (usize, Listed)> {
        self.0.iter().map(|(at, hex, start)| {
            let id = u128::from_str_radix(hex, 16).unwrap_or_default();
            (*at, Listed { id, start: *start, ..Listed::default() })
        })
    }

    /// All that the response listed, in order, from the identities of its rows; `None` where there are no such places.
    pub(super) fn joined(&self, identities: &[u8]) -> Option<Vec<Listed>> {
        let mut staged: Vec<_> = identity::read(identities).collect();
        staged.sort_unstable_by_key(|identity| identity.position());
        let mut staged = staged.iter().map(|row| Listed { id: row.id, start: row.start(), ..Listed::default() });
        let mut listed = Vec::new();
        for (at, row) in self.rows() {
            let before = at.checked_sub(listed.len())?;
            listed.extend(staged.by_ref().take(before));
            if listed.len() < at {
                return None;
            }
            listed.push(row);
        }
        listed.extend(staged);
        Some(listed)
    }
}
