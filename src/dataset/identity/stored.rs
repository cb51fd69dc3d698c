//! How much is filled in of published sessions, where they are looked at in several passes: each partition's rows are read
//! once, and what was counted waits in a file without a name.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::dataset::published::Published;
use crate::error::Result;
use crate::rows::facts::Facts;
use crate::rows::partition::Partition;
use crate::store::failed;
use crate::store::files::Folder;

/// Sessions that are read back at a time.
const AT_ONCE: u64 = 4096;

/// What is known of the sessions of the partitions that were asked for.
pub(super) struct Stored {
    folder: Folder,
    /// Whether nothing is asked for twice, so that nothing needs to wait.
    is_once: bool,
    file: Option<File>,
    /// The number of each partition's first session in the file, and behind its last.
    places: BTreeMap<Partition, Range<u64>>,
    end: u64,
}

impl Stored {
    /// For so many passes. `folder`: for the file.
    pub fn new(folder: Folder, passes: u64) -> Self {
        Self { folder, is_once: passes < 2, file: None, places: BTreeMap::new(), end: 0 }
    }

    /// Calls with the facts of each of some sessions of a partition, given by their rising numbers.
    pub fn each(
        &mut self,
        part: &Published,
        sessions: impl Iterator<Item = u64>,
        mut each: impl FnMut(Facts),
    ) -> Result<()> {
        if self.is_once {
            return part.each_facts(sessions, None, each);
        }
        let place = match self.places.get(&part.partition()) {
            Some(place) => place.clone(),
            None => self.write(part)?,
        };
        let (mut bytes, mut held) = (Vec::new(), 0..0);
        for session in sessions.map(|session| place.start + session) {
            if !held.contains(&session) {
                held = session..(session + AT_ONCE).min(place.end);
                self.read(&held, &mut bytes)?;
            }
            let at = usize::try_from(session.saturating_sub(held.start)).unwrap_or(usize::MAX);
            each(bytes.as_chunks().0.get(at).map(Facts::from_bytes).unwrap_or_default());
        }
        Ok(())
    }

    fn write(&mut self, part: &Published) -> Result<Range<u64>> {
        let unwritten = |error| failed("cannot write the stage", self.folder.place("").display(), error);
        if self.file.is_none() {
            self.file = Some(self.folder.nameless().map_err(unwritten)?);
        }
        let begin = self.end;
        if let Some(file) = &self.file {
            let (mut output, mut written) = (BufWriter::new(file), Ok(()));
            part.each_facts(0.., None, |facts| {
                self.end += 1;
                if written.is_ok() {
                    written = output.write_all(&facts.bytes());
                }
            })?;
            written.and_then(|()| output.flush()).map_err(unwritten)?;
        }
        self.places.insert(part.partition(), begin..self.end);
        Ok(begin..self.end)
    }

    fn read(&self, sessions: &Range<u64>, bytes: &mut Vec<u8>) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let size = Facts::BYTES as u64;
        let length = sessions.end.saturating_sub(sessions.start) * size;
        bytes.resize(usize::try_from(length).unwrap_or_default(), 0);
        let read = file.read_exact_at(bytes, sessions.start * size);
        read.map_err(|error| failed("cannot read the stage back", self.folder.place("").display(), error))
    }
}
