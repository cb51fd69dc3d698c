//! All sessions of a list as JSON, made once, so that serving a page is handing out a slice of memory.
//!
//! For benchmarks: the server must cost no more than a static file server would.

use bytes::Bytes;

use super::list::List;
use super::wire;

/// The sessions' JSON, separated by commas.
pub(super) struct Prepared {
    bytes: Bytes,
    /// Where each session begins; one more for the end.
    begins: Vec<usize>,
}

impl Prepared {
    /// Writes every session of the list; takes time and memory in proportion.
    pub(super) fn new(list: &List) -> Self {
        let mut bytes = Vec::new();
        let mut begins = vec![0];
        for session in list.sessions() {
            wire::session(&mut bytes, &session);
            bytes.push(b',');
            begins.push(bytes.len());
        }
        Self { bytes: bytes.into(), begins }
    }

    /// The sessions at positions `[from, to)`, with commas between them, without copying.
    pub(super) fn slice(&self, from: u64, to: u64) -> Bytes {
        let begin = |position| usize::try_from(position).ok().and_then(|position| self.begins.get(position)).copied();
        match (begin(from), begin(to)) {
            // Without the comma behind the last.
            (Some(from), Some(to)) if from < to => self.bytes.slice(from..to - 1),
            _ => Bytes::new(),
        }
    }
}
