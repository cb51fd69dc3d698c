//! `[privacy]`: what may be written down, and where the key of the tokens is found.

use std::path::PathBuf;

use super::environment::{Environment, PSEUDONYM_KEY};
use super::resolve::Values;
use super::value::{choices, list, optional_folder};
use crate::error::{Error, Kind, Result};
use crate::rows::privacy::{self, Column, Columns, Key, Patterns};
use crate::store::files::named::{self, Refusal};

/// `[privacy]`: what of a session reaches the disk.
#[derive(Debug, Clone, PartialEq)]
pub struct Privacy {
    /// Columns that are kept as tokens, or not at all.
    pub columns: Columns,
    /// Participants who are kept and flagged, and count for nothing.
    pub excluded: Patterns,
    /// A file with the key of all tokens, if that is not in the environment.
    pub key_file: Option<PathBuf>,
}

impl Privacy {
    pub(super) fn read(values: &Values) -> Result<Self> {
        let tokens = |text: &str| choices(text, &Column::TOKENS);
        let dropped = |text: &str| choices(text, &Column::DROPS);
        let (tokens, dropped) = (values.read("privacy.pseudonymize", tokens)?, values.read("privacy.drop", dropped)?);
        let columns = Columns::new(tokens, dropped).map_err(|column| {
            Error::new(Kind::Config, format!("`{column}` is in `privacy.pseudonymize` and in `privacy.drop`"))
                .hint("leave it in one of the two: a token tells equal values, and nothing is left of what is dropped")
        })?;
        Ok(Self {
            columns,
            excluded: values.read("privacy.exclude_participants", |text| Patterns::parse(list(text)?))?,
            key_file: values.read("privacy.key_file", optional_folder)?,
        })
    }

    /// The rule of these settings, by which rows can be made if there is a key for it.
    pub fn rule(&self, key: Option<&Key>) -> privacy::Privacy {
        privacy::Privacy::new(self.columns.clone(), self.excluded.clone(), key)
    }

    /// The key of all tokens; `None` where nothing is to be protected.
    ///
    /// # Errors
    /// `Config` where there is none, or two, or one that can't be used. The key is never shown.
    pub fn key(&self, environment: &Environment) -> Result<Option<Key>> {
        if !self.columns.protect_any() {
            return Ok(None);
        }
        let make = "make one with `openssl rand -base64 32`, and keep it as safe as the data: there is no other way to the same tokens";
        let (source, text) = match (environment.get(PSEUDONYM_KEY), &self.key_file) {
            (Some(_), Some(_)) => {
                let what = format!("the key of `[privacy]` is given twice: {PSEUDONYM_KEY}, privacy.key_file");
                return Err(Error::new(Kind::Config, what).hint("leave one of them out"));
            }
            (None, None) => {
                let what =
                    format!("`[privacy]` protects columns, and no key is given: {PSEUDONYM_KEY}, or privacy.key_file");
                return Err(Error::new(Kind::Config, what).hint(make));
            }
            (Some(text), None) => (PSEUDONYM_KEY.to_owned(), text.to_owned()),
            (None, Some(path)) => {
                (path.display().to_string(), named::secret(path).map_err(|refusal| unread(path, refusal))?)
            }
        };
        let key = Key::parse(&text);
        key.map(Some).map_err(|allowed| {
            Error::new(Kind::Config, format!("the key of `[privacy]` must be {allowed}: {source}")).hint(make)
        })
    }
}

fn unread(path: &std::path::Path, refusal: Refusal) -> Error {
    let path = path.display();
    match refusal {
        Refusal::Distrusted { why, next } => {
            Error::new(Kind::Config, format!("the file with the key of `[privacy]` is not taken, since {why}: {path}"))
                .hint(next)
        }
        Refusal::Unreadable(error) => {
            Error::new(Kind::Config, format!("cannot read the file with the key of `[privacy]`: {path}"))
                .because(error)
                .hint("give the path of a file that this user may read")
        }
    }
}
