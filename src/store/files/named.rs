//! Files that somebody named, outside of every dataset: settings, secrets, numbers of a run. Links that lead to them are followed.
//!
//! Settings say where the token is sent, so whoever may write them may have it. A file counts only if nobody else may: one that is
//! merely found must be this user's or the system's, too.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, open};
use rustix::process::geteuid;

use super::Obstacle;

/// Bytes of such a file at most.
const MOST: u64 = 1 << 20;
/// The user id of root, whose files count as trusted as one's own.
const ROOT: u32 = 0;
/// Everybody may read such a file, and only its owner write it.
const READABLE: u32 = 0o644;
const WRITABLE_BY_ANYBODY: u32 = 0o002;
const WRITABLE_BY_OTHERS: u32 = 0o022;
const READABLE_BY_ANYBODY: u32 = 0o004;
/// In a folder of this mode nobody can remove or replace the files of others.
const STICKY: u32 = 0o1000;

/// How somebody came by a settings file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// By looking in the usual places, such as `./rollbook.toml`.
    Found,
    /// By the name that somebody gave: `--config`, `ROLLBOOK_CONFIG`.
    Given,
}

/// Why a settings file, or a file with a secret, is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not there, or can't be read; the system's own error.
    #[error(transparent)]
    Unreadable(#[from] io::Error),
    /// Somebody else may have written the file.
    #[error("{why}")]
    Distrusted {
        /// To be read after "since".
        why: &'static str,
        /// One step to take, such as the `chmod` that helps.
        next: String,
    },
}

/// The text of a settings file; empty for `/dev/null`, which names no file on purpose.
///
/// # Errors
/// Where it can't be read, or others may have written it.
pub fn settings(path: &Path, origin: Origin) -> Result<String, Refusal> {
    if is_nothing(path) {
        return Ok(String::new());
    }
    let (file, status) = opened(path)?;
    let writable = match origin {
        Origin::Found => WRITABLE_BY_OTHERS,
        Origin::Given => WRITABLE_BY_ANYBODY,
    };
    refuse_writable(path, &status, writable)?;
    let folder = fs::metadata(folder_of(path))?;
    let is_shared = folder.mode() & WRITABLE_BY_ANYBODY != 0;
    if is_shared && folder.mode() & STICKY == 0 {
        let next = format!("look what is in it, then run `chmod o-w {}`", folder_of(path).display());
        return Err(Refusal::Distrusted { why: "others may write to its folder and so replace it", next });
    }
    if origin == Origin::Found || is_shared {
        let link = fs::symlink_metadata(path)?;
        if !(is_trusted(status.uid()) && is_trusted(link.uid())) {
            let next = "look what is in it; if it is meant, copy it to where it is this user's".to_owned();
            let next = if is_shared { next } else { format!("{next}, or name it with --config") };
            return Err(Refusal::Distrusted { why: "it is another user's", next });
        }
    }
    Ok(text(file)?)
}

/// A secret from a file. One that every user of the machine may read is warned of.
///
/// # Errors
/// Where it can't be read, or others may have written it.
pub fn secret(path: &Path) -> Result<String, Refusal> {
    if is_nothing(path) {
        return Ok(String::new());
    }
    let (file, status) = opened(path)?;
    refuse_writable(path, &status, WRITABLE_BY_OTHERS)?;
    if status.mode() & READABLE_BY_ANYBODY != 0 {
        tracing::warn!("every user of this machine may read the file with the token (`chmod o-r`): {}", path.display());
    }
    Ok(text(file)?)
}

/// Looks at a file with a secret that a library is going to read itself. One that is not there is for the library to tell.
///
/// # Errors
/// Where something else than a file is there, or others may have written it.
pub fn look_at_secret(path: &Path) -> Result<(), Refusal> {
    match opened(path) {
        Ok((_, status)) => refuse_writable(path, &status, WRITABLE_BY_OTHERS),
        Err(error) if Obstacle::of(&error).is_some() && !is_nothing(path) => Err(error.into()),
        Err(_) => Ok(()),
    }
}

/// Makes a file that others may read, to be moved to where it is looked for: whole on the disk, whatever the umask says.
///
/// # Errors
/// Those of the system; `AlreadyExists` where something is there.
pub fn draft(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::options().write(true).create_new(true).mode(READABLE).open(path)?;
    file.set_permissions(Permissions::from_mode(READABLE))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// Whether the path names no file on purpose: `/dev/null`.
fn is_nothing(path: &Path) -> bool {
    path == Path::new("/dev/null")
}

/// Opens a file without waiting for whoever has a pipe's other end.
fn opened(path: &Path) -> io::Result<(File, Metadata)> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
    let file = match open(path, flags, Mode::empty()) {
        // A socket can't be opened.
        Err(rustix::io::Errno::NXIO) => return Err(Obstacle::new(FileType::Socket, path.to_owned()).into()),
        opened => File::from(opened?),
    };
    let status = file.metadata()?;
    match FileType::from_raw_mode(status.mode()) {
        FileType::RegularFile => Ok((file, status)),
        kind => Err(Obstacle::new(kind, path.to_owned()).into()),
    }
}

fn refuse_writable(path: &Path, status: &Metadata, by: u32) -> Result<(), Refusal> {
    if status.mode() & by == 0 {
        return Ok(());
    }
    let next = format!("look what is in it, then run `chmod go-w {}`", path.display());
    Err(Refusal::Distrusted { why: "others may write it", next })
}

fn is_trusted(user: u32) -> bool {
    [ROOT, geteuid().as_raw()].contains(&user)
}

/// The folder that a file is in: `.` for a name alone.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn text(file: File) -> io::Result<String> {
    let mut text = String::new();
    let length = file.take(MOST + 1).read_to_string(&mut text)?;
    if length as u64 > MOST {
        return Err(io::Error::new(ErrorKind::FileTooLarge, format!("the file has more than {MOST} bytes")));
    }
    Ok(text)
}
