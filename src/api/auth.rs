//! Which credentials there are: a token, or a key with its secret. Found once, in the environment handed in.
//!
//! Nothing here can be printed: [`Secret`] and what holds one implement neither `Debug`, `Display` nor `Serialize`.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::config::Variables;
use crate::error::{Error, Kind, Result};
use crate::store::files::named::Refusal;
use crate::words::redact::redact;
use crate::words::text::is_quoted;

/// The next step for whoever has put quotes around a value.
const UNQUOTED: &str = "write it without quotes: `docker --env-file`, for one, keeps them";

/// The same for whoever counts on a shell where there is none.
const EXPANDED: &str = "only a shell fills in variables: an --env-file, systemd or cron hands them on as they are";

/// A text that is never shown.
pub struct Secret(String);

impl Secret {
    /// A secret of this text, which is taken as it is.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for signing, sending and redacting only.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

/// What the API is called with.
pub enum Credentials {
    /// A ready token, sent as it is.
    Token(Secret),
    /// An account's key and secret; short-lived tokens are made of them.
    Key {
        /// The account's public key, which each token names.
        api_key: String,
        /// What the tokens are signed with.
        secret: Secret,
    },
}

impl Credentials {
    /// Finds the one source of credentials in the environment: usually `VIDEOSDK_TOKEN`, the file named by
    /// `VIDEOSDK_TOKEN_FILE`, or `VIDEOSDK_API_KEY` with `VIDEOSDK_SECRET_KEY` (or `VIDEOSDK_SECRET`).
    /// Empty values count as unset, and surrounding white space is dropped. No source, two sources, half
    /// a source or a token that can't be sent are [`Kind::Config`].
    pub fn resolve(
        variables: &Variables,
        get: impl Fn(&str) -> Option<String>,
        read_file: impl Fn(&Path) -> Result<String, Refusal>,
    ) -> Result<Self> {
        let get = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let found = |name: &Option<String>| name.as_deref().and_then(|name| Some((name.to_owned(), get(name)?)));
        let Variables { token, token_file, api_key, secret_keys } = variables;
        match (found(token), found(token_file), found(api_key), secret_key(secret_keys, get)?) {
            (Some((name, token)), None, None, None) => checked_token(&token, &name),
            (None, Some((name, path)), None, None) => {
                let text =
                    read_file(Path::new(&path)).map_err(|refusal| unread(&redact(&path, &[]), &name, refusal))?;
                checked_token(text.trim_start_matches('\u{feff}').trim(), &name)
            }
            (None, None, Some((key_name, api_key)), Some((secret_name, secret))) => {
                refuse_what_no_key_has(&api_key, &key_name)?;
                refuse_what_no_key_has(&secret, &secret_name)?;
                Ok(Self::Key { api_key, secret: Secret(secret) })
            }
            (None, None, Some((name, _)), None) => Err(half(&name, secret_keys.first(), variables)),
            (None, None, None, Some((name, _))) => Err(half(&name, api_key.as_ref(), variables)),
            (None, None, None, None) => {
                Err(config("no credentials are set")
                    .hint(format!("set {variables}; one that is empty counts as not set")))
            }
            (token, file, key, secret) => Err(ambiguous([token, file, key, secret], variables)),
        }
    }

    /// The account these credentials belong to: the key itself, or the token's `apikey` claim where it can be read.
    /// Not verified; it serves to notice that a dataset belongs to another account.
    pub fn account(&self) -> Option<String> {
        match self {
            Self::Key { api_key, .. } => Some(api_key.clone()),
            Self::Token(token) => match claims(token.expose())?.remove("apikey")? {
                Value::String(key) if !key.is_empty() => Some(key),
                _ => None,
            },
        }
    }

    /// How long these credentials are good for, by the token's own word.
    pub fn validity(&self) -> Validity {
        let Self::Token(token) = self else { return Validity::Renewed };
        let expires = claims(token.expose()).and_then(|claims| claims.get("exp")?.as_i64());
        expires.map_or(Validity::Unstated, |expires| Validity::Until(expires.saturating_mul(1_000_000)))
    }
}

/// How long a run's credentials are good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Tokens are made of a key and renewed as needed.
    Renewed,
    /// A token up to this moment, in microseconds since 1970, UTC.
    Until(i64),
    /// A token that says nothing of its end.
    Unstated,
}

/// The claims of a JWT, unverified; `None` where there are none to read.
pub(super) fn claims(token: &str) -> Option<Map<String, Value>> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
    serde_json::from_slice(&json).ok()
}

/// The secret, and which of its names it has.
fn secret_key(names: &[String], get: impl Fn(&str) -> Option<String>) -> Result<Option<(String, String)>> {
    let mut found = names.iter().filter_map(|name| Some((name.clone(), get(name)?)));
    let first = found.next();
    match (&first, found.next()) {
        (Some((name, secret)), Some((other, another))) if *secret != another => {
            Err(config(format!("{name} and {other} differ"))
                .hint(format!("unset {other}; it is only another name for {name}")))
        }
        _ => Ok(first),
    }
}

fn checked_token(token: &str, name: &str) -> Result<Credentials> {
    let bare = format!("give the bare token in {name}, as the VideoSDK dashboard shows it");
    if token.is_empty() {
        return Err(config(format!("the token is empty: {name}")).hint(bare));
    }
    if token.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) {
        return Err(config(format!("the token starts with `Bearer `: {name}")).hint(bare));
    }
    if is_quoted(token) {
        return Err(config(format!("the token is in quotes: {name}")).hint(UNQUOTED));
    }
    if is_unexpanded(token) {
        return Err(config(format!("the token is a variable that nobody has filled in: {name}")).hint(EXPANDED));
    }
    if let Some(("VIDEOSDK_TOKEN", _)) = token.split_once('=') {
        return Err(config(format!("the token begins with `VIDEOSDK_TOKEN=`: {name}")).hint(bare));
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(config(format!("the token has characters that no token has: {name}")).hint(bare));
    }
    Ok(Credentials::Token(Secret::new(token)))
}

/// Whether a shell, or whoever starts the program, was to put something else in place of a text.
fn is_unexpanded(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    text.starts_with("${") || text.starts_with("$(") || text.strip_prefix('$').is_some_and(is_name)
}

/// Quotes, white space and what is not ASCII would sign tokens that the API refuses, and nobody would see why.
fn refuse_what_no_key_has(key: &str, name: &str) -> Result<()> {
    if is_quoted(key) {
        return Err(config(format!("the key is in quotes: {name}")).hint(UNQUOTED));
    }
    if is_unexpanded(key) {
        return Err(config(format!("the key is a variable that nobody has filled in: {name}")).hint(EXPANDED));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let bare = format!("give the bare key in {name}, as the VideoSDK dashboard shows it");
        return Err(config(format!("the key has characters that no key has: {name}")).hint(bare));
    }
    Ok(())
}

fn half(there: &str, missing: Option<&String>, variables: &Variables) -> Error {
    let missing = missing.map_or("the other half", String::as_str);
    let error = config(format!("{there} is set, but not {missing}"));
    error.hint(match &variables.token {
        Some(token) => format!("set both, or {token} alone"),
        None => "set both".to_owned(),
    })
}

fn ambiguous(found: [Option<(String, String)>; 4], variables: &Variables) -> Error {
    let set: Vec<_> = found.into_iter().flatten().map(|(name, _)| name).collect();
    config(format!("more than one source of credentials is set: {}", set.join(", ")))
        .hint(format!("keep one of {variables}, and unset the others"))
}

fn config(what: impl Into<String>) -> Error {
    Error::new(Kind::Config, what)
}

/// Why the token's file is not read. `path`: as it may be shown.
fn unread(path: &str, name: &str, refusal: Refusal) -> Error {
    match refusal {
        Refusal::Unreadable(error) => config(format!("cannot read the file named by {name}: {path}"))
            .because(error)
            .hint("give the path of a text file that this user may read and that holds nothing but the token"),
        Refusal::Distrusted { why, next } => {
            config(format!("the file named by {name} is not taken, since {why}: {path}")).hint(next)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "VIDEOSDK_TOKEN";
    const TOKEN_FILE: &str = "VIDEOSDK_TOKEN_FILE";
    const API_KEY: &str = "VIDEOSDK_API_KEY";
    const SECRET_KEY: &str = "VIDEOSDK_SECRET_KEY";
    const SECRET: &str = "VIDEOSDK_SECRET";

    fn resolve(variables: &[(&str, &str)]) -> Result<Credentials, String> {
        let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        let read = |path: &Path| match path.to_str() {
            Some("/run/token") => Ok("from-file\n".to_owned()),
            Some("/run/empty") => Ok("\n".to_owned()),
            _ => Err(std::io::Error::other("no such file").into()),
        };
        Credentials::resolve(&Variables::default(), get, read).map_err(|error| {
            assert_eq!(error.kind(), Kind::Config);
            error.render()
        })
    }

    fn refused(variables: &[(&str, &str)]) -> String {
        resolve(variables).err().expect("refused")
    }

    fn token(variables: &[(&str, &str)]) -> String {
        match resolve(variables) {
            Ok(Credentials::Token(token)) => token.expose().to_owned(),
            Ok(Credentials::Key { .. }) => panic!("a key"),
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn one_source_is_taken() {
        assert_eq!(token(&[(TOKEN, " abc\n"), (API_KEY, ""), (TOKEN_FILE, " ")]), "abc");
        assert_eq!(token(&[(TOKEN_FILE, "/run/token")]), "from-file");
        for name in [SECRET_KEY, SECRET] {
            let Ok(Credentials::Key { api_key, secret }) = resolve(&[(API_KEY, "key"), (name, "hush")]) else {
                panic!("no key with {name}");
            };
            assert_eq!((api_key.as_str(), secret.expose()), ("key", "hush"));
        }
        assert!(resolve(&[(API_KEY, "key"), (SECRET_KEY, "hush"), (SECRET, "hush")]).is_ok());
    }

    #[test]
    fn none_or_half_a_source_names_what_to_set() {
        let none = refused(&[(TOKEN, "")]);
        assert!([TOKEN, TOKEN_FILE, API_KEY, SECRET_KEY].iter().all(|name| none.contains(name)), "{none}");
        assert!(refused(&[(API_KEY, "key")]).contains("but not VIDEOSDK_SECRET_KEY"));
        for name in [SECRET_KEY, SECRET] {
            let error = refused(&[(name, "hush")]);
            assert!(error.starts_with(&format!("error: {name} is set, but not VIDEOSDK_API_KEY\n")), "{error}");
        }
    }

    #[test]
    fn two_sources_are_refused_without_showing_them() {
        for more in [(TOKEN_FILE, "/run/token"), (API_KEY, "tok-key"), (SECRET, "tok-hush")] {
            let error = refused(&[(TOKEN, "tok-en"), more]);
            assert!(error.contains("more than one source"), "{error}");
            assert!(!error.contains("tok-"), "{error}");
        }
        let error = refused(&[(API_KEY, "key"), (SECRET_KEY, "hush-1"), (SECRET, "hush-2")]);
        assert!(error.contains("differ") && !error.contains("hush"), "{error}");
    }

    #[test]
    fn a_token_that_cannot_be_sent_is_refused_without_showing_it() {
        for bad in ["Bearer hidden", "bearer hidden", "hidden\nhidden", "hidden hidden", "hidden\u{e9}"] {
            let error = refused(&[(TOKEN, bad)]);
            assert!(error.contains("bare token") && !error.contains("hidden"), "{error}");
        }
        assert!(refused(&[(TOKEN_FILE, "/run/empty")]).contains("empty"));
        assert!(refused(&[(TOKEN_FILE, "/run/none")]).contains("/run/none"));
        // The token itself, where the path of its file should be.
        let error = refused(&[(TOKEN_FILE, "eyJhbGciOi.hidden.hidden")]);
        assert!(error.contains("[redacted]") && !error.contains("hidden"), "{error}");
    }

    #[test]
    fn quotes_and_what_no_key_has_are_named_without_showing_them() {
        for quoted in ["\"hidden\"", "'hidden'"] {
            for (variables, name) in [
                (&[(TOKEN, quoted)][..], TOKEN),
                (&[(API_KEY, quoted), (SECRET_KEY, "hidden")], API_KEY),
                (&[(API_KEY, "key"), (SECRET_KEY, quoted)], SECRET_KEY),
                (&[(API_KEY, "key"), (SECRET, quoted)], SECRET),
            ] {
                let error = refused(variables);
                assert!(
                    error.contains(&format!("is in quotes: {name}\nhint: ")) && !error.contains("hidden"),
                    "{error}"
                );
            }
        }
        for bad in ["hid den", "hidden\nx", "hidden\u{e9}"] {
            let error = refused(&[(API_KEY, "key"), (SECRET_KEY, bad)]);
            assert!(error.contains("no key has: VIDEOSDK_SECRET_KEY") && !error.contains("hid"), "{error}");
            assert!(refused(&[(API_KEY, bad), (SECRET_KEY, "x")]).contains("no key has: VIDEOSDK_API_KEY"));
        }
    }

    #[test]
    fn the_account_is_read_leniently() {
        let account = |payload: &str| {
            let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
            Credentials::Token(Secret::new(token)).account()
        };
        assert_eq!(account(r#"{"apikey":"k-1","permissions":["allow_join"]}"#).as_deref(), Some("k-1"));
        assert_eq!(account(r#"{"apikey":7}"#), None);
        assert_eq!(account("not json"), None);
        assert_eq!(Credentials::Token(Secret::new("opaque")).account(), None);
        let key = Credentials::Key { api_key: "k-2".into(), secret: Secret::new("hush") };
        assert_eq!(key.account().as_deref(), Some("k-2"));
    }
}
