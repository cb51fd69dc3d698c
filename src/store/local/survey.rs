//! A look at every folder of a dataset: what lies there and is neither a file nor a folder, and what dead runs have left.

use std::fs::TryLockError;
use std::io;

use rustix::fs::FileType;

use super::{apart, join};
use crate::error::Result;
use crate::files::{Folder, Item, Obstacle};
use crate::store::{Leftover, Survey, failed};

/// Looks at a folder of the dataset and at those in it. `sweep`: removes the temporary files of dead runs.
pub fn walk(root: &Folder, path: &str, sweep: bool, survey: &mut Survey) -> Result<()> {
    match root.folder(path) {
        Ok(Some(folder)) => look(&folder, path, sweep, survey),
        Ok(None) => Ok(()),
        Err(error) => match Obstacle::of(&error) {
            Some(obstacle) => {
                survey.obstacles.push((path.to_owned(), obstacle.clone()));
                Ok(())
            }
            None => Err(failed("cannot read the folder", root.place(path).display(), error)),
        },
    }
}

fn look(folder: &Folder, path: &str, sweep: bool, survey: &mut Survey) -> Result<()> {
    let unreadable = |error| failed("cannot read the folder", folder.place("").display(), error);
    for item in folder.items().map_err(unreadable)? {
        let item = item.map_err(unreadable)?;
        let below = join(path, &item.name);
        if item.is_odd() && !item.name.starts_with('.') {
            survey.obstacles.push((below, Obstacle::new(item.kind, folder.place(&item.name))));
        } else if item.is_folder() {
            if let Some(inner) = apart(folder.folder(&item.name)).map_err(unreadable)? {
                look(&inner, &below, sweep, survey)?;
            }
        } else if sweep && is_temporary(&item) {
            match clear(folder, &item.name) {
                Ok(true) => {}
                Ok(false) => survey.leftovers.push(Leftover { path: below, error: None }),
                Err(error) => survey.leftovers.push(Leftover { path: below, error: Some(error.to_string()) }),
            }
        }
    }
    Ok(())
}

fn is_temporary(item: &Item) -> bool {
    item.kind == FileType::RegularFile && item.name.starts_with('.') && item.name.strip_suffix(".tmp").is_some()
}

/// Removes a temporary file whose writer is dead; false where the writer is alive.
fn clear(folder: &Folder, name: &str) -> io::Result<bool> {
    let Some(file) = folder.open(name)? else { return Ok(true) };
    // Whoever holds the lock is alive. It is held here until the file is gone, so that nobody begins to use it.
    match file.try_lock() {
        Ok(()) => folder.remove(name).map(|_| true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}
