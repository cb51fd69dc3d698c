//! What other processes have staged: their pieces are read and never written to.
//!
//! A stage that is to be gone on from elsewhere is *sealed*: its files, and an index of what is in them. The stage of whoever goes on
//! from several pieces numbers all answers in the order in which they came, and the rows of one piece behind those of the one before.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use arrow_array::cast::AsArray;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::fault::StageError;
use super::held::{Begin, MOST_LENGTH, bytes, length};
use super::journal::{self, Answers, Header, Journal, Recalled};
use super::record::SegmentRecord;
use super::{Identity, STAGED, Segment, Stage, TakenOver, identity};
use crate::error::{Error, Kind, Result};
use crate::rows::flatten::{Flat, Reject};
use crate::rows::partition::{Partition, PartitionBy};
use crate::store::failed;
use crate::store::files::Below;

/// What a sealed stage holds, so that its rows need not be read to go on from them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// When each answer came, in microseconds; `None` for what no walk has asked for.
    answers: Vec<Option<i64>>,
    /// Session rows, repeated ones included.
    sessions: u64,
    /// Each segment, with the id of its first session.
    segments: Vec<(SegmentRecord, String)>,
    /// Ids of sessions that were still running.
    open: Vec<String>,
}

impl Index {
    /// Takes note of an answer that was staged as these segments.
    pub(super) fn add(&mut self, flat: &Flat, at: Option<i64>, segments: &[SegmentRecord]) {
        let sessions = &flat.batches.sessions;
        let ids = sessions.column(0).as_string::<i32>();
        self.answers.push(at);
        let mut row = 0;
        for (number, segment) in segments.iter().enumerate() {
            self.segments.push((segment.clone(), ids.value(row).to_owned()));
            let next = segments.get(number + 1).map(|next| next.first_ordinal - segment.first_ordinal);
            row += next.and_then(|rows| usize::try_from(rows).ok()).unwrap_or_default();
        }
        let open = flat.entries.iter().enumerate().filter(|(_, entry)| entry.is_open);
        self.open.extend(open.map(|(row, _)| ids.value(row).to_owned()));
        self.sessions += flat.entries.len() as u64;
    }

    /// Session rows, repeated ones included.
    pub const fn sessions(&self) -> u64 {
        self.sessions
    }

    /// Whether there can be such a stage, cut into partitions so, with a file of so many bytes of rows. Whoever may write where it
    /// lies makes right sums.
    pub fn is_possible(&self, by: PartitionBy, bytes: u64) -> bool {
        let mut next = 0;
        let mut weight = 0_u64;
        let segments = self.segments.iter().all(|(segment, _)| {
            weight = weight.saturating_add(segment.weight as u64);
            let is_next = segment.first_ordinal >= next && segment.first_ordinal < self.sessions;
            next = segment.first_ordinal.saturating_add(1);
            let end = segment.offset.checked_add(segment.length as u64);
            is_next
                && segment.length <= MOST_LENGTH
                && end.is_some_and(|end| end <= bytes)
                && by.partition(segment.first_start).day() == segment.day
        });
        segments && weight >> 56 == 0 && self.sessions >> 48 == 0 && self.answers.len() as u64 >> 48 == 0
    }
}

/// A stage that is whole: its files, each to be read from its beginning, and what is in them.
pub struct Sealed {
    /// Rows, identities and journal, in the order of [`STAGED`].
    pub files: [File; 3],
    /// What is in them.
    pub index: Index,
}

/// Opens a file of a piece by its name: `identities`, `journal`, or a part of the rows.
pub type Open = Box<dyn Fn(&str) -> Result<File> + Send + Sync>;

/// What another process has staged. Its files are opened when they are needed.
pub struct Piece {
    index: Index,
    /// The number of its first row in the stage that goes on from it.
    shift: u64,
    /// The number of each of its answers there.
    responses: Vec<u64>,
    /// Bytes of each part that the rows are cut into, but the last.
    part: u64,
    open: Open,
    identities: OnceLock<File>,
    journal: OnceLock<File>,
    rows: Vec<OnceLock<File>>,
    /// Where it is, for people, and what to do where it is damaged.
    place: String,
    way_out: &'static str,
    /// Its answers came after those of all other pieces, whatever clocks say.
    is_last: bool,
}

impl Piece {
    /// A piece whose rows are in so many parts of so many bytes each, but the last: `rows.0`, `rows.1` and so on.
    pub fn new(index: Index, parts: usize, part: u64, (place, way_out): (String, &'static str), open: Open) -> Self {
        let rows = (0..parts).map(|_| OnceLock::new()).collect();
        let (identities, journal) = Default::default();
        let (shift, responses, is_last) = Default::default();
        Self { index, shift, responses, part, open, identities, journal, rows, place, way_out, is_last }
    }

    /// The same, of answers that came after those of all other pieces, whatever clocks say.
    #[must_use]
    pub fn coming_last(self) -> Self {
        Self { is_last: true, ..self }
    }

    /// The same, with its identities and its journal open already.
    #[must_use]
    pub fn holding(self, identities: File, journal: File) -> Self {
        Self { identities: OnceLock::from(identities), journal: OnceLock::from(journal), ..self }
    }

    /// The name of a part of the rows.
    pub fn part_name(part: usize) -> String {
        format!("{}.{part}", STAGED[0])
    }

    fn file<'p>(&self, file: &'p OnceLock<File>, name: &str) -> Result<&'p File> {
        if let Some(file) = file.get() {
            return Ok(file);
        }
        let opened = (self.open)(name)?;
        Ok(file.get_or_init(|| opened))
    }

    /// Reads a segment's bytes.
    pub(super) fn read(&self, into: &mut [u8], segment: &Segment) -> Result<(), StageError> {
        let (mut at, mut rest) = (segment.offset, &mut *into);
        while !rest.is_empty() {
            let part = usize::try_from(at / self.part).unwrap_or(usize::MAX);
            let file = self.rows.get(part).ok_or(StageError::Torn)?;
            let file = self.file(file, &Self::part_name(part)).map_err(StageError::Else)?;
            let left = usize::try_from(self.part - at % self.part).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(left);
            file.read_exact_at(now, at % self.part)?;
            (at, rest) = (at + left as u64, later);
        }
        if xxh3_64(into) == segment.hash { Ok(()) } else { Err(StageError::Else(self.damaged())) }
    }

    fn damaged(&self) -> Error {
        Error::new(Kind::Config, format!("what a task has left is damaged: {}", self.place)).hint(self.way_out)
    }

    fn unreadable(&self, error: io::Error) -> Error {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            return self.damaged();
        }
        failed("cannot read what a task has left", &self.place, error)
    }

    /// Reads all identities, as those of the stage that goes on from it.
    pub(super) fn identities(&self, mut each: impl FnMut(Identity)) -> Result<()> {
        let file = self.file(&self.identities, STAGED[1])?;
        let (mut is_whole, mut next) = (true, 0);
        let read = identity::each(file, self.index.sessions, |identity| {
            let response = usize::try_from(identity.response()).ok().and_then(|at| self.responses.get(at));
            match response.filter(|_| identity.ordinal == next) {
                Some(response) => each(identity.moved(*response, next + self.shift)),
                None => is_whole = false,
            }
            next += 1;
        });
        read.map_err(|error| self.unreadable(error))?;
        if is_whole { Ok(()) } else { Err(self.damaged()) }
    }

    /// Calls with the page and the reject of each record that could not become a row, or not all of one.
    pub(super) fn rejects(&self, each: impl FnMut(u64, Reject) -> Result<()>) -> Result<()> {
        let journal = self.file(&self.journal, STAGED[2])?;
        let length = journal.metadata().map_err(|error| self.unreadable(error))?.len();
        let read = journal::rejects(journal, length, each);
        read.map_err(|error| error.at("cannot read what a task has left", self.place.as_ref()))
    }

    /// Calls with each answer and its number in the stage that goes on from it.
    fn answers(&self, each: &mut dyn FnMut(u64, Recalled) -> Result<()>) -> Result<()> {
        let identities = self.file(&self.identities, STAGED[1])?;
        let journal = self.file(&self.journal, STAGED[2])?;
        let unreadable = |error| self.unreadable(error);
        let mut answers = Answers::of(journal).map_err(unreadable)?;
        let mut begin = Begin::default();
        for (next, number) in (1..).zip(self.recallable()) {
            let read = answers.next().map_err(unreadable)?;
            let record = read.filter(|record| record.is_possible(begin)).ok_or_else(|| self.damaged())?;
            let (from, to) = begin.identities(&record);
            let identities = bytes(identities, from, length(from, to)).map_err(unreadable)?;
            let listed = record.listed(&identities).ok_or_else(|| self.damaged())?;
            begin = Begin::behind(&record, next);
            each(number, record.recalled(listed, Vec::new()))?;
        }
        Ok(())
    }

    /// The numbers of the answers that a walk has asked for, in their order.
    fn recallable(&self) -> impl Iterator<Item = u64> {
        let asked = self.index.answers.iter().zip(&self.responses).filter(|(at, _)| at.is_some());
        asked.map(|(_, number)| *number)
    }
}

impl Stage {
    /// A stage whose files have no names here, to be sealed: it can be gone on from elsewhere.
    pub fn to_seal(folder: &Below, header: &Header) -> Result<Self> {
        let made = folder.make().map_err(StageError::from).and_then(|folder| {
            let journal = Journal::begin(folder.nameless()?, header)?;
            let stage = Self::new(&folder, header.begun_at, folder.nameless()?, folder.nameless()?, Some(journal));
            Ok(Self { index: Some(Index::default()), begun_by: Some(header.run_id.clone()), ..stage })
        });
        made.map_err(|error| error.at("cannot create the stage", &folder.place()))
    }

    /// The same, going on from what others have left: their rows are read as if they were staged here.
    pub fn joined(folder: &Below, header: &Header, pieces: Vec<Piece>) -> Result<Self> {
        let mut stage = Self::to_seal(folder, header)?;
        for (number, mut piece) in pieces.into_iter().enumerate() {
            piece.shift = stage.sessions;
            for (record, first_id) in &piece.index.segments {
                let mut segment = Segment::of(record, first_id.clone());
                (segment.piece, segment.first_ordinal) = (Some(number), segment.first_ordinal + stage.sessions);
                stage.segments.entry(Partition::from_day(record.day)).or_default().push(segment);
            }
            stage.sessions += piece.index.sessions;
            stage.pieces.push(piece);
        }
        stage.answers = number_in_order(&mut stage.pieces);
        stage.taken_over = TakenOver { sessions: stage.sessions, answers: stage.answers };
        Ok(stage)
    }

    /// Calls with each answer that others have left and its number, those of one piece in the order in which they came.
    ///
    /// # Errors
    /// Its own; `Config` where what they have left is damaged; `Destination`.
    pub fn each_taken_over(&self, mut each: impl FnMut(u64, Recalled) -> Result<()>) -> Result<()> {
        self.pieces.iter().try_for_each(|piece| piece.answers(&mut each))
    }

    /// Ids of sessions that were still running when others read them.
    pub fn taken_over_open(&self) -> impl Iterator<Item = &String> {
        self.pieces.iter().flat_map(|piece| &piece.index.open)
    }

    /// The stage's files with what this run itself has staged, and what is in them. Rows and answers are numbered from the first one of
    /// this run.
    ///
    /// # Errors
    /// `Destination`.
    pub fn sealed(&self) -> Result<Option<Sealed>> {
        let (Some(index), Some(journal)) = (&self.index, &self.journal) else { return Ok(None) };
        let copies = [&self.rows, &self.identities, journal.file()].map(File::try_clone);
        let [rows, identities, journal] = copies;
        let files = rows.and_then(|rows| Ok([rows, identities?, journal?]));
        let files =
            files.map_err(|error| failed("cannot read the stage back", self.folder.place("").display(), error))?;
        Ok(Some(Sealed { files, index: index.clone() }))
    }
}

/// Numbers the answers of all pieces in the order in which they came; those of one piece stay in their order, whatever its clock did.
/// Returns how many there are.
fn number_in_order(pieces: &mut [Piece]) -> u64 {
    let mut answers = Vec::new();
    for (number, piece) in pieces.iter_mut().enumerate() {
        let mut latest = i64::MIN;
        for (at, answered) in piece.index.answers.iter().enumerate() {
            latest = latest.max(answered.unwrap_or(latest));
            answers.push((piece.is_last, latest, number, at));
        }
        piece.responses = vec![0; piece.index.answers.len()];
    }
    answers.sort_unstable();
    for (order, (_, _, piece, at)) in (0..).zip(&answers) {
        pieces[*piece].responses[*at] = order;
    }
    answers.len() as u64
}
