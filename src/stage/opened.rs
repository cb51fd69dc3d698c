//! A stage that outlives its run if that is stopped: begun, or gone on with.

use std::fs::File;
use std::io::{Seek, SeekFrom};

use super::fault::StageError;
use super::held::{Files, Shown};
use super::journal::{self, Header, Journal, Recalled};
use super::leftover::{Unusable, begin, find, remove, set_aside, shorten, usable};
use super::record::Record;
use super::{Segment, Stage, identity};
use crate::error::Result;
use crate::rows::partition::{Partition, PartitionBy};
use crate::store::files::{Below, Folder};

/// What a stopped run has left and this one goes on with.
struct Left {
    /// Rows, identities, journal.
    files: [File; 3],
    header: Header,
    records: Vec<(Record, Shown)>,
    /// Bytes of the journal that can be read.
    length: u64,
}

impl Stage {
    /// A stage that outlives its run if that is stopped. Continues what an earlier run has left under the same key,
    /// unless `fresh`; anything else that is there is set aside.
    pub fn open(folder: &Below, by: PartitionBy, header: &Header, fresh: bool) -> Result<(Self, Vec<Recalled>)> {
        let opened = Self::prepare(folder, by, header, fresh);
        opened.map_err(|error| error.at("cannot open the stage", &folder.place()))
    }

    fn prepare(
        below: &Below,
        by: PartitionBy,
        header: &Header,
        fresh: bool,
    ) -> Result<(Self, Vec<Recalled>), StageError> {
        let folder = &below.make()?;
        if !folder.try_lock()? {
            // Another run stages here: this one can't be continued.
            return Ok((Self::without_names(folder, header.begun_at)?, Vec::new()));
        }
        let left = left(folder, &below.trusted()?, by, header, fresh)?;
        let (files, records, length, first) = match left {
            Some(Left { files, header, records, length }) if !records.is_empty() => {
                (Some(files), records, length, header)
            }
            left => (left.map(|left| left.files), Vec::new(), 0, header.clone()),
        };
        let is_new = records.is_empty();
        let [rows, identities, mut journal] = files.map_or_else(|| begin(folder), Ok)?;
        if is_new {
            shorten(&journal, 0)?;
        }
        journal.seek(SeekFrom::End(0))?;
        let journal = if is_new { Journal::begin(journal, header)? } else { Journal::go_on(journal) };
        let mut stage = Self::new(folder, first.begun_at, rows, identities, Some(journal));
        stage.begun_by = Some(first.run_id);
        stage.is_alone = true;
        stage.recalled = length;
        let recalled = records.into_iter().map(|record| stage.recall(record)).collect();
        shorten(&stage.rows, stage.end)?;
        stage.rows.seek(SeekFrom::End(0))?;
        shorten(&stage.identities, stage.sessions * identity::BYTES as u64)?;
        stage.identities.seek(SeekFrom::End(0))?;
        Ok((stage, recalled))
    }

    fn recall(&mut self, (record, shown): (Record, Shown)) -> Recalled {
        let Shown { listed, first_ids, open } = shown;
        for (segment, first_id) in record.segments.iter().zip(first_ids) {
            let partition = Partition::from_day(segment.day);
            self.segments.entry(partition).or_default().push(Segment::of(segment, first_id));
        }
        self.end = record.end;
        self.sessions = record.sessions;
        self.answers += 1;
        record.recalled(listed, open)
    }
}

/// What is left in a folder if it can be gone on with; anything else that is there is set aside or, after a purge, removed.
fn left(
    folder: &Folder,
    trusted: &[u32],
    by: PartitionBy,
    header: &Header,
    fresh: bool,
) -> Result<Option<Left>, StageError> {
    let [rows, identities, journal] = match find(folder, trusted)? {
        None => return Ok(None),
        Some(Err(why)) => {
            set_aside(folder, why)?;
            return Ok(None);
        }
        Some(Ok(files)) => files,
    };
    let held_against = Files { rows: &rows, identities: &identities, by };
    match usable(journal::read(&journal, held_against)?, header, fresh) {
        Ok(read) => {
            shorten(&journal, read.length)?;
            let (header, records, length) = (read.header, read.records, read.length);
            return Ok(Some(Left { files: [rows, identities, journal], header, records, length }));
        }
        Err(Unusable::Purged) => {
            tracing::info!("the rows that a stopped run had read are removed, since a purge came after it");
            remove(folder)?;
        }
        Err(Unusable::Other(why)) => set_aside(folder, why)?,
    }
    Ok(None)
}
