//! Where a run writes: the dataset's store, and a folder on this machine for what is on its way there.

use std::path::{Path, PathBuf};

use super::layout::Layout;
use super::lease::Terms;
use crate::config::duration;
use crate::config::{Config, Environment};
use crate::error::{Error, Kind, Result};
use crate::flatten;
use crate::store::{self, Faults, Means};

/// Where a run writes.
#[derive(Debug, Clone)]
pub struct Destination {
    /// The dataset.
    pub layout: Layout,
    /// Rows that wait to be published.
    pub stage: PathBuf,
    /// How to come by the right to write.
    pub terms: Terms,
}

impl Destination {
    /// Finds it from the settings. A dry run leaves no trace on this machine.
    ///
    /// # Errors
    /// `Config` where the object store can't be used, or no folder for the stage is known.
    pub fn open(config: &Config, environment: &Environment, run_id: &str, dry_run: bool) -> Result<Self> {
        let url = &config.dataset.url;
        let is_local = !store::is_remote(url);
        let stage = match &config.stage_dir {
            _ if dry_run => std::env::temp_dir(),
            Some(folder) => folder.join(name(url, is_local)),
            None if is_local => Path::new(url).join("_rollbook/stage"),
            None => state_folder(environment)?.join(name(url, is_local)),
        };
        if !config.store_options.is_empty() {
            store::refuse_unknown(url, &config.store_options)?;
        }
        let options = environment.store_options().chain(config.store_options.iter().cloned()).collect();
        let faults = environment.get("ROLLBOOK_TEST_FAULTS").and_then(Faults::parse);
        let (spool, run_id, budget) = (stage.clone(), run_id.to_owned(), config.store_retry_budget);
        let means = Means { options, spool, run_id, budget, faults };
        let layout = Layout::new(store::open(url, means)?, config.dataset.partition_by);
        let lease = environment.get("ROLLBOOK_TEST_LEASE");
        let beat = lease.and_then(|beat| duration(beat).ok());
        Ok(Self { layout, stage, terms: Terms { wait: None, beat, is_off: lease == Some("off") } })
    }
}

/// A folder name of a dataset's own.
fn name(url: &str, is_local: bool) -> String {
    let whole = if is_local { std::path::absolute(url).ok() } else { None };
    let whole = whole.map_or_else(|| url.trim_end_matches('/').to_owned(), |path| path.to_string_lossy().into_owned());
    format!("{:x}", flatten::identity(&whole))
}

fn state_folder(environment: &Environment) -> Result<PathBuf> {
    let home = || Some(Path::new(environment.get("HOME")?).join(".local/state"));
    let folder = environment.get("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    folder.map(|folder| folder.join("rollbook")).ok_or_else(|| {
        Error::new(Kind::Config, "no folder is known where rows can wait before they are published")
            .hint("set `stage.dir`, or HOME")
    })
}
