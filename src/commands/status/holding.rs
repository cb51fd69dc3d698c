//! What of a dataset's files can be told without reading rows: from the state, from lists of files, and from the ends of the
//! files of sessions.

use std::collections::BTreeMap;

use super::notice::Notice;
use crate::dataset::layout::Layout;
use crate::dataset::published::{Glance, Published, Versions};
use crate::dataset::state::State;
use crate::error::{Kind, Result};
use crate::rows::partition::Partition;
use crate::rows::tables::{Table, Tables};
use crate::store::Version;

/// What a dataset holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding {
    /// Rows of sessions, participants and timelogs; `None` where nobody knows.
    pub rows: Tables<Option<u64>>,
    /// How many files of the tables are there; with a state, of those that the state names.
    pub files: u64,
    /// The length of these files together.
    pub bytes: u64,
    /// Of its sessions; `None` where not all of their files can be read.
    pub open: Option<u64>,
    /// The lowest and the highest start, in microseconds, of the sessions that can be read.
    pub starts: Option<(i64, i64)>,
}

/// What the ends of files say.
#[derive(Default)]
struct Glanced {
    all: Glance,
    rows: Tables<Option<u64>>,
    bad: Vec<Notice>,
}

/// Looks at the files that the state names, at all where there is no state.
///
/// # Errors
/// `Destination`; `Raced` where other runs keep writing.
pub fn look(layout: &Layout, state: Option<&State>, notices: &mut Vec<Notice>) -> Result<Holding> {
    let mut there = layout.versions()?;
    there.retain(|path, _| layout.partition_of(path).is_some() && is_named(state, path));
    let mut found = partitions(layout, &there);
    let Glanced { all, rows, bad } = Published::until_settled(layout, &mut found, |published| {
        let mut glanced = Glanced { rows: Tables::from_fn(|_| Some(0)), ..Glanced::default() };
        for part in published {
            glance(layout, state, part, &mut glanced)?;
        }
        Ok(glanced)
    })?;
    let open = bad.is_empty().then_some(all.open);
    notices.extend(bad);
    if let Some(state) = state {
        missing(layout, state, &there, notices);
    }
    Ok(Holding {
        rows: state.map_or(rows, |state| Tables::from_fn(|table| Some(state.rows(table)))),
        files: there.len() as u64,
        bytes: there.values().map(Version::length).sum(),
        open,
        starts: all.first.zip(all.last),
    })
}

fn is_named(state: Option<&State>, path: &str) -> bool {
    state.is_none_or(|state| state.files().contains_key(path))
}

/// The versions of files by partition.
fn partitions(layout: &Layout, there: &BTreeMap<String, Version>) -> BTreeMap<Partition, Versions> {
    let mut found: BTreeMap<_, Versions> = BTreeMap::new();
    for (path, version) in there {
        let table = Table::ALL.into_iter().find(|table| table_of(path) == table.name());
        if let Some((partition, table)) = layout.partition_of(path).zip(table) {
            found.entry(partition).or_default()[table] = Some(version.clone());
        }
    }
    found
}

fn table_of(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// Adds what the ends of a partition's files say. The state knows the rows of its tables; without it, the files do.
fn glance(layout: &Layout, state: Option<&State>, part: &Published, glanced: &mut Glanced) -> Result<()> {
    for table in Table::ALL {
        let path = layout.relative(table, part.partition());
        let is_wanted = if state.is_some() { table == Table::Sessions } else { true };
        if !is_wanted || !is_named(state, &path) {
            continue;
        }
        let read = match table {
            Table::Sessions => part.glance(),
            _ => part.rows_of(table).map(|rows| Glance { sessions: rows, ..Glance::default() }),
        };
        let rows = &mut glanced.rows[table];
        match read {
            Err(error) if error.kind() == Kind::Unreadable => {
                *rows = None;
                glanced.bad.push(Notice::of(&path, &error));
            }
            read => {
                let read = read?;
                *rows = rows.map(|rows| rows.saturating_add(read.sessions));
                glanced.all = glanced.all.and(Glance { sessions: 0, ..read });
            }
        }
    }
    Ok(())
}

/// Tells of files that the state names and that are not there.
fn missing(layout: &Layout, state: &State, there: &BTreeMap<String, Version>, notices: &mut Vec<Notice>) {
    let mut missing = state.files().keys().filter(|path| !there.contains_key(*path));
    let Some(first) = missing.next() else { return };
    let what = match missing.count() {
        0 => "a published file is missing".to_owned(),
        more => format!("{} published files are missing, this one among them", more + 1),
    };
    let next = "put them back from a copy of the same run, or run `rollbook verify --repair`";
    notices.push(Notice::new(&layout.store().place(first), what, next));
}
