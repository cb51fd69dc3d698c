//! The settings file: which one is read, and what is in it.
//!
//! Only names and lines get into an error, never a line's text: somebody may have put a secret there by mistake.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use crate::error::{Error, Kind, Result};
use crate::store::files::named::{Origin, Refusal};

use super::environment::Environment;
use super::keys::{self, Form, KEYS, Key};
use super::profile::{API_KEY, NAMING, SECRET_KEY, Variables, is_variable};
use super::source::{Override, Source};
use super::value;

/// The section that holds the profiles.
const PROFILE: &str = "profile";

/// A name in the file, with its place.
type Name<'a> = Spanned<DeString<'a>>;

/// What a settings file says.
#[derive(Default)]
pub(super) struct Written {
    pub settings: Vec<Override>,
    pub profiles: Vec<Profile>,
}

/// What holds for one account.
pub(super) struct Profile {
    pub name: String,
    pub settings: Vec<Override>,
    /// The variables of its credentials; `None` for the usual ones.
    pub variables: Option<Variables>,
}

/// A settings file that was found.
pub(super) struct File {
    pub path: PathBuf,
    text: String,
}

/// Finds the file: the one named by flag or environment, which must be there, else the first of the usual places.
pub(super) fn find(
    flag: Option<&Path>,
    environment: &Environment,
    read: &dyn Fn(&Path, Origin) -> Result<String, Refusal>,
) -> Result<Option<File>> {
    let named = flag.or(environment.get("ROLLBOOK_CONFIG").map(Path::new));
    let (places, origin) = match named {
        Some(path) => (vec![path.to_owned()], Origin::Given),
        None => (usual_places(environment), Origin::Found),
    };
    for path in places {
        match read(&path, origin) {
            Ok(text) => return Ok(Some(File { path, text })),
            Err(Refusal::Unreadable(error)) if error.kind() == ErrorKind::NotFound && origin == Origin::Found => {}
            Err(Refusal::Distrusted { why, next }) => {
                let what = format!("the settings file is not taken, since {why}: {}", path.display());
                return Err(Error::new(Kind::Config, what).hint(next));
            }
            Err(Refusal::Unreadable(error)) => {
                let what = format!("cannot read the settings file: {}", path.display());
                let hint = "give the path of a TOML file that this user may read";
                return Err(Error::new(Kind::Config, what).because(error).hint(hint));
            }
        }
    }
    Ok(None)
}

fn usual_places(environment: &Environment) -> Vec<PathBuf> {
    let home = || environment.get("HOME").map(|home| Path::new(home).join(".config"));
    let user = environment.get("XDG_CONFIG_HOME").map(PathBuf::from).or_else(home);
    [Some(PathBuf::from("./rollbook.toml")), user.map(|folder| folder.join("rollbook/rollbook.toml"))]
        .into_iter()
        .flatten()
        .collect()
}

impl File {
    /// The settings in it, each with its line, and its profiles.
    pub(super) fn written(&self) -> Result<Written> {
        let document = DeTable::parse(&self.text).map_err(|error| {
            let place = self.at(error.span().map_or(0, |span| span.start));
            Error::new(Kind::Config, format!("the settings file is not TOML: {place}"))
                .because(error.message())
                .hint("under its [section], a setting is written as key = value, with text in quotes")
        })?;
        let mut written = Written::default();
        for (section, table) in document.get_ref() {
            if section.get_ref() == PROFILE {
                let DeValue::Table(profiles) = table.get_ref() else { return Err(self.no_table(section)) };
                for (name, body) in profiles {
                    written.profiles.push(self.profile(name, body)?);
                }
            } else {
                written.settings.extend(self.section(section, table)?);
            }
        }
        Ok(written)
    }

    fn section(&self, section: &Name<'_>, table: &Spanned<DeValue<'_>>) -> Result<Vec<Override>> {
        if !keys::sections().contains(&section.get_ref().as_ref()) {
            return Err(self.unknown_section(section));
        }
        let DeValue::Table(table) = table.get_ref() else { return Err(self.no_table(section)) };
        let setting = |(field, value): (&Name<'_>, &Spanned<DeValue<'_>>)| {
            let name = format!("{}.{}", section.get_ref(), field.get_ref());
            let key = keys::find(&name).ok_or_else(|| self.unknown_key(&name, field.span().start))?;
            self.setting(key, value)
        };
        table.iter().map(setting).collect()
    }

    fn profile(&self, name: &Name<'_>, body: &Spanned<DeValue<'_>>) -> Result<Profile> {
        let DeValue::Table(table) = body.get_ref() else {
            let what = format!("`{PROFILE}.{}` is a profile, not a setting", name.get_ref());
            let hint = "write the name of each profile in brackets, such as [profile.acme.dataset]";
            return Err(self.error(&what, name.span().start).hint(hint));
        };
        let mut profile = Profile { name: name.get_ref().to_string(), settings: Vec::new(), variables: None };
        let mut named: BTreeMap<String, String> = BTreeMap::new();
        for (field, value) in table {
            let key = field.get_ref().as_ref();
            if NAMING.contains(&key) {
                named.insert(key.to_owned(), self.variable(&profile.name, key, value)?);
            } else if matches!(value.get_ref(), DeValue::Table(_)) {
                profile.settings.extend(self.section(field, value)?);
            } else {
                return Err(self.unknown_in_profile(&profile.name, field));
            }
        }
        for of_profile in &mut profile.settings {
            if let Source::File(place) = &of_profile.source {
                of_profile.source = Source::Profile(profile.name.clone(), place.clone());
            }
        }
        profile.variables = variables(named).map_err(|missing| {
            let what = format!("the profile `{}` names one half of a key, and not `{missing}`", profile.name);
            self.error(&what, name.span().start).hint("name both: `api_key_env` and `secret_key_env`")
        })?;
        Ok(profile)
    }

    /// The name of a variable that holds credentials. A text that is no name may be a secret, and is not shown.
    fn variable(&self, profile: &str, key: &str, value: &Spanned<DeValue<'_>>) -> Result<String> {
        match value.get_ref() {
            DeValue::String(name) if is_variable(name) => Ok(name.to_string()),
            _ => {
                let what = format!("`{PROFILE}.{profile}.{key}` is not the name of a variable");
                Err(self.error(&what, value.span().start).hint(format!(
                    "write the name of the environment variable that holds the secret, such as {key} = \"ACME_TOKEN\", and never the secret itself"
                )))
            }
        }
    }

    fn unknown_in_profile(&self, profile: &str, field: &Name<'_>) -> Error {
        let key = field.get_ref().as_ref();
        let error = self.error(&format!("unknown setting `{PROFILE}.{profile}.{key}`"), field.span().start);
        match (KEYS.iter().find(|known| known.field() == key), keys::nearest(key, NAMING)) {
            (Some(known), _) => error.hint(format!("`{key}` belongs under [{PROFILE}.{profile}.{}]", known.section())),
            (_, Some(near)) => error.hint(format!("did you mean `{near}`?")),
            _ => error.hint(format!("a profile has sections, and {}", NAMING.join(", "))),
        }
    }

    fn setting(&self, key: &'static Key, value: &Spanned<DeValue<'_>>) -> Result<Override> {
        let form = match key.form {
            Form::Text => "text in quotes",
            Form::Number => "a number without quotes",
            Form::Flag => "`true` or `false` without quotes",
            Form::List => "texts in quotes between brackets, such as [\"a\", \"b\"]",
        };
        let text = match (key.form, value.get_ref()) {
            (Form::Text, DeValue::String(text)) => Some(text.to_string()),
            (Form::Number, DeValue::Integer(number)) => {
                i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
            }
            (Form::Number, DeValue::Float(number)) => Some(number.as_str().to_owned()),
            (Form::Flag, DeValue::Boolean(flag)) => Some(flag.to_string()),
            (Form::List, DeValue::Array(items)) => texts(items).map(|texts| value::list_text(&texts)),
            _ => None,
        };
        let place = self.at(value.span().start);
        let value = text.ok_or_else(|| {
            Error::new(Kind::Config, format!("the value of `{}` has a wrong form: file {place}", key.name))
                .hint(format!("write {form}"))
        })?;
        Ok(Override { name: key.name, value, source: Source::File(place) })
    }

    fn unknown_section(&self, section: &Spanned<impl AsRef<str>>) -> Error {
        let name = section.get_ref().as_ref();
        let error = self.error(&format!("unknown section `{name}`"), section.span().start);
        let moved = KEYS.iter().find(|key| key.field() == name);
        match (keys::nearest(name, keys::sections()), moved) {
            (Some(near), _) => error.hint(format!("did you mean [{near}]?")),
            (_, Some(key)) => error.hint(format!("`{name}` belongs under [{}]", key.section())),
            _ => error.hint(format!("the sections are {}", keys::sections().join(", "))),
        }
    }

    fn no_table(&self, section: &Spanned<impl AsRef<str>>) -> Error {
        let name = section.get_ref().as_ref();
        self.error(&format!("`{name}` is a section, not a setting"), section.span().start)
            .hint(format!("write it as [{name}]"))
    }

    fn unknown_key(&self, name: &str, position: usize) -> Error {
        let error = self.error(&format!("unknown setting `{name}`"), position);
        let section = name.split('.').next().unwrap_or_default();
        let fields: Vec<_> = KEYS.iter().filter(|key| key.section() == section).map(Key::field).collect();
        if ["token", "secret", "password", "api_key"].iter().any(|word| name.contains(word)) {
            return error.hint("credentials come from the environment only: VIDEOSDK_TOKEN");
        }
        match keys::nearest(name, KEYS.iter().map(|key| key.name)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint(format!("the settings of [{section}] are {}", fields.join(", "))),
        }
    }

    fn error(&self, what: &str, position: usize) -> Error {
        Error::new(Kind::Config, format!("{what}: file {}", self.at(position)))
    }

    /// `rollbook.toml:3`, for a byte position in the text.
    fn at(&self, position: usize) -> String {
        let line = self.text.bytes().take(position).filter(|byte| *byte == b'\n').count() + 1;
        format!("{}:{line}", self.path.display())
    }
}

/// The variables that a profile names, in place of all the usual ones; which name is missing, where half a key is named.
fn variables(mut named: BTreeMap<String, String>) -> Result<Option<Variables>, &'static str> {
    let [token, token_file, api_key, secret_key] = NAMING.map(|key| named.remove(key));
    match (&token, &token_file, &api_key, &secret_key) {
        (None, None, None, None) => Ok(None),
        (_, _, Some(_), None) => Err(SECRET_KEY),
        (_, _, None, Some(_)) => Err(API_KEY),
        _ => Ok(Some(Variables { token, token_file, api_key, secret_keys: secret_key.into_iter().collect() })),
    }
}

/// The texts of a list; `None` where one of its items is something else.
fn texts<'a>(items: &'a [Spanned<DeValue<'_>>]) -> Option<Vec<&'a str>> {
    items.iter().map(|item| if let DeValue::String(text) = item.get_ref() { Some(&**text) } else { None }).collect()
}
