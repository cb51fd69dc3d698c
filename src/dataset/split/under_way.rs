//! `_rollbook/split.json`: the split under way. While there is one, exports and backfills wait until it is done: their rows would be
//! newer than those that it publishes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::PLAN_ANEW;
use crate::dataset::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::store::{Access, ROUNDS, Swap, Version, failed, unless_raced};
use crate::words::clock::Clock;
use crate::words::timestamp;

/// How long a split is under way after the last step that was done: a day, and what is not worth a word.
const PATIENCE: Duration = Duration::from_hours(25);
/// How much longer it must become under way for that to be written down.
const WORTH_A_WORD: Duration = Duration::from_hours(1);

/// The split under way, as the dataset knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnderWay {
    /// Its place.
    pub split: String,
    /// The run that it is.
    pub run_id: String,
    /// From when on it holds nobody up any more, RFC 3339.
    pub expires_at: String,
}

impl UnderWay {
    /// A split that has just done something.
    pub fn now(split: &str, run_id: &str, clock: &Clock) -> Self {
        let patience = i64::try_from(PATIENCE.as_micros()).unwrap_or(i64::MAX);
        let expires_at = timestamp::text(clock.micros().saturating_add(patience));
        Self { split: split.to_owned(), run_id: run_id.to_owned(), expires_at }
    }

    /// Whether nothing was done of it for so long that it holds nobody up any more.
    pub fn is_over(&self, clock: &Clock) -> bool {
        self.expires() <= clock.micros()
    }

    fn expires(&self) -> i64 {
        timestamp::parse(&self.expires_at).unwrap_or(i64::MIN)
    }
}

/// The split that is written down, whether it is over or not; `None` where there is none, or where nobody can read it.
///
/// # Errors
/// `Destination`.
pub fn noted(layout: &Layout) -> Result<Option<UnderWay>> {
    Ok(read(layout)?.0)
}

/// Refuses a dataset on which a split is under way.
///
/// # Errors
/// `Lease`; `Destination`.
pub fn refuse(layout: &Layout, clock: &Clock) -> Result<()> {
    match noted(layout)?.filter(|noted| !noted.is_over(clock)) {
        Some(noted) => Err(held(layout, &noted)),
        None => Ok(()),
    }
}

/// Writes down that a split is under way.
///
/// # Errors
/// `Lease` where another one is; `Destination`.
pub fn begin(layout: &Layout, now: &UnderWay, clock: &Clock) -> Result<()> {
    let attempt = || {
        let (noted, version) = read(layout)?;
        if let Some(noted) = noted.filter(|noted| noted.run_id != now.run_id) {
            if !noted.is_over(clock) {
                return Err(held(layout, &noted));
            }
            let UnderWay { split, run_id, .. } = noted;
            tracing::warn!(
                "a split of the dataset was never finished (run {run_id}); its rows may still lie here: {split}"
            );
        }
        write(layout, now, version.as_ref())
    };
    unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
}

/// Writes down that a split goes on. One that is not noted is over: nothing brings it back.
///
/// # Errors
/// `Config` where it is over; `Destination`.
pub fn prolong(layout: &Layout, now: &UnderWay, clock: &Clock) -> Result<()> {
    let worth = i64::try_from(WORTH_A_WORD.as_micros()).unwrap_or(i64::MAX);
    let attempt = || {
        let (noted, version) = read(layout)?;
        let noted = noted.filter(|noted| noted.run_id == now.run_id && !noted.is_over(clock));
        let Some(noted) = noted else {
            let what = format!("the split was given up, or nothing was done of it for a day: {}", now.split);
            return Err(Error::new(Kind::Config, what).hint(PLAN_ANEW));
        };
        if now.expires() < noted.expires().saturating_add(worth) {
            return Ok(Some(()));
        }
        write(layout, now, version.as_ref())
    };
    unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
}

fn write(layout: &Layout, now: &UnderWay, version: Option<&Version>) -> Result<Option<()>> {
    let text = serde_json::to_vec_pretty(now)
        .map_err(|error| failed("cannot write the file", layout.store().place(&path()), error))?;
    let draft = layout.store().draft(&path(), &text)?;
    Ok(matches!(layout.store().swap(draft, version, Access::Usual)?, Swap::Done(_)).then_some(()))
}

/// A split is over.
///
/// # Errors
/// `Destination`.
pub fn end(layout: &Layout, run_id: &str) -> Result<()> {
    match noted(layout)? {
        Some(noted) if noted.run_id == run_id => layout.store().remove(&path()),
        _ => Ok(()),
    }
}

/// Ends the split that is at a place, whatever its run.
///
/// # Errors
/// `Destination`.
pub fn end_at(layout: &Layout, split: &str) -> Result<()> {
    match noted(layout)? {
        Some(noted) if noted.split == split => layout.store().remove(&path()),
        _ => Ok(()),
    }
}

fn held(layout: &Layout, noted: &UnderWay) -> Error {
    let UnderWay { split, run_id, expires_at } = noted;
    let what = format!("a split is under way (run {run_id}), until {expires_at} at most: {}", layout.place());
    Error::new(Kind::Lease, what).hint(format!(
        "finish the split with `rollbook split finish --split {split}`, or give it up with `rollbook split drop --split {split}`"
    ))
}

fn read(layout: &Layout) -> Result<(Option<UnderWay>, Option<Version>)> {
    let Some((text, version)) = layout.store().read(&path())? else { return Ok((None, None)) };
    let noted = serde_json::from_slice(&text);
    if let Err(error) = &noted {
        tracing::warn!("the note of a split under way is damaged and holds nobody up ({error}): {}", path());
    }
    Ok((noted.ok(), Some(version)))
}

fn path() -> String {
    Layout::own("split.json")
}
