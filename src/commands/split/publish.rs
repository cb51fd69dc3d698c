//! `split publish`: some partitions of the dataset, made of what many have read. Where the dataset has snapshots, nobody sees them before
//! `split finish`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use super::ground::{Ground, Seen, overtaken, refuse_other_run};
use super::join::pieces;
use crate::commands::export::publication::{Placed, Publication, Share, Watch};
use crate::commands::export::stage_of;
use crate::dataset::destination::Destination;
use crate::dataset::encode;
use crate::dataset::erasures::Erasures;
use crate::dataset::inspection::Inspection;
use crate::dataset::layout::Layout;
use crate::dataset::publish::Part;
use crate::dataset::published::{Published, Versions, damaged};
use crate::dataset::publishing;
use crate::dataset::split::records::{FORM, Joined, MadeFile, Planned, PublishDone};
use crate::dataset::split::{PLAN_ANEW, Step};
use crate::dataset::state::{Found, State};
use crate::error::{Error, Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::Table;
use crate::store::{ROUNDS, Version, unless_raced};

/// Makes the partitions of a task. Returns what it has made; the attempt that came first counts.
///
/// # Errors
/// `Config` where the split was overtaken; `Unreadable`; `Destination`; a signal.
pub fn publish(
    ground: &Ground<'_>,
    planned: &Planned,
    joined: &Joined,
    task: u64,
    partitions: &BTreeSet<Partition>,
) -> Result<PublishDone> {
    let path = Step::Publish.done(task);
    if let Some(done) = ground.split.own::<PublishDone>(planned, &path)? {
        return Ok(done);
    }
    let destination = ground.destination()?;
    let plain = &destination.layout;
    ground.refuse_other_rules(planned, &destination)?;
    ground.refuse_overtaken(planned, plain)?;
    let partitions: Vec<_> = partitions.iter().copied().collect();
    let record = format!("{}-{task}-{}", planned.run_id, ground.setting.run_id);
    let attempt = || match attempt(ground, planned, joined, &destination, &record, &partitions) {
        Err(error) if error.kind() == Kind::Raced => Ok(None),
        made => made.map(Some),
    };
    let Share { parts, unchanged, restored } = unless_raced(ROUNDS, || plain.place(), attempt)?;
    let made = |part: &Part| {
        let Part { path, written, version, .. } = part;
        let (rows, bytes, sha256) = (written.rows, written.bytes, written.sha256.clone());
        MadeFile { path: path.clone(), rows, bytes, sha256, mark: version.mark().to_owned() }
    };
    let files = parts.iter().map(made).collect();
    let done = PublishDone { form: FORM, run_id: planned.run_id.clone(), task, files, unchanged, restored };
    // Another attempt may have been first, and the split may be finished by now.
    ground.refuse_overtaken(planned, plain)?;
    if !ground.split.create(&path, &done)? {
        let theirs = ground.split.own::<PublishDone>(planned, &path)?;
        return Ok(theirs.unwrap_or(done));
    }
    if let Err(over) = ground.goes_on(planned, plain) {
        ground.split.remove(&path)?;
        return Err(over);
    }
    Ok(done)
}

fn attempt(
    ground: &Ground<'_>,
    planned: &Planned,
    joined: &Joined,
    destination: &Destination,
    record: &str,
    partitions: &[Partition],
) -> Result<Share> {
    let plain = &destination.layout;
    announce(ground, planned, joined, plain)?;
    let seen = ground.seen(planned, plain)?;
    let found = Published::versions(&seen.layout)?;
    let dataset = Dataset { ground, planned, joined, seen: &seen };
    let is_as_found = dataset.is_as_found(&found, |partition| partitions.contains(partition))?;
    let mut publication = publication(ground, planned, joined, destination, seen)?;
    (publication.found, publication.record) = (found, record.to_owned());
    if !is_as_found {
        publication.look_again()?;
    }
    publication.some(partitions)
}

/// Sessions that change their partition are in both for a moment. Which is the old one is written down before that.
fn announce(ground: &Ground<'_>, planned: &Planned, joined: &Joined, plain: &Layout) -> Result<()> {
    if joined.moving.is_empty() {
        return Ok(());
    }
    let may = |state: &State| refuse_other_run(&ground.split, planned, state);
    if !State::announce(plain, &joined.moving, &planned.run_id, may)? {
        // A state that was lost.
        joined.state.clone().store(plain, &planned.run_id)?;
        State::announce(plain, &joined.moving, &planned.run_id, may)?;
    }
    Ok(())
}

/// All that publishing needs, by what the join has decided; what is in the dataset is not looked at yet.
pub fn publication(
    ground: &Ground<'_>,
    planned: &Planned,
    joined: &Joined,
    destination: &Destination,
    seen: Seen,
) -> Result<Publication> {
    let Seen { layout, lake, snapshot: _ } = seen;
    let plain = &destination.layout;
    let erasures = Erasures::load(plain, planned.erasures)?;
    let inspection = Inspection::begin(&layout, &ground.stop)?;
    Ok(Publication {
        stage: stage_of(destination, planned, pieces(ground, joined, plain.by())?)?,
        state: joined.state.clone().resting_on(State::glance(plain)?),
        noticed: joined.noticed.clone(),
        covered: joined.covered.clone(),
        found: BTreeMap::new(),
        resolution: joined.resolution.clone(),
        erasures: planned.erasures,
        erased: erasures.denied()?,
        inspection,
        lake: lake.map(|lake| ground.snapshots(planned, lake)),
        committed: None,
        placed: Placed::default(),
        watch: Some(watch(ground, planned, plain)),
        record: planned.run_id.clone(),
        alone: false,
        run_id: planned.run_id.clone(),
        stop: ground.stop.clone(),
        progress: Arc::clone(&ground.setting.progress),
        heavy: Mutex::default(),
        layout,
    })
}

fn watch(ground: &Ground<'_>, planned: &Planned, plain: &Layout) -> Watch {
    let (split, planned, plain, clock) = (ground.split.clone(), planned.clone(), plain.clone(), ground.clock().clone());
    Box::new(move || overtaken(&split, &planned, &plain, &clock))
}

/// A dataset, and what it was when the split was joined.
pub struct Dataset<'a> {
    pub ground: &'a Ground<'a>,
    pub planned: &'a Planned,
    pub joined: &'a Joined,
    pub seen: &'a Seen,
}

impl Dataset<'_> {
    /// Whether some partitions are as they were found by the join. What the split itself has put in place since is no reason to refuse.
    ///
    /// # Errors
    /// `Config` where somebody else has published; `Destination`; a signal.
    pub fn is_as_found(
        &self,
        found: &BTreeMap<Partition, Versions>,
        some: impl Fn(&Partition) -> bool,
    ) -> Result<bool> {
        let Self { joined, seen: Seen { layout, lake, snapshot }, .. } = self;
        let is_own =
            || lake.as_ref().and_then(|lake| lake.base()).is_some_and(|base| base.run_id == self.planned.run_id);
        if *snapshot != joined.snapshot && !is_own() {
            return Err(self.overtaken("another run has published since, and made a snapshot", ""));
        }
        if lake.is_some() {
            return Ok(true);
        }
        let mut is_as_found = true;
        let own = self.own()?;
        let wanted = joined.found.keys().filter_map(|path| layout.partition_of(path));
        let partitions: BTreeSet<_> = wanted.chain(found.keys().copied()).filter(some).collect();
        for partition in partitions {
            for table in Table::ALL {
                let path = layout.relative(table, partition);
                let version = found.get(&partition).and_then(|versions| versions[table].as_ref());
                if version.map(Version::mark) == joined.found.get(&path).map(String::as_str) {
                    continue;
                }
                is_as_found = false;
                if !self.is_own(&path, &own)? {
                    return Err(self.overtaken("another run has published since", &path));
                }
            }
        }
        Ok(is_as_found)
    }

    fn overtaken(&self, why: &str, path: &str) -> Error {
        Error::new(Kind::Config, format!("{why}: {}", self.seen.layout.store().place(path))).hint(PLAN_ANEW)
    }

    /// Paths and sums of what processes of the split have written down before they put it in place, and of what was there before.
    fn own(&self) -> Result<BTreeSet<(String, String)>> {
        let name = format!("/{}", self.planned.run_id);
        let left = publishing::all(&self.seen.layout)?.into_iter().filter(|left| left.path.contains(&name));
        let made = left.flat_map(|left| left.files).map(|entry| (entry.path, entry.sha256));
        // A copy of the dataset, or another machine, may know the same file by another mark.
        let recorded = |state: State| state.into_files().into_iter().map(|(path, recorded)| (path, recorded.sha256));
        let before = recorded(self.joined.state.clone());
        // A finish that has died may have stored the state.
        let now = match State::glance(&self.seen.layout)? {
            Found::Known(state) if state.last_run() == Some(&self.planned.run_id) => Some(recorded(*state)),
            _ => None,
        };
        Ok(made.chain(before).chain(now.into_iter().flatten()).collect())
    }

    fn is_own(&self, path: &str, own: &BTreeSet<(String, String)>) -> Result<bool> {
        Ok(self.sum(path)?.is_some_and(|sha256| own.contains(&(path.to_owned(), sha256))))
    }

    /// The SHA-256 of a file of the dataset; `None` where it is not there.
    fn sum(&self, path: &str) -> Result<Option<String>> {
        let store = self.seen.layout.store();
        let Some((file, _)) = store.open(path)? else { return Ok(None) };
        let digest = encode::digest(&file, &self.ground.stop)?;
        digest.map(|(_, sha256)| Some(sha256)).map_err(|error| damaged(&store.place(path), error))
    }

    /// Whether the bytes of a file that a task has made are other than they were when the split was joined.
    pub fn is_changed(&self, made: &MadeFile) -> bool {
        let before = self.joined.state.files().get(&made.path);
        before.is_none_or(|before| before.sha256 != made.sha256)
    }

    /// The version of a file that a task has put in place; `None` where the split itself has changed it since.
    ///
    /// # Errors
    /// `Config` where somebody else has put another one there; `Destination`; a signal.
    pub fn made(&self, made: &MadeFile, there: Option<&Version>) -> Result<Option<Version>> {
        let MadeFile { path, sha256, mark, .. } = made;
        let Some(version) = there else {
            return Err(self.overtaken("a file that the split has put in place is gone", path));
        };
        if version.mark() == mark || self.sum(path)?.as_ref() == Some(sha256) {
            return Ok(Some(version.clone()));
        }
        if self.is_own(path, &self.own()?)? {
            return Ok(None);
        }
        Err(self.overtaken(
            "a file is another one than the split has put in place, so another run has published since",
            path,
        ))
    }
}
