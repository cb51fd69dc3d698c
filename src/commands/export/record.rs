//! The receipt of a run, filled in as it goes.

use super::proof::Proof;
use super::staged::Filtered;
use crate::dataset::receipt::Receipt;
use crate::dataset::receipt::walked::{Poorer, Walk};
use crate::rows::flatten::Flat;
use crate::rows::model::Names;

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

    /// Takes over what the run can show, as far as that is known.
    pub(super) fn prove(&mut self, proof: &Proof) {
        self.evidence = proof.evidence;
        self.reasons.clone_from(&proof.reasons);
    }
}

impl Receipt {
    /// Takes the rows of a page into account, and the fields that this version does not know.
    pub(super) fn count(&mut self, flat: &Flat) {
        self.rows.sessions += flat.batches.sessions.num_rows() as u64;
        self.rows.participants += flat.batches.participants.num_rows() as u64;
        self.rows.timelogs += flat.batches.timelogs.num_rows() as u64;
        let Walk { unknown_fields, more_unknown_fields, .. } = &mut self.walk;
        let mut names = Names { counts: std::mem::take(unknown_fields), more: *more_unknown_fields };
        names.add(&flat.unknown);
        (*unknown_fields, *more_unknown_fields) = (names.counts, names.more);
    }
}
