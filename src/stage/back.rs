//! Staged rows, read back for publication.

use std::io::ErrorKind;
use std::os::unix::fs::FileExt;

use arrow_array::{Array, RecordBatch};
use arrow_buffer::MutableBuffer;

use super::fault::StageError;
use super::leftover::set_aside;
use super::{Identity, Segment, Stage, TakenOver, identity, segment};
use crate::error::{Error, Result};
use crate::rows::chunk::Chunk;
use crate::rows::method::Method;
use crate::rows::tables::{Tables, sessions};
use crate::store::failed;
use crate::words::foreign::{self, Cause};

impl Stage {
    /// Reads a segment back as published rows, counted by this method.
    ///
    /// # Errors
    /// `Destination`. What can't be read because it is no segment is set aside.
    pub fn load(&self, segment: &Segment, method: &Method) -> Result<Chunk> {
        self.read(segment, |rows| Ok(Chunk::widen(&rows, method)?))
    }

    /// Reads a segment back, and does something with its rows.
    fn read<T>(&self, segment: &Segment, then: impl FnOnce(Tables<RecordBatch>) -> Result<T, StageError>) -> Result<T> {
        let read = foreign::read(|| Ok::<_, Cause>(self.read_segment(segment).and_then(then)));
        read.map_err(StageError::Foreign).flatten().map_err(|error| self.unreadable(error))
    }

    /// The error of a segment that can't be read, which the next run must not meet again.
    fn unreadable(&self, error: StageError) -> Error {
        let is_damaged = !matches!(&error, StageError::Io(error) if error.kind() != ErrorKind::UnexpectedEof);
        let error = error.at("cannot read the stage back", &self.folder.place(""));
        if !is_damaged || !self.is_alone {
            return error;
        }
        self.aside.call_once(|| {
            if let Err(error) = set_aside(&self.folder, "it is damaged") {
                tracing::warn!("what is staged can't be set aside: {error}");
            }
        });
        error.hint(
            "run the same command again: it begins afresh; if this comes back, give it `--fresh` and look at the disk",
        )
    }

    fn read_segment(&self, segment: &Segment) -> Result<Tables<RecordBatch>, StageError> {
        let mut bytes = MutableBuffer::from_len_zeroed(segment.length);
        match segment.piece.and_then(|piece| self.pieces.get(piece)) {
            Some(piece) => piece.read(&mut bytes, segment)?,
            None => self.rows.read_exact_at(&mut bytes, segment.offset)?,
        }
        segment::read(bytes.into())
    }

    /// The id of the session in a row.
    pub fn session_id(&self, ordinal: u64) -> Result<String> {
        let before = |segment: &&Segment| segment.first_ordinal <= ordinal;
        let segment = self.segments.values().flatten().filter(before).max_by_key(|segment| segment.first_ordinal);
        let Some(segment) = segment else { return Ok(String::new()) };
        let row = usize::try_from(ordinal - segment.first_ordinal).unwrap_or(usize::MAX);
        self.read(segment, |rows| {
            let ids = sessions::session_id(&rows.sessions);
            Ok(if row < ids.len() { ids.value(row).to_owned() } else { String::new() })
        })
    }

    /// Reads all identities in order, a bounded number at a time.
    pub fn identities(&self, mut each: impl FnMut(Identity)) -> Result<()> {
        for piece in &self.pieces {
            piece.identities(&mut each)?;
        }
        let TakenOver { sessions, answers } = self.taken_over;
        let own = |identity: Identity| each(identity.moved(identity.response() + answers, identity.ordinal + sessions));
        let read = identity::each(&self.identities, self.own_sessions(), own);
        read.map_err(|error| failed("cannot read the stage back", self.folder.place("").display(), error))
    }
}
