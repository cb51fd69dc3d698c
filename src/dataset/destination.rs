//! Where a run writes: the dataset's store, and a folder on this machine for what is on its way there.

use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::lease::Terms;
use super::trial;
use crate::config::{Config, Environment};
use crate::error::{Error, Kind, Result};
use crate::rows::method::Method;
use crate::rows::privacy::Privacy;
use crate::rows::tables::Table;
use crate::store::files::Below;
use crate::store::place::{Place, Service};
use crate::store::{self, Faults, Given, Means};
use crate::words::id;
use crate::words::stop::Stop;
use crate::words::text::duration;

/// Where a run writes: the dataset, and this machine's disk on the way there.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The dataset: its store, and how it is cut into partitions.
    pub layout: Layout,
    /// Where rows wait on this machine until they are published.
    pub stage: Below,
    /// All folders of this machine where rows of this dataset may wait, by these settings and by others.
    pub stages: Vec<Below>,
    /// How to come by the right to write.
    pub terms: Terms,
    /// Whether what is written to the layout is swallowed.
    pub is_dry: bool,
    /// The dataset itself, to which a write is not swallowed in a dry run.
    real: Layout,
}

impl Destination {
    /// Finds it from the settings. A dry run leaves no trace on this machine. From now on no call to the store takes long once
    /// `stop` is asked.
    ///
    /// # Errors
    /// `Config` where the object store can't be used, or no folder for the stage is known.
    pub fn open(config: &Config, environment: &Environment, run_id: &str, is_dry: bool, stop: &Stop) -> Result<Self> {
        let place = &config.dataset.url;
        let stages = stages(place, config, environment);
        let stage = if is_dry { Some(temporary()) } else { stages.first().cloned() };
        let stage = stage.ok_or_else(|| {
            Error::new(Kind::Config, "no folder is known where rows can wait before they are published")
                .hint("set `stage.dir`, or HOME")
        })?;
        if is_dry && place.folder().is_none() {
            refuse_missing_temporary(&stage.root)?;
        }
        let options = options(place, config, environment)?;
        let faults = for_tests(environment, "ROLLBOOK_TEST_FAULTS").and_then(Faults::parse);
        let (spool, run_id, budget) = (stage.clone(), run_id.to_owned(), config.store.retry_budget);
        let means = Means { options, spool, run_id, budget, faults };
        let store = store::open(place, means).map_err(|error| match error.kind() {
            Kind::Destination => {
                error.hint("set `stage.dir` to a folder that this user may write, on a disk with room")
            }
            _ => error,
        })?;
        store.heed(stop);
        let method = Method::current(config.people.clone(), Privacy::default());
        let real = Layout::new(store, config.dataset.partition_by).with_method(method);
        let layout = if is_dry { real.dry() } else { real.clone() };
        let lease = for_tests(environment, "ROLLBOOK_TEST_LEASE");
        let beat = lease.and_then(|beat| duration(beat).ok());
        let terms = Terms { wait: None, beat, is_off: lease == Some("off") };
        Ok(Self { layout, stage, stages, terms, is_dry, real })
    }

    /// The same for a run that makes rows, which needs the key of all tokens where something is to be protected.
    ///
    /// # Errors
    /// `Config` where there is no such key, or one that can't be used.
    pub fn with_key(self, config: &Config, environment: &Environment) -> Result<Self> {
        let key = config.privacy.key(environment)?;
        let method = Method::current(config.people.clone(), config.privacy.rule(key.as_ref()));
        let [layout, real] = [self.layout, self.real].map(|layout| layout.with_method(method.clone()));
        Ok(Self { layout, real, ..self })
    }

    /// Refuses a folder whose parent is not there, as where a disk is not mounted: the dataset would begin anew on another
    /// one. So with a folder for the stage that was chosen.
    ///
    /// # Errors
    /// `Destination`, with what is missing.
    pub fn refuse_missing_parents(&self, config: &Config) -> Result<()> {
        let chosen = [("dataset", self.layout.store().folder()), ("stage", config.stage.dir.as_deref())];
        let chosen = chosen.into_iter().filter_map(|(name, folder)| Some((name, folder?)));
        chosen.into_iter().try_for_each(|(name, folder)| trial::refuse_missing_parent(name, folder))
    }

    /// For a dry run: tries whether the dataset could be written, and leaves nothing behind.
    ///
    /// # Errors
    /// As a run that writes: `Destination`, `Unreadable` where something is in the way, or `Config` where the store is unsafe.
    pub fn try_out(&self, run_id: &str) -> Result<()> {
        refuse_missing_temporary(&self.stage.root)?;
        let store = self.real.store();
        match store.folder() {
            Some(dataset) => {
                let [sessions, participants, timelogs] = Table::ALL.map(Table::name);
                trial::try_dataset(dataset, &[sessions, participants, timelogs, "lake"])?;
                self.layout.survey(false)?.refuse_obstacles()
            }
            None => store::probe(store, run_id),
        }
    }
}

/// The system's folder for temporary files, such as `/tmp`, or what `TMPDIR` names.
pub fn temporary() -> Below {
    Below::named(&std::env::temp_dir())
}

/// Where rows of a dataset wait before they are published: by the settings in force, then by others. Only below the dataset,
/// or below the folder that somebody named, is what leads there rollbook's own.
fn stages(place: &Place, config: &Config, environment: &Environment) -> Vec<Below> {
    let apart = |root: &Path| Below { path: name(place), ..Below::named(root) };
    let chosen = config.stage.dir.as_deref().map(apart);
    let usual = match place.folder() {
        Some(dataset) => Some(Below { root: dataset.to_owned(), path: "_rollbook/stage".to_owned(), is_owners: true }),
        None => state_folder(environment).map(|folder| apart(&folder)),
    };
    chosen.into_iter().chain(usual).collect()
}

/// A switch for tests, which a release build has not.
pub(super) fn for_tests<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).filter(|_| cfg!(debug_assertions))
}

/// The stage would make it, and leave it.
fn refuse_missing_temporary(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let what = format!("the system's folder for temporary files is not there: {}", folder.display());
    Err(Error::new(Kind::Config, what).hint("set TMPDIR to a folder that is there, or unset it"))
}

/// The options of an object store, from the environment and over it from the settings.
pub(super) fn options(place: &Place, config: &Config, environment: &Environment) -> Result<Vec<Given>> {
    let settings: Vec<_> = config.store.options.iter().map(|(name, value)| Given::by_setting(name, value)).collect();
    let service = service(place);
    store::refuse_settings(service, &settings)?;
    if service.is_none() {
        return Ok(Vec::new());
    }
    environment.refuse_impossible_proxies()?;
    let variables = environment.of_stores()?.into_iter().filter(|(_, value)| !value.trim().is_empty());
    Ok(variables.map(|(name, value)| Given::by_variable(name, value)).chain(settings).collect())
}

fn service(place: &Place) -> Option<Service> {
    match place {
        Place::Folder(_) => None,
        Place::Objects(objects) => Some(objects.service),
    }
}

/// A folder name of a dataset's own, by whatever way it was named: links are followed, as far as the folders are there.
fn name(place: &Place) -> String {
    let whole = place.folder().and_then(|folder| std::path::absolute(folder).ok()).map(|folder| real(&folder));
    let whole = whole.map_or_else(|| place.to_string(), |path| path.to_string_lossy().into_owned());
    format!("{:x}", id::hash(&whole))
}

fn real(folder: &Path) -> PathBuf {
    folder.canonicalize().unwrap_or_else(|_| match (folder.parent(), folder.file_name()) {
        (Some(above), Some(name)) => real(above).join(name),
        _ => folder.to_owned(),
    })
}

fn state_folder(environment: &Environment) -> Option<PathBuf> {
    let home = || Some(Path::new(environment.get("HOME")?).join(".local/state"));
    let folder = environment.get("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    folder.map(|folder| folder.join("rollbook"))
}
