//! The part of the environment that rollbook has to do with, read once, by `main`.
//!
//! It holds credentials too, so it can't be printed.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

use url::Url;

use crate::error::{Error, Kind, Result};
use crate::store::place::Service;

use super::keys::{self, KEYS, Key};
use super::profile::Variables;
use super::source::{Override, Source};

/// Names outside `ROLLBOOK_` and `VIDEOSDK_` that are read.
const OTHERS: [&str; 3] = ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"];

/// The variable with the key of the tokens of `[privacy]`, which is a secret.
pub(super) const PSEUDONYM_KEY: &str = "ROLLBOOK_PSEUDONYM_KEY";

/// Names of how a terminal is: never worth an error.
const OF_TERMINAL: [&str; 2] = ["NO_COLOR", "TERM"];

/// The proxies between this machine and others, in the order in which they are looked for.
const PROXIES: [&str; 6] = ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The URL of a monitor that is told of runs. Whoever knows the URL can report for them, so it is a secret.
pub const HEALTHCHECK: &str = "ROLLBOOK_HEALTHCHECK_URL";

/// Names of variables that are read and are no settings.
const NO_SETTINGS: [&str; 5] = ["ROLLBOOK_CONFIG", "ROLLBOOK_LOG", PSEUDONYM_KEY, PROFILE, HEALTHCHECK];

/// Chooses a profile of the settings file.
pub(super) const PROFILE: &str = "ROLLBOOK_PROFILE";

/// The variables that rollbook reads. One that is empty counts as not set.
#[derive(Clone, Default)]
pub struct Environment {
    known: BTreeMap<String, String>,
    /// Where programs are looked for: `PATH`, which need not be Unicode.
    path: Option<OsString>,
    /// All other variables, of which a profile may name some.
    others: BTreeMap<String, OsString>,
    /// Names of variables for other hosts whose values are not Unicode: an error once one of them is needed.
    unreadable: Vec<String>,
}

impl Environment {
    /// Keeps the variables that concern rollbook.
    ///
    /// # Errors
    /// [`Kind::Config`] if one of them isn't Unicode.
    pub fn new(variables: impl IntoIterator<Item = (OsString, OsString)>) -> Result<Self> {
        let mut read = Self::default();
        for (name, value) in variables {
            let Some(name) = name.to_str() else { continue };
            if name == "PATH" {
                read.path = Some(value);
                continue;
            }
            let is_for_others = Service::reads(name) || PROXIES.contains(&name);
            let value = match value.into_string() {
                Ok(value) => value,
                Err(value) if OF_TERMINAL.contains(&name) => value.to_string_lossy().into_owned(),
                Err(_) if is_for_others => {
                    read.unreadable.push(name.to_owned());
                    continue;
                }
                Err(_) if concerns(name) => return Err(not_unicode(name)),
                Err(value) => {
                    read.others.insert(name.to_owned(), value);
                    continue;
                }
            };
            if is_for_others || OF_TERMINAL.contains(&name) || concerns(name) {
                if !value.is_empty() {
                    read.known.insert(name.to_owned(), value);
                }
            } else {
                read.others.insert(name.to_owned(), value.into());
            }
        }
        Ok(read)
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.known.get(name).map(String::as_str)
    }

    /// The value of any variable, as settings may name it.
    ///
    /// # Errors
    /// [`Kind::Config`] where it isn't Unicode.
    pub fn named(&self, name: &str) -> Result<Option<&str>> {
        match (self.get(name), self.others.get(name)) {
            (None, Some(value)) => value.to_str().map(Some).ok_or_else(|| not_unicode(name)),
            (value, _) => Ok(value),
        }
    }

    /// Where programs are looked for: `PATH`.
    #[must_use]
    pub fn path(&self) -> Option<&OsStr> {
        self.path.as_deref()
    }

    /// The values of all variables that hold a secret. Nothing of them may be shown.
    #[must_use]
    pub fn secrets(&self, credentials: &Variables) -> Vec<String> {
        let usual = Variables::default();
        let is_secret = |name: &str| name == HEALTHCHECK || Service::reads(name) || usual.secret().any(|it| it == name);
        let of_profile = credentials.secret().filter_map(|name| self.others.get(name)?.to_str());
        let secrets = self.known.iter().filter(|(name, _)| is_secret(name)).map(|(_, value)| value.as_str());
        let secrets = secrets.chain(of_profile).map(|secret| secret.trim().to_owned());
        secrets.filter(|secret| !secret.is_empty()).collect()
    }

    /// The usual variables of object stores, with their values. They may be secrets.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that isn't Unicode.
    pub fn of_stores(&self) -> Result<Vec<(&str, &str)>> {
        if let Some(name) = self.unreadable.iter().find(|name| Service::reads(name)) {
            return Err(not_unicode(name));
        }
        let of_store = self.known.iter().filter(|(name, _)| Service::reads(name));
        Ok(of_store.map(|(name, value)| (name.as_str(), value.as_str())).collect())
    }

    /// Refuses a proxy that can't be one: the HTTP library would go without it, and without a word.
    ///
    /// # Errors
    /// [`Kind::Config`] with the variable's name. Its value may hold a password and is not shown.
    pub fn refuse_impossible_proxies(&self) -> Result<()> {
        if let Some(name) = self.unreadable.iter().find(|name| PROXIES.contains(&name.as_str())) {
            return Err(not_unicode(name));
        }
        if let Some(name) = PROXIES.iter().find(|name| self.get(name).is_some()) {
            tracing::info!("other hosts are reached through a proxy, since this is set: {name}");
        }
        match PROXIES.iter().find(|name| self.get(name).is_some_and(|value| !is_proxy(value))) {
            None => Ok(()),
            Some(name) => Err(Error::new(Kind::Config, format!("no proxy can be at what is set: {name}"))
                .hint("set it to a URL such as http://proxy.example:3128, or unset it; SOCKS is not supported")),
        }
    }

    /// The settings among the variables.
    ///
    /// # Errors
    /// [`Kind::Config`] for one that looks like a setting and is none, so that a typo is never silent.
    pub(super) fn settings(&self) -> Result<Vec<Override>> {
        if let Some(name) = self.known.keys().find(|name| is_typo(name)) {
            let error = Error::new(Kind::Config, format!("unknown setting in the environment: {name}"));
            return Err(match keys::nearest(name, known()) {
                Some(known) => error.hint(format!("did you mean {known}?")),
                None => error.hint("run `rollbook config` without it: a variable is ROLLBOOK_<SECTION>_<KEY>"),
            });
        }
        let set = |key: &'static Key| {
            let (name, value) = self.known.get_key_value(&key.variable())?;
            Some(Override { name: key.name, value: value.clone(), source: Source::Environment(name.clone()) })
        };
        Ok(KEYS.iter().filter_map(set).collect())
    }
}

fn not_unicode(name: &str) -> Error {
    Error::new(Kind::Config, format!("the environment variable is not Unicode: {name}"))
        .hint("set it anew, or unset it")
}

/// Whether a value can be a proxy: `http://host:port` or `host:port`.
fn is_proxy(value: &str) -> bool {
    let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
    let is_plain = value.bytes().all(|byte| byte.is_ascii_graphic());
    is_plain && Url::parse(&whole).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

fn concerns(name: &str) -> bool {
    name.starts_with("ROLLBOOK_") || name.starts_with("VIDEOSDK_") || OTHERS.contains(&name)
}

/// Every `ROLLBOOK_` name that means something.
fn known() -> impl Iterator<Item = String> {
    KEYS.iter().map(Key::variable).chain(NO_SETTINGS.map(str::to_owned))
}

/// Whether a name is meant as a setting but is none: one of a known section, or a letter or two off a known name.
fn is_typo(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("ROLLBOOK_") else { return false };
    let of_section = |section: &str| rest.strip_prefix(&section.to_uppercase()).is_some_and(|key| key.starts_with('_'));
    let close = || keys::sections().into_iter().any(of_section) || keys::nearest(name, known()).is_some();
    known().all(|known| known != name) && close()
}
