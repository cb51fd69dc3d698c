//! `_rollbook/gone.jsonl`: the sessions that the API no longer knows, one a line, for whoever may read the dataset and not the
//! state.
//!
//! The state says which sessions they are, and this file follows it: each run that has stored the state makes the file agree
//! with it, also where a run before was killed between the two. Only the times are the file's own.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::layout::Layout;
use crate::error::Result;
use crate::store::{Access, ROUNDS, Swap, unless_raced};

/// A session that the API no longer knows. Times are RFC 3339.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// The session's id, as it was listed.
    pub session_id: String,
    /// When the run began that found this out; `None` where no record tells.
    pub noticed_at: Option<String>,
    /// The last time of which it is known that the session was listed then; `None` where no record tells.
    pub last_listed_at: Option<String>,
}

/// Where the file is, relative to the dataset.
pub fn path() -> String {
    Layout::own("gone.jsonl")
}

/// Makes the file name these sessions and no others. `noticed`: what a run has found out of those that it has missed first.
///
/// # Errors
/// `Destination`; `Raced` where other runs keep writing.
pub fn follow(layout: &Layout, ids: &BTreeSet<String>, noticed: &[Gone]) -> Result<()> {
    let attempt = || {
        let (before, version) = layout.store().read(&path())?.unzip();
        let before = before.unwrap_or_default();
        let text = lines(&before, ids, noticed);
        if text.as_bytes() == before {
            return Ok(Some(()));
        }
        let draft = layout.store().draft(&path(), text.as_bytes())?;
        let swap = layout.store().swap(draft, version.as_ref(), Access::Usual)?;
        Ok(matches!(swap, Swap::Done(_)).then_some(()))
    };
    unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
}

/// A line for each session, as it was before where it was there. A line that can't be read is none.
fn lines(before: &[u8], ids: &BTreeSet<String>, noticed: &[Gone]) -> String {
    let known = before.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Gone>(line).ok());
    let all = noticed.iter().cloned().chain(known);
    let mut all: BTreeMap<String, Gone> = all.map(|gone| (gone.session_id.clone(), gone)).collect();
    let line = |id: &String| {
        let gone = all.remove(id).unwrap_or_else(|| Gone { session_id: id.clone(), ..Gone::default() });
        serde_json::to_string(&gone).unwrap_or_default() + "\n"
    };
    ids.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_follows_the_state_and_keeps_its_times() {
        let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
        let at = |id: &str, noticed: &str| Gone {
            session_id: id.to_owned(),
            noticed_at: Some(noticed.to_owned()),
            last_listed_at: None,
        };
        let line = |id: &str, noticed: &str| {
            format!("{{\"session_id\":\"{id}\",\"noticed_at\":{noticed},\"last_listed_at\":null}}\n")
        };
        let first = lines(b"", &ids(&["b"]), &[at("b", "1")]);
        assert_eq!(first, line("b", "\"1\""));
        // One that a killed run, or an older version, has found stays without a time.
        let second = lines(format!("{first}{{torn").as_bytes(), &ids(&["a", "b", "c"]), &[at("c", "2"), at("b", "2")]);
        assert_eq!(second, line("a", "null") + &line("b", "\"1\"") + &line("c", "\"2\""));
        assert_eq!(lines(second.as_bytes(), &ids(&["c"]), &[]), line("c", "\"2\""));
        assert_eq!(lines(second.as_bytes(), &ids(&[]), &[]), "");
    }
}
