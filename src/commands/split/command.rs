//! `split`: from what was typed to a step.

use serde_json::{Value, json};
use tokio::task::block_in_place;

use super::finish::{self, Ended};
use super::ground::Ground;
use super::status::Status;
use super::{fetch, join, plan, publish};
use crate::cli::Global;
use crate::cli::split::{self, Numbered};
use crate::commands::{Setting, Told};
use crate::dataset::receipt::Receipt;
use crate::dataset::split::records::{FINISH, FORM, FetchDone, Finished, JOIN, Joined, PLAN, Planned, TaskFailed};
use crate::dataset::split::{Split, Step, under_way};
use crate::error::{Error, Kind, Result};
use crate::words::stop::Stop;

/// Where clusters say which task a process is.
const NUMBERS: [&str; 3] = ["JOB_COMPLETION_INDEX", "AWS_BATCH_JOB_ARRAY_INDEX", "CLOUD_RUN_TASK_INDEX"];

/// Runs a step of `rollbook split`. Returns what to print, and the receipt of a run that has just been finished.
///
/// # Errors
/// As each step.
pub async fn split(
    setting: Setting<'_>,
    global: &Global,
    split: &split::Split,
    stop: Stop,
) -> Result<(Option<Receipt>, Told)> {
    let json = global.json;
    let writes = !matches!(split.step, split::Step::Status(_));
    let mut ground = Ground::of(setting, split.step.place(), global, writes, &stop)?;
    let told = match &split.step {
        split::Step::Plan { tasks, limit, .. } => {
            let planned = Box::pin(plan::plan(&mut ground, *tasks, *limit)).await?;
            print_plan(&ground, &planned, json)
        }
        split::Step::Fetch(task) => Box::pin(fetch_task(&mut ground, task, json)).await?,
        split::Step::Join(_) => {
            let planned = ground.planned()?;
            let joined = Box::pin(join::join(&ground, &planned)).await?;
            ground.setting.progress.finish();
            print_join(&ground, &joined, json)
        }
        split::Step::Publish(task) => block_in_place(|| publish_task(&mut ground, task, json))?,
        split::Step::Finish(_) => {
            let planned = ground.planned()?;
            let Ended { receipt, told } = Box::pin(finish::finish(&ground, &planned, json)).await?;
            ground.setting.progress.finish();
            return Ok((receipt, told));
        }
        split::Step::Status(_) => {
            let planned = ground.planned()?;
            let status = block_in_place(|| Status::of(&ground, &planned))?;
            told(json, || json!(status), || status.text())
        }
        split::Step::Drop(_) => block_in_place(|| drop_all(&mut ground, json))?,
    };
    Ok((None, told))
}

/// Which task this process is.
fn number(ground: &Ground<'_>, task: &Numbered) -> Result<u64> {
    if let Some(task) = task.task {
        return Ok(task);
    }
    let mut found = None;
    for name in NUMBERS {
        found = found.or(ground.setting.environment.named(name)?.map(|text| (name, text)));
    }
    let Some((name, text)) = found else {
        return Err(
            Error::new(Kind::Config, "which task is this?").hint(format!("give --task, or set {}", NUMBERS.join(", ")))
        );
    };
    text.parse().map_err(|_| {
        Error::new(Kind::Config, format!("{name} must be a whole number: {text}")).hint("give --task instead")
    })
}

/// Whether there is something to do for a task: not beyond the plan, and not once the split is finished. Else what to say.
fn idle(ground: &Ground<'_>, planned: &Planned, step: Step, task: u64, tasks: usize) -> Result<Option<String>> {
    if task >= tasks as u64 {
        return Ok(Some(format!("nothing to do: task {task} of {tasks} to {}", step.name())));
    }
    let finished = ground.split.own::<Finished>(planned, FINISH)?;
    Ok(finished.map(|_| over(planned)))
}

fn over(planned: &Planned) -> String {
    format!("nothing to do: the split is finished (run {})", planned.run_id)
}

/// A result for people or for programs.
fn told(json: bool, value: impl FnOnce() -> Value, text: impl FnOnce() -> String) -> Told {
    let text = if json { format!("{:#}\n", value()) } else { format!("{}\n", text()) };
    Told { text, error: None }
}

fn nothing(text: &str, json: bool) -> Told {
    told(json, || json!({ "nothing_to_do": text }), || text.to_owned())
}

async fn fetch_task(ground: &mut Ground<'_>, task: &Numbered, json: bool) -> Result<Told> {
    let (planned, task) = (ground.planned()?, number(ground, task)?);
    if let Some(text) = idle(ground, &planned, Step::Fetch, task, planned.parts.len())? {
        return Ok(nothing(&text, json));
    }
    let part = usize::try_from(task).ok().and_then(|task| planned.parts.get(task)).copied().unwrap_or_default();
    let fetched = Box::pin(fetch::fetch(ground, &planned, task, part)).await;
    ground.setting.progress.finish();
    let Some(fetched) = mark(&ground.split, &planned, Step::Fetch, task, fetched)? else {
        return Ok(nothing(&over(&planned), json));
    };
    let FetchDone { attempt, counted, .. } = fetched;
    let (sessions, requests) = (counted.rows.sessions, counted.requests);
    Ok(told(
        json,
        || json!({ "task": task, "attempt": attempt, "sessions": sessions, "requests": requests }),
        || format!("task {task} has read {sessions} session rows with {requests} requests"),
    ))
}

fn publish_task(ground: &mut Ground<'_>, task: &Numbered, json: bool) -> Result<Told> {
    let (planned, task) = (ground.planned()?, number(ground, task)?);
    if let Some(text) = idle(ground, &planned, Step::Publish, task, usize::MAX)? {
        return Ok(nothing(&text, json));
    }
    let joined = ground.joined(&planned)?;
    if let Some(text) = idle(ground, &planned, Step::Publish, task, joined.tasks.len())? {
        return Ok(nothing(&text, json));
    }
    let partitions = usize::try_from(task).ok().and_then(|task| joined.tasks.get(task)).cloned().unwrap_or_default();
    let done = publish::publish(ground, &planned, &joined, task, &partitions);
    ground.setting.progress.finish();
    let Some(done) = mark(&ground.split, &planned, Step::Publish, task, done)? else {
        return Ok(nothing(&over(&planned), json));
    };
    let (files, rows) = (done.files.len(), done.files.iter().fold(0_u64, |rows, file| rows.saturating_add(file.rows)));
    Ok(told(
        json,
        || json!({ "task": task, "files": files, "rows": rows }),
        || format!("task {task} has made {files} files with {rows} rows"),
    ))
}

/// What came of a task. Where trying again is in vain, that is written down for the driver; what is done takes such a word back. `None`
/// where others have finished the split meanwhile: nobody waits for this one any more.
fn mark<T>(split: &Split, planned: &Planned, step: Step, task: u64, done: Result<T>) -> Result<Option<T>> {
    let path = step.failed(task);
    let error = match done {
        Ok(done) => {
            split.remove(&path)?;
            return Ok(Some(done));
        }
        Err(error) => error,
    };
    let exit_code = error.kind().exit_code();
    if !matches!(exit_code, 2 | 4 | 8) {
        return Err(error);
    }
    if split.own::<Finished>(planned, FINISH)?.is_some() {
        return Ok(None);
    }
    // Another split may be planned here by now.
    if matches!(split.own::<Planned>(planned, PLAN), Ok(Some(_))) {
        let (run_id, message) = (planned.run_id.clone(), error.line());
        let record = TaskFailed { form: FORM, run_id, task, exit_code, message };
        let written = split.remove(&path).and_then(|()| split.create(&path, &record));
        if let Err(unwritten) = written {
            tracing::warn!("that the task failed could not be written down: {}", unwritten.line());
        }
    }
    Err(error)
}

fn print_plan(ground: &Ground<'_>, planned: &Planned, json: bool) -> Told {
    let Planned { run_id, dataset, survey, parts, share, .. } = planned;
    let (tasks, sessions, place) = (parts.len(), survey.length, ground.split.name());
    told(
        json,
        || {
            let per_page = survey.per_page;
            json!({ "run_id": run_id, "dataset": dataset, "split": place, "fetch_tasks": tasks, "sessions": sessions,
                "per_page": per_page, "share": share })
        },
        || {
            let next = format!("rollbook split fetch --split {place} --task N, for each N below {tasks}");
            format!("planned: {tasks} tasks read {sessions} sessions (run {run_id})\nnext: {next}")
        },
    )
}

fn print_join(ground: &Ground<'_>, joined: &Joined, json: bool) -> Told {
    let Joined { run_id, evidence, reasons, tasks, resolution, .. } = joined;
    let (tasks, sessions, place) = (tasks.len(), resolution.sessions, ground.split.name());
    told(
        json,
        || {
            json!({ "run_id": run_id, "publish_tasks": tasks, "evidence": evidence, "reasons": reasons,
                "sessions": sessions })
        },
        || {
            let (evidence, reasons) = (evidence.row().name, reasons.join("; "));
            let next = format!("rollbook split publish --split {place} --task N, for each N below {tasks}");
            format!("joined: {sessions} sessions, evidence {evidence}: {reasons}\nnext: {next}")
        },
    )
}

/// Gives a split up, also one whose plan nobody can read.
fn drop_all(ground: &mut Ground<'_>, json: bool) -> Result<Told> {
    let place = ground.split.name().to_owned();
    if !ground.split.is_planned()? {
        // Tasks that came late may have left something after the plan was gone.
        ground.split.clear_tasks()?;
        under_way::end_at(&ground.destination()?.layout, &place)?;
        return Ok(told(json, || json!({ "given_up": null }), || format!("no split is planned here: {place}")));
    }
    let planned = match ground.split.read::<Planned>(PLAN) {
        Err(error) if error.kind() == Kind::Config => {
            tracing::warn!("{}", error.line());
            None
        }
        planned => planned?,
    };
    // Without a plan that can be read, the dataset is the one that these settings name.
    planned.as_ref().map_or(Ok(()), |planned| ground.take_dataset(planned))?;
    under_way::end_at(&ground.destination()?.layout, &place)?;
    ground.split.clear("")?;
    let run = planned.map(|planned| planned.run_id);
    let named = run.clone().unwrap_or_else(|| "its plan could not be read".to_owned());
    Ok(told(json, || json!({ "given_up": run }), || format!("given up ({named}): {place}")))
}

impl Ground<'_> {
    /// What the join has decided.
    ///
    /// # Errors
    /// `Config` where nothing is joined yet; `Destination`.
    pub fn joined(&self, planned: &Planned) -> Result<Joined> {
        self.split.own::<Joined>(planned, JOIN)?.ok_or_else(|| {
            Error::new(Kind::Config, format!("the split is not joined yet: {}", self.split.name()))
                .hint(format!("run `rollbook split join --split {}`", self.split.name()))
        })
    }
}
