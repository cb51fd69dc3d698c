//! Days and hours as clocks of one time zone show them. The one place that knows of zones; the rest counts microseconds.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

const SECOND: i64 = 1_000_000;
const HOUR: i64 = 3_600 * SECOND;
const DAY: i64 = 24 * HOUR;
/// No zone has an offset that is finer than this today, so that moments of one such slot are in one hour of the clock.
const SLOT: i64 = HOUR / 4;
/// Hours that are remembered; a session rarely lasts for more.
const KEPT: usize = 64;

/// An hour as clocks show it, or a part of one where the clocks are changed in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(clippy::struct_field_names, reason = "the hour of an hour has no other name")]
pub struct Hour {
    /// The moment at which it begins, in microseconds since 1970, UTC.
    pub start: i64,
    /// The first moment after it.
    pub end: i64,
    /// The day that it is part of, in days since 1970-01-01 of the calendar.
    pub day: i32,
    /// The hour of that day as the clocks show it, from 0 to 23. On the night on which clocks are set back one hour is there twice.
    pub hour: usize,
}

impl Hour {
    /// The day of the week, from 0 for Monday.
    pub fn weekday(self) -> usize {
        // 1970-01-01 was a Thursday.
        usize::try_from((self.day + 3).rem_euclid(7)).unwrap_or_default()
    }
}

/// A time zone, by which days and hours are told.
#[derive(Debug, Clone)]
pub struct Zone {
    rules: TimeZone,
    kept: Vec<Option<Hour>>,
}

impl Zone {
    /// The zone of an IANA name, such as `Europe/Berlin`; its rules are built in. `None` where there is none of this name.
    pub fn named(name: &str) -> Option<Self> {
        Some(Self { rules: TimeZone::get(name).ok()?, kept: vec![None; KEPT] })
    }

    /// The name, such as `Europe/Berlin`.
    pub fn name(&self) -> &str {
        self.rules.iana_name().unwrap_or("UTC")
    }

    /// The hour that a moment is in; `at` in microseconds since 1970, UTC.
    pub fn hour(&mut self, at: i64) -> Hour {
        let place = usize::try_from(at.div_euclid(SLOT).rem_euclid(64)).unwrap_or_default();
        match self.kept[place] {
            Some(hour) if hour.start <= at && at < hour.end => hour,
            _ => {
                let hour = self.find(at);
                self.kept[place] = Some(hour);
                hour
            }
        }
    }

    fn find(&self, at: i64) -> Hour {
        let offset = self.offset(at);
        let local = at.saturating_add(offset);
        let (mut start, mut end) = (at - local.rem_euclid(HOUR), at - local.rem_euclid(HOUR) + HOUR);
        // Where clocks are changed within the hour, the rest of it is another one.
        if self.offset(start) != offset {
            start = at;
        }
        if self.offset(end - 1) != offset {
            end = self.change_after(at).unwrap_or(end).clamp(at + 1, end);
        }
        let day = i32::try_from(local.div_euclid(DAY)).unwrap_or_default();
        let hour = usize::try_from(local.rem_euclid(DAY) / HOUR).unwrap_or_default();
        Hour { start, end, day, hour }
    }

    /// The first moment of a day, in microseconds since 1970, UTC: where midnight is left out, the moment of the change.
    pub fn midnight(&self, year: i16, month: i8, day: i8) -> Option<i64> {
        let midnight = DateTime::from_parts(Date::new(year, month, day).ok()?, Time::midnight());
        let found = self.rules.to_ambiguous_timestamp(midnight).compatible().ok()?;
        Some(found.as_microsecond())
    }

    /// How far clocks are ahead of UTC, in microseconds.
    fn offset(&self, at: i64) -> i64 {
        let moment = Timestamp::from_microsecond(at).ok();
        moment.map_or(0, |moment| i64::from(self.rules.to_offset(moment).seconds()) * SECOND)
    }

    fn change_after(&self, at: i64) -> Option<i64> {
        let change = self.rules.following(Timestamp::from_microsecond(at).ok()?).next()?;
        Some(change.timestamp().as_microsecond())
    }
}

/// A moment as clocks of the zone show it, to the minute: `2026-11-24 09:05`.
pub fn clock(zone: &Zone, at: i64) -> String {
    let Ok(moment) = Timestamp::from_microsecond(at) else { return String::new() };
    zone.rules.to_datetime(moment).strftime("%Y-%m-%d %H:%M").to_string()
}

/// The time of day alone: `09:05`.
pub fn time_of_day(zone: &Zone, at: i64) -> String {
    clock(zone, at).split(' ').next_back().unwrap_or_default().to_owned()
}

/// A day of the calendar, from days since 1970-01-01: `2026-11-24`.
pub fn day(days: i32) -> String {
    chrono::NaiveDate::from_epoch_days(days).map(|day| day.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::words::timestamp;

    fn hours(zone: &str, from: &str, to: &str) -> Vec<(String, usize, i64)> {
        let (mut zone, mut at) = (Zone::named(zone).unwrap(), timestamp::parse(from).unwrap());
        let mut found = Vec::new();
        while at < timestamp::parse(to).unwrap() {
            let hour = zone.hour(at);
            found.push((day(hour.day), hour.hour, (hour.end - hour.start) / 60 / SECOND));
            at = hour.end;
        }
        found
    }

    #[test]
    fn both_nights_on_which_clocks_change_are_right() {
        let of = |day: &str, hours: &[usize]| hours.iter().map(|hour| (day.to_owned(), *hour, 60)).collect::<Vec<_>>();
        let spring = hours("Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T03:00:00Z");
        assert_eq!(spring, of("2026-03-29", &[1, 3, 4]));
        let autumn = hours("Europe/Berlin", "2026-10-24T22:00:00Z", "2026-10-25T03:00:00Z");
        assert_eq!(autumn, of("2026-10-25", &[0, 1, 2, 2, 3]));
        // Half an hour at a time.
        let half = hours("Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z");
        let half: Vec<_> = half.iter().map(|(_, hour, minutes)| (*hour, *minutes)).collect();
        assert_eq!(half, [(1, 60), (1, 30), (2, 60)]);
    }

    #[test]
    fn names_and_texts() {
        assert!(Zone::named("Mars/Olympus").is_none() && Zone::named("").is_none());
        let mut zone = Zone::named("Asia/Kolkata").unwrap();
        let at = timestamp::parse("2026-11-23T20:00:00Z").unwrap();
        assert_eq!((clock(&zone, at).as_str(), time_of_day(&zone, at).as_str()), ("2026-11-24 01:30", "01:30"));
        assert_eq!(zone.hour(at).weekday(), 1);
        assert_eq!(zone.name(), "Asia/Kolkata");
        assert_eq!(zone.midnight(2026, 11, 24), timestamp::parse("2026-11-23T18:30:00Z"));
        // Midnight is left out on this day.
        let cairo = Zone::named("Africa/Cairo").unwrap();
        assert_eq!(cairo.midnight(2026, 4, 24), timestamp::parse("2026-04-23T22:00:00Z"));
    }

    proptest! {
        #[test]
        fn hours_hold_their_moments_and_follow_each_other(
            at in -2_000_000_000_000_000_i64..4_000_000_000_000_000,
            zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Antarctica/Troll"]),
        ) {
            let mut zone = Zone::named(zone).unwrap();
            let hour = zone.hour(at);
            prop_assert!(hour.start <= at && at < hour.end && hour.end - hour.start <= HOUR, "{hour:?}");
            prop_assert_eq!(zone.hour(at), hour);
            let text = clock(&zone, at);
            prop_assert_eq!(format!("{} {:02}", day(hour.day), hour.hour), &text[..13]);
        }
    }
}
