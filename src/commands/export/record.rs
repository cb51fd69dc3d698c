//! The receipt of a run, filled in as it goes.

use std::collections::BTreeMap;

use super::lookup::is_suspicious;
use super::staged::Filtered;
use crate::dataset::inspection;
use crate::dataset::known::Older;
use crate::dataset::receipt::Receipt;
use crate::dataset::receipt::walked::{Poorer, Vanished, Walk};
use crate::error::{Error, Kind};
use crate::rows::flatten::Flat;
use crate::rows::model::Names;
use crate::terminal::summary::counted;
use crate::walk::Evidence;

impl Walk {
    /// Takes over what came of the server's own filters, and says so where they found nothing.
    pub(super) fn filter(&mut self, filtered: Filtered) {
        let Filtered { meetings, dates, unlisted } = filtered;
        (self.foreign_meetings, self.foreign_dates) = (meetings, dates);
        for meeting in &unlisted {
            tracing::warn!("the API lists no session of the meeting: {meeting}");
        }
        self.unlisted_meetings = unlisted;
    }

    /// Takes over how many sessions should have been known and were not, and whether that makes a full walk due.
    pub(super) fn meet_late(&mut self, late: u64, full_walk_due: Option<String>) {
        if late > 0 {
            let noun = if late == 1 { "session" } else { "sessions" };
            tracing::warn!("{late} {noun} older than walk.lookback had not been listed before");
        }
        if let Some(why) = &full_walk_due {
            tracing::warn!("{why}; the next run reads the whole list");
        }
        (self.late, self.full_walk_due) = (late, full_walk_due);
    }

    /// Takes over of which sessions an answer lacked what is known.
    pub(super) fn find_poorer(&mut self, poorer: Poorer) {
        if let Some(example) = poorer.examples.first() {
            let noun = if poorer.sessions == 1 { "session" } else { "sessions" };
            tracing::warn!(
                "{} {noun} that had ended came with less than is known of them, and the fuller version is kept, such as that of \
                 {example}",
                poorer.sessions
            );
        }
        self.poorer = poorer;
    }

    /// Takes over what came of the sessions that were asked for one by one; what it says against the proof of the list ends
    /// that, and so do poorer versions of more than a few of the sessions that were `read`.
    pub(super) fn lose(&mut self, vanished: Vanished, read: u64) {
        let Vanished { missed, unasked, failed, suspicious, .. } = vanished;
        let mut against = Vec::new();
        if missed > 0 {
            against.push(format!("not listed, but found by id: {}", counted(missed, "session")));
        }
        if unasked > 0 {
            against.push(format!(
                "known and not listed, but too many to ask for by id in one run: {}",
                counted(unasked, "session")
            ));
        }
        if suspicious {
            against.push("more sessions than usual vanished from the list at once".to_owned());
        }
        // An answer that has lost so much may have lost as much of sessions that nobody knows yet.
        if is_suspicious(self.poorer.sessions, read) {
            let poorer = self.poorer.sessions;
            against.push(format!(
                "{poorer} of {read} sessions came with less than is known of them, though they had ended"
            ));
        }
        if !against.is_empty() {
            self.evidence = Evidence::None;
            self.reasons = against;
        }
        // The list is proven all the same; what is owed is in the state, so that the fence may move.
        if failed > 0 {
            let such_as = vanished.owed.first().map(|owed| format!(", such as {}", owed.session_id));
            let unanswered = format!(
                "no answer came for {} asked for by id{}; the next night asks again",
                counted(failed, "session"),
                such_as.unwrap_or_default()
            );
            self.reasons.insert(0, unanswered);
        }
        self.vanished = vanished;
    }
}

impl Receipt {
    /// Takes an answer into account.
    pub(super) fn count(&mut self, flat: &Flat) {
        self.walk.requests += 1;
        self.rows.sessions += flat.batches.sessions.num_rows() as u64;
        self.rows.participants += flat.batches.participants.num_rows() as u64;
        self.rows.timelogs += flat.batches.timelogs.num_rows() as u64;
        let Walk { unknown_fields, more_unknown_fields, .. } = &mut self.walk;
        let mut names = Names { counts: std::mem::take(unknown_fields), more: *more_unknown_fields };
        names.add(&flat.unknown);
        (*unknown_fields, *more_unknown_fields) = (names.counts, names.more);
    }

    /// Takes over which files were an older run's: what came between is missing until everything is read again.
    pub(super) fn found_restored(&mut self, restored: &BTreeMap<String, Older>, erasures: u64) {
        if !restored.is_empty() {
            self.walk.evidence = Evidence::None;
            self.walk.reasons = inspection::reasons(restored, erasures);
            self.restored = restored.keys().cloned().collect();
        }
    }

    /// Decides on the exit code and the outcome.
    pub(super) fn judge(&mut self, error: Option<&Error>, accept: Evidence, max_rejects: u64) {
        let kind = match error {
            Some(error) => Some(error.kind()),
            None if self.walk.evidence < accept || self.walk.vanished.failed > 0 => Some(Kind::Unproven),
            None if self.rejects.new > max_rejects => Some(Kind::Rejected),
            None => None,
        };
        (self.exit_code, self.outcome) = kind.map_or((0, "proven"), |kind| (kind.exit_code(), kind.name()));
        self.error = error.map(ToString::to_string);
    }
}
