//! Runs within this process, over a real socket, whose waits take no time: whenever nothing is asked for a moment, the hours
//! pass. For campaigns of thousands of runs, of which most wait for something.
//!
//! Server and client share one thread. So a request that is under way is answered before time goes on, and no timeout is
//! met but those that the server provokes.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, UNIX_EPOCH};

use rollbook::api::{Client, Credentials, Secret};
use rollbook::commands::export::{Run, Work};
use rollbook::config::{Environment, resolve};
use rollbook::dataset::destination::Destination;
use rollbook::dataset::layout::Layout;
use rollbook::dataset::published::Published;
use rollbook::dataset::receipt::{Ended, Receipt};
use rollbook::rows::partition::PartitionBy;
use rollbook::sim::account::NOW;
use rollbook::sim::{self, Options, Server};
use rollbook::terminal::progress::{Mode, Progress};
use rollbook::words::stop;
use tokio::runtime::Runtime;
use tokio::task::spawn_blocking;

/// The token that every run carries.
pub const TOKEN: &str = "campaign-token";

/// A runtime whose time passes by itself.
pub struct Quick {
    runtime: Runtime,
    /// Microseconds since its beginning, which is the present of the simulated accounts.
    passed: Arc<AtomicU64>,
    runs: u32,
}

/// How a run ended.
pub struct Night {
    pub receipt: Receipt,
    pub error: String,
}

impl Quick {
    pub fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        Self { runtime, passed: Arc::default(), runs: 0 }
    }

    /// A server that tells this time.
    pub fn serve(&self, options: Options) -> Server {
        let passed = Arc::clone(&self.passed);
        let clock = sim::Clock::new(move || NOW / 1_000_000 + seconds(&passed));
        let options = Options { clock, ..options };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.runtime.block_on(Server::start(options, address)).unwrap()
    }

    /// Time goes by, unnoticed.
    pub fn skip(&self, length: Duration) {
        self.passed.fetch_add(u64::try_from(length.as_micros()).unwrap(), Ordering::Relaxed);
    }

    /// `rollbook export` with settings, by their variables. An `Err` tells why the run was given up.
    pub fn export(&mut self, server: &Server, dataset: &Path, settings: &[(&str, String)]) -> Result<Night, String> {
        self.runs += 1;
        let run = self.prepare(server, dataset, settings);
        let passed = Arc::clone(&self.passed);
        self.runtime.block_on(async {
            tokio::select! {
                Ended { receipt, error, .. } = run.execute() => {
                    let error = error.map(|error| error.to_string()).unwrap_or_default();
                    Ok(Night { receipt, error })
                }
                why = pass(server, &passed) => Err(why),
            }
        })
    }

    fn prepare(&self, server: &Server, dataset: &Path, settings: &[(&str, String)]) -> Run {
        let own = [
            ("ROLLBOOK_API_BASE_URL", server.base_url()),
            ("ROLLBOOK_DATASET_URL", dataset.to_string_lossy().into_owned()),
        ];
        let variables = own.iter().chain(settings).map(|(name, value)| ((*name).into(), value.into()));
        let environment = Environment::new(variables).unwrap();
        let config = resolve(None, None, &environment, Vec::new()).unwrap().config;
        let passed = Arc::clone(&self.passed);
        let present = Duration::from_micros(NOW.unsigned_abs());
        let clock = rollbook::words::clock::Clock::new(move || {
            UNIX_EPOCH + present + Duration::from_micros(passed.load(Ordering::Relaxed))
        });
        let credentials = Credentials::Token(Secret::new(TOKEN));
        let run_id = format!("20261120T1800{:05}Z-{:06x}", self.runs, self.runs);
        // Whoever could stop it is gone.
        let stop = stop::channel().1;
        let destination = Destination::open(&config, &environment, &run_id, false, &stop).unwrap();
        Run {
            command: "export",
            work: Work::Export { full: false, meetings: Vec::new() },
            account: credentials.account(),
            client: Client::new(&config, credentials, clock.clone()).unwrap(),
            config,
            destination,
            fresh: false,
            run_id,
            clock,
            stop,
            progress: Arc::new(Progress::new(Mode::Never, false)),
            pause: Duration::from_secs(30),
        }
    }
}

fn seconds(passed: &AtomicU64) -> i64 {
    i64::try_from(passed.load(Ordering::Relaxed) / 1_000_000).unwrap()
}

/// Lets time pass while nothing is asked for; ends with the reason why a run is given up.
async fn pass(server: &Server, passed: &AtomicU64) -> String {
    const LOOK: Duration = Duration::from_micros(150);
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(2);
    const REQUESTS: u64 = 6_000;
    let (began, asked) = (Instant::now(), server.count());
    let (mut seen, mut looks, mut step) = (0, 0, FIRST);
    loop {
        spawn_blocking(|| std::thread::sleep(LOOK)).await.unwrap();
        let count = server.count() - asked;
        if count > REQUESTS {
            return format!("more than {REQUESTS} requests");
        }
        if began.elapsed() > Duration::from_mins(1) {
            return format!("no end after a minute and {count} requests");
        }
        looks += 1;
        if count != seen {
            (seen, looks, step) = (count, 0, FIRST);
        } else if looks > 3 {
            tokio::time::advance(step).await;
            passed.fetch_add(u64::try_from(step.as_micros()).unwrap(), Ordering::Relaxed);
            step = (step * 2).min(LONGEST);
        }
    }
}

/// The sessions of a dataset, and whether each was running when it was last seen.
pub fn sessions(dataset: &Path) -> BTreeMap<String, bool> {
    let mut sessions = BTreeMap::new();
    for published in Published::all(&Layout::local(dataset, PartitionBy::Month)).unwrap() {
        published
            .each_session(|_, known| {
                sessions.insert(known.id.to_owned(), known.is_open);
            })
            .unwrap();
    }
    sessions
}

/// Listed sessions, and whether each is running.
pub fn listed(server: &Server) -> BTreeMap<String, bool> {
    server.with_list(|list| list.sessions().map(|session| (session.id, session.end.is_none())).collect())
}

/// Sessions that were listed throughout and are not in the dataset, or are there as they were before.
pub fn losses(
    before: &BTreeMap<String, bool>,
    after: &BTreeMap<String, bool>,
    stored: &BTreeMap<String, bool>,
) -> Vec<String> {
    let throughout: Vec<_> = before.iter().filter(|(id, _)| after.contains_key(*id)).collect();
    let lost = throughout.iter().filter(|(id, _)| !stored.contains_key(*id)).count();
    let old = throughout.iter().filter(|(id, running)| !**running && stored.get(*id) == Some(&true)).count();
    let told = |number: usize, what| (number > 0).then(|| format!("{number} of {} sessions {what}", before.len()));
    told(lost, "lost").into_iter().chain(told(old, "still running that had ended")).collect()
}

/// A folder for datasets that go soon: in memory where this machine offers that, so that nothing waits for a disk.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
