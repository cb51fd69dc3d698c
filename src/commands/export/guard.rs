//! What a run does before it reads anything, so that nothing that may not be written down is left anywhere.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Run;
use crate::commands::sweep;
use crate::dataset::lake::{self, Lake, Terms};
use crate::dataset::layout::Layout;
use crate::dataset::published::{Published, Versions};
use crate::dataset::rejects;
use crate::dataset::state::State;
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;
use crate::stage::Stage;

impl Run {
    /// Refuses files that hold less than this run would keep. `found`: the versions of the files that are there.
    ///
    /// # Errors
    /// `Config`.
    pub(super) fn refuse_other_files(
        layout: &Layout,
        before: &State,
        found: &BTreeMap<Partition, Versions>,
    ) -> Result<()> {
        // Where the state is lost, the files alone say by what rule they were written. One that can't be read is for whoever needs it.
        let files = if before.is_stored() { Vec::new() } else { Published::of(layout, found) };
        let mut refused = files.iter().filter_map(|published| published.refuse_other_method().err());
        refused.find(|refused| refused.kind() == Kind::Config).map_or(Ok(()), Err)
    }

    /// Lets go of whatever an earlier rule has allowed and this one does not, as a purge would: what stopped runs have staged, what
    /// is on its way, raw records. Published rows follow when this run publishes.
    ///
    /// # Errors
    /// `Config` where files that repairs have set aside are in the way; `Destination`.
    pub(super) fn guard(&self, layout: &Layout, before: &mut State, lake: Option<&Lake>, alone: bool) -> Result<()> {
        let stages = &self.destination.stages;
        let method = layout.method();
        if method.privacy.columns().protect_any() {
            let rule = method.staged();
            stages.iter().try_for_each(|folder| Stage::keep_only(folder, &rule))?;
            if before.privacy().is_none_or(|theirs| method.privacy.is_stricter_than(&theirs)) {
                if let Some(place) = sweep::set_aside(layout)? {
                    let what = format!("files that repairs have set aside may hold what `[privacy]` protects: {place}");
                    return Err(Error::new(Kind::Config, what)
                        .hint("look at them, remove them, then run the same command again"));
                }
                sweep::sweep(layout, stages, &mut Vec::new())?;
                // What a dead run was about to list.
                match lake {
                    Some(lake) => {
                        lake.forget(&Terms { keep: Duration::MAX, now: self.clock.micros(), purges: true, alone })?;
                    }
                    None => lake::erase(layout)?,
                }
                rejects::protect(layout, &method.privacy)?;
            }
        }
        // Before the first file, so that nobody can take back what has begun. A dataset without a state has no files.
        if before.guards(&method.privacy) && before.is_stored() { before.store(layout, &self.run_id) } else { Ok(()) }
    }
}
