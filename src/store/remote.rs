//! An object store: `s3://`, `az://` or `gs://`. A file is made on the local disk and sent whole, on a condition.
//!
//! Calls wait for their answers on threads that are not the runtime's own, so that the rest of the program need not know
//! that a network is behind them.

use std::collections::HashMap;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use futures_util::TryStreamExt;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};
use tokio::runtime::Runtime;
use url::Url;

use super::{Access, Draft, Store, Swap, Version, failed, raced};
use crate::error::{Error, Kind, Result};

/// How the URL of an object store begins.
pub const SCHEMES: [&str; 3] = ["s3://", "az://", "gs://"];

/// The largest file that is sent, in bytes. It is held in memory while it is sent: a condition can be put on an upload
/// in one piece only.
pub const CEILING: u64 = 1 << 30;

/// A dataset in an object store.
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    root: Key,
    url: String,
    spool: PathBuf,
    runtime: Option<Runtime>,
    /// What was read already.
    read: Mutex<HashMap<String, (File, Version)>>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Remote({})", self.url) // options may be secrets
    }
}

impl Remote {
    /// The dataset at a URL. Nothing is asked yet.
    ///
    /// # Errors
    /// `Config` where the URL or an option can't be used.
    pub fn connect(url: &str, options: Vec<(String, String)>, spool: &Path) -> Result<Self> {
        // Whoever installed a provider first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |error: Box<dyn std::error::Error + Send + Sync>| {
            Error::new(Kind::Config, format!("the object store can't be used: {url}"))
                .because(error)
                .hint("check the URL, `store.options` and the credentials in the environment")
        };
        let parsed = Url::parse(url).map_err(|error| wrong(error.into()))?;
        let (store, root) = object_store::parse_url_opts(&parsed, options).map_err(|error| wrong(error.into()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| wrong(error.into()))?;
        std::fs::create_dir_all(spool).map_err(|error| failed("cannot create the folder", spool.display(), error))?;
        let (url, spool) = (url.trim_end_matches('/').to_owned(), spool.to_owned());
        Ok(Self { store: Arc::from(store), root, url, spool, runtime: Some(runtime), read: Mutex::default() })
    }

    fn key(&self, path: &str) -> Key {
        path.split('/').fold(self.root.clone(), Key::join)
    }

    /// Waits for an answer.
    fn wait<T: Send + 'static>(
        &self,
        asked: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> object_store::Result<T> {
        let (sender, receiver) = mpsc::channel();
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                let _ = sender.send(asked.await);
            });
        }
        let lost = |_| object_store::Error::Generic { store: "rollbook", source: "the request was dropped".into() };
        receiver.recv().unwrap_or_else(|error| Err(lost(error)))
    }

    fn spooled(&self) -> Result<File> {
        tempfile::tempfile_in(&self.spool)
            .map_err(|error| failed("cannot write to the stage", self.spool.display(), error))
    }

    fn known(&self, path: &str) -> Option<(File, Version)> {
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, version) = known.get(path)?;
        Some((file.try_clone().ok()?, version.clone()))
    }

    /// Gets a file into the spool; `None` where there is none.
    fn get(&self, path: &str) -> Result<Option<(File, Version)>> {
        let wrong = |error| self.failed("cannot read the file", path, error);
        let known = self.known(path);
        let etag = known.as_ref().map(|(_, version)| quoted(version));
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let options = GetOptions { if_none_match: etag, ..GetOptions::default() };
        let answer = match self.wait(async move { store.get_opts(&key, options).await }) {
            Ok(answer) => answer,
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(object_store::Error::NotModified { .. }) => return Ok(known),
            Err(error) => return Err(wrong(error)),
        };
        let version = version_of(&answer.meta);
        let mut file = self.spooled()?;
        let (sender, pieces) = mpsc::sync_channel(4);
        if let Some(runtime) = &self.runtime {
            runtime.spawn(async move {
                let mut stream = answer.into_stream();
                loop {
                    let piece = stream.try_next().await.transpose();
                    let Some(piece) = piece else { break };
                    if sender.send(piece).is_err() {
                        break;
                    }
                }
            });
        }
        for piece in pieces {
            let piece = piece.map_err(wrong)?;
            file.write_all(&piece).map_err(|error| failed("cannot write to the stage", self.spool.display(), error))?;
        }
        let kept = file.try_clone().map_err(|error| failed("cannot use the stage", self.spool.display(), error))?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(path.to_owned(), (kept, version.clone()));
        Ok(Some((file, version)))
    }

    fn failed(&self, what: &str, path: &str, error: object_store::Error) -> Error {
        use object_store::Error as Cause;
        let hint = match &error {
            Cause::PermissionDenied { .. } | Cause::Unauthenticated { .. } => {
                "check the credentials in the environment and what they allow there"
            }
            Cause::NotFound { .. } => "check that the bucket or container is there",
            _ => "check the object store, then run the same command again",
        };
        Error::new(Kind::Destination, format!("{what}: {}", self.place(path))).because(error).hint(hint)
    }

    fn send(&self, draft: &Draft, expected: Option<&Version>) -> Result<Option<Version>> {
        let bytes = self.bytes(draft)?;
        let mode = expected.map_or(PutMode::Create, |version| {
            PutMode::Update(UpdateVersion { e_tag: Some(quoted(version)), version: version.number.clone() })
        });
        let (store, key) = (Arc::clone(&self.store), self.key(&draft.path));
        let put = async move { store.put_opts(&key, bytes.into(), PutOptions::from(mode)).await };
        match self.wait(put) {
            Ok(put) => Ok(Some(version(put.e_tag, put.version))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(None),
            Err(error) => Err(self.failed("cannot write the file", &draft.path, error)),
        }
    }

    fn bytes(&self, draft: &Draft) -> Result<Vec<u8>> {
        let mut file = draft.writer();
        let wrong = |error: std::io::Error| failed("cannot read the stage back", self.spool.display(), error);
        let length = file.metadata().map_err(wrong)?.len();
        if length > CEILING {
            let what = format!("the file is larger than can be sent ({length} bytes): {}", self.place(&draft.path));
            return Err(Error::new(Kind::Destination, what)
                .hint("export to a new place with `dataset.partition_by = \"day\"`, which makes smaller files"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.seek(SeekFrom::Start(0)).and_then(|_| file.read_to_end(&mut bytes)).map_err(wrong)?;
        Ok(bytes)
    }

    /// Whether the object is what the draft is: then an earlier attempt landed though its answer was lost.
    fn landed(&self, draft: &Draft) -> Result<Option<Version>> {
        let Some((mut file, version)) = self.open(&draft.path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|error| failed("cannot read the stage back", self.spool.display(), error))?;
        Ok((bytes == self.bytes(draft)?).then_some(version))
    }
}

impl Store for Remote {
    fn place(&self, path: &str) -> String {
        if path.is_empty() { self.url.clone() } else { format!("{}/{path}", self.url) }
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        let (store, prefix) = (Arc::clone(&self.store), self.key(folder));
        let listed = self.wait(async move { store.list(Some(&prefix)).try_collect::<Vec<_>>().await });
        let listed = listed.map_err(|error| self.failed("cannot list the folder", folder, error))?;
        let relative = |meta: &ObjectMeta| {
            let parts: Vec<_> = meta.location.prefix_match(&self.root)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let mut found: Vec<_> = listed.iter().filter_map(|meta| Some((relative(meta)?, version_of(meta)))).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        let Some((mut file, version)) = self.get(path)? else { return Ok(None) };
        file.seek(SeekFrom::Start(0)).map_err(|error| failed("cannot use the stage", self.spool.display(), error))?;
        Ok(Some((file, version)))
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        Ok(Draft { file: self.spooled()?, path: path.to_owned(), name: None })
    }

    fn flush(&self, _: &Draft) -> Result<()> {
        Ok(()) // It is the store's copy that lasts.
    }

    fn swap(&self, draft: Draft, expected: Option<&Version>, _: Access) -> Result<Swap> {
        let sent = match self.send(&draft, expected)? {
            Some(version) => Some(version),
            None => self.landed(&draft)?,
        };
        Ok(sent.map_or(Swap::Lost, Swap::Done))
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        let Some((mut file, _)) = self.open(path)? else { return Ok(false) };
        let draft = self.begin(aside)?;
        std::io::copy(&mut file, &mut draft.writer())
            .map_err(|error| failed("cannot write to the stage", self.spool.display(), error))?;
        match self.swap(draft, None, Access::Private)? {
            Swap::Done(_) => self.remove(path).map(|()| true),
            Swap::Lost => Err(raced(&self.place(aside))),
        }
    }

    fn remove(&self, path: &str) -> Result<()> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        match self.wait(async move { store.delete(&key).await }) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("cannot remove the file", path, error)),
        }
    }

    fn folder(&self) -> Option<&Path> {
        None
    }
}

impl Drop for Remote {
    fn drop(&mut self) {
        // It may be dropped on a thread of another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn version_of(meta: &ObjectMeta) -> Version {
    version(meta.e_tag.clone(), meta.version.clone())
}

/// Some stores put the etag in quotes in one answer and not in another.
fn version(etag: Option<String>, number: Option<String>) -> Version {
    Version { tag: etag.unwrap_or_default().trim_matches('"').to_owned(), number }
}

fn quoted(version: &Version) -> String {
    format!("\"{}\"", version.tag)
}
