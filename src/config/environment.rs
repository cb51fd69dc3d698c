//! The part of the environment that rollbook has to do with, read once, by `main`.
//!
//! It holds credentials too, so it can't be printed.

use std::collections::BTreeMap;
use std::ffi::OsString;

use crate::error::{Error, Kind, Result};

use super::keys::{self, KEYS, Key};
use super::resolve::{Override, Source};

/// Names outside `ROLLBOOK_` and `VIDEOSDK_` that are read.
const OTHERS: [&str; 5] = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "NO_COLOR", "TERM"];

/// The variables that rollbook reads. One that is empty counts as not set.
#[derive(Default)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// Keeps the variables that concern rollbook.
    ///
    /// # Errors
    /// [`Kind::Config`] if one of them isn't Unicode.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut kept = BTreeMap::new();
        for (name, value) in variables {
            let Some(name) = name.to_str().filter(|name| concerns(name)) else { continue };
            let Ok(value) = value.into_string() else {
                let error = Error::new(Kind::Config, format!("the environment variable is not Unicode: {name}"));
                return Err(error.hint("set it anew, or unset it"));
            };
            if !value.is_empty() {
                kept.insert(name.to_owned(), value);
            }
        }
        Ok(Self(kept))
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The usual variables of object stores, as their options.
    pub fn store_options(&self) -> impl Iterator<Item = (String, String)> {
        let of_store = self.0.iter().filter(|(name, _)| is_of_store(name));
        of_store.map(|(name, value)| (name.to_lowercase(), value.clone()))
    }

    /// The settings among the variables.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that looks like a setting and is none, so that a typo is never silent.
    pub(super) fn settings(&self) -> Result<Vec<Override>> {
        if let Some(name) = self.0.keys().find(|name| is_typo(name)) {
            let error = Error::new(Kind::Config, format!("unknown setting in the environment: {name}"));
            return Err(match keys::nearest(name, known()) {
                Some(known) => error.hint(format!("did you mean {known}?")),
                None => error.hint("run `rollbook config` without it: a variable is ROLLBOOK_<SECTION>_<KEY>"),
            });
        }
        let set = |key: &'static Key| {
            let (name, value) = self.0.get_key_value(&key.variable())?;
            Some(Override { name: key.name, value: value.clone(), source: Source::Environment(name.clone()) })
        };
        Ok(KEYS.iter().filter_map(set).collect())
    }
}

fn concerns(name: &str) -> bool {
    is_of_store(name) || name.starts_with("ROLLBOOK_") || name.starts_with("VIDEOSDK_") || OTHERS.contains(&name)
}

/// Whether an object store is configured or opened with it.
fn is_of_store(name: &str) -> bool {
    ["AWS_", "AZURE_", "AZURITE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix))
}

/// Every `ROLLBOOK_` name that means something.
fn known() -> impl Iterator<Item = String> {
    KEYS.iter().map(Key::variable).chain(["ROLLBOOK_CONFIG".to_owned(), "ROLLBOOK_LOG".to_owned()])
}

/// Whether a name is meant as a setting but is none: one of a known section, or a letter or two off a known name.
fn is_typo(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("ROLLBOOK_") else { return false };
    let of_section = |section: &str| rest.strip_prefix(&section.to_uppercase()).is_some_and(|key| key.starts_with('_'));
    let close = || keys::sections().into_iter().any(of_section) || keys::nearest(name, known()).is_some();
    known().all(|known| known != name) && close()
}
