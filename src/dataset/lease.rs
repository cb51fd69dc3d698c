//! One writer at a time, so that no work is done twice. Nothing rests on it: what keeps the data right is the swap.
//!
//! In a folder it is a lock that the system releases when its holder dies. In an object store it is a small file that is
//! renewed while its holder lives, and never deleted: each holder gives it a higher epoch. Whether a holder that seems
//! dead is dead is seen by watching the file on one's own monotonic clock.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::task::block_in_place;

use super::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::store::files::{Access, Folder, make};
use crate::store::{Swap, Version, failed};
use crate::words::clock::Clock;
use crate::words::stop::Stop;
use crate::words::timestamp;

/// rollbook's own folder, and what runs lock in it.
const OWN: &str = "_rollbook";
const LOCK: &str = "lock";

/// How often a holder renews its lease.
const BEAT: Duration = Duration::from_secs(10);
/// So many beats of a lease may be missing before others may take it.
const MISSING: u32 = 3;
/// So long somebody may look whether a lock is held.
const MOMENT: Duration = Duration::from_millis(20);
/// How often one that waits looks again.
const LOOK: Duration = Duration::from_millis(500);

/// How a run comes by its lease, and how it keeps it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Terms {
    /// Wait for another run so long; not at all where `None`.
    pub wait: Option<Duration>,
    /// Time between two beats, where it is not the usual one.
    pub beat: Option<Duration>,
    /// Writes without asking, as only tests do.
    pub is_off: bool,
}

/// The right to write to a dataset, while it lives.
#[derive(Debug)]
#[allow(dead_code)] // held, not read
pub enum Lease {
    /// A lock on a file of this machine, which goes with the process.
    Locked(File),
    /// A file in an object store that is renewed.
    Renewed(Renewing),
    /// Neither a lock nor a lease: nothing keeps other runs out.
    Off,
}

impl Lease {
    /// Whether no other run is writing, as far as a lease can tell.
    pub const fn keeps_others_out(&self) -> bool {
        !matches!(self, Self::Off)
    }
}

/// `_rollbook/lease.json`: who writes, in an object store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    epoch: u64,
    run_id: String,
    beats: u64,
    renewed_at: String,
    released: bool,
}

/// What one that asks for the lease is told.
enum Answer {
    Given(Lease),
    /// Another run is alive that holds it.
    Held,
    /// The one that holds it has not been heard of for long. Whether it is dead is seen by waiting a little.
    Silent,
}

/// Takes the lease; waits for another run as long as the terms say.
///
/// # Errors
/// `Lease` where another run holds it; `Destination` where it can't be read or written; a signal.
pub async fn obtain(layout: &Layout, run_id: &str, terms: Terms, clock: &Clock, stop: &Stop) -> Result<Lease> {
    let mut candidate = Candidate { layout, run_id, terms, clock, seen: None };
    let deadline = Instant::now() + terms.wait.unwrap_or_default();
    let mut has_said = false;
    loop {
        // A lock on this machine is there, or not, at once.
        let is_near = layout.store().folder().is_some();
        match if is_near { candidate.ask() } else { block_in_place(|| candidate.ask()) }? {
            Answer::Given(lease) => return Ok(lease),
            Answer::Held if Instant::now() >= deadline => return Err(held(layout)),
            Answer::Held | Answer::Silent => {}
        }
        if !has_said {
            tracing::info!("waiting for another run that is writing to the dataset");
            has_said = true;
        }
        tokio::select! {
            stopped = stop.wait() => return Err(stopped),
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn held(layout: &Layout) -> Error {
    Error::new(Kind::Lease, format!("another run is writing to the dataset: {}", layout.place()))
        .hint("run the same command again when that run is done, or wait for it with --wait")
}

/// The lock of a dataset in a folder, both made if they are missing; `None` where another run has it.
fn lock(folder: &Path) -> Result<Option<File>> {
    let own = make(folder).and_then(|()| Folder::at(folder)?.make(OWN, Access::Usual));
    let own = own.map_err(|error| failed("cannot create the dataset's folder", folder.join(OWN).display(), error))?;
    let path = own.place(LOCK);
    let file = own.open_lock(LOCK).map_err(|error| failed("cannot open the lock", path.display(), error))?;
    let tried = file.try_lock().or_else(|_| {
        // Whoever only looks whether it is held holds it for a moment.
        std::thread::sleep(MOMENT);
        file.try_lock()
    });
    match tried {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(failed("cannot lock the dataset", path.display(), error)),
    }
}

/// Whether a run that lives seems to hold the lease; nothing is written.
///
/// # Errors
/// `Destination` where that can't be read.
pub fn is_held(layout: &Layout, terms: Terms, clock: &Clock) -> Result<bool> {
    let Some(folder) = layout.store().folder() else {
        let held = |record: Record| !record.released && record.age(clock) < terms.beat.unwrap_or(BEAT) * MISSING;
        return Ok(read(layout)?.is_some_and(|(record, _)| held(record)));
    };
    let opened = match Folder::at(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        folder => folder.and_then(|folder| folder.open(&Layout::own(LOCK))),
    };
    let file = opened.map_err(|error| failed("cannot open the lock", folder.join(OWN).join(LOCK).display(), error))?;
    Ok(file.is_some_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))))
}

struct Candidate<'a> {
    layout: &'a Layout,
    run_id: &'a str,
    terms: Terms,
    clock: &'a Clock,
    /// What another run's lease was when it last changed, and since when.
    seen: Option<(Version, Instant)>,
}

impl Candidate<'_> {
    fn ask(&mut self) -> Result<Answer> {
        match self.layout.store().folder() {
            _ if self.terms.is_off => Ok(Answer::Given(Lease::Off)),
            Some(folder) => Ok(lock(folder)?.map_or(Answer::Held, |lock| Answer::Given(Lease::Locked(lock)))),
            None => self.ask_objects(),
        }
    }

    fn ask_objects(&mut self) -> Result<Answer> {
        let Some((record, version)) = read(self.layout)? else { return self.begin(1, None) };
        if record.released {
            return self.begin(record.epoch + 1, Some(&version));
        }
        let patience = self.terms.beat.unwrap_or(BEAT) * MISSING;
        match &self.seen {
            Some((seen, since)) if *seen == version => {
                if since.elapsed() >= patience {
                    tracing::warn!("the run that held the dataset is gone: {}", record.run_id);
                    return self.begin(record.epoch + 1, Some(&version));
                }
            }
            Some(_) => {
                self.seen = Some((version, Instant::now()));
                return Ok(Answer::Held);
            }
            None => self.seen = Some((version, Instant::now())),
        }
        // A clock that is wrong can only make this run wait or give up, never take what is held.
        Ok(if record.age(self.clock) < patience { Answer::Held } else { Answer::Silent })
    }

    fn begin(&self, epoch: u64, before: Option<&Version>) -> Result<Answer> {
        let (record, beat) = (Record::new(epoch, self.run_id, self.clock), self.terms.beat.unwrap_or(BEAT));
        let renewing = Renewing::begin(self.layout, record, before, beat, self.clock)?;
        Ok(renewing.map_or(Answer::Held, |renewing| Answer::Given(Lease::Renewed(renewing))))
    }
}

fn read(layout: &Layout) -> Result<Option<(Record, Version)>> {
    let Some((bytes, version)) = layout.store().read(&path())? else { return Ok(None) };
    // What can't be read was held by nobody that this version knows how to wait for.
    let nobody = Record { epoch: 0, run_id: String::new(), beats: 0, renewed_at: String::new(), released: true };
    Ok(Some((serde_json::from_slice(&bytes).unwrap_or(nobody), version)))
}

fn path() -> String {
    Layout::own("lease.json")
}

impl Record {
    fn new(epoch: u64, run_id: &str, clock: &Clock) -> Self {
        Self {
            epoch,
            run_id: run_id.to_owned(),
            beats: 0,
            renewed_at: timestamp::text(clock.micros()),
            released: false,
        }
    }

    fn age(&self, clock: &Clock) -> Duration {
        let renewed = timestamp::parse(&self.renewed_at).unwrap_or(i64::MIN);
        Duration::from_micros(clock.micros().abs_diff(renewed))
    }

    fn put(&self, layout: &Layout, version: Option<&Version>) -> Result<Swap> {
        let text = serde_json::to_vec(self).map_err(|error| failed("cannot write the lease", path(), error))?;
        layout.store().swap(layout.store().draft(&path(), &text)?, version, Access::Private)
    }
}

/// A lease that a thread renews until it is dropped.
#[derive(Debug)]
pub struct Renewing {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Renewing {
    fn begin(
        layout: &Layout,
        mut record: Record,
        before: Option<&Version>,
        beat: Duration,
        clock: &Clock,
    ) -> Result<Option<Self>> {
        let Swap::Done(mut version) = record.put(layout, before)? else { return Ok(None) };
        let (layout, clock) = (layout.clone(), clock.clone());
        let (end, ended) = channel();
        let thread = std::thread::spawn(move || {
            while !record.released {
                record.released = ended.recv_timeout(beat) != Err(RecvTimeoutError::Timeout);
                record.beats += 1;
                record.renewed_at = timestamp::text(clock.micros());
                match record.put(&layout, Some(&version)) {
                    Ok(Swap::Done(renewed)) => version = renewed,
                    Ok(Swap::Lost) => {
                        return tracing::warn!("another run has taken the lease; both may do the same work");
                    }
                    Err(error) => tracing::warn!("the lease could not be renewed: {}", error.render()),
                }
            }
        });
        Ok(Some(Self { end: Some(end), thread: Some(thread) }))
    }
}

impl Drop for Renewing {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
