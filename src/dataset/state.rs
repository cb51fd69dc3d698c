//! The state: what the dataset is and whose, and every published file. Written after the files it speaks of.

mod covered;
mod owed;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::identity::Moving;
use super::layout::{Layout, Partition};
use super::publish::Part;
use super::published::Published;
use super::receipt;
use crate::config::{ApiVersion, PartitionBy};
use crate::error::{Error, Kind, Result};
use crate::store::{Access, Swap, Version, failed, raced};
use crate::tables::{SCHEMA_VERSION, Table};
pub use covered::{Covered, Order};
pub use owed::{Debt, Failure, Owed};
pub use source::{Source, version_name, version_named};

/// Version of the state file's own form.
const LAYOUT_VERSION: u32 = 1;

/// `_rollbook/state.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    layout: u32,
    schema_version: u32,
    partition_by: String,
    source: Source,
    files: BTreeMap<String, Recorded>,
    /// What unfiltered exports have covered.
    #[serde(default)]
    covered: Option<Covered>,
    /// Sessions that the API no longer knows.
    #[serde(default)]
    gone: BTreeSet<String>,
    /// Sessions that were asked for by id and not answered.
    #[serde(default)]
    owed: Owed,
    /// The running session that was asked for last, where there were more than one run asks for.
    #[serde(default)]
    asked_to: Option<String>,
    /// The last run that published.
    #[serde(default)]
    last_run: Option<String>,
    /// The last purge that this dataset has seen.
    #[serde(default)]
    erasures: u64,
    /// Sessions that a run was moving out of a partition, by that partition's first day.
    #[serde(default)]
    moving: BTreeMap<String, String>,
    /// Of the file that was read.
    #[serde(skip)]
    version: Option<Version>,
}

/// A dataset's state as one finds it.
#[derive(Debug)]
pub enum Found {
    /// There is none.
    Nothing,
    /// It can't be read.
    Damaged,
    /// It can be read.
    Known(Box<State>),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Recorded {
    rows: u64,
    sha256: String,
}

const fn partition_name(by: PartitionBy) -> &'static str {
    match by {
        PartitionBy::None => "none",
        PartitionBy::Month => "month",
        PartitionBy::Day => "day",
    }
}

impl State {
    /// A dataset without files.
    pub fn new(by: PartitionBy, source: Source) -> Self {
        let partition_by = partition_name(by).to_owned();
        Self {
            layout: LAYOUT_VERSION,
            schema_version: SCHEMA_VERSION,
            partition_by,
            source,
            files: BTreeMap::new(),
            covered: None,
            gone: BTreeSet::new(),
            owed: Owed::default(),
            asked_to: None,
            last_run: None,
            erasures: 0,
            moving: BTreeMap::new(),
            version: None,
        }
    }

    /// Reads the state of a dataset and holds it against this run. A damaged one is set aside: a full export does not
    /// need it.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, cut otherwise, another account's, or read from another version of
    /// the API;
    /// `Destination` where a recorded file is gone.
    pub fn load(layout: &Layout, by: PartitionBy, source: Source, run_id: &str, dry_run: bool) -> Result<Self> {
        let fresh = Self::new(by, source);
        let Some((text, version)) = layout.store().read(&path())? else { return fresh.found_lost(layout) };
        let Ok(state) = serde_json::from_slice::<Self>(&text) else {
            if !dry_run {
                let aside = Self::set_aside(layout, run_id)?;
                tracing::warn!("the state is damaged; set aside: {}", layout.store().place(&aside));
            }
            return fresh.found_lost(layout);
        };
        state.refuse_unless_like(&fresh, layout)?;
        state.check_files(layout)?;
        let Self { files, covered, gone, owed, asked_to, last_run, erasures, moving, .. } = state;
        Ok(Self { files, covered, gone, owed, asked_to, last_run, erasures, moving, version: Some(version), ..fresh })
    }

    /// Reads the state for one who looks at the files and not at what they hold.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, or cut otherwise.
    pub fn look(layout: &Layout, by: PartitionBy) -> Result<Found> {
        let Some((text, version)) = layout.store().read(&path())? else { return Ok(Found::Nothing) };
        let Ok(mut state) = serde_json::from_slice::<Self>(&text) else { return Ok(Found::Damaged) };
        state.refuse_unless_like(&Self::new(by, state.source.clone()), layout)?;
        state.version = Some(version);
        Ok(Found::Known(Box::new(state)))
    }

    /// Every published file: its path, rows and SHA-256.
    pub fn files(&self) -> impl Iterator<Item = (&str, u64, &str)> {
        self.files.iter().map(|(path, Recorded { rows, sha256 })| (path.as_str(), *rows, sha256.as_str()))
    }

    /// Takes files out of the stored state, and with them what was covered: the next nightly run reads everything, so that
    /// nothing stays out.
    ///
    /// # Errors
    /// `Raced` where other runs keep writing; `Config`, `Destination`.
    pub fn forget(layout: &Layout, by: PartitionBy, paths: &BTreeSet<String>, run_id: &str) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let Found::Known(mut state) = Self::look(layout, by)? else { return Ok(()) };
            state.files.retain(|path, _| !paths.contains(path));
            state.covered = None;
            state.last_run = Some(run_id.to_owned());
            if let Swap::Done(_) = state.put(layout)? {
                return Ok(());
            }
        }
        Err(raced(&layout.store().place(&path())))
    }

    /// Sets a state that can't be read aside; returns where it is now.
    pub fn set_aside(layout: &Layout, run_id: &str) -> Result<String> {
        let aside = format!("{}.damaged-{run_id}", path());
        layout.store().set_aside(&path(), &aside)?;
        Ok(aside)
    }

    fn put(&self, layout: &Layout) -> Result<Swap> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| failed("cannot write the state", layout.store().place(&path()), error))?;
        let draft = layout.store().draft(&path(), format!("{text}\n").as_bytes())?;
        layout.store().swap(draft, self.version.as_ref(), Access::Private)
    }

    fn refuse_unless_like(&self, run: &Self, layout: &Layout) -> Result<()> {
        let otherwise = "export to a new folder with --dest, or use the settings and version that wrote this one";
        let (what, hint) = if self.layout > run.layout || self.schema_version > run.schema_version {
            ("the dataset was written by a newer version of rollbook".to_owned(), otherwise.to_owned())
        } else if self.partition_by != run.partition_by {
            ("the dataset is partitioned otherwise than `partition_by` says".to_owned(), otherwise.to_owned())
        } else if let Some(refusal) = self.source.refusal(&run.source) {
            refusal
        } else {
            return Ok(());
        };
        Err(Error::new(Kind::Config, format!("{what}: {}", layout.place())).hint(hint))
    }

    /// Whether every recorded file is there; what is in it is not looked at.
    ///
    /// # Errors
    /// `Unreadable` where one is missing.
    pub fn check_files(&self, layout: &Layout) -> Result<()> {
        let there = files(layout)?;
        match self.files.keys().find(|name| !there.contains(*name)) {
            Some(name) => Err(missing(layout, name)),
            None => Ok(()),
        }
    }

    /// Without a state, what was published, and from where, is known from the receipts. A partition that is gone as a whole was moved
    /// away by somebody and is made anew; one that lacks a published file is damaged.
    fn found_lost(self, layout: &Layout) -> Result<Self> {
        if let Some(source) = Self::last_source(layout, &self.source)? {
            Self { source, ..self.clone() }.refuse_unless_like(&self, layout)?;
        }
        let ((paths, erasures), there) = (receipt::named(layout)?, files(layout)?);
        for partition in Published::versions(layout)?.into_keys() {
            let names = Table::ALL.map(|table| layout.relative(table, partition));
            if let Some(name) = names.iter().find(|name| paths.contains(*name) && !there.contains(*name)) {
                return Err(missing(layout, name));
            }
        }
        Ok(Self { erasures, ..self })
    }

    /// The source of the last run that has read sessions into a dataset, by its receipt.
    fn last_source(layout: &Layout, run: &Source) -> Result<Option<Source>> {
        let last = receipt::last_source(layout)?;
        Ok(last.and_then(|receipt::Source { version, base_url }| Source::named(&version, &base_url, run)))
    }

    /// The version of the API that a dataset was read from, where there is one that tells.
    ///
    /// # Errors
    /// As [`Self::look`]; `Destination` where a receipt can't be read.
    pub fn version_of(layout: &Layout, by: PartitionBy) -> Result<Option<ApiVersion>> {
        let name = match Self::look(layout, by)? {
            Found::Known(state) => Some(state.source.api_version),
            Found::Nothing | Found::Damaged => receipt::last_source(layout)?.map(|source| source.version),
        };
        Ok(name.and_then(|name| version_named(&name)))
    }

    /// What unfiltered exports have covered.
    pub const fn covered(&self) -> Option<&Covered> {
        self.covered.as_ref()
    }

    /// Moves the fence.
    pub fn cover(&mut self, covered: Covered) {
        self.covered = Some(covered);
    }

    /// Sessions that the API no longer knows.
    pub const fn gone(&self) -> &BTreeSet<String> {
        &self.gone
    }

    /// Adds to them, and takes out those that are listed again.
    pub fn lose(&mut self, gone: &[String], back: &[String]) {
        self.gone.extend(gone.iter().cloned());
        for id in back {
            self.gone.remove(id);
        }
    }

    /// Sessions that were asked for by id and not answered.
    pub const fn owed(&self) -> &Owed {
        &self.owed
    }

    /// The same, to take answers into account.
    pub const fn owed_mut(&mut self) -> &mut Owed {
        &mut self.owed
    }

    /// The running session that was asked for last, if some had to wait.
    pub fn asked_to(&self) -> Option<&str> {
        self.asked_to.as_deref()
    }

    /// Remembers it for the next run.
    pub fn ask_on_behind(&mut self, id: Option<String>) {
        self.asked_to = id;
    }

    /// Takes published files into account; they are of this schema version.
    pub fn record(&mut self, parts: &[Part]) {
        if !parts.is_empty() {
            self.schema_version = SCHEMA_VERSION;
        }
        for part in parts {
            let recorded = Recorded { rows: part.written.rows, sha256: part.written.sha256.clone() };
            self.files.insert(part.path.clone(), recorded);
        }
    }

    /// The last purge that is known of; 0 for none.
    pub const fn erasures(&self) -> u64 {
        self.erasures
    }

    /// The last purge that the dataset has seen: this state may be a copy from before it, so the receipts of its last
    /// run and of those after it are asked, too.
    ///
    /// # Errors
    /// `Destination` where a receipt can't be read.
    pub fn purges(&self, layout: &Layout) -> Result<u64> {
        let since = self.last_run.as_deref().unwrap_or_default();
        Ok(self.erasures.max(receipt::purges_since(layout, since)?))
    }

    /// Remembers a purge.
    pub fn know(&mut self, erasures: u64) {
        self.erasures = self.erasures.max(erasures);
    }

    /// Sessions that may be in two partitions, and the one that they should leave.
    pub fn moving(&self) -> Moving {
        let parsed = |(id, day): (&String, &String)| Some((id.clone(), Partition::parse(day)?));
        self.moving.iter().filter_map(parsed).collect()
    }

    /// Sets which sessions are moving; says whether that is new.
    pub fn moves(&mut self, moving: &Moving) -> bool {
        let moving = moving.iter().map(|(id, partition)| (id.clone(), partition.text())).collect();
        std::mem::replace(&mut self.moving, moving) != self.moving
    }

    /// The last run that published.
    pub fn last_run(&self) -> Option<&str> {
        self.last_run.as_deref()
    }

    /// What must be the same for a stopped run to be continued.
    pub fn origin(&self) -> String {
        let Self { schema_version, partition_by, source, .. } = self;
        serde_json::to_string(&(schema_version, partition_by, source)).unwrap_or_default()
    }

    /// Stores it, for a run that has published. What another run has stored meanwhile stays.
    pub fn store(&mut self, layout: &Layout, run_id: &str) -> Result<()> {
        self.last_run = Some(run_id.to_owned());
        for _ in 0..ATTEMPTS {
            if let Swap::Done(version) = self.put(layout)? {
                self.version = Some(version);
                return Ok(());
            }
            let current = layout.store().read(&path())?;
            self.version = current.as_ref().map(|(_, version)| version.clone());
            if let Some(other) = current.and_then(|(text, _)| serde_json::from_slice::<Self>(&text).ok()) {
                self.join(other);
            }
        }
        Err(raced(&layout.store().place(&path())))
    }

    fn join(&mut self, other: Self) {
        for (name, recorded) in other.files {
            self.files.entry(name).or_insert(recorded);
        }
        self.gone.extend(other.gone);
        self.owed.join(other.owed);
        self.know(other.erasures);
        self.moving.extend(other.moving);
        self.covered = self.covered.take().or(other.covered);
    }
}

/// How often a run may lose against others when it stores its state.
const ATTEMPTS: u32 = 100;

/// The paths of all tables' files.
fn files(layout: &Layout) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for table in Table::ALL {
        found.extend(layout.store().list(table.name())?.into_iter().map(|(path, _)| path));
    }
    Ok(found)
}

fn missing(layout: &Layout, name: &str) -> Error {
    Error::new(Kind::Unreadable, format!("a published file is missing: {}", layout.store().place(name)))
        .hint("put it back from a copy of the same run, or run `rollbook verify --repair`, which says what to do next")
}

/// Where the state is, relative to the dataset.
pub fn path() -> String {
    Layout::own("state.json")
}
