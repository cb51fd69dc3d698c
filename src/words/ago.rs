//! Times as a person takes them in: to the second, and how long ago.

use std::time::Duration;

use super::timestamp;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A time with its age: `2026-11-25T02:10:00Z, 18 h ago`. Both in microseconds.
pub fn at(time: i64, now: i64) -> String {
    let length = length(time.abs_diff(now));
    let to_second = timestamp::text(time - time.rem_euclid(SECOND.cast_signed()));
    if time > now { format!("{to_second}, in {length}") } else { format!("{to_second}, {length} ago") }
}

/// A length of time in one unit, cut: `45 s`, `12 min`, `18 h`, `5 d`. In microseconds.
pub fn length(micros: u64) -> String {
    match micros {
        ..MINUTE => format!("{} s", micros / SECOND),
        MINUTE..HOUR => format!("{} min", micros / MINUTE),
        HOUR.. if micros < 2 * DAY => format!("{} h", micros / HOUR),
        _ => format!("{} d", micros / DAY),
    }
}

/// A duration in the same words.
pub fn of(duration: Duration) -> String {
    length(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_in_one_unit_and_times_to_the_second() {
        let second = SECOND.cast_signed();
        for (ago, expected) in [
            (0, "1970-01-12T13:46:40Z, 0 s ago"),
            (59, "1970-01-12T13:45:41Z, 59 s ago"),
            (90, "1970-01-12T13:45:10Z, 1 min ago"),
            (47 * 3600, "1970-01-10T14:46:40Z, 47 h ago"),
            (48 * 3600, "1970-01-10T13:46:40Z, 2 d ago"),
            (-7200, "1970-01-12T15:46:40Z, in 2 h"),
        ] {
            let now = 1_000_000 * second;
            assert_eq!(at(now - ago * second, now), expected);
        }
        assert_eq!(at(-1, 0), "1969-12-31T23:59:59Z, 0 s ago");
        assert!(at(i64::MAX, i64::MIN).contains("in "), "a time that no calendar has");
        assert_eq!(of(Duration::from_hours(26)), "26 h");
    }
}
