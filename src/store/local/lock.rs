//! The lock of a dataset in a folder, for the moment of a swap.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

use super::{Local, OWN};
use crate::error::{Error, Kind, Result};
use crate::store::failed;

/// What swaps lock, in that folder.
const SWAP: &str = "swap";
/// How long a swap waits for others, which take milliseconds each; and where a signal has come.
const PATIENCE: Duration = Duration::from_mins(1);
const HASTE: Duration = Duration::from_millis(500);
/// Between two looks whether the lock is free.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

impl Local {
    /// Keeps every other swap in this dataset waiting, while it lives.
    pub(super) fn alone(&self) -> Result<File> {
        let place = self.path(OWN).join(SWAP);
        let unlocked = |error| failed("cannot lock the dataset", place.display(), error);
        let file = self.made(OWN)?.open_lock(SWAP).map_err(unlocked)?;
        let (begun, mut pause) = (Instant::now(), Duration::from_millis(1));
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(unlocked(error)),
                Err(TryLockError::WouldBlock) => {}
            }
            let stopped = self.stop.get().and_then(|stop| stop.check().err());
            match stopped {
                Some(stopped) if begun.elapsed() > HASTE => return Err(stopped),
                None if begun.elapsed() > PATIENCE => {
                    return Err(Error::new(
                        Kind::Lease,
                        format!("another process holds the lock for replacing files: {}", place.display()),
                    )
                    .hint("find it with `fuser -v` and that path, and end it; no run holds that lock for long"));
                }
                _ => std::thread::sleep(pause),
            }
            pause = (2 * pause).min(LONGEST_PAUSE);
        }
    }
}
