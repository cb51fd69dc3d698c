//! Which entries of a session are one person: those that share a `participantId`.

use std::borrow::Cow;

use crate::api::lenient::Scalar;
use crate::api::model::Participant;

/// Whether no two ids begin alike, which nearly always is so, and is cheap to see.
fn are_distinct(participants: &[Option<Participant<'_>>], keys: &mut Vec<u64>) -> bool {
    keys.clear();
    for entry in participants.iter().flatten() {
        match &entry.id {
            Scalar::Text(text) => keys.push(beginning(text.as_bytes())),
            Scalar::Missing | Scalar::Null | Scalar::Other | Scalar::Float(_) => {}
            Scalar::Integer(_) | Scalar::Large(_) => return false,
        }
    }
    // For a handful, comparing each with each is faster than sorting.
    if keys.len() <= 16 {
        return keys.iter().enumerate().all(|(at, key)| !keys[..at].contains(key));
    }
    keys.sort_unstable();
    keys.windows(2).all(|pair| pair[0] != pair[1])
}

/// The first eight bytes, or all that there are.
fn beginning(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = text.len().min(8);
    first[..length].copy_from_slice(&text[..length]);
    u64::from_le_bytes(first)
}

/// Which entries of a session share a `participantId`.
pub struct Persons {
    /// A number an entry; equal for equal ids.
    pub person: Vec<usize>,
    repeated: Vec<bool>,
}

impl Persons {
    /// Of those entries that have not been erased. `keys` is scratch space.
    pub fn of(participants: &[Option<Participant<'_>>], erased: &[usize], keys: &mut Vec<u64>) -> Self {
        if are_distinct(participants, keys) {
            return Self { person: Vec::new(), repeated: Vec::new() };
        }
        let mut ids: Vec<(Cow<'_, str>, usize)> = participants
            .iter()
            .enumerate()
            .filter(|(index, _)| !erased.contains(index))
            .filter_map(|(index, entry)| Some((entry.as_ref()?.id.text()?, index)))
            .collect();
        ids.sort_unstable();
        let mut persons = Self { person: Vec::new(), repeated: Vec::new() };
        for group in ids.chunk_by(|a, b| a.0 == b.0).filter(|group| group.len() > 1) {
            persons.person.resize(participants.len(), 0);
            persons.repeated.resize(participants.len(), false);
            for (_, index) in group {
                persons.person[*index] = group[0].1;
                persons.repeated[*index] = true;
            }
        }
        persons
    }

    /// Whether another entry has the same id.
    pub fn is_repeated(&self, index: usize) -> bool {
        self.repeated.get(index).copied().unwrap_or(false)
    }
}
