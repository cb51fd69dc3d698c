//! `verify`: is the dataset what the records say, and does it agree with itself?
//!
//! Every published file is read whole once for its hash, and its rows are read again for what they say. Nothing is
//! written. It knows nothing of the API: what can be said without asking it is all that is said.
//!
//! ```text
//! records   what state and receipts say of each file
//!   file    there, readable, of this version; its bytes and rows against the records
//!   keys    order, uniqueness, the right partition
//!   rows    children and parents, sums computed anew from the timelogs
//!   twice   one session in two places
//! findings  what came of it; repair sets the files of bad partitions aside
//! ```

mod file;
mod findings;
mod keys;
mod records;
mod repair;
mod report;
mod rows;
mod sample;
mod twice;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::config::PartitionBy;
use crate::dataset::admission;
use crate::dataset::erasures::Erasures;
use crate::dataset::layout::{Layout, Partition};
use crate::dataset::published::{Published, Versions};
use crate::error::{Error, Kind, Result};
use crate::progress::Progress;
use crate::signal::Stop;
use crate::tables::Table;
pub use findings::{Damage, Findings, Notice};
use records::Records;
pub use repair::{Repair, plan, recovery};
pub use report::Report;
pub use sample::Share;

/// How often one begins anew when other runs publish meanwhile.
const ROUNDS: u32 = 5;

/// So long one waits for the next swap of a run that may be publishing, before its traces are called damage.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be verified, and how.
pub struct Verify<'a> {
    /// The dataset.
    pub layout: &'a Layout,
    /// How it should be cut.
    pub by: PartitionBy,
    /// Look at the rows of about this share of the partitions only.
    pub share: Option<Share>,
    /// Ends it early.
    pub stop: &'a Stop,
    /// What a person watches.
    pub progress: &'a Progress,
}

/// The files of a partition that are sound in themselves, and how many rows each has.
type Readable = [Option<u64>; 3];

impl Verify<'_> {
    /// Looks at everything.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version or cut otherwise; `Destination` where it can't be reached; `Absent`;
    /// `Raced` where other runs kept publishing; the signal's kind.
    pub fn run(&self) -> Result<Report> {
        for _ in 0..ROUNDS {
            let found = Published::versions(self.layout)?;
            let looked = self.round(&found);
            if looked.as_ref().is_ok_and(Report::may_be_under_way) {
                std::thread::sleep(PAUSE);
            }
            match looked {
                // Between two swaps of a run the tables of a partition disagree, which is no damage.
                Ok(report) if report.is_sound() || Published::versions(self.layout)? == found => return Ok(report),
                Err(error) if error.kind() != Kind::Raced => return Err(error),
                Ok(_) | Err(_) => tracing::info!("another run has published meanwhile; looking at the dataset anew"),
            }
        }
        Err(Error::new(Kind::Raced, format!("other runs keep writing to the dataset: {}", self.layout.place()))
            .hint("run the same command again when they are done"))
    }

    fn round(&self, found: &BTreeMap<Partition, Versions>) -> Result<Report> {
        let mut findings = Findings::default();
        let records = Records::read(self.layout, self.by, &mut findings)?;
        if found.is_empty() && records.is_empty(&findings) {
            return Err(admission::absent(self.layout));
        }
        let mut report = Report::new(self.layout, found.len() as u64);
        self.missing(found, &records, &mut findings)?;
        match Erasures::load(self.layout, records.erasures()) {
            Err(error) if error.kind() == Kind::Unreadable => findings.erasures(&error),
            loaded => drop(loaded?),
        }
        let sample = self.share.map(|share| share.of(self.layout, found.keys().copied(), records.last_run()));
        let published = Published::of(self.layout, found);
        let mut ids = Vec::new();
        self.progress.phase("verifying", published.len() as u64);
        for part in &published {
            let readable = self.files(part, &found[&part.partition()], &records, &mut report, &mut findings)?;
            if readable[Table::Sessions as usize].is_some() {
                ids.push(part.clone());
            }
            let is_chosen = sample.as_ref().is_none_or(|sample| sample.contains(&part.partition()));
            if is_chosen && self.rows(part, readable, &mut findings)? {
                report.checked.push(part.partition());
            }
            self.progress.step();
        }
        let sessions = report.rows[Table::Sessions as usize];
        twice::check(self.layout, &ids, (sessions, records.moving()), self.stop, &mut findings)?;
        report.finish(findings);
        Ok(report)
    }

    /// What should be there and is not, and what is there and should not be.
    fn missing(&self, found: &BTreeMap<Partition, Versions>, records: &Records, findings: &mut Findings) -> Result<()> {
        let mut known = BTreeSet::new();
        for (partition, versions) in found {
            for (table, version) in Table::ALL.into_iter().zip(versions) {
                let path = self.layout.relative(table, *partition);
                if version.is_none() && records.names(&path) {
                    findings.damage(Some(*partition), &path, "the file is missing");
                } else if version.is_none() {
                    findings.notice(
                        &path,
                        "not there and never recorded: a run was stopped when it first published the partition",
                    );
                }
                known.insert(path);
            }
        }
        records.gone(self.layout, &known, findings);
        for table in Table::ALL {
            for (path, _) in self.layout.store().list(table.name())? {
                // What a glob for `*.parquet` does not find is nobody's business.
                if path.ends_with(".parquet") && !known.contains(&path) {
                    findings.stray(&path);
                }
            }
        }
        Ok(())
    }

    /// Looks at the files of a partition as files.
    fn files(
        &self,
        part: &Published,
        versions: &Versions,
        records: &Records,
        report: &mut Report,
        findings: &mut Findings,
    ) -> Result<Readable> {
        let mut readable = Readable::default();
        let mut is_old = false;
        for (table, version) in Table::ALL.into_iter().zip(versions) {
            let Some(version) = version else { continue };
            self.stop.check()?;
            let path = self.layout.relative(table, part.partition());
            let looked = file::look(self.layout.store(), &path, table, version)?;
            report.files += 1;
            report.bytes += looked.bytes;
            if let Some(rows) = looked.rows {
                report.rows[table as usize] += rows;
            }
            if looked.is_old && !is_old {
                findings.notice(&path, "of an older schema version; the next export upgrades the partition");
            }
            is_old |= looked.is_old;
            let known = records.know(&path, &looked);
            match (looked.damage.or(known.damage), known.notice) {
                (Some(what), _) => findings.damage(Some(part.partition()), &path, &what),
                (None, notice) => {
                    readable[table as usize] = looked.rows;
                    if let Some(what) = notice {
                        findings.unrecorded(part.partition(), &path, &what);
                    }
                }
            }
        }
        Ok(readable)
    }

    /// Looks at the rows of a partition; says whether all of them could be looked at.
    fn rows(&self, part: &Published, readable: Readable, findings: &mut Findings) -> Result<bool> {
        let mut in_order = true;
        for table in Table::ALL.into_iter().filter(|table| readable[*table as usize].is_some()) {
            in_order &=
                self.sound(part, table, findings, |found| keys::check(part, table, self.layout, self.stop, found))?;
        }
        // Tables that are out of order can't be read side by side.
        let (true, [Some(_), Some(participants), Some(timelogs)]) = (in_order, readable) else { return Ok(false) };
        self.sound(part, Table::Sessions, findings, |found| {
            rows::check(part, [participants, timelogs], self.stop, found)
        })?;
        Ok(true)
    }

    /// Runs a check of a partition's rows; says whether it found nothing. What can't be read to its end is damage.
    fn sound(
        &self,
        part: &Published,
        table: Table,
        findings: &mut Findings,
        check: impl FnOnce(&mut Vec<(Table, String)>) -> Result<()>,
    ) -> Result<bool> {
        let mut found = Vec::new();
        match check(&mut found) {
            Err(error) if error.kind() == Kind::Unreadable => found.push((table, findings::cause(&error))),
            checked => checked?,
        }
        for (table, what) in &found {
            findings.damage(Some(part.partition()), &self.layout.relative(*table, part.partition()), what);
        }
        Ok(found.is_empty())
    }
}
