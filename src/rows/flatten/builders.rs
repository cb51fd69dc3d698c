//! The staged rows of one page in the making.

use arrow_array::RecordBatch;
use arrow_schema::ArrowError;

use crate::rows::model::Lists;
use crate::rows::tables::{Table, Tables, participants, sessions, timelogs};

/// The builders of one page.
pub struct Builders {
    pub sessions: sessions::Staged,
    pub participants: participants::Staged,
    pub timelogs: timelogs::Staged,
}

impl Builders {
    /// Room for these records.
    pub fn new(lists: &Lists<'_>) -> Self {
        Self {
            sessions: sessions::Staged::with_capacity(lists.sessions.len()),
            participants: participants::Staged::with_capacity(lists.participants.len()),
            timelogs: timelogs::Staged::with_capacity(lists.timelogs.len()),
        }
    }

    /// The rows of the page as three batches, each in the staged schema of its table.
    pub fn finish(self) -> Result<Tables<RecordBatch>, ArrowError> {
        let Self { sessions, participants, timelogs } = self;
        let batch = |table: Table, columns| RecordBatch::try_new(table.staged_schema(), columns);
        Ok(Tables {
            sessions: batch(Table::Sessions, sessions.finish())?,
            participants: batch(Table::Participants, participants.finish())?,
            timelogs: batch(Table::Timelogs, timelogs.finish())?,
        })
    }
}
