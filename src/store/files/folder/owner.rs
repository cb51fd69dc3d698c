//! Whose a folder is, and its own lock.

use std::fs::{self, File};
use std::io;

use rustix::fs::{Mode, fchmod, fstat};

use super::{Folder, is_private};
use crate::store::files::path::checked;

impl Folder {
    /// Takes the lock of the folder itself, which goes with the last handle of it; false where another process has it.
    ///
    /// # Errors
    /// Where the file system has no locks.
    pub fn try_lock(&self) -> io::Result<bool> {
        match self.handle.try_lock() {
            Ok(()) => Ok(true),
            Err(fs::TryLockError::WouldBlock) => Ok(false),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    /// Keeps others out of it, so that they can't take its lock, where it is this user's.
    ///
    /// # Errors
    /// Where the file system fails.
    pub fn close_to_others(&self) -> io::Result<()> {
        let status = fstat(&self.handle)?;
        if !is_private(&status) && status.st_uid == self.owner_here()? {
            fchmod(&self.handle, Mode::RWXU)?;
        }
        Ok(())
    }

    /// To whom a file belongs that this process makes here. On some network disks that is not its user.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn owner_here(&self) -> io::Result<u32> {
        Ok(fstat(self.nameless()?)?.st_uid)
    }

    /// The number of the user to whom the folder belongs.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn owner(&self) -> io::Result<u32> {
        Ok(fstat(&self.handle)?.st_uid)
    }

    /// Whether a name still leads to this open file.
    ///
    /// # Errors
    /// Where that can't be told.
    pub fn still_has(&self, name: &str, file: &File) -> io::Result<bool> {
        let (there, opened) = (self.look(checked(name)?)?, fstat(file)?);
        Ok(there.is_some_and(|there| (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)))
    }
}
