//! Who is one human: the key by which rows of a person belong together, within a session and over sessions.
//!
//! Pure. A `participant_id` stands for a join and is new at each join by default, so a key of a person is made of what people
//! say of themselves: by default the name, however it was typed. Nobody is lost for want of a name: such an entry is a person
//! of its own.

use std::borrow::Cow;

use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

use crate::words::name;

/// What a person is known by, `people.key`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// The display name, `"name"`.
    #[default]
    Name,
    /// The id that the customer's own application gives its users, `"participant_id"`.
    ParticipantId,
}

impl Key {
    /// Both by their names in settings and records.
    pub const ALL: [(&'static str, Self); 2] = [("name", Self::Name), ("participant_id", Self::ParticipantId)];
}

/// The part of a raw value that is the key: a regular expression with exactly one group, `people.pattern`.
#[derive(Debug, Clone)]
pub struct Pattern {
    regex: Regex,
}

impl Pattern {
    /// Reads one; an empty text is none, so that the whole value is the key.
    ///
    /// # Errors
    /// What is allowed, to be read after "must be".
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        const ALLOWED: &str = "a regular expression with exactly one group, such as `^(.+?)--`, or empty";
        // A file names a pattern, too, and somebody may have written that file.
        const LENGTH: usize = 1_000;
        const COMPILED: usize = 1 << 20;
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > LENGTH {
            return Err(format!("{ALLOWED} (it has more than {LENGTH} bytes)"));
        }
        let built = RegexBuilder::new(text).size_limit(COMPILED).build();
        let regex = built.map_err(|error| format!("{ALLOWED} ({})", reason(&error)))?;
        match regex.captures_len() - 1 {
            1 => Ok(Some(Self { regex })),
            groups => Err(format!("{ALLOWED} (it has {groups}; write `(?:...)` around what is no key)")),
        }
    }

    fn key<'a>(&self, value: &'a str) -> Option<&'a str> {
        Some(self.regex.captures(value)?.get(1)?.as_str())
    }
}

/// The last line of what the library says: the others draw where it is.
pub(super) fn reason(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

impl Eq for Pattern {}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str()
    }
}

/// `[people]`: how the key of a person is made. The rule of a dataset is in its state and in each of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct People {
    /// Which value is the key.
    pub key: Key,
    /// The part of the value that is the key; the whole value where there is none.
    pub pattern: Option<Pattern>,
    /// Whether names are compared in their normal form ([`name::normal`]); ids are always compared as they are.
    pub normalize: bool,
    /// The version of Unicode by which names are normal: the one that is built in, but for a rule that was read.
    pub unicode: String,
}

/// A rule as it is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    key: Key,
    pattern: String,
    normalize: bool,
    unicode: String,
}

impl TryFrom<Stored> for People {
    type Error = String;

    fn try_from(Stored { key, pattern, normalize, unicode }: Stored) -> Result<Self, String> {
        Ok(Self { key, pattern: Pattern::parse(&pattern)?, normalize, unicode })
    }
}

impl From<People> for Stored {
    fn from(People { key, pattern, normalize, unicode }: People) -> Self {
        let pattern = pattern.map(|pattern| pattern.regex.as_str().to_owned()).unwrap_or_default();
        Self { key, pattern, normalize, unicode }
    }
}

impl Default for People {
    fn default() -> Self {
        Self::new(Key::default(), None, true)
    }
}

/// An entry in a session's list of participants, as far as it says who it is.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The session's id.
    pub session_id: &'a str,
    /// `participant_index`: the position in the session's list, from 0.
    pub index: i32,
    /// `participant_id` as listed.
    pub participant_id: Option<&'a str>,
    /// `name` as listed.
    pub name: Option<&'a str>,
}

impl People {
    /// A rule by the Unicode that is built in.
    pub fn new(key: Key, pattern: Option<Pattern>, normalize: bool) -> Self {
        Self { key, pattern, normalize, unicode: name::UNICODE.to_owned() }
    }

    /// Whether two rules are the same setting, by whatever version of Unicode.
    pub fn is_set_as(&self, other: &Self) -> bool {
        (self.key, &self.pattern, self.normalize) == (other.key, &other.pattern, other.normalize)
    }

    /// Whether this program makes the same keys by the rule as whoever wrote it down.
    pub fn is_current(&self) -> bool {
        self.unicode == name::UNICODE
    }

    /// The rule in the words of the settings: `key = "name", pattern = "", normalize = true`.
    pub fn text(&self) -> String {
        let Stored { key, pattern, normalize, .. } = self.clone().into();
        let key = Key::ALL.iter().find(|(_, named)| *named == key).map_or("", |(name, _)| name);
        format!("key = {key:?}, pattern = {pattern:?}, normalize = {normalize}")
    }

    /// Puts the key of the person behind an entry in place of what is in `into`.
    ///
    /// A key that could be taken for one of the makeshift kinds gets a `=` before it, so that no name is another's id.
    pub fn person(&self, entry: Entry<'_>, into: &mut String) {
        into.clear();
        match (self.known(entry), entry.participant_id.filter(|id| !id.is_empty())) {
            (Some(key), _) => {
                if key.starts_with(['=', '#']) || key.starts_with("id:") {
                    into.push('=');
                }
                into.push_str(&key);
            }
            (None, Some(id)) => into.extend(["id:", id]),
            (None, None) => into.extend(["#", entry.session_id, "/", &entry.index.to_string()]),
        }
    }

    /// The person whom a whole name makes known; `None` where a name, or all of a name, does not.
    pub fn by_name(&self, name: &str) -> Option<String> {
        let entry = Entry { session_id: "", index: 0, participant_id: None, name: Some(name) };
        self.known(entry).filter(|_| self.key == Key::Name && self.pattern.is_none())?;
        let mut person = String::new();
        self.person(entry, &mut person);
        Some(person)
    }

    fn known<'a>(&self, entry: Entry<'a>) -> Option<Cow<'a, str>> {
        let value = match self.key {
            Key::Name => entry.name?,
            Key::ParticipantId => entry.participant_id?,
        };
        let value = self.pattern.as_ref().map_or(Some(value), |pattern| pattern.key(value))?;
        let is_normal = self.normalize && self.key == Key::Name;
        let key = if is_normal { name::normal(value) } else { Cow::Borrowed(value) };
        Some(key).filter(|key| !key.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(key: Key, pattern: &str, normalize: bool) -> People {
        People::new(key, Pattern::parse(pattern).unwrap(), normalize)
    }

    fn person(rule: &People, name: Option<&str>, participant_id: Option<&str>) -> String {
        let mut person = "of the entry before".to_owned();
        rule.person(Entry { session_id: "s", index: 3, participant_id, name }, &mut person);
        person
    }

    #[test]
    fn a_person_is_a_name_however_it_was_typed() {
        let rule = People::default();
        for (name, id, expected) in [
            (Some("Ann  LEE "), Some("x1"), "ann lee"),
            (Some("Zoe\u{308}"), None, "zo\u{eb}"),
            (Some(" \u{a0}"), Some("x1"), "id:x1"),
            (Some(""), Some("x1"), "id:x1"),
            (None, Some("x1"), "id:x1"),
            (None, Some(""), "#s/3"),
            (None, None, "#s/3"),
            (Some("=Ann"), None, "==ann"),
            (Some("#s/3"), None, "=#s/3"),
            (Some("ID: x1"), None, "=id: x1"),
            (Some("identity"), None, "identity"),
        ] {
            assert_eq!(person(&rule, name, id), expected, "{name:?} {id:?}");
        }
    }

    #[test]
    fn a_person_is_an_id_where_that_is_asked_for() {
        let by_id = rule(Key::ParticipantId, "", true);
        assert_eq!(person(&by_id, Some("Ann"), Some(" X1 ")), " X1 ");
        assert_eq!(person(&by_id, Some("Ann"), Some("id:1")), "=id:1");
        assert_eq!(person(&by_id, Some("Ann"), None), "#s/3");
        let of_user = rule(Key::ParticipantId, "^(.+?)--", true);
        assert_eq!(person(&of_user, None, Some("User7--k2j4")), "User7");
        assert_eq!(person(&of_user, None, Some("k2j4")), "id:k2j4");
    }

    #[test]
    fn a_pattern_cuts_the_key_out_before_it_is_normalized() {
        let rule = rule(Key::Name, r"^([^(]*)(?:\(.*\))?$", true);
        assert_eq!(person(&rule, Some("Ann Lee (Host)"), None), "ann lee");
        assert_eq!(person(&rule, Some("(Host)"), Some("x")), "id:x");
        let optional = self::rule(Key::Name, "^Guest|^(.*)$", false);
        assert_eq!(person(&optional, Some("Guest"), Some("x")), "id:x");
        assert_eq!(person(&optional, Some("Ann LEE"), None), "Ann LEE");
    }

    #[test]
    fn a_pattern_has_one_group() {
        for (text, why) in [
            (".*", "it has 0;"),
            ("(a)(b)", "it has 2;"),
            ("(a", "unclosed group"),
            (&format!("({})", "a".repeat(1_000)), "more than 1000 bytes"),
            ("((?:a{1000}){1000})", "exceeds size limit"),
            (r"(\1)", "backreferences are not supported"),
            ("(?=a)(b)", "look-around, including look-ahead and look-behind, is not supported"),
        ] {
            let refused = Pattern::parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        assert!(Pattern::parse("").unwrap().is_none());
    }

    #[test]
    fn a_rule_is_read_back_as_it_was_written() {
        for rule in [People::default(), rule(Key::ParticipantId, "^(.+?)--", false)] {
            let text = serde_json::to_string(&rule).unwrap();
            assert_eq!(serde_json::from_str::<People>(&text).unwrap(), rule, "{text}");
            assert!(rule.is_current() && rule.is_set_as(&rule.clone()));
        }
        let later = People { unicode: "19.0.0".to_owned(), ..People::default() };
        assert!(!later.is_current() && later.is_set_as(&People::default()) && later != People::default());
        assert!(
            serde_json::from_str::<People>(r#"{"key":"name","pattern":"(","normalize":true,"unicode":""}"#).is_err()
        );
        assert_eq!(People::default().text(), r#"key = "name", pattern = "", normalize = true"#);
    }
}
