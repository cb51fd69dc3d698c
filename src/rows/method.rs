//! By what rows are counted: the rules of a schema version, and the key of a person.

use crate::rows::person::People;
use crate::rows::tables::SCHEMA_VERSION;

/// How the numbers in a file were made, as its metadata says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Method {
    /// The schema version, whose rules say what of an interval counts.
    pub schema_version: u32,
    /// Who is one human. Files of version 1 name nobody.
    pub people: People,
}

impl Default for Method {
    fn default() -> Self {
        Self::current(People::default())
    }
}

impl Method {
    /// The rules of this schema version with a key of a person.
    pub const fn current(people: People) -> Self {
        Self { schema_version: SCHEMA_VERSION, people }
    }
}
