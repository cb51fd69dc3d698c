//! `split join`: a run that goes on from what many have read. It reads the head and the end of the list and what is missing between,
//! resolves all identities once, and decides what is published. It publishes nothing.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ground::{Ground, refuse_other_settings};
use crate::commands::export::{Checked, Run, Scene};
use crate::dataset::published::Published;
use crate::dataset::receipt::Receipt;
use crate::dataset::split::records::{Counted, FORM, FetchDone, JOIN, Joined, Planned, Record, TaskFailed};
use crate::dataset::split::{Left, PLAN_ANEW, REJECTS, Step};
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;
use crate::stage::{Piece, Stage};

/// Joins what the tasks have left. Returns what was decided; the attempt that came first counts.
///
/// # Errors
/// As an export; `Config` where a task has not read its part yet, or where the split was overtaken.
pub async fn join(ground: &Ground<'_>, planned: &Planned) -> Result<Joined> {
    let before = || ground.split.own::<Joined>(planned, JOIN);
    if let Some(joined) = before()? {
        return Ok(joined);
    }
    let own = Box::pin(attempt(ground, planned)).await;
    // Whoever came first counts, also where that one has finished the split meanwhile; this one leaves nothing behind.
    let first = before()?;
    if first.as_ref().is_none_or(|first| first.attempt != ground.setting.run_id) {
        ground.split.clear(&format!("join/{}", ground.setting.run_id))?;
    }
    first.map_or(own, Ok)
}

async fn attempt(ground: &Ground<'_>, planned: &Planned) -> Result<Joined> {
    let run = ground.run(&planned.run_id, None)?;
    refuse_other_settings(planned, &run.sums())?;
    let layout = run.destination.layout.clone();
    ground.refuse_overtaken(planned, &layout)?;
    let fetched = all_done::<FetchDone>(ground, planned, Step::Fetch, planned.parts.len() as u64)?;
    let mut receipt = Receipt::blank(&run.run_id, run.command, &run.config.api, &run.clock);
    let mut scene = run.scene_to_join(planned)?;
    if (scene.chosen.kept.since, scene.erasures) != (planned.floor, planned.erasures) {
        return Err(Error::new(Kind::Config, "the dataset was purged since the split was planned").hint(PLAN_ANEW));
    }
    let snapshot = scene.snapshot();
    let (mut left, mut pieces) = (Vec::new(), Vec::new());
    for FetchDone { task, left: theirs, .. } in &fetched {
        match theirs.checked(&ground.split, layout.by())? {
            Ok(piece) => {
                left.push(theirs.clone());
                pieces.push(piece);
            }
            Err(why) => tracing::warn!("what task {task} has read can't be used and is read again: {why}"),
        }
    }
    let rejects = (ground.split.store(), rejects_of(&ground.setting.run_id));
    let checked = run.join(planned, &mut scene, (pieces, rejects), &mut receipt).await?;
    if scene.snapshot() != snapshot {
        return Err(Error::new(Kind::Config, "another run has published since the split was planned").hint(PLAN_ANEW));
    }
    for FetchDone { counted, .. } in &fetched {
        add(&mut receipt, counted);
    }
    let used = run.client.used();
    receipt.walk.sent = receipt.walk.sent.saturating_add(planned.sent).saturating_add(used.requests);
    receipt.walk.retries = receipt.walk.retries.saturating_add(used.retries);
    let joined = decided(ground, planned, &run, scene, checked, receipt, left)?;
    ground.refuse_overtaken(planned, &layout)?;
    if ground.split.create(JOIN, &joined)?
        && let Err(over) = ground.goes_on(planned, &layout)
    {
        ground.split.remove(JOIN)?;
        return Err(over);
    }
    Ok(joined)
}

/// The file of the split that holds what an attempt to join could not read whole.
pub fn rejects_of(attempt: &str) -> String {
    format!("join/{attempt}/{REJECTS}")
}

/// What every task of a step has written down.
///
/// # Errors
/// `Config` where a task is not done, or its record is of another split; `Destination`.
pub fn all_done<T: Record>(ground: &Ground<'_>, planned: &Planned, step: Step, tasks: u64) -> Result<Vec<T>> {
    let mut records = Vec::new();
    let mut undone = Vec::new();
    for task in 0..tasks {
        // By its name, since a list may come late.
        match ground.split.own::<T>(planned, &step.done(task))? {
            Some(done) => records.push(done),
            None => undone.push(task),
        }
    }
    if undone.is_empty() { Ok(records) } else { Err(refusal(ground, planned, step, tasks, &undone)?) }
}

/// The error of tasks that are not done, and why where that is known.
fn refusal(ground: &Ground<'_>, planned: &Planned, step: Step, tasks: u64, undone: &[u64]) -> Result<Error> {
    let mut why = None;
    for task in undone {
        why = why.or(ground.split.own::<TaskFailed>(planned, &step.failed(*task))?);
    }
    let named: Vec<_> = undone.iter().take(20).map(ToString::to_string).collect();
    let (name, place) = (step.name(), ground.split.name());
    let count = undone.len();
    let error = Error::new(
        Kind::Config,
        format!("of the {tasks} tasks to {name}, {count} are not done ({}): {place}", named.join(", ")),
    );
    let first = undone.first().copied().unwrap_or_default();
    let hint = format!("run `rollbook split {name} --split {place} --task {first}`, and so for each of them");
    Ok(match why {
        Some(TaskFailed { task, exit_code, message, .. }) => {
            error.because(format!("task {task} ended with {exit_code}: {message}")).hint(hint)
        }
        None => error.hint(hint),
    })
}

fn add(receipt: &mut Receipt, counted: &Counted) {
    let Counted { rows, requests, sent, retries, unknown_fields, more_unknown_fields } = counted;
    let add = |to: &mut u64, more: &u64| *to = to.saturating_add(*more);
    add(&mut receipt.rows.sessions, &rows.sessions);
    add(&mut receipt.rows.participants, &rows.participants);
    add(&mut receipt.rows.timelogs, &rows.timelogs);
    add(&mut receipt.walk.counts.requests, requests);
    add(&mut receipt.walk.sent, sent);
    add(&mut receipt.walk.retries, retries);
    for (name, count) in unknown_fields {
        add(receipt.walk.unknown_fields.entry(name.clone()).or_default(), count);
    }
    add(&mut receipt.walk.more_unknown_fields, more_unknown_fields);
}

/// What all that means, once what the join itself has read is where the others can read it.
fn decided(
    ground: &Ground<'_>,
    planned: &Planned,
    run: &Run,
    scene: Scene,
    checked: Checked,
    receipt: Receipt,
    mut left: Vec<Left>,
) -> Result<Joined> {
    let attempt = ground.setting.run_id.clone();
    if let Some(sealed) = checked.stage.sealed()? {
        left.push(Left::put(&ground.split, &format!("join/{attempt}"), &sealed)?);
    }
    let covered = run.covers(&scene, &checked, planned.planned_at);
    let Checked { stage, resolved, verdict: _, proof } = checked;
    let moving = resolved.moving(&Published::of(scene.layout(), &scene.found))?;
    let micros = u64::try_from(run.clock.micros().saturating_sub(planned.planned_at)).unwrap_or_default();
    Ok(Joined {
        form: FORM,
        run_id: planned.run_id.clone(),
        attempt,
        evidence: proof.evidence,
        reasons: proof.reasons,
        unanswered: proof.unanswered,
        tasks: shares(&stage, planned.parts.len()),
        left,
        resolution: resolved,
        found: scene.marks(),
        snapshot: scene.snapshot(),
        restored: scene.inspection.restored().clone(),
        moving,
        state: scene.before,
        covered,
        noticed: scene.noticed,
        walk: receipt.walk,
        rows: receipt.rows,
        open_sessions: receipt.open_sessions,
        rejects: receipt.rejects,
        walk_s: Duration::from_micros(micros).as_secs_f64(),
    })
}

/// The partitions of each publish task: neighbours, so that a task reads few files, and about as much for each.
fn shares(stage: &Stage, most: usize) -> Vec<BTreeSet<Partition>> {
    let mut partitions: BTreeSet<_> = stage.partitions().collect();
    partitions.insert(Partition::UNDATED);
    let tasks = most.clamp(1, partitions.len());
    let total: u64 = partitions.iter().map(|partition| stage.weight(*partition) + 1).sum();
    let mut shares = vec![BTreeSet::new(); tasks];
    let (mut at, mut filled) = (0, 0);
    let mut left = partitions.len();
    for partition in partitions {
        let share = &mut shares[at];
        share.insert(partition);
        filled += stage.weight(partition) + 1;
        left -= 1;
        // Each of those that are left must get one.
        let is_full = filled * tasks as u64 >= total * (at as u64 + 1);
        if at + 1 < tasks && (is_full || left == tasks - at - 1) {
            at += 1;
        }
    }
    shares
}

/// The stage as all processes see it that go on from the join.
pub fn pieces(ground: &Ground<'_>, joined: &Joined, by: crate::rows::partition::PartitionBy) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let own = format!("join/{}/", joined.attempt);
    for left in &joined.left {
        let piece = left.piece(&ground.split, by)?.map_err(|why| {
            Error::new(Kind::Config, format!("what was read for the split can't be used any more: {why}"))
                .hint(PLAN_ANEW)
        })?;
        pieces.push(if left.is_in(&own) { piece.coming_last() } else { piece });
    }
    Ok(pieces)
}
