//! Something that is not as it should be, with one step to take. It hides nothing else.

use serde::Serialize;

use crate::error::Error;

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// The file or the folder, as a person finds it, or relative to the dataset.
    pub path: String,
    /// What is wrong with it.
    pub what: String,
    /// One step to take.
    pub next: String,
}

impl Notice {
    /// A notice of these words.
    pub fn new(path: &str, what: impl Into<String>, next: &str) -> Self {
        Self { path: path.to_owned(), what: what.into(), next: next.to_owned() }
    }

    /// What an error says.
    pub fn of(path: &str, error: &Error) -> Self {
        let causes = error.causes().join(": ");
        let cause = if causes.is_empty() { causes } else { format!(" ({causes})") };
        Self {
            path: path.to_owned(),
            what: format!("{error}{cause}"),
            next: error.next_step().unwrap_or_else(|| "run `rollbook verify`".to_owned()),
        }
    }
}
