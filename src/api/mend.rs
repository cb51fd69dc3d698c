//! Text that no parser takes, made readable, and the records named in which that was needed.
//!
//! What is not valid Unicode becomes U+FFFD: names cut in the middle of an emoji reach the API's JSON as lone surrogates
//! (`\ud83d`). A number beyond any float (`1e999`) becomes a text. Neither must cost the page.

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
    let mend = |text: &str| quote_numbers(&replace_surrogates(text));
    let mut touched = mended.touched;
    touched.extend(records_where(&mended.text, |record| mend(record) != record));
    Mended { text: Cow::Owned(mend(&mended.text)), touched }
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

fn quote_numbers(text: &str) -> String {
    let mut mended = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| c == '"' || c == '-' || c.is_ascii_digit()) {
        let (before, found) = rest.split_at(at);
        let (token, after) = found.split_at(token_length(found));
        mended.push_str(before);
        if token.parse().is_ok_and(f64::is_infinite) {
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
    fn invalid_bytes_are_replaced_and_named() {
        let mended = utf8(b"{\"data\":[{\"id\":\"a\"},{\"id\":\"\xff\"}]}");
        assert!(mended.text.contains('\u{fffd}'));
        assert_eq!(mended.touched.into_iter().collect::<Vec<_>>(), [1]);
    }
}
