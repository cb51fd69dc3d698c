//! `split status`: which tasks are done, for people and for drivers.

use serde::Serialize;

use super::ground::Ground;
use crate::dataset::split::Step;
use crate::dataset::split::records::{FINISH, FetchDone, Finished, JOIN, Joined, Planned, TaskFailed};
use crate::error::Result;
use crate::terminal::summary::counted;

/// How far a split has come. Field names are a contract.
#[derive(Debug, Serialize)]
pub struct Status {
    run_id: String,
    dataset: String,
    split: String,
    fetch_tasks: u64,
    fetch: Tasks,
    joined: bool,
    publish_tasks: Option<u64>,
    publish: Tasks,
    finished: bool,
}

/// How far the tasks of a step have come.
#[derive(Debug, Default, Serialize)]
struct Tasks {
    done: Vec<u64>,
    failed: Vec<TaskFailed>,
    /// Session rows that they have read.
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<u64>,
}

impl Status {
    /// Looks at the records of a split.
    ///
    /// # Errors
    /// `Config` where one can't be understood; `Destination`.
    pub fn of(ground: &Ground<'_>, planned: &Planned) -> Result<Self> {
        let finished = ground.split.own::<Finished>(planned, FINISH)?.is_some();
        let joined = ground.split.own::<Joined>(planned, JOIN)?;
        let fetch_tasks = planned.parts.len() as u64;
        let publish_tasks = joined.as_ref().map(|joined| joined.tasks.len() as u64);
        let mut fetch = tasks(ground, planned, Step::Fetch)?;
        let mut publish = tasks(ground, planned, Step::Publish)?;
        let mut sessions = 0_u64;
        for task in &fetch.done {
            let fetched = ground.split.own::<FetchDone>(planned, &Step::Fetch.done(*task))?;
            sessions = fetched.map_or(0, |fetched| fetched.counted.rows.sessions).saturating_add(sessions);
        }
        if finished {
            // Their records went with what they had left.
            fetch.done = (0..fetch_tasks).collect();
            publish.done = (0..publish_tasks.unwrap_or_default()).collect();
            sessions = joined.as_ref().map_or(0, |joined| joined.rows.sessions);
        }
        fetch.sessions = Some(sessions);
        Ok(Self {
            run_id: planned.run_id.clone(),
            dataset: planned.dataset.clone(),
            split: ground.split.name().to_owned(),
            fetch_tasks,
            fetch,
            joined: joined.is_some(),
            publish_tasks,
            publish,
            finished,
        })
    }

    pub fn text(&self) -> String {
        let Self { run_id, dataset, fetch_tasks, fetch, joined, publish_tasks, publish, finished, .. } = self;
        let part = |name: &str, tasks: &Tasks, of: Option<u64>| {
            let of = of.map_or_else(|| "?".to_owned(), |of| of.to_string());
            let failed = tasks.failed.iter().map(|TaskFailed { task, exit_code, message, .. }| {
                format!("\n          task {task} ended with {exit_code}: {message}")
            });
            format!("{name:<9} {} of {of} tasks are done{}", tasks.done.len(), failed.collect::<String>())
        };
        let sessions = fetch.sessions.unwrap_or_default();
        let state = match (finished, joined) {
            (true, _) => "finished",
            (false, true) => "joined",
            (false, false) => "planned",
        };
        format!(
            "split     run {run_id}, {state}\ndataset   {dataset}\n{}\n          {} read\n{}",
            part("fetch", fetch, Some(*fetch_tasks)),
            counted(sessions, "session row"),
            part("publish", publish, *publish_tasks)
        )
    }
}

fn tasks(ground: &Ground<'_>, planned: &Planned, step: Step) -> Result<Tasks> {
    let (done, failed) = ground.split.tasks(step)?;
    let failed = failed.into_iter().map(|task| ground.split.own::<TaskFailed>(planned, &step.failed(task)));
    let failed = failed.filter_map(Result::transpose).collect::<Result<_>>()?;
    Ok(Tasks { done, failed, sessions: None })
}
