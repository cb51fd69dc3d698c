//! What a run is about to put in place, written down first: `_rollbook/publishing/<run_id>.json`, one a run. So the bytes of
//! every file are known to some record, wherever a run dies.
//!
//! A record grows before each swap, and goes once the state names its files. One that a dead run has left stays until a
//! later run's state names what is there.

use std::collections::BTreeSet;
use std::io::Read;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::store::{Access, ROUNDS, Swap, Version, failed, unless_raced};

/// The records' folder in rollbook's own.
const FOLDER: &str = "publishing";
/// Version of a record's own form.
const LAYOUT: u32 = 1;
/// Bytes of a record at most: room for four hundred years of days.
const MOST: u64 = 64 << 20;

/// A file as it will be once it is swapped into its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Entry {
    /// Its path, relative to the dataset.
    pub path: String,
    /// Rows in it; a state takes them over where its run has died.
    pub rows: u64,
    /// The SHA-256 of all its bytes, in hexadecimal.
    pub sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    layout: u32,
    run_id: String,
    files: Vec<Entry>,
}

/// The record of this run; nothing is written before there is something to say.
#[derive(Debug)]
pub struct Record {
    run_id: String,
    files: Vec<Entry>,
    version: Option<Version>,
}

impl Record {
    /// A run that has published nothing yet.
    pub fn of(run_id: &str) -> Self {
        Self { run_id: run_id.to_owned(), files: Vec::new(), version: None }
    }

    /// Writes down, durably, which files are swapped next.
    ///
    /// # Errors
    /// `Destination` where that can't be written.
    pub fn extend(&mut self, layout: &Layout, files: Vec<Entry>) -> Result<()> {
        if files.is_empty() {
            return Ok(());
        }
        self.files.extend(files);
        let path = self.path();
        let document = Document { layout: LAYOUT, run_id: self.run_id.clone(), files: self.files.clone() };
        let text = serde_json::to_vec(&document)
            .map_err(|error| failed("cannot write the file", layout.store().place(&path), error))?;
        let attempt = || {
            let draft = layout.store().draft(&path, &text)?;
            if let Swap::Done(version) = layout.store().swap(draft, self.version.as_ref(), Access::Private)? {
                self.version = Some(version);
                return Ok(Some(()));
            }
            // Nobody else writes it, but a run that took this one for dead may have removed it.
            self.version = layout.store().open(&path)?.map(|(_, version)| version);
            Ok(None)
        };
        unless_raced(ROUNDS, || layout.store().place(&path), attempt)
    }

    /// Removes it: the state names the files.
    ///
    /// # Errors
    /// `Destination` where it can't be removed.
    pub fn end(self, layout: &Layout) -> Result<()> {
        if self.version.is_some() { layout.store().remove(&self.path()) } else { Ok(()) }
    }

    fn path(&self) -> String {
        Layout::own(&format!("{FOLDER}/{}.json", self.run_id))
    }
}

/// A record that is there, of a run that is dead or alive.
#[derive(Debug, Clone)]
pub struct Left {
    /// The path of the record itself, relative to the dataset.
    pub path: String,
    /// The record as it was read: removed only if it is still the same.
    pub version: Version,
    /// In the order in which they were to be swapped; a path may come twice.
    pub files: Vec<Entry>,
}

/// The records of all runs that are publishing, or died while they were.
///
/// # Errors
/// `Unreadable` where one can't be understood; `Destination`.
pub fn all(layout: &Layout) -> Result<Vec<Left>> {
    let mut found = Vec::new();
    each(layout, |path, read| {
        let place = layout.store().place(&path);
        found.push(read.map_err(|what| {
            Error::new(Kind::Unreadable, format!("a record of files that a run was publishing {what}: {place}"))
                .hint("`rollbook verify --repair` sets it aside, and says which files are then known to no record")
        })?);
        Ok(())
    })?;
    Ok(found)
}

/// Calls with the path of each record and its files, or with why they can't be had.
///
/// # Errors
/// Its own; `Destination`.
pub fn each(layout: &Layout, mut each: impl FnMut(String, Result<Left, String>) -> Result<()>) -> Result<()> {
    let folder = Layout::own(FOLDER);
    for (path, _) in layout.store().list(&folder)? {
        if is_record(&path) {
            // One that is gone by now has a state that was stored before that.
            let Some((file, version)) = layout.store().open(&path)? else { continue };
            let files = read(layout, file);
            each(path.clone(), files.map(|files| Left { path, version, files }))?;
        }
    }
    Ok(())
}

/// Whether a path is one of a record.
pub fn is_record(path: &str) -> bool {
    let folder = Layout::own(FOLDER);
    let name = path.strip_prefix(&folder).and_then(|rest| rest.strip_prefix('/'));
    name.and_then(|name| name.strip_suffix(".json")).is_some_and(|name| !name.contains('/'))
}

fn read(layout: &Layout, file: std::fs::File) -> Result<Vec<Entry>, String> {
    let unreadable = |error: std::io::Error| format!("can't be read ({error})");
    let length = file.metadata().map_err(unreadable)?.len();
    if length > MOST {
        return Err(format!("has {length} bytes, more than one can have"));
    }
    let mut text = Vec::new();
    file.take(MOST).read_to_end(&mut text).map_err(unreadable)?;
    parse(layout, &text)
}

fn parse(layout: &Layout, text: &[u8]) -> Result<Vec<Entry>, String> {
    let document: Document = serde_json::from_slice(text).map_err(|error| format!("is damaged ({error})"))?;
    if document.layout > LAYOUT {
        return Err("is of a newer version of rollbook".to_owned());
    }
    // Many entries are of few paths.
    let mut good = BTreeSet::new();
    for Entry { path, sha256, .. } in &document.files {
        if !good.contains(path) && layout.partition_of(path).is_none() {
            return Err(format!("names what is no file of this dataset ({})", shown(path)));
        }
        if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(format!("names no SHA-256 for a file ({})", shown(path)));
        }
        good.insert(path);
    }
    Ok(document.files)
}

/// The beginning of a text that somebody may have crafted.
pub fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_default).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::partition::PartitionBy;

    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn entry(path: &str) -> Entry {
        Entry { path: path.to_owned(), rows: 1, sha256: SHA256.to_owned() }
    }

    #[test]
    fn a_record_grows_is_read_back_and_goes() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        let mut record = Record::of("run");
        record.extend(&layout, vec![]).unwrap();
        assert!(all(&layout).unwrap().is_empty());
        let [first, second] =
            ["2026-10", "2026-11"].map(|it| entry(&format!("sessions/start_month={it}/part-0.parquet")));
        record.extend(&layout, vec![first.clone()]).unwrap();
        // Somebody who took this run for dead.
        layout.store().remove("_rollbook/publishing/run.json").unwrap();
        record.extend(&layout, vec![second.clone()]).unwrap();
        assert_eq!(all(&layout).unwrap()[0].files, [first, second]);
        record.end(&layout).unwrap();
        assert!(all(&layout).unwrap().is_empty());
    }

    #[test]
    fn a_record_that_the_layout_would_not_make_is_refused() {
        let layout = Layout::local("/d", PartitionBy::Month);
        let of = |path: &str, sha256: &str| {
            let files = [serde_json::json!({"path": path, "rows": 1, "sha256": sha256})];
            parse(&layout, serde_json::json!({"layout": 1, "run_id": "r", "files": files}).to_string().as_bytes())
        };
        of("sessions/start_month=2026-11/part-0.parquet", SHA256).unwrap();
        for path in [
            "../sessions/start_month=2026-11/part-0.parquet",
            "/etc/passwd",
            "sessions/../sessions/start_month=2026-11/part-0.parquet",
            "sessions/start_month=2026-11/../part-0.parquet",
            "sessions/start_month=2026-1/part-0.parquet",
            "sessions/start_date=2026-11-01/part-0.parquet",
            "sessions/part-0.parquet",
            "others/start_month=2026-11/part-0.parquet",
            "sessions/start_month=2026-11/part-1.parquet",
            "sessions/start_month=2026-11/part-0.parquet/x",
            "_rollbook/state.json",
            "",
        ] {
            let refused = of(path, SHA256).unwrap_err();
            assert!(refused.starts_with("names what is no file of this dataset"), "{path}: {refused}");
        }
        let path = "sessions/start_month=2026-11/part-0.parquet";
        for sha256 in ["", "abc", &SHA256.to_uppercase(), &format!("{SHA256}0")] {
            assert!(of(path, sha256).unwrap_err().starts_with("names no SHA-256"), "{sha256}");
        }
        for text in ["", "{", "[]", "null", r#"{"layout": 1}"#] {
            assert!(parse(&layout, text.as_bytes()).unwrap_err().starts_with("is damaged"), "{text}");
        }
        let newer = parse(&layout, br#"{"layout": 2, "run_id": "r", "files": []}"#).unwrap_err();
        assert_eq!(newer, "is of a newer version of rollbook");
    }

    #[test]
    fn a_record_that_is_too_long_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), PartitionBy::Month);
        std::fs::create_dir_all(folder.path().join("_rollbook/publishing")).unwrap();
        let file = std::fs::File::create(folder.path().join("_rollbook/publishing/huge.json")).unwrap();
        file.set_len(MOST + 1).unwrap();
        let error = all(&layout).unwrap_err();
        assert_eq!(error.kind(), Kind::Unreadable);
        let text = error.render();
        assert!(text.contains("more than one can have: ") && text.contains("huge.json\nhint: "), "{text}");
    }
}
