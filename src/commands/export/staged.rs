//! What a run has read and not yet published.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::goal::Leg;
use super::{Run, Scene};
use crate::dataset::layout::Layout;
use crate::dataset::rejects::Rejects;
use crate::error::{Error, Kind, Result};
use crate::list::{Listed, Request};
use crate::rows::flatten::Flat;
use crate::rows::partition::Partition;
use crate::stage::{Asked, Cut, Header, Recalled, Stage};

/// What walks leave behind them.
pub struct Staged {
    pub stage: Stage,
    pub rejects: Rejects,
    pub looks: Looks,
    /// Ids of some sessions that were listed last, the latest at the end.
    some: VecDeque<String>,
    ceiling: Ceiling,
}

/// What has been listed, whether or not it gets rows.
pub struct Looks {
    /// What was listed and gets no rows.
    pub cut: Cut,
    /// What each walk was shown, by the number of its leg.
    seen: BTreeMap<usize, Seen>,
    /// What the server's filters let through.
    filtered: Filtered,
}

/// How many partitions a run may make.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ceiling {
    /// `None` for any number.
    most: Option<usize>,
    /// Partitions that the dataset had when the run began; these do not count.
    found: BTreeSet<Partition>,
}

impl Ceiling {
    /// Refuses a stage that would make too many.
    fn refuse(&self, stage: &Stage, layout: &Layout) -> Result<()> {
        let Self { most: Some(most), found } = self else { return Ok(()) };
        if stage.partitions().len() <= *most {
            return Ok(());
        }
        let new = stage.partitions().filter(|partition| !found.contains(partition)).count();
        if new <= *most {
            return Ok(());
        }
        let what = format!("the sessions start in more partitions than one run may make ({most}): {}", layout.place());
        Err(Error::new(Kind::Contract, what).hint(
            "look at the starts of the sessions that the API lists; if they are right, raise `dataset.max_partitions`, or \
             export to a new folder with `dataset.partition_by = \"month\"`",
        ))
    }
}

/// Ids that are kept in case that a listed session is needed: those of several answers.
const SOME: usize = 12;

/// What a walk was shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    /// Whether a session came that gets a row.
    kept: bool,
    /// Sessions that the server's own filter for dates should have kept back.
    foreign: bool,
    /// Sessions of the meeting that was asked for.
    met: bool,
}

/// What one page has shown, as far as the server's filters are judged by it.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// The sessions of the page, in list order.
    pub listed: &'a [Listed],
    /// Those of them that get no row.
    pub cut: &'a [Listed],
    /// How many are of another meeting than the one that was asked for.
    pub foreign: u64,
}

/// What the server's own filters let through, and what they found nothing for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filtered {
    /// How many listed sessions were of other meetings than the one that was asked for.
    pub meetings: u64,
    /// How many listed sessions started outside of the range that was asked for.
    pub dates: u64,
    /// Meetings of which nothing is listed.
    pub unlisted: Vec<String>,
}

impl Staged {
    /// Nothing yet but what others have left in the stage.
    pub fn new(stage: Stage, rejects: Rejects, cut: Cut, ceiling: Ceiling) -> Self {
        let (seen, filtered, some) = Default::default();
        Self { stage, rejects, looks: Looks { cut, seen, filtered }, some, ceiling }
    }

    /// Takes over what others have staged for a walk: their rejects, and what they were shown. Calls with each of their answers, in
    /// the order in which they came.
    pub fn take_over(&mut self, leg: &Leg, layout: &Layout, mut each: impl FnMut(Recalled)) -> Result<()> {
        let Self { stage, rejects, looks, ceiling, .. } = self;
        ceiling.refuse(stage, layout)?;
        stage.recalled_rejects(|page, reject| rejects.add(page, None, vec![reject]))?;
        stage.each_taken_over(|response, answer| {
            looks.look(leg, Shown::of(&answer), response)?;
            each(answer);
            Ok(())
        })
    }

    /// Stages the rows of an answer to a request of a walk, and keeps its rejects. A session that was asked for alone
    /// has no request. With the request comes when it was answered, in microseconds.
    pub fn add(&mut self, request: Option<(&Leg, Request, i64)>, flat: Flat, layout: &Layout) -> Result<()> {
        if let Some((leg, ..)) = request {
            self.looks.look(
                leg,
                Shown { listed: &flat.listed, cut: &flat.cut, foreign: flat.foreign },
                self.stage.answers(),
            )?;
            self.remember(&flat.some);
        }
        let asked = request.map(|(leg, request, at)| Asked { leg: leg.number, window: request.window, at });
        self.stage.append(&flat, layout.by(), asked)?;
        let (page, size) = request.map_or((0, None), |(_, request, _)| (request.page, Some(request.window.size)));
        self.ceiling.refuse(&self.stage, layout)?;
        self.rejects.add(page, size, flat.rejects)
    }

    fn remember(&mut self, ids: &[String]) {
        self.some.retain(|id| !ids.contains(id));
        self.some.extend(ids.iter().cloned());
        while self.some.len() > SOME {
            self.some.pop_front();
        }
    }

    /// Ids of some sessions that were listed, the latest at the end.
    pub fn some(&self) -> Vec<String> {
        self.some.iter().cloned().collect()
    }

    /// Whether the server's filter for dates has done what it should, so that a walk without it is not needed. One that
    /// finds nothing may be misunderstood, one that lets others through is.
    pub fn can_skip(&self, leg: &Leg) -> bool {
        let seen = leg.instead_of.map(|number| self.looks.seen.get(&number).copied().unwrap_or_default());
        seen.is_some_and(|seen| seen.kept && !seen.foreign)
    }

    /// What has come of the server's filters over all walks.
    pub fn filtered(&self, legs: &[Leg]) -> Filtered {
        let met = |meeting: &str| {
            let asks = |leg: &&Leg| leg.filter.meeting.as_deref() == Some(meeting);
            legs.iter().filter(asks).any(|leg| self.looks.seen.get(&leg.number).is_some_and(|seen| seen.met))
        };
        let mut unlisted: Vec<_> = legs.iter().filter_map(|leg| leg.filter.meeting.clone()).collect();
        unlisted.dedup();
        unlisted.retain(|meeting| !met(meeting));
        unlisted.sort();
        unlisted.dedup();
        Filtered { unlisted, ..self.looks.filtered.clone() }
    }
}

impl<'a> Shown<'a> {
    fn of(answer: &'a Recalled) -> Self {
        let Recalled { rows, cut, foreign, .. } = answer;
        Self { listed: rows, cut, foreign: *foreign }
    }
}

impl Looks {
    /// Takes note of what a response has listed for a walk.
    pub fn look(&mut self, leg: &Leg, shown: Shown<'_>, response: u64) -> Result<()> {
        let Shown { listed, cut, foreign } = shown;
        let seen = self.seen.entry(leg.number).or_default();
        seen.kept |= cut.len() < listed.len();
        seen.met |= foreign < listed.len() as u64;
        let outside = |row: &&Listed| leg.filter.range.is_some_and(|range| !range.contains(row.start));
        seen.foreign |= listed.iter().any(|row| outside(&row));
        let dates = listed.iter().filter(|row| row.start.is_some()).filter(outside).count() as u64;
        if foreign > 0 && self.filtered.meetings == 0 {
            let meeting = leg.filter.meeting.as_deref().unwrap_or_default();
            tracing::warn!("the API does not keep to the filter for the meeting; others are left out: {meeting}");
        }
        if dates > 0 && self.filtered.dates == 0 {
            tracing::warn!("the API does not keep to the filter for dates; the list is searched without it");
        }
        self.filtered.meetings += foreign;
        self.filtered.dates += dates;
        cut.iter().try_for_each(|row| self.cut.add(*row, response))
    }
}

impl Run {
    /// The stage, and what a stopped run of the same goal has left in it.
    pub(super) fn stage(&self, scene: &Scene) -> Result<(Staged, Vec<Recalled>)> {
        let (chosen, layout) = (&scene.chosen, &scene.driver.layout);
        let folder = &self.destination.stage;
        let ceiling = self.ceiling(scene);
        let (stage, recalled) = if self.destination.is_dry {
            (Stage::nameless(folder, scene.now)?, Vec::new())
        } else {
            self.lasting_stage(scene, &ceiling)?
        };
        if !recalled.is_empty() {
            tracing::info!("a stopped run is continued: {} answers are read already", recalled.len());
        }
        let rejects = Rejects::new(layout, &self.run_id, scene.now)?;
        let mut staged = Staged::new(stage, rejects, Cut::new(folder)?, ceiling);
        let Staged { stage, rejects, .. } = &mut staged;
        // Under which number the page was asked for is not known any more.
        stage.recalled_rejects(|page, reject| rejects.add(page, None, vec![reject]))?;
        let legs = chosen.legs();
        for (response, answer) in (0..).zip(&recalled) {
            if let Some(leg) = legs.get(answer.leg) {
                staged.looks.look(leg, Shown::of(answer), response)?;
            }
        }
        Ok((staged, recalled))
    }

    pub(in crate::commands) fn ceiling(&self, scene: &Scene) -> Ceiling {
        Ceiling { most: Some(self.config.dataset.max_partitions), found: scene.found.keys().copied().collect() }
    }

    /// A stage that outlives this run if it is stopped.
    fn lasting_stage(&self, scene: &Scene, ceiling: &Ceiling) -> Result<(Stage, Vec<Recalled>)> {
        let Scene { before, chosen, driver, .. } = scene;
        let layout = &driver.layout;
        let keeps = self.config.dataset.keep_unknown_fields;
        let header = Header {
            key: format!("{} {} {} {keeps}", Stage::form(), before.origin(), chosen.key()),
            erasures: scene.erasures,
            begun_at: scene.now,
            run_id: self.run_id.clone(),
            last_run: before.last_run().map(str::to_owned),
            rule: layout.method().staged(),
        };
        let folder = &self.destination.stage;
        let (stage, recalled) = Stage::open(folder, layout.by(), &header, self.fresh)?;
        if ceiling.refuse(&stage, layout).is_ok() {
            return Ok((stage, recalled));
        }
        // It would end every run before its first request.
        tracing::warn!("the rows that a stopped run had read are of more partitions than one run may make");
        drop(stage);
        Stage::open(folder, layout.by(), &header, true)
    }
}
