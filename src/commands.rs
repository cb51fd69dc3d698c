//! The commands that take time, put together from the library.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use rollbook::api::{Client, Clock, Credentials, Secret};
use rollbook::cli::{Backfill, Demo, Export, Global, Simulate};
use rollbook::config::{Config, Environment};
use rollbook::dataset::destination::Destination;
use rollbook::dataset::receipt::Receipt;
use rollbook::error::{Error, Kind, Result};
use rollbook::export::{Run, Work};
use rollbook::progress::Progress;
use rollbook::range::Range;
use rollbook::signal::Stop;
use rollbook::sim::{Account, Auth, Options, Server, Shape};
use rollbook::{demo, summary};
use tokio::task::block_in_place;

/// What every command is given.
pub struct Setting<'a> {
    pub config: Config,
    pub environment: &'a Environment,
    pub clock: Clock,
    pub progress: Arc<Progress>,
}

/// How a run ended, and what to print of it.
pub struct Ended {
    pub receipt: Receipt,
    pub text: String,
    pub error: Option<Error>,
}

/// `export`
pub async fn export(setting: Setting<'_>, global: &Global, export: &Export, stop: Stop) -> Result<Ended> {
    let work = Work::Export { full: export.full, meetings: export.meetings.clone() };
    let task = Task { command: "export", work, dry_run: global.dry_run, fresh: export.fresh, wait: export.wait };
    run(task, setting, stop).await
}

/// `backfill`
pub async fn backfill(setting: Setting<'_>, global: &Global, backfill: &Backfill, stop: Stop) -> Result<Ended> {
    let range = Range::resolve(&backfill.typed(), setting.clock.micros())?;
    tracing::info!("sessions that started from {}", range.text());
    let work = Work::Backfill { range, meetings: backfill.meetings.clone() };
    let (dry_run, fresh, wait) = (global.dry_run, backfill.fresh, backfill.wait);
    run(Task { command: "backfill", work, dry_run, fresh, wait }, setting, stop).await
}

/// Runs with the credentials of the environment.
async fn run(task: Task, setting: Setting<'_>, stop: Stop) -> Result<Ended> {
    let get = |name: &str| setting.environment.get(name).map(str::to_owned);
    let credentials = Credentials::resolve(get, |path| std::fs::read_to_string(path))?;
    execute(task, setting, credentials, stop).await
}

/// `check`: what the API does, and what a run would do and could prove.
pub async fn check(setting: Setting<'_>, json: bool, stop: Stop) -> Result<String> {
    let Setting { config, environment, clock, .. } = setting;
    let credentials =
        Credentials::resolve(|name| environment.get(name).map(str::to_owned), |path| std::fs::read_to_string(path))?;
    let account = credentials.account();
    let client = Client::new(&config.api, credentials, clock.clone())?;
    let work = Work::Export { full: false, meetings: Vec::new() };
    let run_id = run_id(&clock);
    let Destination { layout, .. } = Destination::open(&config, environment, &run_id, true)?;
    layout.store().heed(&stop);
    if layout.store().folder().is_none() {
        block_in_place(|| rollbook::store::probe(layout.store(), &run_id))?;
    }
    let would = rollbook::export::would(&config, &layout, account, &work, &run_id, &clock)?;
    let report = rollbook::check::check(&client, config.api.per_page).await?;
    Ok(if json { report.json(&would) } else { report.text(&would) })
}

/// `demo`: a simulated account behind a real socket, exported like any other.
pub async fn demo(mut setting: Setting<'_>, global: &Global, demo: &Demo, stop: Stop) -> Result<Ended> {
    let account = Account::new(1, demo.sessions, Shape::Realistic);
    let server = serve(Options::new(account), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    setting.config.api.base_url = server
        .base_url()
        .parse()
        .map_err(|error| Error::new(Kind::Unexpected, "the simulated API has no usable address").because(error))?;
    let config = setting.config.clone();
    let credentials = Credentials::Token(Secret::new("demo"));
    let work = Work::Export { full: true, meetings: Vec::new() };
    let task = Task { command: "demo", work, dry_run: global.dry_run, fresh: false, wait: None };
    let mut ended = execute(task, setting, credentials, stop).await?;
    server.stop().await;
    if ended.error.is_none() && !global.dry_run {
        ended.text.push_str(&demo::show(&ended.receipt, &config)?);
    }
    Ok(ended)
}

/// `simulate`: the API alone.
pub async fn simulate(setting: &Setting<'_>, simulate: &Simulate) -> Result<Server> {
    let Simulate { listen, sessions, seed, per_page_cap, latency, rate_limit, gzip, prepared } = simulate;
    let token = setting.environment.get("VIDEOSDK_TOKEN").filter(|token| !token.is_empty());
    let options = Options {
        auth: token.map_or(Auth::Open, |token| Auth::Token(token.to_owned())),
        page_cap: *per_page_cap,
        latency: *latency,
        rate_limit: *rate_limit,
        gzip: *gzip,
        prepared: *prepared,
        ..Options::new(Account::new(*seed, *sessions, Shape::Realistic))
    };
    serve(options, *listen).await
}

async fn serve(options: Options, listen: SocketAddr) -> Result<Server> {
    Server::start(options, listen).await.map_err(|error| {
        Error::new(Kind::Config, format!("the simulated API cannot listen: {listen}"))
            .because(error)
            .hint("choose another port with --listen 127.0.0.1:0")
    })
}

/// What to run.
struct Task {
    command: &'static str,
    work: Work,
    dry_run: bool,
    fresh: bool,
    wait: Option<Duration>,
}

async fn execute(task: Task, setting: Setting<'_>, credentials: Credentials, stop: Stop) -> Result<Ended> {
    let Task { command, work, dry_run, fresh, wait } = task;
    let Setting { config, clock, progress, environment } = setting;
    let account = credentials.account();
    let client = Client::new(&config.api, credentials, clock.clone())?;
    let dataset = config.dataset.url.clone();
    let run_id = run_id(&clock);
    let mut destination = Destination::open(&config, environment, &run_id, dry_run)?;
    destination.terms.wait = wait;
    let run =
        Run { command, work, config, client, account, destination, dry_run, fresh, run_id, clock, stop, progress };
    let rollbook::export::Ended { receipt, error } = run.execute().await;
    let text = if error.is_none() { summary::of(&receipt, &dataset, dry_run) } else { String::new() };
    Ok(Ended { receipt, text, error })
}

/// The time, for people, and what tells two runs of one moment apart.
fn run_id(clock: &Clock) -> String {
    let now = clock.now();
    let nanos = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let unique = (u64::from(std::process::id()) << 32 | u64::from(nanos)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    format!("{}-{unique:06x}", DateTime::<Utc>::from(now).format("%Y%m%dT%H%M%S%3fZ"))
}
