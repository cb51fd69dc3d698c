//! Log lines on stderr: which are written, and how.

use std::fmt::{self, Write as _};
use std::sync::OnceLock;

use clap::ValueEnum;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::{Writer, debug_fn};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::error::{Error, Kind, Result};
use crate::words::redact::shown;

/// The run that logs, once it has a name.
static RUN: OnceLock<String> = OnceLock::new();

/// Gives the run that logs its name, which is a field of each line for a machine from now on. The first name stays.
pub fn call_run(run_id: &str) {
    let _ = RUN.set(run_id.to_owned());
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// Lines for a person
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What is logged, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Logging<'a> {
    /// For a person or for a machine.
    pub format: Format,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Only errors are logged: `-q`.
    pub quiet: bool,
    /// Whether stderr understands colours, and nobody has set `NO_COLOR`.
    pub colors: bool,
    /// A filter such as `rollbook=debug,hyper=info`; `-v` and `-q` win over it.
    pub filter: Option<&'a str>,
}

impl Logging<'_> {
    /// Sends the process's log lines to `writer` from now on.
    ///
    /// # Errors
    /// [`Kind::Config`] for a filter that can't be read.
    pub fn start<W>(self, writer: W) -> Result<()>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        tracing::subscriber::set_global_default(self.subscriber(writer)?)
            .map_err(|error| Error::new(Kind::Unexpected, "cannot start logging").because(error))
    }

    fn subscriber<W>(self, writer: W) -> Result<Box<dyn Subscriber + Send + Sync>>
    where
        W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
    {
        // Told about its own failures, it would print them to a stderr that may be what has failed, and panic.
        let builder = tracing_subscriber::fmt().log_internal_errors(false);
        let builder = builder.with_env_filter(self.filter()?).with_writer(writer);
        Ok(match self.format {
            Format::Text => {
                let fields = debug_fn(|writer, field, value| match field.name() {
                    "message" => write!(writer, "{}", shown(&format!("{value:?}"))),
                    name => write!(writer, "{name}={}", shown(&format!("{value:?}"))),
                });
                let builder = builder.fmt_fields(fields.delimited(" "));
                Box::new(builder.with_ansi(self.colors).with_target(self.verbose > 0).finish())
            }
            Format::Json => Box::new(builder.with_ansi(false).event_format(JsonLine).finish()),
        })
    }

    /// At debug, most libraries would drown what rollbook says; of connections one may want to know all the same.
    fn filter(self) -> Result<EnvFilter> {
        let text = match (self.quiet, self.verbose, self.filter) {
            (true, _, _) => "error",
            (_, 0, Some(filter)) => filter,
            (_, 0, None) => "warn,rollbook=info",
            (_, 1, _) => "warn,rollbook=debug",
            (_, 2.., _) => "warn,rollbook=trace,hyper_util=debug",
        };
        EnvFilter::builder().parse(text).map_err(|error| {
            Error::new(Kind::Config, format!("the log filter in ROLLBOOK_LOG can't be read: {text}"))
                .because(error)
                .hint("give a filter such as rollbook=debug, or unset ROLLBOOK_LOG")
        })
    }
}

/// An event as a line of JSON: time, level, its fields, where it comes from.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut time = String::new();
        SystemTime.format_time(&mut Writer::new(&mut time))?;
        let metadata = event.metadata();
        write!(writer, r#"{{"timestamp":"{time}","level":"{}""#, metadata.level())?;
        let mut pairs =
            Pairs(RUN.get().map(|run| format!(r#","run_id":{}"#, Value::from(run.as_str()))).unwrap_or_default());
        event.record(&mut pairs);
        writeln!(writer, r#"{},"target":{}}}"#, pairs.0, Value::from(metadata.target()))
    }
}

/// The fields of an event, each behind a comma.
struct Pairs(String);

impl Pairs {
    fn push(&mut self, field: &Field, value: impl Into<Value>) {
        let _ = write!(self.0, ",{}:{}", Value::from(field.name()), value.into());
    }
}

impl Visit for Pairs {
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, shown(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, shown(&format!("{value:?}")));
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(logging: Logging<'_>) -> Vec<String> {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = logging.subscriber(move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::error!(target: "rollbook::api", "failed");
            tracing::info!(target: "rollbook::api", pages = 3, "progress");
            tracing::debug!(target: "rollbook::api", "detail");
            tracing::debug!(target: "hyper_util::client", "connected");
            tracing::debug!(target: "hyper", "noise");
        });
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn flags_and_filter_choose_what_is_logged() {
        let base = Logging::default();
        assert_eq!(logged(base).len(), 2);
        assert_eq!(logged(Logging { quiet: true, ..base }).len(), 1);
        assert_eq!(logged(Logging { verbose: 1, ..base }).len(), 3);
        assert_eq!(logged(Logging { verbose: 2, ..base }).len(), 4);
        assert_eq!(logged(Logging { filter: Some("debug"), ..base }).len(), 5);
        assert_eq!(logged(Logging { filter: Some("debug"), quiet: true, ..base }).len(), 1);
    }

    #[test]
    fn text_has_colours_only_where_asked_for() {
        let lines = logged(Logging::default());
        assert!(lines[1].ends_with(" INFO progress pages=3"), "{lines:?}");
        assert!(logged(Logging { colors: true, ..Logging::default() })[0].contains('\x1b'));
    }

    #[test]
    fn json_is_flat() {
        let lines = logged(Logging { format: Format::Json, colors: true, ..Logging::default() });
        let line: serde_json::Value = serde_json::from_str(&lines[1]).unwrap();
        assert_eq!((&line["message"], &line["pages"], &line["level"]), (&"progress".into(), &3.into(), &"INFO".into()));
    }

    #[test]
    fn what_others_wrote_can_not_act_on_a_terminal_or_make_a_line() {
        for format in [Format::Text, Format::Json] {
            let buffer = Buffer::default();
            let writer = buffer.clone();
            let subscriber = Logging { format, ..Logging::default() }.subscriber(move || writer.clone()).unwrap();
            tracing::subscriber::with_default(subscriber, || {
                let name = format!("a\u{1b}[2J\nERROR all is lost\u{202e}{}", "x".repeat(1 << 20));
                tracing::warn!(target: "rollbook", id = name, other = %name, "odd: {name}");
            });
            let bytes = buffer.0.lock().unwrap().clone();
            let text = String::from_utf8(bytes).unwrap();
            assert!(text.len() < 20_000 && text.lines().count() == 1, "{}", text.len());
            assert!(!text.trim_end().contains(['\u{1b}', '\n', '\u{202e}']), "{text}");
        }
    }

    #[test]
    fn a_bad_filter_is_refused() {
        let error = Logging { filter: Some("rollbook=loud"), ..Logging::default() }.filter().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let shown = error.render();
        assert!(shown.starts_with("error: the log filter in ROLLBOOK_LOG can't be read: rollbook=loud\n"), "{shown}");
    }
}
