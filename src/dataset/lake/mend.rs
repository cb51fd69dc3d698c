//! Plain files that somebody has replaced, as from a backup: those of the newest snapshot are put back.

use super::Lake;
use crate::dataset::publish::Part;
use crate::error::Result;
use crate::store::{Swap, raced};

impl Lake {
    /// Puts plain files back that are not those of the newest snapshot. `mark`: by which the state knows a plain file again; others
    /// are read.
    ///
    /// # Errors
    /// `Raced` where another run is at it; `Unreadable`, `Destination`; the signal's kind.
    pub fn mend<'a>(&self, mark: impl Fn(&str) -> Option<&'a str>) -> Result<()> {
        if !self.is_current()? {
            return Ok(());
        }
        let (there, files) = (self.plain.versions()?, self.held().files.clone());
        for (plain, entry) in files.iter() {
            let found = there.get(plain);
            if found.is_some_and(|found| mark(plain) == Some(found.mark())) {
                continue;
            }
            if let Some((file, _)) = self.store().open(plain)?
                && self.is_whole(&file, entry)?
            {
                continue;
            }
            let place = self.store().place(plain);
            self.refuse_damaged(entry)?;
            tracing::warn!("the plain file is not that of the newest snapshot, which is put back: {place}");
            if self.store().copy(&entry.place(), plain, found)? == Swap::Lost {
                return Err(raced(&place));
            }
        }
        Ok(())
    }

    /// Has files that were published be known again by the plain ones that have followed them.
    ///
    /// # Errors
    /// As [`Lake::open`].
    pub fn mark(&self, parts: &mut [Part]) -> Result<()> {
        if parts.is_empty() {
            return Ok(());
        }
        let plain = self.plain.versions()?;
        for part in parts {
            part.version = part.version.clone().marked_by(plain.get(&part.path));
        }
        Ok(())
    }
}
