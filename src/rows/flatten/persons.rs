//! Which entries of a session are one person: those that share a `participantId`.

use std::borrow::Cow;

use super::values;
use crate::rows::anomaly::Anomalies;
use crate::rows::model::Participant;

/// Which entries of a session share an id. Keeps its space from one session to the next.
#[derive(Default)]
pub struct Persons {
    /// Entries with an id by how it begins, which nearly always tells two apart.
    ids: Vec<(u64, usize)>,
    /// For each entry that shares its id with others, the place of one of them.
    shared: Vec<Option<usize>>,
}

impl Persons {
    /// Looks at those entries of a session that have not been erased.
    pub fn find(&mut self, participants: &[Participant<'_>], is_erased: impl Fn(usize) -> bool) {
        let id = |index: usize| id(&participants[index]);
        self.ids.clear();
        let listed = (0..participants.len()).filter(|index| !is_erased(*index));
        self.ids.extend(listed.filter_map(|index| Some((beginning(id(index)?.as_bytes()), index))));
        self.ids.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
        self.shared.clear();
        self.shared.resize(participants.len(), None);
        for person in self.ids.chunk_by(|a, b| a.0 == b.0 && id(a.1) == id(b.1)).filter(|person| person.len() > 1) {
            for (_, index) in person {
                self.shared[*index] = Some(person[0].1);
            }
        }
    }

    /// A number for the person behind an entry, the same for all entries of that person; `None` where there are no others.
    pub fn shared(&self, index: usize) -> Option<usize> {
        self.shared[index]
    }
}

/// The id as it is stored.
fn id<'a>(participant: &'a Participant<'_>) -> Option<Cow<'a, str>> {
    values::id(&participant.id, &mut Anomalies::default())
}

/// The first eight bytes, or all that there are.
fn beginning(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = text.len().min(8);
    first[..length].copy_from_slice(&text[..length]);
    u64::from_le_bytes(first)
}
