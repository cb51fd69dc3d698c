//! What became of files that were to be taken as they are.

use std::fmt::Write as _;

use serde::Serialize;

/// What was accepted, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Accepted {
    /// Whether it was a dry run, which changes nothing.
    pub is_dry: bool,
    /// Paths of the files that the state names from now on as they are, relative to the dataset.
    pub files: Vec<String>,
    /// Files that were asked for and are not sound.
    pub refused: Vec<String>,
}

impl Accepted {
    /// What was accepted and what was not, for a person, a file a line; empty where no file was asked for.
    pub fn text(&self) -> String {
        let Self { is_dry, files, refused } = self;
        let mut text = String::new();
        for (what, paths) in [
            (if *is_dry { "would be accepted" } else { "accepted as it is" }, files),
            ("not sound, not accepted", refused),
        ] {
            for path in paths {
                let _ = writeln!(text, "{what}: {path}");
            }
        }
        if !files.is_empty() {
            text.push_str("the next export reads the whole list, in case sessions are missing there\n");
        }
        text
    }
}
