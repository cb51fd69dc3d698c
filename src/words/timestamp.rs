//! RFC 3339 times to microseconds since 1970, UTC: any offset, any number of fraction digits, cut to microseconds.
//!
//! Only years 1 to 9999 in UTC are times: an offset may lead out of them, and no reader of a dataset takes a partition
//! `+10000-01` for a date.

use chrono::{DateTime, SecondsFormat};

/// The first moment of the year 1, and the first that is no longer in the year 9999.
const YEARS: std::ops::Range<i64> = -62_135_596_800_000_000..253_402_300_800_000_000;

/// Whether these microseconds are a time.
pub fn is_one(micros: i64) -> bool {
    YEARS.contains(&micros)
}

/// Reads a time; `None` where the text is not RFC 3339, or names a moment outside of the years 1 to 9999 in UTC.
pub fn parse(text: &str) -> Option<i64> {
    Reader::default().parse(text)
}

/// Reads times, most of which are of the same day as the one before.
#[derive(Debug, Default)]
pub struct Reader {
    /// Year and month as they stand in the text, the day, and its first moment.
    known: Option<(u64, u32, i64)>,
}

impl Reader {
    /// As [`parse`], and quicker where the day is that of the time read before.
    pub fn parse(&mut self, text: &str) -> Option<i64> {
        let general = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
        self.fixed(text.as_bytes()).or_else(general).filter(|time| is_one(*time))
    }

    /// The API's own form, `2021-10-19T07:55:35.807Z`; it is most of all parsing, and needs no general reader.
    fn fixed(&mut self, text: &[u8]) -> Option<i64> {
        let text: &[u8; 24] = text.try_into().ok()?;
        let (date, to_minute, to_end) =
            (word(text, 0)?, TO_MINUTE.digits(word(text, 8)?)?, TO_END.digits(word(text, 16)?)?);
        let (day, hour, minute) = (to_minute.pair(0), to_minute.pair(3), to_minute.pair(6));
        let (second, milli) = (to_end.pair(1), to_end.digit(4) * 100 + to_end.pair(5));
        // Second 60 needs a calendar: the general reader has one.
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let midnight = match self.known {
            Some((of_date, of_day, midnight)) if (of_date, of_day) == (date, day) => midnight,
            _ => {
                let midnight = midnight(DATE.digits(date)?, day)?;
                self.known = Some((date, day, midnight));
                midnight
            }
        };
        let millis = i64::from((hour * 3_600 + minute * 60 + second) * 1_000 + milli);
        Some(midnight + millis * 1_000)
    }
}

/// A time as RFC 3339, with as many fraction digits as it needs.
pub fn text(micros: i64) -> String {
    let time = DateTime::from_timestamp_micros(micros);
    time.map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}

/// The first moment of a day; `None` for days 29 to 31, which need a calendar.
fn midnight(date: Digits, day: u32) -> Option<i64> {
    let (year, month) = (date.pair(0) * 100 + date.pair(2), date.pair(5));
    let is_plain = (1..=12).contains(&month) && (1..=28).contains(&day);
    is_plain.then(|| days(year, month, day) * 86_400_000_000)
}

/// Eight characters of a text, the first in the lowest byte.
fn word(text: &[u8; 24], from: usize) -> Option<u64> {
    text[from..].first_chunk().copied().map(u64::from_le_bytes)
}

const DATE: Form = Form::new(*b"0000-00-");
const TO_MINUTE: Form = Form::new(*b"00T00:00");
const TO_END: Form = Form::new(*b":00.000Z");

/// What eight characters must be: a `0` stands for a digit. They are looked at as one word, since a branch a character
/// costs more than the character.
struct Form {
    characters: u64,
    /// What makes a byte with its highest bit set of one that is too large: above 9 for a digit, above 0 for a mark.
    excess: u64,
}

impl Form {
    const fn new(characters: [u8; 8]) -> Self {
        let mut excess = [0x7f; 8];
        let mut at = 0;
        while at < 8 {
            if characters[at] == b'0' {
                excess[at] = 0x7f - 9;
            }
            at += 1;
        }
        Self { characters: u64::from_le_bytes(characters), excess: u64::from_le_bytes(excess) }
    }

    /// The digits in a word; `None` where it is of another form.
    fn digits(&self, word: u64) -> Option<Digits> {
        const HIGHEST: u64 = 0x8080_8080_8080_8080;
        // A mark that is right becomes 0, a digit its value.
        let differences = word ^ self.characters;
        let too_large = (((differences & !HIGHEST) + self.excess) | differences) & HIGHEST;
        (too_large == 0).then_some(Digits(differences))
    }
}

/// A byte a character: the value of a digit, 0 for a mark.
#[derive(Clone, Copy)]
struct Digits(u64);

impl Digits {
    fn digit(self, at: u32) -> u32 {
        u32::from(self.0.to_le_bytes()[at as usize])
    }

    /// The number that two digits make.
    fn pair(self, at: u32) -> u32 {
        let pairs = self.0 * 10 + (self.0 >> 8);
        u32::from(pairs.to_le_bytes()[at as usize])
    }
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
        assert_eq!(parse("0000-12-31T23:59:59-00:01"), Some(YEARS.start + 59_000_000));
        assert_eq!(parse("0001-01-01T00:00:00.000Z"), Some(YEARS.start));
        assert_eq!(parse("9999-12-31T23:59:59.999999Z"), Some(YEARS.end - 1));
        for bad in [
            "",
            "0000-12-31T23:59:59.999Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2023-02-29T00:00:00.000Z",
            "2021-10-19",
            "1634630135807",
            "2021-10-19T07:55:35.807",
            "2021-1O-19T07:55:35.807Z",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn any_byte_in_another_place_is_refused_or_read_by_the_general_reader() {
        let text = "2021-10-19T07:55:35.807Z";
        let mut reader = Reader::default();
        for at in 0..text.len() {
            for byte in 0..=u8::MAX {
                let mut other = text.as_bytes().to_vec();
                other[at] = byte;
                let general = |text| DateTime::parse_from_rfc3339(text).ok().map(|time| time.timestamp_micros());
                if let Ok(other) = std::str::from_utf8(&other) {
                    assert_eq!(reader.parse(other), general(other), "{other:?}");
                    assert_eq!(parse(other), general(other), "{other:?}");
                }
            }
        }
        assert_eq!(reader.parse("\0\0\0\0\0\0\0\x0000T00:00:00.000Z"), None);
        assert_eq!(parse("\0\0\0\0\0\0\0\x0000T00:00:00.000Z"), None);
    }

    proptest! {
        #[test]
        fn the_fixed_form_equals_the_general_reader(
            first in YEARS.start / 1000..YEARS.end / 1000,
            steps in prop::collection::vec(-200_000_000_i64..200_000_000, 0..8),
        ) {
            let mut reader = Reader::default();
            for millis in steps.into_iter().map(|step| first + step).chain([first]) {
                let time = DateTime::from_timestamp_millis(millis).unwrap();
                let is_in = YEARS.contains(&(millis * 1000));
                let text = time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                let general = DateTime::parse_from_rfc3339(&text).ok().map(|_| millis * 1000).filter(|_| is_in);
                prop_assert_eq!(reader.parse(&text), general);
            }
        }
    }
}
