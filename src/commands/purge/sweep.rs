//! Every other place that may hold what was purged.

use super::Job;
use crate::commands::sweep;
use crate::dataset::{lake, rejects};
use crate::error::Result;
use crate::stage::Stage;

impl Job {
    /// Removes whatever waits or is on its way; adds what a run that is alive keeps.
    ///
    /// # Errors
    /// `Destination` with the first thing that can't be removed, after all others are.
    pub(super) fn sweep(&self, unreached: &mut Vec<String>) -> Result<()> {
        let mut erased = Ok(());
        for folder in &self.stages {
            erased = erased.and(Stage::erase(folder));
        }
        let swept = sweep::sweep(&self.layout, &self.stages, unreached);
        erased.and(swept)
    }

    /// Gives up the split under way, whose rows were read before this purge.
    pub(super) fn give_up_split(&self, unreached: &mut Vec<String>) -> Result<()> {
        match (self.split)(&self.layout)? {
            Some(split) => split.give_up(&self.layout, unreached),
            None => Ok(()),
        }
    }

    /// Removes what first runs have read that have published nothing yet, and the raw records of these.
    pub(super) fn remove_leftovers(&self) -> Result<()> {
        let mut unreached = Vec::new();
        self.give_up_split(&mut unreached)?;
        // Files of a first snapshot that nobody has committed.
        let erased = lake::erase(&self.layout);
        erased.and(self.sweep(&mut unreached)).and(rejects::forget(&self.layout))
    }

    /// What repairs have set aside, which is left to a person.
    pub(super) fn set_aside(&self) -> Result<Option<String>> {
        let place = sweep::set_aside(&self.layout)?;
        if let Some(place) = &place {
            tracing::warn!(
                "files that repairs have set aside may hold purged data; look at them, and remove them: {place}"
            );
        }
        Ok(place)
    }
}
