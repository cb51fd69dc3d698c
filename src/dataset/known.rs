//! Which bytes the dataset's own records know: the state, the records of what runs were publishing, and the receipts.
//!
//! A file is *known* if the state or a record of a run that was publishing names its hash, *restored* if only an older
//! receipt does, and else damage. Without a state the receipts stand in for it: a file is known then if the newest receipt
//! that names its path names its hash.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use super::publishing::{self, Left};
use super::receipt::past::{self, Stored};
use super::state::{Found, Recorded, State};
use crate::error::Result;

/// What the records say of a file's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The state names them, or stands for the state where there is none: so many rows.
    Current(u64),
    /// A run that was stopped, or is under way, was about to put them in place: so many rows, and the path of its record.
    Published(u64, String),
    /// They are an older run's, and somebody has put them back.
    Restored(Older),
    /// No record knows them: damage, unless somebody vouches for the file.
    Unknown,
}

/// What the receipt of an older run says of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Older {
    /// The run that the receipt is of.
    pub run_id: String,
    /// Rows in the file, by that receipt.
    pub rows: u64,
    /// The number of the last purge before it.
    pub erasures: u64,
}

/// What all records together say of the dataset's files.
#[derive(Debug, Default)]
pub struct Known {
    /// The files that the state names, by path; `None` where it is lost or damaged.
    state: Option<BTreeMap<String, Recorded>>,
    left: Vec<Left>,
    /// By path; read where they are needed.
    receipts: Option<BTreeMap<String, Vec<Mention>>>,
}

/// What a receipt says of a file: when, with which sum, and how many rows.
#[derive(Debug, Clone)]
struct Mention {
    started_at: String,
    finished_at: String,
    sha256: String,
    older: Older,
}

impl Known {
    /// Reads state and records; receipts only where there is no state.
    ///
    /// # Errors
    /// `Unreadable` where a record of a run that was publishing can't be understood; `Config` where the dataset is of a
    /// newer version, or cut otherwise; `Destination`.
    pub fn read(layout: &Layout) -> Result<Self> {
        // A run removes its record after it has stored the state. In this order one of the two is seen.
        let left = publishing::all(layout)?;
        let state = match State::look(layout)? {
            Found::Known(state) => Some(state.into_files()),
            Found::Nothing | Found::Damaged(_) => None,
        };
        let mut known = Self { state, left, receipts: None };
        if known.state.is_none() {
            known.read_receipts(layout)?;
        }
        Ok(known)
    }

    /// Of a state and records that were read already.
    pub fn of(state: Option<BTreeMap<String, Recorded>>, left: Vec<Left>) -> Self {
        Self { state, left, receipts: None }
    }

    /// Reads all receipts, by which bytes of older runs are known again.
    ///
    /// # Errors
    /// `Destination` where one can't be read; one of an unknown form says nothing.
    pub fn read_receipts(&mut self, layout: &Layout) -> Result<()> {
        self.receipts = Some(BTreeMap::new());
        past::each(layout, |_, stored| {
            if let Some(stored) = stored {
                self.mention(stored);
            }
        })
    }

    /// Takes the files of a receipt into account.
    pub fn mention(&mut self, stored: Stored) {
        let Stored { run_id, started_at, finished_at, partitions, erasures, .. } = stored;
        let receipts = self.receipts.get_or_insert_default();
        for file in partitions {
            let older = Older { run_id: run_id.clone(), rows: file.rows, erasures };
            let (started_at, finished_at) = (started_at.clone(), finished_at.clone());
            let mention = Mention { started_at, finished_at, sha256: file.sha256, older };
            receipts.entry(file.path).or_default().push(mention);
        }
    }

    /// The records of runs that are dead, or alive.
    pub fn left(&self) -> &[Left] {
        &self.left
    }

    /// Whether there is no state that can be read, so that receipts stand for it.
    pub const fn is_lost(&self) -> bool {
        self.state.is_none()
    }

    /// The file as the state names it.
    pub fn in_state(&self, path: &str) -> Option<&Recorded> {
        self.state.as_ref()?.get(path)
    }

    /// The paths that the state names.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.state.iter().flatten().map(|(path, _)| path.as_str())
    }

    /// The paths that receipts name, as far as these were read.
    pub fn mentioned(&self) -> impl Iterator<Item = &str> {
        self.receipts.iter().flatten().map(|(path, _)| path.as_str())
    }

    /// Whether state or receipts name a path.
    pub fn names(&self, path: &str) -> bool {
        self.in_state(path).is_some() || self.receipts.as_ref().is_some_and(|receipts| receipts.contains_key(path))
    }

    /// What the records say of these bytes at this path.
    pub fn standing(&self, path: &str, sha256: &str) -> Standing {
        if let Some(recorded) = self.in_state(path).filter(|recorded| recorded.sha256 == sha256) {
            return Standing::Current(recorded.rows);
        }
        let mentions = self.receipts.as_ref().and_then(|receipts| receipts.get(path));
        let mentions = mentions.map(Vec::as_slice).unwrap_or_default();
        // The latest of those with these bytes.
        let of_these = mentions.iter().filter(|mention| mention.sha256 == sha256);
        let mention = of_these.max_by(|a, b| a.finished_at.cmp(&b.finished_at));
        if let Some(mention) = mention.filter(|mention| self.is_lost() && mention.is_newest_of(mentions)) {
            return Standing::Current(mention.older.rows);
        }
        for Left { path: record, files, .. } in &self.left {
            if let Some(entry) = files.iter().find(|entry| entry.path == path && entry.sha256 == sha256) {
                return Standing::Published(entry.rows, record.clone());
            }
        }
        mention.map_or(Standing::Unknown, |mention| Standing::Restored(mention.older.clone()))
    }
}

impl Mention {
    /// Whether no run that began after this one had ended names the file. Of two runs that overlapped, either may have been
    /// the last.
    fn is_newest_of(&self, mentions: &[Self]) -> bool {
        mentions.iter().all(|other| other.started_at <= self.finished_at || other.sha256 == self.sha256)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::publishing::Entry;
    use crate::store::Store as _;

    const PATH: &str = "sessions/start_month=2026-11/part-0.parquet";

    fn receipt(run_id: &str, [started_at, finished_at]: [&str; 2], sha256: &str) -> Stored {
        serde_json::from_value(serde_json::json!({
            "run_id": run_id,
            "started_at": started_at,
            "finished_at": finished_at,
            "partitions": [{"path": PATH, "rows": 1, "sha256": sha256}],
        }))
        .unwrap()
    }

    fn known(state: Option<&str>, published: &[&str], receipts: &[Stored]) -> Known {
        let recorded = |sha256: &str| Recorded { rows: 1, sha256: sha256.to_owned(), mark: None };
        let state = state.map(|sha256| BTreeMap::from([(PATH.to_owned(), recorded(sha256))]));
        let folder = tempfile::tempdir().unwrap();
        let store = crate::store::Local::new(folder.path(), "run");
        std::fs::write(folder.path().join("x"), "").unwrap();
        let version = store.open("x").unwrap().unwrap().1;
        let entry = |sha256: &&str| Entry { path: PATH.to_owned(), rows: 2, sha256: (*sha256).to_owned() };
        let left = Left { path: "record".to_owned(), version, files: published.iter().map(entry).collect() };
        let mut known = Known::of(state, vec![left]);
        receipts.iter().cloned().for_each(|stored| known.mention(stored));
        known
    }

    fn word(known: &Known, sha256: &str) -> &'static str {
        match known.standing(PATH, sha256) {
            Standing::Current(_) => "current",
            Standing::Published(..) => "published",
            Standing::Restored(_) => "restored",
            Standing::Unknown => "unknown",
        }
    }

    #[test]
    fn every_byte_is_known_restored_or_damage() {
        let receipts = [receipt("1", ["01", "02"], "a"), receipt("2", ["03", "04"], "b")];
        let with_state = known(Some("b"), &["c"], &receipts);
        let words = ["b", "c", "a", "x"].map(|sha256| word(&with_state, sha256));
        assert_eq!(words, ["current", "published", "restored", "unknown"]);
        assert_eq!(with_state.standing("timelogs/part-0.parquet", "b"), Standing::Unknown, "of another file");
    }

    #[test]
    fn the_newest_receipt_stands_for_a_lost_state() {
        let receipts = [receipt("1", ["01", "02"], "a"), receipt("2", ["03", "04"], "b")];
        let lost = known(None, &["c"], &receipts);
        assert_eq!(["b", "c", "a", "x"].map(|it| word(&lost, it)), ["current", "published", "restored", "unknown"]);
        // Runs that overlapped: neither is the older.
        let receipts = [receipt("1", ["01", "04"], "a"), receipt("2", ["03", "05"], "b")];
        assert_eq!(["a", "b"].map(|it| word(&known(None, &[], &receipts), it)), ["current", "current"]);
        // What was put in place again is no older for the time between.
        let receipts =
            [receipt("1", ["01", "02"], "a"), receipt("2", ["03", "04"], "b"), receipt("3", ["05", "06"], "a")];
        assert_eq!(["a", "b"].map(|it| word(&known(None, &[], &receipts), it)), ["current", "restored"]);
    }
}
