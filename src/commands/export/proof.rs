//! What a run can show in the end. The walk's verdict is where it begins; what was learnt besides can only weaken it. Receipts
//! record what is decided here.

use super::lookup::is_suspicious;
use crate::dataset::receipt::walked::{Poorer, Vanished};
use crate::error::Kind;
use crate::terminal::summary::counted;
use crate::walk::{Evidence, Verdict};

/// How strongly a run can show that nothing is missed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// How strongly: `chain`, `twice`, `total`, or `none`.
    pub evidence: Evidence,
    /// The ground of the evidence, or what speaks against it, in plain words.
    pub reasons: Vec<String>,
    /// Sessions that were asked for by id and not answered, so that it is not known what became of them.
    pub unanswered: u64,
}

impl Proof {
    /// What the walk has shown. `failure`: the last page that could not be had; the walk knows statuses alone, not what the API
    /// has said to them.
    pub fn of(verdict: &Verdict, failure: Option<String>) -> Self {
        let Verdict { evidence, reasons, caveat, .. } = verdict;
        let failure = failure.filter(|_| *evidence == Evidence::None);
        let failure = failure.map(|failure| format!("the last page that could not be had: {failure}"));
        let reasons = reasons.iter().chain(caveat).cloned().chain(failure).collect();
        Self { evidence: *evidence, reasons, unanswered: 0 }
    }

    /// Takes into account what came of the sessions that were asked for one by one. What speaks against the proof of the list ends
    /// that, and so do poorer versions of more than a few of the sessions that were `read`.
    #[must_use]
    pub fn after(self, vanished: &Vanished, poorer: &Poorer, read: u64) -> Self {
        let mut proof = self.unless(against(vanished, poorer, read));
        // The list is proven all the same; what is owed is in the state, so that the fence may move.
        if vanished.failed > 0 {
            let such_as = vanished.owed.first().map(|owed| format!(", such as {}", owed.session_id));
            let unanswered = format!(
                "no answer came for {} asked for by id{}; the next night asks again",
                counted(vanished.failed, "session"),
                such_as.unwrap_or_default()
            );
            proof.reasons.insert(0, unanswered);
        }
        Self { unanswered: vanished.failed, ..proof }
    }

    /// No proof at all where something speaks against it.
    #[must_use]
    pub fn unless(self, against: Vec<String>) -> Self {
        if against.is_empty() { self } else { Self { evidence: Evidence::None, reasons: against, ..self } }
    }

    /// What a run whose data is written falls short of, if of anything. `new_rejects`: records that could not be read whole.
    pub fn shortfall(&self, accept: Evidence, new_rejects: u64, max_rejects: u64) -> Option<Kind> {
        if self.evidence < accept || self.unanswered > 0 {
            Some(Kind::Unproven)
        } else if new_rejects > max_rejects {
            Some(Kind::Rejected)
        } else {
            None
        }
    }
}

fn against(vanished: &Vanished, poorer: &Poorer, read: u64) -> Vec<String> {
    let mut against = Vec::new();
    if vanished.missed > 0 {
        against.push(format!("not listed, but found by id: {}", counted(vanished.missed, "session")));
    }
    if vanished.unasked > 0 {
        let unasked = counted(vanished.unasked, "session");
        against.push(format!("known and not listed, but too many to ask for by id in one run: {unasked}"));
    }
    if vanished.suspicious {
        against.push("more sessions than usual vanished from the list at once".to_owned());
    }
    // An answer that has lost so much may have lost as much of sessions that nobody knows yet.
    if is_suspicious(poorer.sessions, read) {
        let poorer = poorer.sessions;
        against
            .push(format!("{poorer} of {read} sessions came with less than is known of them, though they had ended"));
    }
    against
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof() -> Proof {
        Proof { evidence: Evidence::Chain, reasons: vec!["the answers overlap".to_owned()], unanswered: 0 }
    }

    #[test]
    fn what_is_learnt_besides_can_only_weaken_the_proof() {
        let after = |vanished: &Vanished, poorer| {
            proof().after(vanished, &Poorer { sessions: poorer, ..Poorer::default() }, 100)
        };
        assert_eq!(after(&Vanished { asked: 3, waiting: 2, ..Vanished::default() }, 5), proof());
        for (vanished, poorer) in [
            (Vanished { missed: 1, ..Vanished::default() }, 0),
            (Vanished { unasked: 1, ..Vanished::default() }, 0),
            (Vanished { suspicious: true, ..Vanished::default() }, 0),
            (Vanished::default(), 6),
        ] {
            let proof = after(&vanished, poorer);
            assert_eq!((proof.evidence, proof.reasons.len()), (Evidence::None, 1), "{vanished:?}");
        }
        let owed = after(&Vanished { failed: 2, ..Vanished::default() }, 0);
        assert_eq!((owed.evidence, owed.unanswered, owed.reasons.len()), (Evidence::Chain, 2, 2));
    }

    #[test]
    fn a_run_falls_short_of_the_proof_before_it_falls_short_of_its_records() {
        let owed = Proof { unanswered: 1, ..proof() };
        assert_eq!(proof().shortfall(Evidence::Chain, 0, 0), None);
        assert_eq!(proof().shortfall(Evidence::Chain, 3, 3), None);
        assert_eq!(proof().shortfall(Evidence::Chain, 4, 3), Some(Kind::Rejected));
        assert_eq!(owed.shortfall(Evidence::Chain, 4, 3), Some(Kind::Unproven));
        let none = proof().unless(vec!["a gap".to_owned()]);
        assert_eq!(
            (none.shortfall(Evidence::Chain, 0, 0), none.shortfall(Evidence::None, 0, 0)),
            (Some(Kind::Unproven), None)
        );
    }
}
