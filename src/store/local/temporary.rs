//! Files under temporary names: new ones, and second names of files that are there.

use std::fs::File;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Local, split};
use crate::error::Result;
use crate::store::files::{Access, Folder, checked};
use crate::store::{Store, failed, missing, raced};

impl Local {
    /// A new file under a temporary name, and its folder.
    pub(super) fn temporary(&self, target: &str) -> Result<(File, Folder, String)> {
        let (path, name) = split(target);
        checked(name).map_err(|error| failed("cannot create the file", self.place(target), error))?;
        let folder = self.made(path)?;
        loop {
            let temporary = self.name(name);
            let place = folder.place(&temporary);
            // Never a file, nor a link, that is there already.
            let file = folder.create(&temporary, Access::Private);
            let file = file.map_err(|error| failed("cannot create the file", place.display(), error))?;
            file.lock().map_err(|error| failed("cannot lock the file", place.display(), error))?;
            // Before it was locked, another run may have swept it.
            let same = folder.still_has(&temporary, &file);
            if same.map_err(|error| failed("cannot create the file", place.display(), error))? {
                return Ok((file, folder, temporary));
            }
        }
    }

    /// A temporary name in the folder of `target` for a file that has another name already; `None` where the disk has no such
    /// links. The file is locked as long as it is open, so that nobody sweeps the name.
    pub(super) fn linked(&self, path: &str, file: &File, target: &str) -> Result<Option<(Folder, String)>> {
        let ((from, old), (to, new)) = (split(path), split(target));
        let unlinked = |error| failed("cannot create the file", self.place(target), error);
        checked(new).map_err(unlinked)?;
        let Some(source) = self.opened()?.map(|root| root.folder(from)).transpose().map_err(unlinked)?.flatten() else {
            return Err(missing(&self.place(path)));
        };
        file.lock_shared().map_err(|error| failed("cannot lock the file", self.place(path), error))?;
        let (folder, temporary) = (self.made(to)?, self.name(new));
        if source.link(old, &folder, &temporary).is_err() {
            return Ok(None);
        }
        // Somebody may have put another file there since it was opened.
        if folder.still_has(&temporary, file).map_err(unlinked)? {
            return Ok(Some((folder, temporary)));
        }
        folder.remove(&temporary).map_err(unlinked)?;
        Err(raced(&self.place(path)))
    }

    /// A temporary name that no other file has.
    pub(super) fn name(&self, name: &str) -> String {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        format!(".{name}.{}.{}.tmp", self.run_id, NEXT.fetch_add(1, Ordering::Relaxed))
    }
}
