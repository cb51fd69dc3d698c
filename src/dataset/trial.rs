//! Whether a folder could be written, tried without leaving anything there.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::store::files::Folder;
use crate::store::{self, failed};

/// What is written in a trial: a full disk has no room for it.
static BLOCK: [u8; 1 << 16] = [0; 1 << 16];

/// Refuses a folder that is not there and whose parent is not there either, or that is no folder.
///
/// # Errors
/// `Destination`. `what` says what the folder is for.
pub fn refuse_missing_parent(what: &str, folder: &Path) -> Result<()> {
    let refused = |said: &str, path: &Path, hint: &str| {
        Err(Error::new(Kind::Destination, format!("{said}: {}", path.display())).hint(hint))
    };
    if std::path::absolute(folder).is_err() {
        let here = "change to a folder that is there, or give the whole path with --dest";
        return refused("the folder that the command was started in is gone, and this path begins there", folder, here);
    }
    match fs::metadata(folder) {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return refused("there is a file in place of the folder", folder, "give the path of a folder"),
        Err(error) if error.kind() == ErrorKind::NotADirectory => {
            return refused("there is a file in place of a folder above", folder, "give the path of a folder");
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Ok(()), // told when it is used
        Err(_) => {}
    }
    // Another run may have made the folder meanwhile.
    if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
        return refused(
            "a symbolic link leads to nothing",
            folder,
            "look whether the disk that it leads to is mounted",
        );
    }
    let parent = parent(folder);
    match fs::metadata(parent) {
        Err(error) if error.kind() == ErrorKind::NotFound => refused(
            &format!("the folder for the {what} is not there, nor the one above it"),
            parent,
            "look whether its disk is mounted; if the folder is to be new, make it or give --create-parents",
        ),
        _ => Ok(()), // told when it is used
    }
}

/// Tries to write in the folders of a dataset, and to open the files that runs lock; where a folder is not there yet, in the
/// one above it.
///
/// # Errors
/// `Destination` where something can't be written.
pub fn try_dataset(dataset: &Path, tables: &[&str]) -> Result<()> {
    let there = dataset.ancestors().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let there = there.into_iter().find(|folder| fs::symlink_metadata(folder).is_ok()).unwrap_or(dataset);
    let failed = |place: &Path, error| failed("cannot write to the folder", place.display(), error);
    let root = Folder::at(there).map_err(|error| failed(there, error))?;
    try_folder(&root).map_err(|error| failed(there, error))?;
    if there != dataset {
        return Ok(());
    }
    for name in tables.iter().chain(&["_rollbook"]) {
        let folder = root.folder(name).and_then(|folder| folder.as_ref().map_or(Ok(()), try_folder));
        folder.map_err(|error| failed(&root.place(name), error))?;
    }
    for lock in ["_rollbook/lock", "_rollbook/swap"] {
        let opened = root.open_to_write(lock);
        opened.map_err(|error| store::failed("cannot write to the file", root.place(lock).display(), error))?;
    }
    Ok(())
}

/// In a file without a name, where the system has such: it is gone with the process, also after a kill.
fn try_folder(folder: &Folder) -> io::Result<()> {
    let mut file = folder.nameless()?;
    file.write_all(&BLOCK).and_then(|()| file.sync_data())
}

fn parent(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_may_be_new_and_the_one_above_it_may_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "x").unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
        for (path, said) in [
            ("", None),
            ("new", None),
            ("new/", None),
            ("new/er", Some("nor the one above it: ")),
            ("new/er/still", Some("nor the one above it: ")),
            ("file", Some("a file in place of the folder: ")),
            ("file/new", Some("a file in place of a folder above: ")),
            ("link", Some("a symbolic link leads to nothing: ")),
        ] {
            let refused = refuse_missing_parent("dataset", &at(path)).err();
            assert_eq!(refused.is_some(), said.is_some(), "{path}: {refused:?}");
            assert!(refused.is_none_or(|error| error.to_string().contains(said.unwrap_or_default())), "{path}");
        }
        assert!(refuse_missing_parent("dataset", Path::new("new")).is_ok());
    }

    #[test]
    fn a_trial_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for path in ["", "new", "new/er"] {
            try_dataset(&folder.path().join(path), &["sessions"]).unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(try_dataset(Path::new("/proc/self"), &[]).is_err());
    }
}
