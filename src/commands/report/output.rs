//! Files that are this user's alone: made under another name beside their place, and moved there when they are whole.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::store::files::{Access, Folder, checked};

/// A file to be written: its folder, held open, and its name there.
#[derive(Debug)]
pub struct Output {
    folder: Folder,
    name: String,
}

impl Output {
    /// Finds the place of a file before it is known what is in it. `dataset`: the dataset's folder, in which nothing is written.
    ///
    /// # Errors
    /// `Config` where the file would be in the dataset, or something that is no file is there; `Destination` where its folder can't
    /// be opened.
    pub fn at(path: &Path, dataset: Option<&Path>) -> Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).filter(|name| checked(name).is_ok());
        let name =
            name.ok_or_else(|| Error::new(Kind::Config, format!("not the name of a file: {}", path.display())))?;
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        refuse_dataset(above, dataset)?;
        Self::in_folder(Folder::at(above).map_err(|error| unwritten(path, error))?, name)
    }

    fn in_folder(folder: Folder, name: &str) -> Result<Self> {
        let place = folder.place(name);
        folder.look_at_file(name).map_err(|error| {
            Error::new(Kind::Config, format!("not a file, and not overwritten: {}", place.display())).because(error)
        })?;
        Ok(Self { folder, name: name.to_owned() })
    }

    /// The file as a person finds it.
    pub fn place(&self) -> PathBuf {
        self.folder.place(&self.name)
    }

    /// Writes the file, in place of one that may be there.
    ///
    /// # Errors
    /// `Destination`.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        self.replace(bytes).map_err(|error| unwritten(&self.place(), error))
    }

    fn replace(&self, bytes: &[u8]) -> io::Result<()> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)?;
        let temporary = format!(".rollbook-{:016x}.tmp", u64::from_le_bytes(random));
        let written = self.folder.create(&temporary, Access::Private).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()?;
            self.folder.rename(&temporary, &self.folder, &self.name)
        });
        if written.is_err() {
            let _ = self.folder.remove(&temporary);
        }
        written.and_then(|()| self.folder.flush())
    }
}

/// A folder for files of this user, which is made if it is missing.
#[derive(Debug)]
pub struct OutputFolder(Folder);

impl OutputFolder {
    /// Opens or makes it.
    ///
    /// # Errors
    /// As [`Output::at`].
    pub fn at(path: &Path, dataset: Option<&Path>) -> Result<Self> {
        if !path.is_dir() {
            let (above, name) = (Output::at(path, dataset)?.folder, path.file_name().and_then(|name| name.to_str()));
            above.make(name.unwrap_or_default(), Access::Private).map_err(|error| unwritten(path, error))?;
        }
        refuse_dataset(path, dataset)?;
        Folder::at(path).map(Self).map_err(|error| unwritten(path, error))
    }

    /// A file in it.
    ///
    /// # Errors
    /// As [`Output::at`].
    pub fn file(&self, name: &str) -> Result<Output> {
        Output::in_folder(self.0.clone(), name)
    }
}

/// Nothing but the dataset's own files is written below its folder, by whatever way it was named.
fn refuse_dataset(folder: &Path, dataset: Option<&Path>) -> Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let is_in = real(folder).zip(dataset.and_then(real)).is_some_and(|(folder, dataset)| folder.starts_with(dataset));
    if !is_in {
        return Ok(());
    }
    Err(Error::new(Kind::Config, format!("nothing is written into the dataset's folder: {}", folder.display()))
        .hint("choose another folder with `--output` and `--csv`"))
}

fn unwritten(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Destination, format!("cannot write the file: {}", path.display())).because(error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_is_private_and_whole_and_replaces_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let (page, dataset) = (folder.path().join("page.html"), folder.path().join("data"));
        fs::create_dir(&dataset).unwrap();
        fs::write(&page, "old").unwrap();
        Output::at(&page, Some(&dataset)).unwrap().write(b"new").unwrap();
        assert_eq!(fs::read(&page).unwrap(), b"new");
        assert_eq!(fs::metadata(&page).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        symlink(&page, folder.path().join("link")).unwrap();
        symlink(&dataset, folder.path().join("way")).unwrap();
        for path in ["link", "data", "data/page.html", "way/page.html", ".."] {
            let error = Output::at(&folder.path().join(path), Some(&dataset)).unwrap_err();
            assert_eq!(error.kind(), Kind::Config, "{path}: {error}");
        }
        let error = Output::at(&folder.path().join("missing/page.html"), Some(&dataset)).unwrap_err();
        assert_eq!(error.kind(), Kind::Destination);
    }

    #[test]
    fn a_folder_is_made_for_this_user() {
        let folder = tempfile::tempdir().unwrap();
        let made = folder.path().join("csv");
        for _ in 0..2 {
            OutputFolder::at(&made, None).unwrap().file("a.csv").unwrap().write(b"x").unwrap();
        }
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700);
        assert!(OutputFolder::at(&made, Some(folder.path())).is_err());
        assert!(OutputFolder::at(&made.join("a.csv"), None).is_err());
    }
}
