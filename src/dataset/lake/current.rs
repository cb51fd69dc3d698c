//! `lake/current.json`: the one pointer for all three tables. It moves forward only, when all that stands beside a snapshot has
//! followed it.

use serde::{Deserialize, Serialize};

use super::paths::{self, CURRENT};
use super::snapshot::Snapshot;
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::rows::partition::PartitionBy;
use crate::rows::tables::Tables;
use crate::store::{Access, Swap, Version, failed};

/// What readers are told: the number of a snapshot, and its files, relative to the lake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// The number of the snapshot; 0 where nothing is current yet.
    pub snapshot: u64,
    run_id: String,
    created_at: String,
    /// The paths of each table's files: `sessions/start_month=2026-11/<sha256>.parquet`.
    tables: Tables<Vec<String>>,
}

/// The pointer as it was found.
pub struct Pointer {
    /// What it says; `None` where there is none.
    pub current: Option<Current>,
    /// Its version, if there is one.
    pub version: Option<Version>,
}

impl Current {
    /// The pointer to a snapshot.
    pub fn to(snapshot: &Snapshot) -> Self {
        let tables = snapshot.tables.each_ref();
        Self {
            snapshot: snapshot.snapshot,
            run_id: snapshot.run_id.clone(),
            created_at: snapshot.created_at.clone(),
            tables: tables.map(|entries| entries.iter().map(|entry| entry.path.clone()).collect()),
        }
    }

    /// The plain files that it stands for, and the SHA-256 of each.
    pub fn plain(&self, by: PartitionBy) -> impl Iterator<Item = (String, &str)> {
        self.tables.values().flatten().filter_map(move |path| paths::plain(by, path))
    }
}

impl Pointer {
    /// Reads the pointer.
    ///
    /// # Errors
    /// `Unreadable` where it is not one; `Destination`.
    pub fn read(layout: &Layout) -> Result<Self> {
        let Some((text, version)) = layout.store().read(CURRENT)? else {
            return Ok(Self { current: None, version: None });
        };
        match serde_json::from_slice(&text) {
            Ok(current) => Ok(Self { current: Some(current), version: Some(version) }),
            Err(error) => Err(Error::new(
                Kind::Unreadable,
                format!("the pointer to the current snapshot is damaged: {}", layout.store().place(CURRENT)),
            )
            .because(error)
            .hint("remove it; the next run that writes makes it anew from the newest snapshot")),
        }
    }

    /// The number of the snapshot that it leads to; 0 for none.
    pub fn number(&self) -> u64 {
        self.current.as_ref().map_or(0, |current| current.snapshot)
    }

    /// Whether it leads to this very snapshot.
    pub fn leads_to(&self, snapshot: &Snapshot) -> bool {
        self.current.as_ref() == Some(&Current::to(snapshot))
    }

    /// Moves it to a snapshot; false where somebody else has moved it meanwhile.
    ///
    /// # Errors
    /// `Destination`.
    pub fn move_to(&self, layout: &Layout, snapshot: &Snapshot) -> Result<bool> {
        let text = serde_json::to_vec_pretty(&Current::to(snapshot))
            .map_err(|error| failed("cannot write the file", layout.store().place(CURRENT), error))?;
        let draft = layout.store().draft(CURRENT, &text)?;
        Ok(layout.store().swap(draft, self.version.as_ref(), Access::Usual)? != Swap::Lost)
    }
}
