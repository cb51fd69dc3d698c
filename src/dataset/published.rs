//! A partition as it is published: three sorted Parquet files, read back as sessions with their rows.
//!
//! Child rows are matched to their session by key, not by count: between the swaps of a run that was killed, the
//! tables of a partition may come from two runs.

mod chunks;
mod facts;
mod glance;
mod part;

pub use chunks::Chunks;
pub use glance::Glance;
pub use part::{damaged, method, open};

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;

use super::layout::Layout;
use crate::error::{Error, Kind, Result};
use crate::rows::chunk::Keys;
use crate::rows::method::{Method, OTHERWISE};
use crate::rows::partition::Partition;
use crate::rows::tables::{Table, Tables, sessions};
use crate::store::{ROUNDS, Version, raced, unless_raced};
use crate::words::foreign;
use chunks::Children;
use part::{Opened, Rows, next};

/// How many sessions are read from a file at a time.
const SESSIONS: usize = 2048;
/// Rows that are read at a time of participants and timelogs, and of sessions where facts are counted.
const ROWS: usize = 8192;
/// All columns, in those of this version.
const ALL: &[&str] = &[];

/// The versions of a partition's files; `None` where one is not there.
pub type Versions = Tables<Option<Version>>;

/// A published partition, as it was when it was looked for: a file that was replaced since is an error
/// ([`Kind::Raced`]).
#[derive(Debug, Clone)]
pub struct Published {
    layout: Layout,
    partition: Partition,
    versions: Versions,
}

/// A published session, as later runs need to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'a> {
    /// The session's id, as it was listed.
    pub id: &'a str,
    /// Its start, in microseconds; `None` where it has none that can be read.
    pub start: Option<i64>,
    /// Whether it was still running when it was last seen.
    pub is_open: bool,
}

impl Published {
    /// All published partitions of a dataset, in time order.
    ///
    /// # Errors
    /// As [`Layout::existing`].
    pub fn all(layout: &Layout) -> Result<Vec<Self>> {
        Ok(Self::of(layout, &Self::versions(layout)?))
    }

    /// The partitions with these versions. One that lacks a file is being published for the first time, or was when its
    /// run was killed: what is there counts, since that run may be alive.
    pub fn of(layout: &Layout, versions: &BTreeMap<Partition, Versions>) -> Vec<Self> {
        versions.iter().map(|(partition, versions)| Self::one(layout, *partition, versions.clone())).collect()
    }

    /// The partition as it is with these versions of its files.
    pub fn one(layout: &Layout, partition: Partition, versions: Versions) -> Self {
        Self { layout: layout.clone(), partition, versions }
    }

    /// The versions of all partitions' files.
    ///
    /// # Errors
    /// As [`Layout::existing`].
    pub fn versions(layout: &Layout) -> Result<BTreeMap<Partition, Versions>> {
        let mut found: BTreeMap<_, Versions> = BTreeMap::new();
        for table in Table::ALL {
            for (partition, version) in layout.existing(table)? {
                found.entry(partition).or_default()[table] = Some(version);
            }
        }
        Ok(found)
    }

    /// Does something with the partitions of these versions, and once more with those that are there by then where another
    /// run has replaced a file meanwhile.
    ///
    /// # Errors
    /// Its own; `Raced` where other runs keep writing; as [`Layout::existing`].
    pub fn until_settled<T>(
        layout: &Layout,
        found: &mut BTreeMap<Partition, Versions>,
        mut each: impl FnMut(&[Self]) -> Result<T>,
    ) -> Result<T> {
        let attempt = || match each(&Self::of(layout, found)) {
            Err(error) if error.kind() == Kind::Raced => {
                *found = Self::versions(layout)?;
                Ok(None)
            }
            done => done.map(Some),
        };
        unless_raced(ROUNDS, || layout.place(), attempt)
    }

    /// By what [`Self::chunks`] makes the rows.
    pub fn method(&self) -> &Method {
        self.layout.method()
    }

    /// The partition: a month, a day, or the one that holds all.
    pub const fn partition(&self) -> Partition {
        self.partition
    }

    /// The versions of its files as they were found, in the order of [`Table::ALL`].
    pub const fn found(&self) -> &Versions {
        &self.versions
    }

    /// The partition of a session by its start, in microseconds.
    pub fn home(&self, start: Option<i64>) -> Partition {
        self.layout.partition(start)
    }

    /// Whether its rows were counted by another method than this run's. Its sessions are rewritten last, so they tell.
    pub fn is_outdated(&self) -> Result<bool> {
        Ok(self.open(Table::Sessions)?.is_some_and(|opened| opened.method != *self.layout.method()))
    }

    /// Calls with the number of every session and what identifies it.
    pub fn each_session(&self, mut each: impl FnMut(u64, Known<'_>)) -> Result<()> {
        let mut row = 0;
        self.each_batch(Table::Sessions, &["session_id", "started_at", "is_open"], |batch| {
            let keys = Keys::new(Table::Sessions, batch);
            let open = sessions::is_open(batch);
            for at in 0..batch.num_rows() {
                let (start, id) = keys.key(at);
                each(row, Known { id, start, is_open: open.value(at) });
                row += 1;
            }
            Ok(())
        })
    }

    /// Calls with some columns of the rows of a table, in order, a batch at a time.
    pub fn each_batch(
        &self,
        table: Table,
        columns: &[&str],
        mut each: impl FnMut(&RecordBatch) -> Result<()>,
    ) -> Result<()> {
        let Some(Opened { place, builder, .. }) = self.open(table)? else { return Ok(()) };
        let columns = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
        let built = foreign::read(|| builder.with_projection(columns).with_batch_size(ROWS).build());
        let mut reader = built.map_err(|error| damaged(&place, error))?;
        while let Some(batch) = next(&mut reader).map_err(|error| damaged(&place, error))? {
            each(&batch)?;
        }
        Ok(())
    }

    /// Whether all its files can be opened; rows are not read.
    ///
    /// # Errors
    /// `Unreadable` where one is damaged or of another version; `Raced`, `Destination`.
    pub fn check(&self) -> Result<()> {
        Table::ALL.into_iter().try_for_each(|table| self.open(table).map(|_| ()))
    }

    /// The sessions with their rows, in order, as this run counts them.
    ///
    /// # Errors
    /// `Config` where what this run would keep of them is not there any more.
    pub fn chunks(&self) -> Result<Chunks> {
        let chunks = self.chunks_as_stored()?;
        let methods = chunks.methods();
        methods.iter().try_for_each(|(table, method)| self.refuse(table, method))?;
        let counts_anew = methods.values().any(|method| method != self.layout.method());
        Ok(Chunks { counts_anew, ..chunks })
    }

    /// Looks whether the rows can be made as this run makes them, by what the files say of themselves.
    ///
    /// # Errors
    /// `Config` where what this run would keep of them is not there any more; as [`Self::check`].
    pub fn refuse_other_method(&self) -> Result<()> {
        let refused = |table| self.open(table)?.map_or(Ok(()), |opened| self.refuse(table, &opened.method));
        Table::ALL.into_iter().try_for_each(refused)
    }

    fn refuse(&self, table: Table, method: &Method) -> Result<()> {
        let Some(why) = self.layout.method().refusal(method) else { return Ok(()) };
        let place = self.layout.store().place(&self.layout.relative(table, self.partition));
        Err(Error::new(Kind::Config, format!("{why}: {place}")).hint(OTHERWISE))
    }

    /// The sessions with their rows, in order, with the numbers that are in the files.
    pub fn chunks_as_stored(&self) -> Result<Chunks> {
        Ok(Chunks {
            sessions: self.rows(Table::Sessions, SESSIONS, ALL)?,
            waiting: None,
            children: [self.children(Table::Participants, ALL)?, self.children(Table::Timelogs, ALL)?],
            method: Arc::clone(self.layout.method()),
            counts_anew: false,
            erased: None,
        })
    }

    fn children(&self, table: Table, columns: &[&str]) -> Result<Children> {
        Ok(Children { rows: self.rows(table, ROWS, columns)?, table, batch: None, row: 0 })
    }

    fn rows(&self, table: Table, at_once: usize, columns: &[&str]) -> Result<Option<Rows>> {
        let Some(Opened { place, mut builder, method }) = self.open(table)? else { return Ok(None) };
        let is_whole = columns.is_empty();
        if !is_whole {
            let columns = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
            builder = builder.with_projection(columns);
        }
        let built = foreign::read(|| builder.with_batch_size(at_once).build());
        let reader = built.map_err(|error| damaged(&place, error))?;
        Ok(Some(Rows { reader, table, place, method, is_whole }))
    }

    /// Opens the file that was found, if one was.
    fn open(&self, table: Table) -> Result<Option<Opened>> {
        let Some(wanted) = &self.versions[table] else { return Ok(None) };
        let path = self.layout.relative(table, self.partition);
        let place = self.layout.store().place(&path);
        let found = self.layout.store().open(&path)?;
        let Some((file, _)) = found.filter(|(_, version)| version == wanted) else { return Err(raced(&place)) };
        let builder = open(file).map_err(|error| damaged(&place, error))?;
        let method = method(&builder, table).map_err(|what| {
            Error::new(Kind::Unreadable, format!("{what}: {place}"))
                .hint("use the version of rollbook that wrote it, or set it aside with `rollbook verify --repair`")
        })?;
        Ok(Some(Opened { place, builder, method: Arc::new(method) }))
    }
}
