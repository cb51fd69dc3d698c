//! By what rows are made: the rules of a schema version, the key of a person, and what of all that may be written down.

use crate::rows::person::People;
use crate::rows::privacy::Privacy;
use crate::rows::tables::SCHEMA_VERSION;

/// What to do where rows can't be brought under another rule.
pub const OTHERWISE: &str = "use the settings that the dataset was written with, or begin a new dataset with --dest, which reads everything from the API";

/// How the numbers in a file were made, as its metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The schema version, whose rules say what of an interval counts.
    pub schema_version: u32,
    /// Who is one human. Files of version 1 name nobody.
    pub people: People,
    /// What may be written down, and who counts.
    pub privacy: Privacy,
}

impl Default for Method {
    fn default() -> Self {
        Self::current(People::default(), Privacy::default())
    }
}

impl Method {
    /// The rules of this schema version with those of the settings.
    pub const fn current(people: People, privacy: Privacy) -> Self {
        Self { schema_version: SCHEMA_VERSION, people, privacy }
    }
    /// Why rows of another method can't be made rows of this one; `None` where they can.
    pub fn refusal(&self, other: &Self) -> Option<String> {
        let refusal = self.privacy.refusal(&other.privacy);
        refusal.or_else(|| {
            let is_lost = other.privacy.columns().protect_people() && !other.people.is_set_as(&self.people);
            is_lost.then(|| {
                let theirs = other.people.text();
                format!("the dataset has tokens for persons, which can't be made by other `[people]` than its own ({theirs})")
            })
        })
    }
    /// What staged rows depend on, as text: nothing of this where all is as listed.
    pub fn staged(&self) -> String {
        let columns = self.privacy.columns();
        let privacy = columns.protect_any().then_some(&self.privacy);
        let people = columns.protect_people().then_some(&self.people);
        serde_json::to_string(&(privacy, people)).unwrap_or_default()
    }
}
