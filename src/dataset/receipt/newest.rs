//! The receipts of a dataset, the newest first: what became of its last runs.

use serde::Deserialize;

use super::super::layout::Layout;
use super::{RUNS, past};
use crate::error::Result;

/// How a run went, by its receipt.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Run {
    /// The run, as its receipt is named.
    pub run_id: String,
    /// The command: `export`, `backfill`, `purge`, `demo` or `verify`.
    pub command: String,
    /// When it was over, RFC 3339.
    pub finished_at: String,
    /// The process's exit code: 0 where the run did all that it should.
    pub exit_code: u8,
    /// In a word: `proven`, or what failed.
    pub outcome: String,
    /// The message of what failed, in one line; `None` where nothing did.
    #[serde(default)]
    pub error: Option<String>,
    #[serde(default)]
    goal: Goal,
    #[serde(default)]
    walk: Walk,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Goal {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    meeting_ids: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Walk {
    #[serde(default)]
    evidence: Option<String>,
}

impl Run {
    /// How strongly it could show that nothing was missed; `None` for a run that has not asked the API.
    pub fn evidence(&self) -> Option<&str> {
        self.walk.evidence.as_deref().filter(|_| self.has_walked())
    }

    /// Whether it has shown that no session was missed: an export of all meetings that ended with 0. Neither a range of dates
    /// nor some meetings show that.
    pub fn is_proof(&self) -> bool {
        self.exit_code == 0 && matches!(self.goal.kind.as_str(), "full" | "nightly") && self.goal.meeting_ids.is_empty()
    }

    fn has_walked(&self) -> bool {
        matches!(self.goal.kind.as_str(), "full" | "nightly" | "range")
    }
}

/// Calls with the path of each receipt and how its run went, the newest first, until it is told that this is enough; `None` where
/// a receipt is of no known form.
///
/// # Errors
/// `Destination` where a receipt can't be read.
pub fn each(layout: &Layout, mut is_enough: impl FnMut(String, Option<Run>) -> bool) -> Result<()> {
    let listed = layout.store().list(&Layout::own(RUNS))?;
    for (path, _) in listed.into_iter().rev().filter(|(path, _)| past::is_receipt(path)) {
        let text = layout.store().read(&path)?.map(|(text, _)| text).unwrap_or_default();
        if is_enough(path, serde_json::from_slice(&text).ok()) {
            return Ok(());
        }
    }
    Ok(())
}
