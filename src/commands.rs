//! The commands that take time, put together from the library.

use std::io::{self, IsTerminal, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use chrono::{DateTime, Utc};
use rollbook::api::{Client, Clock, Credentials, Secret};
use rollbook::cli::{Backfill, Demo, Export, Global, Purge, Simulate, Verify};
use rollbook::config::{self, Config, Environment};
use rollbook::dataset::admission::{self, Purpose};
use rollbook::dataset::destination::Destination;
use rollbook::dataset::erasures::Erase;
use rollbook::dataset::receipt::{self, Receipt};
use rollbook::dataset::state::State;
use rollbook::erasure::Identifier;
use rollbook::error::{Error, Kind, Result};
use rollbook::export::{Run, Work};
use rollbook::files::named;
use rollbook::progress::Progress;
use rollbook::purge::Task as PurgeTask;
use rollbook::purge::consent::Consent;
use rollbook::range::{self, Range};
use rollbook::signal::Stop;
use rollbook::sim::{Account, Answered, Auth, Change, On, Options, Script, Server, Shape, Special};
use rollbook::verify::Verify as Job;
use rollbook::{check, demo, shortfall, summary, verify};
use tokio::sync::oneshot;
use tokio::task::block_in_place;

/// What every command is given.
pub struct Setting<'a> {
    pub config: Config,
    /// Who has the API asked at another address than the usual one, if somebody has.
    pub addressed_by: Option<String>,
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
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "export", work, dry_run, create_parents, fresh: export.fresh, wait: export.wait };
    run(task, setting, stop).await
}

/// `backfill`
pub async fn backfill(setting: Setting<'_>, global: &Global, backfill: &Backfill, stop: Stop) -> Result<Ended> {
    let range = Range::resolve(&backfill.typed(), setting.clock.micros())?;
    tracing::info!("sessions that started from {}", range.text());
    let work = Work::Backfill { range, meetings: backfill.meetings.clone() };
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "backfill", work, dry_run, create_parents, fresh: backfill.fresh, wait: backfill.wait };
    run(task, setting, stop).await
}

/// `purge`
pub async fn purge(setting: Setting<'_>, global: &Global, purge: &Purge, stop: Stop) -> Result<Ended> {
    let Setting { config, environment, clock, progress, .. } = setting;
    let task = match purge.take_back {
        Some(number) => PurgeTask::TakeBack(number),
        None => PurgeTask::Erase {
            erase: what_to_erase(purge, clock.micros())?,
            key: fresh_key()?,
            consent: consent(purge.yes),
        },
    };
    let run_id = run_id(&clock);
    let dataset = config.dataset.url.to_string();
    let mut destination = Destination::open(&config, environment, &run_id, global.dry_run, &stop)?;
    destination.terms.wait = purge.wait;
    let dry_run = global.dry_run;
    let job = rollbook::purge::Purge { task, config, destination, dry_run, run_id, clock, stop, progress };
    let receipt::Ended { receipt, error } = job.execute().await;
    let text = if error.is_none() { summary::of_purge(&receipt, &dataset, dry_run) } else { String::new() };
    let error = error.or_else(|| shortfall::of_purge(&receipt));
    Ok(Ended { receipt, text, error })
}

/// `purge --list`: the rules in force.
pub fn rules(setting: &Setting<'_>, json: bool, stop: &Stop) -> Result<String> {
    let Setting { config, environment, clock, .. } = setting;
    let destination = Destination::open(config, environment, &run_id(clock), true, stop)?;
    let erasures = block_in_place(|| rollbook::purge::rules(&destination, config.dataset.partition_by, clock))?;
    Ok(if json {
        summary::rules_json(&erasures)
    } else {
        summary::of_rules(&erasures, &config.dataset.url.to_string())
    })
}

fn what_to_erase(purge: &Purge, now: i64) -> Result<Erase> {
    let before = purge.before.as_deref().map(|text| match range::moment(text) {
        None => Err(range::no_date("--before", text, range::MOMENT).hint("dates are UTC")),
        Some(before) if before > now => {
            let what = format!("`--before` lies in the future, so everything would go: {text}");
            Err(Error::new(Kind::Config, what).hint("give a date that has passed"))
        }
        Some(before) => range::refuse_prehistory("`--before`", before).map(|()| before),
    });
    let by_name = if purge.exact { Identifier::ExactName } else { Identifier::Name };
    let known = |by, texts: &[String]| texts.iter().map(|text| (by, text.clone())).collect::<Vec<_>>();
    let people = [known(Identifier::Id, &purge.ids), known(by_name, &purge.names)].concat();
    Ok(Erase { before: before.transpose()?, people })
}

fn fresh_key() -> Result<[u8; 32]> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)
        .map_err(|error| Error::new(Kind::Unexpected, "the system has no random numbers").because(error))?;
    Ok(key)
}

/// Who says so where a rule matches nothing.
fn consent(yes: bool) -> Consent {
    if yes {
        Consent::Given
    } else if io::stdin().is_terminal() && io::stderr().is_terminal() {
        Consent::Asked(Box::new(ask))
    } else {
        Consent::Nobody
    }
}

/// Asks on the terminal. The thread that waits for the answer is left behind where a signal ends the waiting.
fn ask(question: String) -> oneshot::Receiver<bool> {
    let (sender, receiver) = oneshot::channel();
    std::thread::spawn(move || {
        let mut answer = String::new();
        crate::LOG.flush();
        let asked = write!(io::stderr(), "{question}").and_then(|()| io::stdin().read_line(&mut answer));
        let _ = sender.send(asked.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"));
    });
    receiver
}

/// Runs with the credentials of the environment.
async fn run(task: Task, setting: Setting<'_>, stop: Stop) -> Result<Ended> {
    let credentials = credentials(&setting)?;
    execute(task, setting, credentials, stop).await
}

/// The credentials of the environment. Says whom they are shown to, where that is not whom they are for.
fn credentials(setting: &Setting<'_>) -> Result<Credentials> {
    let Setting { config, environment, addressed_by, .. } = setting;
    let credentials = Credentials::resolve(|name| environment.get(name).map(str::to_owned), named::secret)?;
    if let Some(source) = addressed_by {
        let server = config.api.base_url.origin().ascii_serialization();
        tracing::info!("the API is not asked at its usual address, {source} says: {server}");
    }
    Ok(credentials)
}

/// `check`: what the API does, what a run would do and could prove, and whether it could write.
pub async fn check(setting: Setting<'_>, global: &Global, stop: Stop) -> Result<Told> {
    refuse_nonsense(&setting.config, setting.environment, &setting.clock)?;
    let credentials = credentials(&setting)?;
    let Setting { config, environment, clock, .. } = setting;
    let account = credentials.account();
    let client = Client::new(&config.api, credentials, clock.clone())?;
    let work = Work::Export { full: false, meetings: Vec::new() };
    let run_id = run_id(&clock);
    let destination = Destination::open(&config, environment, &run_id, true, &stop)?;
    let Destination { layout, .. } = &destination;
    let mut tried = if global.create_parents { Ok(()) } else { destination.refuse_missing_parents(&config) };
    tried = tried.and_then(|()| block_in_place(|| destination.try_out(&run_id)));
    let would = match &tried {
        Ok(()) => Some(rollbook::export::would(&config, layout, account, &work, &run_id, &clock)?),
        Err(_) => None,
    };
    match (check::check(&client, config.api.per_page, config.walk.overlap.into()).await, tried) {
        (Ok(report), tried) => {
            let (place, error) = (config.dataset.url.to_string(), tried.err());
            let would = check::Would { place: &place, writable: error.is_none(), read: would.as_deref() };
            Ok(Told { text: if global.json { report.json(&would) } else { report.text(&would) }, error })
        }
        (Err(failed), Ok(())) => Err(failed),
        (Err(failed), Err(error)) => {
            tracing::warn!("the API fails, too: {failed}");
            Err(error)
        }
    }
}

/// What a command has found out, and what of it is an error.
pub struct Told {
    pub text: String,
    pub error: Option<Error>,
}

/// `verify`: what the dataset is worth. Only a repair writes, and takes the right to.
pub async fn verify(setting: &Setting<'_>, global: &Global, verify: &Verify, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, progress, .. } = setting;
    let (run_id, by, begun) = (run_id(clock), config.dataset.partition_by, Instant::now());
    let writes = (verify.repair || !verify.accept.is_empty()) && !global.dry_run;
    let mut destination = Destination::open(config, environment, &run_id, !writes, stop)?;
    destination.terms.wait = verify.wait;
    let layout = destination.layout.clone();
    let mut _lease = None;
    if writes {
        // Taking the lease would make a folder where there is nothing to repair.
        admission::refuse_absent(&destination, clock)?;
        _lease = admission::admit(&destination, &run_id, clock, stop, Purpose::Repair).await?;
    }
    let vouched = verify::vouched(&layout, &verify.accept)?;
    let present = layout.partition(Some(clock.micros()));
    let job = Job { layout: &layout, by, present, share: verify.sample, vouched, stop, progress };
    let looked = block_in_place(|| job.run());
    let mut report = looked.map_err(|error| admission::unless_under_way(error, &destination, clock))?;
    if verify.repair && !report.is_sound() {
        let plan = verify::plan(&layout, &report.damages, present)?;
        let done = if writes {
            block_in_place(|| plan.perform(&layout, by, &run_id, &report.json(&layout)))?
        } else {
            plan.foretell(&layout, &run_id)
        };
        report.repaired(&layout, present, done);
    }
    if !verify.accept.is_empty() {
        let receipt = writes.then(|| Receipt::blank(&run_id, "verify", &config.api, clock));
        let receipt = block_in_place(|| verify::accept(&layout, by, &mut report, &verify.accept, receipt))?;
        if let Some(mut receipt) = receipt {
            receipt.finish(clock, begun.elapsed());
            block_in_place(|| receipt.store(&layout))?;
        }
    }
    let text = if global.json { report.json(&layout) } else { report.text() };
    Ok(Told { text, error: report.error() })
}

/// `demo`: a simulated account behind a real socket, exported like any other.
pub async fn demo(mut setting: Setting<'_>, global: &Global, demo: &Demo, stop: Stop) -> Result<Ended> {
    let account = Account::new(1, demo.sessions, Shape::Realistic);
    let server = serve(Options::new(account), SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
    setting.config.api.base_url = server
        .base_url()
        .parse()
        .map_err(|error| Error::new(Kind::Unexpected, "the simulated API has no usable address").because(error))?;
    // The simulated API speaks both versions: a dataset that is there already goes on with its own.
    let Destination { layout, .. } = Destination::open(&setting.config, setting.environment, "demo", true, &stop)?;
    if let Some(version) = State::version_of(&layout, setting.config.dataset.partition_by)? {
        setting.config.api.version = version;
    }
    let config = setting.config.clone();
    let credentials = Credentials::Token(Secret::new("demo"));
    let work = Work::Export { full: true, meetings: Vec::new() };
    let (dry_run, create_parents) = (global.dry_run, global.create_parents);
    let task = Task { command: "demo", work, dry_run, create_parents, fresh: false, wait: None };
    let mut ended = execute(task, setting, credentials, stop).await?;
    server.stop().await;
    if ended.error.is_none() && !global.dry_run {
        ended.text.push_str(&demo::show(&ended.receipt, &config)?);
    }
    Ok(ended)
}

/// `simulate`: the API alone.
pub async fn simulate(setting: &Setting<'_>, simulate: &Simulate) -> Result<Server> {
    let Simulate { listen, sessions, seed, per_page_cap, latency, rate_limit, gzip, prepared, .. } = simulate;
    let Simulate { refuse_above, fail_every, reject_every, churn, .. } = simulate;
    let refused = refuse_above.map(|most| Special::new(On::SizeAbove(most), Answered::Status(400)));
    let failing = fail_every.map(|step| Special::new(On::ListEvery(step), Answered::Status(503)));
    let script = if *churn > 0 { Script::new().every(1, 1, Change::Churn(*churn)) } else { Script::new() };
    let clock = setting.clock.clone();
    let token = setting.environment.get("VIDEOSDK_TOKEN").filter(|token| !token.is_empty());
    let options = Options {
        auth: token.map_or(Auth::Open, |token| Auth::Token(token.to_owned())),
        page_cap: *per_page_cap,
        latency: *latency,
        rate_limit: *rate_limit,
        gzip: *gzip,
        prepared: *prepared,
        specials: failing.into_iter().chain(refused).collect(),
        reject_every: *reject_every,
        clock: rollbook::sim::Clock::new(move || clock.micros().div_euclid(1_000_000)),
        script,
        ..Options::new(Account::new(*seed, *sessions, Shape::Realistic))
    };
    serve(options, *listen).await
}

async fn serve(options: Options, listen: SocketAddr) -> Result<Server> {
    Server::start(options, listen).await.map_err(|error| {
        Error::new(Kind::Config, format!("the simulated API cannot listen: {listen}"))
            .because(error)
            .hint("give a free port of this machine, such as --listen 127.0.0.1:0")
    })
}

/// What to run.
struct Task {
    command: &'static str,
    work: Work,
    dry_run: bool,
    create_parents: bool,
    fresh: bool,
    wait: Option<Duration>,
}

/// Refuses settings with which no run could do anything sensible, though each has its right form.
fn refuse_nonsense(config: &Config, environment: &Environment, clock: &Clock) -> Result<()> {
    if let Some(since) = config.dataset.since {
        range::refuse_prehistory("`dataset.since`", since)?;
        range::refuse_future("`dataset.since`", since, clock.micros())?;
    }
    if config::is_loopback(&config.api.base_url) { Ok(()) } else { environment.refuse_impossible_proxies() }
}

async fn execute(task: Task, setting: Setting<'_>, credentials: Credentials, stop: Stop) -> Result<Ended> {
    let Task { command, work, dry_run, create_parents, fresh, wait } = task;
    let Setting { config, clock, progress, environment, .. } = setting;
    refuse_nonsense(&config, environment, &clock)?;
    let account = credentials.account();
    let client = Client::new(&config.api, credentials, clock.clone())?;
    let dataset = config.dataset.url.to_string();
    let run_id = run_id(&clock);
    let mut destination = Destination::open(&config, environment, &run_id, dry_run, &stop)?;
    if !create_parents {
        destination.refuse_missing_parents(&config)?;
    }
    destination.terms.wait = wait;
    let (accept, max_rejects) = (config.walk.accept, config.dataset.max_rejects);
    let run = Run {
        command,
        work,
        config,
        client,
        account,
        destination,
        dry_run,
        fresh,
        run_id,
        clock,
        stop,
        progress,
        pause: Duration::from_secs(30),
    };
    let receipt::Ended { receipt, error } = run.execute().await;
    let text = if error.is_none() { summary::of(&receipt, &dataset, dry_run) } else { String::new() };
    let error = error.or_else(|| shortfall::of(&receipt, accept, max_rejects, dry_run));
    Ok(Ended { receipt, text, error })
}

/// The time, for people, and what tells two runs of one moment apart.
fn run_id(clock: &Clock) -> String {
    let now = clock.now();
    let nanos = now.duration_since(UNIX_EPOCH).unwrap_or_default().subsec_nanos();
    let unique = (u64::from(std::process::id()) << 32 | u64::from(nanos)).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
    format!("{}-{unique:06x}", DateTime::<Utc>::from(now).format("%Y%m%dT%H%M%S%3fZ"))
}
