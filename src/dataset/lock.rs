//! One writer at a time: a lock on a file in the dataset, which the system releases when its holder dies.

use std::fs::{self, File, TryLockError};

use super::files::failed;
use super::layout::Layout;
use crate::error::{Error, Kind, Result};

/// The right to write to a dataset, while it lives.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `Lease` where another run holds it; `Destination` where the folder can't be written.
    pub fn take(layout: &Layout) -> Result<Self> {
        let folder = layout.own();
        fs::create_dir_all(&folder).map_err(|error| failed("cannot create the dataset's folder", &folder, error))?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| failed("cannot open the lock", &path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                let what = format!("another run is writing to the dataset: {}", layout.root().display());
                Err(Error::new(Kind::Lease, what).hint("run the same command again when that run is done"))
            }
            Err(TryLockError::Error(error)) => Err(failed("cannot lock the dataset", &path, error)),
        }
    }
}
