//! What is listed of some sessions, wherever it comes from: the one input of all counting.

use std::ops::Range;

use arrow_array::{BooleanArray, Int32Array, RecordBatch, StringArray, TimestampMicrosecondArray};

use super::Logs;
use crate::rows::anomaly::{self, Anomalies, Anomaly};
use crate::rows::attendance::Bounds;
use crate::rows::method::Method;
use crate::rows::person::Entry;
use crate::rows::tables::{Tables, participants, sessions, text, time, timelogs};

/// Anomalies that come of values which could not be read, and so don't follow from others; by table. A session's also hold
/// those of its participants, theirs those of their timelogs.
const READ: Tables<&[Anomaly]> = Tables {
    sessions: &[
        Anomaly::BadParticipants,
        Anomaly::BadText,
        Anomaly::BadTimestamp,
        Anomaly::BadValue,
        Anomaly::CutText,
        Anomaly::LongId,
        Anomaly::TooLarge,
    ],
    participants: &[
        Anomaly::BadParticipants,
        Anomaly::BadTimelog,
        Anomaly::BadValue,
        Anomaly::CutText,
        Anomaly::LongId,
    ],
    timelogs: &[Anomaly::BadTimelog, Anomaly::BadTimestamp],
};

/// What is listed of some sessions, by column; the rows of a session stand together, those of an entry too.
#[derive(Debug)]
pub struct Roll<'a> {
    /// `session_id` of each session.
    pub session_id: &'a StringArray,
    /// `started_at` of each session: when it began, in microseconds since 1970, UTC; null where missing or unreadable.
    pub started_at: &'a TimestampMicrosecondArray,
    /// `ended_at` of each session: when it ended; null while it runs, and where missing or unreadable.
    pub ended_at: &'a TimestampMicrosecondArray,
    /// `is_open` of each session: whether it still runs.
    pub is_open: &'a BooleanArray,
    /// Among the participants and among the timelogs: the first row of each session, and the number of rows at the end.
    pub offsets: &'a [Vec<usize>; 2],
    /// `participant_index` of each entry: its position in the session's list, from 0. Positions of erased entries are left out.
    pub participant_index: &'a Int32Array,
    /// `participant_id` of each entry: the join identity as listed; null where none is, and the entry stands for itself.
    pub participant_id: &'a StringArray,
    /// `name` of each entry as listed.
    pub name: &'a StringArray,
    /// The columns of the timelogs: whose they are, from when to when, and whether they are open.
    pub logs: Logs<'a>,
    /// What of each row could not be read.
    pub read: Tables<Vec<Anomalies>>,
    /// Who is behind the rows where the names and ids no longer say so.
    pub told: Option<Told<'a>>,
}

/// Who is behind rows, as was found out when the names and ids were listed, which are protected since.
#[derive(Debug)]
pub struct Told<'a> {
    /// `person` and `is_excluded` of each entry; null where name and id still say so.
    entries: (&'a StringArray, &'a BooleanArray),
    /// The same of each timelog, for those whose entry is not there; staged ones all have theirs.
    logs: Option<(&'a StringArray, &'a BooleanArray)>,
}

impl<'a> Told<'a> {
    /// What is staged of entries.
    pub fn of_staged(entries: &'a RecordBatch) -> Self {
        Self { entries: (participants::person(entries), participants::is_excluded(entries)), logs: None }
    }

    /// What is published; `None` where names and ids are.
    fn of_published(rows: &'a Tables<RecordBatch>, method: &Method) -> Option<Self> {
        let Tables { participants, timelogs, .. } = rows;
        method.privacy.columns().protect_people().then(|| Self {
            entries: (participants::person(participants), participants::is_excluded(participants)),
            logs: Some((timelogs::person(timelogs), timelogs::is_excluded(timelogs))),
        })
    }
}

/// `person` and `is_excluded` of a row, if they are there.
fn at<'a>((persons, excluded): (&'a StringArray, &BooleanArray), row: usize) -> Option<(&'a str, bool)> {
    Some((text(persons, row)?, excluded.value(row)))
}

impl<'a> Roll<'a> {
    /// What is listed in rows, published or staged. `offsets`: where each session's begin; `ids`, `index`: whose each timelog is,
    /// which staged rows do not repeat; `read`: what of each row could not be read; `told`: who is behind them.
    pub fn new(
        rows: &'a Tables<RecordBatch>,
        offsets: &'a [Vec<usize>; 2],
        (ids, index): (&'a StringArray, &'a Int32Array),
        read: Tables<Vec<Anomalies>>,
        told: Option<Told<'a>>,
    ) -> Self {
        Self {
            session_id: sessions::session_id(&rows.sessions),
            started_at: sessions::started_at(&rows.sessions),
            ended_at: sessions::ended_at(&rows.sessions),
            is_open: sessions::is_open(&rows.sessions),
            offsets,
            participant_index: participants::participant_index(&rows.participants),
            participant_id: participants::participant_id(&rows.participants),
            name: participants::name(&rows.participants),
            logs: Logs {
                ids,
                index,
                joined: timelogs::started_at(&rows.timelogs),
                left: timelogs::ended_at(&rows.timelogs),
                is_open: timelogs::is_open(&rows.timelogs),
            },
            read,
            told,
        }
    }

    /// The same of published rows that are as a method has them.
    pub fn of_published(rows: &'a Tables<RecordBatch>, offsets: &'a [Vec<usize>; 2], method: &Method) -> Self {
        let lists = Tables {
            sessions: sessions::anomalies(&rows.sessions),
            participants: participants::anomalies(&rows.participants),
            timelogs: timelogs::anomalies(&rows.timelogs),
        };
        let read = |(lists, read)| anomaly::sets(lists).into_iter().map(|set| set.among(read)).collect();
        let whose = (timelogs::participant_id(&rows.timelogs), timelogs::participant_index(&rows.timelogs));
        Self::new(rows, offsets, whose, lists.zip(READ).map(read), Told::of_published(rows, method))
    }

    pub(super) fn bounds(&self, session: usize) -> Bounds {
        let [start, end] = [self.started_at, self.ended_at].map(|times| time(times, session));
        Bounds { start, end, is_open: self.is_open.value(session) }
    }

    /// The rows of a session among the participants and among the timelogs.
    pub(super) fn children(&self, session: usize) -> [Range<usize>; 2] {
        self.offsets.each_ref().map(|offsets| offsets[session]..offsets[session + 1])
    }

    pub(super) fn id(&self, entry: usize) -> Option<&'a str> {
        text(self.participant_id, entry)
    }

    /// `person` and `is_excluded` of an entry where its name and id no longer say so.
    pub(super) fn told_of_entry(&self, row: usize) -> Option<(&'a str, bool)> {
        at(self.told.as_ref()?.entries, row)
    }

    /// The same of a timelog whose entry is not there.
    pub(super) fn told_of_stray(&self, row: usize) -> Option<(&'a str, bool)> {
        at(self.told.as_ref()?.logs?, row)
    }

    /// Who is behind an entry of a session, by what is listed.
    pub(super) fn of_entry(&self, session: usize, row: usize) -> Entry<'a> {
        Entry {
            session_id: self.session_id.value(session),
            index: self.participant_index.value(row),
            participant_id: self.id(row),
            name: text(self.name, row),
        }
    }

    /// Who is behind a timelog whose entry is not there, as far as the timelog says.
    pub(super) fn of_stray(&self, session: usize, row: usize) -> Entry<'a> {
        let (session_id, index) = (self.session_id.value(session), self.logs.index.value(row));
        Entry { session_id, index, participant_id: text(self.logs.ids, row), name: None }
    }

    /// The timelogs of an entry among those of its session that are left; before them may be some whose entry is not there.
    pub(super) fn logs_of(&self, entry: usize, mut left: Range<usize>) -> Range<usize> {
        let index = self.participant_index.value(entry);
        let of = self.logs.index.values();
        let from = left.find(|&row| of[row] >= index).unwrap_or(left.end);
        let to = (from..left.end).find(|&row| of[row] != index).unwrap_or(left.end);
        from..to
    }
}
