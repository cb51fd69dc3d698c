//! `split plan`: how long the list is, and who reads what.

use std::collections::BTreeSet;

use super::ground::{Ground, absolute, refuse_inside, refuse_other_settings, refuse_others};
use crate::cli::split::Limit;
use crate::commands::export::Run;
use crate::dataset::admission::{self, Purpose};
use crate::dataset::publishing;
use crate::dataset::split::records::{FINISH, FORM, Finished, PLAN, Planned, Share};
use crate::dataset::split::under_way;
use crate::error::{Error, Kind, Result};

/// So long a driver that was started again still finds the split that it has finished, in microseconds. A place that is planned in every
/// night would else be green every night.
const AFTERWARDS: i64 = 3_600_000_000;

/// Plans a split, or finds it planned already.
///
/// # Errors
/// As an export; `Lease` where another split is under way; `Config` where the dataset is not ready for one, or where another plan is
/// here.
pub async fn plan(ground: &mut Ground<'_>, tasks: u64, limit: Limit) -> Result<Planned> {
    ground.setting.config.dataset.url = absolute(ground.setting.config.dataset.url.clone())?;
    refuse_inside(ground.split.name(), &ground.setting.config.dataset.url.to_string())?;
    if ground.split.read::<Planned>(PLAN)?.is_some() {
        let planned = again(ground).await?;
        tracing::info!("a plan is here already, and counts: {} tasks", planned.parts.len());
        return Ok(planned);
    }
    let run = ground.run(&ground.setting.run_id, None)?;
    let layout = run.destination.layout.clone();
    let lease = admission::admit(&run.destination, &run.run_id, &run.clock, &run.stop, Purpose::Split).await?;
    under_way::refuse(&layout, &run.clock)?;
    let scene = run.scene_to_plan(lease)?;
    let survey = run.survey(&scene).await?;
    if !survey.can_overlap {
        tracing::warn!(
            "the pages of this list can't overlap, so that parts of it can't be joined: the join reads all of it"
        );
    }
    let parts = survey.parts(tasks, run.config.walk.overlap);
    let planned = Planned {
        form: FORM,
        run_id: run.run_id.clone(),
        planned_at: scene.now,
        dataset: run.config.dataset.url.to_string(),
        settings: run.sums(),
        last_run: scene.before.last_run().map(str::to_owned),
        erasures: scene.erasures,
        snapshots: scene.lake.as_ref().map(|lake| lake.format().name().to_owned()),
        earlier: publishing::all(&layout)?.into_iter().map(|left| left.path).collect::<BTreeSet<_>>(),
        survey,
        share: share(&run, parts.len(), limit),
        parts,
        floor: scene.chosen.kept.since,
        sent: run.client.used().requests,
    };
    if ground.split.create(PLAN, &planned)? {
        ground.begins(&planned, &layout)?;
        return Ok(planned);
    }
    // The lease is for whoever looks at the other plan.
    drop(scene);
    again(ground).await
}

/// A plan that is here already: by the same settings and of the same dataset it is this one.
async fn again(ground: &mut Ground<'_>) -> Result<Planned> {
    let dataset = ground.setting.config.dataset.url.to_string();
    let planned = ground.planned()?;
    if dataset != planned.dataset {
        let what = format!("a split of another dataset is planned here ({}): {}", planned.dataset, ground.split.name());
        return Err(Error::new(Kind::Config, what).hint("give another --split"));
    }
    let run = ground.run(&planned.run_id, None)?;
    refuse_other_settings(&planned, &run.sums())?;
    if let Some(finished) = ground.split.own::<Finished>(&planned, FINISH)? {
        let age = run.clock.micros().saturating_sub(finished.finished_at);
        if age > AFTERWARDS {
            let what = format!("the split here was finished (run {}): {}", planned.run_id, ground.split.name());
            return Err(Error::new(Kind::Config, what)
                .hint("give another --split, or remove what is left of this one: `rollbook split drop`"));
        }
        tracing::warn!("the split is finished: nothing is read any more (run {})", planned.run_id);
        return Ok(planned);
    }
    let layout = &run.destination.layout;
    let _lease =
        admission::admit(&run.destination, &ground.setting.run_id, &run.clock, &run.stop, Purpose::Split).await?;
    // Whoever made the plan may have died before the dataset knew of it.
    if under_way::noted(layout)?.is_none() {
        refuse_others(&ground.split, &planned, layout, &run.clock)?;
        ground.begins(&planned, layout)?;
    }
    ground.refuse_overtaken(&planned, layout)?;
    Ok(planned)
}

/// What each task may use of what the API allows all of them.
fn share(run: &Run, tasks: usize, limit: Limit) -> Share {
    let (concurrency, requests_per_second) = (run.config.api.concurrency, run.config.api.requests_per_second);
    let tasks = tasks.max(1);
    match limit {
        Limit::Connection => Share { concurrency, requests_per_second },
        #[allow(clippy::cast_precision_loss)] // few tasks
        Limit::Key => {
            Share { concurrency: (concurrency / tasks).max(1), requests_per_second: requests_per_second / tasks as f64 }
        }
    }
}
