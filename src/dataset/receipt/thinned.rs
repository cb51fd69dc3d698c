//! Which receipts may go once they are old, so that nothing that rests on receipts falls.
//!
//! A receipt stays, however old, if it is the last one for a file, since it then stands for a lost state; if it names the bytes
//! that the state has for a file; if it is the newest of all, the newest that ended with 0, the newest proof, or the newest that
//! says where the sessions come from; if it tells of a purge; and if it can't be understood.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::newest::Run;
use super::past::{self, Stored};
use super::{RUNS, stored_at};
use crate::dataset::layout::Layout;
use crate::dataset::state::{Found, State};
use crate::error::Result;
use crate::words::clock::Clock;
use crate::words::timestamp;

/// A receipt that is understood.
struct Kept {
    path: String,
    began: i64,
    ended: i64,
    stored: Stored,
    run: Run,
}

/// Removes receipts of runs that were over so long ago, as far as nothing rests on them; with zero, none. A failure is a
/// warning: the next run tries again.
pub fn thin(layout: &Layout, keep: Duration, clock: &Clock) {
    let keep = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    let until = clock.micros().saturating_sub(keep);
    match if keep == 0 { Ok(0) } else { remove(layout, until) } {
        Ok(0) => {}
        Ok(removed) => tracing::info!(
            "receipts of long ago that nothing rests on are removed (`dataset.keep_receipts`): {removed}"
        ),
        Err(error) => tracing::warn!("old receipts are not removed: {}", error.line()),
    }
}

/// Removes the receipts of runs that were over before a moment, in microseconds, and that may go; how many they were.
fn remove(layout: &Layout, until: i64) -> Result<usize> {
    // The names say when runs began. On most nights that is all that need be read.
    let second = timestamp::text(until).get(..19).unwrap_or_default().replace(['-', ':'], "");
    let first = stored_at(&second);
    let listed = layout.store().list(&Layout::own(RUNS))?;
    if listed.iter().all(|(path, _)| *path >= first) {
        return Ok(0);
    }
    let kept = read(layout, listed.into_iter().map(|(path, _)| path))?;
    let current = current(layout)?;
    let may_go = superfluous(&kept, until, &current);
    for path in &may_go {
        layout.store().remove(path)?;
    }
    Ok(may_go.len())
}

/// All receipts that are understood, the oldest first.
fn read(layout: &Layout, paths: impl Iterator<Item = String>) -> Result<Vec<Kept>> {
    let mut kept = Vec::new();
    for path in paths.filter(|path| past::is_receipt(path)) {
        let Some((text, _)) = layout.store().read(&path)? else { continue };
        let (stored, run) = (serde_json::from_slice::<Stored>(&text).ok(), serde_json::from_slice::<Run>(&text).ok());
        let Some((stored, run)) = stored.zip(run).filter(|(_, run)| stored_at(&run.run_id) == path) else { continue };
        let times = timestamp::parse(&stored.started_at).zip(timestamp::parse(&stored.finished_at));
        if let Some((began, ended)) = times {
            kept.push(Kept { path, began, ended, stored, run });
        }
    }
    Ok(kept)
}

/// The bytes that the state has, by path.
fn current(layout: &Layout) -> Result<BTreeMap<String, String>> {
    let Found::Known(state) = State::glance(layout)? else { return Ok(BTreeMap::new()) };
    Ok(state.into_files().into_iter().map(|(path, recorded)| (path, recorded.sha256)).collect())
}

/// The paths of the receipts that may go.
fn superfluous<'a>(kept: &'a [Kept], until: i64, current: &BTreeMap<String, String>) -> Vec<&'a str> {
    let mut needed = BTreeSet::new();
    let newest = |is_one: &dyn Fn(&Kept) -> bool| kept.iter().rev().find(|it| is_one(it)).map(|it| it.path.as_str());
    needed.extend(newest(&|_| true));
    needed.extend(newest(&|it| it.run.exit_code == 0));
    needed.extend(newest(&|it| it.run.is_proof()));
    needed.extend(newest(&|it| it.stored.tells_the_source()));
    // The newest receipt with the bytes that a file has now, and when the last run began that names the file.
    let (mut with_bytes, mut last) = (BTreeMap::new(), BTreeMap::new());
    for it in kept {
        for file in &it.stored.partitions {
            let began = last.entry(file.path.as_str()).or_insert(i64::MIN);
            *began = it.began.max(*began);
            if current.get(&file.path) == Some(&file.sha256) {
                with_bytes.insert(file.path.as_str(), it.path.as_str());
            }
        }
    }
    needed.extend(with_bytes.into_values());
    // Of two runs that overlapped, either may have been the last.
    let is_last = |it: &Kept| {
        it.stored.partitions.iter().any(|file| last.get(file.path.as_str()).is_none_or(|began| *began <= it.ended))
    };
    let may_go = |it: &&Kept| {
        let rests = needed.contains(it.path.as_str()) || it.run.command == "purge" || is_last(it);
        it.ended < until && !rests
    };
    kept.iter().filter(may_go).map(|it| it.path.as_str()).collect()
}
