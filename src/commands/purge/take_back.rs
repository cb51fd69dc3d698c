//! Taking a rule back by which nothing was removed: what it has kept out since then is exported again.

use std::collections::BTreeSet;

use super::Job;
use super::plan::look;
use crate::dataset::erasures::Erasures;
use crate::dataset::state::State;
use crate::error::Result;
use crate::stage::Stage;

impl Job {
    /// Takes the rule of this number back; returns the number of the change.
    ///
    /// # Errors
    /// `Config` where it is not in force or has removed something; `Destination`.
    pub fn take_back(&self, number: u32) -> Result<u64> {
        let (_, seen) = look(&self.layout)?;
        let mut erasures = Erasures::load(&self.layout, seen)?;
        erasures.take_back(number)?;
        if self.is_dry {
            return Ok(seen);
        }
        // First the fence, so that whatever stops this purge, the run after it reads everything: by the rule as long as that is in
        // force, and without it from then on.
        State::forget(&self.layout, &BTreeSet::new(), &self.run_id)?;
        erasures.store(&self.layout)?;
        // What it has read was read by the rule.
        self.give_up_split(&mut Vec::new())?;
        if let (Some(mut state), _) = look(&self.layout)? {
            state.know(erasures.epoch());
            state.store(&self.layout, &self.run_id)?;
        }
        self.stages.iter().try_for_each(Stage::erase)?;
        Ok(erasures.epoch())
    }
}
