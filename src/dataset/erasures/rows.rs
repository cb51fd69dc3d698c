//! What a purge leaves of published sessions. Pure.
//!
//! A session that started before the floor goes whole. Of a session with an erased participant the entry and its timelogs
//! go, the positions of the others stay, and every number is computed anew, as if the API had never listed the entry. So it
//! is for a session that has lost its entries already: a purge that was killed may have left the numbers from before.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::{Array, BooleanArray};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;

use crate::dataset::erasures::Tally;
use crate::dataset::receipt::purged::Removed;
use crate::rows::chunk::Chunk;
use crate::rows::erasure::{Denied, Row};
use crate::rows::method::Method;
use crate::rows::privacy::Columns;
use crate::rows::recount::Numbers;
use crate::rows::tables::{Tables, participants, sessions, text, timelogs};

/// What must go, by all rules together.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Sessions that started before this, in microseconds, and the number of that rule.
    pub floor: Option<(i64, u32)>,
    /// Participants whose entries go; `None` where there is no such rule.
    pub denied: Option<Arc<Denied>>,
}

/// Which rows of a chunk stay when the rules of purges are applied.
#[derive(Debug)]
pub struct Selection {
    kept: Tables<Vec<bool>>,
    /// For each child table: the first row of each session that stays, and the number of rows at the end.
    offsets: [Vec<usize>; 2],
    /// Whether a session that stays has lost an entry, now or to a purge that was killed.
    robbed: bool,
}

impl Rules {
    /// Chooses the rows of a chunk that stay; adds to the tally by which rules the others go. `columns`: how the rows are protected.
    pub fn select(&self, chunk: &Chunk, columns: &Columns, tally: &mut Tally) -> Selection {
        let Tables { participants, timelogs, .. } = chunk.batches();
        let kept = chunk.batches().each_ref().map(|batch| vec![false; batch.num_rows()]);
        let mut selection = Selection { kept, offsets: [vec![0], vec![0]], robbed: false };
        let (ids, names) = (participants::participant_id(participants), participants::name(participants));
        let persons = participants::person(participants);
        let (index, of) = (participants::participant_index(participants), timelogs::participant_index(timelogs));
        for session in 0..chunk.len() {
            let (start, _) = chunk.key(session);
            if let Some(((floor, rule), start)) = self.floor.zip(start)
                && start < floor
            {
                tally.entry(rule).or_default().sessions += 1;
                continue;
            }
            let [entries, logs] = chunk.children(session);
            let mut is_erased = |row: &usize| {
                let Some(denied) = &self.denied else { return false };
                let mut is_erased = false;
                let [participant_id, name, person] = [ids, names, persons].map(|texts| text(texts, *row));
                for rule in denied.rules_of_row(columns, &Row { participant_id, name, person }) {
                    tally.entry(rule).or_default().participants += 1;
                    is_erased = true;
                }
                is_erased
            };
            let gone: BTreeSet<i32> = entries.clone().filter(&mut is_erased).map(|row| index.value(row)).collect();
            selection.kept.sessions[session] = true;
            entries.for_each(|row| selection.kept.participants[row] = !gone.contains(&index.value(row)));
            logs.for_each(|row| selection.kept.timelogs[row] = !gone.contains(&of.value(row)));
            selection.robbed |= !gone.is_empty() || self.denied.is_some() && lacks_rows(chunk, session);
            selection.end_session(chunk, session);
        }
        selection
    }
}

/// Whether a session counts other rows than it has.
fn lacks_rows(chunk: &Chunk, session: usize) -> bool {
    let sessions = &chunk.batches().sessions;
    let counts = [sessions::participant_count(sessions), sessions::timelog_count(sessions)];
    let mut counted = chunk.children(session).into_iter().zip(counts);
    counted.any(|(rows, count)| usize::try_from(count.value(session)) != Ok(rows.len()))
}

impl Selection {
    fn end_session(&mut self, chunk: &Chunk, session: usize) {
        let kept = [&self.kept.participants, &self.kept.timelogs];
        for ((offsets, kept), rows) in self.offsets.iter_mut().zip(kept).zip(chunk.children(session)) {
            let kept = rows.filter(|&row| kept[row]).count();
            let before = offsets.last().copied().unwrap_or_default();
            offsets.push(before + kept);
        }
    }

    /// Calls with the name of every participant who stays.
    pub fn each_name(&self, chunk: &Chunk, mut each: impl FnMut(&str)) {
        let names = participants::name(&chunk.batches().participants);
        (0..names.len())
            .filter(|&row| self.kept.participants[row])
            .filter_map(|row| text(names, row))
            .for_each(&mut each);
    }

    /// Whether anything is other than it was.
    pub fn changes(&self) -> bool {
        self.robbed || self.removed() != Removed::default()
    }

    /// How many rows of each table do not stay.
    pub fn removed(&self) -> Removed {
        let gone = self.kept.each_ref().map(|kept| kept.iter().filter(|kept| !**kept).count() as u64);
        let Tables { sessions, participants, timelogs } = gone;
        Removed { sessions, participants, timelogs, rejects: 0 }
    }

    /// The rows that stay, their numbers computed anew where an entry is missing.
    ///
    /// # Errors
    /// Where the chunk is not the one that the rows were chosen from.
    pub fn of(self, chunk: &Chunk, method: &Method) -> Result<Chunk, ArrowError> {
        let kept = chunk.batches().each_ref().zip(self.kept);
        let batches = kept.try_map(|(batch, kept)| filter_record_batch(batch, &BooleanArray::from(kept)))?;
        let rest = Chunk::new(batches, self.offsets);
        if !self.robbed {
            return Ok(rest);
        }
        let batches = Numbers::of(&rest, method).put(rest.batches())?;
        Ok(rest.with(batches))
    }
}
