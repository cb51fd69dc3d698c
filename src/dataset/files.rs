//! Files that appear whole or not at all: written beside their place, flushed to the disk, renamed.
//!
//! A temporary name never ends in `.parquet`, and its file is locked while its writer lives, so that the leftovers of
//! dead runs can be told from the files of live ones.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// An error of the destination at a path.
pub fn failed(what: &str, path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Destination, format!("{what}: {}", path.display()))
        .because(cause)
        .hint("check the disk's free space and the folder's permissions, then run the same command again")
}

/// A file on its way to its place; dropped without [`Temporary::replace`], it is removed.
#[derive(Debug)]
pub struct Temporary {
    file: File,
    path: PathBuf,
    target: PathBuf,
    placed: bool,
}

impl Temporary {
    /// Begins a file for `target`, readable by its owner only until it is in place.
    pub fn create(target: &Path, run_id: &str) -> Result<Self> {
        let folder = folder_of(target);
        fs::create_dir_all(folder).map_err(|error| failed("cannot create the folder", folder, error))?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        let path = folder.join(format!(".{name}.{run_id}.tmp"));
        let file = OpenOptions::new().write(true).read(true).create(true).truncate(true).mode(0o600).open(&path);
        let file = file.map_err(|error| failed("cannot create the file", &path, error))?;
        file.lock().map_err(|error| failed("cannot lock the file", &path, error))?;
        Ok(Self { file, path, target: target.to_owned(), placed: false })
    }

    /// The file, for writing.
    pub fn writer(&self) -> &File {
        &self.file
    }

    /// Where it will be.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Whether the target already holds the same bytes.
    pub fn equals_target(&self) -> Result<bool> {
        let old = match File::open(&self.target) {
            Ok(old) => old,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed("cannot read the file", &self.target, error)),
        };
        let new = File::open(&self.path).map_err(|error| failed("cannot read the file", &self.path, error))?;
        same_bytes(old, new).map_err(|error| failed("cannot compare the file", &self.target, error))
    }

    /// Makes the bytes durable; the file still has its temporary name.
    pub fn flush(&self) -> Result<()> {
        self.file.sync_all().map_err(|error| failed("cannot flush the file to the disk", &self.path, error))
    }

    /// Puts the flushed file in its place, with the permissions given, and makes the change of name durable.
    pub fn replace(mut self, mode: u32) -> Result<()> {
        let permissions = fs::Permissions::from_mode(mode);
        self.file.set_permissions(permissions).map_err(|error| failed("cannot set permissions", &self.path, error))?;
        fs::rename(&self.path, &self.target).map_err(|error| failed("cannot replace the file", &self.target, error))?;
        self.placed = true;
        flush_folder(folder_of(&self.target))
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.placed {
            // Best effort: the next run sweeps what stays.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Writes a small file atomically.
pub fn write(target: &Path, bytes: &[u8], run_id: &str, mode: u32) -> Result<()> {
    let file = Temporary::create(target, run_id)?;
    file.writer().write_all(bytes).map_err(|error| failed("cannot write the file", target, error))?;
    file.flush()?;
    file.replace(mode)
}

/// Makes names in a folder durable.
pub fn flush_folder(folder: &Path) -> Result<()> {
    let flushed = File::open(folder).and_then(|folder| folder.sync_all());
    flushed.map_err(|error| failed("cannot flush the folder to the disk", folder, error))
}

/// The permissions that the umask gives new files; learnt by making one.
pub fn usual_mode(folder: &Path, run_id: &str) -> Result<u32> {
    let path = folder.join(format!(".mode.{run_id}.tmp"));
    let mode = File::create(&path).and_then(|file| file.metadata()).map(|metadata| metadata.permissions().mode());
    let mode = mode.map_err(|error| failed("cannot write to the folder", folder, error))?;
    fs::remove_file(&path).map_err(|error| failed("cannot write to the folder", folder, error))?;
    Ok(mode & 0o666)
}

/// Removes temporary files whose writers are dead from a folder.
pub fn sweep(folder: &Path) -> Result<()> {
    let Ok(entries) = fs::read_dir(folder) else { return Ok(()) };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if !(name.starts_with('.') && name.ends_with(".tmp")) {
            continue;
        }
        // Whoever holds the lock is alive.
        if File::open(&path).is_ok_and(|file| file.try_lock().is_ok()) {
            fs::remove_file(&path).map_err(|error| failed("cannot remove the leftover", &path, error))?;
        }
    }
    Ok(())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn same_bytes(mut a: File, mut b: File) -> io::Result<bool> {
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = a.read(&mut left)?;
        if read == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..read])?;
        if left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
