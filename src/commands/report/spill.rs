//! Counting by key what may not fit into memory: groups are held in memory up to a bound, then go to private files, sorted by key,
//! and are merged when all is there.
//!
//! The files have no name, so that nothing of them stays when the process ends, however it ends. What comes out is in the order
//! of keys and is the same whether anything was spilled or not.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::fs::File;
use std::hash::Hash;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};

use crate::store::files::Below;

/// Bytes that are read of a file at a time.
const BUFFER: usize = 32 << 10;
/// Files at most; beyond this many, they are merged into one.
const FILES: usize = 48;

/// What is held for a key.
pub trait Group: Sized {
    /// By what groups are told apart and ordered.
    type Key: Copy + Ord + Hash;

    /// Takes in what came later for the same key.
    fn absorb(&mut self, later: Self);

    /// Bytes of memory that it takes besides its own size.
    fn weight(&self) -> usize {
        0
    }

    /// Writes a key with its group.
    ///
    /// # Errors
    /// Where the file can't be written.
    fn write(key: Self::Key, group: &Self, to: &mut impl Write) -> io::Result<()>;

    /// Reads what was written.
    ///
    /// # Errors
    /// `UnexpectedEof` where nothing is left, or where the file can't be read.
    fn read(from: &mut impl Read) -> io::Result<(Self::Key, Self)>;
}

/// Groups by key.
pub struct Groups<G: Group> {
    held: HashMap<G::Key, G>,
    bytes: usize,
    most: usize,
    folder: Below,
    runs: Vec<File>,
}

impl<G: Group> Groups<G> {
    /// No groups yet. `most`: bytes that may be held in memory, `folder`: where files go beyond this.
    pub fn new(most: usize, folder: &Below) -> Self {
        Self { held: HashMap::new(), bytes: 0, most, folder: folder.clone(), runs: Vec::new() }
    }

    /// Another bound.
    #[cfg(test)]
    pub fn hold(&mut self, bytes: usize) {
        self.most = bytes;
    }

    /// Adds to the group of a key, which begins with this if there is none.
    ///
    /// # Errors
    /// Where a file can't be written.
    pub fn add(&mut self, key: G::Key, group: G) -> io::Result<()> {
        if let Some(held) = self.held.get_mut(&key) {
            let before = held.weight();
            held.absorb(group);
            self.bytes = (self.bytes + held.weight()).saturating_sub(before);
        } else {
            self.bytes += group.weight() + Self::SIZE;
            self.held.insert(key, group);
        }
        if self.bytes > self.most { self.spill() } else { Ok(()) }
    }

    /// What an entry of the map takes: key, group, and the room that a growing map leaves free.
    const SIZE: usize = 2 * (size_of::<G::Key>() + size_of::<G>() + 1);

    fn sorted(&mut self) -> Vec<(G::Key, G)> {
        let mut sorted: Vec<_> = self.held.drain().collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        self.bytes = 0;
        sorted
    }

    fn spill(&mut self) -> io::Result<()> {
        if self.runs.len() == FILES {
            let runs = std::mem::take(&mut self.runs);
            let merged = self.file(|file| merge::<G>(runs, Vec::new(), |key, group| G::write(key, &group, file)))?;
            self.runs.push(merged);
        }
        let sorted = self.sorted();
        let run = self.file(|file| sorted.iter().try_for_each(|(key, group)| G::write(*key, group, file)))?;
        self.runs.push(run);
        Ok(())
    }

    /// A file with what is written to it, to be read from its beginning.
    fn file(&self, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> io::Result<File> {
        let mut file = BufWriter::with_capacity(BUFFER, self.folder.make()?.nameless()?);
        write(&mut file)?;
        let mut file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    }

    /// Calls with each key and its group, in the order of keys.
    ///
    /// # Errors
    /// Its own, or where a file can't be read.
    pub fn finish(mut self, each: impl FnMut(G::Key, G) -> io::Result<()>) -> io::Result<()> {
        let sorted = self.sorted();
        merge(self.runs, sorted, each)
    }
}

/// Merges files, the oldest first, and what came after them. Each is sorted, and none has a key twice.
fn merge<G: Group>(
    runs: Vec<File>,
    last: Vec<(G::Key, G)>,
    mut each: impl FnMut(G::Key, G) -> io::Result<()>,
) -> io::Result<()> {
    let mut sources: Vec<Source<G>> = Vec::with_capacity(runs.len() + 1);
    sources.extend(runs.into_iter().map(|file| Source::File(BufReader::with_capacity(BUFFER, file))));
    sources.push(Source::Held(last.into_iter()));
    let mut next: Vec<Option<G>> = Vec::with_capacity(sources.len());
    let mut order = BinaryHeap::with_capacity(sources.len());
    for (place, source) in sources.iter_mut().enumerate() {
        next.push(source.next()?.map(|(key, group)| {
            order.push(Reverse((key, place)));
            group
        }));
    }
    let mut at: Option<(G::Key, G)> = None;
    while let Some(Reverse((key, place))) = order.pop() {
        let Some(group) = next[place].take() else { continue };
        match &mut at {
            Some((same, held)) if *same == key => held.absorb(group),
            _ => {
                if let Some((key, group)) = at.replace((key, group)) {
                    each(key, group)?;
                }
            }
        }
        if let Some((key, group)) = sources[place].next()? {
            next[place] = Some(group);
            order.push(Reverse((key, place)));
        }
    }
    at.map_or(Ok(()), |(key, group)| each(key, group))
}

enum Source<G: Group> {
    File(BufReader<File>),
    Held(std::vec::IntoIter<(G::Key, G)>),
}

impl<G: Group> Source<G> {
    fn next(&mut self) -> io::Result<Option<(G::Key, G)>> {
        match self {
            Self::Held(rest) => Ok(rest.next()),
            Self::File(file) => match G::read(file) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
                read => read.map(Some),
            },
        }
    }
}

/// A member of a set, by the set and itself: groups of these are counted to tell how many different members a set has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member;

impl Group for Member {
    type Key = (u128, u128);

    fn absorb(&mut self, Self: Self) {}

    fn write((set, member): Self::Key, Self: &Self, to: &mut impl Write) -> io::Result<()> {
        to.write_all(&set.to_le_bytes())?;
        to.write_all(&member.to_le_bytes())
    }

    fn read(from: &mut impl Read) -> io::Result<(Self::Key, Self)> {
        Ok(((number(from)?, number(from)?), Self))
    }
}

/// A number of 16 bytes.
pub fn number(from: &mut impl Read) -> io::Result<u128> {
    let mut bytes = [0; 16];
    from.read_exact(&mut bytes)?;
    Ok(u128::from_le_bytes(bytes))
}

/// Numbers of 8 bytes each.
pub fn numbers<const N: usize>(from: &mut impl Read) -> io::Result<[i64; N]> {
    let mut numbers = [0; N];
    for number in &mut numbers {
        let mut bytes = [0; 8];
        from.read_exact(&mut bytes)?;
        *number = i64::from_le_bytes(bytes);
    }
    Ok(numbers)
}

/// A text behind its length.
pub fn write_text(text: Option<&str>, to: &mut impl Write) -> io::Result<()> {
    let length = text.map_or(-1, |text| i64::try_from(text.len()).unwrap_or(i64::MAX));
    to.write_all(&length.to_le_bytes())?;
    to.write_all(text.unwrap_or_default().as_bytes())
}

/// What [`write_text`] has written.
pub fn read_text(from: &mut impl Read) -> io::Result<Option<Box<str>>> {
    let [length] = numbers(from)?;
    let Ok(length) = usize::try_from(length) else { return Ok(None) };
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
    Ok(Some(text.into_boxed_str()))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// The texts of a key in the order in which they came.
    #[derive(Debug, Clone, PartialEq)]
    struct Texts(String);

    impl Group for Texts {
        type Key = u8;

        fn absorb(&mut self, later: Self) {
            self.0.push_str(&later.0);
        }

        fn weight(&self) -> usize {
            self.0.len()
        }

        fn write(key: u8, group: &Self, to: &mut impl Write) -> io::Result<()> {
            to.write_all(&[key])?;
            write_text(Some(&group.0), to)
        }

        fn read(from: &mut impl Read) -> io::Result<(u8, Self)> {
            let mut key = [0];
            from.read_exact(&mut key)?;
            Ok((key[0], Self(read_text(from)?.unwrap_or_default().into())))
        }
    }

    fn all<G: Group>(groups: Groups<G>) -> Vec<(G::Key, G)> {
        let mut all = Vec::new();
        groups
            .finish(|key, group| {
                all.push((key, group));
                Ok(())
            })
            .unwrap();
        all
    }

    proptest! {
        #[test]
        fn what_was_spilled_counts_as_what_was_not(
            given in prop::collection::vec((0_u8..40, "[a-z]{0,3}"), 0..400),
            most in 0_usize..4_000,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let mut groups = Groups::new(most, &Below::named(folder.path()));
            let mut naive: BTreeMap<u8, String> = BTreeMap::new();
            for (key, text) in given {
                naive.entry(key).or_default().push_str(&text);
                groups.add(key, Texts(text)).unwrap();
            }
            let found: BTreeMap<u8, String> = all(groups).into_iter().map(|(key, texts)| (key, texts.0)).collect();
            prop_assert_eq!(found, naive);
            prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }

        #[test]
        fn members_are_counted_once(given in prop::collection::vec((0_u128..9, any::<u8>()), 0..600), most in 0_usize..3_000) {
            let folder = tempfile::tempdir().unwrap();
            let mut groups = Groups::new(most, &Below::named(folder.path()));
            for (set, member) in &given {
                groups.add((*set, u128::from(*member)), Member).unwrap();
            }
            let found: Vec<_> = all(groups).into_iter().map(|(key, _)| key).collect();
            let naive: BTreeSet<_> = given.iter().map(|(set, member)| (*set, u128::from(*member))).collect();
            prop_assert_eq!(found, naive.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn many_files_become_one() {
        let folder = tempfile::tempdir().unwrap();
        let mut groups = Groups::new(0, &Below::named(folder.path()));
        for number in 0..u128::try_from(FILES * 3).unwrap() {
            groups.add((number % 5, number), Member).unwrap();
            assert!(groups.runs.len() <= FILES);
        }
        assert_eq!(all(groups).len(), FILES * 3);
    }

    #[test]
    fn a_torn_file_is_an_error_and_no_end() {
        let folder = tempfile::tempdir().unwrap();
        let mut groups: Groups<Texts> = Groups::new(1 << 20, &Below::named(folder.path()));
        groups.runs.push(
            groups
                .file(|file| {
                    file.write_all(&[1])?;
                    file.write_all(&3_i64.to_le_bytes())?;
                    file.write_all(&[0xff, 0xff, 0xff])
                })
                .unwrap(),
        );
        assert_eq!(groups.finish(|_, _| Ok(())).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
