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

mod accept;
mod accepted;
pub mod command;
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
use std::sync::Arc;
use std::time::Duration;

use crate::dataset::admission;
use crate::dataset::erasures::Erasures;
use crate::dataset::known::Standing;
use crate::dataset::lake::{self, Finding, Lake};
use crate::dataset::layout::Layout;
use crate::dataset::published::{Published, Versions};
use crate::dataset::rejects;
use crate::error::{Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::{Table, Tables};
use crate::store::{raced, unless_raced};
use crate::terminal::progress::Progress;
use crate::words::share::Share;
use crate::words::stop::Stop;
pub use accept::{accept, vouched};
pub use findings::{Damage, Findings, Notice};
use records::Records;
pub use repair::{Repair, plan, recovery};
pub use report::{Doubt, Report};

/// How often one begins anew when other runs publish meanwhile.
const ROUNDS: u32 = 5;

/// So long one waits for the next swap of a run that may be publishing, before its traces are called damage.
const PAUSE: Duration = Duration::from_secs(1);

/// What is to be verified, and how.
pub struct Verify<'a> {
    /// Where the dataset is, and how it is cut.
    pub layout: &'a Layout,
    /// The partition of a session that starts now; sessions of a later one can't be had back by a range of dates.
    pub present: Partition,
    /// Look at the rows of about this share of the partitions only.
    pub share: Option<Share>,
    /// Partitions whose files somebody vouches for.
    pub vouched: BTreeSet<Partition>,
    /// Where a signal is noticed: the look then ends early, without a report.
    pub stop: &'a Stop,
    /// The progress that is shown on stderr.
    pub progress: &'a Progress,
}

impl Doubt {
    /// Holds the rows against those that were recorded with the same bytes.
    fn recount(&self, path: &str, recorded: u64, findings: &mut Findings) {
        if self.rows != recorded {
            let what = format!("the file has other rows than were recorded with its bytes: {recorded}");
            findings.damage(Some(self.partition), path, &what);
        }
    }
}

/// The files of a partition that are sound in themselves, and how many rows each has.
type Readable = Tables<Option<u64>>;

impl Verify<'_> {
    /// Looks at the records, the files and the rows; begins anew where another run has published meanwhile.
    ///
    /// # Errors
    /// `Config` where the dataset is of a newer version or cut otherwise; `Destination` where it can't be reached; `Absent`;
    /// `Raced` where other runs kept publishing; the signal's kind.
    pub fn run(&self) -> Result<Report> {
        let attempt = || {
            let found = Published::versions(self.layout)?;
            let looked = self.round(&found);
            if looked.as_ref().is_ok_and(Report::may_be_under_way) {
                std::thread::sleep(PAUSE);
            }
            match looked {
                // Between two swaps of a run the tables of a partition disagree, which is no damage.
                Ok(report) if report.is_sound() || Published::versions(self.layout)? == found => {
                    return Ok(Some(report));
                }
                Err(error) if error.kind() != Kind::Raced => return Err(error),
                Ok(_) | Err(_) => tracing::info!("another run has published meanwhile; looking at the dataset anew"),
            }
            Ok(None)
        };
        unless_raced(ROUNDS, || self.layout.place(), attempt)
    }

    fn round(&self, found: &BTreeMap<Partition, Versions>) -> Result<Report> {
        let mut findings = Findings::default();
        for (path, obstacle) in &self.layout.survey(false)?.obstacles {
            findings.obstacle(self.layout, path, obstacle);
        }
        let records = Records::read(self.layout, &mut findings)?;
        rejects::damaged(self.layout, |path| findings.rejects(path))?;
        if found.is_empty() && records.is_empty(&findings) {
            return Err(admission::absent(self.layout));
        }
        let mut report = Report::new(self.layout, found.len() as u64);
        self.missing(found, &records, &mut findings)?;
        match Erasures::load(self.layout, records.erasures()) {
            Err(error) if error.kind() == Kind::Unreadable => findings.erasures(&error),
            loaded => drop(loaded?),
        }
        let sample =
            self.share.map(|share| sample::sample(share, self.layout, found.keys().copied(), records.last_run()));
        let published = Published::of(self.layout, found);
        self.progress.phase("verifying", 2 * published.len() as u64);
        let mut looked = Vec::with_capacity(published.len());
        for part in &published {
            looked.push(self.files(part, &found[&part.partition()], &records, &mut report, &mut findings)?);
            self.progress.step();
        }
        for Finding { path, what, is_damage } in lake::inspect(self.layout, records.known(), &report.hashed, self.stop)?
        {
            if is_damage { findings.damage(None, &path, &what) } else { findings.notice(&path, &what) }
        }
        self.judge(&mut report, &mut findings)?;
        let mut ids = Vec::new();
        for (part, mut readable) in published.iter().zip(looked) {
            self.leave_out_unknown(part, &mut readable, &findings);
            if readable.sessions.is_some() {
                ids.push(part.clone());
            }
            let is_chosen = sample.as_ref().is_none_or(|sample| sample.contains(&part.partition()));
            if is_chosen && self.rows(part, readable, &mut findings)? {
                report.checked.push(part.partition());
            }
            self.progress.step();
        }
        let sessions = report.rows.sessions;
        twice::check(self.layout, &ids, (sessions, records.moving()), self.stop, &mut findings)?;
        report.finish(findings);
        Ok(report)
    }

    /// What should be there and is not, and what is there and should not be.
    fn missing(&self, found: &BTreeMap<Partition, Versions>, records: &Records, findings: &mut Findings) -> Result<()> {
        let mut known = BTreeSet::new();
        for (partition, versions) in found {
            for (table, version) in versions {
                let path = self.layout.relative(table, *partition);
                if version.is_none() && findings.is_blocked(&path) {
                    continue; // that it is not there is no news
                }
                if version.is_none() && records.known().names(&path) {
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
        records.gone(self.layout, self.present, &known, findings);
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
        for (table, version) in versions {
            let Some(version) = version else { continue };
            self.stop.check()?;
            let path = self.layout.relative(table, part.partition());
            let looked = file::look(self.layout.store(), &path, table, version, self.stop)?;
            if let Some(sha256) = &looked.sha256 {
                report.hashed.insert(path.clone(), (version.clone(), sha256.clone()));
            }
            report.files += 1;
            report.bytes += looked.bytes;
            if let Some(rows) = looked.rows {
                report.rows[table] += rows;
            }
            if looked.is_old && !is_old {
                findings.notice(&path, "of an older schema version; the next export upgrades the partition");
            }
            is_old |= looked.is_old;
            match (looked.damage, looked.rows, looked.sha256) {
                (Some(what), ..) => findings.damage(Some(part.partition()), &path, &what),
                (None, Some(rows), Some(sha256)) => {
                    readable[table] = Some(rows);
                    let (partition, version, bytes) = (part.partition(), version.clone(), looked.bytes);
                    let doubt = Doubt { partition, table, version, rows, bytes, sha256 };
                    match records.known().standing(&path, &doubt.sha256) {
                        Standing::Current(recorded) => doubt.recount(&path, recorded, findings),
                        _ => drop(report.doubts.insert(path, doubt)),
                    }
                }
                (None, ..) => {}
            }
        }
        Ok(readable)
    }

    /// Says of the files that the state does not name what the records say of them by now: a run may have published between
    /// the reading of the records and that of the files.
    fn judge(&self, report: &mut Report, findings: &mut Findings) -> Result<()> {
        if report.doubts.is_empty() {
            return Ok(());
        }
        let records = Records::read(self.layout, &mut Findings::default())?;
        let now = self.layout.versions()?;
        let lake = self.lake()?;
        let mut still = BTreeMap::new();
        for (path, doubt) in std::mem::take(&mut report.doubts) {
            let standing = records.known().standing(&path, &doubt.sha256);
            if now.get(&path) != Some(&doubt.version) {
                return Err(raced(&self.layout.store().place(&path)));
            }
            match standing {
                Standing::Current(rows) => {
                    doubt.recount(&path, rows, findings);
                    continue;
                }
                Standing::Published(rows, record) => {
                    doubt.recount(&path, rows, findings);
                    findings.under_way(doubt.partition, &path, &record);
                }
                Standing::Restored(_) | Standing::Unknown if is_beside_another(lake.as_deref(), &path, findings) => {
                    findings.not_listed(&path);
                }
                Standing::Restored(older) => {
                    doubt.recount(&path, older.rows, findings);
                    findings.restored(&path, &older, records.erasures());
                }
                Standing::Unknown => findings.unknown(doubt.partition, &path),
            }
            still.insert(path, doubt);
        }
        report.doubts = still;
        Ok(())
    }

    /// The dataset's snapshots, if it has any that can be read.
    fn lake(&self) -> Result<Option<Arc<Lake>>> {
        match Lake::open(self.layout, self.stop) {
            Err(error) if error.kind() == Kind::Unreadable => Ok(None),
            lake => lake,
        }
    }

    /// Rows of bytes that nobody knows are read only where somebody vouches for them: they may be anything.
    fn leave_out_unknown(&self, part: &Published, readable: &mut Readable, findings: &Findings) {
        if !self.vouched.contains(&part.partition()) {
            for table in Table::ALL {
                if findings.is_damaged(&self.layout.relative(table, part.partition())) {
                    readable[table] = None;
                }
            }
        }
    }

    /// Looks at the rows of a partition; says whether all of them could be looked at.
    fn rows(&self, part: &Published, readable: Readable, findings: &mut Findings) -> Result<bool> {
        let mut in_order = true;
        for table in Table::ALL.into_iter().filter(|table| readable[*table].is_some()) {
            in_order &=
                self.sound(part, table, findings, |found| keys::check(part, table, self.layout, self.stop, found))?;
        }
        // Tables that are out of order can't be read side by side.
        let (true, Some(_)) = (in_order, readable.sessions) else { return Ok(false) };
        let (Some(participants), Some(timelogs)) = (readable.participants, readable.timelogs) else { return Ok(false) };
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

/// Whether a plain file stands beside one of the newest snapshot that is sound, so that an export puts that one back.
fn is_beside_another(lake: Option<&Lake>, plain: &str, findings: &Findings) -> bool {
    let place = lake.and_then(|lake| lake.place_beside(plain));
    place.is_some_and(|place| !findings.is_damaged(&place))
}
