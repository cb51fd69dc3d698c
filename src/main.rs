//! The binary: parse, set up, run, print, exit code.
//!
//! The only place that reads the clock and the environment, writes to stdout, or knows how an error is shown.

use std::io::{self, ErrorKind, IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use rollbook::cli::{self, Cli, Command, Global, Init};
use rollbook::commands::init::Begun;
use rollbook::commands::watch::Watch;
use rollbook::commands::{self, Ended, Setting, Told};
use rollbook::config::{self, Environment, Resolved};
use rollbook::error::{Error, Kind, Result};
use rollbook::sim::Server;
use rollbook::terminal::logging::{self, Format, Logging};
use rollbook::terminal::outlet::STDERR;
use rollbook::terminal::progress::{Mode, Progress};
use rollbook::words::clock::Clock;
use rollbook::words::stop::{self, Stop};
use rollbook::words::system::{lack, remedy};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(defect));
    let code = match cli::parse(std::env::args_os()) {
        Ok(cli) => start(&cli).unwrap_or_else(|error| {
            complain(&error, cli.global.log_format);
            error.kind().exit_code()
        }),
        Err(error) => explain(error),
    };
    let lost = STDERR.lost();
    if lost > 0 {
        tracing::warn!("stderr was not read for a while, and {lost} log lines were left out");
    }
    STDERR.flush();
    ExitCode::from(code)
}

/// Prints what help was asked for, or how the command line is wrong; the exit code.
fn explain(error: clap::Error) -> u8 {
    let error = cli::with_tips(error);
    let is_help = !error.use_stderr();
    match error.print().and_then(|()| io::stdout().flush()) {
        Err(failed) if is_help && failed.kind() != ErrorKind::BrokenPipe => {
            let failed = unprinted(failed);
            complain(&failed, Format::Text);
            failed.kind().exit_code()
        }
        _ => u8::try_from(error.exit_code()).unwrap_or(2),
    }
}

/// Sets up the environment, progress and logging, then runs the command.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn start(cli: &Cli) -> Result<u8> {
    let environment = Environment::new(std::env::vars_os())?;
    let terminal = io::stderr().is_terminal();
    let dumb = environment.get("TERM") == Some("dumb");
    let global = &cli.global;
    let mode = if global.quiet { Mode::Never } else { global.progress };
    let progress = Arc::new(Progress::new(mode, terminal && !dumb && global.log_format == Format::Text));
    let logging = Logging {
        format: global.log_format,
        verbose: global.verbose,
        quiet: global.quiet,
        colors: terminal && !dumb && environment.get("NO_COLOR").is_none(),
        filter: environment.get("ROLLBOOK_LOG"),
    };
    logging.start(progress.log_writer(&STDERR))?;
    let done = dispatch(cli, &environment, &progress);
    progress.finish();
    done
}

fn dispatch(cli: &Cli, environment: &Environment, progress: &Arc<Progress>) -> Result<u8> {
    let resolved = || {
        let Global { config, profile, .. } = &cli.global;
        config::resolve(config.as_deref(), profile.as_deref(), environment, cli.settings())
    };
    match &cli.command {
        Command::Config => {
            let resolved = resolved()?;
            let options = &resolved.config.store.options;
            rollbook::store::refuse_secrets(options.iter().map(|(name, value)| (name.as_str(), value.as_str())))?;
            conclude(Ok(0), settings(&resolved, cli.global.json).as_bytes())
        }
        Command::Completions { shell } => conclude(Ok(0), &completions(*shell)),
        Command::Man { command } => conclude(Ok(0), &man(command.as_deref())?),
        Command::Init(init) => begin(cli, init, environment, Arc::clone(progress)),
        _ => run(cli, resolved()?, environment, Arc::clone(progress)),
    }
}

/// Writes a settings file, and tries what is in it.
fn begin(cli: &Cli, init: &Init, environment: &Environment, progress: Arc<Progress>) -> Result<u8> {
    runtime()?.block_on(async {
        let stop = stop::listen()?;
        let Begun { path, text } = commands::init::write(&cli.global, init, cli.settings(), &stop).await?;
        if cli.global.dry_run {
            return conclude(Ok(0), text.as_bytes());
        }
        if cli.global.json {
            return conclude(Ok(0), format!("{}\n", serde_json::json!({ "file": path })).as_bytes());
        }
        let resolved = config::resolve(Some(&path), None, environment, Vec::new())?;
        let setting = setting(resolved, environment, progress);
        let next = commands::init::try_out(setting, &cli.global, &path, stop).await;
        let text = format!("written: {}\n{}", path.display(), next.as_deref().unwrap_or_default());
        conclude(next.map(|_| 0), if is_silent(cli) { b"" } else { text.as_bytes() })
    })
}

/// The runtime, on which a command waits for the network, for signals and for itself.
fn runtime() -> Result<Runtime> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| {
        let hint = remedy(&error).unwrap_or("raise what this process may have of threads and files (`ulimit -a`)");
        Error::new(Kind::Config, "cannot start the runtime").because(error).hint(hint)
    })
}

/// What a command gets, with a name for the run that it may become.
fn setting(resolved: Resolved, environment: &Environment, progress: Arc<Progress>) -> Setting<'_> {
    let addressed_by = resolved.addressed_by().map(ToString::to_string);
    let names_dataset = resolved.names_dataset();
    let Resolved { config, variables, .. } = resolved;
    let clock = Clock::new(now);
    let run_id = commands::run_id(&clock);
    Setting { config, addressed_by, names_dataset, variables, environment, clock, run_id, progress }
}

/// Runs a command that takes time, until it ends or a signal stops it.
fn run(cli: &Cli, resolved: Resolved, environment: &Environment, progress: Arc<Progress>) -> Result<u8> {
    runtime()?.block_on(async {
        let stop = stop::listen()?;
        resolved.tell();
        let setting = setting(resolved, environment, progress);
        let is_dry = cli.global.dry_run;
        if matches!(cli.command, Command::Export(_) | Command::Backfill(_) | Command::Purge(_) | Command::Demo(_)) {
            logging::call_run(&setting.run_id);
        }
        match &cli.command {
            Command::Export(export) => {
                let watch = Watch::over("export", &setting, is_dry, &stop);
                watched(watch, Box::pin(commands::export(setting, &cli.global, export, stop.clone())), cli).await
            }
            Command::Backfill(backfill) => {
                let watch = Watch::over("backfill", &setting, is_dry, &stop);
                watched(watch, Box::pin(commands::backfill(setting, &cli.global, backfill, stop.clone())), cli).await
            }
            Command::Purge(purge) if purge.list => {
                conclude(Ok(0), commands::rules(&setting, cli.global.json, &stop)?.as_bytes())
            }
            Command::Purge(purge) => {
                let watch = Watch::over("purge", &setting, is_dry, &stop);
                watched(watch, Box::pin(commands::purge(setting, &cli.global, purge, stop.clone())), cli).await
            }
            Command::Check => tokio::select! {
                checked = commands::check(setting, &cli.global, stop.clone()) => told(checked),
                stopped = stop.wait() => Err(stopped),
            },
            Command::Verify(verify) => {
                let looked = commands::verify(&setting, &cli.global, verify, &stop).await;
                setting.progress.finish();
                told(looked.map(|told| told.unless(is_silent(cli))))
            }
            Command::Status(status) => told(commands::status(&setting, &cli.global, status, &stop)),
            Command::Rejects(rejects) => told(commands::rejects(&setting, &cli.global, rejects, &stop)),
            Command::Snapshots(snapshots) => told(commands::snapshots(&setting, &cli.global, snapshots, &stop).await),
            Command::Split(split) if matches!(split.step, cli::split::Step::Finish(_)) => {
                let mut watch = Watch::over("split", &setting, is_dry, &stop);
                watch.begin().await?;
                let ran = Box::pin(commands::split(setting, &cli.global, split, stop.clone())).await;
                let (receipt, result) = match ran {
                    Ok((receipt, run)) => (receipt, told(Ok(run.unless(is_silent(cli))))),
                    Err(error) => (None, Err(error)),
                };
                watch.end(receipt, &result).await;
                result
            }
            Command::Split(split) => {
                let (_, done) = Box::pin(commands::split(setting, &cli.global, split, stop.clone())).await?;
                told(Ok(done.unless(is_silent(cli))))
            }
            Command::Views(views) => told(commands::views(&setting, views, &stop)),
            Command::Report(report) => {
                let made = commands::report(&setting, &cli.global, report, &stop);
                setting.progress.finish();
                told(made.map(|told| told.unless(is_silent(cli))))
            }
            Command::Demo(demo) => ended(Box::pin(commands::demo(setting, &cli.global, demo, stop)).await?, cli),
            Command::Simulate(simulate) => serve(commands::simulate(&setting, simulate).await?, &stop).await,
            Command::Config | Command::Completions { .. } | Command::Man { .. } | Command::Init(_) => Ok(0),
        }
    })
}

/// Runs a command with a receipt, prints its result, and then tells those who are to be told how it ended.
async fn watched(mut watch: Watch<'_>, run: impl Future<Output = Result<Ended>>, cli: &Cli) -> Result<u8> {
    let ran = match watch.begin().await {
        Ok(()) => run.await,
        Err(error) => Err(error),
    };
    let (receipt, result) = match ran {
        Ok(run) => (Some(run.receipt.clone()), ended(run, cli)),
        Err(error) => (None, Err(error)),
    };
    watch.end(receipt, &result).await;
    result
}

/// Says where the simulated API listens, and lets it serve until a signal comes.
async fn serve(server: Server, stop: &Stop) -> Result<u8> {
    let line = format!("the simulated API listens: {}", server.base_url());
    if print(format!("{line}\n").as_bytes()).is_err() {
        tracing::warn!("{line}"); // it serves all the same
    }
    stop.wait().await;
    server.stop().await;
    Ok(0)
}

/// Prints what a command has found out, also where that is an error.
fn told(told: Result<Told>) -> Result<u8> {
    let Told { text, error } = told?;
    conclude(error.map_or(Ok(0), Err), text.as_bytes())
}

/// Whether a success is not worth a word: with `--quiet`, unless the result is asked for as JSON.
const fn is_silent(cli: &Cli) -> bool {
    cli.global.quiet && !cli.global.json
}

/// Prints the result of a run, also of one that failed.
fn ended(ended: Ended, cli: &Cli) -> Result<u8> {
    let Ended { receipt, text, error } = ended;
    let text = if cli.global.json { receipt.json() } else { text };
    let text = if error.is_none() && is_silent(cli) { String::new() } else { text };
    conclude(error.map_or(Ok(receipt.exit_code), Err), text.as_bytes())
}

/// Prints the result of what has ended so. Where it can't be printed, that is the exit code only if there is no other:
/// whoever reads one must be able to rely on the rest of its meaning.
fn conclude(ended: Result<u8>, result: &[u8]) -> Result<u8> {
    match (print(result), ended) {
        (Err(failed), Ok(0)) => Err(failed),
        (Err(failed), ended) => {
            tracing::warn!("{failed}");
            ended
        }
        (Ok(()), ended) => ended,
    }
}

#[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
fn now() -> SystemTime {
    SystemTime::now()
}

fn settings(resolved: &Resolved, json: bool) -> String {
    if json { format!("{:#}\n", resolved.json()) } else { resolved.table() }
}

fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut cli::command(), "rollbook", &mut script);
    script
}

fn man(command: Option<&str>) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let mut described = cli::command();
    if let Some(name) = command {
        let found = described.find_subcommand(name).cloned();
        described = found.ok_or_else(|| {
            Error::new(Kind::Config, format!("no such command: {name}")).hint("`rollbook help` lists the commands")
        })?;
    }
    clap_mangen::Man::new(described)
        .source(concat!("rollbook ", env!("CARGO_PKG_VERSION")))
        .render(&mut page)
        .map_err(|error| Error::new(Kind::Unexpected, "cannot write the manual page").because(error))?;
    Ok(page)
}

/// Writes to stdout. A reader that has had enough, such as `head`, is no error.
fn print(bytes: &[u8]) -> Result<()> {
    STDERR.flush(); // what was logged before comes before it
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(unprinted(error)),
        _ => Ok(()),
    }
}

fn unprinted(error: io::Error) -> Error {
    Error::new(Kind::Unprinted, "the result cannot be written to stdout")
        .because(error)
        .hint("nothing else has failed, and all data is written; send stdout to a place with room")
}

/// Says why the run ended, once: as a log line where those are for a machine, else as text.
fn complain(error: &Error, format: Format) {
    if format == Format::Json && tracing::enabled!(tracing::Level::ERROR) {
        let cause = Some(error.causes().join(": ")).filter(|cause| !cause.is_empty());
        let (exit_code, hint) = (error.kind().exit_code(), error.next_step());
        tracing::error!(exit_code, cause = cause.as_deref(), hint = hint.as_deref(), "{error}");
    } else {
        STDERR.put(format!("{}\n", error.render()).as_bytes());
    }
}

/// Ends the process on a panic in any thread: going on without it could do harm, and what is on disk is safe.
fn defect(info: &PanicHookInfo<'_>) {
    if rollbook::words::foreign::is_reading() {
        return; // damage, which is told by whoever reads
    }
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let message = info.payload_as_str().unwrap_or("no message");
    if let Some((what, hint)) = lack(message) {
        let error = Error::new(Kind::Config, what).because(message.to_owned()).hint(hint);
        let _ = writeln!(io::stderr(), "{}", error.render());
        std::process::exit(error.kind().exit_code().into());
    }
    let _ = writeln!(
        io::stderr(),
        "error: this is a defect of rollbook, which stopped: {message} ({place})\n\
         hint: please report it with the version (`rollbook --version`) and the command"
    );
    std::process::exit(1);
}
