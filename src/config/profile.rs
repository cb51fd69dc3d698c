//! Several accounts in one settings file: `[profile.acme]` with settings of its own below it, and the names of the variables that
//! hold its credentials. The credentials themselves never pass here.

use std::fmt;

/// The variables that the credentials of the API are in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables {
    /// Holds a ready token.
    pub token: Option<String>,
    /// Holds the path of a file with a ready token.
    pub token_file: Option<String>,
    /// Holds the account's key.
    pub api_key: Option<String>,
    /// Hold the secret of that key; each is another name for the first.
    pub secret_keys: Vec<String>,
}

impl Default for Variables {
    /// The usual ones.
    fn default() -> Self {
        let name = |name: &str| Some(name.to_owned());
        Self {
            token: name("VIDEOSDK_TOKEN"),
            token_file: name("VIDEOSDK_TOKEN_FILE"),
            api_key: name("VIDEOSDK_API_KEY"),
            secret_keys: vec!["VIDEOSDK_SECRET_KEY".to_owned(), "VIDEOSDK_SECRET".to_owned()],
        }
    }
}

impl Variables {
    /// The names of those that hold a secret themselves.
    pub fn secret(&self) -> impl Iterator<Item = &str> {
        self.token.iter().chain(&self.secret_keys).map(String::as_str)
    }
}

impl fmt::Display for Variables {
    /// What one can set, as an enumeration: `A, B, or C with D`.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key =
            self.api_key.as_ref().zip(self.secret_keys.first()).map(|(key, secret)| format!("{key} with {secret}"));
        let ways: Vec<_> = [self.token.clone(), self.token_file.clone(), key].into_iter().flatten().collect();
        match ways.split_last() {
            Some((last, [])) => out.write_str(last),
            Some((last, first)) => write!(out, "{}, or {last}", first.join(", ")),
            None => Ok(()),
        }
    }
}

/// The keys of a profile that name variables.
pub(super) const NAMING: [&str; 4] = ["token_env", "token_file_env", API_KEY, SECRET_KEY];
/// The key for the variable with the account's key; it goes with the one for its secret.
pub(super) const API_KEY: &str = "api_key_env";
/// The key for the variable with the secret of that key.
pub(super) const SECRET_KEY: &str = "secret_key_env";

/// Whether a text can be the name of a variable. A token or a key in its place must not be shown.
pub(super) fn is_variable(name: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.len() <= 128
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.chars().all(is_of_name)
}
