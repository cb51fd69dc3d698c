//! Files are held against the records before a run reads on from them: damage ends it before its first change, and what was
//! put back from an older run is told.
//!
//! Reading a large file to hash it takes time, so there are two looks. When a run begins, files are hashed whose length or
//! time (in an object store: whose etag) is not the one that the state has noted: whatever was copied, restored or
//! rewritten shows there, in any partition. And before the first change all files of the partitions that the run will touch
//! are hashed, whatever their times say, since a disk that rots changes no time.

use std::collections::BTreeMap;

use super::encode;
use super::known::{Known, Older, Standing};
use super::lanes::in_order;
use super::layout::Layout;
use super::published::{Published, Versions, damaged};
use super::publishing::{self, Left, Record};
use super::state::State;
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::Table;
use crate::store::{ROUNDS, Version, raced, unless_raced};
use crate::words::stop::Stop;

/// What one run has seen of the dataset's files.
#[derive(Debug)]
pub struct Inspection {
    layout: Layout,
    stop: Stop,
    known: Known,
    /// Records that were there when the run began.
    left: Vec<Left>,
    seen: BTreeMap<String, Seen>,
    restored: BTreeMap<String, Older>,
}

/// A file that was hashed, and what it turned out to be.
#[derive(Debug, Clone)]
struct Seen {
    version: Version,
    sha256: String,
    standing: Standing,
}

/// A file that is to be hashed.
type Wanted = (String, Version);

impl Inspection {
    /// Reads the state and what runs were publishing; files are hashed later, by [`Inspection::strangers`] and its like.
    ///
    /// # Errors
    /// As [`Known::read`].
    pub fn begin(layout: &Layout, stop: &Stop) -> Result<Self> {
        let known = Known::read(layout)?;
        let left = known.left().to_vec();
        let (seen, restored) = Default::default();
        Ok(Self { layout: layout.clone(), stop: stop.clone(), known, left, seen, restored })
    }

    /// Hashes the files that are other than the state has noted; all where there is no state. Returns the versions of all
    /// files.
    ///
    /// # Errors
    /// `Unreadable` where one is damaged; as [`Layout::existing`]; the signal's kind.
    pub fn strangers(&mut self) -> Result<BTreeMap<Partition, Versions>> {
        self.until_settled(|inspection, found| {
            let is_strange = |(path, version): &Wanted| {
                let recorded = inspection.known.in_state(path);
                recorded.is_none_or(|recorded| recorded.mark.as_deref() != Some(version.mark()))
            };
            let wanted = inspection.files(found, |_| true).filter(is_strange).collect();
            inspection.look(wanted)
        })
    }

    /// Hashes all files of the dataset, those included that are as the state has noted them.
    ///
    /// # Errors
    /// As [`Inspection::strangers`].
    pub fn all(&mut self) -> Result<()> {
        self.until_settled(|inspection, found| inspection.touch(found, |_| true)).map(drop)
    }

    /// Does something with the files that are there, and with those that are there by then where another run has replaced
    /// one meanwhile.
    fn until_settled(
        &mut self,
        mut each: impl FnMut(&mut Self, &BTreeMap<Partition, Versions>) -> Result<()>,
    ) -> Result<BTreeMap<Partition, Versions>> {
        let layout = self.layout.clone();
        let attempt = || {
            let found = Published::versions(&layout)?;
            each(self, &found).map(|()| Some(found))
        };
        unless_raced(ROUNDS, || layout.place(), attempt)
    }

    /// Hashes all files of some partitions, except versions that this run has hashed before.
    ///
    /// # Errors
    /// `Unreadable` where one is damaged; `Raced` where another run has replaced one since it was found; `Destination`; the
    /// signal's kind.
    pub fn touch(&mut self, found: &BTreeMap<Partition, Versions>, some: impl Fn(&Partition) -> bool) -> Result<()> {
        let is_new = |(path, version): &Wanted| self.seen.get(path).is_none_or(|seen| seen.version != *version);
        let wanted = self.files(found, some).filter(is_new).collect();
        self.look(wanted)
    }

    fn files(
        &self,
        found: &BTreeMap<Partition, Versions>,
        some: impl Fn(&Partition) -> bool,
    ) -> impl Iterator<Item = Wanted> {
        let of = |(partition, versions): (&Partition, &Versions)| {
            let named = versions.clone().into_iter();
            let partition = *partition;
            let wanted = move |(table, version): (Table, Option<Version>)| Some((table, version?, partition));
            named.filter_map(wanted)
        };
        let some: Vec<_> = found.iter().filter(|(partition, _)| some(partition)).flat_map(of).collect();
        some.into_iter().map(|(table, version, partition)| (self.layout.relative(table, partition), version))
    }

    /// Hashes files side by side and judges them.
    fn look(&mut self, wanted: Vec<Wanted>) -> Result<()> {
        let mut hashed = Vec::with_capacity(wanted.len());
        in_order(
            wanted.len(),
            |number| hash(&self.layout, &wanted[number], &self.stop),
            |sha256| {
                hashed.push(sha256?);
                Ok(())
            },
        )?;
        let judge = |known: &Known, (path, version): Wanted, sha256: String| {
            let standing = known.standing(&path, &sha256);
            (path, Seen { version, sha256, standing })
        };
        let files = wanted.into_iter().zip(hashed).map(|(file, sha256)| judge(&self.known, file, sha256));
        let (certain, doubtful): (Vec<_>, Vec<_>) = files.partition(|(_, seen)| seen.is_known());
        self.seen.extend(certain);
        if doubtful.is_empty() { Ok(()) } else { self.look_again(doubtful) }
    }

    /// Another run may have published between the reading of the records and that of the files.
    fn look_again(&mut self, doubtful: Vec<(String, Seen)>) -> Result<()> {
        self.known = Known::read(&self.layout)?;
        self.known.read_receipts(&self.layout)?;
        let now = self.layout.versions()?;
        let mut damaged = Vec::new();
        for (path, mut seen) in doubtful {
            seen.standing = self.known.standing(&path, &seen.sha256);
            if !seen.is_known() && now.get(&path) != Some(&seen.version) {
                return Err(raced(&self.layout.store().place(&path)));
            }
            match &seen.standing {
                Standing::Unknown => damaged.push(path),
                Standing::Restored(older) => {
                    let place = self.layout.store().place(&path);
                    tracing::warn!("the file is an older run's, and was put back: {place} (run {})", older.run_id);
                    self.restored.insert(path.clone(), older.clone());
                    self.seen.insert(path, seen);
                }
                _ => drop(self.seen.insert(path, seen)),
            }
        }
        match damaged.first() {
            None => Ok(()),
            Some(path) => Err(damage(&self.layout, path, damaged.len() - 1)),
        }
    }

    /// Files that are an older run's, by path.
    pub const fn restored(&self) -> &BTreeMap<String, Older> {
        &self.restored
    }

    /// Has the state name what was found: files that are current, or restored, and partitions that a dead run had finished.
    /// What a dead run had not finished stays with that run's record. Where files are restored, nothing is settled any more:
    /// that is for whoever stores the state.
    pub fn tell(&self, state: &mut State) {
        for (path, seen) in &self.seen {
            let rows = match &seen.standing {
                Standing::Current(rows) | Standing::Restored(Older { rows, .. }) => *rows,
                Standing::Published(rows, _) if self.is_finished(path) => *rows,
                _ => continue,
            };
            state.adopt(path, rows, &seen.sha256, &seen.version);
        }
    }

    /// Whether all files of the file's partition are there as the last record that names it says.
    fn is_finished(&self, path: &str) -> bool {
        let Some(partition) = self.layout.partition_of(path) else { return false };
        let is_there = |path: &str, sha256: &str| match self.seen.get(path) {
            Some(seen) => seen.sha256 == sha256,
            None => self.known.in_state(path).is_some_and(|recorded| recorded.sha256 == sha256),
        };
        let whole = |left: &Left| {
            Table::ALL.into_iter().all(|table| {
                let path = self.layout.relative(table, partition);
                let entry = left.files.iter().rev().find(|entry| entry.path == path);
                entry.is_some_and(|entry| is_there(&path, &entry.sha256))
            })
        };
        self.known.left().iter().any(whole)
    }

    /// Removes the record of this run, and those of dead ones where all others are kept out (`alone`): the state, which is stored,
    /// names what is in place, so that no record need do so. Nothing is lost where one stays.
    pub fn clear_records(&self, record: Record, state: &State, alone: bool) {
        let ended = record.end(&self.layout);
        let tidied = if alone { self.tidy(state) } else { Ok(()) };
        if let Err(error) = ended.and(tidied) {
            tracing::warn!("a record of what was published stays, which does no harm: {}", error.render());
        }
    }

    /// Removes the records of dead runs: those that were there when this run began and are still the same, if the state, which
    /// is stored, names what is now at every path that they name. Only for who keeps all others out.
    ///
    /// # Errors
    /// `Destination`.
    fn tidy(&self, state: &State) -> Result<()> {
        if self.left.is_empty() {
            return Ok(());
        }
        let now = self.layout.versions()?;
        let is_settled = |path: &str| state.mark(path) == now.get(path).map(Version::mark);
        publishing::each(&self.layout, |path, read| {
            let was_there = |left: &Left| self.left.iter().any(|it| it.path == path && it.version == left.version);
            match read {
                Ok(left) if was_there(&left) && left.files.iter().all(|entry| is_settled(&entry.path)) => {
                    self.layout.store().remove(&path)
                }
                _ => Ok(()),
            }
        })
    }
}

impl Seen {
    const fn is_known(&self) -> bool {
        matches!(self.standing, Standing::Current(_) | Standing::Published(..))
    }
}

/// The SHA-256 of a file that still is of this version.
fn hash(layout: &Layout, (path, version): &Wanted, stop: &Stop) -> Result<String> {
    let place = || layout.store().place(path);
    let opened = layout.store().open(path)?.filter(|(_, current)| current == version);
    let Some((file, _)) = opened else { return Err(raced(&place())) };
    let digest = encode::digest(&file, stop)?.map_err(|error| damaged(&place(), error));
    digest.map(|(_, sha256)| sha256)
}

const WAY_OUT: &str =
    "put it back from a copy of the same run, or run `rollbook verify --repair`, which says what to do next";

fn damage(layout: &Layout, path: &str, more: usize) -> Error {
    let place = layout.store().place(path);
    let others = if more == 0 { String::new() } else { format!(" ({more} more like it)") };
    Error::new(Kind::Unreadable, format!("a published file has bytes that no record knows{others}: {place}")).hint(
        format!("{WAY_OUT}; if the file was changed on purpose, `rollbook verify --accept {path}` takes it as it is"),
    )
}

/// What is said of restored files in a receipt, a line each.
pub fn reasons(restored: &BTreeMap<String, Older>, erasures: u64) -> Vec<String> {
    let purged = |older: &Older| {
        if older.erasures < erasures { "; it is from before a purge: run the same purge again" } else { "" }
    };
    let line = |(path, older): (&String, &Older)| {
        format!("{path} is an older run's, and was put back (run {}){}", older.run_id, purged(older))
    };
    let lines: Vec<_> = restored.iter().map(line).collect();
    if lines.is_empty() { lines } else { [lines, vec!["the next export reads the whole list".to_owned()]].concat() }
}
