//! Text that no parser takes, made readable, and the records named in which that was needed.
//!
//! What is not valid Unicode becomes U+FFFD: names cut in the middle of an emoji reach the API's JSON as lone surrogates
//! (`\ud83d`). A number beyond any float (`1e999`) becomes a text. Neither must cost the page. A whole number of more digits
//! than the parser keeps becomes a text, too: as an id it is one by all of them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::model;

/// A body as text, and the indexes of the records whose text had to be mended.
pub struct Mended<'a> {
    /// Valid Unicode, escapes included.
    pub text: Cow<'a, str>,
    /// Positions in `data`.
    pub touched: BTreeSet<usize>,
}

/// Makes a body's text valid. Costs one UTF-8 check where nothing is broken.
pub fn utf8(body: &[u8]) -> Mended<'_> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // Several times as fast as the lossy reader, which looks at every byte.
    if let Ok(text) = simdutf8::basic::from_utf8(body) {
        return Mended { text: Cow::Borrowed(text), touched: BTreeSet::new() };
    }
    let text = String::from_utf8_lossy(body);
    let touched = records_where(&text, |record| record.contains('\u{fffd}'));
    Mended { text, touched }
}

/// Replaces lone surrogate escapes and quotes numbers that are too large; for a text that the parser refused.
pub fn refused(mended: Mended<'_>) -> Mended<'static> {
    let is_beyond = |token: &str| token.parse().is_ok_and(f64::is_infinite) && !is_long(token);
    let mend = |text: &str| quote_numbers(&replace_surrogates(text), is_beyond);
    let mut touched = mended.touched;
    touched.extend(records_where(&mended.text, |record| mend(record) != record));
    Mended { text: Cow::Owned(quote_numbers(&mend(&mended.text), is_long)), touched }
}

/// Quotes whole numbers of more digits than the parser keeps. Nothing is lost by that, so that no record counts as mended.
pub fn long_numbers(mended: Mended<'_>) -> Mended<'static> {
    let Mended { text, touched } = mended;
    Mended { text: Cow::Owned(quote_long(&text)), touched }
}

/// The same for any JSON.
pub fn quote_long(text: &str) -> String {
    quote_numbers(text, is_long)
}

/// Whether a number is a whole one that fits into no integer of 64 bits.
fn is_long(token: &str) -> bool {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let is_whole = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_whole && token.parse::<u64>().is_err() && token.parse::<i64>().is_err()
}

fn records_where(text: &str, broken: impl Fn(&str) -> bool) -> BTreeSet<usize> {
    let records = model::raw_records(text);
    records.iter().enumerate().filter(|(_, record)| broken(record.get())).map(|(index, _)| index).collect()
}

fn replace_surrogates(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xd800..=0xdbff), Some(0xdc00..=0xdfff)) => 12,
            (Some(0xd800..=0xdfff), _) => {
                mended.push_str("\\ufffd");
                rest = &escape[6..];
                continue;
            }
            (Some(_), _) => 6,
            // The escaped character may be a backslash itself, so it goes along.
            (None, _) => 1 + escape[1..].chars().next().map_or(0, char::len_utf8),
        };
        mended.push_str(&escape[..taken]);
        rest = &escape[taken..];
    }
    mended.push_str(rest);
    mended
}

/// Puts quotes around numbers.
fn quote_numbers(text: &str, is_meant: impl Fn(&str) -> bool) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, found) = rest.split_at(at);
        let (token, after) = found.split_at(token_length(found));
        mended.push_str(before);
        if is_meant(token) {
            mended.extend(["\"", token, "\""]);
        } else {
            mended.push_str(token);
        }
        rest = after;
    }
    mended.push_str(rest);
    mended
}

/// The length of the string or number that a text begins with.
fn token_length(text: &str) -> usize {
    let Some(string) = text.strip_prefix('"') else {
        return text.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(text.len());
    };
    let mut escaped = false;
    let closing = string.find(|c: char| {
        let is_end = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        is_end
    });
    closing.map_or(text.len(), |at| at + 2)
}

/// The UTF-16 unit of a `\uXXXX` escape at the start of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    u16::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lone_surrogates_are_replaced_and_named() {
        let body = br#"{"data":[{"id":"a","n":"\ud83d\ude00"},{"id":"b","n":"x\ud83d"},{"id":"c","n":"\\ud83d"}]}"#;
        let mended = refused(utf8(body));
        assert_eq!(
            mended.text,
            r#"{"data":[{"id":"a","n":"\ud83d\ude00"},{"id":"b","n":"x\ufffd"},{"id":"c","n":"\\ud83d"}]}"#
        );
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn numbers_beyond_any_float_become_text() {
        let body = br#"{"data":[{"id":"1e999 \" 1e999","d":1.5e3},{"id":"b","d":-1E+999},{"id":"c","d":0}]}"#;
        let mended = refused(utf8(body));
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
        let mended = long_numbers(utf8(body.as_bytes()));
        let expected = format!(
            r#"{{"data":[{{"id":"{long}"}},{{"id":"-{long}"}},{{"id":18446744073709551615,"x":"{long}"}},{{"id":1e30}}]}}"#
        );
        assert_eq!((mended.text.as_ref(), mended.touched.len()), (expected.as_str(), 0));
        // Also where another number could not be read at all.
        let huge = "9".repeat(400);
        let mended = refused(utf8(format!(r#"{{"data":[{{"id":{huge}}},{{"id":1,"d":1e999}}]}}"#).as_bytes()));
        assert_eq!(mended.text, format!(r#"{{"data":[{{"id":"{huge}"}},{{"id":1,"d":"1e999"}}]}}"#));
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn invalid_bytes_are_replaced_and_named() {
        let mended = utf8(b"{\"data\":[{\"id\":\"a\"},{\"id\":\"\xff\"}]}");
        assert!(mended.text.contains('\u{fffd}'));
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }
}
