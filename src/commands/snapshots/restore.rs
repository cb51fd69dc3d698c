//! An older snapshot brought back: it is committed once more as the newest, the plain files follow, and the next export reads the
//! whole list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::block_in_place;

use crate::cli::Global;
use crate::commands::Setting;
use crate::dataset::admission::{self, Purpose};
use crate::dataset::destination::Destination;
use crate::dataset::inspection::Inspection;
use crate::dataset::lake::{Author, Lake, Snapshot};
use crate::dataset::layout::Layout;
use crate::dataset::publishing::Record;
use crate::dataset::receipt::{File, Receipt};
use crate::dataset::state::{Found, Recorded, State};
use crate::error::{Error, Kind, Result};
use crate::rows::tables::Table;
use crate::store::{ROUNDS, unless_raced};
use crate::words::stop::Stop;

/// Brings the snapshot of this number back; says so.
///
/// # Errors
/// `Config` where there is none, or where it can't be brought back; `Unreadable`, `Lease`, `Destination`.
pub async fn restore(
    setting: &Setting<'_>,
    global: &Global,
    number: u64,
    wait: Option<Duration>,
    stop: &Stop,
) -> Result<String> {
    let Setting { config, environment, clock, run_id, .. } = setting;
    let begun = Instant::now();
    let mut destination = Destination::open(config, environment, run_id, global.dry_run, stop)?;
    destination.terms.wait = wait;
    admission::refuse_absent(&destination, clock)?;
    let _lease = admission::admit(&destination, run_id, clock, stop, Purpose::Run).await?;
    block_in_place(|| {
        let layout = &destination.layout;
        let Some(lake) = Lake::open(layout, stop)? else { return Err(none(&destination)) };
        // Damage ends the command before its first change.
        Inspection::begin(layout, stop)?.strangers()?;
        if !global.dry_run {
            lake.follow()?;
        }
        lake.refuse_foreign()?;
        let mut receipt = Receipt::blank(run_id, "snapshots", &config.api, clock);
        receipt.goal.kind = "restore";
        let author = Author { run_id: run_id.clone(), clock: clock.clone() };
        let taken = lake.take_back_to(number)?;
        if global.dry_run {
            return Ok(told(&taken, "would be brought back"));
        }
        perform(layout, &lake, number, &author)?;
        receipt.partitions = lake.base().map(|base| files(layout, &base)).unwrap_or_default();
        receipt.snapshot = lake.base().map(|base| base.snapshot);
        receipt.erasures = taken.erasures;
        receipt.finish(clock, begun.elapsed());
        receipt.close(None, (0, "restored"));
        receipt.store(layout)?;
        Ok(if global.json {
            receipt.json()
        } else {
            told(&taken, "is brought back; the next export reads the whole list")
        })
    })
}

fn perform(layout: &Layout, lake: &Arc<Lake>, number: u64, author: &Author) -> Result<()> {
    let mut record = Record::of(&author.run_id);
    // First the fence, so that whatever stops this, the next night reads everything.
    State::forget(layout, &BTreeSet::new(), &author.run_id)?;
    let attempt = || {
        let taken = lake.take_back_to(number)?;
        record.extend(layout, lake.coming())?;
        lake.commit_again(author, &taken).map(Some)
    };
    unless_raced(ROUNDS, || layout.place(), attempt)?;
    lake.follow()?;
    let Some(base) = lake.base() else { return Ok(()) };
    let there = lake.layout().versions()?;
    let recorded = |File { path, rows, sha256, .. }: File| {
        let mark = there.get(&path).map(|version| version.mark().to_owned());
        (path, Recorded { rows, sha256, mark })
    };
    let files: BTreeMap<_, _> = files(layout, &base).into_iter().map(recorded).collect();
    State::restore(layout, &files, &author.run_id)?;
    if let Found::Known(_) = State::look(layout)? {
        record.end(layout)?;
    }
    Ok(())
}

/// The files of a snapshot, as receipts name them.
fn files(layout: &Layout, snapshot: &Snapshot) -> Vec<File> {
    let files = snapshot.files(layout.by());
    let of = |(path, entry): (&String, &crate::dataset::lake::Entry)| {
        let table = Table::ALL.into_iter().find(|table| path.split('/').next() == Some(table.name()));
        let (rows, bytes, sha256) = (entry.rows, entry.bytes, entry.sha256().to_owned());
        File { table: table.map_or("", Table::name), path: path.clone(), rows, bytes, sha256, changed: true }
    };
    files.iter().map(of).collect()
}

fn told(snapshot: &Snapshot, what: &str) -> String {
    let Snapshot { snapshot: number, created_at, .. } = snapshot;
    format!("snapshot {number} of {created_at} {what}\n")
}

/// The error of a dataset without snapshots.
pub(super) fn none(destination: &Destination) -> Error {
    Error::new(Kind::Config, format!("the dataset has no snapshots: {}", destination.layout.place()))
        .hint("set `[snapshots] format` to \"files\" or \"delta\"; the next export makes the first one")
}
