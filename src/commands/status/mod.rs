//! `status`: what a dataset holds, how its last runs went, and what waits, in a moment.
//!
//! It reads records and the ends of files, and no row where these tell enough. It writes nothing, takes no lease and asks no API.
//! A record that can't be read hides nothing that others tell: it becomes a notice, and what only it knew is not told.
//!
//! ```text
//! holding   what the files hold        notice   what is not as it should be
//! runs      what receipts say          ago      times with their age
//! report    all of it, for a person and for a machine
//! ```

pub mod command;
mod holding;
mod notice;
mod report;
mod runs;
mod text;

use super::export;
use crate::config::Config;
use crate::dataset::destination::Destination;
use crate::dataset::erasures::Erasures;
use crate::dataset::lake::Lake;
use crate::dataset::layout::Layout;
use crate::dataset::receipt::past;
use crate::dataset::state::{self, Covered, Found, State};
use crate::dataset::{admission, lease, publishing, rejects};
use crate::error::{Kind, Result};
use crate::rows::partition::PartitionBy;
use crate::stage::{Stage, Waiting};
use crate::words::clock::Clock;
use crate::words::stop::Stop;
use notice::Notice;
use report::Due;
pub use report::Status;
use runs::Runs;

/// Looks at a dataset, however it is cut.
///
/// # Errors
/// `Absent` where there is none, `Lease` where a first run is making it; `Config` where it is of a newer version; `Destination`.
pub fn look(destination: &mut Destination, config: &Config, clock: &Clock, stop: &Stop) -> Result<Status> {
    let (mut notices, now) = (Vec::new(), clock.micros());
    let is_running = lease::is_held(&destination.layout, destination.terms, clock)?;
    let state = find_state(&destination.layout, &mut notices)?;
    let by = match state.as_ref().and_then(State::partition_by) {
        Some(by) => by,
        None => cut(&destination.layout)?,
    };
    destination.layout = destination.layout.cut(by);
    if state.is_none() {
        admission::refuse_absent(destination, clock)?;
    }
    destination.layout = Lake::shown(&destination.layout, stop)?;
    let (layout, state) = (&destination.layout, state.as_ref());
    let Runs { last, proven } = runs::look(layout, now, &mut notices)?;
    let holding = holding::look(layout, state, &mut notices)?;
    let erasures = erasures(layout, state, &mut notices)?;
    let (rejects, odd) = rejects::count(layout, now)?;
    notices.extend(odd.iter().map(|path| no_rejects(path)));
    if !is_running {
        half_published(layout, &mut notices)?;
    }
    let source = match state {
        Some(state) => Some((state.source().api_version.clone(), state.source().base_url.clone())),
        None => past::last_source(layout)?.map(|past::Source { version, base_url }| (version, base_url)),
    };
    let floor = export::floor(&[config.dataset.since, erasures.as_ref().and_then(Erasures::floor)]);
    let stopped = if is_running { None } else { stopped(destination, state, now, &mut notices) };
    Ok(Status {
        dataset: config.dataset.url.to_string(),
        account: state.and_then(|state| state.source().account.clone()),
        source,
        schema_version: state.map(State::schema_version),
        by,
        holding,
        last,
        proven,
        settled_until: settled(state.and_then(State::covered), config, now),
        due: due(state.and_then(State::covered), floor, config, now),
        rejects,
        gone: state.map(|state| state.gone().len() as u64),
        privacy: state.and_then(State::privacy).filter(|privacy| !privacy.is_open()),
        rules: erasures.map(|erasures| erasures.rules().len() as u64),
        stopped,
        is_running,
        notices,
        now,
    })
}

/// Sessions without an end in the dataset of this state; `None` where not all of their files can be read.
///
/// # Errors
/// `Destination`; `Raced` where other runs keep writing.
pub fn open_sessions(layout: &Layout, state: &State) -> Result<Option<u64>> {
    Ok(holding::look(layout, Some(state), &mut Vec::new())?.open)
}

/// The state, if it can be read.
fn find_state(layout: &Layout, notices: &mut Vec<Notice>) -> Result<Option<State>> {
    let damaged = |why: String| {
        let next = "rollbook export (it sets the state aside and reads the whole list)";
        Notice::new(&state::path(), format!("the state {why}"), next)
    };
    match State::glance(layout) {
        Err(error) if error.kind() == Kind::Unreadable => notices.push(Notice::of(&state::path(), &error)),
        found => match found? {
            Found::Known(state) => return Ok(Some(*state)),
            Found::Damaged(why) => notices.push(damaged(why)),
            Found::Nothing => {}
        },
    }
    Ok(None)
}

/// How a dataset without a state is cut, by its files; as the settings have it where no file tells.
fn cut(layout: &Layout) -> Result<PartitionBy> {
    let there = layout.versions()?;
    let fits = |by: &PartitionBy| there.keys().any(|path| layout.cut(*by).partition_of(path).is_some());
    let ways = PartitionBy::ALL.into_iter().map(|(_, by)| by);
    Ok([layout.by()].into_iter().chain(ways).find(fits).unwrap_or_else(|| layout.by()))
}

/// What was purged; `None` where that can't be told.
fn erasures(layout: &Layout, state: Option<&State>, notices: &mut Vec<Notice>) -> Result<Option<Erasures>> {
    let epoch = match state {
        Some(state) => state.purges(layout)?,
        None => past::named(layout)?.1,
    };
    match Erasures::load(layout, epoch) {
        Err(error) if matches!(error.kind(), Kind::Unreadable | Kind::Config) => {
            notices.push(Notice::of(&crate::dataset::erasures::path(), &error));
            Ok(None)
        }
        Err(error) => Err(error),
        Ok(erasures) => {
            if state.is_some_and(|state| state.erasures() < erasures.last_made()) {
                let next = "run the same `rollbook purge` again";
                notices.push(Notice::new(&crate::dataset::erasures::path(), "a purge was not finished", next));
            }
            Ok(Some(erasures))
        }
    }
}

fn no_rejects(path: &str) -> Notice {
    let next = "look what has written there; runs pass it over, and `rollbook verify --repair` sets it aside";
    Notice::new(path, "the file holds what is no record of rollbook's", next)
}

/// Tells of runs that have died while they published.
fn half_published(layout: &Layout, notices: &mut Vec<Notice>) -> Result<()> {
    publishing::each(layout, |path, read| {
        let (what, next) = match read {
            Ok(_) => ("a run was stopped while it published".to_owned(), "run `rollbook export`, which finishes that"),
            Err(what) => (format!("the record of files that a run was publishing {what}"), "rollbook verify --repair"),
        };
        notices.push(Notice::new(&path, what, next));
        Ok(())
    })
}

/// The start below which sessions are settled. A fence in the future, as a wrong clock leaves it, settles nothing.
fn settled(covered: Option<&Covered>, config: &Config, now: i64) -> Option<i64> {
    let fence = covered.and_then(Covered::fence).filter(|fence| *fence <= now)?;
    Some(fence.saturating_sub(i64::try_from(config.walk.lookback.as_micros()).unwrap_or(i64::MAX)))
}

/// When the whole list is read again, and why; `None` where that is never due by itself.
fn due(covered: Option<&Covered>, floor: Option<i64>, config: &Config, now: i64) -> Option<Due> {
    if let Some(why) = export::why_full(covered, floor, config, now) {
        return Some(Due { at: now, why: Some(why) });
    }
    let every = i64::try_from(config.walk.full_every.as_micros()).unwrap_or(i64::MAX);
    let at = covered?.full_at()?.saturating_add(every);
    (every > 0).then_some(Due { at, why: None })
}

/// The stopped run that the next one can go on with, as far as its journal tells.
fn stopped(destination: &Destination, state: Option<&State>, now: i64, notices: &mut Vec<Notice>) -> Option<Waiting> {
    let last_run = state.and_then(State::last_run);
    let goes_on = |waiting: &Waiting| {
        let is_recent = waiting.begun_at <= now && now <= waiting.until;
        is_recent && (last_run == waiting.last_run.as_deref() || last_run == Some(&waiting.run_id))
    };
    let mut found = None;
    for folder in &destination.stages {
        match Stage::waiting(folder) {
            Ok(waiting) => found = found.or_else(|| waiting.filter(goes_on)),
            Err(error) => notices.push(Notice::of(&folder.place().display().to_string(), &error)),
        }
    }
    found
}
