//! What was typed. What it means is decided in [`crate::config`].
//!
//! Secrets are never taken from a flag, because other users of the machine can see those.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{ArgAction, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueHint};

mod export;
mod init;
mod purge;
mod rejects;
mod report;
mod simulate;
pub mod snapshots;
pub mod split;
mod status;
mod text;
mod tips;
mod verify;
mod views;
mod zone;

use crate::config::{Override, Source};
use crate::terminal::logging::Format;
use crate::terminal::progress::Mode;
pub use export::{Backfill, Export, Reading};
pub use init::Init;
pub use purge::Purge;
pub use rejects::Rejects;
pub use report::Report;
pub use simulate::{Demo, Simulate};
pub use status::Status;
pub use tips::with_tips;
pub use verify::Verify;
pub use views::{Engine, Views, Way};

const EXAMPLES: &str = "\
Examples:
  rollbook demo                                  try everything, no account needed
  VIDEOSDK_TOKEN=... rollbook export             export all sessions to ./rollbook-data
  rollbook config                                the settings in force and their sources";

const REFERENCE: &str = "\
Environment:
  VIDEOSDK_TOKEN            the account's token; or VIDEOSDK_TOKEN_FILE, or
                            VIDEOSDK_API_KEY with VIDEOSDK_SECRET_KEY
  ROLLBOOK_CONFIG           the settings file
  ROLLBOOK_PROFILE          a profile of the settings file
  ROLLBOOK_<SECTION>_<KEY>  any setting, such as ROLLBOOK_API_PER_PAGE=200
  ROLLBOOK_LOG              a log filter, such as rollbook=debug
  ROLLBOOK_HEALTHCHECK_URL  a monitor that is told when a run begins and how it ended
  NO_COLOR                  no colours
  HTTPS_PROXY, NO_PROXY     a proxy; which hosts are reached without it
  SSL_CERT_FILE             CA certificates in place of the system's

Exit codes:
  0    done, and shown to be complete
  1    unexpected: a defect of rollbook
  2    usage or configuration, or no credentials
  3    the data is written, but not shown to be complete, or there are new
       records that can't be read; status --max-age: no export was shown to
       be complete for so long
  4    the API refused the credentials
  5    the API failed; worth a retry later
  6    the dataset could not be read or written; worth a retry later
  7    another run holds the dataset; worth a retry later
  8    the API broke its contract, or redirects to another place
  9    verify found damage
  10   all is done and written, but the result could not be printed to stdout
  129  stopped by SIGHUP, after cleaning up
  130  stopped by SIGINT, after cleaning up
  143  stopped by SIGTERM, after cleaning up";

/// Export every VideoSDK meeting session to Parquet, with proof that none was missed.
#[derive(Debug, Parser)]
#[command(name = "rollbook", bin_name = "rollbook", version, after_help = EXAMPLES, after_long_help = format!("{EXAMPLES}\n\n{REFERENCE}"))]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Reads a command line, the program's name first.
///
/// # Errors
/// What is wrong with it, or the help that was asked for.
pub fn parse(words: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> Result<Cli, clap::Error> {
    let matches = command().try_get_matches_from(words)?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command()))
}

/// The command line as it is described to people: the flags that every command takes stand on the first page alone.
pub fn command() -> clap::Command {
    const ELSEWHERE: &str =
        "Flags that every command takes (--dest, --json, --dry-run, -q and others): rollbook --help";
    let mut command = Cli::command();
    command.build();
    for page in command.get_subcommands_mut() {
        let own = std::mem::take(page);
        let end = own.get_after_help().map_or_else(|| ELSEWHERE.to_owned(), |end| format!("{end}\n\n{ELSEWHERE}"));
        *page = own.mut_args(|flag| if flag.is_global_set() { flag.hide(true) } else { flag }).after_help(end);
    }
    command
}

/// Flags that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Everywhere")]
#[allow(clippy::struct_excessive_bools)] // each is a thing of its own
pub struct Global {
    /// Settings file [default: ./rollbook.toml or ~/.config/rollbook/rollbook.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Profile of the settings file: one of several accounts, each with its settings and credentials
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// The dataset: a folder, or s3://, az:// or gs:// [default: ./rollbook-data]
    #[arg(long, global = true, value_name = "PLACE", value_hint = ValueHint::DirPath)]
    pub dest: Option<String>,
    /// Make the folders above the dataset, too; without this, one that is missing is an error
    #[arg(long, global = true)]
    pub create_parents: bool,
    /// Origin of the API.
    #[arg(long, global = true, value_name = "URL", value_hint = ValueHint::Url, help = "Origin of the API [default: https://api.videosdk.live]")]
    pub base_url: Option<String>,
    /// Version of the sessions API: v1 or v2 [default: v1]
    #[arg(long, global = true, value_name = "VERSION", value_parser = PossibleValuesParser::new(["v1", "v2"]), hide_possible_values = true)]
    pub api: Option<String>,
    /// Do all but write, and leave no change in the dataset; same exit codes
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Print the result as JSON on stdout: a run's receipt, a report, the settings
    #[arg(long, global = true)]
    pub json: bool,
    /// How log lines on stderr are written
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    pub log_format: Format,
    /// Log more: -v for each request, -vv for connections too
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print nothing unless something is wrong: no summary, no progress, log lines of errors only
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Progress on stderr: a bar on a terminal, plain lines elsewhere
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    pub progress: Mode,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Export sessions to Parquet: all at first, then what is new or has changed
    ///
    /// Reads the list of sessions and merges it into the dataset: three Parquet tables (sessions, participants,
    /// timelogs), a folder each. The first run reads the whole list. Later runs read back to where the last complete
    /// run began, less walk.lookback, and ask for older sessions that were still running. Run it again at any time: nothing is ever doubled.
    Export(Export),
    /// Export the sessions that started in a range of dates
    ///
    /// Finds the range in the list and reads only that. Dates are UTC: a day (2026-10-31), a month (2026-10) or a time
    /// (2026-10-31T08:00:00+01:00). The range includes its beginning and not its end.
    Backfill(Backfill),
    /// Remove old sessions or a participant from the dataset, for good
    ///
    /// What goes is written down (names and ids as keyed hashes), so that no later run brings it back. Raw records
    /// and staged rows are gone through, too. Begin with --dry-run: it counts what would go, and lists names that look
    /// like the given ones and would stay.
    Purge(Purge),
    /// Show how the API behaves, what a run would read and what it could prove
    ///
    /// Asks for a handful of pages and leaves nothing behind.
    #[command(after_help = "Examples:\n  rollbook check\n  rollbook check --json")]
    Check,
    /// Check the dataset: its files against its records, its rows against each other
    ///
    /// Reads every published file whole: whether it is sound, and whether its bytes are those of a receipt. Then its
    /// rows: order, unique keys, the right partition, no child without its parent, and every sum computed anew from the
    /// timelogs. Needs no credentials, and writes nothing without --repair. Exit code 9: damage was found.
    Verify(Verify),
    /// Show what the dataset holds, how its last runs went and what waits
    ///
    /// Reads the records of the dataset and the ends of its files, no rows: fit for a look at night and for a health check
    /// every minute. Needs no credentials, asks no API, writes nothing and waits for no other run. A record that can't be
    /// read is told with the next step, and all else is shown. Exit code 3: with --max-age, where nothing was proven for
    /// that long; 6: there is no dataset, or it is out of reach.
    Status(Status),
    /// List the records that could not be read, or not all of them
    ///
    /// Runs keep such records as the API sent them, for 30 days. They are listed by reason, each once, with the last run
    /// that met it, the page and the place there, counted from 0. They may hold personal data. Needs no credentials, and
    /// writes nothing.
    Rejects(Rejects),
    /// Print SQL that makes the tables and views over them in DuckDB or Spark
    ///
    /// The views answer what people ask of the tables: attendance, people, meetings, days, who is there when, and how the
    /// runs went. They read the dataset's files where they are, and belong to the session that makes them. docs/queries.md shows
    /// each. Reads no row, needs no credentials, and writes nothing.
    Views(Views),
    /// Write a page with the numbers: who met when, for how long, and what may be missing
    ///
    /// One HTML file that loads nothing and runs no script, with charts and their tables: sessions, persons and hours by day,
    /// active time, hours of the week, meetings, people, timelines, anomalies and the state of the export. With --csv the
    /// same numbers as files for a spreadsheet. The files hold personal data, and their owner alone may read them. Needs no
    /// credentials, asks no API and leaves the dataset as it is.
    Report(Report),
    /// List the snapshots of a dataset, or bring an older one back
    ///
    /// With `[snapshots] format` a dataset keeps immutable files beside the plain ones. A snapshot lists those that are the three
    /// tables at one moment, and lake/current.json leads to the newest. Needs no credentials.
    Snapshots(snapshots::Snapshots),
    /// Export with many processes, on as many machines: plan, fetch, join, publish, finish
    ///
    /// Each step is a command of its own, run by whatever starts numbered tasks: Spark, a Kubernetes Job, AWS Batch, Airflow. The steps
    /// meet in a place that all machines see. Any step can be repeated, killed, or run twice at once. Worth the trouble where one process
    /// can't read the list in time: docs/many-machines.md says when.
    Split(split::Split),
    /// Try everything against a simulated account, without credentials
    Demo(Demo),
    /// Serve the simulated API, for tests and trials
    Simulate(Simulate),
    /// Write a settings file to begin with, from answers or from flags
    ///
    /// Asks on a terminal for what no flag says, and writes ./rollbook.toml, or the file that --config names, with every setting
    /// and its meaning. No secret is asked for. Where credentials are set, `check` is run afterwards.
    Init(Init),
    /// Print the settings in force and where each comes from
    #[command(after_help = "Examples:\n  rollbook config\n  rollbook config --json | jq '.settings[\"api.per_page\"]'")]
    Config,
    /// Print a completion script for a shell
    #[command(
        after_help = "Example:\n  rollbook completions bash > ~/.local/share/bash-completion/completions/rollbook"
    )]
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    #[command(after_help = "Examples:\n  rollbook man | man -l -\n  rollbook man export > rollbook-export.1")]
    Man {
        /// The command to describe, all of rollbook if none is given
        command: Option<String>,
    },
}

impl Cli {
    /// The settings among the flags. `demo` has a dataset of its own, so that it never writes into a real one.
    #[must_use]
    pub fn settings(&self) -> Vec<Override> {
        let Global { dest, base_url, api, .. } = &self.global;
        let metrics = match &self.command {
            Command::Export(Export { reading, .. }) | Command::Backfill(Backfill { reading, .. }) => {
                &reading.metrics_file
            }
            Command::Purge(purge) => &purge.metrics_file,
            _ => &None,
        };
        let demo = matches!(self.command, Command::Demo(_)).then(|| "./rollbook-demo".to_owned());
        let values = [
            ("dataset.url", demo, Source::Command("demo")),
            ("dataset.url", dest.clone(), Source::Flag("--dest")),
            ("api.base_url", base_url.clone(), Source::Flag("--base-url")),
            ("api.version", api.clone(), Source::Flag("--api")),
            ("notify.metrics_file", metrics.clone(), Source::Flag("--metrics-file")),
        ];
        let given = |(name, value, source)| Option::map(value, |value| Override { name, value, source });
        values.into_iter().filter_map(given).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        super::parse(line.split(' '))
    }

    fn settings(line: &str) -> Vec<(&'static str, String, String)> {
        let settings = parse(line).unwrap().settings();
        settings.into_iter().map(|setting| (setting.name, setting.value, setting.source.to_string())).collect()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn flags_become_settings() {
        assert_eq!(settings("rollbook export --full"), []);
        assert_eq!(
            settings("rollbook --dest /data export --base-url http://[::1]:1 --api v2"),
            [
                ("dataset.url", "/data".to_owned(), "flag --dest".to_owned()),
                ("api.base_url", "http://[::1]:1".to_owned(), "flag --base-url".to_owned()),
                ("api.version", "v2".to_owned(), "flag --api".to_owned()),
            ]
        );
    }

    #[test]
    fn the_demo_has_a_dataset_of_its_own() {
        use crate::config::{Environment, resolve};
        let environment = Environment::new([("ROLLBOOK_DATASET_URL".into(), "/real".into())]).unwrap();
        let url = |line| {
            resolve(None, None, &environment, parse(line).unwrap().settings()).unwrap().config.dataset.url.to_string()
        };
        assert_eq!(url("rollbook export"), "/real");
        assert_eq!(url("rollbook demo"), "./rollbook-demo");
        assert_eq!(url("rollbook demo --dest /mine"), "/mine");
    }

    #[test]
    fn usage_errors_say_what_is_wrong_and_exit_with_2() {
        let cases = [
            ("rollbook", "Export every VideoSDK meeting session to Parquet, with proof that none was missed"),
            ("rollbook exprot", "error: unrecognized subcommand 'exprot'"),
            ("rollbook export --ful", "error: unexpected argument '--ful' found"),
            ("rollbook export -q -v", "error: the argument '--quiet' cannot be used with '--verbose...'"),
            (
                "rollbook demo --sessions many",
                "error: invalid value 'many' for '--sessions <N>': invalid digit found in string",
            ),
            (
                "rollbook simulate --listen 8787",
                "error: invalid value '8787' for '--listen <ADDR>': invalid socket address syntax",
            ),
            (
                "rollbook simulate --latency 50",
                "error: invalid value '50' for '--latency <DURATION>': \
                 a duration is a whole number and a unit: 500ms, 30s, 5m, 2h or 3d",
            ),
            ("rollbook simulate --token x", "error: unexpected argument '--token' found"),
            (
                "rollbook export --meeting-id a,b",
                "error: invalid value 'a,b' for '--meeting-id <ID>': \
                 give each id with a flag of its own: --meeting-id ID --meeting-id ID",
            ),
            (
                "rollbook backfill --month 2026-10 --meeting-id=\"a\"",
                "error: invalid value '\"a\"' for '--meeting-id <ID>': write it without quotes",
            ),
            (
                "rollbook verify --sample 10",
                "error: invalid value '10' for '--sample <SHARE>': \
                 a share is above 0% and up to 100%, such as 10% or 0.1",
            ),
        ];
        for (line, expected) in cases {
            let error = parse(line).unwrap_err();
            assert_eq!((error.to_string().lines().next(), error.exit_code()), (Some(expected), 2));
        }
    }

    #[test]
    fn an_empty_name_or_id_is_a_usage_error() {
        for (command, flag) in [
            ("export", "--meeting-id"),
            ("backfill", "--meeting-id"),
            ("purge", "--participant-id"),
            ("purge", "--participant-name"),
        ] {
            for empty in ["", " ", "\n"] {
                let error = super::parse(["rollbook", command, flag, empty]).unwrap_err();
                assert!(error.to_string().contains("it is empty; is a variable unset?"), "{error}");
                assert_eq!(error.exit_code(), 2);
            }
        }
    }

    #[test]
    fn a_time_to_wait_may_stand_behind_a_blank() {
        for (line, minutes) in [("--wait 5m", 5), ("--wait=5m", 5), ("--wait", 30), ("--wait --fresh", 30)] {
            let Command::Export(export) = parse(&format!("rollbook export {line}")).unwrap().command else { panic!() };
            assert_eq!(export.reading.wait, Some(Duration::from_mins(minutes)), "{line}");
        }
    }

    #[test]
    fn the_short_help() {
        let expected = "Export every VideoSDK meeting session to Parquet, with proof that none was missed

Usage: rollbook [OPTIONS] <COMMAND>

Commands:
  export       Export sessions to Parquet: all at first, then what is new or has changed
  backfill     Export the sessions that started in a range of dates
  purge        Remove old sessions or a participant from the dataset, for good
  check        Show how the API behaves, what a run would read and what it could prove
  verify       Check the dataset: its files against its records, its rows against each other
  status       Show what the dataset holds, how its last runs went and what waits
  rejects      List the records that could not be read, or not all of them
  views        Print SQL that makes the tables and views over them in DuckDB or Spark
  report       Write a page with the numbers: who met when, for how long, and what may be missing
  snapshots    List the snapshots of a dataset, or bring an older one back
  split        Export with many processes, on as many machines: plan, fetch, join, publish, finish
  demo         Try everything against a simulated account, without credentials
  simulate     Serve the simulated API, for tests and trials
  init         Write a settings file to begin with, from answers or from flags
  config       Print the settings in force and where each comes from
  completions  Print a completion script for a shell
  man          Print the manual page
  help         Print this message or the help of the given subcommand(s)

Options:
  -h, --help     Print help (see more with '--help')
  -V, --version  Print version

Everywhere:
      --config <FILE>        Settings file [default: ./rollbook.toml or
                             ~/.config/rollbook/rollbook.toml]
      --profile <NAME>       Profile of the settings file: one of several accounts, each with its
                             settings and credentials
      --dest <PLACE>         The dataset: a folder, or s3://, az:// or gs:// [default:
                             ./rollbook-data]
      --create-parents       Make the folders above the dataset, too; without this, one that is
                             missing is an error
      --base-url <URL>       Origin of the API [default: https://api.videosdk.live]
      --api <VERSION>        Version of the sessions API: v1 or v2 [default: v1]
      --dry-run              Do all but write, and leave no change in the dataset; same exit codes
      --json                 Print the result as JSON on stdout: a run's receipt, a report, the
                             settings
      --log-format <FORMAT>  How log lines on stderr are written [default: text] [possible values:
                             text, json]
  -v, --verbose...           Log more: -v for each request, -vv for connections too
  -q, --quiet                Print nothing unless something is wrong: no summary, no progress, log
                             lines of errors only
      --progress <WHEN>      Progress on stderr: a bar on a terminal, plain lines elsewhere
                             [default: auto] [possible values: auto, never]

Examples:
  rollbook demo                                  try everything, no account needed
  VIDEOSDK_TOKEN=... rollbook export             export all sessions to ./rollbook-data
  rollbook config                                the settings in force and their sources
";
        assert_eq!(Cli::command().term_width(100).render_help().to_string(), expected);
    }

    #[test]
    fn the_flags_of_all_commands_stand_on_the_first_page_alone() {
        for page in super::command().get_subcommands_mut() {
            let help = page.render_long_help().to_string();
            assert!(!help.contains("--log-format") && !help.contains("--create-parents"), "{help}");
            assert!(help.trim_end().ends_with("rollbook --help"), "{help}");
        }
        assert_eq!(parse("rollbook status --dest d --json").unwrap().global.dest.as_deref(), Some("d"));
    }

    #[test]
    fn the_long_help_explains_every_exit_code() {
        let help = Cli::command().render_long_help().to_string();
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 129, 130, 143] {
            assert!(help.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{code}");
        }
    }
}
