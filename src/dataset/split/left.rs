//! What a process leaves in a split's place: the files of its stage, with their sums.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{PLAN_ANEW, Split};
use crate::dataset::encode;
use crate::error::{Error, Kind, Result};
use crate::rows::partition::PartitionBy;
use crate::stage::{Index, Piece, STAGED, Sealed};
use crate::store::{Access, CEILING, Swap, failed, raced};

/// Bytes that the rows of a stage are cut into: the most of a file that is to be fetched at once.
const PART: u64 = 256 << 20;
/// The file that tells what is in the others.
const INDEX: &str = "index";

/// A file, as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    bytes: u64,
    /// The SHA-256 of its bytes, in hexadecimal.
    sha256: String,
}

/// The files that an attempt has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// Their folder within the split.
    folder: String,
    /// Bytes of each part of the rows but the last.
    part: u64,
    /// Each of them by its name.
    files: BTreeMap<String, Sum>,
}

impl Left {
    /// Puts a stage into a folder of the split.
    ///
    /// # Errors
    /// `Config` where a file is too long for any store; `Destination`; a signal.
    pub fn put(split: &Split, folder: &str, sealed: &Sealed) -> Result<Self> {
        let mut left = Self { folder: folder.to_owned(), part: PART, files: BTreeMap::new() };
        let [rows, identities, journal] = &sealed.files;
        let bytes = length(rows)?;
        for part in 0..bytes.div_ceil(PART) {
            let name = Piece::part_name(usize::try_from(part).unwrap_or(usize::MAX));
            left.put_file(split, &name, rows, part * PART, PART.min(bytes - part * PART))?;
        }
        for (name, file) in [(STAGED[1], identities), (STAGED[2], journal)] {
            let bytes = length(file)?;
            if bytes > CEILING {
                return Err(too_much(split));
            }
            left.put_file(split, name, file, 0, bytes)?;
        }
        let index = serde_json::to_vec(&sealed.index);
        let index = index.map_err(|error| failed("cannot write the file", split.place(folder), error))?;
        left.put_bytes(split, INDEX, &mut index.as_slice())?;
        Ok(left)
    }

    fn put_file(&mut self, split: &Split, name: &str, mut file: &File, from: u64, bytes: u64) -> Result<()> {
        let seek = file.seek(SeekFrom::Start(from));
        seek.map_err(|error| failed("cannot read the stage back", split.place(&self.folder), error))?;
        self.put_bytes(split, name, &mut file.take(bytes))
    }

    fn put_bytes(&mut self, split: &Split, name: &str, from: &mut dyn Read) -> Result<()> {
        let path = self.path(name);
        let unwritten = |error| failed("cannot write the file", split.place(&path), error);
        let draft = split.store.begin(&path)?;
        io::copy(from, &mut draft.writer()).map_err(unwritten)?;
        let (bytes, sha256) = encode::digest_from_start(draft.writer(), &split.stop)?.map_err(unwritten)?;
        match split.store.swap(draft, None, Access::Private)? {
            Swap::Done(_) => {}
            Swap::Lost => return Err(raced(&split.place(&path))),
        }
        self.files.insert(name.to_owned(), Sum { bytes, sha256 });
        Ok(())
    }

    fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.folder)
    }

    /// Whether it is in a folder of the split.
    pub fn is_in(&self, folder: &str) -> bool {
        format!("{}/", self.folder) == folder
    }

    /// Removes the files again: another attempt counts.
    ///
    /// # Errors
    /// `Destination`.
    pub fn sweep(&self, split: &Split) -> Result<()> {
        self.files.keys().try_for_each(|name| split.store.remove(&self.path(name)))
    }

    /// The stage, to go on from it, with all of it but the rows held against its sums; else why that can't be done. Each segment of the
    /// rows has a sum of its own, by which it is known when it is read.
    ///
    /// # Errors
    /// `Destination`; a signal.
    pub fn checked(&self, split: &Split, by: PartitionBy) -> Result<Result<Piece, String>> {
        let piece = match self.piece(split, by)? {
            Ok(piece) => piece,
            Err(why) => return Ok(Err(why)),
        };
        let mut files = Vec::with_capacity(2);
        for name in [STAGED[1], STAGED[2]] {
            match self.whole(split, name)? {
                Some(file) => files.push(file),
                None => return Ok(Err(format!("{} has other bytes than were written", split.place(&self.path(name))))),
            }
        }
        let files = <[File; 2]>::try_from(files);
        Ok(files.map_or_else(|_| Err(String::new()), |[identities, journal]| Ok(piece.holding(identities, journal))))
    }

    /// The same, where a join has looked at all of it before: what is needed is held against its sum when it is.
    ///
    /// # Errors
    /// `Destination`; a signal.
    pub fn piece(&self, split: &Split, by: PartitionBy) -> Result<Result<Piece, String>> {
        if !self.is_possible() {
            return Ok(Err("its record is none that was written".to_owned()));
        }
        let (mut parts, mut rows) = (0, 0);
        let there: BTreeMap<_, _> = split.store.list(&self.folder)?.into_iter().collect();
        for (name, sum) in self.files.iter().filter(|(name, _)| is_rows(name)) {
            let listed = there.get(&self.path(name)).is_some_and(|found| found.length() == sum.bytes);
            // A list may come late.
            let is_there = || {
                Ok::<_, Error>(match self.open(split, name)? {
                    Some(file) => length(&file)? == sum.bytes,
                    None => false,
                })
            };
            if !listed && !is_there()? {
                return Ok(Err(format!("{} is missing or incomplete", split.place(&self.path(name)))));
            }
            (parts, rows) = (parts + 1, rows + sum.bytes);
        }
        let index = self.whole(split, INDEX)?.and_then(|file| serde_json::from_reader(io::BufReader::new(file)).ok());
        let Some(index) = index.filter(|index: &Index| index.is_possible(by, rows)) else {
            return Ok(Err(format!("{} is none that was written", split.place(&self.path(INDEX)))));
        };
        let (own, left) = (split.clone(), Arc::new(self.clone()));
        let open = move |name: &str| {
            let damaged = || {
                let what = format!("what a task has left is gone, or damaged: {}", own.place(&left.path(name)));
                Error::new(Kind::Config, what).hint(PLAN_ANEW)
            };
            let file = if is_rows(name) { left.open(&own, name)? } else { left.whole(&own, name)? };
            file.ok_or_else(damaged)
        };
        Ok(Ok(Piece::new(index, parts, self.part, (split.place(&self.folder), PLAN_ANEW), Box::new(open))))
    }

    /// Whether there can be such files. Whoever may write into the split's place makes right sums.
    fn is_possible(&self) -> bool {
        let parts = self.files.keys().filter(|name| is_rows(name)).count();
        let is_last = |part: usize| part + 1 == parts;
        let is_part = |part: usize| {
            let sum = self.files.get(&Piece::part_name(part));
            sum.is_some_and(|sum| sum.bytes == self.part || is_last(part) && sum.bytes <= self.part)
        };
        let folder = self.folder.split('/').all(|name| !name.is_empty() && name != "." && name != "..");
        folder
            && self.part > 0
            && self.files.iter().all(|(name, sum)| is_rows(name) || sum.bytes <= CEILING)
            && (0..parts).all(is_part)
            && [INDEX, STAGED[1], STAGED[2]].iter().all(|name| self.files.contains_key(*name))
    }

    fn open(&self, split: &Split, name: &str) -> Result<Option<File>> {
        Ok(split.store.open(&self.path(name))?.map(|(file, _)| file))
    }

    /// A file, to be read from its beginning; `None` where it is not there, or has other bytes than were written.
    fn whole(&self, split: &Split, name: &str) -> Result<Option<File>> {
        let Some((mut file, sum)) = self.open(split, name)?.zip(self.files.get(name)) else { return Ok(None) };
        let digest = encode::digest(&file, &split.stop)?;
        let is_whole = digest.is_ok_and(|(bytes, sha256)| bytes == sum.bytes && sha256 == sum.sha256);
        Ok((is_whole && file.rewind().is_ok()).then_some(file))
    }
}

/// Whether a stage has a file of this name here.
pub fn is_file(name: &str) -> bool {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let rows = name.strip_prefix(STAGED[0]).and_then(|rest| rest.strip_prefix('.'));
    [INDEX, STAGED[1], STAGED[2]].contains(&name) || rows.is_some_and(is_part)
}

/// Whether a file is a part of the rows.
fn is_rows(name: &str) -> bool {
    ![INDEX, STAGED[1], STAGED[2]].contains(&name)
}

fn length(file: &File) -> Result<u64> {
    let length = file.metadata().map(|metadata| metadata.len());
    length.map_err(|error| failed("cannot read the stage back", "", error))
}

fn too_much(split: &Split) -> Error {
    Error::new(Kind::Config, format!("a task has read more than one file can hold: {}", split.name()))
        .hint(format!("{PLAN_ANEW}; with more tasks (`--tasks`) each reads less"))
}
