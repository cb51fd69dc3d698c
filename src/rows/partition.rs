//! Which partition a session belongs to, by its start.

use chrono::{DateTime, Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// How the dataset is cut into partitions, by the sessions' start in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PartitionBy {
    /// One partition for all sessions: `sessions/part-0.parquet`.
    None,
    /// A partition a month: `sessions/start_month=2026-11/part-0.parquet`.
    #[default]
    Month,
    /// A partition a day: `sessions/start_date=2026-11-23/part-0.parquet`.
    Day,
}

/// A partition, by its first day; ordered in time. With [`PartitionBy::None`] there is one, that of the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Partition(NaiveDate);

impl From<Partition> for String {
    fn from(partition: Partition) -> Self {
        partition.text()
    }
}

impl TryFrom<String> for Partition {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("no date of a partition")
    }
}

impl PartitionBy {
    /// All ways, by the names that settings and records have for them.
    pub const ALL: [(&str, Self); 3] = [("none", Self::None), ("month", Self::Month), ("day", Self::Day)];

    /// The name that settings and records have for this way.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(_, by)| *by == self).map_or("", |(name, _)| name)
    }

    /// The partition of a session by its start, in microseconds since 1970, UTC; the one of the epoch where a session has none.
    pub fn partition(self, start: Option<i64>) -> Partition {
        let day = start.and_then(DateTime::from_timestamp_micros).map(|time| time.date_naive());
        match (self, day) {
            (Self::None, _) | (_, None) => Partition::UNDATED,
            (Self::Month, Some(day)) => Partition(day.with_day(1).unwrap_or(day)),
            (Self::Day, Some(day)) => Partition(day),
        }
    }
}

impl Partition {
    /// The partition that always exists; it holds the sessions without a start.
    pub const UNDATED: Self = Self(DateTime::UNIX_EPOCH.naive_utc().date());

    /// The partition that begins on a day.
    pub const fn new(first_day: NaiveDate) -> Self {
        Self(first_day)
    }

    /// The partition's first day, UTC: the 1st of November for `start_month=2026-11`.
    pub const fn date(self) -> NaiveDate {
        self.0
    }

    /// Its first day, counted from the year 1.
    pub fn day(self) -> i32 {
        self.0.num_days_from_ce()
    }

    /// Its first day, as in `2026-11-01`.
    pub fn text(self) -> String {
        self.0.to_string()
    }

    /// The partition whose first day a text names.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    /// The partition whose first day this is.
    pub fn from_day(day: i32) -> Self {
        Self(NaiveDate::from_num_days_from_ce_opt(day).unwrap_or_default())
    }
}
