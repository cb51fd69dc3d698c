//! What the identity checks need to know of a listed session: one fixed record each.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::rows::facts::Facts;
use crate::rows::flatten::Entry;

/// How many identities are read from the disk at a time.
const AT_ONCE: usize = 4096;

/// One listed session, staged or not, as the identity checks need it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The first 128 bits of the SHA-256 of the session's id.
    pub id: u128,
    /// Which version of an id wins: ended before open, then the later response, then the later position.
    pub rank: u64,
    /// Number of the row in the stage.
    pub ordinal: u64,
    /// See [`Identity::start`]; [`NO_START`] for none.
    start: i64,
    /// How much of it is filled in.
    pub facts: Facts,
}

impl Identity {
    /// A staged row of a response.
    pub fn of(entry: &Entry, response: u64, ordinal: u64) -> Self {
        let ended = if entry.is_open { 0 } else { ENDED };
        let rank = ended | response << POSITION_BITS | u64::from(entry.position);
        Self { id: entry.id, rank, ordinal, start: entry.start.unwrap_or(NO_START), facts: entry.facts }
    }

    /// A session that was listed in a response and got no row.
    pub fn without_row(id: u128, response: u64, start: Option<i64>) -> Self {
        let (rank, start) = (response << POSITION_BITS, start.unwrap_or(NO_START));
        Self { id, rank, ordinal: NO_ROW, start, facts: Facts::default() }
    }

    /// Whether it is staged, or was only listed.
    pub const fn has_row(self) -> bool {
        self.ordinal != NO_ROW
    }

    /// The session's start, in microseconds.
    pub fn start(self) -> Option<i64> {
        (self.start != NO_START).then_some(self.start)
    }

    /// Whether the session was still running.
    pub const fn is_open(self) -> bool {
        self.rank & ENDED == 0
    }

    /// Number of the response it came with, from 0.
    pub const fn response(self) -> u64 {
        (self.rank & !ENDED) >> POSITION_BITS
    }

    /// The same session as the row of another number, of another response.
    #[must_use]
    pub const fn moved(self, response: u64, ordinal: u64) -> Self {
        let position = self.position();
        Self { rank: self.rank & ENDED | response << POSITION_BITS | position, ordinal, ..self }
    }

    /// Where it stood in its response.
    pub const fn position(self) -> u64 {
        self.rank & ((1 << POSITION_BITS) - 1)
    }

    /// As it stands in a file.
    pub fn bytes(self) -> [u8; BYTES] {
        let mut record = [0; BYTES];
        record[..16].copy_from_slice(&self.id.to_le_bytes());
        let numbers = [self.rank, self.ordinal, self.start.cast_unsigned()];
        for (bytes, number) in record[16..].chunks_exact_mut(8).zip(numbers) {
            bytes.copy_from_slice(&number.to_le_bytes());
        }
        record[FACTS..].copy_from_slice(&self.facts.bytes());
        record
    }
}

/// Calls with the first so many identities of a file, a bounded number of which is in memory.
pub fn each(file: &File, count: u64, mut each: impl FnMut(Identity)) -> io::Result<()> {
    let mut bytes = vec![0; BYTES * AT_ONCE];
    let (mut offset, end) = (0, count * BYTES as u64);
    while offset < end {
        let length = usize::try_from(end - offset).unwrap_or(usize::MAX).min(bytes.len());
        file.read_exact_at(&mut bytes[..length], offset)?;
        read(&bytes[..length]).for_each(&mut each);
        offset += length as u64;
    }
    Ok(())
}

/// The identities in bytes that were read, in the order in which they were staged.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = Identity> {
    bytes.chunks_exact(BYTES).map(|record| {
        let number = |at: usize| record[at..at + 8].iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte));
        let id = u128::from(number(8)) << 64 | u128::from(number(0));
        let facts = record[FACTS..].first_chunk().map(Facts::from_bytes).unwrap_or_default();
        Identity { id, rank: number(16), ordinal: number(24), start: number(32).cast_signed(), facts }
    })
}

/// Of an identity in its file.
pub const BYTES: usize = FACTS + Facts::BYTES;
/// Where the facts begin in it.
const FACTS: usize = 40;
/// A rank's highest bit, then the response, then the position in it.
const ENDED: u64 = 1 << 63;
const POSITION_BITS: u32 = 24;
/// No number that a row can have.
const NO_ROW: u64 = u64::MAX;
/// No time that a session can have.
const NO_START: i64 = i64::MIN;
