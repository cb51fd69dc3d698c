//! The state: what the dataset is and whose, and every published file. Written after the files it speaks of.

mod covered;
mod format;
mod listed;
mod loaded;
mod owed;
mod source;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::identity::Moving;
use super::layout::Layout;
use super::publish::Part;
use super::receipt::past;
use crate::error::Result;
use crate::rows::partition::{Partition, PartitionBy};
use crate::rows::person::People;
use crate::rows::privacy::Privacy;
use crate::rows::tables::{SCHEMA_VERSION, Table};
use crate::store::Version;
use crate::words::limits;
pub use covered::{Covered, Order};
pub use owed::{Debt, Failure, Owed};
pub use source::{Source, version_name, version_named};

/// Version of the state file's own form.
const LAYOUT_VERSION: u32 = 1;

/// `_rollbook/state.json`: the one record of what the dataset is and what it covers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    layout: u32,
    schema_version: u32,
    partition_by: String,
    source: Source,
    #[serde(deserialize_with = "listed::map")]
    files: BTreeMap<String, Recorded>,
    /// The rule for persons by which all rows were counted, as in the metadata of the files; `None` before the first run that
    /// finished by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    people: Option<String>,
    /// What may be written down, as in the metadata of the files; `None` where that is everything, and everybody counts. Here before
    /// the first file is, so that nobody takes back what has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    privacy: Option<String>,
    /// The format of the snapshots, by which commands go that have no setting for it; `None` where there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    snapshots: Option<String>,
    /// How far exports without a filter have covered the list; `None` before the first of them, and where nothing is
    /// settled any more.
    #[serde(default)]
    covered: Option<Covered>,
    /// Sessions that the API no longer knows.
    #[serde(default, deserialize_with = "listed::set")]
    gone: BTreeSet<String>,
    /// Sessions that were asked for by id and not answered.
    #[serde(default)]
    owed: Owed,
    /// The running session that was asked for last, where there were more than one run asks for.
    #[serde(default)]
    asked_to: Option<String>,
    /// The id of the last run that published.
    #[serde(default)]
    last_run: Option<String>,
    /// The last purge that this dataset has seen.
    #[serde(default)]
    erasures: u64,
    /// Sessions that a run was moving out of a partition, by that partition's first day.
    #[serde(default, deserialize_with = "listed::map")]
    moving: BTreeMap<String, String>,
    /// The version of the state's file that was read; `None` where there was none.
    #[serde(skip)]
    version: Option<Version>,
    /// Files that this run has put in place, or found to be what they should be.
    #[serde(skip)]
    own: BTreeMap<String, Version>,
    /// Whether something was covered by the file that was read.
    #[serde(skip)]
    had_covered: bool,
    /// Whether nothing is settled any more, whatever another run says.
    #[serde(skip)]
    is_unsettled: bool,
}

/// A dataset's state as one finds it.
#[derive(Debug)]
pub enum Found {
    /// There is none: a new dataset, or a lost state.
    Nothing,
    /// It can't be read, and why: to be read after "it".
    Damaged(String),
    /// It can be read, and its sum is right if it has one.
    Known(Box<State>),
}

/// A published file, as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Rows in it, so that nobody need open it to count.
    pub rows: u64,
    /// The SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
    /// What the store said of it when it was hashed ([`Version::mark`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<String>,
}

impl State {
    /// The state of a dataset that has no files yet.
    pub fn new(by: PartitionBy, source: Source) -> Self {
        let partition_by = by.name().to_owned();
        Self {
            layout: LAYOUT_VERSION,
            schema_version: SCHEMA_VERSION,
            partition_by,
            source,
            files: BTreeMap::new(),
            people: None,
            privacy: None,
            snapshots: None,
            covered: None,
            gone: BTreeSet::new(),
            owed: Owed::default(),
            asked_to: None,
            last_run: None,
            erasures: 0,
            moving: BTreeMap::new(),
            version: None,
            own: BTreeMap::new(),
            had_covered: false,
            is_unsettled: false,
        }
    }

    /// Every published file by its path, as the state knows it.
    pub const fn files(&self) -> &BTreeMap<String, Recorded> {
        &self.files
    }

    /// Rows of a table, in all its files.
    pub fn rows(&self, table: Table) -> u64 {
        let of_table = self.files.iter().filter(|(path, _)| path.split('/').next() == Some(table.name()));
        of_table.map(|(_, recorded)| recorded.rows).fold(0, u64::saturating_add)
    }

    /// Whose sessions the dataset holds, from which address and version of the API.
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// The version of the schema that the dataset was written in.
    pub const fn schema_version(&self) -> u32 {
        self.schema_version
    }

    /// How the dataset is cut; `None` where no version that is known cuts one so.
    pub fn partition_by(&self) -> Option<PartitionBy> {
        PartitionBy::ALL.into_iter().find(|(name, _)| *name == self.partition_by).map(|(_, by)| by)
    }

    /// Remembers by which rule for persons all rows are counted now.
    pub fn knows_people(&mut self, people: &People) {
        self.people = serde_json::to_string(people).ok();
    }

    /// Remembers what may be written down from now on; says whether that is new.
    pub fn guards(&mut self, privacy: &Privacy) -> bool {
        let text = (!privacy.is_open()).then(|| serde_json::to_string(privacy).ok()).flatten();
        let is_new = self.privacy != text;
        self.privacy = text;
        is_new
    }

    /// What may be written down; `None` where a newer version has said so.
    pub fn privacy(&self) -> Option<Privacy> {
        self.privacy.as_ref().map_or_else(|| Some(Privacy::default()), |text| serde_json::from_str(text).ok())
    }

    /// The files of [`State::files`], for who needs nothing else of the state.
    pub fn into_files(self) -> BTreeMap<String, Recorded> {
        self.files
    }

    /// What the store said of a file when it was hashed.
    pub fn mark(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.mark.as_deref()
    }

    /// How far exports without a filter have covered the list; `None` where nothing is settled.
    pub const fn covered(&self) -> Option<&Covered> {
        self.covered.as_ref()
    }

    /// Moves the fence, unless something was found by which nothing is settled.
    pub fn cover(&mut self, covered: Covered) {
        self.covered = Some(covered).filter(|_| !self.is_unsettled);
    }

    /// Writes down what has shown that the last full walk had not found everything: the next run is a full walk.
    pub fn disprove(&mut self, what: &str) {
        self.covered = self.covered.take().map(|covered| covered.disproven_by(Some(what)));
    }

    /// Sessions that the API no longer knows.
    pub const fn gone(&self) -> &BTreeSet<String> {
        &self.gone
    }

    /// Adds to them, and takes out those that are listed again. What there is no room for is asked for once more by a later run.
    pub fn lose(&mut self, gone: &[String], back: &[String]) {
        self.gone.extend(gone.iter().cloned());
        for id in back {
            self.gone.remove(id);
        }
        self.bound_gone();
    }

    fn bound_gone(&mut self) {
        while self.gone.len() > limits::LISTED {
            self.gone.pop_last();
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

    /// Remembers the running session that was asked for last, so that the next run goes on behind it.
    pub fn ask_on_behind(&mut self, id: Option<String>) {
        self.asked_to = id;
    }

    /// Takes published files into account; they are of this schema version.
    pub fn record(&mut self, parts: &[Part]) {
        if !parts.is_empty() {
            self.schema_version = SCHEMA_VERSION;
        }
        for part in parts {
            self.adopt(&part.path, part.written.rows, &part.written.sha256, &part.version);
        }
    }

    /// Takes a file that is in its place into the state: its rows, its SHA-256, and what the store says of it now.
    pub fn adopt(&mut self, path: &str, rows: u64, sha256: &str, version: &Version) {
        let recorded = Recorded { rows, sha256: sha256.to_owned(), mark: Some(version.mark().to_owned()) };
        self.files.insert(path.to_owned(), recorded);
        self.own.insert(path.to_owned(), version.clone());
    }

    /// From now on nothing counts as covered, so that the next run reads everything; says whether that is new.
    pub fn unsettle(&mut self) -> bool {
        self.covered = None;
        !std::mem::replace(&mut self.is_unsettled, true)
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
        Ok(self.erasures.max(past::purges_since(layout, since)?))
    }

    /// Remembers that the dataset has seen a purge of this number; a list of erasures that is older is refused from
    /// then on.
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

    /// Whether nothing is settled any more, whatever is covered from now on.
    pub const fn is_unsettled(&self) -> bool {
        self.is_unsettled
    }

    /// The same, to be stored over what is stored now; which sessions are moving is as it is now.
    #[must_use]
    pub fn resting_on(self, now: Found) -> Self {
        let Found::Known(now) = now else { return self };
        let Self { version, had_covered, moving, covered, .. } = *now;
        let mut state = Self { moving, version, had_covered, ..self };
        if covered.is_none() && state.covered.is_some() {
            // Somebody has found that nothing is settled.
            state.unsettle();
        }
        state
    }

    /// Whether it was read from a file.
    pub const fn is_stored(&self) -> bool {
        self.version.is_some()
    }

    /// The id of the last run that published, if there was one.
    pub fn last_run(&self) -> Option<&str> {
        self.last_run.as_deref()
    }

    /// What must be the same for a stopped run to be continued.
    pub fn origin(&self) -> String {
        let Self { schema_version, partition_by, source, .. } = self;
        serde_json::to_string(&(schema_version, partition_by, source)).unwrap_or_default()
    }
}

/// Where the state is, relative to the dataset.
pub fn path() -> String {
    Layout::own("state.json")
}
