//! What every step of a split finds: the plan, the dataset, and whether the split is still under way.

use std::path::Path;
use std::sync::Arc;

use crate::commands::Setting;
use crate::commands::export::publication::Snapshots;
use crate::commands::export::{ACCOUNT, Run, Sums, Work, sums};
use crate::commands::run::{Task, credentials, prepare};
use crate::config::{Config, Format};
use crate::dataset::destination::{self, Destination};
use crate::dataset::erasures::Erasures;
use crate::dataset::lake::{Author, Lake, Wish};
use crate::dataset::layout::Layout;
use crate::dataset::publishing;
use crate::dataset::split::records::{FORM, PLAN, Planned, Share};
use crate::dataset::split::under_way::{self, UnderWay};
use crate::dataset::split::{PLAN_ANEW, Split};
use crate::dataset::state::{Found, State};
use crate::error::{Error, Kind, Result};
use crate::store::place::Place;
use crate::walk::Evidence;
use crate::words::clock::Clock;
use crate::words::stop::Stop;
use crate::words::timestamp;

/// How long a plan can be followed, in microseconds: a week.
const MOST_AGE: i64 = 7 * 24 * 3_600_000_000;

/// The dataset as a step sees it.
pub struct Seen {
    /// As its snapshots show it, or as it is.
    pub layout: Layout,
    /// Its snapshots, if it has any.
    pub lake: Option<Arc<Lake>>,
    /// The number of the newest.
    pub snapshot: Option<u64>,
}

/// The place of a split, and the settings of this machine.
pub struct Ground<'a> {
    pub setting: Setting<'a>,
    pub split: Split,
    pub stop: Stop,
    create_parents: bool,
}

impl<'a> Ground<'a> {
    /// The split at a place. `writes`: whether the step does anything but look.
    ///
    /// # Errors
    /// `Config`.
    pub fn of(
        setting: Setting<'a>,
        place: &str,
        global: &crate::cli::Global,
        writes: bool,
        stop: &Stop,
    ) -> Result<Self> {
        if global.dry_run && writes {
            return Err(Error::new(Kind::Config, "a split can't be tried without writing")
                .hint("`rollbook export --dry-run` shows what would be read; leave out --dry-run here"));
        }
        let Setting { config, environment, run_id, .. } = &setting;
        let wrong = |form: String| {
            Error::new(Kind::Config, format!("`--split` must be {form}: {place}"))
                .hint("give a folder that all machines see, or an object store's URL")
        };
        let place = absolute(Place::parse(place).map_err(wrong)?)?;
        let split = Split::open(&place, config, environment, run_id, destination::temporary(), stop)?;
        Ok(Self { setting, split, stop: stop.clone(), create_parents: global.create_parents })
    }

    pub const fn clock(&self) -> &Clock {
        &self.setting.clock
    }

    /// The plan, by which this machine goes on with the settings that it has.
    ///
    /// # Errors
    /// `Config` where there is none, where it is of another version, or of another dataset than these settings name.
    pub fn planned(&mut self) -> Result<Planned> {
        let Some(planned) = self.split.read::<Planned>(PLAN)? else {
            return Err(Error::new(Kind::Config, format!("no split is planned here: {}", self.split.name()))
                .hint("check --split; `rollbook split plan` makes a plan"));
        };
        if planned.form != FORM {
            let what = format!("the split was planned by another version of rollbook: {}", self.split.name());
            return Err(Error::new(Kind::Config, what).hint("use the version that planned it on all machines"));
        }
        if !planned.is_possible() {
            let what = format!("the plan is none that was written: {}", self.split.place(PLAN));
            return Err(Error::new(Kind::Config, what).hint(PLAN_ANEW));
        }
        self.take_dataset(&planned)?;
        Ok(planned)
    }

    /// From now on the dataset is the plan's.
    pub fn take_dataset(&mut self, planned: &Planned) -> Result<()> {
        let wrong = |_| Error::new(Kind::Config, "the plan names no dataset").hint(PLAN_ANEW);
        let place = Place::parse(&planned.dataset).map_err(wrong)?;
        let own = absolute(self.setting.config.dataset.url.clone())?.to_string();
        if self.setting.names_dataset && own != planned.dataset {
            let what = format!(
                "the split is of another dataset than --dest or `dataset.url` says ({own}): {}",
                planned.dataset
            );
            return Err(Error::new(Kind::Config, what).hint("leave it out: the plan names the dataset"));
        }
        self.setting.config.dataset.url = place;
        Ok(())
    }

    /// The dataset, for who asks no API.
    ///
    /// # Errors
    /// `Config`; `Destination`.
    pub fn destination(&self) -> Result<Destination> {
        let Setting { config, environment, run_id, .. } = &self.setting;
        Destination::open(config, environment, run_id, false, &self.stop)?.with_key(config, environment)
    }

    /// The run that the split is, or one that becomes a split. `share`: of what the API allows.
    ///
    /// # Errors
    /// `Config`, also where there are no credentials; `Destination`.
    pub fn run(&self, run_id: &str, share: Option<Share>) -> Result<Run> {
        let credentials = credentials(&self.setting)?;
        let mut setting = self.setting.clone();
        if let Some(Share { concurrency, requests_per_second }) = share {
            let api = &mut setting.config.api;
            (api.concurrency, api.requests_per_second) = (concurrency, requests_per_second);
        }
        let work = Work::Export { full: true, meetings: Vec::new() };
        let (dry_run, create_parents) = (false, self.create_parents);
        let task = Task { command: "split", work, dry_run, create_parents, fresh: false, wait: None };
        let run = prepare(task, setting, credentials, self.stop.clone())?;
        // Files on their way have the name of this attempt; all that stays has that of the split.
        Ok(Run { run_id: run_id.to_owned(), ..run })
    }

    /// As [`refuse_other_settings`], for a step that asks no API, and may have no token.
    ///
    /// # Errors
    /// `Config` with their names.
    pub fn refuse_other_rules(&self, planned: &Planned, destination: &Destination) -> Result<()> {
        let mut sums = sums(&self.setting.config, destination, None);
        sums.remove(ACCOUNT);
        refuse_other_settings(planned, &sums)
    }

    /// Refuses to go on with a split that others have overtaken, or that is too old.
    ///
    /// # Errors
    /// `Config`; `Destination`.
    pub fn refuse_overtaken(&self, planned: &Planned, layout: &Layout) -> Result<()> {
        overtaken(&self.split, planned, layout, &self.setting.clock)
    }

    /// The dataset as a step sees it.
    ///
    /// # Errors
    /// `Config` where somebody has published into a dataset that had nothing; `Destination`.
    pub fn seen(&self, planned: &Planned, plain: &Layout) -> Result<Seen> {
        let format = planned.snapshots.as_deref().and_then(Format::named);
        let found = Lake::open(plain, &self.stop)?;
        let snapshot = found.as_ref().and_then(|lake| lake.base()).map(|base| base.snapshot);
        let lake = match (found, format) {
            (None, Some(format)) => {
                if !plain.versions()?.is_empty() {
                    let what = format!("another run has published since: {}", plain.place());
                    return Err(Error::new(Kind::Config, what).hint(PLAN_ANEW));
                }
                // There is nothing to be shown yet: the first snapshot is made at the end.
                let wish =
                    Wish { format: Some(format), author: self.author(planned), purged: 0, asked: planned.erasures };
                wish.bring(plain, None, &self.stop)?
            }
            (found, _) => found,
        };
        let layout = lake.as_ref().map_or_else(|| plain.clone(), Lake::layout);
        Ok(Seen { layout, lake, snapshot })
    }

    fn author(&self, planned: &Planned) -> Author {
        Author { run_id: planned.run_id.clone(), clock: self.clock().clone() }
    }

    /// The least evidence that is enough, and the most records that may be unreadable.
    pub fn bounds(&self) -> (Evidence, u64) {
        let Config { walk, dataset, .. } = &self.setting.config;
        (walk.accept, dataset.max_rejects)
    }

    /// How the split makes snapshots of a dataset that has some.
    pub fn snapshots(&self, planned: &Planned, lake: Arc<Lake>) -> Snapshots {
        let author = self.author(planned);
        Snapshots { lake, author, keep: self.setting.config.snapshots.keep }
    }

    /// Writes down that the split is under way.
    ///
    /// # Errors
    /// `Lease` where another one is; `Destination`.
    pub fn begins(&self, planned: &Planned, layout: &Layout) -> Result<()> {
        under_way::begin(layout, &self.now(planned), self.clock())
    }

    /// Writes down that the split goes on.
    ///
    /// # Errors
    /// `Config` where the split is over; `Destination`.
    pub fn goes_on(&self, planned: &Planned, layout: &Layout) -> Result<()> {
        under_way::prolong(layout, &self.now(planned), self.clock())
    }

    fn now(&self, planned: &Planned) -> UnderWay {
        UnderWay::now(self.split.name(), &planned.run_id, self.clock())
    }
}

/// Refuses settings by which rows would be made otherwise than by those of the plan.
///
/// # Errors
/// `Config` with their names.
pub fn refuse_other_settings(planned: &Planned, sums: &Sums) -> Result<()> {
    let is_other = |(name, sum): &(&String, &String)| planned.settings.get(*name) != Some(*sum);
    let other: Vec<_> = sums.iter().filter(is_other).map(|(name, _)| name.as_str()).collect();
    if other.is_empty() {
        return Ok(());
    }
    let what = format!("this machine has other settings than those of the plan: {}", other.join(", "));
    Err(Error::new(Kind::Config, what).hint("use the same settings file, token, key and version on all machines"))
}

/// As [`Ground::refuse_overtaken`].
pub fn overtaken(split: &Split, planned: &Planned, layout: &Layout, clock: &Clock) -> Result<()> {
    match under_way::noted(layout)? {
        Some(noted) if noted.run_id == planned.run_id && !noted.is_over(clock) => {}
        Some(noted) if noted.run_id == planned.run_id => {
            return refused(split, &format!("nothing was done of the split for a day, until {}", noted.expires_at));
        }
        Some(noted) => {
            return refused(split, &format!("another split of the dataset was planned since (run {})", noted.run_id));
        }
        None => return refused(split, "the split was given up, or the dataset is another one"),
    }
    refuse_others(split, planned, layout, clock)
}

/// Refuses to go on with a plan that is too old, or that others have overtaken: their rows, or their purge, are newer.
pub fn refuse_others(split: &Split, planned: &Planned, layout: &Layout, clock: &Clock) -> Result<()> {
    if clock.micros().saturating_sub(planned.planned_at) > MOST_AGE {
        return refused(split, &format!("the plan is older than a week ({})", timestamp::text(planned.planned_at)));
    }
    if let Found::Known(state) = State::glance(layout)? {
        refuse_other_run(split, planned, &state)?;
    }
    if Erasures::load(layout, planned.erasures)?.epoch() != planned.erasures {
        return refused(split, "the dataset was purged since");
    }
    let is_others = |path: &str| !path.contains(&format!("/{}", planned.run_id)) && !planned.earlier.contains(path);
    match publishing::all(layout)?.into_iter().find(|left| is_others(&left.path)) {
        Some(left) => refused(split, &format!("another run is publishing, or has died while it was ({})", left.path)),
        None => Ok(()),
    }
}

/// Refuses a state that another run has stored since the plan.
pub fn refuse_other_run(split: &Split, planned: &Planned, state: &State) -> Result<()> {
    let last_run = state.last_run();
    if last_run == planned.last_run.as_deref() || last_run == Some(&planned.run_id) {
        return Ok(());
    }
    refused(split, &format!("another run has published since ({})", last_run.unwrap_or_default()))
}

fn refused(split: &Split, what: &str) -> Result<()> {
    Err(Error::new(Kind::Config, format!("{what}: {}", split.name())).hint(PLAN_ANEW))
}

/// Refuses a dataset in the folders of a split, and a split in those of a dataset.
pub fn refuse_inside(split: &str, dataset: &str) -> Result<()> {
    let is_inside = |inner: &str, outer: &str, folders: &[&str]| {
        let first =
            inner.strip_prefix(outer).and_then(|rest| rest.strip_prefix('/')).and_then(|rest| rest.split('/').next());
        first.is_some_and(|first| folders.contains(&first))
    };
    let own = ["sessions", "participants", "timelogs", "lake", "_rollbook"];
    if is_inside(dataset, split, &["fetch", "join", "publish"]) || is_inside(split, dataset, &own) {
        let what = format!("the split and the dataset lie in each other's folders: {split}, {dataset}");
        return Err(Error::new(Kind::Config, what).hint("give --split a folder of its own, beside the dataset"));
    }
    Ok(())
}

/// A place by a name that holds wherever it is read.
pub fn absolute(place: Place) -> Result<Place> {
    let Some(folder) = place.folder().map(Path::to_owned) else { return Ok(place) };
    let whole = std::path::absolute(&folder)
        .map_err(|error| Error::new(Kind::Config, format!("no such place: {}", folder.display())).because(error))?;
    Ok(Place::Folder(whole.to_string_lossy().into_owned()))
}
