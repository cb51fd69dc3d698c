//! `split fetch`: a part of the list into a stage that others go on from.

use super::ground::{Ground, refuse_other_settings};
use crate::dataset::split::records::{FORM, FetchDone, Planned};
use crate::dataset::split::{Left, Step};
use crate::error::{Error, Kind, Result};

/// Reads the part of a task. Returns what it has left; the attempt that came first counts.
///
/// # Errors
/// As an export; `Config` where the split was overtaken.
pub async fn fetch(ground: &Ground<'_>, planned: &Planned, task: u64, part: (u64, u64)) -> Result<FetchDone> {
    let path = Step::Fetch.done(task);
    if let Some(done) = ground.split.own::<FetchDone>(planned, &path)? {
        return Ok(done);
    }
    let run = ground.run(&planned.run_id, Some(planned.share))?;
    refuse_other_settings(planned, &run.sums())?;
    let layout = &run.destination.layout;
    ground.refuse_overtaken(planned, layout)?;
    let (stage, counted) = run.read_part(planned, part).await?;
    let sealed = stage.sealed()?.ok_or_else(|| Error::new(Kind::Unexpected, "nothing was staged"))?;
    let attempt = ground.setting.run_id.clone();
    let left = Left::put(&ground.split, &format!("fetch/{task}/{attempt}"), &sealed)?;
    let fetched = FetchDone { form: FORM, run_id: planned.run_id.clone(), task, attempt, left, counted };
    // A purge that came meanwhile has removed what it knew of, and this was not there yet.
    if let Err(error) = ground.refuse_overtaken(planned, layout) {
        fetched.left.sweep(&ground.split)?;
        return Err(error);
    }
    if !ground.split.create(&path, &fetched)? {
        fetched.left.sweep(&ground.split)?;
        let theirs = ground.split.own::<FetchDone>(planned, &path)?;
        return Ok(theirs.unwrap_or(fetched));
    }
    if let Err(over) = ground.goes_on(planned, layout) {
        ground.split.remove(&path)?;
        fetched.left.sweep(&ground.split)?;
        return Err(over);
    }
    Ok(fetched)
}
