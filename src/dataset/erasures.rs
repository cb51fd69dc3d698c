//! `_rollbook/erasures.json`: what must never come back, whatever happens to the state.
//!
//! The rules of all purges: floors, and hashes of those who were erased. A run without them would bring back what was purged,
//! so a file that is damaged, missing or older than what the dataset has seen is an error.

pub mod rows;
mod rule;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::encode::hexadecimal;
use super::layout::Layout;
use super::sealed;
use crate::error::{Error, Kind, Result};
use crate::rows::erasure::{Denied, Hash, Identifier};
use crate::rows::method::Method;
use crate::store::{Access, Swap, Version, failed, raced};
use crate::words::timestamp;
use rule::bytes;
pub use rule::{Alias, Match, Origin, Rule, Taken, Tally, What, alias};

/// The file's own form. Form 1 had one floor and a set of hashes of exact names and ids, without more about them.
const FORM: u32 = 2;

/// More purges, and more rules, than there are in any dataset: their numbers only ever grow.
const MOST: u32 = u32::MAX / 2;

/// The part of the file that tells which version can read the rest.
#[derive(Deserialize)]
struct Form {
    form: u32,
}

/// The file. Versions that know form 1 alone must be able to read this one as far as to see that it is newer: so `before` and
/// `denied` stay, though the rules hold all that is in them.
#[derive(Serialize, Deserialize)]
struct Stored {
    form: u32,
    epoch: u64,
    key: String,
    before: Option<String>,
    denied: BTreeSet<String>,
    #[serde(default)]
    last_number: u32,
    #[serde(default)]
    rules: Vec<Rule>,
}

/// The rules of all purges, and what is needed to hold a name or an id against them.
#[derive(Debug, Clone, Default)]
pub struct Erasures {
    /// Counts the purges that changed the rules.
    epoch: u64,
    /// By which names and ids are hashed: the dataset's own, drawn when its first rule was made.
    key: Vec<u8>,
    /// The last number that a rule got.
    last_number: u32,
    /// In the order in which they were made.
    rules: Vec<Rule>,
    /// Whether anything is other than it is stored.
    is_changed: bool,
    version: Option<Version>,
}

/// What a purge adds to the rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Erase {
    /// Sessions that started before this, in microseconds.
    pub before: Option<i64>,
    /// Participants, each by an id or a name.
    pub people: Vec<(Identifier, String)>,
}

/// A rule that a purge asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// The number of the rule, as `purge --list` shows it.
    pub number: u32,
    /// Whether it was not in force before.
    pub is_new: bool,
}

impl Erasures {
    /// Reads what was purged. `epoch`: the last one that the dataset has seen.
    ///
    /// # Errors
    /// `Unreadable` where it is damaged, old, or not there though it was; `Destination`; `Config` where a newer version wrote
    /// it, or one with a later Unicode, which may fold names otherwise.
    pub fn load(layout: &Layout, epoch: u64) -> Result<Self> {
        let place = layout.store().place(&path());
        let lost = |what: &str| {
            Error::new(Kind::Unreadable, format!("{what}: {place}"))
                .hint("put the file back from the latest copy of the dataset; without it, purged data would return")
        };
        let newer = || {
            Error::new(Kind::Config, format!("a newer version of rollbook wrote the list of erasures: {place}"))
                .hint("use the version of rollbook that wrote it, or a newer one")
        };
        let damaged = "the list of erasures is damaged";
        let Some((text, version)) = layout.store().read(&path())? else {
            return if epoch == 0 { Ok(Self::default()) } else { Err(lost("the list of erasures is missing")) };
        };
        let form: Form = serde_json::from_slice(&text).map_err(|error| lost(damaged).because(error))?;
        if form.form > FORM {
            return Err(newer());
        }
        if !sealed::is_whole(&text) {
            return Err(lost(damaged));
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(|error| lost(damaged).because(error))?;
        let Some(erasures) = Self::read(stored, version) else { return Err(lost(damaged)) };
        if erasures.epoch < epoch {
            return Err(lost("the list of erasures is an old copy"));
        }
        if erasures.rules.iter().any(Rule::is_of_later_unicode) {
            return Err(newer());
        }
        Ok(erasures)
    }

    fn read(stored: Stored, version: Version) -> Option<Self> {
        let Stored { form, epoch, key, before, denied, last_number, rules } = stored;
        let key = bytes(&key).filter(|_| epoch <= u64::from(MOST) && last_number <= MOST)?;
        let mut erasures = Self { epoch, key, last_number, rules, is_changed: false, version: Some(version) };
        if form < FORM {
            erasures.rules.clear();
            if let Some(floor) = before {
                let rule = erasures.next(What::Before, None);
                erasures.rules.push(rule.of_floor(timestamp::parse(&floor)?));
            }
            for hash in denied {
                let rule = erasures.next(What::ParticipantIdOrName, None);
                erasures.rules.push(Rule { matched: Some(Match::Exact), hash: Some(hash), ..rule });
            }
        }
        erasures.rules.iter().all(Rule::is_sound).then_some(erasures)
    }

    /// A rule with the next number.
    fn next(&mut self, what: What, origin: Option<&Origin>) -> Rule {
        self.last_number += 1;
        Rule::new(self.last_number, what, self.epoch, origin)
    }

    /// Its number, which grows with every change; 0 where nothing was ever purged.
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The number of the purge that made the latest rule in force; 0 where there is none.
    pub fn last_made(&self) -> u64 {
        self.rules.iter().map(|rule| rule.epoch).max().unwrap_or_default()
    }

    /// The rules in force, in the order in which they were made.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The floor in force, and its rule's number: sessions that started before this are not kept, in microseconds.
    pub fn floor_rule(&self) -> Option<(i64, u32)> {
        self.rules.iter().filter_map(|rule| Some((rule.floor()?, rule.number))).max()
    }

    /// Sessions that started before this are not kept, in microseconds.
    pub fn floor(&self) -> Option<i64> {
        self.floor_rule().map(|(floor, _)| floor)
    }

    /// Who is not kept; `None` where that is nobody.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn denied(&self) -> Result<Option<Arc<Denied>>> {
        let mut denied = Denied::nobody(&self.key)?;
        self.rules.iter().for_each(|rule| rule.deny(&mut denied));
        Ok(if denied.is_empty() { None } else { Some(Arc::new(denied)) })
    }

    /// Warns of names that today's Unicode may fold otherwise than the one with which they were erased.
    pub fn warn_of_unicode(&self) {
        for Rule { number, .. } in self.rules.iter().filter(|rule| rule.may_miss()) {
            tracing::warn!(
                "rule {number} of the purges has a name with characters that were new to Unicode then, and may miss it now; \
                 run that `rollbook purge` again"
            );
        }
    }

    /// Adds to what is not kept; returns the rules that were asked for, the floor first. `key`: fresh, for a dataset in which
    /// nobody was erased yet.
    ///
    /// # Errors
    /// `Unexpected` where the key can't be used.
    pub fn add(&mut self, erase: &Erase, key: Hash, origin: &Origin, method: &Method) -> Result<Vec<Asked>> {
        if self.key.is_empty() {
            self.key = key.to_vec();
        }
        let before = self.last_number;
        self.epoch += 1;
        let mut asked = Vec::with_capacity(1 + erase.people.len());
        if let Some(floor) = erase.before {
            let in_force = self.floor_rule().filter(|(in_force, _)| *in_force >= floor);
            asked.push(if let Some((_, number)) = in_force {
                number
            } else {
                let rule = self.next(What::Before, Some(origin));
                self.rules.push(rule.of_floor(floor));
                self.last_number
            });
        }
        for (by, text) in &erase.people {
            asked.push(self.deny(*by, text, origin, method)?);
        }
        if self.last_number == before {
            self.epoch -= 1;
        }
        self.is_changed |= self.last_number > before;
        Ok(asked.into_iter().map(|number| Asked { number, is_new: number > before }).collect())
    }

    fn deny(&mut self, by: Identifier, text: &str, origin: &Origin, method: &Method) -> Result<u32> {
        let keyed = Denied::nobody(&self.key)?;
        let hash = keyed.hash(by, text);
        let alias = alias(by, text, method).map(|(of, token)| Alias::of(of, &keyed.hash_of_token(&token)));
        let hexadecimal = hexadecimal(&hash);
        // Two identifiers never have one hash.
        if let Some(rule) = self.rules.iter_mut().find(|rule| rule.hash.as_ref() == Some(&hexadecimal)) {
            if rule.may_miss() {
                *rule = rule.clone().of_participant(by, text, &hash);
                self.is_changed = true;
            }
            if alias.is_some() && rule.alias != alias {
                rule.alias = alias;
                self.is_changed = true;
            }
            return Ok(rule.number);
        }
        let what = if by == Identifier::Id { What::ParticipantId } else { What::ParticipantName };
        let rule = self.next(what, Some(origin));
        self.rules.push(Rule { alias, ..rule.of_participant(by, text, &hash) });
        Ok(self.last_number)
    }

    /// Takes down how much rules have taken out. `seen`: the last purge that the dataset has seen to its end. One that was
    /// stopped had counted everything before it began.
    pub fn count(&mut self, tally: &Tally, seen: u64) {
        for rule in &mut self.rules {
            let Some((before, taken)) = rule.removed.zip(tally.get(&rule.number).copied()) else { continue };
            let now = if rule.epoch <= seen { before + taken } else { before.max(taken) };
            self.is_changed |= now != before;
            rule.removed = Some(now);
        }
        self.fold_floors();
    }

    /// Lets go of floors that can never be in force again: those below one that has taken out something, and those that have
    /// taken out nothing below another such one, so that a floor set every night makes no long list.
    fn fold_floors(&mut self) {
        let Some((highest, number)) = self.floor_rule() else { return };
        let is_idle = self.rules.iter().any(|rule| rule.number == number && rule.is_idle());
        let below = self.rules.iter().filter(|rule| !rule.is_idle()).filter_map(Rule::floor);
        let kept = if is_idle { below.max().unwrap_or(highest) } else { highest };
        self.rules.retain(|rule| rule.floor().is_none_or(|floor| floor == highest || floor == kept));
    }

    /// Takes a rule back by which nothing was taken out.
    ///
    /// # Errors
    /// `Config` where it is not in force, or has taken out something, or may have.
    pub fn take_back(&mut self, number: u32) -> Result<()> {
        let refused = |what: &str, hint: &str| Err(Error::new(Kind::Config, format!("{what}: {number}")).hint(hint));
        let list = "`rollbook purge --list` shows the rules in force";
        match self.rules.iter().find(|rule| rule.number == number) {
            None => refused("no such rule is in force", list),
            Some(Rule { removed: None, .. }) => {
                refused("an earlier version made the rule, and it is not known what was removed by it", list)
            }
            Some(rule) if !rule.is_idle() => refused(
                "something was removed by the rule, and only one by which nothing was removed can be taken back",
                "export to a new folder with --dest to get everything that the API still lists",
            ),
            Some(_) => {
                self.rules.retain(|rule| rule.number != number);
                self.epoch += 1;
                self.is_changed = true;
                Ok(())
            }
        }
    }

    /// Stores it, if anything is other than it was.
    ///
    /// # Errors
    /// `Raced` where another purge came between; `Destination`.
    pub fn store(&mut self, layout: &Layout) -> Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let stored = Stored {
            form: FORM,
            epoch: self.epoch,
            key: hexadecimal(&self.key),
            before: self.floor().map(timestamp::text),
            denied: BTreeSet::new(),
            last_number: self.last_number,
            rules: self.rules.clone(),
        };
        let place = layout.store().place(&path());
        let text = serde_json::to_string_pretty(&stored)
            .map_err(|error| failed("cannot write the list of erasures", &place, error))?;
        let draft = layout.store().draft(&path(), sealed::seal(&text).as_bytes())?;
        match layout.store().swap(draft, self.version.as_ref(), Access::Private)? {
            Swap::Done(version) => (self.version, self.is_changed) = (Some(version), false),
            Swap::Lost => return Err(raced(&place)),
        }
        Ok(())
    }
}

/// Where it is, relative to the dataset.
pub fn path() -> String {
    Layout::own("erasures.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400_000_000;

    fn origin() -> Origin {
        Origin { at: "2026-11-20T00:00:00.000Z".to_owned(), run_id: "run".to_owned() }
    }

    fn add(erasures: &mut Erasures, before: Option<i64>, people: &[(Identifier, &str)]) -> Vec<(u32, bool)> {
        let people = people.iter().map(|(by, text)| (*by, (*text).to_owned())).collect();
        let asked = erasures.add(&Erase { before, people }, [7; 32], &origin(), &Method::default()).unwrap();
        asked.into_iter().map(|Asked { number, is_new }| (number, is_new)).collect()
    }

    fn sessions(number: u32, sessions: u64) -> Tally {
        [(number, Taken { sessions, ..Taken::default() })].into()
    }

    fn removed(erasures: &Erasures) -> Vec<(u32, u64)> {
        erasures.rules().iter().map(|rule| (rule.number, rule.removed.unwrap().sessions)).collect()
    }

    #[test]
    fn a_rule_is_made_once_and_a_purge_that_makes_none_has_no_number() {
        let mut erasures = Erasures::default();
        let people = [(Identifier::Name, "Zo\u{eb}"), (Identifier::ExactName, "Zo\u{eb}"), (Identifier::Id, "7")];
        assert_eq!(add(&mut erasures, Some(DAY), &people), [(1, true), (2, true), (3, true), (4, true)]);
        assert_eq!((erasures.epoch(), erasures.last_made()), (1, 1));
        let same =
            [(Identifier::Name, "zoe\u{308} "), (Identifier::ExactName, "zo\u{eb}"), (Identifier::Name, "ZO\u{cb}")];
        assert_eq!(add(&mut erasures, Some(1), &same), [(1, false), (2, false), (5, true), (2, false)]);
        assert_eq!(add(&mut erasures, Some(DAY), &[(Identifier::Id, "7")]), [(1, false), (4, false)]);
        assert_eq!((erasures.epoch(), erasures.last_made()), (2, 2));
        erasures.take_back(5).unwrap();
        assert_eq!((erasures.epoch(), erasures.last_made(), erasures.take_back(5).is_err()), (3, 1, true));
        assert_eq!(add(&mut erasures, None, &[(Identifier::Id, "8")]), [(6, true)]);
    }

    /// A purge that was stopped counts again what it had counted; one that was finished counts what came since.
    #[test]
    fn what_is_removed_is_counted_once() {
        let mut erasures = Erasures::default();
        add(&mut erasures, Some(DAY), &[]);
        erasures.count(&sessions(1, 5), 0);
        erasures.count(&sessions(1, 3), 0);
        assert_eq!(removed(&erasures), [(1, 5)]);
        erasures.count(&sessions(1, 2), 1);
        assert_eq!(removed(&erasures), [(1, 7)]);
        assert_eq!(erasures.take_back(1).unwrap_err().kind(), Kind::Config);
    }

    #[test]
    fn floors_that_can_never_be_in_force_again_go() {
        let mut erasures = Erasures::default();
        let mut night = |days: i64, taken: u64| {
            let number = add(&mut erasures, Some(days * DAY), &[])[0].0;
            erasures.count(&if taken > 0 { sessions(number, taken) } else { Tally::new() }, 0);
            removed(&erasures)
        };
        assert_eq!(night(1, 0), [(1, 0)]);
        assert_eq!(night(2, 0), [(2, 0)]);
        assert_eq!(night(3, 4), [(3, 4)]);
        assert_eq!(night(4, 0), [(3, 4), (4, 0)]);
        assert_eq!(night(5, 0), [(3, 4), (5, 0)]);
        assert_eq!(night(6, 1), [(6, 1)]);
        assert_eq!(erasures.floor(), Some(6 * DAY));
    }

    #[test]
    fn numbers_that_could_not_grow_are_damage() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::local(folder.path(), crate::rows::partition::PartitionBy::Month);
        std::fs::create_dir(folder.path().join("_rollbook")).unwrap();
        let load = |form: u32, epoch: u64, last_number: u32| {
            let text = format!(
                r#"{{"form":{form},"epoch":{epoch},"key":"","before":"2026-01-01T00:00:00Z","denied":[],"last_number":{last_number}}}"#
            );
            std::fs::write(folder.path().join(path()), text).unwrap();
            Erasures::load(&layout, 0).map_err(|error| error.kind())
        };
        for (epoch, last_number) in [(1, u32::MAX), (u64::MAX, 1)] {
            for form in [1, FORM] {
                assert_eq!(
                    load(form, epoch, last_number).err(),
                    Some(Kind::Unreadable),
                    "{form} {epoch} {last_number}"
                );
            }
        }
        let mut erasures = load(1, u64::from(MOST), MOST).unwrap();
        assert_eq!(
            add(&mut erasures, Some(30_000 * DAY), &[(Identifier::Id, "7")]),
            [(MOST + 2, true), (MOST + 3, true)]
        );
        erasures.rules[1].removed = Some(Taken { sessions: u64::MAX, ..Taken::default() });
        erasures.count(&sessions(MOST + 2, 5), u64::MAX);
        assert_eq!(erasures.rules()[0].removed.unwrap().sessions, u64::MAX);
    }
}
