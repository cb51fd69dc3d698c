//! Which partitions' rows are looked at when only a share of them is: the same ones for the same dataset, others after the
//! next run, so that a check every night sees all of them in time.

use std::collections::BTreeSet;

use crate::dataset::layout::{Layout, Partition};
use crate::flatten::identity;

/// A share, above nothing and up to the whole.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share(f64);

impl std::str::FromStr for Share {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let share = match text.strip_suffix('%') {
            Some(percent) => percent.trim_end().parse().ok().map(|percent: f64| percent / 100.0),
            // One without a sign may be meant as either a percent or the whole.
            None => text.parse().ok().filter(|share| *share < 1.0),
        };
        let share = share.filter(|share| *share > 0.0 && *share <= 1.0);
        share.map(Self).ok_or("a share is above 0% and up to 100%, such as 10% or 0.1")
    }
}

impl Share {
    /// So many of these partitions, rounded up. `run`: the last run that published.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small count
    pub fn of(
        self,
        layout: &Layout,
        partitions: impl Iterator<Item = Partition>,
        run: Option<&str>,
    ) -> BTreeSet<Partition> {
        let drawn =
            |partition| (identity(&format!("{} {}", run.unwrap_or_default(), layout.folder(partition))), partition);
        let mut partitions: Vec<_> = partitions.map(drawn).collect();
        partitions.sort_unstable();
        let count = (partitions.len() as f64 * self.0).ceil() as usize;
        partitions.into_iter().take(count).map(|(_, partition)| partition).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PartitionBy;

    #[test]
    fn a_share_is_drawn_anew_after_each_run_and_sees_everything_in_time() {
        let layout = Layout::local("/d", PartitionBy::Day);
        let days = || (738_000..738_100).map(Partition::from_day);
        let share: Share = "10%".parse().unwrap();
        let sample = |run: &str| share.of(&layout, days(), Some(run));
        assert_eq!(sample("a").len(), 10);
        assert_eq!(sample("a"), sample("a"));
        assert_ne!(sample("a"), sample("b"));
        let seen: BTreeSet<_> = (0..100).flat_map(|run| sample(&run.to_string())).collect();
        assert_eq!(seen.len(), 100);
        assert_eq!(share.of(&layout, days().take(3), None).len(), 1);
        assert_eq!("100%".parse::<Share>().unwrap().of(&layout, days(), None).len(), 100);
        assert_eq!("0.1".parse(), Ok(share));
        for wrong in ["10", "1", "1.0", "0", "0.0", "-0.1", "NaN", "0,1", "0%", "101%", "-5%", "%", "some%", "NaN%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
