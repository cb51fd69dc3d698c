//! The numbers of the last run in the text format of Prometheus, in a file for the node exporter's textfile collector.
//!
//! Every time is a sample of its own, so that a file that nobody writes any more shows how old it is.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use super::facts::Facts;
use crate::dataset::receipt::Receipt;
use crate::error::{Error, Kind, Result};
use crate::store::files::named;
use crate::walk::Evidence;
use crate::words::redact::redact;
use crate::words::timestamp;

/// Refuses a place at which no file can be.
///
/// # Errors
/// [`Kind::Config`] with what is in the way.
pub fn refuse_impossible(path: &Path) -> Result<()> {
    let refused = |what: &str, hint: &str| {
        Error::new(Kind::Config, format!("`notify.metrics_file` {what}: {}", path.display())).hint(hint)
    };
    if path.is_dir() {
        return Err(refused("is a folder", "give the file a name, such as rollbook.prom in this folder"));
    }
    match fs::metadata(named::folder_of(path)) {
        Ok(folder) if folder.is_dir() => Ok(()),
        _ => Err(refused("is in a folder that is not there", "make the folder, or correct the path")),
    }
}

/// Puts the text in place of the file at once: who reads the file, which may be another user, finds the old text or the new one,
/// whole.
///
/// # Errors
/// Those of the system.
pub fn replace(path: &Path, text: &str, run_id: &str) -> io::Result<()> {
    // The collector takes files that end in `.prom` only, so never this one.
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = named::folder_of(path).join(format!(".{name}.{run_id}.tmp"));
    let written = named::draft(&draft, text).and_then(|()| fs::rename(&draft, path));
    if written.is_err() {
        let _ = fs::remove_file(&draft);
    }
    written
}

/// The samples of a run. `facts`: what the dataset says after it.
pub fn text(receipt: &Receipt, dataset: &str, secrets: &[String], facts: Facts) -> String {
    let mut samples = Samples { text: String::new(), dataset: label(&redact(dataset, secrets)) };
    let ended = timestamp::parse(&receipt.finished_at);
    samples.run(receipt, ended);
    samples.counts(receipt);
    samples.dataset(facts, ended);
    samples.text
}

/// The text so far, and the dataset as each sample names it.
struct Samples {
    text: String,
    dataset: String,
}

impl Samples {
    fn run(&mut self, receipt: &Receipt, ended: Option<i64>) {
        let began = timestamp::parse(&receipt.started_at);
        self.time("rollbook_last_run_start_timestamp_seconds", "When the last run began.", began);
        self.time("rollbook_last_run_end_timestamp_seconds", "When the last run was over.", ended);
        let code = u64::from(receipt.exit_code);
        self.number("rollbook_last_run_exit_code", "Exit code of the last run; 0 is success.", code);
        let took = receipt.timing.total_s;
        self.gauge("rollbook_last_run_duration_seconds", "How long the last run took.", &[("", format!("{took:.3}"))]);
        let (command, outcome, run_id) = (label(receipt.command), label(receipt.outcome), label(&receipt.run_id));
        let version = env!("CARGO_PKG_VERSION");
        let labels = format!(r#",command="{command}",outcome="{outcome}",run_id="{run_id}",version="{version}""#);
        self.gauge(
            "rollbook_last_run_info",
            "The last run: its command, outcome and id, and who ran it.",
            &[(&labels, "1".to_owned())],
        );
        // A purge shows nothing of the list.
        let shown = (receipt.command != "purge").then_some(receipt.walk.evidence);
        let grounds = [Evidence::Chain, Evidence::Twice, Evidence::Total, Evidence::None];
        let labels = grounds.map(|ground| {
            (format!(r#",evidence="{}""#, ground.row().name), u8::from(shown == Some(ground)).to_string())
        });
        let values: Vec<_> = labels.iter().map(|(labels, value)| (labels.as_str(), value.clone())).collect();
        let meaning = "How strongly the last run can show that nothing is missed: 1 for what holds; all 0 for a purge.";
        self.gauge("rollbook_last_run_evidence", meaning, &values);
    }

    fn counts(&mut self, receipt: &Receipt) {
        let Receipt { sessions, changes, rejects, walk, .. } = receipt;
        for (name, help, value) in [
            ("sessions", "Different sessions that the last run has read.", *sessions),
            ("new_sessions", "Sessions that were new in the last run.", changes.new),
            ("updated_sessions", "Sessions that had changed in the last run.", changes.updated),
            ("rejects", "Records that the last run could not read, or not all of them.", rejects.total),
            ("new_rejects", "Such records that no earlier run had met.", rejects.new),
            ("requests", "Requests that the last run has sent, each attempt counted.", walk.sent),
            ("retries", "Requests that were further attempts at one that had failed.", walk.retries),
        ] {
            self.number(&format!("rollbook_last_run_{name}"), help, value);
        }
    }

    fn dataset(&mut self, facts: Facts, ended: Option<i64>) {
        let Facts { open_sessions, fence, success } = facts;
        if let Some(open) = open_sessions {
            self.number(
                "rollbook_open_sessions",
                "Sessions without an end in the dataset, as they were last seen.",
                open,
            );
        }
        self.time(
            "rollbook_fence_timestamp_seconds",
            "The fence: all sessions that started earlier are covered.",
            fence,
        );
        let age = fence.zip(ended).map(|(fence, ended)| ended.saturating_sub(fence));
        self.time("rollbook_fence_age_seconds", "How old the fence was when the last run was over.", age);
        let help = "When the last export of all meetings with exit code 0 was over.";
        self.time("rollbook_last_success_timestamp_seconds", help, success);
    }

    /// A time or a span in microseconds, if it is known.
    fn time(&mut self, name: &str, help: &str, micros: Option<i64>) {
        if let Some(micros) = micros {
            let (sign, size) = (if micros < 0 { "-" } else { "" }, micros.unsigned_abs());
            let seconds = format!("{sign}{}.{:03}", size / 1_000_000, size % 1_000_000 / 1_000);
            self.gauge(name, help, &[("", seconds)]);
        }
    }

    fn number(&mut self, name: &str, help: &str, value: u64) {
        self.gauge(name, help, &[("", value.to_string())]);
    }

    /// One family: each sample with its further labels.
    fn gauge(&mut self, name: &str, help: &str, samples: &[(&str, String)]) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in samples {
            let _ = writeln!(self.text, r#"{name}{{dataset="{}"{labels}}} {value}"#, self.dataset);
        }
    }
}

/// A text between the quotes of a label.
fn label(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', "\\\"").replace('\n', r"\n")
}
