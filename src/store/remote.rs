//! An object store: `s3://`, `az://` or `gs://`. A file is made on the local disk and sent whole, on a condition.
//!
//! Calls wait for their answers on threads that are not the runtime's own, so that the rest of the program need not know
//! that a network is behind them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path as Key;
use object_store::{GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutOptions, UpdateVersion};

use super::calls::{Calls, within};
use super::connect::connect;
use super::options::{Given, secrets};
use super::refusal::refusal;
use super::spool::{Copy, Spool};
use super::{Access, Draft, Form, Store, Survey, Swap, Version, failed, missing, raced, too_many};
use crate::error::{Error, Kind, Result};
use crate::store::files::Below;
use crate::store::place::{Objects, Service};
use crate::words::limits;
use crate::words::stop::Stop;

/// The largest file that is sent, in bytes. It is held in memory while it is sent: a condition can be put on an upload
/// in one piece only.
pub const CEILING: u64 = 1 << 30;

/// Pieces of a file that may wait to be written to the spool.
const QUEUE: usize = 4;

/// A dataset in an object store.
pub struct Remote {
    store: Arc<dyn ObjectStore>,
    root: Key,
    service: Service,
    url: String,
    folder: Below,
    spool: Spool,
    calls: Calls,
    /// What a store may echo and nobody may see.
    secrets: Vec<String>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Remote({})", self.url) // options may be secrets
    }
}

impl Remote {
    /// The dataset at a place. Nothing is asked yet. `spool`: a folder on this machine; `budget`: for one request with all
    /// its attempts and waits.
    ///
    /// # Errors
    /// `Config` where the place or an option can't be used.
    pub fn open(place: &Objects, options: &[Given], spool: &Below, budget: Duration) -> Result<Self> {
        // Whoever installed a provider first is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (store, root) = connect(place, options, budget)?;
        let (service, url, folder) = (place.service, place.to_string(), spool.to_owned());
        let unmade = |error| failed("cannot create the folder", folder.place().display(), error);
        let spool = Spool::new(spool).map_err(unmade)?;
        let secrets = secrets(place.service, options);
        Ok(Self { store, root, service, url, folder, spool, calls: Calls::new(budget)?, secrets })
    }

    fn key(&self, path: &str) -> Key {
        path.split('/').fold(self.root.clone(), Key::join)
    }

    /// Gets a file into the spool; `None` where there is none.
    fn get(&self, path: &str) -> Result<Option<(File, Version)>> {
        let known = self.spool.version(path);
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        let options = GetOptions { if_none_match: known.as_ref().map(quoted), ..GetOptions::default() };
        let answer = self.calls.wait(self.calls.limit(0), async move { store.get_opts(&key, options).await });
        let answer = match (answer, known) {
            (Ok(answer), _) => answer,
            (Err(object_store::Error::NotFound { .. }), _) => return Ok(None),
            (Err(object_store::Error::NotModified { .. }), Some(known)) => {
                let opened = self.spool.open(path, &known).map_err(|error| self.spooling(error))?;
                return Ok(opened.map(|file| (file, known)));
            }
            (Err(error), _) => return Err(self.failed("cannot read the file", path, &error)),
        };
        let version = version_of(&answer.meta);
        let copy = self.spool.begin().map_err(|error| self.spooling(error))?;
        self.receive(path, answer.into_stream(), &copy)?;
        let file = self.spool.keep(path, copy, version.clone()).map_err(|error| self.spooling(error))?;
        Ok(Some((file, version)))
    }

    fn receive(
        &self,
        path: &str,
        mut pieces: BoxStream<'static, object_store::Result<Bytes>>,
        copy: &Copy,
    ) -> Result<()> {
        let (sender, received) = mpsc::sync_channel(QUEUE);
        self.calls.spawn(|wait| async move {
            loop {
                let piece = within(wait, pieces.try_next()).await.transpose();
                let Some(piece) = piece else { break };
                let is_last = piece.is_err();
                if sender.send(piece).is_err() || is_last {
                    break;
                }
            }
        });
        let mut room = longest(path);
        for piece in received {
            let piece = piece.map_err(|error| self.failed("cannot read the file", path, &error))?;
            let taken = usize::try_from(room).unwrap_or(usize::MAX).min(piece.len());
            copy.writer().write_all(&piece[..taken]).map_err(|error| self.spooling(error))?;
            room -= taken as u64;
            if room == 0 {
                break; // Whoever reads it sees that it is too long.
            }
        }
        Ok(())
    }

    /// Sends a file; `None` where the condition does not hold.
    fn send(&self, path: &str, bytes: Bytes, expected: Option<&Version>) -> Result<Option<Version>> {
        let mode = match expected {
            None => PutMode::Create,
            Some(expected) => match self.numbered(path, expected)? {
                Some(version) => PutMode::Update(version),
                None => return Ok(None),
            },
        };
        let (store, key, limit) = (Arc::clone(&self.store), self.key(path), self.calls.limit(bytes.len() as u64));
        let put = async move { store.put_opts(&key, bytes.into(), PutOptions::from(mode)).await };
        match self.calls.wait(limit, put) {
            Ok(put) => Ok(Some(version(put.e_tag, put.version))),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => Ok(None),
            Err(error) => Err(self.failed("cannot write the file", path, &error)),
        }
    }

    /// A version as the store wants to have it. Google's needs its number, which a list does not tell; `None` where
    /// another version is there by now.
    fn numbered(&self, path: &str, version: &Version) -> Result<Option<UpdateVersion>> {
        let mut number = version.number.clone();
        if number.is_none() && self.service == Service::Google {
            let (store, key) = (Arc::clone(&self.store), self.key(path));
            let meta = match self.calls.wait(self.calls.limit(0), async move { store.head(&key).await }) {
                Ok(meta) => meta,
                Err(object_store::Error::NotFound { .. }) => return Ok(None),
                Err(error) => return Err(self.failed("cannot read the file", path, &error)),
            };
            if version_of(&meta) != *version {
                return Ok(None);
            }
            number = meta.version;
        }
        Ok(Some(UpdateVersion { e_tag: Some(quoted(version)), version: number }))
    }

    fn bytes(&self, draft: &Draft) -> Result<Bytes> {
        let mut file = draft.writer();
        let length = file.metadata().map_err(|error| self.spooling(error))?.len();
        if length > CEILING {
            let place = self.place(&draft.path);
            let what = format!("the file has {length} bytes, more than can be sent at once ({CEILING}): {place}");
            return Err(Error::new(Kind::Destination, what)
                .hint("export to a new place with `dataset.partition_by = \"day\"`, which makes smaller files"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        file.seek(SeekFrom::Start(0))
            .and_then(|_| file.read_to_end(&mut bytes))
            .map_err(|error| self.spooling(error))?;
        Ok(bytes.into())
    }

    /// Whether the object is what was sent: then an earlier attempt landed though its answer was lost.
    fn landed(&self, path: &str, sent: &[u8]) -> Result<Option<Version>> {
        let Some((file, version)) = self.open(path)? else { return Ok(None) };
        let same = is_same(file, sent).map_err(|error| self.spooling(error))?;
        Ok(same.then_some(version))
    }

    fn spooling(&self, error: io::Error) -> Error {
        failed("cannot use the stage", self.folder.place().display(), error)
    }

    fn failed(&self, what: &str, path: &str, error: &object_store::Error) -> Error {
        self.calls.stopped().unwrap_or_else(|| refusal(&format!("{what}: {}", self.place(path)), error, &self.secrets))
    }
}

fn is_same(mut file: File, sent: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() != sent.len() as u64 {
        return Ok(false);
    }
    let mut piece = vec![0; 1 << 16];
    for sent in sent.chunks(piece.len()) {
        file.read_exact(&mut piece[..sent.len()])?;
        if piece[..sent.len()] != *sent {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Store for Remote {
    fn place(&self, path: &str) -> String {
        if path.is_empty() { self.url.clone() } else { format!("{}/{path}", self.url) }
    }

    fn list(&self, folder: &str) -> Result<Vec<(String, Version)>> {
        let (store, prefix) = (Arc::clone(&self.store), self.key(folder));
        // Each thousand files is a request, so no limit fits all lists; what bounds them is that each piece comes in time.
        let wait = self.calls.limit(0);
        let all = async move {
            let mut listed = Vec::new();
            let mut items = store.list(Some(&prefix));
            while let Some(item) = within(wait, items.try_next()).await? {
                listed.push(item);
                if listed.len() > limits::FILES {
                    break;
                }
            }
            Ok(listed)
        };
        let listed = self
            .calls
            .wait(Duration::MAX, all)
            .map_err(|error| self.failed("cannot list the folder", folder, &error))?;
        if listed.len() > limits::FILES {
            return Err(too_many(&self.place(folder)));
        }
        let relative = |meta: &ObjectMeta| {
            let parts: Vec<_> = meta.location.prefix_match(&self.root)?.map(|part| part.as_ref().to_owned()).collect();
            Some(parts.join("/"))
        };
        let mut found: Vec<_> = listed.iter().filter_map(|meta| Some((relative(meta)?, version_of(meta)))).collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(found)
    }

    fn open(&self, path: &str) -> Result<Option<(File, Version)>> {
        self.get(path)
    }

    fn begin(&self, path: &str) -> Result<Draft> {
        let file = self.spool.nameless().map_err(|error| self.spooling(error))?;
        Ok(Draft { file, path: path.to_owned(), name: None, flushed: false })
    }

    fn flush(&self, _: &mut Draft) -> Result<()> {
        Ok(()) // It is the store's copy that lasts.
    }

    fn swap(&self, draft: Draft, expected: Option<&Version>, _: Access) -> Result<Swap> {
        let bytes = self.bytes(&draft)?;
        let sent = match self.send(&draft.path, bytes.clone(), expected)? {
            Some(version) => Some(version),
            None => self.landed(&draft.path, &bytes)?,
        };
        Ok(sent.map_or(Swap::Lost, Swap::Done))
    }

    /// The bytes are fetched and sent: a copy by the store itself has no condition on what lies at its source.
    fn copy(&self, from: &str, to: &str, expected: Option<&Version>) -> Result<Swap> {
        let Some((file, _)) = self.open(from)? else { return Err(missing(&self.place(from))) };
        (self as &dyn Store).copy_bytes(file, to, expected)
    }

    fn set_aside(&self, path: &str, aside: &str) -> Result<bool> {
        let Some((mut file, _)) = self.open(path)? else { return Ok(false) };
        let draft = self.begin(aside)?;
        io::copy(&mut file, &mut draft.writer()).map_err(|error| self.spooling(error))?;
        match self.swap(draft, None, Access::Private)? {
            Swap::Done(_) => self.remove(path).map(|()| true),
            Swap::Lost => Err(raced(&self.place(aside))),
        }
    }

    fn remove(&self, path: &str) -> Result<()> {
        let (store, key) = (Arc::clone(&self.store), self.key(path));
        match self.calls.wait(self.calls.limit(0), async move { store.delete(&key).await }) {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.failed("cannot remove the file", path, &error)),
        }
    }

    fn survey(&self, _: &[&str], _: fn(&str) -> Option<Form>, _: bool) -> Result<Survey> {
        Ok(Survey::default()) // an object is an object, and what is not whole is not there
    }

    fn folder(&self) -> Option<&Path> {
        None
    }

    fn heed(&self, stop: &Stop) {
        self.calls.heed(stop);
    }
}

/// Bytes of a file that are fetched at most: more than any has that rollbook makes.
fn longest(path: &str) -> u64 {
    let is_json = std::path::Path::new(path).extension().is_some_and(|extension| extension == "json");
    let is_record = is_json && ["_rollbook/", "lake/"].iter().any(|own| path.starts_with(own));
    1 + if is_record { limits::RECORD } else { CEILING }
}

fn version_of(meta: &ObjectMeta) -> Version {
    Version { length: Some(meta.size), ..version(meta.e_tag.clone(), meta.version.clone()) }
}

/// Some stores put the etag in quotes in one answer and not in another.
fn version(etag: Option<String>, number: Option<String>) -> Version {
    let tag = etag.unwrap_or_default().trim_matches('"').to_owned();
    Version { tag, number, mark: None, length: None }
}

fn quoted(version: &Version) -> String {
    format!("\"{}\"", version.tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remote(spool: &Path) -> Remote {
        let options =
            [("AWS_ACCESS_KEY_ID", "x"), ("AWS_SECRET_ACCESS_KEY", "x"), ("AWS_ENDPOINT", "https://127.0.0.1:9")];
        let options = options.map(|(name, value)| Given::by_variable(name, value));
        let Ok(crate::store::place::Place::Objects(place)) = crate::store::place::Place::parse("s3://bucket/data")
        else {
            panic!()
        };
        let spool = Below::named(spool);
        Remote::open(&place, &options, &spool, Duration::from_secs(1)).unwrap()
    }

    #[test]
    fn a_file_over_the_ceiling_is_refused_before_it_is_read() {
        let spool = tempfile::tempdir().unwrap();
        let remote = remote(spool.path());
        let draft = remote.begin("sessions/part-0.parquet").unwrap();
        draft.writer().set_len(CEILING + 1).unwrap();
        let error = remote.swap(draft, None, Access::Usual).unwrap_err();
        assert_eq!(error.kind(), Kind::Destination);
        assert_eq!(
            error.render(),
            "error: the file has 1073741825 bytes, more than can be sent at once (1073741824): \
             s3://bucket/data/sessions/part-0.parquet\n\
             hint: export to a new place with `dataset.partition_by = \"day\"`, which makes smaller files"
        );
    }

    #[test]
    fn a_version_is_its_etag_with_or_without_quotes_and_number() {
        let of = |etag: &str, number: Option<&str>| version(Some(etag.to_owned()), number.map(str::to_owned));
        assert_eq!(of("\"abc\"", None), of("abc", Some("17")));
        assert_ne!(of("abc", Some("17")), of("abd", Some("17")));
        assert_eq!(quoted(&of("abc", None)), "\"abc\"");
    }
}
