//! A snapshot that the Delta logs show, its times and its cut read once.

use sha2::{Digest, Sha256};

use crate::dataset::encode::hexadecimal;
use crate::dataset::lake::snapshot::{Delta, Entry, Snapshot};
use crate::error::{Error, Kind, Result};
use crate::rows::partition::PartitionBy;
use crate::rows::tables::Table;
use crate::words::timestamp;

/// A snapshot with its place in the logs.
#[derive(Debug)]
pub struct Shown<'a> {
    snapshot: &'a Snapshot,
    delta: &'a Delta,
    by: PartitionBy,
    made_at: i64,
    began_at: i64,
}

impl<'a> Shown<'a> {
    /// `None` for a snapshot that no log shows.
    ///
    /// # Errors
    /// `Unreadable` where the snapshot has no time, or no cut that is known.
    pub fn of(snapshot: &'a Snapshot) -> Result<Option<Self>> {
        let Some(delta) = &snapshot.delta else { return Ok(None) };
        let by = PartitionBy::ALL.into_iter().find(|(name, _)| *name == snapshot.partition_by);
        let millis = |text: &str| timestamp::parse(text).map(|micros| micros.div_euclid(1000));
        let read = by.zip(millis(&snapshot.created_at)).zip(millis(&delta.began_at));
        let Some((((_, by), made_at), began_at)) = read else {
            let what =
                format!("the record of a snapshot has a time or a cut that can't be read: {}", snapshot.snapshot);
            return Err(Error::new(Kind::Unreadable, what)
                .hint("restore the record from a backup, or export to a new folder with --dest"));
        };
        Ok(Some(Self { snapshot, delta, by, made_at, began_at }))
    }

    /// The snapshot itself.
    pub const fn snapshot(&self) -> &'a Snapshot {
        self.snapshot
    }

    /// The version of the logs that shows it, from 0.
    pub const fn version(&self) -> u64 {
        self.delta.version
    }

    /// How the dataset is cut into partitions.
    pub const fn by(&self) -> PartitionBy {
        self.by
    }

    /// When the snapshot was made, in milliseconds since 1970, UTC.
    pub const fn made_at(&self) -> i64 {
        self.made_at
    }

    /// When the logs began, in milliseconds since 1970, UTC.
    pub const fn began_at(&self) -> i64 {
        self.began_at
    }

    /// The files of a table.
    pub fn files(&self, table: Table) -> &'a [Entry] {
        &self.snapshot.tables[table]
    }

    /// Whether both are in the same logs: not where these began anew between the two.
    pub fn is_of_the_logs_of(&self, other: &Self) -> bool {
        (&self.delta.began_at, &self.delta.began_by) == (&other.delta.began_at, &other.delta.began_by)
    }

    /// The name of a table's log: a UUID that each writer makes alike, and that no other log has.
    pub fn log_id(&self, table: Table) -> String {
        let Delta { version: _, began_at, began_by } = self.delta;
        let sum = Sha256::digest(format!("rollbook delta\n{began_by}\n{began_at}\n{}", table.name()));
        let mut bytes: [u8; 16] = sum.first_chunk().copied().unwrap_or_default();
        // Version 8, which leaves the other digits to whoever makes it; and the variant.
        bytes[6] = bytes[6] & 0x0f | 0x80;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let digits = hexadecimal(&bytes);
        [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
    }
}
