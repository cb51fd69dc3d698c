//! The partitions of a dataset, gone through for what must go.

use super::plan::{self, Plan};
use super::{Done, Job};
use crate::dataset::erasures::Tally;
use crate::dataset::erasures::rows::Rules;
use crate::dataset::publish::{Change, Rewrite};
use crate::dataset::published::Published;
use crate::dataset::publishing::Record;
use crate::dataset::receipt::purged::Removed;
use crate::error::Result;
use crate::store::{ROUNDS, failed, unless_raced};

impl Job {
    /// Goes through all partitions. Where there are snapshots, what has changed becomes visible all at once, and what stands beside
    /// the snapshots follows.
    pub(super) fn all_partitions(
        &self,
        rules: &Rules,
        plan: &mut Plan,
        record: &mut Record,
        done: &mut Done,
    ) -> Result<()> {
        let Some(lake) = &self.lake else { return self.partitions(rules, plan, record, done) };
        let attempt = || {
            let mut pending = Done::default();
            self.partitions(rules, plan, record, &mut pending)?;
            lake.commit(&self.author, Some(plan.erasures.epoch()))?;
            *done = pending;
            Ok(Some(()))
        };
        unless_raced(ROUNDS, || self.layout.place(), attempt)?;
        lake.follow()
    }

    /// Goes through all partitions, the newest first.
    fn partitions(&self, rules: &Rules, plan: &mut Plan, record: &mut Record, done: &mut Done) -> Result<()> {
        let found = Published::versions(&self.layout)?;
        self.progress.phase("purging", found.len() as u64);
        // The newest first, since those of an older schema version are upgraded on the way: a reader that takes its columns
        // from the first file finds them in all others, too.
        for (partition, versions) in found.into_iter().rev() {
            self.stop.check()?;
            let (removed, tally) =
                Published::until_settled(&self.layout, &mut [(partition, versions)].into(), |published| {
                    let found = published.iter().find(|published| published.partition() == partition);
                    let found = found.filter(|published| plan.untouched.get(&partition) != Some(published.found()));
                    let Some(published) = found else { return Ok(Default::default()) };
                    plan.inspection.touch(&[(partition, published.found().clone())].into(), |_| true)?;
                    self.partition(rules, published, record, done)
                })?;
            done.removed += removed;
            plan::add(&mut done.tally, &tally);
            self.progress.step();
        }
        Ok(())
    }

    /// Counts what goes of a partition, and rewrites it if anything does, or if it was counted otherwise.
    fn partition(
        &self,
        rules: &Rules,
        published: &Published,
        record: &mut Record,
        done: &mut Done,
    ) -> Result<(Removed, Tally)> {
        let (mut removed, mut tally, mut changes) = (Removed::default(), Tally::new(), published.is_outdated()?);
        let mut chunks = published.chunks()?;
        while let Some(chunk) = chunks.next_chunk()? {
            self.stop.check()?;
            let selection = rules.select(&chunk, self.layout.method().privacy.columns(), &mut tally);
            removed += selection.removed();
            changes |= selection.changes();
        }
        if !changes {
            return Ok((removed, tally));
        }
        let (partition, versions) = (published.partition(), published.found().clone());
        let rewrite = Rewrite { layout: &self.layout, partition, versions, change: Change::Removing };
        let mut chunks = published.chunks()?;
        let ready = rewrite.prepare(
            |sink| {
                while let Some(chunk) = chunks.next_chunk()? {
                    self.stop.check()?;
                    let rest = rules
                        .select(&chunk, self.layout.method().privacy.columns(), &mut Tally::new())
                        .of(&chunk, self.layout.method());
                    let rest =
                        rest.map_err(|error| failed("cannot rewrite the partition", self.layout.place(), error))?;
                    sink(rest.rows(0, rest.len()))?;
                }
                Ok(())
            },
            true,
        )?;
        record.extend(&self.layout, ready.entries())?;
        let mut parts = Vec::with_capacity(3);
        let swapped = ready.swap(|part| parts.push(part));
        parts.sort_unstable_by_key(|part| part.table);
        done.parts.retain(|before| parts.iter().all(|part| part.path != before.path));
        done.parts.append(&mut parts);
        swapped?;
        Ok((removed, tally))
    }
}
