//! How the state is stored where others may store theirs: what each of them has put in place stays named.

use std::collections::{BTreeMap, BTreeSet};

use super::{Covered, Found, Recorded, State, path};
use crate::dataset::identity::Moving;
use crate::dataset::layout::Layout;
use crate::dataset::sealed;
use crate::error::Result;
use crate::store::{Access, ROUNDS, Swap, Version, failed, unless_raced};

impl State {
    /// Stores it, for a run that has published. What another run has stored meanwhile stays.
    pub fn store(&mut self, layout: &Layout, run_id: &str) -> Result<()> {
        self.last_run = Some(run_id.to_owned());
        let attempt = || {
            if let Swap::Done(version) = self.put(layout)? {
                (self.version, self.had_covered) = (Some(version), self.covered.is_some());
                return Ok(Some(()));
            }
            let current = layout.store().read(&path())?;
            self.version = current.as_ref().map(|(_, version)| version.clone());
            let other = current.and_then(|(text, _)| Self::read(&text).ok());
            if let Some(other) = other.filter(|other| other.partition_by == self.partition_by) {
                self.join(other, &layout.versions()?);
            }
            Ok(None)
        };
        unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
    }

    /// Takes over what another run has stored. Of a file that both name, its bytes are right if the file that this run has
    /// put there is `there` no more: it is looked at after the other state was read, so whoever replaces it later stores a
    /// state later, too.
    fn join(&mut self, other: Self, there: &BTreeMap<String, Version>) {
        let own = &self.own;
        self.files.retain(|path, _| own.get(path).is_some_and(|version| there.get(path) == Some(version)));
        for (name, recorded) in other.files {
            self.files.entry(name).or_insert(recorded);
        }
        self.gone.extend(other.gone);
        self.bound_gone();
        self.owed.join(other.owed);
        self.know(other.erasures);
        self.moving.extend(other.moving);
        // Somebody may have found that nothing is settled.
        self.is_unsettled |= self.had_covered && other.covered.is_none();
        self.had_covered = other.covered.is_some();
        let disproof = other.covered.as_ref().and_then(Covered::disproof).map(str::to_owned);
        self.covered = self.covered.take().or(other.covered).filter(|_| !self.is_unsettled);
        // One full walk too many does no harm.
        if let Some(what) = disproof {
            self.disprove(&what);
        }
    }

    /// Takes files out of the stored state, and with them what was covered: the next nightly run reads everything, so that
    /// nothing stays out.
    ///
    /// # Errors
    /// `Raced` where other runs keep writing; `Config`, `Destination`.
    pub fn forget(layout: &Layout, paths: &BTreeSet<String>, run_id: &str) -> Result<()> {
        Self::change(layout, run_id, |state| state.files.retain(|path, _| !paths.contains(path)))
    }

    /// Has the stored state name files that somebody vouches for. What was covered goes: they may lack sessions.
    ///
    /// # Errors
    /// As [`State::forget`].
    pub fn accept(layout: &Layout, files: &BTreeMap<String, Recorded>, run_id: &str) -> Result<()> {
        Self::change(layout, run_id, |state| state.files.extend(files.clone()))
    }

    /// Has the stored state name these files and no others, as an older snapshot had them.
    ///
    /// # Errors
    /// As [`State::forget`].
    pub fn restore(layout: &Layout, files: &BTreeMap<String, Recorded>, run_id: &str) -> Result<()> {
        Self::change(layout, run_id, |state| state.files.clone_from(files))
    }

    /// Has the stored state name sessions that are moving, for a run that publishes by several processes. Nothing else is changed, and
    /// nothing at all where `may` says so of what is stored. False where there is no state.
    ///
    /// # Errors
    /// Its own; as [`State::forget`].
    pub fn announce(layout: &Layout, moving: &Moving, run_id: &str, may: impl Fn(&Self) -> Result<()>) -> Result<bool> {
        let attempt = || {
            let Found::Known(mut state) = Self::look(layout)? else { return Ok(Some(false)) };
            may(&state)?;
            if !state.moves(moving) {
                return Ok(Some(true));
            }
            // Purges are looked for in the receipts from the last run on.
            state.erasures = state.purges(layout)?;
            state.last_run = Some(run_id.to_owned());
            Ok(matches!(state.put(layout)?, Swap::Done(_)).then_some(true))
        };
        unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
    }

    /// Changes the stored state, if there is one, so that the next run reads everything.
    fn change(layout: &Layout, run_id: &str, change: impl Fn(&mut Self)) -> Result<()> {
        let attempt = || {
            let Found::Known(mut state) = Self::look(layout)? else { return Ok(Some(())) };
            change(&mut state);
            state.covered = None;
            // Purges are looked for in the receipts from the last run on.
            state.erasures = state.purges(layout)?;
            state.last_run = Some(run_id.to_owned());
            Ok(matches!(state.put(layout)?, Swap::Done(_)).then_some(()))
        };
        unless_raced(ROUNDS, || layout.store().place(&path()), attempt)
    }

    fn put(&self, layout: &Layout) -> Result<Swap> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| failed("cannot write the state", layout.store().place(&path()), error))?;
        let draft = layout.store().draft(&path(), sealed::seal(&text).as_bytes())?;
        layout.store().swap(draft, self.version.as_ref(), Access::Private)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::state::Source;
    use crate::rows::partition::PartitionBy;
    use crate::store::{Local, Store as _};
    use crate::words::limits;

    fn state(covered: bool) -> State {
        let source = serde_json::json!({"base_url": "loopback", "api_version": "v1", "account": null});
        let mut state = State::new(PartitionBy::Month, serde_json::from_value::<Source>(source).unwrap());
        state.covered = covered.then(|| Covered::new(0, 0, None));
        state.had_covered = covered;
        state
    }

    /// Versions of files, one a name.
    fn files(names: &[&str]) -> BTreeMap<String, Version> {
        let folder = tempfile::tempdir().unwrap();
        let version = |name: &&str| {
            std::fs::write(folder.path().join(name), name).unwrap();
            ((*name).to_owned(), Local::new(folder.path(), "run").open(name).unwrap().unwrap().1)
        };
        names.iter().map(version).collect()
    }

    fn hashes(state: &State) -> Vec<(&str, &str)> {
        state.files.iter().map(|(path, recorded)| (path.as_str(), recorded.sha256.as_str())).collect()
    }

    #[test]
    fn what_is_there_is_named_by_whoever_put_it_there() {
        let [mine, others, lost] = ["mine", "others", "lost"];
        let there = files(&[mine, others, "unchanged"]);
        let mut own = state(false);
        own.adopt(mine, 1, "a", &there[mine]);
        // Another run has replaced these since.
        own.adopt(others, 1, "a", &files(&["x"])["x"]);
        own.adopt(lost, 1, "a", &files(&["y"])["y"]);
        own.files.insert("unchanged".to_owned(), Recorded { rows: 1, sha256: "old".to_owned(), mark: None });
        let mut other = state(false);
        for path in [mine, others, "unchanged"] {
            other.adopt(path, 1, "b", &there[path]);
        }
        own.join(other, &there);
        assert_eq!(hashes(&own), [(mine, "a"), (others, "b"), ("unchanged", "b")]);
    }

    #[test]
    fn a_full_walk_that_somebody_has_disproven_stays_so() {
        let mut disproven = state(true);
        disproven.disprove("late");
        for (mut own, other) in [(state(true), disproven.clone()), (disproven.clone(), state(true))] {
            own.join(other, &BTreeMap::new());
            assert_eq!(own.covered.unwrap().disproof(), Some("late"));
        }
        // Where nothing is covered, everything is read in any case.
        let mut own = state(false);
        own.disprove("late");
        assert_eq!(own.covered, None);
    }

    #[test]
    fn a_fence_that_somebody_has_cleared_stays_cleared() {
        let join = |mut own: State, other: State| {
            own.join(other, &BTreeMap::new());
            own.covered.is_some()
        };
        assert!(join(state(true), state(true)));
        assert!(!join(state(true), state(false)), "another run found that nothing is settled");
        assert!(join(state(false), state(true)));
        let mut own = state(true);
        assert!(own.unsettle() && !own.unsettle());
        own.cover(Covered::new(0, 0, None));
        assert!(!join(own, state(true)), "this run found that nothing is settled");
    }

    #[test]
    fn a_state_lists_no_more_than_can_be_read() {
        let many: Vec<_> = (0..=limits::LISTED).map(|number| format!("{number:06}")).collect();
        let mut own = state(false);
        own.lose(&many, &[]);
        assert_eq!(own.gone.len(), limits::LISTED);
        let text = serde_json::to_string(&own).unwrap();
        assert_eq!(State::read(text.as_bytes()).unwrap(), own);
        let entries = |value: &str| many.iter().map(|name| format!("\"{name}\":{value}")).collect::<Vec<_>>().join(",");
        let owed = entries(r#"{"status":null,"since":"","nights":0}"#);
        for (name, list) in [
            ("gone", format!("{many:?}")),
            ("owed", format!("{{{owed}}}")),
            ("moving", format!("{{{}}}", entries("\"2026-11-01\""))),
            ("files", format!("{{{}}}", entries(r#"{"rows":0,"sha256":""}"#))),
        ] {
            let mut value = serde_json::to_value(state(false)).unwrap();
            value[name] = serde_json::from_str(&list).unwrap();
            let refused = State::read(value.to_string().as_bytes()).unwrap_err();
            assert!(refused.contains("it lists more than a state may"), "{name}: {refused}");
        }
    }
}
