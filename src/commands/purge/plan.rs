//! The first half of a purge: what would go, by which rules, before anything is written.

use std::collections::BTreeMap;

use super::Job;
use crate::dataset::erasures::rows::Rules;
use crate::dataset::erasures::{Asked, Erase, Erasures, Origin, Rule, Taken, Tally};
use crate::dataset::inspection::Inspection;
use crate::dataset::layout::Layout;
use crate::dataset::published::{Published, Versions};
use crate::dataset::receipt;
use crate::dataset::receipt::purged::{Near, Removed, Ruled};
use crate::dataset::rejects;
use crate::dataset::state::{Found, State};
use crate::error::Result;
use crate::rows::erasure::{Hash, Identifier};
use crate::rows::partition::Partition;
use crate::words::name;
use crate::words::stop::Stop;

/// Near matches that are listed at most, by name.
pub const NEAR: usize = 1_000;

/// What a purge would do.
pub struct Plan {
    /// As it is, if it can be read.
    pub state: Option<Box<State>>,
    /// The rules with those that are asked for, not stored yet.
    pub erasures: Erasures,
    /// What is asked for, the floor first.
    pub asked: Vec<Asked>,
    /// How many rows and raw records would go, by all rules together.
    pub removed: Removed,
    /// How much each rule takes out, by its number.
    pub tally: Tally,
    /// Partitions that stay as they are, by the versions of their files.
    pub untouched: BTreeMap<Partition, Versions>,
    /// What the files are held against.
    pub inspection: Inspection,
    /// Names that stay, though they look like one that was given.
    pub near: Vec<Near>,
    /// The last purge that the dataset has seen.
    pub seen: u64,
}

/// The state of a dataset, if there is one that can be read, and the last purge that the dataset has seen. Whosever sessions
/// the state speaks of.
///
/// # Errors
/// As [`State::look`]; `Destination`.
pub fn look(layout: &Layout) -> Result<(Option<Box<State>>, u64)> {
    match State::look(layout)? {
        Found::Known(state) => {
            let seen = state.purges(layout)?;
            Ok((Some(state), seen))
        }
        Found::Nothing | Found::Damaged(_) => Ok((None, receipt::past::named(layout)?.1)),
    }
}

impl Plan {
    /// Counts what would go by the rules in force and those that are asked for; changes nothing.
    pub fn make(job: &Job, erase: &Erase, key: Hash, origin: &Origin) -> Result<Self> {
        let (state, seen) = look(&job.layout)?;
        if let Some(state) = &state {
            state.check_files(&job.layout)?;
            state.refuse_other_method(&job.layout, false)?;
        }
        if let Some(lake) = job.lake.as_ref().filter(|_| !job.is_dry) {
            lake.mend(|path| state.as_ref()?.mark(path))?;
        }
        // Damage ends the purge before its first change, and before any row is decoded.
        let mut inspection = Inspection::begin(&job.layout, &job.stop)?;
        inspection.all()?;
        let mut erasures = Erasures::load(&job.layout, seen)?;
        erasures.warn_of_unicode();
        let asked = erasures.add(erase, key, origin, job.layout.method())?;
        let (removed, tally, untouched, near) = Default::default();
        let mut plan = Self { state, erasures, asked, removed, tally, untouched, inspection, near, seen };
        let rules = plan.rules()?;
        plan.survey(job, &rules, erase)?;
        let (dry, denied) = (job.layout.dry(), rules.denied.as_deref());
        let rejects::Purged { records, damaged } = rejects::purge(&dry, denied, rules.floor, &mut plan.tally)?;
        for path in damaged {
            let place = job.layout.store().place(&path);
            tracing::warn!("a file of rejects holds what is no line of it, which a purge does not keep: {place}");
        }
        plan.removed.rejects = records;
        let finished = plan.state.as_ref().map_or(0, |state| state.erasures());
        plan.erasures.count(&plan.tally, finished);
        Ok(plan)
    }

    /// The rules as rows are compared with them: the floor, and who has been erased.
    pub fn rules(&self) -> Result<Rules> {
        Ok(Rules { floor: self.erasures.floor_rule(), denied: self.erasures.denied()? })
    }

    fn survey(&mut self, job: &Job, rules: &Rules, erase: &Erase) -> Result<()> {
        let found = Published::versions(&job.layout)?;
        job.progress.phase("counting", found.len() as u64);
        let mut near = Likeness::of(if job.is_dry { &erase.people } else { &[] });
        for (partition, versions) in found {
            let counted = Published::until_settled(&job.layout, &mut [(partition, versions)].into(), |published| {
                let found = published.iter().find(|published| published.partition() == partition);
                found.map(|published| Counted::of(published, rules, &near, &job.stop)).transpose()
            })?;
            if let Some(Counted { removed, tally, likeness, untouched }) = counted {
                self.removed += removed;
                add(&mut self.tally, &tally);
                near = likeness;
                self.untouched.extend(untouched.map(|versions| (partition, versions)));
            }
            job.progress.step();
        }
        self.near = near.found();
        Ok(())
    }

    /// What was asked for and matches nothing, though no rule says so yet: the flags, as they were given. A floor may
    /// well match nothing, and does so most nights.
    pub fn unmatched(&self, erase: &Erase) -> Vec<String> {
        let flag = |by| if by == Identifier::Id { "--participant-id" } else { "--participant-name" };
        let asked = &self.asked[self.asked.len() - erase.people.len()..];
        let mut unmatched = Vec::new();
        for (at, (asked, (by, _))) in asked.iter().zip(&erase.people).enumerate() {
            let of_flag =
                |people: &[(Identifier, String)]| people.iter().filter(|(it, _)| flag(*it) == flag(*by)).count();
            let (number, of) = (of_flag(&erase.people[..=at]), of_flag(&erase.people));
            if asked.is_new && !self.tally.contains_key(&asked.number) {
                let flag = flag(*by);
                unmatched.push(if of == 1 { flag.to_owned() } else { format!("{flag} ({number} of {of})") });
            }
        }
        unmatched
    }

    /// Takes down what has gone, where that is more than was counted; says whether it is.
    pub fn found_more(&mut self, tally: &Tally) -> bool {
        let counted = |number| self.tally.get(number).copied().unwrap_or_default();
        let more = tally.iter().map(|(number, taken)| (*number, taken.beyond(counted(number))));
        let more: Tally = more.filter(|(_, taken)| !taken.is_nothing()).collect();
        // On top of what was counted, so as if that purge were over.
        self.erasures.count(&more, u64::MAX);
        !more.is_empty()
    }

    /// The rules that were asked for, for the receipt. `tally`: what goes by them.
    pub fn ruled(&self, tally: &Tally, dry_run: bool) -> Vec<Ruled> {
        let ruled = |Asked { number, is_new }: &Asked| {
            // A floor at which nothing has ever gone may have given way to this one.
            let rule = self.erasures.rules().iter().find(|rule| rule.number == *number)?;
            let Rule { what, matched, .. } = rule;
            let removed = tally.get(number).copied().unwrap_or_default();
            let number = (!dry_run || !is_new).then_some(*number);
            Some(Ruled { number, what: *what, matched: *matched, is_new: *is_new, removed })
        };
        let mut ruled: Vec<_> = self.asked.iter().filter_map(ruled).collect();
        ruled.dedup();
        ruled
    }
}

/// What is counted of one partition.
struct Counted {
    removed: Removed,
    tally: Tally,
    likeness: Likeness,
    /// Its versions, if nothing of it changes.
    untouched: Option<Versions>,
}

impl Counted {
    /// `before`: the near matches of the partitions before it.
    fn of(published: &Published, rules: &Rules, before: &Likeness, stop: &Stop) -> Result<Self> {
        let (mut removed, mut tally, mut likeness) = (Removed::default(), Tally::new(), before.clone());
        let mut changes = published.is_outdated()?;
        let mut chunks = published.chunks()?;
        while let Some(chunk) = chunks.next_chunk()? {
            stop.check()?;
            let selection = rules.select(&chunk, published.method().privacy.columns(), &mut tally);
            removed += selection.removed();
            changes |= selection.changes();
            if likeness.is_asked() {
                selection.each_name(&chunk, |name| likeness.look_at(name));
            }
        }
        let untouched = (!changes).then(|| published.found().clone());
        Ok(Self { removed, tally, likeness, untouched })
    }
}

/// Names that look like some that were given.
#[derive(Clone, Default)]
struct Likeness {
    forms: Vec<String>,
    found: BTreeMap<String, u64>,
}

impl Likeness {
    fn of(people: &[(Identifier, String)]) -> Self {
        let names = people.iter().filter(|(by, _)| *by != Identifier::Id);
        let forms = names.map(|(_, text)| name::near(text)).filter(|form| !form.is_empty()).collect();
        Self { forms, found: BTreeMap::new() }
    }

    fn is_asked(&self) -> bool {
        !self.forms.is_empty()
    }

    fn look_at(&mut self, name: &str) {
        if !self.forms.contains(&name::near(name)) {
            return;
        }
        if let Some(entries) = self.found.get_mut(name) {
            *entries += 1;
        } else if self.found.len() < NEAR {
            self.found.insert(name.to_owned(), 1);
        }
    }

    fn found(self) -> Vec<Near> {
        self.found.into_iter().map(|(name, entries)| Near { name, entries }).collect()
    }
}

/// Adds one tally to another, rule by rule.
pub fn add(tally: &mut Tally, more: &Tally) {
    for (number, taken) in more {
        let sum: &mut Taken = tally.entry(*number).or_default();
        *sum = *sum + *taken;
    }
}
