//! The `Authorization` header of the next request: a given token as it is, or one minted from key and secret.
//!
//! A minted token is shared by all requests, renewed before it expires, and once more when the API refuses it.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderValue;
use serde_json::{Value, json};
use sha2::Sha256;

use super::auth::{Credentials, Secret, claims};
use crate::error::{Error, Kind, Result};
use crate::words::clock::Clock;

/// How long a minted token is good for.
const LIFETIME: Duration = Duration::from_mins(20);
/// A minted token with less than this left is replaced.
const MARGIN: Duration = Duration::from_mins(2);

/// A header value, and which of the minted ones it is.
#[derive(Clone)]
pub(super) struct Token {
    /// Marked sensitive, so that no library prints it.
    pub header: HeaderValue,
    serial: u64,
}

impl Token {
    /// One that no server can take for right: well-formed, signed by nobody, and for no account.
    pub const fn wrong() -> Self {
        const WRONG: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJhcGlrZXkiOiJub2JvZHkifQ.\
                             AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        Self { header: HeaderValue::from_static(WRONG), serial: 0 }
    }
}

/// Hands out the header for each request.
pub(super) struct Tokens {
    credentials: Credentials,
    clock: Clock,
    current: Mutex<(Token, SystemTime)>,
}

impl Tokens {
    /// Makes the first token, so that credentials which can't be sent fail before any request.
    pub fn new(credentials: Credentials, clock: Clock) -> Result<Self> {
        let now = clock.now();
        let header = match &credentials {
            Credentials::Token(token) => sensitive(token.expose())?,
            Credentials::Key { api_key, secret } => mint(api_key, secret, now)?,
        };
        let current = Mutex::new((Token { header, serial: 0 }, now + LIFETIME));
        Ok(Self { credentials, clock, current })
    }

    /// The token to send now: the given one, or one that is minted and not about to expire.
    pub fn current(&self) -> Result<Token> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Credentials::Key { api_key, secret } = &self.credentials {
            let now = self.clock.now();
            let (token, expires) = &mut *current;
            if now + MARGIN > *expires {
                token.header = mint(api_key, secret, now)?;
                token.serial += 1;
                *expires = now + LIFETIME;
            }
        }
        Ok(current.0.clone())
    }

    /// Whether another token can be tried in place of this one, which the API refused. The first of several requests that
    /// were refused with the same token discards it, and the others take the new one.
    pub fn renew(&self, refused: &Token) -> bool {
        if matches!(self.credentials, Credentials::Token(_)) {
            return false;
        }
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.0.serial == refused.serial {
            current.1 = UNIX_EPOCH;
        }
        true
    }

    /// The next step for a person whose credentials were refused.
    pub fn hint(&self) -> String {
        let Credentials::Token(token) = &self.credentials else {
            return "check VIDEOSDK_API_KEY, VIDEOSDK_SECRET_KEY and this machine's clock".to_owned();
        };
        let claims = claims(token.expose()).unwrap_or_default();
        let now = self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let roles = claims.get("roles").and_then(Value::as_array);
        if claims.get("exp").and_then(Value::as_f64).is_some_and(|expires| expires < now) {
            "the token has expired; make a new one, or give VIDEOSDK_API_KEY and VIDEOSDK_SECRET_KEY".to_owned()
        } else if roles.is_some_and(|roles| !roles.is_empty() && !roles.iter().any(|role| role == "crawler")) {
            "the token lacks the role `crawler`, which the server API asks for".to_owned()
        } else {
            "check that the token belongs to this account and allows the server API".to_owned()
        }
    }

    /// What must never be shown, whoever echoes it.
    pub fn secrets(&self) -> Vec<String> {
        let header = match self.current.lock().unwrap_or_else(PoisonError::into_inner).0.header.to_str() {
            Ok(header) => header.to_owned(),
            Err(_) => String::new(),
        };
        match &self.credentials {
            Credentials::Token(_) => vec![header],
            Credentials::Key { secret, .. } => vec![header, secret.expose().to_owned()],
        }
    }
}

/// A token as VideoSDK's own server SDKs sign it: HS256 with the account's secret, for the server API only.
fn mint(api_key: &str, secret: &Secret, now: SystemTime) -> Result<HeaderValue> {
    let issued = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "apikey": api_key,
        "permissions": ["allow_join"],
        "version": 2,
        "roles": ["crawler"],
        "iat": issued,
        "exp": issued + LIFETIME.as_secs(),
    });
    sensitive(&sign(&claims.to_string(), secret)?)
}

/// The signed JWT with these claims.
fn sign(claims: &str, secret: &Secret) -> Result<String> {
    let mut token = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(claims, &mut token);
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose().as_bytes())
        .map_err(|error| Error::new(Kind::Unexpected, "cannot sign a token").because(error))?;
    mac.update(token.as_bytes());
    let signature = mac.finalize().into_bytes();
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

fn sensitive(token: &str) -> Result<HeaderValue> {
    let mut header = HeaderValue::from_str(token)
        .map_err(|_| Error::new(Kind::Config, "the token has characters that cannot be sent in a header"))?;
    header.set_sensitive(true);
    Ok(header)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// A clock that tests set, in seconds since 1970.
    fn clock(seconds: u64) -> (Arc<AtomicU64>, Clock) {
        let time = Arc::new(AtomicU64::new(seconds));
        let read = Arc::clone(&time);
        (time, Clock::new(move || UNIX_EPOCH + Duration::from_secs(read.load(Ordering::Relaxed))))
    }

    fn minting(clock: Clock) -> Tokens {
        Tokens::new(Credentials::Key { api_key: "key-1".into(), secret: Secret::new("hush") }, clock).unwrap()
    }

    fn text(tokens: &Tokens) -> String {
        tokens.current().unwrap().header.to_str().unwrap().to_owned()
    }

    #[test]
    fn signs_as_the_reference_of_the_format_does() {
        // The example token of jwt.io, HS256 with the secret `your-256-bit-secret`.
        let claims = r#"{"sub":"1234567890","name":"John Doe","iat":1516239022}"#;
        assert_eq!(
            sign(claims, &Secret::new("your-256-bit-secret")).unwrap(),
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.\
             eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.\
             SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"
        );
    }

    #[test]
    fn a_minted_token_says_what_the_server_api_asks_for() {
        let tokens = minting(clock(1_700_000_000).1);
        let header = tokens.current().unwrap().header;
        assert!(header.is_sensitive());
        let claims = claims(header.to_str().unwrap()).unwrap();
        assert_eq!(
            Value::Object(claims),
            json!({"apikey": "key-1", "permissions": ["allow_join"], "version": 2, "roles": ["crawler"],
                   "iat": 1_700_000_000, "exp": 1_700_001_200})
        );
    }

    #[test]
    fn is_renewed_before_it_expires_and_not_sooner() {
        let (time, clock) = clock(1_700_000_000);
        let tokens = minting(clock);
        let first = text(&tokens);
        time.fetch_add(18 * 60, Ordering::Relaxed);
        assert_eq!(text(&tokens), first);
        time.fetch_add(1, Ordering::Relaxed);
        assert_ne!(text(&tokens), first);
    }

    #[test]
    fn requests_refused_together_share_one_renewal() {
        let (time, clock) = clock(1_700_000_000);
        let tokens = minting(clock);
        let refused = tokens.current().unwrap();
        time.fetch_add(5, Ordering::Relaxed);
        assert!(tokens.renew(&refused));
        let renewed = text(&tokens);
        assert_ne!(renewed, refused.header.to_str().unwrap());
        time.fetch_add(5, Ordering::Relaxed);
        assert!(tokens.renew(&refused));
        assert_eq!(text(&tokens), renewed);
    }

    #[test]
    fn a_given_token_is_never_renewed_and_its_hint_says_what_is_wrong() {
        let hint = |payload: &str| {
            let token = format!("e30.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
            let tokens = Tokens::new(Credentials::Token(Secret::new(token)), clock(1000).1).unwrap();
            assert!(!tokens.renew(&tokens.current().unwrap()));
            tokens.hint()
        };
        assert!(hint(r#"{"exp":999}"#).contains("expired"));
        assert!(hint(r#"{"exp":1001,"roles":["rtc"]}"#).contains("crawler"));
        assert!(hint(r#"{"roles":["crawler"]}"#).contains("this account"));
    }
}
