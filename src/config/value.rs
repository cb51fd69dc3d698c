//! From the text of a setting to its type. A refusal says what is allowed, to be read after "must be".

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::{Host, Url};

use crate::store::place::Place;
use crate::words::range;
use crate::words::text::duration;

/// A typed value, or what is allowed instead.
pub(super) type Read<T> = Result<T, String>;

/// A whole number in a range.
pub(super) fn whole<T: FromStr + PartialOrd + Display>(text: &str, range: RangeInclusive<T>) -> Read<T> {
    within(text.parse().ok(), range, "a whole number")
}

/// A number in a range. `inf` and `nan` lie in none.
pub(super) fn decimal(text: &str, range: RangeInclusive<f64>) -> Read<f64> {
    within(text.parse().ok(), range, "a number")
}

fn within<T: PartialOrd + Display>(value: Option<T>, range: RangeInclusive<T>, what: &str) -> Read<T> {
    let allowed = || format!("{what} from {} to {}", range.start(), range.end());
    value.filter(|value| range.contains(value)).ok_or_else(allowed)
}

/// `true` or `false`; nothing else stands for them.
pub(super) fn boolean(text: &str) -> Read<bool> {
    text.parse().map_err(|_| "`true` or `false`".to_owned())
}

/// Texts in brackets, as in JSON; a text without brackets is a list of that one, and an empty one a list of none.
pub(super) fn list(text: &str) -> Read<Vec<String>> {
    match text.trim() {
        "" => Ok(Vec::new()),
        list if list.starts_with('[') => {
            serde_json::from_str(list).map_err(|_| "a list of texts such as `[\"a\", \"b\"]`".to_owned())
        }
        one => Ok(vec![one.to_owned()]),
    }
}

/// Some of the named values: a list, or the names with commas between them.
pub(super) fn choices<T: Copy>(text: &str, choices: &[(&str, T)]) -> Read<Vec<T>> {
    let all = choices.iter().map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    let allowed = || format!("a list of some of these: {all}");
    let texts = list(text).map_err(|_| allowed())?;
    let typed = texts.iter().flat_map(|text| text.split(',')).map(str::trim).filter(|name| !name.is_empty());
    typed.map(|name| choice(name, choices, "").map_err(|_| allowed())).collect()
}

/// A program and its arguments, or none where the list is empty. No text of them may hold a NUL, which no system hands on.
pub(super) fn program(text: &str) -> Read<Vec<String>> {
    let words = list(text).ok().filter(|words| words.first().is_none_or(|program| !program.trim().is_empty()));
    let words = words.filter(|words| words.iter().all(|word| !word.contains('\0')));
    words.ok_or_else(|| "a program and its arguments, such as `[\"/usr/local/bin/tell\", \"--quiet\"]`".to_owned())
}

/// A list as a text that [`list`] reads.
pub(super) fn list_text(texts: &[&str]) -> String {
    serde_json::json!(texts).to_string()
}

/// One of the named values; `allowed` lists them for a person.
pub(super) fn choice<T: Copy>(text: &str, choices: &[(&str, T)], allowed: &str) -> Read<T> {
    let found = choices.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| *value).ok_or_else(|| allowed.to_owned())
}

/// A duration such as `30s`, from the first to the second, both included.
pub(super) fn period(text: &str, from: Duration, to: Duration) -> Read<Duration> {
    let allowed = || format!("a duration such as `500ms`, `30s` or `5m`, from {from:?} to {}h", to.as_secs() / 3600);
    duration(text).ok().filter(|value| (from..=to).contains(value)).ok_or_else(allowed)
}

/// An origin whose traffic nobody on the way can read: `https`, or `http` to this very machine.
pub(super) fn origin(text: &str) -> Read<Url> {
    let allowed = "an origin without a path, such as https://api.videosdk.live (http:// for loopback addresses only)";
    Url::parse(text).ok().filter(is_safe_origin).ok_or_else(|| allowed.to_owned())
}

/// Whether a URL is one of this very machine, which is reached without a proxy.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn is_safe_origin(url: &Url) -> bool {
    let safe = url.scheme() == "https" || url.scheme() == "http" && is_loopback(url);
    let anonymous = url.username().is_empty() && url.password().is_none();
    safe && anonymous && url.path() == "/" && url.query().is_none() && url.fragment().is_none()
}

/// A folder on this machine, or none where the text is empty.
pub(super) fn optional_folder(text: &str) -> Read<Option<PathBuf>> {
    if text.is_empty() {
        return Ok(None);
    }
    match Place::parse(text)? {
        Place::Folder(path) => Ok(Some(PathBuf::from(path))),
        Place::Objects(_) => Err("the path of a local folder".to_owned()),
    }
}

/// A file on this machine, or none where the text is empty.
pub(super) fn optional_file(text: &str) -> Read<Option<PathBuf>> {
    let names_a_file = text.is_empty() || !text.ends_with(['/', '.']);
    optional_folder(text).ok().filter(|_| names_a_file).ok_or_else(|| "the path of a local file".to_owned())
}

/// A moment in microseconds, or none where the text is empty.
pub(super) fn optional_moment(text: &str) -> Read<Option<i64>> {
    let moment = range::moment(text);
    if text.is_empty() || moment.is_some() { Ok(moment) } else { Err(format!("{}, or empty", range::MOMENT)) }
}

/// Names and values, `name=value`, with commas between them.
pub(super) fn pairs(text: &str) -> Read<Vec<(String, String)>> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        Some((name.trim().to_lowercase(), value.trim().to_owned())).filter(|(name, _)| !name.is_empty())
    };
    let pairs = text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(pair).collect::<Option<_>>();
    pairs.ok_or_else(|| "options as `name=value`, with commas between them".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for text in [
            "https://api.videosdk.live",
            "https://api.videosdk.live/",
            "http://127.0.0.1:8787",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(origin(text).is_ok(), "{text}");
        }
        for text in [
            "",
            "api.videosdk.live",
            "http://api.videosdk.live",
            "https://api.videosdk.live/v1",
            "https://a.b/?x",
            "https://a.b/#x",
            "https://user@a.b",
            "https://:pass@a.b",
            "ftp://a.b",
            "http://localhost.evil.org",
            "data:x",
        ] {
            assert!(origin(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists() {
        for (text, expected) in
            [("", &[][..]), ("[]", &[]), ("a, b", &["a, b"]), (r#" ["a,\n", "b"] "#, &["a,\n", "b"]), ("[]x", &["!"])]
        {
            match list(text) {
                Ok(texts) => assert_eq!(texts, expected, "{text}"),
                Err(allowed) => assert!(expected == ["!"] && allowed.contains("a list of texts"), "{text}"),
            }
        }
        assert_eq!(list(&list_text(&["a\"", "b"])).unwrap(), ["a\"", "b"]);
    }

    #[test]
    fn moments() {
        assert_eq!(optional_moment(""), Ok(None));
        for text in ["2026-01-01", "2026-01", "2026-01-01T01:00:00+01:00"] {
            assert_eq!(optional_moment(text), Ok(Some(1_767_225_600_000_000)), "{text}");
        }
        for text in ["yesterday", "2026", "2026-13", " 2026-01", "1767225600"] {
            assert!(optional_moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_that_are_none() {
        for text in ["nan", "inf", "-1", "", "10001"] {
            assert!(decimal(text, 0.0..=10_000.0).is_err(), "{text}");
        }
        for text in ["0", "257", "1.0", "-3", " 8", "8 ", "99999999999999999999999"] {
            assert!(whole::<usize>(text, 1..=256).is_err(), "{text}");
        }
        assert_eq!(whole(&u64::MAX.to_string(), 0..=u64::MAX), Ok(u64::MAX));
    }
}
