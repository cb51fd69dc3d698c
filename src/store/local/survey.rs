//! A look at every folder of a dataset: what lies there and is in the way of a file or a folder, and what dead runs have left.

use std::fs::TryLockError;
use std::io;

use rustix::fs::FileType;

use super::{apart, is_too_deep, join};
use crate::error::Result;
use crate::store::files::{Folder, Item, Obstacle};
use crate::store::{Form, Leftover, Survey, failed};

/// A look at folder after folder, and what it has found so far.
pub struct Look {
    /// What is to be at a path.
    pub form: fn(&str) -> Option<Form>,
    /// Whether the temporary files of dead runs are removed.
    pub sweep: bool,
    /// What the look has found so far.
    pub survey: Survey,
}

impl Look {
    /// Looks at a folder of the dataset and at those in it.
    pub fn walk(&mut self, root: &Folder, path: &str) -> Result<()> {
        match root.folder(path) {
            Ok(Some(folder)) => self.folder(&folder, path),
            Ok(None) => Ok(()),
            Err(error) => match Obstacle::of(&error) {
                Some(obstacle) => {
                    self.survey.obstacles.push((path.to_owned(), obstacle.clone()));
                    Ok(())
                }
                None => Err(failed("cannot read the folder", root.place(path).display(), error)),
            },
        }
    }

    fn folder(&mut self, folder: &Folder, path: &str) -> Result<()> {
        let unreadable = |error| failed("cannot read the folder", folder.place("").display(), error);
        for item in folder.items().map_err(unreadable)? {
            let item = item.map_err(unreadable)?;
            let below = join(path, &item.name);
            if self.is_in_the_way(&item, &below) {
                self.survey.obstacles.push((below, Obstacle::new(item.kind, folder.place(&item.name))));
            } else if item.is_folder() {
                if let Some(inner) = apart(folder.folder(&item.name)).map_err(unreadable)? {
                    self.folder(&inner, &below)?;
                }
            } else if self.sweep && is_temporary(&item) {
                let error = match clear(folder, &item.name) {
                    Ok(true) => continue,
                    Ok(false) => None,
                    Err(error) => Some(error.to_string()),
                };
                self.survey.leftovers.push(Leftover { path: below, error });
            }
        }
        Ok(())
    }

    fn is_in_the_way(&self, item: &Item, path: &str) -> bool {
        match (self.form)(path) {
            Some(Form::File) => item.kind != FileType::RegularFile,
            Some(Form::Folder) => !item.is_folder(),
            None if item.is_folder() => is_too_deep(path),
            None => item.is_odd() && !item.name.starts_with('.'),
        }
    }
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
