//! How the settings file of `init` gets into its place: as a whole, and over another one only where that is meant.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::store::files::named;
use crate::words::system::remedy;

/// Refuses a place where something is already, or where no file can be.
///
/// # Errors
/// [`Kind::Config`].
pub fn refuse(path: &Path, force: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_dir() => Err(unwritten(path, &io::Error::from(ErrorKind::IsADirectory))),
        Ok(_) if !force => Err(taken(path)),
        _ => Ok(()),
    }
}

/// Writes it. Everybody may read it, since no secret is in it; only its owner may write it, or rollbook would not take it.
///
/// # Errors
/// [`Kind::Config`]; then nothing has changed.
pub fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    let written = named::draft(&draft, text).and_then(|()| {
        if force {
            return fs::rename(&draft, path);
        }
        // A link is not made where a file has come meanwhile; some disks know no links.
        fs::hard_link(&draft, path).or_else(|error| match error.kind() {
            ErrorKind::Unsupported | ErrorKind::PermissionDenied => named::draft(path, text),
            _ => Err(error),
        })
    });
    let _ = fs::remove_file(&draft);
    written
        .map_err(|error| if error.kind() == ErrorKind::AlreadyExists { taken(path) } else { unwritten(path, &error) })
}

fn taken(path: &Path) -> Error {
    Error::new(Kind::Config, format!("a settings file is there already: {}", path.display()))
        .hint("change that file, or overwrite it with --force")
}

fn unwritten(path: &Path, error: &io::Error) -> Error {
    let hint = remedy(error).unwrap_or("name another place with --config");
    Error::new(Kind::Config, format!("the settings file cannot be written: {}", path.display()))
        .because(error.to_string())
        .hint(hint)
}
