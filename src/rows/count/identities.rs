//! Which entries of a session share an identity: a `participant_id`, or the key of a person.

/// Which entries of a session share an id. Keeps its space from one session to the next.
#[derive(Default)]
pub struct Identities {
    /// Entries with an id by how it begins, which nearly always tells two apart.
    ids: Vec<(u64, usize)>,
    /// For each entry that shares its id with others, the place of one of them.
    shared: Vec<Option<usize>>,
}

impl Identities {
    /// Looks at the entries of a session, by their places; how many different ids they have.
    pub fn find<'a>(&mut self, entries: usize, id: impl Fn(usize) -> Option<&'a str>) -> usize {
        self.ids.clear();
        self.ids.extend((0..entries).filter_map(|place| Some((beginning(id(place)?.as_bytes()), place))));
        self.ids.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
        self.shared.clear();
        self.shared.resize(entries, None);
        let mut distinct = 0;
        for alike in self.ids.chunk_by(|a, b| a.0 == b.0 && id(a.1) == id(b.1)) {
            distinct += 1;
            for (_, place) in alike.iter().filter(|_| alike.len() > 1) {
                self.shared[*place] = Some(alike[0].1);
            }
        }
        distinct
    }

    /// A number for the id of an entry, the same for all entries that have this id; `None` where there are no others.
    pub fn shared(&self, place: usize) -> Option<usize> {
        self.shared[place]
    }
}

/// The first eight bytes, or all that there are.
fn beginning(text: &[u8]) -> u64 {
    let mut first = [0; 8];
    let length = text.len().min(8);
    first[..length].copy_from_slice(&text[..length]);
    u64::from_le_bytes(first)
}
