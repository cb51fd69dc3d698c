//! `verify --repair`: the files of bad partitions are set aside, never changed, and what makes the dataset whole again is
//! named.
//!
//! A partition goes as a whole, so that no participant lacks its session: timelogs first, sessions last, then the state.
//! A kill at any step leaves what the next `verify --repair` finishes.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;

use super::findings::Damage;
use crate::dataset::lake;
use crate::dataset::layout::Layout;
use crate::dataset::published::Published;
use crate::dataset::state::{self, State};
use crate::dataset::{publishing, rejects};
use crate::error::Result;
use crate::rows::partition::Partition;
use crate::rows::tables::Table;
use crate::store::{Access, Swap, raced};
use crate::words::redact::shown;

/// What is to be set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repair {
    partitions: BTreeSet<Partition>,
    /// The partition in which a session would be that starts now.
    present: Partition,
    /// Files in the order in which they go, and whether one was seen there.
    files: Vec<(String, bool)>,
    state: bool,
}

/// What was set aside, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Done {
    /// Whether it was a dry run, which changes nothing.
    pub is_dry: bool,
    /// Where the files are now, relative to the dataset.
    pub folder: String,
    /// Where the files were, relative to the dataset: `sessions/start_month=2026-11/part-0.parquet`.
    pub set_aside: Vec<String>,
    /// What makes the dataset whole again.
    pub commands: Vec<String>,
}

/// Decides what is to be set aside. `present`: the partition of this moment.
///
/// # Errors
/// As [`Layout::existing`].
pub fn plan(layout: &Layout, damages: &[Damage], present: Partition) -> Result<Repair> {
    let partitions: BTreeSet<_> = damages.iter().filter_map(|damage| damage.partition).collect();
    let state = damages.iter().any(|damage| damage.path == state::path());
    // What lies between the tables and belongs to no partition goes alone. So does a record that can't be understood, a file of
    // rejects that holds something else, and what is no file; the other files of rollbook's own stay.
    let may_go = |damage: &&Damage| {
        let is_own = damage.path.starts_with("_rollbook/");
        !is_own || publishing::is_record(&damage.path) || rejects::is_one(&damage.path) || damage.is_obstacle
    };
    let loose = damages.iter().filter(|damage| damage.partition.is_none()).filter(may_go);
    let loose = loose.filter(|damage| damage.path != state::path());
    let mut files: Vec<_> = loose.map(|damage| (damage.path.clone(), true)).collect();
    let there = Published::versions(layout)?;
    for partition in &partitions {
        let of = |table: Table| move |damage: &&Damage| damage.path.split('/').next() == Some(table.name());
        let obstacles = damages.iter().filter(|damage| damage.is_obstacle && damage.partition == Some(*partition));
        for table in Table::ALL.into_iter().rev() {
            files.extend(obstacles.clone().filter(of(table)).map(|damage| (damage.path.clone(), true)));
            let seen = there.get(partition).is_some_and(|versions| versions[table].is_some());
            files.push((layout.relative(table, *partition), seen));
        }
    }
    Ok(Repair { partitions, present, files, state })
}

impl Repair {
    /// Says what [`Repair::perform`] would set aside, of what was seen there.
    pub fn foretell(&self, layout: &Layout, run_id: &str) -> Done {
        let seen = self.files.iter().filter(|(_, seen)| *seen).map(|(path, _)| path.clone());
        let set_aside = seen.chain(self.state.then(state::path)).collect();
        let mut commands = recovery(layout, &self.partitions, self.present);
        if self.state && commands.is_empty() {
            commands = vec![FULL.to_owned()];
        }
        Done { is_dry: true, folder: folder(run_id), set_aside, commands }
    }

    /// Does it; the right to write must be held.
    ///
    /// # Errors
    /// `Destination` where a file can't be moved; what was moved until then stays aside.
    pub fn perform(self, layout: &Layout, run_id: &str, record: &str) -> Result<Done> {
        let mut done = Done { is_dry: false, set_aside: Vec::new(), ..self.foretell(layout, run_id) };
        let aside = |name: &str| format!("{}/{name}", folder(run_id));
        let draft = layout.store().draft(&aside("report.json"), record.as_bytes())?;
        if layout.store().swap(draft, None, Access::Private)? == Swap::Lost {
            return Err(raced(&layout.store().place(&aside("report.json"))));
        }
        let state = self.state.then(state::path);
        let paths: BTreeSet<_> = self.files.iter().map(|(path, _)| path.clone()).collect();
        if paths.iter().any(|path| layout.partition_of(path).is_some() || path.starts_with("lake/")) {
            // What snapshots list is not what is there from now on: the next export begins new ones.
            lake::end(layout)?;
        }
        for path in self.files.into_iter().map(|(path, _)| path).chain(state) {
            if layout.store().set_aside(&path, &aside(&path))? {
                tracing::info!("set aside: {}", layout.store().place(&path));
                done.set_aside.push(path);
            }
        }
        State::forget(layout, &paths, run_id)?;
        Ok(done)
    }
}

fn folder(run_id: &str) -> String {
    Layout::own(&format!("damaged/{run_id}"))
}

/// Reads everything, also what has no start.
const FULL: &str = "rollbook export --full";

/// The commands that bring the sessions of these partitions back. `present`: the partition of this moment.
pub fn recovery(layout: &Layout, partitions: &BTreeSet<Partition>, present: Partition) -> Vec<String> {
    let command = |partition: &Partition| {
        let folder = layout.folder(*partition);
        match folder.split_once('=') {
            // No range holds sessions without a start, and none may begin in the future, as sessions of a wrong clock do.
            _ if *partition == Partition::UNDATED || *partition > present => None,
            Some(("start_month", month)) => Some(format!("rollbook backfill --month {month}")),
            Some((_, day)) => Some(format!("rollbook backfill --day {day}")),
            None => None,
        }
    };
    let commands: Option<Vec<_>> = partitions.iter().map(command).collect();
    commands.unwrap_or_else(|| vec![FULL.to_owned()])
}

impl Done {
    /// For a person: what was set aside and where to, and the commands that make the dataset whole again.
    pub fn text(&self) -> String {
        let Self { is_dry, folder, set_aside, commands } = self;
        let begin = if *is_dry { "would be set aside, to" } else { "set aside, to" };
        let mut text = format!("{begin} {}:\n", shown(folder));
        for path in set_aside {
            let _ = writeln!(text, "  {}", shown(path));
        }
        if !commands.is_empty() {
            text.push_str("to make the dataset whole again, run with the same settings:\n");
            for command in commands {
                let _ = writeln!(text, "  {command}");
            }
            text.push_str(
                "what the API no longer lists is only in the files set aside: keep them until you have looked\n",
            );
        }
        text
    }
}
