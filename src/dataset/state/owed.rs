//! Sessions that were asked for by id and not answered: they are asked for first the next night, until the answer has been
//! the same failure for three.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Nights with the same answer after which a session is unreachable, and asked for by full walks only.
const NIGHTS: u32 = 3;

/// The sessions whose answer is owed, by id.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owed(#[serde(deserialize_with = "super::listed::map")] BTreeMap<String, Debt>);

/// What is known of a session that could not be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Debt {
    /// The status that was answered last; none where there was no answer.
    pub status: Option<u16>,
    /// Since when it is answered so, RFC 3339.
    pub since: String,
    /// Nights in a row with this answer, while another session was answered by id.
    nights: u32,
    /// Whether the list should have held it.
    #[serde(default)]
    pub was_missed: bool,
}

/// A look-up that failed, and what its failure is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// The status that was answered, if there was an answer.
    pub status: Option<u16>,
    /// Whether another session was answered by id in the same run: else the failure says nothing of this one.
    pub is_its_own: bool,
    /// Whether the run is one of those that are counted.
    pub is_night: bool,
    /// Whether the list should have held it.
    pub was_missed: bool,
}

impl Debt {
    /// Whether the same answer has come often enough.
    pub const fn is_unreachable(&self) -> bool {
        self.nights >= NIGHTS
    }
}

impl Owed {
    /// The debt of a session; `None` where no answer is owed.
    pub fn get(&self, id: &str) -> Option<&Debt> {
        self.0.get(id)
    }

    /// Forgets all but these: others were answered, listed, or purged.
    pub fn keep(&mut self, ids: &BTreeSet<String>) {
        self.0.retain(|id, _| ids.contains(id));
    }

    /// The session was answered: nothing is owed any more.
    pub fn settle(&mut self, id: &str) {
        self.0.remove(id);
    }

    /// The session was not answered; returns what is owed of it now. Another answer than before begins a new count.
    pub fn fail(&mut self, id: &str, failure: Failure, now: &str) -> &Debt {
        let Failure { status, is_its_own, is_night, was_missed } = failure;
        let fresh = || Debt { status, since: now.to_owned(), nights: 0, was_missed };
        let debt = self.0.entry(id.to_owned()).or_insert_with(fresh);
        if is_its_own {
            if !is_same(debt.status, status) {
                *debt = fresh();
            }
            debt.status = status;
            debt.nights = debt.nights.saturating_add(u32::from(is_night && is_final(status)));
        }
        debt.was_missed |= was_missed;
        debt
    }

    /// Takes over what another run has written down meanwhile.
    pub fn join(&mut self, other: Self) {
        for (id, debt) in other.0 {
            self.0.entry(id).or_insert(debt);
        }
    }
}

/// Whether two failures are the same answer: all 5xx are one.
fn is_same(one: Option<u16>, other: Option<u16>) -> bool {
    let is_broken = |status: Option<u16>| status.is_some_and(|status| status >= 500);
    one == other || is_broken(one) && is_broken(other)
}

/// Whether a status says something of the session: no answer, a timeout (408) and a server that is busy (425, 429) don't.
fn is_final(status: Option<u16>) -> bool {
    status.is_some_and(|status| !matches!(status, 408 | 425 | 429))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NIGHT: Failure = Failure { status: Some(403), is_its_own: true, is_night: true, was_missed: false };

    /// Whether a session is unreachable after each of these failures.
    fn after(failures: &[Failure]) -> Vec<bool> {
        let mut owed = Owed::default();
        failures.iter().map(|failure| owed.fail("a", *failure, "now").is_unreachable()).collect()
    }

    #[test]
    fn the_same_answer_on_three_nights_settles() {
        let of = |status| Failure { status: Some(status), ..NIGHT };
        assert_eq!(after(&[NIGHT; 4]), [false, false, true, true]);
        assert_eq!(after(&[of(500), of(503), of(599)]), [false, false, true]);
        assert_eq!(after(&[NIGHT, NIGHT, of(500), NIGHT, NIGHT, NIGHT]), [false, false, false, false, false, true]);
        // Another answer than the one that settled is news.
        assert_eq!(after(&[NIGHT, NIGHT, NIGHT, of(500)])[2..], [true, false]);
    }

    #[test]
    fn no_answer_never_settles() {
        for status in [None, Some(408), Some(425), Some(429)] {
            assert_eq!(after(&[Failure { status, ..NIGHT }; 9]), [false; 9], "{status:?}");
        }
    }

    #[test]
    fn only_nights_on_which_another_was_answered_count() {
        for other in [Failure { is_its_own: false, ..NIGHT }, Failure { is_night: false, ..NIGHT }] {
            assert_eq!(after(&[other; 9]), [false; 9]);
            // They don't interrupt the count either.
            assert_eq!(after(&[NIGHT, other, NIGHT, other, NIGHT, other])[3..], [false, true, true]);
        }
        // Where nothing is answered by id, another status is no news of this session.
        let other = Failure { status: Some(404), is_its_own: false, ..NIGHT };
        assert_eq!(after(&[NIGHT, NIGHT, NIGHT, other])[2..], [true, true]);
    }

    #[test]
    fn what_is_owed_begins_with_the_answer_and_ends_with_the_session() {
        let mut owed = Owed::default();
        owed.fail("a", Failure { was_missed: true, ..NIGHT }, "first");
        let debt = owed.fail("a", NIGHT, "second").clone();
        assert_eq!((debt.since.as_str(), debt.was_missed), ("first", true));
        owed.fail("b", NIGHT, "second");
        owed.keep(&["b".to_owned()].into());
        assert!(owed.get("a").is_none() && owed.get("b").is_some());
        owed.settle("b");
        assert_eq!(owed, Owed::default());
    }
}
