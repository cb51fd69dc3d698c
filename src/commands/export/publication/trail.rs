//! What a run has put in place so far, partition by partition.

use std::collections::BTreeMap;

use crate::dataset::layout::Layout;
use crate::dataset::publish::{Part, Ready};
use crate::dataset::published::Versions;
use crate::dataset::publishing::Record;
use crate::error::Result;
use crate::rows::partition::Partition;
use crate::rows::tables::Table;

/// What this run leaves behind it as it goes.
pub struct Trail {
    /// Files in place, by partition and table.
    pub parts: BTreeMap<(Partition, Table), Part>,
    /// What is about to be swapped is written down here.
    pub record: Record,
    /// Staged sessions that are as they were published, by partition.
    pub unchanged: BTreeMap<Partition, u64>,
}

/// A partition that is made, and how many of its staged sessions are as they were published; `None` where it receives none.
pub type Made<'a> = (Partition, Ready<'a>, Option<u64>);

impl Trail {
    /// Nothing is in place yet; the record of what is about to be has this name.
    pub fn new(record: &str) -> Self {
        Self { parts: BTreeMap::new(), record: Record::of(record), unchanged: BTreeMap::new() }
    }

    /// Puts partitions in place, until one is told to stop: before one of them, or behind it. What they will be is written down first, which takes as long for
    /// several as for one.
    pub fn put(
        &mut self,
        layout: &Layout,
        made: Vec<Made<'_>>,
        finished: &mut BTreeMap<Partition, Versions>,
        may_go_on: impl Fn() -> Result<()>,
        mut placed: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        self.record.extend(layout, made.iter().flat_map(|(_, ready, _)| ready.entries()).collect())?;
        for (partition, ready, unchanged) in made {
            if let Some(unchanged) = unchanged {
                // Once this run has written them, all are as they were.
                self.unchanged.entry(partition).or_insert(unchanged);
            }
            may_go_on()?;
            let swapped = ready.swap(|part| self.placed(partition, part));
            finished.insert(partition, swapped?);
            placed()?;
        }
        Ok(())
    }

    fn placed(&mut self, partition: Partition, mut part: Part) {
        let key = (partition, part.table);
        part.changed |= self.parts.get(&key).is_some_and(|before| before.changed);
        self.parts.insert(key, part);
    }
}
