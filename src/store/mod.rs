//! Where a dataset's bytes are: a local folder or an object store, behind one small trait.
//!
//! What makes writing safe is one operation: [`Store::swap`] replaces a file only if it still has the version that was
//! read. Whoever loses reads again. Paths are relative to the dataset, with `/` between their names.

mod calls;
mod connect;
mod dry;
mod failure;
mod faulty;
pub mod files;
mod local;
mod options;
pub mod place;
mod probe;
mod refusal;
mod remote;
mod service;
mod spool;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::store::files::{Below, Folder, Obstacle};
use crate::store::place::Place;
use crate::words::limits;
use crate::words::stop::Stop;
pub use dry::Dry;
pub use failure::{ROUNDS, failed, missing, outrun, raced, unless_raced};
use failure::{blocked, too_many};
pub use faulty::Faults;
pub use files::Access;
pub use local::Local;
pub use options::{Given, refuse_secrets, refuse_settings};
pub use probe::probe;
pub use remote::{CEILING, Remote};
pub use spool::sweep;

/// What a file was when it was read: one version, the same bytes.
#[derive(Debug, Clone)]
pub struct Version {
    /// An etag, or what the file system says of the file.
    tag: String,
    /// The store's own number of the version, where it keeps one and has told it: a list does not.
    number: Option<String>,
    /// What of it a copy that keeps lengths and times has, too; `None`: all of it.
    mark: Option<String>,
    /// Bytes of the file, where the store has told.
    length: Option<u64>,
}

impl Version {
    /// What may be written down to know the file again in a later run: another mark, and its bytes may be others.
    pub fn mark(&self) -> &str {
        self.mark.as_ref().unwrap_or(&self.tag)
    }

    /// The version of a file that is named by its content and never changes: its SHA-256, in hexadecimal, and its bytes.
    pub fn of_content(sha256: &str, length: u64) -> Self {
        Self { tag: sha256.to_owned(), number: None, mark: None, length: Some(length) }
    }

    /// The same, known again by the mark of another file that stands for it.
    #[must_use]
    pub fn marked_by(self, other: Option<&Self>) -> Self {
        Self { mark: other.map(|other| other.mark().to_owned()).or(self.mark), ..self }
    }

    /// Bytes of the file; 0 where the store has not told, as after a swap. Lists and opened files tell.
    pub fn length(&self) -> u64 {
        self.length.unwrap_or_default()
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.tag == other.tag
    }
}

impl Eq for Version {}

/// What came of a swap; an error is a third thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Swap {
    /// The new file is in place, durably.
    Done(Version),
    /// Somebody else had replaced the file; nothing was done.
    Lost,
}

/// A file being made on the local disk; dropped without [`Store::swap`], it leaves nothing behind.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: String,
    /// Its folder and its temporary name there, if it has one.
    name: Option<(Folder, String)>,
    /// Whether its bytes are on the disk for good, so that a swap need not wait for that.
    flushed: bool,
}

impl Draft {
    /// The file on the local disk, to be written from its beginning.
    pub const fn writer(&self) -> &File {
        &self.file
    }

    /// The path that it is made for, relative to the dataset: `sessions/start_month=2026-11/part-0.parquet`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The same for another name in the folder where it was begun.
    #[must_use]
    pub fn aimed_at(mut self, path: &str) -> Self {
        path.clone_into(&mut self.path);
        self
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if let Some((folder, name)) = &self.name {
            // Best effort: what stays is swept by a later run.
            let _ = folder.remove(name);
        }
    }
}

/// What a path is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A regular file, such as a table's or the state.
    File,
    /// A folder, such as a partition's.
    Folder,
}

/// What lies in a dataset's folders beside what a list tells of.
#[derive(Debug, Default)]
pub struct Survey {
    /// What is neither a file nor a folder, or is the other one, by its path; and folders that lie deeper than any of a dataset.
    pub obstacles: Vec<(String, Obstacle)>,
    /// Temporary files that could not be removed.
    pub leftovers: Vec<Leftover>,
}

impl Survey {
    /// Refuses a dataset in which something is in the way.
    ///
    /// # Errors
    /// `Unreadable`, with the first of them.
    pub fn refuse_obstacles(&self) -> Result<()> {
        let Some((_, obstacle)) = self.obstacles.first() else { return Ok(()) };
        Err(blocked(obstacle).hint(
            "look who has put it there, and let `rollbook verify --repair` set it aside, or move it away, or replace a link by what \
             it leads to; then run the same command again",
        ))
    }
}

/// A temporary file of another run that stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Its path, relative to the dataset.
    pub path: String,
    /// Why it can't be removed; `None` where a run that is alive is writing it.
    pub error: Option<String>,
}

/// Where files are, found by paths relative to the dataset. Every error names the place as a person would find it.
pub trait Store: Debug + Send + Sync {
    /// A path as a person would find it.
    fn place(&self, path: &str) -> String;

    /// The paths of all files in a folder and the folders in it, in order, with their versions. What is neither file nor
    /// folder is left out: [`Store::survey`] tells of it.
    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>>;

    /// Opens a file; `None` where there is none.
    fn open(&self, path: &str) -> Result<Option<(File, Version)>>;

    /// Begins a file that shall be at a path.
    fn begin(&self, path: &str) -> Result<Draft>;

    /// Makes a draft's bytes durable where they are, so that [`Store::swap`] need not wait for that; none come after it.
    fn flush(&self, draft: &mut Draft) -> Result<()>;

    /// Puts a draft in place, durably, if the file there still has this version (`None`: if there is none).
    fn swap(&self, draft: Draft, expected: Option<&Version>, access: Access) -> Result<Swap>;

    /// Puts the bytes of a file that never changes at another path, durably, if the file there still has this version (`None`: if
    /// there is none). On a disk that can, both are one file.
    ///
    /// # Errors
    /// `Unreadable` where the first is not there; `Destination`.
    fn copy(&self, from: &str, to: &str, expected: Option<&Version>) -> Result<Swap>;

    /// Moves a file out of the way, to a path where nothing is; false if there was none.
    fn set_aside(&self, path: &str, aside: &str) -> Result<bool>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, path: &str) -> Result<()>;

    /// Looks at these folders and those in them. `form`: what is to be at a path; `sweep`: removes what dead runs were writing
    /// there.
    fn survey(&self, folders: &[&str], form: fn(&str) -> Option<Form>, sweep: bool) -> Result<Survey>;

    /// The folder, if it is on this machine.
    fn folder(&self) -> Option<&Path>;

    /// From now on, no call takes long once this is asked to stop.
    fn heed(&self, stop: &Stop);
}

impl dyn Store + '_ {
    /// The bytes of a record of rollbook's own and its version. None of them where there are more than one may have: that is
    /// no record, whatever it holds.
    pub fn read(&self, path: &str) -> Result<Option<(Vec<u8>, Version)>> {
        let Some((file, version)) = self.open(path)? else { return Ok(None) };
        let (place, mut bytes) = (self.place(path), Vec::new());
        let read = file.take(limits::RECORD + 1).read_to_end(&mut bytes);
        let read = read.map_err(|error| failed("cannot read the file", &place, error))?;
        if read as u64 > limits::RECORD {
            tracing::warn!("the file has more bytes than such a record may have ({}): {place}", limits::RECORD);
            bytes.clear();
        }
        Ok(Some((bytes, version)))
    }

    /// Copies a file's bytes to another path, on the condition of a swap.
    pub fn copy_bytes(&self, mut from: File, to: &str, expected: Option<&Version>) -> Result<Swap> {
        let draft = self.begin(to)?;
        let copied = from.seek(SeekFrom::Start(0)).and_then(|_| io::copy(&mut from, &mut draft.writer()));
        copied.map_err(|error| failed("cannot copy the file", self.place(to), error))?;
        self.swap(draft, expected, Access::Usual)
    }

    /// A draft of a small file.
    pub fn draft(&self, path: &str, bytes: &[u8]) -> Result<Draft> {
        let draft = self.begin(path)?;
        let mut writer = draft.writer();
        writer.write_all(bytes).map_err(|error| failed("cannot write the file", self.place(path), error))?;
        Ok(draft)
    }
}

/// What a store needs besides its place.
pub struct Means {
    /// Options of an object store, from variables and over them from the settings; none for a folder.
    pub options: Vec<Given>,
    /// A folder on this machine for files on their way.
    pub spool: Below,
    /// Tells the temporary files of two runs apart.
    pub run_id: String,
    /// For one request to an object store with all its attempts and the waiting between them.
    pub budget: Duration,
    /// Faults to be shown, in tests.
    pub faults: Option<Faults>,
}

/// The store of a dataset.
///
/// # Errors
/// `Config` where the place or an option can't be used.
pub fn open(place: &Place, means: Means) -> Result<Arc<dyn Store>> {
    let Means { options, spool, run_id, budget, faults } = means;
    let store: Arc<dyn Store> = match place {
        Place::Folder(path) => Arc::new(Local::new(path, &run_id)),
        Place::Objects(objects) => Arc::new(Remote::open(objects, &options, &spool, budget)?),
    };
    Ok(match faults {
        Some(faults) => Arc::new(faulty::Faulty::new(store, faults)),
        None => store,
    })
}
