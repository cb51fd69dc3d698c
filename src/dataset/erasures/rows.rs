//! What a purge leaves of published sessions. Pure.
//!
//! A session that started before the floor goes whole. Of a session with an erased participant the entry and its timelogs
//! go, the positions of the others stay, and every number is computed anew, as if the API had never listed the entry. So it
//! is for a session that has lost its entries already: a purge that was killed may have left the numbers from before.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::Int32Type;
use arrow_array::{Array, BooleanArray, RecordBatch, StringArray};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;

use crate::dataset::erasures::Tally;
use crate::dataset::receipt::purged::Removed;
use crate::rows::chunk::{Chunk, column};
use crate::rows::erasure::Denied;
use crate::rows::recount::Numbers;
use crate::rows::tables::{SCHEMA_VERSION, Table};

/// What must go, by all rules together.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Sessions that started before this, in microseconds, and the number of that rule.
    pub floor: Option<(i64, u32)>,
    /// Participants whose entries go; `None` where there is no such rule.
    pub denied: Option<Arc<Denied>>,
}

/// Which rows of a chunk stay.
#[derive(Debug)]
pub struct Selection {
    kept: [Vec<bool>; 3],
    /// For each child table: the first row of each session that stays, and the number of rows at the end.
    offsets: [Vec<usize>; 2],
    /// Whether a session that stays has lost an entry, now or to a purge that was killed.
    robbed: bool,
}

impl Rules {
    /// Chooses the rows of a chunk that stay; adds to the tally by which rules the others go.
    pub fn select(&self, chunk: &Chunk, tally: &mut Tally) -> Selection {
        let [_, participants, timelogs] = chunk.batches();
        let kept = [chunk.len(), participants.num_rows(), timelogs.num_rows()].map(|rows| vec![false; rows]);
        let mut selection = Selection { kept, offsets: [vec![0], vec![0]], robbed: false };
        let ids = column(participants, "participant_id").as_string::<i32>();
        let names = column(participants, "name").as_string::<i32>();
        let [index, of] =
            [participants, timelogs].map(|batch| column(batch, "participant_index").as_primitive::<Int32Type>());
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
                for rule in denied.rules(text(ids, *row), text(names, *row)) {
                    tally.entry(rule).or_default().participants += 1;
                    is_erased = true;
                }
                is_erased
            };
            let gone: BTreeSet<i32> = entries.clone().filter(&mut is_erased).map(|row| index.value(row)).collect();
            selection.kept[0][session] = true;
            entries.for_each(|row| selection.kept[1][row] = !gone.contains(&index.value(row)));
            logs.for_each(|row| selection.kept[2][row] = !gone.contains(&of.value(row)));
            selection.robbed |= !gone.is_empty() || self.denied.is_some() && lacks_rows(chunk, session);
            selection.end_session(chunk, session);
        }
        selection
    }
}

/// Whether a session counts other rows than it has.
fn lacks_rows(chunk: &Chunk, session: usize) -> bool {
    let counts = ["participant_count", "timelog_count"];
    chunk.children(session).into_iter().zip(counts).any(|(rows, count)| {
        let count = column(&chunk.batches()[0], count).as_primitive::<Int32Type>().value(session);
        usize::try_from(count) != Ok(rows.len())
    })
}

fn text(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

impl Selection {
    fn end_session(&mut self, chunk: &Chunk, session: usize) {
        for (child, rows) in chunk.children(session).into_iter().enumerate() {
            let kept = rows.filter(|&row| self.kept[child + 1][row]).count();
            let before = self.offsets[child].last().copied().unwrap_or_default();
            self.offsets[child].push(before + kept);
        }
    }

    /// Calls with the name of every participant who stays.
    pub fn each_name(&self, chunk: &Chunk, mut each: impl FnMut(&str)) {
        let names = column(&chunk.batches()[1], "name").as_string::<i32>();
        (0..names.len()).filter(|&row| self.kept[1][row]).filter_map(|row| text(names, row)).for_each(&mut each);
    }

    /// Whether anything is other than it was.
    pub fn changes(&self) -> bool {
        self.robbed || self.removed() != Removed::default()
    }

    /// How many rows do not stay.
    pub fn removed(&self) -> Removed {
        let [sessions, participants, timelogs] =
            self.kept.each_ref().map(|kept| kept.iter().filter(|kept| !**kept).count() as u64);
        Removed { sessions, participants, timelogs, rejects: 0 }
    }

    /// The rows that stay, their numbers computed anew where an entry is missing.
    ///
    /// # Errors
    /// Where the chunk is not the one that the rows were chosen from.
    pub fn of(self, chunk: &Chunk) -> Result<Chunk, ArrowError> {
        let mut batches = Vec::with_capacity(3);
        for (batch, kept) in chunk.batches().iter().zip(self.kept) {
            batches.push(filter_record_batch(batch, &BooleanArray::from(kept))?);
        }
        let batches: [RecordBatch; 3] =
            batches.try_into().map_err(|_| ArrowError::ComputeError("a chunk has three tables".to_owned()))?;
        let rest = Chunk::new(batches, self.offsets);
        if !self.robbed {
            return Ok(rest);
        }
        let numbers = Numbers::of(&rest, SCHEMA_VERSION);
        let [sessions, participants, timelogs] = rest.batches();
        let batches = [
            numbers.put(Table::Sessions, sessions)?,
            numbers.put(Table::Participants, participants)?,
            numbers.put(Table::Timelogs, timelogs)?,
        ];
        Ok(rest.with(batches))
    }
}
