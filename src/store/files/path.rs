//! Paths that lead nowhere else: names with `/` between them, each within the folder before it.

use std::io::{self, ErrorKind};

/// The names of a path that stays below where it begins.
pub fn names(path: &str) -> io::Result<Vec<&str>> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    path.split('/').map(checked).collect()
}

/// The same name, if it stays within its folder: not empty, not `.` or `..`, without `/` or a zero byte.
///
/// # Errors
/// `InvalidInput` for any other.
pub fn checked(name: &str) -> io::Result<&str> {
    if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) {
        return Err(io::Error::new(ErrorKind::InvalidInput, format!("not a name within a folder: {name:?}")));
    }
    Ok(name)
}

/// A path's folder and its last name.
pub fn split(path: &str) -> io::Result<(&str, &str)> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    Ok((folder, checked(name)?))
}
