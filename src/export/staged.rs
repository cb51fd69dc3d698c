//! What a run has read and not yet published.

use super::drive::Driver;
use super::{Run, Scene};
use crate::dataset::layout::Layout;
use crate::dataset::rejects::Rejects;
use crate::error::Result;
use crate::flatten::Flat;
use crate::stage::{Header, Recalled, Stage};
use crate::walk::Request;

/// What walks leave behind them.
pub struct Staged {
    pub stage: Stage,
    pub rejects: Rejects,
}

impl Staged {
    /// Stages the rows of an answer to a request of a walk, and keeps its rejects. A session that was asked for alone
    /// has no request.
    pub fn add(&mut self, request: Option<(usize, Request)>, flat: Flat, layout: &Layout) -> Result<()> {
        self.stage.append(&flat, layout, request.map(|(leg, request)| (leg, request.window)))?;
        self.rejects.add(request.map_or(0, |(_, request)| request.page), flat.rejects)
    }
}

impl Run {
    /// The stage, and what a stopped run of the same goal has left in it.
    pub(super) fn stage(&self, scene: &Scene) -> Result<(Staged, Vec<Recalled>)> {
        let Scene { before, chosen, driver: Driver { layout, .. }, .. } = scene;
        let denied = scene.driver.source.denied.clone();
        let mut rejects = Rejects::new(layout, &self.run_id, denied, scene.now, self.dry_run)?;
        if self.dry_run {
            let stage = Stage::nameless(&self.destination.stage, scene.now)?;
            return Ok((Staged { stage, rejects }, Vec::new()));
        }
        let header = Header {
            key: format!(
                "{} {} {} {}",
                before.origin(),
                chosen.key(),
                self.config.dataset.keep_unknown_fields,
                scene.erasures
            ),
            begun_at: scene.now,
            run_id: self.run_id.clone(),
            last_run: before.last_run().map(str::to_owned),
        };
        let (stage, recalled) = Stage::open(&self.destination.stage, &header, self.fresh)?;
        if !recalled.is_empty() {
            tracing::info!("a stopped run is continued: {} answers are read already", recalled.len());
        }
        for answer in &recalled {
            rejects.add(answer.window.page, answer.rejects.clone())?;
        }
        Ok((Staged { stage, rejects }, recalled))
    }
}
