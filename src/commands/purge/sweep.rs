//! Every other place that may hold what was purged.

use super::Job;
use crate::commands::sweep;
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
