//! What becomes of kept records when there is a new rule: somebody is erased, or something is protected.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;

use super::{FOLDER, Line, each, rewrite, run_time};
use crate::dataset::erasures::Tally;
use crate::dataset::layout::Layout;
use crate::error::Result;
use crate::rows::erasure::Denied;
use crate::rows::privacy::{Privacy, shape};
use crate::words::{id, timestamp};

/// How much a purge has changed in the files of rejects.
#[derive(Debug, Default)]
pub struct Purged {
    /// Records that were changed or dropped.
    pub records: u64,
    /// Files that held what is no line of them, which is dropped.
    pub damaged: Vec<String>,
}

/// Takes the erased out of all rejects, and drops records of sessions that started before a floor (microseconds, with the number
/// of its rule): those whose start can't be read by the time of their run. Adds to the tally by which rules.
///
/// # Errors
/// `Destination`, or `Raced` where another run came between.
pub fn purge(layout: &Layout, denied: Option<&Denied>, floor: Option<(i64, u32)>, tally: &mut Tally) -> Result<Purged> {
    let mut done = Purged::default();
    for (path, version) in layout.store().list(&Layout::own(FOLDER))? {
        let run = run_time(&path);
        let purged = |line: Line, by: &mut dyn FnMut(u32)| {
            let start = line.raw.as_deref().map_or(run, |raw| start(raw).or(run));
            if let Some(((floor, rule), start)) = floor.zip(start)
                && start < floor
            {
                by(rule);
                return None;
            }
            let mut scrub = |raw| denied.map_or(Cow::Borrowed(raw), |denied| denied.scrub_by(raw, by)).into_owned();
            Some(Line { raw: line.raw.as_deref().map(&mut scrub), ..line })
        };
        let mut here = 0;
        let is_whole = each(layout, &path, |line| {
            let mut rules = BTreeSet::new();
            let rest = purged(line.clone(), &mut |rule| {
                rules.insert(rule);
            });
            if rest.as_ref() != Some(&line) {
                here += 1;
                for rule in rules {
                    tally.entry(rule).or_default().rejects += 1;
                }
            }
            Ok(())
        })?;
        if here > 0 || !is_whole {
            rewrite(layout, &path, &version, |line| purged(line, &mut |_| {}))?;
        }
        done.records += here;
        // What can't be read may hold what is purged.
        done.damaged.extend((!is_whole).then_some(path));
    }
    Ok(done)
}

/// Leaves the shape alone of all raw records, by a rule that is stricter than the one that they were kept by.
///
/// # Errors
/// `Destination`, or `Raced` where another run came between.
pub fn protect(layout: &Layout, privacy: &Privacy) -> Result<()> {
    let protected = |line: Line| {
        // Of a record that is kept as a hash alone nothing is left to tell by whose key that was made.
        let raw = line.raw.as_deref()?;
        let hash = match &line.hash {
            Some(hash) => hash.clone(),
            None => format!("{:x}", privacy.mark(id::hash(raw))?),
        };
        Some(Line { hash: Some(hash), raw: Some(shape(raw, privacy.columns())), ..line })
    };
    for (path, version) in layout.store().list(&Layout::own(FOLDER))? {
        let mut is_protected = true;
        let is_whole = each(layout, &path, |line| {
            is_protected &= protected(line.clone()).as_ref() == Some(&line);
            Ok(())
        })?;
        if !(is_protected && is_whole) {
            rewrite(layout, &path, &version, protected)?;
        }
    }
    Ok(())
}

/// The start of a raw record, in microseconds.
fn start(raw: &str) -> Option<i64> {
    #[derive(Deserialize)]
    struct Started {
        start: Option<String>,
    }
    timestamp::parse(&serde_json::from_str::<Started>(raw).ok()?.start?)
}
