//! What a list may be sorted by besides starts: the ends of all that a response listed, and the ranks of the ids. Without
//! them a walk that goes on could not tell whether a session is the same that was read before.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::list::Listed;

/// Bytes a session: the end, and the rank of the id.
const BYTES: usize = 8 + 16;
/// Stands for the end of a session that has none: it is running, or its end can't be read.
const NONE: i64 = i64::MIN;

/// The keys of a response's sessions, in order, in base64.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Keys(String);

impl Keys {
    /// The keys of all sessions that a page lists, in the order of the list.
    pub fn of(listed: &[Listed]) -> Self {
        let mut bytes = Vec::with_capacity(listed.len() * BYTES);
        for row in listed {
            bytes.extend(row.end.unwrap_or(NONE).to_le_bytes());
            bytes.extend(row.rank.to_le_bytes());
        }
        Self(STANDARD_NO_PAD.encode(bytes))
    }

    /// Gives each session its own; `None` where they are those of other sessions.
    pub fn give(&self, listed: Vec<Listed>) -> Option<Vec<Listed>> {
        let bytes = STANDARD_NO_PAD.decode(&self.0).ok().filter(|bytes| bytes.len() == listed.len() * BYTES)?;
        let give = |(row, key): (Listed, &[u8])| {
            let (end, rank) = key.split_at_checked(8)?;
            let end = Some(i64::from_le_bytes(end.try_into().ok()?)).filter(|end| *end != NONE);
            Some(Listed { end, rank: u128::from_le_bytes(rank.try_into().ok()?), ..row })
        };
        listed.into_iter().zip(bytes.chunks_exact(BYTES)).map(give).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_session_gets_its_own_back() {
        let row = |id: u128, end| Listed { id, start: Some(7), end, rank: u128::MAX - id };
        let listed = vec![row(1, None), row(2, Some(-1)), row(3, Some(i64::MAX))];
        let bare: Vec<_> = listed.iter().map(|row| Listed { end: None, rank: 0, ..*row }).collect();
        let keys = Keys::of(&listed);
        assert_eq!(keys.give(bare.clone()), Some(listed));
        assert_eq!(keys.give(bare[1..].to_vec()), None);
        assert_eq!(Keys("!".to_owned()).give(vec![]), None);
        assert_eq!(Keys::of(&[]).give(vec![]), Some(vec![]));
    }
}
