//! Text that no parser takes, made readable, and the records named in which that was needed.
//!
//! What is not valid Unicode becomes U+FFFD: names cut in the middle of an emoji reach the API's JSON as lone surrogates
//! (`\ud83d`). A number beyond any float (`1e999`) becomes a text. Neither must cost the page. A whole number of more digits
//! than the parser keeps becomes a text, too: as an id it is one by all of them. Mended text may be longer than it was: how
//! long is bounded like a body.

use std::collections::BTreeSet;
use std::ops::Range;

use super::model::{self, Limits};

/// A body as text, and the records whose text had to be mended.
pub struct Mended {
    /// Valid Unicode, escapes included.
    pub text: String,
    /// Which records had to be mended, by their places in `data`, from 0.
    pub touched: BTreeSet<usize>,
}

/// Replaces what is not UTF-8; `None` where the text would be too long.
pub fn utf8(body: &[u8], limits: &Limits) -> Option<Mended> {
    let mut text = String::with_capacity(body.len().min(limits.text));
    for piece in body.utf8_chunks() {
        let mark = if piece.invalid().is_empty() { "" } else { "\u{fffd}" };
        if text.len() + piece.valid().len() + mark.len() > limits.text {
            return None;
        }
        text.push_str(piece.valid());
        text.push_str(mark);
    }
    let touched = records_where(&text, limits, |record| record.contains('\u{fffd}'));
    Some(Mended { text, touched })
}

/// Whether a text that the parser has refused holds anything that can be mended.
pub fn can_be_mended(text: &str) -> bool {
    Faults::of(text).next().is_some()
}

/// Replaces lone surrogate escapes and quotes numbers that are too large; `None` where the text would be too long.
pub fn refused(text: &str, limits: &Limits) -> Option<Mended> {
    let mended = replaced(text, limits.text, |_| true)?;
    let is_broken = |record: &str| Faults::of(record).any(|(_, fault)| !matches!(fault, Fault::Long));
    Some(Mended { text: mended, touched: records_where(text, limits, is_broken) })
}

/// Quotes whole numbers of more digits than the parser keeps. Nothing is lost by that, so that no record counts as mended.
/// `None` where the text would be too long.
pub fn long_numbers(text: &str, limits: &Limits) -> Option<Mended> {
    Some(Mended { text: quote_long(text, limits.text)?, touched: BTreeSet::new() })
}

/// The same for any JSON, of so many bytes at most.
pub fn quote_long(text: &str, most: usize) -> Option<String> {
    replaced(text, most, |fault| matches!(fault, Fault::Long))
}

/// A text without its faults, as far as they are meant; `None` where it would have more bytes than it may.
fn replaced(text: &str, most: usize, is_meant: impl Fn(&Fault) -> bool) -> Option<String> {
    let mut mended = String::with_capacity(text.len().min(most));
    let mut done = 0;
    for (at, fault) in Faults::of(text).filter(|(_, fault)| is_meant(fault)) {
        let pieces = match fault {
            Fault::Surrogate => [&text[done..at.start], "\\ufffd", "", ""],
            Fault::Number | Fault::Long => [&text[done..at.start], "\"", &text[at.clone()], "\""],
        };
        if mended.len() + pieces.iter().map(|piece| piece.len()).sum::<usize>() > most {
            return None;
        }
        mended.extend(pieces);
        done = at.end;
    }
    if mended.len() + text.len() - done > most {
        return None;
    }
    mended.push_str(&text[done..]);
    Some(mended)
}

/// Whether a number is a whole one that fits into no integer of 64 bits.
fn is_long(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_whole && token.parse::<u64>().is_err() && token.parse::<i64>().is_err()
}

fn records_where(text: &str, limits: &Limits, is_broken: impl Fn(&str) -> bool) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    model::raw_records(text, limits, |place, record| {
        if place < limits.records && is_broken(record) {
            found.insert(place);
        }
        place < limits.records
    });
    found
}

/// What the parser does not take, or not as it is.
#[derive(Clone, Copy)]
enum Fault {
    /// The escape of half a character.
    Surrogate,
    /// A number beyond any float, and not a whole one.
    Number,
    /// A whole number of more digits than the parser keeps.
    Long,
}

/// All of it in a text, in order.
struct Faults<'a> {
    text: &'a str,
    at: usize,
    is_in_string: bool,
}

impl<'a> Faults<'a> {
    const fn of(text: &'a str) -> Self {
        Self { text, at: 0, is_in_string: false }
    }

    /// Goes on to the next character that matters; the rest of the text from there.
    fn go_to(&mut self, matters: impl Fn(char) -> bool) -> Option<&'a str> {
        self.at += self.text[self.at..].find(matters)?;
        Some(&self.text[self.at..])
    }

    /// Takes so many bytes; where they were.
    const fn take(&mut self, bytes: usize) -> Range<usize> {
        let begin = self.at;
        self.at += bytes;
        begin..self.at
    }

    /// Goes on in a string to its end, or behind the next escape; where that is a fault, empty where it is none.
    fn in_string(&mut self) -> Option<Range<usize>> {
        let rest = self.go_to(|c| c == '"' || c == '\\')?;
        let bytes = if rest.starts_with('"') {
            self.is_in_string = false;
            1
        } else {
            match (unit(rest), rest.get(6..).and_then(unit)) {
                (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
                (Some(0xd800..=0xdfff), _) => return Some(self.take(6)),
                (Some(_), _) => 6,
                // The escaped character may be a backslash itself, so it goes along.
                (None, _) => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            }
        };
        self.take(bytes);
        Some(0..0)
    }

    /// Goes on to the beginning of a string, or behind the next number; where that is a fault, empty where it is none.
    fn outside(&mut self) -> Option<(Range<usize>, Fault)> {
        let rest = self.go_to(|c| c == '"' || c == '-' || c.is_ascii_digit())?;
        if rest.starts_with('"') {
            self.is_in_string = true;
            self.take(1);
            return Some((0..0, Fault::Number));
        }
        let length = rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(rest.len());
        let at = self.take(length);
        let token = &rest[..length];
        if is_long(token) {
            return Some((at, Fault::Long));
        }
        let is_too_large = token.parse().is_ok_and(f64::is_infinite);
        Some((if is_too_large { at } else { 0..0 }, Fault::Number))
    }
}

impl Iterator for Faults<'_> {
    type Item = (Range<usize>, Fault);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (at, fault) = if self.is_in_string { (self.in_string()?, Fault::Surrogate) } else { self.outside()? };
            if !at.is_empty() {
                return Some((at, fault));
            }
        }
    }
}

/// The UTF-16 unit of a `\uXXXX` escape at the start of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(text: usize, records: usize) -> Limits {
        Limits { records, text, ..Limits::default() }
    }

    fn refused(body: &[u8]) -> Mended {
        super::refused(std::str::from_utf8(body).unwrap(), &limits(1000, 100)).unwrap()
    }

    #[test]
    fn lone_surrogates_are_replaced_and_named() {
        let body = br#"{"data":[{"id":"a","n":"\ud83d\ude00"},{"id":"b","n":"x\ud83d"},{"id":"c","n":"\\ud83d"}]}"#;
        let mended = refused(body);
        assert_eq!(
            mended.text,
            r#"{"data":[{"id":"a","n":"\ud83d\ude00"},{"id":"b","n":"x\ufffd"},{"id":"c","n":"\\ud83d"}]}"#
        );
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn numbers_beyond_any_float_become_text() {
        let body = br#"{"data":[{"id":"1e999 \" 1e999","d":1.5e3},{"id":"b","d":-1E+999},{"id":"c","d":0}]}"#;
        let mended = refused(body);
        let expected = r#"{"data":[{"id":"1e999 \" 1e999","d":1.5e3},{"id":"b","d":"-1E+999"},{"id":"c","d":0}]}"#;
        assert_eq!(mended.text, expected);
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn whole_numbers_keep_all_their_digits() {
        let long = "184467440737095516160";
        let body = format!(
            r#"{{"data":[{{"id":{long}}},{{"id":-{long}}},{{"id":18446744073709551615,"x":"{long}"}},{{"id":1e30}}]}}"#
        );
        let mended = long_numbers(&body, &limits(body.len() + 4, 100)).unwrap();
        let expected = format!(
            r#"{{"data":[{{"id":"{long}"}},{{"id":"-{long}"}},{{"id":18446744073709551615,"x":"{long}"}},{{"id":1e30}}]}}"#
        );
        assert_eq!((mended.text.as_str(), mended.touched.len()), (expected.as_str(), 0));
        assert!(long_numbers(&body, &limits(body.len() + 3, 100)).is_none());
        // Also where another number could not be read at all.
        let huge = "9".repeat(400);
        let mended = refused(format!(r#"{{"data":[{{"id":{huge}}},{{"id":1,"d":1e999}}]}}"#).as_bytes());
        assert_eq!(mended.text, format!(r#"{{"data":[{{"id":"{huge}"}},{{"id":1,"d":"1e999"}}]}}"#));
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn invalid_bytes_are_replaced_and_named() {
        let body = b"{\"data\":[{\"id\":\"a\"},{\"id\":\"\xff\"}]}";
        let mended = utf8(body, &limits(1000, 100)).unwrap();
        assert!(mended.text.contains('\u{fffd}'));
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn mended_text_is_bounded_and_so_is_what_is_looked_at() {
        let records = |record: &str| format!("{{\"data\":[{}]}}", [record; 50].join(","));
        let numbers = records("1e999");
        assert!(
            super::refused(&numbers, &limits(numbers.len() + 100, 100))
                .is_some_and(|mended| mended.touched.len() == 50)
        );
        assert!(super::refused(&numbers, &limits(numbers.len() + 99, 100)).is_none());
        assert!(super::refused(&numbers, &limits(1000, 7)).is_some_and(|mended| mended.touched.len() == 7));
        let bytes = [b"{\"data\":[\"".as_slice(), &[0xff; 50], b"\"]}"].concat();
        let fits = |most| utf8(&bytes, &limits(most, 1)).is_some();
        assert!(fits(bytes.len() + 100) && !fits(bytes.len() + 99));
        assert!(can_be_mended("[\"\\udead\"]") && !can_be_mended("[\"\\\\udead 1e999\", 1e9, "));
        for odd in ["\"\\", "\"\\u", "\"\\ud8", "-", "\"\u{e9}\\\u{e9}", "1e999"] {
            assert_eq!(can_be_mended(odd), odd == "1e999", "{odd}");
        }
    }
}
