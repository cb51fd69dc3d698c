//! Patterns by which participants are excluded.

use regex::{RegexSet, RegexSetBuilder};

use crate::rows::person::reason;

/// Participants who are kept and flagged, and count for nothing: `privacy.exclude_participants`.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    /// As they were written.
    pub(super) texts: Vec<String>,
    set: Option<RegexSet>,
}

impl Patterns {
    /// Reads some.
    ///
    /// # Errors
    /// What is allowed, to be read after "must be".
    pub fn parse(texts: Vec<String>) -> Result<Self, String> {
        const ALLOWED: &str = "a list of regular expressions such as `[\"^Recorder$\"]`";
        // A file names them, too, and somebody may have written that file.
        const LENGTH: usize = 10_000;
        const COMPILED: usize = 1 << 20;
        if texts.is_empty() {
            return Ok(Self::default());
        }
        if texts.iter().any(String::is_empty) {
            return Err(format!("{ALLOWED} (one of them is empty, and would exclude everybody)"));
        }
        if texts.iter().any(|text| text.contains(char::is_control)) {
            return Err(format!(
                "{ALLOWED} (one of them has a control character, which can be written as `\\t` or `\\x07`)"
            ));
        }
        if texts.iter().map(String::len).sum::<usize>() > LENGTH {
            return Err(format!("{ALLOWED} (they have more than {LENGTH} bytes together)"));
        }
        let set = RegexSetBuilder::new(&texts).size_limit(COMPILED).build();
        let set = set.map_err(|error| format!("{ALLOWED} ({})", reason(&error)))?;
        Ok(Self { texts, set: Some(set) })
    }

    /// Whether one of them is found in an id or a name.
    pub(super) fn match_any(&self, id: Option<&str>, name: Option<&str>) -> bool {
        self.set.as_ref().is_some_and(|set| [id, name].into_iter().flatten().any(|text| set.is_match(text)))
    }
}

impl PartialEq for Patterns {
    fn eq(&self, other: &Self) -> bool {
        self.texts == other.texts
    }
}
