//! The frame of a run that reads the API: credentials, settings that make no sense, the dataset's place, what to print of the
//! end.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, Utc};

use super::export::{Run, Work};
use super::{Ended, Setting, shortfall};
use crate::api::{Client, Credentials};
use crate::cli::{Global, Reading};
use crate::config::{self, Config, Environment, Variables};
use crate::dataset::destination::Destination;
use crate::dataset::receipt;
use crate::error::Result;
use crate::store::files::named;
use crate::terminal::summary;
use crate::words::clock::Clock;
use crate::words::range;
use crate::words::stop::Stop;

/// A run as it was typed: what to cover, and the flags that say how.
pub struct Task {
    pub command: &'static str,
    pub work: Work,
    pub dry_run: bool,
    pub create_parents: bool,
    pub fresh: bool,
    pub wait: Option<Duration>,
}

impl Task {
    /// The run of a command, with the flags that `export` and `backfill` share.
    pub fn new(command: &'static str, work: Work, global: &Global, reading: &Reading) -> Self {
        let (Global { dry_run, create_parents, .. }, Reading { fresh, wait, .. }) = (global, reading);
        Self { command, work, dry_run: *dry_run, create_parents: *create_parents, fresh: *fresh, wait: *wait }
    }
}

/// Refuses settings with which no run could do anything sensible, though each has its right form.
pub fn refuse_nonsense(config: &Config, environment: &Environment, clock: &Clock) -> Result<()> {
    if let Some(since) = config.dataset.since {
        range::refuse_prehistory("`dataset.since`", since)?;
        range::refuse_future("`dataset.since`", since, clock.micros())?;
    }
    if config::is_loopback(&config.api.base_url) { Ok(()) } else { environment.refuse_impossible_proxies() }
}

/// The run of a task with these credentials.
pub fn prepare(task: Task, setting: Setting<'_>, credentials: Credentials, stop: Stop) -> Result<Run> {
    let Task { command, work, dry_run, create_parents, fresh, wait } = task;
    let Setting { config, clock, run_id, progress, environment, .. } = setting;
    refuse_nonsense(&config, environment, &clock)?;
    let account = credentials.account();
    let client = Client::new(&config, credentials, clock.clone())?;
    let destination = Destination::open(&config, environment, &run_id, dry_run, &stop)?;
    let mut destination = destination.with_key(&config, environment)?;
    if !create_parents {
        destination.refuse_missing_parents(&config)?;
    }
    destination.terms.wait = wait;
    let pause = Duration::from_secs(30);
    Ok(Run { command, work, config, client, account, destination, fresh, run_id, clock, stop, progress, pause })
}

/// Runs a task with these credentials, and says what to print of the end.
pub async fn execute(task: Task, setting: Setting<'_>, credentials: Credentials, stop: Stop) -> Result<Ended> {
    tracing::info!("this run is called: {}", setting.run_id);
    let dry_run = task.dry_run;
    let dataset = setting.config.dataset.url.to_string();
    let (accept, max_rejects) = (setting.config.walk.accept, setting.config.dataset.max_rejects);
    let run = prepare(task, setting, credentials, stop)?;
    let receipt::Ended { receipt, shortfall, error } = run.execute().await;
    let text = if error.is_none() { summary::of(&receipt, &dataset, dry_run) } else { String::new() };
    let error = error.or_else(|| shortfall.map(|kind| shortfall::of(kind, &receipt, accept, max_rejects, dry_run)));
    Ok(Ended { receipt, text, error })
}

/// The time, for people, and what tells two runs of one moment apart.
pub fn run_id(clock: &Clock) -> String {
    let now = clock.now();
    let nanos = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let unique = (u64::from(std::process::id()) << 32 | u64::from(nanos)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    format!("{}-{unique:06x}", DateTime::<Utc>::from(now).format("%Y%m%dT%H%M%S%3fZ"))
}

/// Runs with the credentials of the environment.
pub async fn run(task: Task, setting: Setting<'_>, stop: Stop) -> Result<Ended> {
    let credentials = credentials(&setting)?;
    Box::pin(execute(task, setting, credentials, stop)).await
}

/// Whether the environment has any credentials, be they good or not.
pub fn has_credentials(setting: &Setting<'_>) -> bool {
    let Setting { environment, variables, .. } = setting;
    let Variables { token, token_file, api_key, secret_keys } = variables;
    let mut names = token.iter().chain(token_file).chain(api_key).chain(secret_keys);
    names.any(|name| environment.named(name).map_or(true, |value| value.is_some()))
}

/// The credentials of the environment. Says whom they are shown to, where that is not whom they are for.
pub fn credentials(setting: &Setting<'_>) -> Result<Credentials> {
    let Setting { config, environment, addressed_by, variables, .. } = setting;
    let Variables { token, token_file, api_key, secret_keys } = variables;
    let mut values = BTreeMap::new();
    for name in token.iter().chain(token_file).chain(api_key).chain(secret_keys) {
        values.insert(name.as_str(), environment.named(name)?);
    }
    let get = |name: &str| values.get(name).copied().flatten().map(str::to_owned);
    let credentials = Credentials::resolve(variables, get, named::secret)?;
    if let Some(source) = addressed_by {
        let server = config.api.base_url.origin().ascii_serialization();
        tracing::info!("the API is not asked at its usual address, {source} says: {server}");
    }
    Ok(credentials)
}
