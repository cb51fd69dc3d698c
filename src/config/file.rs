//! The settings file: which one is read, and what is in it.
//!
//! Only names and lines get into an error, never a line's text: somebody may have put a secret there by mistake.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Kind, Result};
use crate::store::files::named::{Origin, Refusal};

use super::environment::Environment;
use super::keys::{self, Form, KEYS, Key};
use super::source::{Override, Source};
use super::value;

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
    /// The settings in it, each with its line.
    pub(super) fn settings(&self) -> Result<Vec<Override>> {
        let document = DeTable::parse(&self.text).map_err(|error| {
            let place = self.at(error.span().map_or(0, |span| span.start));
            Error::new(Kind::Config, format!("the settings file is not TOML: {place}"))
                .because(error.message())
                .hint("under its [section], a setting is written as key = value, with text in quotes")
        })?;
        let mut settings = Vec::new();
        for (section, table) in document.get_ref() {
            if !keys::sections().contains(&section.get_ref().as_ref()) {
                return Err(self.unknown_section(section));
            }
            let DeValue::Table(table) = table.get_ref() else { return Err(self.no_table(section)) };
            for (field, value) in table {
                let name = format!("{}.{}", section.get_ref(), field.get_ref());
                let key = keys::find(&name).ok_or_else(|| self.unknown_key(&name, field.span().start))?;
                settings.push(self.setting(key, value)?);
            }
        }
        Ok(settings)
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

/// The texts of a list; `None` where one of its items is something else.
fn texts<'a>(items: &'a [Spanned<DeValue<'_>>]) -> Option<Vec<&'a str>> {
    items.iter().map(|item| if let DeValue::String(text) = item.get_ref() { Some(&**text) } else { None }).collect()
}
