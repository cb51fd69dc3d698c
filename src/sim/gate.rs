//! Who gets past the door: the token's check and the rate limit.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::StatusCode;
use serde_json::Value;
use sha2::Sha256;
use tokio::time::Instant;

use super::options::{Auth, Per};
use super::outgoing::{Outgoing, refusal};

/// Lets a request with this `Authorization` in, or says no with 401.
pub(super) fn admit(auth: &Auth, header: Option<&[u8]>) -> Result<(), Outgoing> {
    let known = match auth {
        Auth::Open => true,
        Auth::Token(token) => header == Some(token.as_bytes()),
        Auth::Jwt { api_key, secret, clock } => header
            .and_then(|header| std::str::from_utf8(header).ok())
            .and_then(|token| claims(token, secret))
            .is_some_and(|claims| {
                claims["apikey"] == **api_key && claims["exp"].as_i64().is_some_and(|exp| exp > clock.now())
            }),
    };
    if known { Ok(()) } else { Err(refusal(StatusCode::UNAUTHORIZED, "Token is invalid or expired")) }
}

/// The claims of a token that this secret signed with HS256.
fn claims(token: &str, secret: &str) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(signed.as_bytes());
    mac.verify_slice(&URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
    let json = |part: &str| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).ok()?).ok();
    (json(header)?["alg"] == "HS256").then(|| json(claims))?
}

/// The buckets of all who are counted apart.
pub(super) struct Buckets {
    rate: u32,
    per: Per,
    each: BTreeMap<Vec<u8>, Bucket>,
}

impl Buckets {
    /// Nobody has asked yet.
    pub(super) const fn new(rate: u32, per: Per) -> Self {
        Self { rate, per, each: BTreeMap::new() }
    }

    /// Lets a request through at this moment, or says when to come back.
    pub(super) fn take(&mut self, token: Option<&[u8]>, peer: SocketAddr, now: Instant) -> Result<(), Outgoing> {
        let whose = match self.per {
            Per::Key => token.unwrap_or_default().to_vec(),
            Per::Connection => peer.to_string().into_bytes(),
        };
        self.each.entry(whose).or_insert_with(|| Bucket::new(self.rate)).take(now)
    }
}

/// A bucket that refills steadily and holds one second's worth of requests.
struct Bucket {
    rate: f64,
    left: f64,
    seen: Option<Instant>,
}

impl Bucket {
    /// A bucket that lets so many requests through in a second, after a burst of as many.
    fn new(rate: u32) -> Self {
        let rate = f64::from(rate.max(1));
        Self { rate, left: rate, seen: None }
    }

    /// Lets a request through at this moment, or says when to come back, in whole seconds.
    fn take(&mut self, now: Instant) -> Result<(), Outgoing> {
        let waited = self.seen.map_or(0.0, |seen| now.saturating_duration_since(seen).as_secs_f64());
        self.seen = Some(now);
        self.left = waited.mul_add(self.rate, self.left).min(self.rate);
        if self.left >= 1.0 {
            self.left -= 1.0;
            return Ok(());
        }
        // At a request a second or more, one is free within the second.
        Err(refusal(StatusCode::TOO_MANY_REQUESTS, "Too many requests").header("retry-after", "1"))
    }
}
