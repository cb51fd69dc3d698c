//! What a run does before it reads anything, so that nothing that may not be written down is left anywhere.

use super::Run;
use crate::commands::sweep;
use crate::dataset::published::Published;
use crate::dataset::rejects;
use crate::dataset::state::State;
use crate::error::{Error, Kind, Result};
use crate::stage::Stage;

impl Run {
    /// Lets go of whatever an earlier rule has allowed and this one does not, as a purge would: what stopped runs have staged, what
    /// is on its way, raw records. Published rows follow when this run publishes.
    ///
    /// # Errors
    /// `Config` where the files hold less than this run would keep, or where files that repairs have set aside are in the way;
    /// `Unreadable`, `Raced`, `Destination`.
    pub(super) fn guard(&self, before: &mut State) -> Result<()> {
        let (layout, stages) = (&self.destination.layout, &self.destination.stages);
        let method = layout.method();
        // A state that is lost, or an old copy, does not say what the files do.
        let published = Published::all(layout)?;
        let is_cheap = layout.store().folder().is_some();
        let looked_at = match published.len() {
            all if !before.is_stored() => all,
            some => some.min(usize::from(is_cheap)),
        };
        published.iter().rev().take(looked_at).try_for_each(Published::refuse_other_method)?;
        if self.destination.is_dry {
            return Ok(());
        }
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
                rejects::protect(layout, &method.privacy)?;
            }
        }
        // Before the first file, so that nobody can take back what has begun. A dataset without a state has no files.
        if before.guards(&method.privacy) && before.is_stored() { before.store(layout, &self.run_id) } else { Ok(()) }
    }
}
