//! A share of things, as somebody types it.

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
    /// How many of `count` things the share is, rounded up.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)] // a small count
    pub fn of(self, count: usize) -> usize {
        (count as f64 * self.0).ceil() as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_percent_or_a_fraction() {
        let share: Share = "10%".parse().unwrap();
        assert_eq!([0, 3, 100].map(|count| share.of(count)), [0, 1, 10]);
        assert_eq!("100%".parse::<Share>().unwrap().of(100), 100);
        assert_eq!("0.1".parse(), Ok(share));
        for wrong in ["10", "1", "1.0", "0", "0.0", "-0.1", "NaN", "0,1", "0%", "101%", "-5%", "%", "some%", "NaN%"] {
            assert!(wrong.parse::<Share>().is_err(), "{wrong}");
        }
    }
}
