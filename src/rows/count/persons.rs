//! Which entries of a session are one person: those that share a `participant_id`.

/// Which entries of a session share an id. Keeps its space from one session to the next.
#[derive(Default)]
pub struct Persons {
    /// Entries with an id by how it begins, which nearly always tells two apart.
    ids: Vec<(u64, usize)>,
    /// For each entry that shares its id with others, the place of one of them.
    shared: Vec<Option<usize>>,
}

impl Persons {
    /// Looks at the entries of a session, by their places.
    pub fn find<'a>(&mut self, entries: usize, id: impl Fn(usize) -> Option<&'a str>) {
        self.ids.clear();
        self.ids.extend((0..entries).filter_map(|place| Some((beginning(id(place)?.as_bytes()), place))));
        self.ids.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| id(a.1).cmp(&id(b.1))));
        self.shared.clear();
        self.shared.resize(entries, None);
        for person in self.ids.chunk_by(|a, b| a.0 == b.0 && id(a.1) == id(b.1)).filter(|person| person.len() > 1) {
            for (_, place) in person {
                self.shared[*place] = Some(person[0].1);
            }
        }
    }

    /// A number for the person behind an entry, the same for all entries of that person; `None` where there are no others.
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
