//! RFC 3339 times to microseconds since 1970, UTC: any offset, any number of fraction digits, cut to microseconds.

use chrono::{DateTime, SecondsFormat};

/// Reads a time; `None` where the text is not RFC 3339.
pub fn parse(text: &str) -> Option<i64> {
    fixed(text.as_bytes()).or_else(|| DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros()))
}

/// A time as RFC 3339, with as many fraction digits as it needs.
pub fn text(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros);
    time.map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// The API's own form, `2021-10-19T07:55:35.807Z`; it is most of all parsing, and needs no general reader.
fn fixed(text: &[u8]) -> Option<i64> {
    let text: &[u8; 24] = text.try_into().ok()?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (23, b'Z')];
    let mut is_other = punctuation.iter().filter(|&&(at, mark)| text[at] != mark).count() > 0;
    // Looked at once, at the end: a branch a digit costs more than the digit.
    let mut number = |from: usize, to: usize| {
        text[from..to].iter().fold(0_u32, |value, digit| {
            let digit = digit.wrapping_sub(b'0');
            is_other |= digit > 9;
            value.wrapping_mul(10).wrapping_add(u32::from(digit))
        })
    };
    let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
    let (hour, minute, second, milli) = (number(11, 13), number(14, 16), number(17, 19), number(20, 23));
    // Days 29 to 31 and second 60 need a calendar: the general reader has one.
    let is_plain = (1..=12).contains(&month) && (1..=28).contains(&day) && hour < 24 && minute < 60 && second < 60;
    if is_other || !is_plain {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + i64::from(hour * 3_600 + minute * 60 + second);
    Some(seconds * 1_000_000 + i64::from(milli) * 1_000)
}

/// Days since 1970-01-01 in the Gregorian calendar, counted in years that begin in March, from the year -400 on.
fn days(year: u32, month: u32, day: u32) -> i64 {
    let year = year + 400 - u32::from(month <= 2);
    let month = (month + 9) % 12;
    let leap = year / 4 - year / 100 + year / 400;
    i64::from(365 * year + leap + (153 * month + 2) / 5 + day - 1) - 719_468 - 146_097
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn offsets_and_fractions() {
        assert_eq!(parse("1970-01-01T00:00:01.5Z"), Some(1_500_000));
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(parse("1970-01-01T00:00:00.123456789123Z"), Some(123_456));
        assert_eq!(parse("2024-02-29T00:00:00.000Z"), Some(1_709_164_800_000_000));
        for bad in [
            "",
            "2023-02-29T00:00:00.000Z",
            "2021-10-19",
            "1634630135807",
            "2021-10-19T07:55:35.807",
            "2021-1O-19T07:55:35.807Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn the_fixed_form_equals_the_general_reader(millis in -62_167_219_200_000_i64..253_402_300_800_000) {
            let time = DateTime::from_timestamp_millis(millis).unwrap();
            let text = time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            prop_assert_eq!(parse(&text), Some(millis * 1000));
        }
    }
}
