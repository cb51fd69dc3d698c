//! Texts that others wrote, fit to be shown: without secrets, on one line, without characters that act on a terminal.
//!
//! The one place that decides how a secret is found. It hides the secret and leaves the words around it. Pure.

use serde::Serialize;

/// Stands where a secret stood.
const MARK: &str = "[redacted]";

/// A secret of fewer bytes may well be part of a word, such as `any` of `company`, and is hidden only where it stands alone.
const SHORT: usize = 8;

/// Characters of a secret whose beginning is looked for at most.
const LONGEST: usize = 10_000;

/// How a JWT starts: the base64 of `{"`.
const TOKEN: &str = "eyJ";

/// Whatever looks like a JWT has so many characters at least where it begins a word, and where letters stand before it: the
/// shortest signed one has more.
const TOKEN_LENGTH: [usize; 2] = [12, 40];

/// A text without these secrets, and without whatever looks like a JWT.
///
/// A secret is hidden also where JSON has escaped it. One of fewer than eight bytes is hidden where it is a word of its own: no
/// letter, digit, `_` or `-` beside it.
pub fn redact(text: &str, secrets: &[String]) -> String {
    let secrets = forms(secrets);
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let at = text.len() - rest.len();
        let hidden = secrets.iter().find(|secret| stands_at(secret, text, at)).map(String::len);
        if let Some(length) = hidden.or_else(|| token_at(text, at)) {
            clean.push_str(MARK);
            rest = &rest[length..];
        } else {
            clean.push(c);
            rest = &rest[c.len_utf8()..];
        }
    }
    clean
}

/// A text that was cut, without the beginning of a secret at its end.
pub fn begun<'a>(text: &'a str, secrets: &[String]) -> &'a str {
    let secrets = forms(secrets);
    let begins = |at: usize| secrets.iter().any(|secret| secret.starts_with(&text[at..]));
    let first = text.char_indices().map(|(at, _)| at).rev().take(LONGEST).filter(|at| begins(*at)).last();
    &text[..first.unwrap_or(text.len())]
}

/// The secrets as they may be written, the longest first: one may be part of another.
fn forms(secrets: &[String]) -> Vec<String> {
    let escaped = |secret: &String| serde_json::to_string(secret).ok().map(|text| text[1..text.len() - 1].to_owned());
    let mut forms: Vec<String> = secrets.iter().filter_map(escaped).chain(secrets.iter().cloned()).collect();
    forms.retain(|form| !form.is_empty());
    forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn stands_at(secret: &str, text: &str, at: usize) -> bool {
    let (before, rest) = text.split_at(at);
    let Some(behind) = rest.strip_prefix(secret) else { return false };
    let goes_on = |beside: Option<char>| beside.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    secret.len() >= SHORT || !goes_on(before.chars().next_back()) && !goes_on(behind.chars().next())
}

/// The length of what looks like a JWT at a place.
fn token_at(text: &str, at: usize) -> Option<usize> {
    let (before, rest) = text.split_at(at);
    if !rest.starts_with(TOKEN) {
        return None;
    }
    let length = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c))).unwrap_or(rest.len());
    let goes_on = before.ends_with(char::is_alphanumeric);
    (length >= TOKEN_LENGTH[usize::from(goes_on)]).then_some(length)
}

/// Characters at most of a text that others may have had a hand in, wherever it is shown.
const SHOWN: usize = 4_000;

/// A text as it may be printed, whoever wrote it: see [`one_line`]. Every log line, error and report goes through here.
pub fn shown(text: &str) -> String {
    one_line(text, SHOWN)
}

/// A report as JSON over several lines, ending in a line break, as it may be printed, whoever wrote its texts: only in these can
/// characters be that act on a terminal, and there they are written by their numbers. It reads as the same values.
pub fn document(report: &impl Serialize) -> String {
    shown_json(&format!("{}\n", serde_json::to_string_pretty(report).unwrap_or_default()))
}

fn shown_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c == '\u{7f}' || !c.is_ascii() && (c.is_control() || is_unseen(c)) {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<Vec<_>>();
            text.push_str(&units.concat());
        } else {
            text.push(c);
        }
    }
    text
}

/// Whether a character changes the direction of writing, or can't be seen.
const fn is_unseen(c: char) -> bool {
    matches!(
        c,
        '\u{61c}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// One line of at most `chars` characters: trimmed, and what can't be seen or acts on a terminal escaped.
pub fn one_line(text: &str, chars: usize) -> String {
    let text = text.trim();
    let mut line = String::with_capacity(text.len().min(chars * 2));
    for (index, c) in text.chars().enumerate() {
        if index == chars {
            line.push_str("...");
            break;
        }
        match c {
            c if is_unseen(c) => line.extend(c.escape_unicode()),
            c if c.is_control() => line.extend(c.escape_default()),
            c => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn redacted(text: &str, secrets: &[&str]) -> String {
        redact(text, &secrets.iter().map(|&secret| secret.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_is_a_word() {
        for (text, expected) in [
            ("many companies, Germany", "many companies, Germany"),
            ("bad token: any", "bad token: [redacted]"),
            (r#"{"token":"any"}"#, r#"{"token":"[redacted]"}"#),
            ("any.", "[redacted]."),
            ("an any-one, any_one, anyé, éany, any1", "an any-one, any_one, anyé, éany, any1"),
            ("anyany any", "anyany [redacted]"),
        ] {
            assert_eq!(redacted(text, &["any"]), expected);
        }
        assert_eq!(redacted("many", &[""]), "many");
    }

    #[test]
    fn a_long_secret_is_hidden_wherever_it_is() {
        assert_eq!(redacted("xopaque-secretx", &["opaque-secret"]), "x[redacted]x");
        let both = ["opaque-s", "opaque-secret"];
        assert_eq!(redacted("opaque-secret, opaque-se", &both), "[redacted], [redacted]e");
        assert_eq!(redacted(r#"{"you sent":"a\"b\\cdefg"}"#, &[r#"a"b\cdefg"#]), r#"{"you sent":"[redacted]"}"#);
        assert_eq!(redacted("redacted and more", &["redacted", "and more"]), "[redacted] [redacted]");
    }

    #[test]
    fn a_jwt_is_hidden_and_a_word_is_not() {
        let header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9";
        assert_eq!(redacted("a eyJ b eyJhbGciOi.x, c", &[]), "a eyJ b [redacted], c");
        assert_eq!(redacted(&format!("Bearer{header}.e30.c2ln!"), &[]), "Bearer[redacted]!");
        assert_eq!(redacted("the monkeyJungleAdventure", &[]), "the monkeyJungleAdventure");
    }

    #[test]
    fn a_line_is_short_and_harmless() {
        assert_eq!(one_line("a\u{1b}[31mb\r\n\u{202e}c\u{7f}", 50), r"a\u{1b}[31mb\r\n\u{202e}c\u{7f}");
        assert_eq!(one_line("  abcd ", 3), "abc...");
    }

    #[test]
    fn no_character_in_json_acts_on_a_terminal_and_none_is_lost() {
        let raw = "a\u{9b}31m\u{202e}b\u{7f}\u{e0041}\u{e9}\n\u{1f600}";
        let json = shown_json(&serde_json::to_string(raw).unwrap());
        assert_eq!(json, "\"a\\u009b31m\\u202eb\\u007f\\udb40\\udc41\u{e9}\\n\u{1f600}\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), raw);
    }

    proptest! {
        #[test]
        fn no_long_secret_is_left(text in "[a-c]{0,9}", secrets in proptest::collection::vec("[a-c]{8,12}", 1..4), at in 0_usize..9) {
            let at = at.min(text.len());
            let whole = format!("{}{}{}", &text[..at], secrets[0], &text[at..]);
            let shown = redact(&whole, &secrets);
            prop_assert!(secrets.iter().all(|secret| !shown.contains(secret.as_str())), "{shown}");
        }

        #[test]
        fn without_a_secret_nothing_changes(text in "[a-zA-Z é{}:\"]{0,40}") {
            prop_assume!(!text.contains(TOKEN));
            prop_assert_eq!(redact(&text, &["0123456789".to_owned(), "z-z".to_owned()]), text);
        }
    }
}
