//! The parts of a run that several processes do, each its own: for [`mod@crate::commands::split`].

use std::collections::BTreeMap;
use std::sync::Arc;

use super::drive::Driver;
use super::goal::Leg;
use super::scene::{Scene, waiting};
use super::staged::{Ceiling, Staged};
use super::{Checked, Run, Walked, counted};
use crate::api::Filter;
use crate::config::Config;
use crate::dataset::destination::Destination;
use crate::dataset::erasures::Erasures;
use crate::dataset::lease::Lease;
use crate::dataset::published::Published;
use crate::dataset::receipt::Receipt;
use crate::dataset::rejects::Rejects;
use crate::dataset::split::records::{Counted, Planned};
use crate::dataset::state::{Covered, Source as Origin};
use crate::error::{Error, Kind, Result};
use crate::rows::tables::SCHEMA_VERSION;
use crate::stage::{Cut, Header, Piece, Stage};
use crate::store::Store;
use crate::walk::{Goal, Plan, Survey};
use crate::words::id;
use crate::words::range::Kept;

impl Run {
    /// What the run finds, for a plan of it, which is refused where the dataset is not ready for it.
    ///
    /// # Errors
    /// `Config` where an export has to bring the dataset up to date first; as an export.
    pub(in crate::commands) fn scene_to_plan(&self, lease: Option<Lease>) -> Result<Scene> {
        let scene = self.scene(lease)?;
        let layout = &scene.driver.layout;
        for old in Published::of(layout, &scene.found) {
            if old.is_outdated()? {
                let what = format!(
                    "the dataset was written by an older version, or by other `[people]` or `[privacy]`: {}",
                    layout.place()
                );
                return Err(Error::new(Kind::Config, what).hint("run `rollbook export` once, then plan"));
            }
        }
        Ok(scene)
    }

    /// Sums of all settings by which rows are made, each by its name for people.
    pub(in crate::commands) fn sums(&self) -> Sums {
        sums(&self.config, &self.destination, self.account.clone())
    }

    /// Asks for as much of the list as shows how it is cut and how long it is; keeps none of it.
    ///
    /// # Errors
    /// As an export.
    pub(in crate::commands) async fn survey(&self, scene: &Scene) -> Result<Survey> {
        let is_from_zero = scene.before.covered().is_some_and(Covered::is_from_zero);
        let mut plan = Plan::new(Goal::Survey, self.settings(), is_from_zero);
        let stage = Stage::nameless(&self.destination.stage, scene.now)?;
        self.read(&scene.driver, &mut plan, &leg(scene), stage, &mut self.receipt()).await?;
        Ok(plan.survey())
    }

    /// Reads a part of the list into a stage that is to be sealed.
    ///
    /// # Errors
    /// As an export.
    pub(in crate::commands) async fn read_part(&self, planned: &Planned, part: (u64, u64)) -> Result<(Stage, Counted)> {
        let layout = &self.destination.layout;
        let erasures = waiting(layout, || Erasures::load(layout, planned.erasures))?;
        let driver = self.driver(layout, planned.floor, erasures.denied()?);
        let stage = Stage::to_seal(&self.destination.stage, &header(&self.destination, planned))?;
        let goal = Goal::Stretch { to: part.1, floor: planned.floor };
        let kept = Kept { range: None, since: planned.floor };
        let leg = Leg { number: 0, filter: Filter::default(), goal, kept, instead_of: None };
        let mut plan = Plan::stretch(planned.survey, self.settings(), part.0, part.1, planned.floor);
        let mut receipt = self.receipt();
        let stage = self.read(&driver, &mut plan, &leg, stage, &mut receipt).await?;
        self.progress.finish();
        Ok((stage, self.counted(&receipt)))
    }

    fn receipt(&self) -> Receipt {
        Receipt::blank(&self.run_id, self.command, &self.config.api, &self.clock)
    }

    /// Drives a plan for somebody else who goes on from what it stages.
    async fn read(
        &self,
        driver: &Driver,
        plan: &mut Plan,
        leg: &Leg,
        stage: Stage,
        receipt: &mut Receipt,
    ) -> Result<Stage> {
        let rejects = Rejects::unkept(&self.destination.layout, &self.run_id);
        let staged = Staged::new(stage, rejects, Cut::new(&self.destination.stage)?, Ceiling::default());
        let staged = driver.drive(plan, leg, staged, receipt, &mut None, |_| Ok(false)).await?;
        Ok(staged.stage)
    }

    /// What the reading of this process has shown that only the receipt of the whole wants to know.
    pub(in crate::commands) fn counted(&self, receipt: &Receipt) -> Counted {
        let used = self.client.used();
        Counted {
            rows: receipt.rows,
            requests: receipt.walk.counts.requests,
            sent: used.requests,
            retries: used.retries,
            unknown_fields: receipt.walk.unknown_fields.clone(),
            more_unknown_fields: receipt.walk.more_unknown_fields,
        }
    }

    /// What the run finds, without a change of anything: as the split was planned.
    ///
    /// # Errors
    /// As an export.
    pub(in crate::commands) fn scene_to_join(&self, planned: &Planned) -> Result<Scene> {
        let scene = self.found(None, false)?;
        Ok(Scene { now: planned.planned_at, ..scene })
    }

    /// Goes on from what tasks have left: joins it, reads what is missing, and decides.
    ///
    /// # Errors
    /// As an export.
    pub(in crate::commands) async fn join(
        &self,
        planned: &Planned,
        scene: &mut Scene,
        (pieces, rejects): (Vec<Piece>, Elsewhere),
        receipt: &mut Receipt,
    ) -> Result<Checked> {
        let folder = &self.destination.stage;
        let stage = stage_of(&self.destination, planned, pieces)?;
        let (store, path) = rejects;
        let rejects = Rejects::new(&scene.driver.layout, &self.run_id, scene.now)?.put_elsewhere(store, path);
        let mut staged = Staged::new(stage, rejects, Cut::new(folder)?, self.ceiling(scene));
        let leg = leg(scene);
        let mut plan = Plan::new(leg.goal, self.settings(), planned.survey.base == 0);
        staged.take_over(&leg, &scene.driver.layout, |answer| {
            plan.recall(answer.window, answer.info, answer.rows, answer.unusable);
        })?;
        let open = staged.stage.taken_over_open().cloned().collect();
        let begin = staged.stage.answers();
        self.progress.go_on(begin, staged.stage.sessions());
        let mut failure = None;
        let is_known = |ids: &[u128]| scene.knows(ids);
        staged = scene.driver.drive(&mut plan, &leg, staged, receipt, &mut failure, is_known).await?;
        receipt.walk.filter(staged.filtered(&scene.chosen.legs()));
        let walks = vec![(counted(&plan, (0..begin).collect(), begin..staged.stage.answers()), plan)];
        let walked = Walked { staged, walks, open, failure: failure.map(|error| error.line()) };
        self.check(scene, walked, receipt).await
    }

    /// What the dataset covers once all that was checked is in place. `begun_at`: when the oldest answer was asked for, in
    /// microseconds.
    pub(in crate::commands) fn covers(&self, scene: &Scene, checked: &Checked, begun_at: i64) -> Option<Covered> {
        self.covered(&scene.chosen, &scene.before, &checked.verdict, &checked.proof, begun_at)
    }
}

/// A path in another store than the dataset's.
pub type Elsewhere = (Arc<dyn Store>, String);

/// The stage that goes on from what tasks have left.
///
/// # Errors
/// `Destination`.
pub fn stage_of(destination: &Destination, planned: &Planned, pieces: Vec<Piece>) -> Result<Stage> {
    Stage::joined(&destination.stage, &header(destination, planned), pieces)
}

fn header(destination: &Destination, planned: &Planned) -> Header {
    Header {
        key: Stage::form(),
        erasures: planned.erasures,
        begun_at: planned.planned_at,
        run_id: planned.run_id.clone(),
        last_run: planned.last_run.clone(),
        // Its pattern may hold names, and who goes on was told of it by the plan.
        rule: format!("{:x}", id::hash(&destination.layout.method().staged())),
    }
}

/// The name for people of what tells accounts apart.
pub const ACCOUNT: &str = "the API's address or version, or the account";

/// Sums of settings, each by its name for people.
pub type Sums = BTreeMap<String, String>;

/// Sums of all settings by which rows are made. `account`: as the credentials name it.
pub fn sums(config: &Config, destination: &Destination, account: Option<String>) -> Sums {
    let layout = &destination.layout;
    let method = layout.method();
    let people = serde_json::to_string(&method.people).unwrap_or_default();
    let source = serde_json::to_string(&Origin::new(&config.api, account)).unwrap_or_default();
    let settings = [
        ("the version of rollbook", format!("{} {SCHEMA_VERSION} {}", env!("CARGO_PKG_VERSION"), Stage::form())),
        ("walk.accept", format!("{:?}", config.walk.accept)),
        (ACCOUNT, source),
        ("dataset.partition_by", layout.by().name().to_owned()),
        ("dataset.keep_unknown_fields", config.dataset.keep_unknown_fields.to_string()),
        ("dataset.since", format!("{:?}", config.dataset.since)),
        ("[people]", people),
        ("[privacy], or the key for it", method.staged()),
    ];
    settings.into_iter().map(|(name, text)| (name.to_owned(), format!("{:x}", id::hash(&text)))).collect()
}

/// The one walk of an export of all meetings.
fn leg(scene: &Scene) -> Leg {
    scene.chosen.legs().swap_remove(0)
}
