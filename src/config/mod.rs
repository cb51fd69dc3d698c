//! What a run is told to do: defaults < file < profile < environment < flags, resolved once.
//!
//! [`KEYS`] is the one table of settings. The file, the environment, `rollbook config` and `config/rollbook.toml` are
//! all driven by it; `Config::read` gives each its type and range. Credentials are no settings and never pass here.
//! Every value remembers its [`Source`], and an error about it names key, allowed values, source and value.

use std::path::PathBuf;
use std::time::Duration;

use crate::error;
use crate::rows::partition::PartitionBy;
use crate::rows::person::{self, Pattern, People};
use crate::store::place::Place;
use crate::walk::Evidence;

mod environment;
mod file;
mod keys;
mod privacy;
mod profile;
mod resolve;
mod show;
mod source;
mod value;

pub use environment::{Environment, HEALTHCHECK};
pub use keys::{KEYS, Key, example, written};
pub use privacy::Privacy;
pub use profile::Variables;
pub use resolve::{Resolved, Setting, resolve};
pub use source::{Override, Source};
pub use value::is_loopback;

use resolve::Values;
use value::{
    boolean, choice, decimal, optional_file, optional_folder, optional_moment, origin, pairs, period, program, whole,
};

/// Which version of the sessions API is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiVersion {
    /// `GET /v1/meeting-sessions`, without status, region and custom id.
    #[default]
    V1,
    /// `GET /v2/sessions`, with a filter for dates of the server's own.
    V2,
}

/// `[api]`: where the sessions come from, and how hard the API may be pressed.
#[derive(Debug, Clone, PartialEq)]
pub struct Api {
    /// The version whose paths are asked for: `"v1"` or `"v2"`.
    pub version: ApiVersion,
    /// The origin only; the documented paths are appended.
    pub base_url: url::Url,
    /// Rows asked for in one page.
    pub per_page: u32,
    /// Requests in flight at most, from 1 to 256.
    pub concurrency: usize,
    /// Requests that go out in a second at most; 0 sets no limit.
    pub requests_per_second: f64,
    /// Requests that one run may send, each attempt counted; 0 sets no limit.
    pub max_requests: u64,
    /// For the TCP and TLS handshake.
    pub connect_timeout: Duration,
    /// For each read of a response: the longest silence.
    pub read_timeout: Duration,
    /// For one attempt as a whole.
    pub request_timeout: Duration,
    /// For one request with all its retries.
    pub retry_budget: Duration,
    /// Decoded bytes of one response at most.
    pub max_body_bytes: u64,
}

/// `[walk]`: how the list is read, and what counts as proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walk {
    /// Rows by which neighbouring windows overlap at least.
    pub overlap: u32,
    /// How far a nightly run goes back behind the fence, for sessions that are listed late.
    pub lookback: Duration,
    /// How old the last full walk may be; zero is never too old.
    pub full_every: Duration,
    /// How old a running session may be to be asked for between full walks.
    pub ledger_max_age: Duration,
    /// The weakest evidence that exit code 0 is given for.
    pub accept: Evidence,
}

/// `[dataset]`: where the tables go, and what is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// A local folder, or a place in an object store.
    pub url: Place,
    /// How sessions are cut into partitions: all in one, by month or by day of their start, in UTC.
    pub partition_by: PartitionBy,
    /// Sessions that started before this get no rows, in microseconds since 1970; a floor under every goal.
    pub since: Option<i64>,
    /// Rejects that a run may have before it exits with 3: new ones, and all without an id.
    pub max_rejects: u64,
    /// Partitions that one run may make.
    pub max_partitions: usize,
    /// How long receipts are kept at least; zero keeps all.
    pub keep_receipts: Duration,
    /// Whether fields unknown to this version are kept in `extra`.
    pub keep_unknown_fields: bool,
}

/// `[snapshots]`: whether immutable files are kept beside the plain ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshots {
    /// What is kept; `None` for what the dataset has.
    pub format: Option<Format>,
    /// How long a snapshot is kept after a newer one has taken its place.
    pub keep: Duration,
}

impl Format {
    const ALL: [(&str, Self); 3] = [("none", Self::None), ("files", Self::Files), ("delta", Self::Delta)];

    /// The name that settings and records have for it.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, format)| *format == self).map_or("", |(name, _)| name)
    }

    /// The format of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, format)| format)
    }
}

/// What of snapshots a dataset has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The plain files alone.
    None,
    /// Immutable files, listed by snapshots.
    Files,
    /// The same, and a Delta log for each table.
    Delta,
}

/// All settings in force, each with its type; what a run is told, but for its goal.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `[api]`: the source, and how hard it may be pressed.
    pub api: Api,
    /// `[walk]`: how the list is read.
    pub walk: Walk,
    /// `[dataset]`: where the tables go.
    pub dataset: Dataset,
    /// `[snapshots]`: whether immutable files are kept, too.
    pub snapshots: Snapshots,
    /// `[people]`: who is one human.
    pub people: People,
    /// `[privacy]`: what of a session reaches the disk.
    pub privacy: Privacy,
    /// `[store]`: how an object store is reached.
    pub store: Store,
    /// `[stage]`: where rows wait.
    pub stage: Stage,
    /// `[notify]`: who is told how a run ended.
    pub notify: Notify,
}

/// `[store]`: how an object store is reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// Names and values for the store's client, such as `endpoint` and `http://127.0.0.1:9000`.
    pub options: Vec<(String, String)>,
    /// For one request to an object store with all its attempts and the waiting between them.
    pub retry_budget: Duration,
}

/// `[stage]`: where rows wait before they are published.
#[derive(Debug, Clone, PartialEq)]
pub struct Stage {
    /// A folder of this machine; beside the dataset when `None`.
    pub dir: Option<PathBuf>,
}

/// `[notify]`: who is told how a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notify {
    /// The program that is run after a run that did not end with 0, and its arguments; empty for none.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
    /// The file that gets the numbers of each run, if there is to be one.
    pub metrics_file: Option<PathBuf>,
}

const DAY: Duration = Duration::from_hours(24);

/// A time that is waited for.
fn timeout(text: &str) -> Result<Duration, String> {
    period(text, Duration::from_millis(1), DAY)
}

/// How old something may be.
fn age(text: &str) -> Result<Duration, String> {
    period(text, Duration::ZERO, 3650 * DAY)
}

impl Config {
    /// Gives every setting its type, or names the first one whose value isn't allowed.
    fn read(values: &Values) -> error::Result<Self> {
        Ok(Self {
            api: Api::read(values)?,
            walk: Walk::read(values)?,
            dataset: Dataset::read(values)?,
            snapshots: snapshots(values)?,
            people: people(values)?,
            privacy: Privacy::read(values)?,
            store: Store {
                options: values.read("store.options", pairs)?,
                retry_budget: values.read("store.retry_budget", timeout)?,
            },
            stage: Stage { dir: values.read("stage.dir", optional_folder)? },
            notify: Notify {
                command: values.read("notify.command", program)?,
                timeout: values.read("notify.timeout", timeout)?,
                metrics_file: values.read("notify.metrics_file", optional_file)?,
            },
        })
    }
}

fn snapshots(values: &Values) -> error::Result<Snapshots> {
    let format = |text: &str| match text {
        "" => Ok(None),
        text => choice(text, &Format::ALL, "`none`, `files` or `delta`").map(Some),
    };
    Ok(Snapshots { format: values.read("snapshots.format", format)?, keep: values.read("snapshots.keep", age)? })
}

fn people(values: &Values) -> error::Result<People> {
    let key = |text: &str| choice(text, &person::Key::ALL, "`name` or `participant_id`");
    let key = values.read("people.key", key)?;
    Ok(People::new(key, values.read("people.pattern", Pattern::parse)?, values.read("people.normalize", boolean)?))
}

impl Api {
    fn read(values: &Values) -> error::Result<Self> {
        let versions = [("v1", ApiVersion::V1), ("v2", ApiVersion::V2)];
        Ok(Self {
            version: values.read("api.version", |text| choice(text, &versions, "`v1` or `v2`"))?,
            base_url: values.read("api.base_url", origin)?,
            per_page: values.read("api.per_page", |text| whole(text, 1..=10_000))?,
            concurrency: values.read("api.concurrency", |text| whole(text, 1..=256))?,
            requests_per_second: values.read("api.requests_per_second", |text| decimal(text, 0.0..=10_000.0))?,
            max_requests: values.read("api.max_requests", |text| whole(text, 0..=u64::from(u32::MAX)))?,
            connect_timeout: values.read("api.connect_timeout", timeout)?,
            read_timeout: values.read("api.read_timeout", timeout)?,
            request_timeout: values.read("api.request_timeout", timeout)?,
            retry_budget: values.read("api.retry_budget", timeout)?,
            max_body_bytes: values.read("api.max_body_bytes", |text| whole(text, 1024..=1 << 30))?,
        })
    }
}

impl Walk {
    fn read(values: &Values) -> error::Result<Self> {
        let grounds = [("chain", Evidence::Chain), ("twice", Evidence::Twice), ("total", Evidence::Total)];
        Ok(Self {
            overlap: values.read("walk.overlap", |text| whole(text, 1..=1000))?,
            lookback: values.read("walk.lookback", age)?,
            full_every: values.read("walk.full_every", age)?,
            ledger_max_age: values.read("walk.ledger_max_age", age)?,
            accept: values.read("walk.accept", |text| choice(text, &grounds, "`chain`, `twice` or `total`"))?,
        })
    }
}

impl Dataset {
    fn read(values: &Values) -> error::Result<Self> {
        let cut = |text: &str| choice(text, &PartitionBy::ALL, "`none`, `month` or `day`");
        Ok(Self {
            url: values.read("dataset.url", Place::parse)?,
            partition_by: values.read("dataset.partition_by", cut)?,
            since: values.read("dataset.since", optional_moment)?,
            max_rejects: values.read("dataset.max_rejects", |text| whole(text, 0..=u64::from(u32::MAX)))?,
            max_partitions: values.read("dataset.max_partitions", |text| whole(text, 1..=100_000))?,
            keep_receipts: values.read("dataset.keep_receipts", age)?,
            keep_unknown_fields: values.read("dataset.keep_unknown_fields", boolean)?,
        })
    }
}

#[cfg(test)]
mod tests;
