//! Which partitions' rows are looked at when only a share of them is: the same ones for the same dataset, others after the
//! next run, so that a check every night sees all of them in time.

use std::collections::BTreeSet;

use crate::dataset::layout::Layout;
use crate::rows::partition::Partition;
use crate::words::id;
use crate::words::share::Share;

/// The share of these partitions that is looked at. `run`: the last run that published.
pub fn sample(
    share: Share,
    layout: &Layout,
    partitions: impl Iterator<Item = Partition>,
    run: Option<&str>,
) -> BTreeSet<Partition> {
    let drawn = |partition| (id::hash(&format!("{} {}", run.unwrap_or_default(), layout.folder(partition))), partition);
    let mut partitions: Vec<_> = partitions.map(drawn).collect();
    partitions.sort_unstable();
    let count = share.of(partitions.len());
    partitions.into_iter().take(count).map(|(_, partition)| partition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::partition::PartitionBy;

    #[test]
    fn a_share_is_drawn_anew_after_each_run_and_sees_everything_in_time() {
        let layout = Layout::local("/d", PartitionBy::Day);
        let days = || (738_000..738_100).map(Partition::from_day);
        let share: Share = "10%".parse().unwrap();
        let drawn = |run: &str| sample(share, &layout, days(), Some(run));
        assert_eq!(drawn("a").len(), 10);
        assert_eq!(drawn("a"), drawn("a"));
        assert_ne!(drawn("a"), drawn("b"));
        let seen: BTreeSet<_> = (0..100).flat_map(|run| drawn(&run.to_string())).collect();
        assert_eq!(seen.len(), 100);
    }
}
