//! A store that swallows what is written: whoever writes to it sees every write done, and nothing is other than before.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use super::{Draft, Form, Store, Survey, Swap, Version, failed};
use crate::error::Result;
use crate::store::files::Access;
use crate::words::stop::Stop;

/// Forgets what is written to it.
const NOWHERE: &str = "/dev/null";

/// For dry runs. Reads are those of the store underneath.
#[derive(Debug)]
pub struct Dry(pub Arc<dyn Store>);

impl Store for Dry {
    fn place(&self, path: &str) -> String {
        self.0.place(path)
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        self.0.list(folder)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        self.0.open(path)
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        let file = File::options().write(true).open(NOWHERE);
        let file = file.map_err(|error| failed("cannot open the file", NOWHERE, error))?;
        Ok(Draft { file, path: path.to_owned(), name: None, flushed: true })
    }

    fn flush(&self, _: &mut Draft) -> Result<()> {
        Ok(())
    }

    fn swap(&self, _: Draft, expected: Option<&Version>, _: Access) -> Result<Swap> {
        Ok(done(expected))
    }

    fn copy(&self, _: &str, _: &str, expected: Option<&Version>) -> Result<Swap> {
        Ok(done(expected))
    }

    /// Nothing is moved, and nobody is to say so.
    fn set_aside(&self, _: &str, _: &str) -> Result<bool> {
        Ok(false)
    }

    fn remove(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn survey(&self, folders: &[&str], form: fn(&str) -> Option<Form>, _: bool) -> Result<Survey> {
        self.0.survey(folders, form, false)
    }

    fn folder(&self) -> Option<&Path> {
        self.0.folder()
    }

    fn heed(&self, stop: &Stop) {
        self.0.heed(stop);
    }
}

fn done(expected: Option<&Version>) -> Swap {
    let unchanged = || Version { tag: String::new(), number: None, mark: None, length: None };
    Swap::Done(expected.cloned().unwrap_or_else(unchanged))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Local;

    #[test]
    fn nothing_that_is_written_is_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("kept"), "kept").unwrap();
        let dry: Arc<dyn Store> = Arc::new(Dry(Arc::new(Local::new(folder.path(), "run"))));
        let (text, version) = dry.read("kept").unwrap().unwrap();
        assert_eq!(text, b"kept");
        let other = dry.draft("kept", b"other").unwrap();
        assert_eq!(dry.swap(other, Some(&version), Access::Private).unwrap(), Swap::Done(version));
        let new = dry.draft("a/b/new", b"new").unwrap();
        assert!(matches!(dry.swap(new, None, Access::Usual).unwrap(), Swap::Done(_)));
        assert!(!dry.set_aside("kept", "aside").unwrap());
        dry.remove("kept").unwrap();
        let there: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(there, ["kept"]);
        assert_eq!(std::fs::read(folder.path().join("kept")).unwrap(), b"kept");
    }
}
