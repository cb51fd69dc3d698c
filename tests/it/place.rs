//! Where datasets are: folders or an object store, with a DuckDB that reads them there.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

use rollbook::sim::{Account, Change, Options, Script, Shape};

use crate::bed::{Bed, Ran, TOKEN, rollbook};
use crate::reader::{Keys, Reader};
use crate::servers::ObjectStore;

/// Sessions of the account.
pub const SESSIONS: u64 = 300;

/// The account that is exported.
pub fn account() -> Account {
    Account::new(51, SESSIONS, Shape::Realistic)
}

/// An API with these changes.
pub fn served(changes: Vec<Change>) -> Bed {
    Bed::new(Options { script: Script::new().before(1, changes), ..Options::new(account()) })
}

/// New sessions in an old and in a new month, and one that has changed.
pub fn changes() -> Vec<Change> {
    let month = 31 * 24 * 3_600_000_000;
    vec![
        Change::InsertHead(account().fresh(1, account().start(0) + month)),
        Change::InsertFresh(5),
        Change::end(0, account().start(0) + 1_000_000),
    ]
}

/// Folders or an object store.
pub struct Place {
    folder: tempfile::TempDir,
    /// `None` for folders.
    pub store: Option<ObjectStore>,
    /// Reads what is here.
    pub reader: Mutex<Reader>,
}

impl Place {
    /// In folders.
    pub fn folder() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), store: None, reader: Mutex::new(Reader::of_folders()) }
    }

    /// In an S3 that DuckDB reads over its own protocol.
    pub fn moto() -> Self {
        let store = ObjectStore::moto();
        let reader = Mutex::new(Reader::of_objects(&store));
        Self { folder: tempfile::tempdir().unwrap(), store: Some(store), reader }
    }

    /// The URL or folder of a dataset.
    pub fn url(&self, name: &str) -> String {
        match &self.store {
            None => self.path(name).to_str().unwrap().to_owned(),
            Some(store) => store.url(name),
        }
    }

    /// The folder of a dataset.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A full export, without a lease, not yet run.
    pub fn export(&self, bed: &Bed, name: &str) -> Command {
        let mut command = rollbook(bed.folder.path());
        command.args(["export", "--full", "--json", "--base-url", &bed.server.base_url(), "--dest", &self.url(name)]);
        command.env("VIDEOSDK_TOKEN", TOKEN).env("ROLLBOOK_TEST_LEASE", "off").stdin(Stdio::null());
        // Many pages, so that it shows whether they are asked for again.
        command.env("ROLLBOOK_API_PER_PAGE", "20").env("ROLLBOOK_STORE_RETRY_BUDGET", "2s");
        if let Some(store) = &self.store {
            command.envs(store.environment.clone());
        }
        command
    }

    /// `rollbook verify --json` of a dataset.
    pub fn verified(&self, name: &str) -> Ran {
        let mut command = rollbook(&self.path(""));
        command.args(["verify", "--json", "--dest", &self.url(name)]);
        command.envs(self.store.iter().flat_map(|store| store.environment.clone()));
        Ran::of(command.output().unwrap())
    }

    /// Copies a dataset.
    pub fn copy(&self, from: &str, to: &str) {
        match &self.store {
            None => copy(&self.path(from), &self.path(to)),
            Some(store) => store.copy(from, to),
        }
    }

    /// The receipts of a dataset.
    pub fn receipts(&self, name: &str) -> usize {
        match &self.store {
            None => std::fs::read_dir(self.path(name).join("_rollbook/runs")).unwrap().count(),
            Some(store) => store.files(&format!("{name}/_rollbook/runs/")).len(),
        }
    }

    /// See [`Reader::look`].
    pub fn look(&self, name: &str) -> Keys {
        self.reader.lock().unwrap().look(&self.url(name))
    }

    /// A dataset that was committed, and one as it is after a further export with the changes.
    pub fn committed(&self, after: &Bed) -> [Keys; 2] {
        let ran = Ran::of(self.export(&served(vec![]), "committed").output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        self.copy("committed", "complete");
        let ran = Ran::of(self.export(after, "complete").output().unwrap());
        assert_eq!(ran.code, 0, "{ran:?}");
        let [before, after] = ["committed", "complete"].map(|name| self.look(name));
        assert_eq!(before["sessions"].len() as u64 + 2, after["sessions"].len() as u64);
        [before, after]
    }
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
