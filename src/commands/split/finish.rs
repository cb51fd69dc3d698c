//! `split finish`: state, snapshot, receipt and exit code; then what the tasks have left goes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ground::{Ground, Seen};
use super::join::{all_done, rejects_of};
use super::publish::{Dataset, publication};
use crate::commands::export::proof::Proof;
use crate::commands::export::publication::{Done, Placed};
use crate::commands::{Told, shortfall};
use crate::dataset::admission::{self, Purpose};
use crate::dataset::destination::Destination;
use crate::dataset::encode::Written;
use crate::dataset::inspection;
use crate::dataset::layout::Layout;
use crate::dataset::publish::Part;
use crate::dataset::published::Published;
use crate::dataset::receipt::thinned::thin;
use crate::dataset::receipt::{self, Changes, Receipt, past};
use crate::dataset::rejects;
use crate::dataset::split::records::{FINISH, FORM, Finished, Joined, MadeFile, Planned, PublishDone};
use crate::dataset::split::{PLAN_ANEW, Step, under_way};
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::Table;
use crate::terminal::summary;
use crate::words::timestamp;

/// How long it waits for a purge, or for another one that finishes the same split.
const PATIENCE: Duration = Duration::from_mins(10);

/// How a split ended: its receipt, unless it had ended before, and what to print.
pub struct Ended {
    pub receipt: Option<Receipt>,
    pub told: Told,
}

/// Finishes a split.
///
/// # Errors
/// As an export; `Config` where a task is not done, or where the split was overtaken.
pub async fn finish(ground: &Ground<'_>, planned: &Planned, json: bool) -> Result<Ended> {
    if let Some(finished) = ground.split.own::<Finished>(planned, FINISH)? {
        return before(ground, &ground.destination()?, &finished, json);
    }
    let mut destination = ground.destination()?;
    destination.terms.wait = Some(PATIENCE);
    ground.refuse_other_rules(planned, &destination)?;
    let plain = destination.layout.clone();
    let joined = ground.joined(planned)?;
    let attempt = &ground.setting.run_id;
    let lease = admission::admit(&destination, attempt, ground.clock(), &ground.stop, Purpose::Split).await?;
    // Somebody else may have finished it while this one waited, or died after its receipt was stored.
    if let Some(exit_code) = past::exit_code(&plain, &planned.run_id)? {
        let finished = finished(ground, planned, exit_code);
        close(ground, planned, &plain, &finished)?;
        return before(ground, &destination, &finished, json);
    }
    ground.refuse_overtaken(planned, &plain)?;
    let tasks = all_done::<PublishDone>(ground, planned, Step::Publish, joined.tasks.len() as u64)?;
    let alone = lease.as_ref().is_some_and(crate::dataset::lease::Lease::keeps_others_out);
    let receipt = tokio::task::block_in_place(|| put_in_place(ground, planned, joined, tasks, &destination, alone))?;
    let (receipt, kind) = receipt;
    receipt.store(&plain)?;
    thin(&plain, ground.setting.config.dataset.keep_receipts, ground.clock());
    close(ground, planned, &plain, &finished(ground, planned, receipt.exit_code))?;
    let (accept, max_rejects) = ground.bounds();
    let error = kind.map(|kind| shortfall::of(kind, &receipt, accept, max_rejects, false));
    let text = if json { receipt.json() } else { summary::of(&receipt, &planned.dataset, false) };
    let text = if json || error.is_none() { text } else { String::new() };
    Ok(Ended { receipt: Some(receipt), told: Told { text, error } })
}

/// Publishes what is left to be published, and says what came of all.
fn put_in_place(
    ground: &Ground<'_>,
    planned: &Planned,
    joined: Joined,
    tasks: Vec<PublishDone>,
    destination: &Destination,
    alone: bool,
) -> Result<(Receipt, Option<Kind>)> {
    let plain = &destination.layout;
    let seen = ground.seen(planned, plain)?;
    let dataset = Dataset { ground, planned, joined: &joined, seen: &seen };
    // What tasks have made is held against their records, which takes no look at its bytes.
    let is_elsewhere = |partition: &Partition| !joined.tasks.iter().any(|task| task.contains(partition));
    let is_as_found = dataset.is_as_found(&Published::versions(&seen.layout)?, is_elsewhere)?;
    let mut older = joined.restored.clone();
    older.extend(tasks.iter().flat_map(|task| task.restored.clone()));
    let (placed, is_whole) = placed(&dataset, tasks)?;
    let found = Published::versions(&seen.layout)?;
    let mut job = publication(ground, planned, &joined, destination, seen)?;
    // One a finish: a record that is written anew must not forget what a dead one has put in place.
    (job.found, job.record) = (found, format!("{}-finish-{}", planned.run_id, ground.setting.run_id));
    if !is_whole || !is_as_found {
        job.look_again()?;
    }
    if !older.is_empty() {
        job.state.unsettle();
    }
    (job.placed, job.alone) = (placed, alone);
    let is_unsettled = job.state.is_unsettled();
    let Done { parts, mut restored, unchanged, holds, snapshot, result } = job.work();
    result?;
    // Not before: of a run that never ends, the next one must find them as new.
    match ground.split.open_file(&rejects_of(&joined.attempt))? {
        Some(file) => rejects::take_over(plain, &planned.run_id, file)?,
        None if joined.rejects.total > 0 => tracing::warn!("the records that could not be read whole are gone"),
        None => {}
    }
    restored.append(&mut older);
    let mut against = inspection::reasons(&restored, planned.erasures);
    if is_unsettled && against.is_empty() {
        against
            .push("files had been put back that were an older run's; the next export reads the whole list".to_owned());
    }
    let Joined { evidence, ref reasons, unanswered, .. } = joined;
    let proof = Proof { evidence, reasons: reasons.clone(), unanswered }.unless(against);
    let mut receipt = receipt_of(ground, planned, joined, unchanged);
    (receipt.walk.evidence, receipt.walk.reasons) = (proof.evidence, proof.reasons.clone());
    receipt.restored = restored.into_keys().collect();
    receipt.partitions = parts.iter().map(receipt::File::from).collect();
    (receipt.dataset, receipt.snapshot) = (holds, snapshot);
    let config = &ground.setting.config;
    let kind = proof.shortfall(config.walk.accept, receipt.rejects.new, config.dataset.max_rejects);
    receipt.close(None, kind.map_or((0, "proven"), Kind::outcome));
    Ok((receipt, kind))
}

/// What a receipt says of the walk, of its sessions and of its time. `unchanged`: how many sessions stand as they did.
fn receipt_of(ground: &Ground<'_>, planned: &Planned, joined: Joined, unchanged: u64) -> Receipt {
    let Joined { resolution, walk, rows, open_sessions, rejects, walk_s, .. } = joined;
    let config = &ground.setting.config;
    let mut receipt = Receipt::blank(&planned.run_id, "split", &config.api, ground.clock());
    receipt.began_at(planned.planned_at);
    let since = planned.floor.map(timestamp::text);
    receipt.goal = receipt::Goal { kind: "full", from: since.clone(), since, ..receipt::Goal::default() };
    (receipt.walk, receipt.rows, receipt.rejects) = (walk, rows, rejects);
    (receipt.sessions, receipt.open_sessions, receipt.erasures) =
        (resolution.sessions, open_sessions, planned.erasures);
    let (sessions, known) = (resolution.sessions, resolution.known);
    receipt.changes =
        Changes { new: sessions - known, updated: known.saturating_sub(unchanged), unchanged: unchanged.min(known) };
    let micros = ground.clock().micros().saturating_sub(planned.planned_at);
    let total = Duration::from_micros(u64::try_from(micros).unwrap_or_default());
    receipt.finish(ground.clock(), total);
    receipt.timing.walk_s = walk_s;
    receipt.timing.publish_s = (total.as_secs_f64() - walk_s).max(0.0);
    receipt
}

/// What the tasks have put in place, held against what is there; and whether all of it still is. What is not is made once more: a finish has
/// died that had gone on from it.
fn placed(dataset: &Dataset<'_>, tasks: Vec<PublishDone>) -> Result<(Placed, bool)> {
    let Dataset { ground, joined, seen: Seen { layout, lake, snapshot }, .. } = dataset;
    if *snapshot != joined.snapshot {
        // A finish has died behind its commit.
        return Ok((Placed::default(), false));
    }
    let (mut placed, mut changed) = (Placed::default(), BTreeSet::new());
    let there = if lake.is_some() { BTreeMap::new() } else { layout.versions()? };
    for PublishDone { task, files, unchanged, .. } in tasks {
        placed.unchanged = placed.unchanged.saturating_add(unchanged);
        for made in files {
            let foreign = || {
                let place = ground.split.place(&Step::Publish.done(task));
                Error::new(Kind::Config, format!("a record names what no task has made: {place}")).hint(PLAN_ANEW)
            };
            let is_sum = made.sha256.len() == 64 && made.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            let file = layout.partition_of(&made.path).zip(table(&made.path)).filter(|_| is_sum);
            let (partition, table) = file.ok_or_else(foreign)?;
            let version = match lake {
                Some(lake) => Some(lake.adopt(&made.path, &made.sha256)?),
                None => dataset.made(&made, there.get(&made.path))?,
            };
            let Some(version) = version else {
                changed.insert(partition);
                continue;
            };
            let changed = dataset.is_changed(&made);
            placed.finished.entry(partition).or_default()[table] = Some(version.clone());
            let MadeFile { path, rows, bytes, sha256, mark: _ } = made;
            let written = Written { rows, bytes, sha256 };
            placed.parts.push((partition, Part { table, path, written, changed, version }));
        }
    }
    placed.finished.retain(|partition, _| !changed.contains(partition));
    placed.parts.retain(|(partition, _)| !changed.contains(partition));
    Ok((placed, changed.is_empty()))
}

fn table(path: &str) -> Option<Table> {
    let first = path.split('/').next()?;
    Table::ALL.into_iter().find(|table| table.name() == first)
}

fn finished(ground: &Ground<'_>, planned: &Planned, exit_code: u8) -> Finished {
    Finished { form: FORM, run_id: planned.run_id.clone(), finished_at: ground.clock().micros(), exit_code }
}

/// The split is over: nothing of it holds anybody up any more, and nothing of what tasks have left stays.
fn close(ground: &Ground<'_>, planned: &Planned, plain: &Layout, finished: &Finished) -> Result<()> {
    ground.split.create(FINISH, finished)?;
    tidy(ground, plain, &planned.run_id)
}

fn tidy(ground: &Ground<'_>, plain: &Layout, run_id: &str) -> Result<()> {
    ["fetch", "join", "publish"].iter().try_for_each(|folder| ground.split.clear(folder))?;
    under_way::end(plain, run_id)
}

/// How a split ended that somebody has finished before.
fn before(ground: &Ground<'_>, destination: &Destination, finished: &Finished, json: bool) -> Result<Ended> {
    let plain = &destination.layout;
    // A finish that was killed may have left something; nothing depends on it.
    if let Err(error) = tidy(ground, plain, &finished.run_id) {
        tracing::warn!("what tasks have left stays: {}", error.render());
    }
    let receipt = past::text(plain, &finished.run_id)?;
    let receipt = receipt.unwrap_or_else(|| {
        format!("{:#}\n", serde_json::json!({ "run_id": finished.run_id, "exit_code": finished.exit_code }))
    });
    let error = (finished.exit_code != 0).then(|| {
        let what = format!("the split was finished before, and its run ended with {}", finished.exit_code);
        Error::new(Kind::Unproven, what)
            .hint(format!("look at its receipt: _rollbook/runs/{}.json in the dataset", finished.run_id))
    });
    let text = format!("the split was finished before (run {}): {}\n", finished.run_id, plain.place());
    let text = if json { receipt } else { text };
    Ok(Ended { receipt: None, told: Told { text, error } })
}
