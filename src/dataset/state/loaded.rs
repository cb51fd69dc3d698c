//! How a state is read, and held against the run that reads it.

use std::collections::BTreeSet;

use super::{Found, LAYOUT_VERSION, Source, State, path, version_named};
use crate::config::ApiVersion;
use crate::dataset::layout::{Layout, partition_of};
use crate::dataset::published::Published;
use crate::dataset::publishing::shown;
use crate::dataset::receipt::past;
use crate::dataset::sealed;
use crate::error::{Error, Kind, Result};
use crate::rows::method::{Method, OTHERWISE};
use crate::rows::partition::PartitionBy;
use crate::rows::person::People;
use crate::rows::tables::Table;
use crate::store::missing;
use crate::words::name;

impl State {
    /// Reads the state of a dataset and holds it against this run. A damaged one is set aside: a full export does not
    /// need it.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, cut otherwise, another account's, or read from another version of
    /// the API;
    /// `Destination` where a recorded file is gone.
    pub fn load(layout: &Layout, source: Source, run_id: &str) -> Result<Self> {
        let fresh = Self::new(layout.by(), source);
        let Some((text, version)) = layout.store().read(&path())? else { return fresh.found_lost(layout) };
        let state = match Self::read(&text) {
            Ok(state) => state,
            Err(why) => {
                let aside = format!("{}.damaged-{run_id}", path());
                if layout.store().set_aside(&path(), &aside)? {
                    tracing::warn!("the state {why}; set aside: {}", layout.store().place(&aside));
                }
                return fresh.found_lost(layout);
            }
        };
        state.refuse_unless_like(&fresh, layout)?;
        state.check_files(layout)?;
        let had_covered = state.covered.is_some();
        let Self {
            files, people, privacy, snapshots, covered, gone, owed, asked_to, last_run, erasures, moving, ..
        } = state;
        let version = Some(version);
        Ok(Self {
            files,
            people,
            privacy,
            snapshots,
            covered,
            gone,
            owed,
            asked_to,
            last_run,
            erasures,
            moving,
            version,
            had_covered,
            ..fresh
        })
    }

    /// Reads the state for one who looks at the files and not at what they hold.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version, or cut otherwise.
    pub fn look(layout: &Layout) -> Result<Found> {
        let found = Self::glance(layout)?;
        if let Found::Known(state) = &found {
            state.refuse_unless_like(&Self::new(layout.by(), state.source.clone()), layout)?;
        }
        Ok(found)
    }

    /// The same, however the dataset is cut ([`State::partition_by`]).
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version.
    pub fn glance(layout: &Layout) -> Result<Found> {
        let Some((text, version)) = layout.store().read(&path())? else { return Ok(Found::Nothing) };
        let mut state = match Self::read(&text) {
            Ok(state) => state,
            Err(why) => return Ok(Found::Damaged(why)),
        };
        let by = state.partition_by().unwrap_or_else(|| layout.by());
        state.refuse_unless_like(&Self::new(by, state.source.clone()), layout)?;
        state.version = Some(version);
        state.had_covered = state.covered.is_some();
        Ok(Found::Known(Box::new(state)))
    }

    /// Reads a stored state; else says why it can't be one. Of an older version's forms all are known; what a newer one names is
    /// for whoever refuses it.
    pub(super) fn read(text: &[u8]) -> Result<Self, String> {
        let state: Self = serde_json::from_slice(text).map_err(|error| format!("is damaged ({error})"))?;
        if !sealed::is_whole(text) {
            return Err("is damaged (its sum is another one)".to_owned());
        }
        let cut = PartitionBy::ALL.into_iter().find(|(name, _)| *name == state.partition_by);
        if let Some((_, by)) = cut.filter(|_| state.layout <= LAYOUT_VERSION)
            && let Some(path) = state.files.keys().find(|path| partition_of(by, path).is_none())
        {
            return Err(format!("names what is no file of this dataset ({})", shown(path)));
        }
        Ok(state)
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

    /// Refuses settings by which this run would make rows otherwise than the other rows are made. `may_change`: of a run that
    /// goes on to make all rows by its settings, as far as that is possible.
    ///
    /// # Errors
    /// `Config` where the settings are others, or where a newer version has made the rows.
    pub fn refuse_other_method(&self, layout: &Layout, may_change: bool) -> Result<()> {
        self.refuse_other_privacy(layout, may_change)?;
        self.refuse_other_people(layout, may_change)
    }

    fn refuse_other_privacy(&self, layout: &Layout, may_change: bool) -> Result<()> {
        let own = layout.method();
        let refused = |what: String, hint: &str| {
            Err(Error::new(Kind::Config, format!("{what}: {}", layout.place())).hint(hint.to_owned()))
        };
        let Some(privacy) = self.privacy() else {
            return refused("a newer version of rollbook says what the dataset may hold".to_owned(), OTHERWISE);
        };
        let people = self.people.as_deref().and_then(|text| serde_json::from_str(text).ok());
        let theirs = Method { privacy, people: people.unwrap_or_else(|| own.people.clone()), ..Method::default() };
        if let Some(why) = own.refusal(&theirs) {
            return refused(why, OTHERWISE);
        }
        if may_change || theirs.privacy == own.privacy {
            return Ok(());
        }
        refused(
            format!("`[privacy]` is other than what the dataset was written with ({})", theirs.privacy.text()),
            "use those settings, or first run `rollbook export` without a filter, which brings all rows under the new ones",
        )
    }

    fn refuse_other_people(&self, layout: &Layout, may_change: bool) -> Result<()> {
        let Some(text) = &self.people else { return Ok(()) };
        let own = &layout.method().people;
        let theirs = serde_json::from_str::<People>(text).ok().filter(|people| !name::is_later(&people.unicode));
        let (what, hint) = match theirs {
            None => (
                "the dataset's persons are known by a rule of a newer version of rollbook".to_owned(),
                "use the version that wrote this dataset, or export to a new folder with --dest".to_owned(),
            ),
            Some(theirs) if may_change || theirs.is_set_as(own) => return Ok(()),
            Some(theirs) => (
                format!("`[people]` is other than what the dataset was written with ({})", theirs.text()),
                "use those settings, or first run `rollbook export` without a filter, which counts all rows by the new ones"
                    .to_owned(),
            ),
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
            Some(name) => Err(missing(&layout.store().place(name))),
            None => Ok(()),
        }
    }

    /// Without a state, what was published, and from where, is known from the receipts. A partition that is gone as a whole was moved
    /// away by somebody and is made anew; one that lacks a published file is damaged.
    fn found_lost(self, layout: &Layout) -> Result<Self> {
        if let Some(source) = Self::last_source(layout, &self.source)? {
            Self { source, ..self.clone() }.refuse_unless_like(&self, layout)?;
        }
        let ((paths, erasures), there) = (past::named(layout)?, files(layout)?);
        for partition in Published::versions(layout)?.into_keys() {
            let names = Table::ALL.map(|table| layout.relative(table, partition));
            if let Some(name) = names.iter().find(|name| paths.contains(*name) && !there.contains(*name)) {
                return Err(missing(&layout.store().place(name)));
            }
        }
        Ok(Self { erasures, ..self })
    }

    /// The source of the last run that has read sessions into a dataset, by its receipt.
    fn last_source(layout: &Layout, run: &Source) -> Result<Option<Source>> {
        let last = past::last_source(layout)?;
        Ok(last.and_then(|past::Source { version, base_url }| Source::named(&version, &base_url, run)))
    }

    /// The version of the API that a dataset was read from, where there is one that tells.
    ///
    /// # Errors
    /// As [`Self::look`]; `Destination` where a receipt can't be read.
    pub fn version_of(layout: &Layout) -> Result<Option<ApiVersion>> {
        let name = match Self::look(layout)? {
            Found::Known(state) => Some(state.source.api_version),
            Found::Nothing | Found::Damaged(_) => past::last_source(layout)?.map(|source| source.version),
        };
        Ok(name.and_then(|name| version_named(&name)))
    }
}

/// The paths of all tables' files.
fn files(layout: &Layout) -> Result<BTreeSet<String>> {
    layout.versions().map(|versions| versions.into_keys().collect())
}
