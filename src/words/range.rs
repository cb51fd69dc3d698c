//! A range of sessions' starts, from the dates that people type. Half-open, in UTC.

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime};

use crate::error::{Error, Kind, Result};
use crate::words::timestamp;

/// What was typed to say which range is meant; exactly one of `from`, `month` and `day`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Typed {
    /// `--from`: a day, a month or a time, such as `2026-10-31T08:00:00+01:00`.
    pub from: Option<String>,
    /// `--to`, in the same forms; the present where it is not given.
    pub to: Option<String>,
    /// `--month`, such as `2026-10`.
    pub month: Option<String>,
    /// `--day`, such as `2026-10-31`.
    pub day: Option<String>,
}

/// Starts in `[from, to)`, in microseconds since 1970, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// The first start that is in it.
    pub from: i64,
    /// The first that is no longer in it.
    pub to: i64,
}

impl Range {
    /// What was typed, made exact. `now` (microseconds) is where a range without `--to` ends.
    ///
    /// # Errors
    /// `Config` where a date is none, or the range is empty.
    pub fn resolve(typed: &Typed, now: i64) -> Result<Self> {
        let range = match typed {
            Typed { month: Some(text), .. } => {
                month(text).ok_or_else(|| refused("--month", text, "a month such as 2026-10"))?
            }
            Typed { day: Some(text), .. } => {
                day(text).ok_or_else(|| refused("--day", text, "a day such as 2026-10-31"))?
            }
            Typed { from, to, .. } => {
                let given = |flag, text: &str| moment(text).ok_or_else(|| refused(flag, text, MOMENT));
                let from = from.as_deref().map_or(Ok(i64::MIN), |text| given("--from", text))?;
                Self { from, to: to.as_deref().map_or(Ok(now), |text| given("--to", text))? }
            }
        };
        refuse_prehistory("the end of the range", range.to)?;
        refuse_future("the range", range.from, now)?;
        if range.from >= range.to {
            let what = format!("the range is empty: {}", range.text());
            return Err(Error::new(Kind::Config, what)
                .hint("give a --from that lies before --to; --to itself is not in the range"));
        }
        Ok(range)
    }

    /// Whether a session with this start is in it; one without a start is in none.
    pub fn contains(self, start: Option<i64>) -> bool {
        start.is_some_and(|start| (self.from..self.to).contains(&start))
    }

    /// `2026-10-01T00:00:00Z to 2026-11-01T00:00:00Z`, for people and the receipt.
    pub fn text(self) -> String {
        format!("{} to {}", timestamp::text(self.from), timestamp::text(self.to))
    }
}

/// Which sessions get rows, by their start; by default all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Kept {
    /// Those in this range only, none without a start.
    pub range: Option<Range>,
    /// None that started before this, in microseconds; those without a start are kept.
    pub since: Option<i64>,
}

impl Kept {
    /// Whether a session with this start gets rows.
    pub fn has(self, start: Option<i64>) -> bool {
        let Self { range, since } = self;
        range.is_none_or(|range| range.contains(start)) && start.zip(since).is_none_or(|(start, since)| start >= since)
    }
}

/// Refuses what begins in the future: nothing could be found, and nothing would look like all. Both in microseconds.
///
/// # Errors
/// `Config`, with the time of this machine, whose clock may be wrong.
pub fn refuse_future(what: &str, from: i64, now: i64) -> Result<()> {
    if from <= now {
        return Ok(());
    }
    let what = format!("{what} begins in the future: {}", timestamp::text(from));
    let hint = format!("give a time that has passed; by this machine's clock it is {}", timestamp::text(now));
    Err(Error::new(Kind::Config, what).hint(hint))
}

fn refused(flag: &str, text: &str, allowed: &str) -> Error {
    no_date(flag, text, allowed).hint("dates are UTC; `--from` is in the range, `--to` is not")
}

/// The error of a date that is none; without its hint.
pub fn no_date(flag: &str, text: &str, allowed: &str) -> Error {
    let typed = if text.trim().is_empty() { "it is empty (is a variable unset?)" } else { text };
    Error::new(Kind::Config, format!("`{flag}` must be {allowed}: {typed}"))
}

/// Refuses a time at which nobody can have met: a slip in the year would look like an empty range, or like no floor.
///
/// # Errors
/// `Config`. `at` in microseconds.
pub fn refuse_prehistory(what: &str, at: i64) -> Result<()> {
    if at > 0 {
        return Ok(());
    }
    let what = format!("{what} lies before 1970: {}", timestamp::text(at));
    Err(Error::new(Kind::Config, what).hint("check the year; it is written first, with four digits"))
}

/// What [`moment`] takes, for messages.
pub const MOMENT: &str = "a day (2026-10-31), a month (2026-10) or a time (2026-10-31T08:00:00Z)";

/// The first moment of what a text names, in microseconds; UTC where it has no offset.
pub fn moment(text: &str) -> Option<i64> {
    let start = |range: Range| range.from;
    let naive = || {
        let forms = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"];
        let parsed = forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok());
        parsed.map(|time| time.and_utc().timestamp_micros())
    };
    month(text).map(start).or_else(|| day(text).map(start)).or_else(|| timestamp::parse(text)).or_else(naive)
}

/// The digits and dashes of `2026-10` or `2026-10-31`, and nothing else: chrono alone also takes signs and spaces.
fn is_plain(text: &str, length: usize) -> bool {
    text.len() == length
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() })
}

fn month(text: &str) -> Option<Range> {
    let first = is_plain(text, 7).then(|| NaiveDate::parse_from_str(&format!("{text}-01"), "%Y-%m-%d").ok())??;
    Some(days(first, first.checked_add_months(Months::new(1))?))
}

fn day(text: &str) -> Option<Range> {
    let first = is_plain(text, 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok())??;
    Some(days(first, first.succ_opt()?))
}

fn days(from: NaiveDate, to: NaiveDate) -> Range {
    let micros = |day: NaiveDate| i64::from(day.num_days_from_ce() - UNIX_DAY) * 86_400_000_000;
    Range { from: micros(from), to: micros(to) }
}

/// 1970-01-01 in days of the common era.
const UNIX_DAY: i32 = 719_163;

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(from: &str, to: &str) -> Typed {
        Typed { from: Some(from.to_owned()), to: (!to.is_empty()).then(|| to.to_owned()), ..Typed::default() }
    }

    #[test]
    fn dates_of_every_form() {
        let now = timestamp::parse("2026-11-24T12:00:00Z").unwrap();
        for (range, text) in [
            (typed("2026-10-31", "2026-11"), "2026-10-31T00:00:00Z to 2026-11-01T00:00:00Z"),
            (typed("2026-10-31T08:00:00+02:00", ""), "2026-10-31T06:00:00Z to 2026-11-24T12:00:00Z"),
            (typed("2026-10-31T08:00", "2026-10-31 09:30:00.5"), "2026-10-31T08:00:00Z to 2026-10-31T09:30:00.500Z"),
            (
                Typed { month: Some("2024-02".into()), ..Typed::default() },
                "2024-02-01T00:00:00Z to 2024-03-01T00:00:00Z",
            ),
            (
                Typed { day: Some("2024-12-31".into()), ..Typed::default() },
                "2024-12-31T00:00:00Z to 2025-01-01T00:00:00Z",
            ),
        ] {
            assert_eq!(Range::resolve(&range, now).unwrap().text(), text);
        }
    }

    #[test]
    fn kept_are_those_in_the_range_and_not_before_the_floor() {
        let range = Some(Range { from: 10, to: 20 });
        for (kept, starts) in [
            (Kept::default(), vec![None, Some(9), Some(10), Some(15), Some(20)]),
            (Kept { range, since: None }, vec![Some(10), Some(15)]),
            (Kept { range: None, since: Some(15) }, vec![None, Some(15), Some(20)]),
            (Kept { range, since: Some(15) }, vec![Some(15)]),
        ] {
            let all = [None, Some(9), Some(10), Some(15), Some(20)];
            assert_eq!(all.into_iter().filter(|start| kept.has(*start)).collect::<Vec<_>>(), starts, "{kept:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (range, message) in [
            (typed("yesterday", ""), "`--from` must be a day"),
            (typed("2026-13", ""), "`--from` must be"),
            (typed("2026-02-30", ""), "`--from` must be"),
            (typed("2026-1-1", ""), "`--from` must be"),
            (typed("+026-10", ""), "`--from` must be"),
            (typed("2026-10", "x"), "`--to` must be"),
            (typed("2026-10", "2026-10"), "the range is empty"),
            (typed("2027-10", ""), "the range begins in the future: 2027-10-01T00:00:00Z"),
            (typed("2027-10", "2027-11"), "the range begins in the future"),
            (Typed { month: Some("2027-10".into()), ..Typed::default() }, "the range begins in the future"),
            (Typed { day: Some("2026-12-01".into()), ..Typed::default() }, "the range begins in the future"),
            (Typed { month: Some("2026-10-01".into()), ..Typed::default() }, "`--month` must be"),
            (Typed { day: Some("2026-10".into()), ..Typed::default() }, "`--day` must be"),
        ] {
            let error = Range::resolve(&range, 1_795_000_000_000_000).unwrap_err();
            assert_eq!(error.kind(), Kind::Config);
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}
