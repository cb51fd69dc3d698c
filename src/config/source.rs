//! Who says what a setting is: one value from one source.

use std::fmt;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nobody said anything: the default in the table of settings.
    Default,
    /// The settings file: its path and line, `rollbook.toml:3`.
    File(String),
    /// A profile of the settings file: its name, and path and line.
    Profile(String, String),
    /// An environment variable by its name: `ROLLBOOK_API_PER_PAGE`.
    Environment(String),
    /// A flag by its name: `--dest`.
    Flag(&'static str),
    /// What a command does by itself, such as `demo` with a dataset of its own.
    Command(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str("default"),
            Self::File(place) => write!(out, "file {place}"),
            Self::Profile(name, place) => write!(out, "profile {name}, file {place}"),
            Self::Environment(name) => write!(out, "environment {name}"),
            Self::Flag(name) => write!(out, "flag {name}"),
            Self::Command(name) => write!(out, "command {name}"),
        }
    }
}

/// A value for a setting, from one source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The setting, as in [`Key::name`](super::keys::Key).
    pub name: &'static str,
    /// The value as it was written, without quotes that belong to its file.
    pub value: String,
    /// Who gave it.
    pub source: Source,
}
