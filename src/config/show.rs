//! The settings in force, for a person and for a script.

use std::fmt::Write;

use serde_json::{Map, Value, json};

use super::keys::Form;
use super::{Resolved, Setting};

impl Resolved {
    /// An aligned table of settings, values and sources.
    #[must_use]
    pub fn table(&self) -> String {
        let shown =
            |setting: &Setting| if setting.value.is_empty() { "\"\"".to_owned() } else { setting.value.clone() };
        let head = ["setting".to_owned(), "value".to_owned(), "source".to_owned()];
        let row = |setting: &Setting| [setting.key.name.to_owned(), shown(setting), setting.source.to_string()];
        let rows: Vec<_> = std::iter::once(head).chain(self.settings.iter().map(row)).collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let (first, second) = (width(0), width(1));
        rows.iter().fold(String::new(), |mut text, [name, value, source]| {
            let _ = writeln!(text, "{name:first$}  {value:second$}  {source}");
            text
        })
    }

    /// `{"file": .., "profile": .., "settings": {"api.per_page": {"value": 100, "source": "default"}}}`.
    #[must_use]
    pub fn json(&self) -> Value {
        let entry = |setting: &Setting| {
            let value = json!({"value": typed(setting), "source": setting.source.to_string()});
            (setting.key.name.to_owned(), value)
        };
        let settings: Map<String, Value> = self.settings.iter().map(entry).collect();
        let file = self.file.as_ref().map(|file| file.display().to_string());
        json!({"file": file, "profile": self.profile, "settings": settings})
    }
}

/// Numbers and flags as such; a number that JSON can't write stays text.
fn typed(setting: &Setting) -> Value {
    let text = || Value::from(setting.value.clone());
    match setting.key.form {
        Form::Text => text(),
        Form::Number | Form::Flag | Form::List => serde_json::from_str(&setting.value).unwrap_or_else(|_| text()),
    }
}
