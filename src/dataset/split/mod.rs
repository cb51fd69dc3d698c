//! A split: one export by many processes, on as many machines, over a place that all of them see.
//!
//! ```text
//! _rollbook/split.json            in the dataset: the split under way, and until when ([`under_way`])
//! <split>/plan.json               who reads what
//! <split>/fetch/<task>/<attempt>/ a stage: what a run that was stopped would leave
//! <split>/fetch/<task>.done       which attempt counts, with the sums of its files; or <task>.failed
//! <split>/join/<attempt>/         what the join has read itself
//! <split>/join.json               what is shown, who wins, and who publishes what
//! <split>/publish/<task>.done     the files that were made; or <task>.failed
//! <split>/finish.json             how it ended
//! ```
//!
//! Every record is made only if it is not there: the first one wins, and a second attempt sweeps its own files. So every step can be
//! repeated, killed, and run twice at once.

pub mod records;
pub mod under_way;

mod left;

use std::fs::File;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use under_way::UnderWay;

use super::destination;
use super::layout::Layout;
use super::sealed;
use crate::config::{Config, Environment};
use crate::error::{Error, Kind, Result};
use crate::store::files::Below;
use crate::store::place::Place;
use crate::store::{self, Access, Faults, Leftover, Means, Store, Swap, failed};
use crate::words::limits;
use crate::words::stop::Stop;
pub use left::Left;
use records::{Planned, Record};

/// Bytes of the join's record at most: it has a bit for each session of the list.
const MOST: u64 = 256 << 20;
/// The file beside what a join has left: records that could not be read whole.
pub const REJECTS: &str = "rejects";

/// What is left to whoever can't go on with a split.
pub const PLAN_ANEW: &str = "plan anew: `rollbook split drop` removes what is there, then `rollbook split plan`; nothing that was published is lost";

/// One of the two steps that are done by tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Reads a part of the list.
    Fetch,
    /// Makes some partitions.
    Publish,
}

impl Step {
    /// The name of its folder and of its command.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Publish => "publish",
        }
    }

    /// The record of a task that is done.
    pub fn done(self, task: u64) -> String {
        format!("{}/{task}.done", self.name())
    }

    /// The record of a task that can't be done.
    pub fn failed(self, task: u64) -> String {
        format!("{}/{task}.failed", self.name())
    }

    /// The task that a record is of, and whether that is done, by its path.
    fn task(self, path: &str) -> Option<(u64, bool)> {
        let name = path.strip_prefix(self.name())?.strip_prefix('/')?;
        let (task, is_done) = record(name)?;
        Some((task.parse().ok()?, is_done))
    }
}

/// The place of a split.
#[derive(Debug, Clone)]
pub struct Split {
    store: Arc<dyn Store>,
    /// The place as it is written down and shown to people.
    name: String,
    stop: Stop,
}

impl Split {
    /// The split at a place. `spool`: a folder of this machine for files on their way.
    ///
    /// # Errors
    /// `Config` where the place can't be used.
    pub fn open(
        place: &Place,
        config: &Config,
        environment: &Environment,
        run_id: &str,
        spool: Below,
        stop: &Stop,
    ) -> Result<Self> {
        let options = destination::options(place, config, environment)?;
        let faults = destination::for_tests(environment, "ROLLBOOK_TEST_SPLIT_FAULTS").and_then(Faults::parse);
        let (run_id, budget) = (run_id.to_owned(), config.store.retry_budget);
        let store = store::open(place, Means { options, spool, run_id, budget, faults })?;
        store.heed(stop);
        Ok(Self { store, name: place.to_string(), stop: stop.clone() })
    }

    /// The place as it is written down and shown to people.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A path in it as a person would find it.
    pub fn place(&self, path: &str) -> String {
        self.store.place(path)
    }

    /// Reads a record; `None` where there is none.
    ///
    /// # Errors
    /// `Config` where it can't be understood; `Destination`.
    pub fn read<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        use std::io::Read as _;
        let Some((file, _)) = self.store.open(path)? else { return Ok(None) };
        let mut text = Vec::new();
        let most = if path == records::JOIN { MOST } else { limits::RECORD };
        let read = file.take(most + 1).read_to_end(&mut text);
        read.map_err(|error| failed("cannot read the file", self.place(path), error))?;
        let damaged = |why: &str| {
            let what = format!("a record of the split can't be read ({why}): {}", self.place(path));
            Error::new(Kind::Config, what).hint(PLAN_ANEW)
        };
        if text.len() as u64 > most {
            return Err(damaged("it is longer than one can be"));
        }
        if !sealed::is_whole(&text) {
            return Err(damaged("its sum is another one"));
        }
        serde_json::from_slice(&text).map(Some).map_err(|error| damaged(&error.to_string()))
    }

    /// Reads a record of a split's own run.
    ///
    /// # Errors
    /// `Config` where it can't be understood, or is of another split; `Destination`.
    pub fn own<T: Record>(&self, planned: &Planned, path: &str) -> Result<Option<T>> {
        let Some(record) = self.read::<T>(path)? else { return Ok(None) };
        if record.of() == (records::FORM, &planned.run_id) {
            return Ok(Some(record));
        }
        let what = format!("a record is of another split, or of another version of rollbook: {}", self.place(path));
        Err(Error::new(Kind::Config, what).hint(PLAN_ANEW))
    }

    /// Opens a file; `None` where it is not there.
    ///
    /// # Errors
    /// `Destination`.
    pub fn open_file(&self, path: &str) -> Result<Option<File>> {
        Ok(self.store.open(path)?.map(|(file, _)| file))
    }

    /// The store that the split is in.
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// Writes a record where none is there; false where there is one.
    ///
    /// # Errors
    /// `Destination`.
    pub fn create(&self, path: &str, record: &impl Serialize) -> Result<bool> {
        let unwritten = |error| failed("cannot write the file", self.place(path), error);
        let text = serde_json::to_string_pretty(record).map_err(unwritten)?;
        let draft = self.store.draft(path, sealed::seal(&text).as_bytes())?;
        Ok(matches!(self.store.swap(draft, None, Access::Private)?, Swap::Done(_)))
    }

    /// The tasks of a step that are done, and those that can't be, in order.
    ///
    /// # Errors
    /// `Destination`.
    pub fn tasks(&self, step: Step) -> Result<(Vec<u64>, Vec<u64>)> {
        let found = self.store.list(step.name())?;
        let mut tasks: Vec<_> = found.iter().filter_map(|(path, _)| step.task(path)).collect();
        tasks.sort_unstable();
        let of = |wanted: bool| tasks.iter().filter(move |(_, is_done)| *is_done == wanted).map(|(task, _)| *task);
        let done: Vec<_> = of(true).collect();
        let failed = of(false).filter(|task| !done.contains(task)).collect();
        Ok((done, failed))
    }

    /// Removes a record that no longer holds.
    ///
    /// # Errors
    /// `Destination`.
    pub fn remove(&self, path: &str) -> Result<()> {
        self.store.remove(path)
    }

    /// Removes the split's files in a folder, all of them where that is empty; what else lies there stays. The plan goes last, so that
    /// what is left can be found again.
    ///
    /// # Errors
    /// `Destination`.
    pub fn clear(&self, folder: &str) -> Result<()> {
        self.sweep();
        let records = [records::JOIN, records::FINISH];
        let listed = self.remove_all(folder, |path| is_of_task(path) || records.contains(&path))?;
        if listed.iter().any(|path| path == records::PLAN) { self.store.remove(records::PLAN) } else { Ok(()) }
    }

    /// Removes what tasks and joins have left, and nothing else.
    ///
    /// # Errors
    /// `Destination`.
    pub fn clear_tasks(&self) -> Result<()> {
        self.sweep();
        self.remove_all("", is_of_task).map(drop)
    }

    /// Removes what dead processes were writing.
    fn sweep(&self) {
        let survey = self.store.survey(&["fetch", "join", "publish"], |_| None, true);
        let leftovers = survey.map(|survey| survey.leftovers).unwrap_or_default();
        for Leftover { path, error } in leftovers {
            let why = error.unwrap_or_else(|| "a task that is alive is writing it".to_owned());
            tracing::warn!("what a task was writing stays ({why}): {}", self.place(&path));
        }
    }

    fn remove_all(&self, folder: &str, some: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let listed: Vec<_> = self.store.list(folder)?.into_iter().map(|(path, _)| path).collect();
        listed.iter().filter(|path| some(path)).try_for_each(|path| self.store.remove(path))?;
        Ok(listed)
    }

    /// Whether a plan, or what is left of one, lies here.
    ///
    /// # Errors
    /// `Destination`.
    pub fn is_planned(&self) -> Result<bool> {
        Ok(self.store.open(records::PLAN)?.is_some())
    }
}

/// Whether a text is a task's number.
fn is_task(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit())
}

/// The task's number in the name of a record, and whether the task is done: `3.done`, `3.failed`.
fn record(name: &str) -> Option<(&str, bool)> {
    let (task, end) = name.split_once('.')?;
    let is_done = match end {
        "done" => true,
        "failed" => false,
        _ => return None,
    };
    is_task(task).then_some((task, is_done))
}

/// Whether a path is one that a task, or a join, has made: `fetch/3.done`, `join/<attempt>/rows.0`.
fn is_of_task(path: &str) -> bool {
    match path.split('/').collect::<Vec<_>>()[..] {
        ["fetch" | "publish", name] => record(name).is_some(),
        ["fetch", task, attempt, name] => is_task(task) && is_run(attempt) && left::is_file(name),
        ["join", attempt, name] => is_run(attempt) && (left::is_file(name) || name == REJECTS),
        _ => false,
    }
}

/// Whether a text is the name of a run: `20261126T064421260Z-8fa0bc`.
pub fn is_run(name: &str) -> bool {
    let (time, tail) = name.split_once('-').unwrap_or_default();
    let is_time = time.len() == 19
        && time.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            18 => byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    is_time && tail.len() == 6 && tail.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Finds the split under way on a dataset.
pub type Seeker = Box<dyn Fn(&Layout) -> Result<Option<UnderPurge>> + Send + Sync>;

/// The split under way of a dataset, for a purge, which has to remove what it holds.
pub struct UnderPurge {
    noted: UnderWay,
    split: Result<Split>,
}

impl UnderPurge {
    /// What finds the split under way, once a purge holds the dataset.
    pub fn seeker(config: &Config, environment: &Environment, run_id: &str, stop: &Stop) -> Seeker {
        let (config, environment, run_id, stop) =
            (config.clone(), environment.clone(), run_id.to_owned(), stop.clone());
        Box::new(move |layout| {
            let Some(noted) = under_way::noted(layout)? else { return Ok(None) };
            let wrong = |form| Error::new(Kind::Config, format!("the split's place must be {form}"));
            let place = Place::parse(&noted.split).map_err(wrong);
            let spool = destination::temporary();
            let split = place.and_then(|place| Split::open(&place, &config, &environment, &run_id, spool, &stop));
            Ok(Some(Self { noted, split }))
        })
    }

    /// Gives the split up, and removes what it has read; what can't be reached is added to `unreached`. As long as that is not done the
    /// dataset names the split, so that a purge that was killed finds it again.
    ///
    /// # Errors
    /// `Destination` where the dataset can't be written.
    pub fn give_up(&self, layout: &Layout, unreached: &mut Vec<String>) -> Result<()> {
        let Self { noted, split } = self;
        // Another split may be planned there by now.
        let is_others = |split: &Split| {
            let planned = split.read::<Planned>(records::PLAN);
            matches!(planned, Ok(Some(planned)) if planned.run_id != noted.run_id)
        };
        let cleared = match split {
            Ok(split) if is_others(split) => Ok(()),
            Ok(split) => split.clear("").map_err(|error| error.line()),
            Err(error) => Err(error.line()),
        };
        under_way::end(layout, &noted.run_id)?;
        match cleared {
            Ok(()) => {
                tracing::warn!(
                    "the split under way is given up, and what it had read is removed; if tasks of it still run, run `rollbook split \
                     drop` once they have ended: {}",
                    noted.split
                );
            }
            Err(why) => {
                tracing::warn!("what a split has read could not be removed ({why}): {}", noted.split);
                unreached.push(noted.split.clone());
            }
        }
        Ok(())
    }
}
