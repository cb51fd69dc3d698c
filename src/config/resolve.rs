//! Lays the sources over each other, and keeps for every value where it came from.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};
use crate::store::files::named::{self, Origin, Refusal};
use crate::words::text::is_quoted;

use super::environment::PROFILE;
use super::file::{self, File, Profile, Written};
use super::keys::{self, KEYS, Key};
use super::profile::Variables;
use super::source::{Override, Source};
use super::{Config, Environment};

/// A setting in force, as `rollbook config` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// Its row of the table of settings.
    pub key: &'static Key,
    /// Its value as it was written.
    pub value: String,
    /// Where that value was given, the last source that had one.
    pub source: Source,
}

/// The settings in force, typed and as they were written.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The settings with their types, for the run.
    pub config: Config,
    /// For a person: one for each of [`KEYS`], in that order.
    pub settings: Vec<Setting>,
    /// The settings file that was read.
    pub file: Option<PathBuf>,
    /// The profile that was chosen.
    pub profile: Option<String>,
    /// The variables that the credentials of the API are in.
    pub variables: Variables,
}

/// Resolves the settings: defaults < file < profile < environment < flags.
///
/// `file` is the one named by `--config`, `profile` the one named by `--profile`, `flags` what was typed. Reads the settings file, and nothing else.
///
/// # Errors
/// [`Kind::Config`] with the key, what is allowed, the source and the value.
pub fn resolve(
    file: Option<&Path>,
    profile: Option<&str>,
    environment: &Environment,
    flags: Vec<Override>,
) -> Result<Resolved> {
    resolve_with(file, profile, environment, flags, &named::settings)
}

/// [`resolve`] with a file system of the caller's.
pub(super) fn resolve_with(
    file: Option<&Path>,
    profile: Option<&str>,
    environment: &Environment,
    flags: Vec<Override>,
    read: &dyn Fn(&Path, Origin) -> Result<String, Refusal>,
) -> Result<Resolved> {
    let file = file::find(file, environment, read)?;
    let (mut values, mut profiles) = (Values::defaults(), Vec::new());
    if let Some(file) = &file {
        let Written { settings, profiles: found } = file.written()?;
        values.lay(settings);
        profiles = found;
    }
    let profile = profile.or(environment.get(PROFILE)).map(|name| chosen(name, profiles, file.as_ref())).transpose()?;
    let (profile, variables) = match profile {
        Some(Profile { name, settings, variables }) => {
            values.lay(settings);
            (Some(name), variables.unwrap_or_default())
        }
        None => (None, Variables::default()),
    };
    values.lay(environment.settings()?);
    values.lay(flags);
    let config = Config::read(&values)?;
    Ok(Resolved { config, settings: values.0, file: file.map(|file| file.path), profile, variables })
}

/// The profile of this name.
fn chosen(name: &str, profiles: Vec<Profile>, file: Option<&File>) -> Result<Profile> {
    let known: Vec<_> = profiles.iter().map(|profile| profile.name.clone()).collect();
    if let Some(profile) = profiles.into_iter().find(|profile| profile.name == name) {
        return Ok(profile);
    }
    let error = Error::new(Kind::Config, format!("no such profile in the settings: {name}"));
    Err(match (file, known.as_slice()) {
        (None, _) => {
            error.hint("there is no settings file: name it with --config, or leave out --profile and ROLLBOOK_PROFILE")
        }
        (Some(file), []) => {
            error.hint(format!("{} has none; a profile begins with [profile.NAME]", file.path.display()))
        }
        (Some(file), known) => error.hint(format!("the profiles in {} are {}", file.path.display(), known.join(", "))),
    })
}

impl Resolved {
    /// Logs which settings file is in force, and who has options of the object store.
    pub fn tell(&self) {
        if let Some(file) = &self.file {
            let whole = std::path::absolute(file).unwrap_or_else(|_| file.clone());
            tracing::info!("the settings file in force: {}", whole.display());
        }
        if let Some(profile) = &self.profile {
            tracing::info!("the profile in force: {profile}; credentials come from {}", self.variables);
        }
        if let Some(source) = self.said("store.options").filter(|_| !self.config.store.options.is_empty()) {
            tracing::info!("the object store is used with options, {source} says so");
        }
    }

    /// Who has the API asked at another address than the usual one, if somebody has.
    pub fn addressed_by(&self) -> Option<&Source> {
        let usual = keys::find("api.base_url").map_or("", |key| key.default);
        self.said("api.base_url").filter(|_| self.config.api.base_url.as_str().trim_end_matches('/') != usual)
    }

    /// Whether somebody has said where the dataset is.
    #[must_use]
    pub fn names_dataset(&self) -> bool {
        self.said("dataset.url").is_some()
    }

    fn said(&self, name: &str) -> Option<&Source> {
        let setting = self.settings.iter().find(|setting| setting.key.name == name);
        setting.map(|setting| &setting.source).filter(|source| **source != Source::Default)
    }
}
/// Whether a text has what parts a name, a password or a signature from the rest of a URL.
fn may_hold_a_secret(text: &str) -> bool {
    text.contains(['@', '?', '#', '&', ';', '%']) || text.contains("sig=")
}

/// The settings while the layers are put together.
pub(super) struct Values(Vec<Setting>);

impl Values {
    fn defaults() -> Self {
        let default = |key: &'static Key| Setting { key, value: key.default.to_owned(), source: Source::Default };
        Self(KEYS.iter().map(default).collect())
    }

    fn lay(&mut self, layer: Vec<Override>) {
        for Override { name, value, source } in layer {
            if let Some(setting) = self.0.iter_mut().find(|setting| setting.key.name == name) {
                (setting.value, setting.source) = (value, source);
            }
        }
    }

    /// The value of a setting in its type; `parse` refuses by saying what is allowed.
    pub(super) fn read<T>(&self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Result<T> {
        let Some(Setting { key, value, source }) = self.0.iter().find(|setting| setting.key.name == name) else {
            return Err(Error::new(Kind::Unexpected, format!("no such setting in the table: {name}")));
        };
        // A URL with a password or a token in it is refused, and must not be repeated.
        let shown = match value.as_str() {
            "" => "\"\" (is a variable unset?)",
            value if may_hold_a_secret(value) => "(not shown, it may hold a secret)",
            value => value,
        };
        if is_quoted(value) {
            return Err(Error::new(Kind::Config, format!("`{name}` is in quotes, {source} says: {shown}"))
                .hint("write it without them: an --env-file, for one, keeps them"));
        }
        parse(value).map_err(|allowed| {
            Error::new(Kind::Config, format!("`{name}` must be {allowed}, {source} says: {shown}")).hint(
                match key.default {
                    "" => "correct it, or leave it out".to_owned(),
                    default => format!("correct it, or leave it out for the default: {default}"),
                },
            )
        })
    }
}
