//! Log lines on stderr: which are written, and how.

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use crate::error::{Error, Kind, Result};

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
    /// Errors only.
    pub quiet: bool,
    /// Whether stderr understands colours.
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
            Format::Text => Box::new(builder.with_ansi(self.colors).with_target(self.verbose > 0).finish()),
            Format::Json => Box::new(builder.json().flatten_event(true).finish()),
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
    fn a_bad_filter_is_refused() {
        let error = Logging { filter: Some("rollbook=loud"), ..Logging::default() }.filter().unwrap_err();
        assert_eq!(error.kind(), Kind::Config);
        let shown = error.render();
        assert!(shown.starts_with("error: the log filter in ROLLBOOK_LOG can't be read: rollbook=loud\n"), "{shown}");
    }
}
