//! `report`: from what was typed to a page, and to files for a spreadsheet.

use std::path::Path;

use serde::Serialize;
use tokio::task::block_in_place;

use super::choice::Choice;
use super::csv;
use super::numbers::Numbers;
use super::output::{Output, OutputFolder};
use super::page::Page;
use super::zone::Zone;
use crate::cli::{Global, Report};
use crate::commands::status::{self, Status};
use crate::commands::{Setting, Told};
use crate::dataset::destination::{self, Destination};
use crate::error::{Error, Kind, Result};
use crate::terminal::summary::{counted, size};
use crate::words::redact;
use crate::words::stop::Stop;

/// Runs `rollbook report`: writes the page, and with `--csv` the files.
pub fn report(setting: &Setting<'_>, global: &Global, report: &Report, stop: &Stop) -> Result<Told> {
    let Setting { config, environment, clock, run_id, progress, .. } = setting;
    // What was typed is a name of the database.
    let zone = Zone::named(&report.zone)
        .ok_or_else(|| Error::new(Kind::Unexpected, format!("no rules are known of the time zone: {}", report.zone)))?;
    let mut choice = Choice::read(report.from.as_deref(), report.to.as_deref(), &zone)?;
    choice.meetings.clone_from(&report.meetings);
    choice.sessions.clone_from(&report.sessions);
    let dataset = config.dataset.url.folder();
    let output = Output::at(&report.output, dataset)?;
    let mut destination = Destination::open(config, environment, run_id, true, stop)?;
    block_in_place(|| {
        let status = status::look(&mut destination, config, clock, stop)?;
        let folder = destination::temporary();
        let numbers = super::count(&destination.layout, &choice, &zone, &folder, progress, stop)?;
        let chosen = choice.words(&zone);
        let place = config.dataset.url.to_string();
        let (numbers, status, zone, made_at) = (&numbers, &status, &zone, clock.micros());
        let page = Page { numbers, status, dataset: &place, zone, chosen: &chosen, made_at }.html()?;
        let mut written = vec![(output.place().display().to_string(), page.len() as u64)];
        stop.check()?;
        if !global.dry_run {
            output.write(page.as_bytes())?;
        }
        if let Some(path) = &report.csv {
            written.extend(write_csv(path, dataset, csv::files(numbers, status, zone), global.dry_run)?);
        }
        let made = Printed::of(&written, numbers, status, global.dry_run);
        Ok(Told { text: if global.json { made.json() } else { made.text() }, error: None })
    })
}

/// Writes the files, and says where they are and how long.
fn write_csv(path: &Path, dataset: Option<&Path>, files: Vec<csv::File>, is_dry: bool) -> Result<Vec<(String, u64)>> {
    if is_dry {
        return Ok(files
            .iter()
            .map(|(name, text)| (path.join(name).display().to_string(), text.len() as u64))
            .collect());
    }
    let folder = OutputFolder::at(path, dataset)?;
    let write = |(name, text): (&str, String)| {
        let file = folder.file(name)?;
        file.write(text.as_bytes())?;
        Ok((file.place().display().to_string(), text.len() as u64))
    };
    files.into_iter().map(write).collect()
}

/// What was made.
#[derive(Serialize)]
struct Printed<'a> {
    files: Vec<Written<'a>>,
    sessions: u64,
    persons: u64,
    meetings: u64,
    attended_ms: i64,
    proven: bool,
    dry_run: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    path: &'a str,
    bytes: u64,
}

impl<'a> Printed<'a> {
    fn of(written: &'a [(String, u64)], numbers: &Numbers, status: &Status, dry_run: bool) -> Self {
        Self {
            files: written.iter().map(|(path, bytes)| Written { path, bytes: *bytes }).collect(),
            sessions: numbers.all.sessions,
            persons: numbers.all.persons,
            meetings: numbers.all.meetings,
            attended_ms: numbers.all.attended_ms,
            proven: status.last_is_proof(),
            dry_run,
        }
    }

    fn json(&self) -> String {
        redact::document(self)
    }

    fn text(&self) -> String {
        let verb = if self.dry_run { "would be written (dry run)" } else { "written" };
        let of = format!("{}, {}", counted(self.sessions, "session"), counted(self.persons, "person"));
        let line =
            |Written { path, bytes }: &Written<'_>| format!("{verb}: {} ({})\n", redact::shown(path), size(*bytes));
        format!("report: {of}\n{}", self.files.iter().map(line).collect::<String>())
    }
}
