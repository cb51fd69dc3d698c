//! A folder that is held open, and what is below it.

mod items;
mod owner;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, fstat, linkat, mkdirat, open, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;

use super::Access;
use super::obstacle::Obstacle;
use super::path::{checked, names, split};

pub use items::Item;

/// What the file system says of a file.
pub type Status = rustix::fs::Stat;

/// Mode 0600: its owner may read and write it, nobody else anything.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How every file and folder is opened: not through a link, without waiting for whoever else has a pipe open.
const PLAIN: OFlags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).union(OFlags::CLOEXEC).union(OFlags::NOCTTY);
/// How every folder on the way is opened.
const FOLDER: OFlags = OFlags::DIRECTORY.union(PLAIN);

/// A folder that is held open. Paths below it have `/` between their names, and each name is looked up from here.
#[derive(Debug, Clone)]
pub struct Folder {
    handle: Arc<File>,
    /// The path by which it was reached, for messages; nothing is opened by it.
    place: PathBuf,
}

impl Folder {
    /// Opens a folder that somebody named; links that lead to it are followed.
    ///
    /// # Errors
    /// Where it can't be opened, also where it is not there.
    pub fn at(path: &Path) -> io::Result<Self> {
        let named = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let handle = open(named, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(Self { handle: Arc::new(handle.into()), place: path.to_owned() })
    }

    /// What is below it as a person would find it.
    pub fn place(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.place.clone() } else { self.place.join(path) }
    }

    /// Opens a folder below it; `None` where there is none.
    ///
    /// # Errors
    /// An [`Obstacle`] where something else is there or on the way.
    pub fn folder(&self, path: &str) -> io::Result<Option<Self>> {
        let mut folder = self.clone();
        for name in names(path)? {
            match folder.step(name) {
                Ok(next) => folder = next,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(folder))
    }

    /// Opens a folder below it, which is made if it is missing, and so are those on the way, as the umask has it.
    ///
    /// # Errors
    /// As [`Folder::folder`], and where it can't be made.
    pub fn make(&self, path: &str, access: Access) -> io::Result<Self> {
        let names = names(path)?;
        let mut folder = self.clone();
        for (left, name) in (0..names.len()).rev().zip(&names) {
            folder = match folder.step(name) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let is_private = left == 0 && access == Access::Private;
                    let mode = if is_private { Mode::RWXU } else { Mode::RWXU | Mode::RWXG | Mode::RWXO };
                    match mkdirat(&folder.handle, *name, mode) {
                        Ok(()) | Err(Errno::EXIST) => {}
                        Err(error) => return Err(error.into()),
                    }
                    folder.step(name)?
                }
                stepped => stepped?,
            };
        }
        Ok(folder)
    }

    fn step(&self, name: &str) -> io::Result<Self> {
        let opened = openat(&self.handle, name, OFlags::RDONLY | FOLDER, Mode::empty());
        let handle = opened.map_err(|error| self.refusal(name, error))?;
        Ok(Self { handle: Arc::new(handle.into()), place: self.place.join(name) })
    }

    /// Opens a file for reading; `None` where there is none.
    ///
    /// # Errors
    /// An [`Obstacle`] where something else is there or on the way.
    pub fn open(&self, path: &str) -> io::Result<Option<File>> {
        self.open_as(path, OFlags::RDONLY)
    }

    /// Opens a file that is there for reading and writing; `None` where there is none.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_to_write(&self, path: &str) -> io::Result<Option<File>> {
        self.open_as(path, OFlags::RDWR)
    }

    fn open_as(&self, path: &str, flags: OFlags) -> io::Result<Option<File>> {
        let (folder, name) = split(path)?;
        let Some(folder) = self.folder(folder)? else { return Ok(None) };
        match folder.file(name, flags, Mode::empty()) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Opens a file in this very folder for reading and writing, or makes it; its owner alone may read it.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_or_make(&self, name: &str) -> io::Result<File> {
        self.file(checked(name)?, OFlags::RDWR | OFlags::CREATE, PRIVATE)
    }

    /// Opens the file that runs lock, or makes it. Who can open a file can lock it, so its owner alone may: also where an
    /// earlier version, or a copy, has left it open to others.
    ///
    /// # Errors
    /// As [`Folder::open`].
    pub fn open_lock(&self, name: &str) -> io::Result<File> {
        let file = self.open_or_make(name)?;
        // One with a second name may be anybody's; of another's file the mode can't be changed, nor need it be.
        let status = fstat(&file)?;
        if !is_private(&status) && status.st_nlink == 1 {
            let _ = fchmod(&file, PRIVATE);
        }
        Ok(file)
    }

    /// Makes a file in this very folder, where nothing of its name may be.
    ///
    /// # Errors
    /// `AlreadyExists`, whatever is there.
    pub fn create(&self, name: &str, access: Access) -> io::Result<File> {
        let mode = match access {
            Access::Usual => PRIVATE | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH,
            Access::Private => PRIVATE,
        };
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | PLAIN;
        Ok(openat(&self.handle, checked(name)?, flags, mode)?.into())
    }

    /// Makes a file without a name: it is gone with the process, also after a kill.
    ///
    /// # Errors
    /// Where none can be made.
    pub fn nameless(&self) -> io::Result<File> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        #[cfg(target_os = "linux")]
        match openat(&self.handle, ".", OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC, PRIVATE) {
            // Not every file system has such files.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::NOENT | Errno::INVAL) => {}
            made => return Ok(made?.into()),
        }
        loop {
            let name = format!(".nameless.{}.{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
            match self.create(&name, Access::Private) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    let file = made?;
                    self.remove(&name)?;
                    return Ok(file);
                }
            }
        }
    }

    fn file(&self, name: &str, flags: OFlags, mode: Mode) -> io::Result<File> {
        let opened = openat(&self.handle, name, flags | PLAIN, mode).map_err(|error| self.refusal(name, error))?;
        match FileType::from_raw_mode(fstat(&opened)?.st_mode) {
            FileType::RegularFile => Ok(opened.into()),
            kind => Err(Obstacle::new(kind, self.place.join(name)).into()),
        }
    }

    /// Why something can't be opened: links, pipes, sockets and devices are told by numbers that differ by system.
    fn refusal(&self, name: &str, error: Errno) -> io::Error {
        let may_be_odd =
            [Errno::LOOP, Errno::MLINK, Errno::NOTDIR, Errno::ISDIR, Errno::NXIO, Errno::OPNOTSUPP, Errno::NODEV];
        let status = may_be_odd.contains(&error).then(|| statat(&self.handle, name, AtFlags::SYMLINK_NOFOLLOW).ok());
        match status.flatten() {
            Some(status) => Obstacle::new(FileType::from_raw_mode(status.st_mode), self.place.join(name)).into(),
            None => error.into(),
        }
    }

    /// What the file system says of what is at a path, be it a file or not; `None` where there is nothing.
    ///
    /// # Errors
    /// An [`Obstacle`] on the way.
    pub fn look(&self, path: &str) -> io::Result<Option<Status>> {
        let (folder, name) = split(path)?;
        let Some(folder) = self.folder(folder)? else { return Ok(None) };
        match statat(&folder.handle, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(status)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The same of a file; `None` where there is nothing.
    ///
    /// # Errors
    /// An [`Obstacle`] where there is something else.
    pub fn look_at_file(&self, path: &str) -> io::Result<Option<Status>> {
        let Some(status) = self.look(path)? else { return Ok(None) };
        match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Ok(Some(status)),
            kind => Err(Obstacle::new(kind, self.place.join(path)).into()),
        }
    }

    /// Moves what is in this very folder to another one, in place of a file that may be there.
    ///
    /// # Errors
    /// Where it can't be moved.
    pub fn rename(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(renameat(&self.handle, checked(name)?, &to.handle, checked(new)?)?)
    }

    /// Gives a file in this very folder a second name, in another folder, where nothing of that name may be.
    ///
    /// # Errors
    /// Where the file system has no such links, or the file has too many names.
    pub fn link(&self, name: &str, to: &Self, new: &str) -> io::Result<()> {
        Ok(linkat(&self.handle, checked(name)?, &to.handle, checked(new)?, AtFlags::empty())?)
    }

    /// Removes what is in this very folder, be it a file or an obstacle; false where there is nothing.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn remove(&self, name: &str) -> io::Result<bool> {
        match unlinkat(&self.handle, checked(name)?, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Removes a folder in this very folder with the files in it, one level deep; whatever else is there is removed and not
    /// followed.
    ///
    /// # Errors
    /// Where it can't be removed.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        let Some(folder) = self.folder(checked(name)?)? else { return Ok(()) };
        for item in folder.items()? {
            folder.remove(&item?.name)?;
        }
        match unlinkat(&self.handle, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Flushes the folder to the disk, so that names that were made, moved or removed in it survive a power cut.
    ///
    /// # Errors
    /// Where the disk fails.
    pub fn flush(&self) -> io::Result<()> {
        self.handle.sync_all()
    }
}

/// What the file system says of an open file.
///
/// # Errors
/// Where the file system fails.
pub fn status(file: &File) -> io::Result<Status> {
    Ok(fstat(file)?)
}

/// Whether a file's owner alone may read and write it.
fn is_private(status: &Status) -> bool {
    !Mode::from_raw_mode(status.st_mode).intersects(Mode::RWXG | Mode::RWXO)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read, Write};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn text(file: Option<File>) -> String {
        let mut text = String::new();
        file.unwrap().read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_folder_that_is_swapped_for_a_link_is_still_the_one_that_was_opened() {
        let place = tempfile::tempdir().unwrap();
        let at = |name: &str| place.path().join(name);
        for name in ["data/sub", "outside"] {
            fs::create_dir_all(at(name)).unwrap();
            fs::write(at(name).join("file"), name).unwrap();
        }
        let root = Folder::at(&at("data")).unwrap();
        let sub = root.folder("sub").unwrap().unwrap();
        fs::rename(at("data/sub"), at("data/before")).unwrap();
        symlink(at("outside"), at("data/sub")).unwrap();
        // From the folder that was opened all goes on where it was.
        assert_eq!(text(sub.open("file").unwrap()), "data/sub");
        sub.create("new", Access::Private).unwrap().write_all(b"x").unwrap();
        sub.rename("new", &sub, "file").unwrap();
        sub.remove("file").unwrap();
        // From the one above it, the link is in the way.
        for refused in [
            root.open("sub/file").map(|_| ()),
            root.open_to_write("sub/file").map(|_| ()),
            root.folder("sub").map(|_| ()),
            root.make("sub/more", Access::Usual).map(|_| ()),
            root.look("sub/file").map(|_| ()),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(
                Obstacle::of(&error).unwrap().to_string(),
                format!("a symbolic link is in the way: {}", at("data/sub").display())
            );
        }
        assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 1);
        assert_eq!(fs::read_to_string(at("outside/file")).unwrap(), "outside");
        root.remove_folder("before").unwrap();
        assert!(root.remove("sub").unwrap() && !at("data/before").exists() && at("outside/file").exists());
    }

    #[test]
    fn what_is_made_is_new_and_its_owners_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::at(place.path()).unwrap();
        symlink(place.path().join("elsewhere"), place.path().join("link")).unwrap();
        assert_eq!(folder.create("link", Access::Private).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert!(Obstacle::of(&folder.open_or_make("link").unwrap_err()).is_some());
        assert!(!place.path().join("elsewhere").exists());
        let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().permissions().mode() & 0o777;
        fs::write(place.path().join("lock"), "").unwrap();
        fs::set_permissions(place.path().join("lock"), fs::Permissions::from_mode(0o666)).unwrap();
        folder.open_lock("lock").unwrap();
        folder.create("file", Access::Private).unwrap();
        folder.make("usual/private", Access::Private).unwrap();
        assert_eq!([mode("lock"), mode("file"), mode("usual/private")], [0o600, 0o600, 0o700]);
        let mut nameless = folder.nameless().unwrap();
        nameless.write_all(b"x").unwrap();
        let names: Vec<_> = folder.items().unwrap().map(|item| item.unwrap().name).collect();
        assert_eq!(names.len(), 4, "{names:?}");
    }
}
