//! How lengths of time are spread: how many fall between which bounds, and the one in the middle.

/// Minutes that are told apart for the median; a week.
const MINUTES: usize = 10_080;
const MINUTE: i64 = 60_000;

/// The bounds of active time, in minutes.
pub const ACTIVE: &[i64] = &[1, 5, 10, 15, 30, 45, 60, 90, 120, 180, 240, 480];
/// The bounds of how late somebody comes or how early somebody leaves, in minutes.
pub const APART: &[i64] = &[1, 2, 5, 10, 15, 30, 60, 120];

/// How many lengths of time fall into each of some ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// The first range ends below the first bound, the last one begins at the last bound. In minutes.
    pub bounds: &'static [i64],
    /// How many lengths are in each range, one more than there are bounds.
    pub counts: Vec<u64>,
    /// How many lengths there are.
    pub total: u64,
    minutes: Vec<u64>,
}

impl Spread {
    /// None yet.
    pub fn new(bounds: &'static [i64]) -> Self {
        Self { bounds, counts: vec![0; bounds.len() + 1], total: 0, minutes: vec![0; MINUTES + 1] }
    }

    /// Counts a length, in milliseconds.
    pub fn add(&mut self, millis: i64) {
        let minutes = millis.div_euclid(MINUTE);
        self.counts[self.bounds.partition_point(|bound| *bound <= minutes)] += 1;
        self.minutes[usize::try_from(minutes).unwrap_or_default().min(MINUTES)] += 1;
        self.total += 1;
    }

    /// The whole minutes below which a share of the lengths lies, from 0 to 1: 0.5 is the median. `None` where there are none.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn minutes_at(&self, share: f64) -> Option<usize> {
        let wanted = ((self.total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        self.minutes.iter().position(|count| {
            seen += count;
            seen >= wanted
        })
    }

    /// The range at a place in words: `5 to 10 min`, `2 to 3 h`.
    pub fn label(&self, place: usize) -> String {
        let from = place.checked_sub(1).map(|before| self.bounds[before]);
        match (from, self.bounds.get(place)) {
            (None, Some(to)) => format!("under {}", length(*to)),
            (Some(from), None) => format!("{} or more", length(from)),
            (Some(from), Some(to)) if from < 60 && *to <= 60 => format!("{from} to {to} min"),
            (Some(from), Some(to)) => format!("{} to {}", length(from), length(*to)),
            (None, None) => String::new(),
        }
    }
}

/// A length in minutes: `45 min`, `1 h`, `1 h 30`.
fn length(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes:02}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_fall_between_their_bounds() {
        let mut spread = Spread::new(&[1, 5, 60]);
        assert_eq!(spread.minutes_at(0.5), None);
        for millis in [0, 59_999, 60_000, 299_999, 300_000, 3_600_000, i64::MAX] {
            spread.add(millis);
        }
        assert_eq!((spread.counts.as_slice(), spread.total), ([2, 2, 1, 2].as_slice(), 7));
        assert_eq!([0.0, 0.5, 0.9].map(|share| spread.minutes_at(share)), [Some(0), Some(4), Some(MINUTES)]);
        let labels: Vec<_> = (0..4).map(|place| spread.label(place)).collect();
        assert_eq!(labels, ["under 1 min", "1 to 5 min", "5 to 60 min", "1 h or more"]);
        assert_eq!(Spread::new(&[60, 90]).label(1), "1 h to 1 h 30");
    }
}
