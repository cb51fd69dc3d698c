//! The key of all tokens, and the tokens.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Bytes of a key at least.
const LEAST: usize = 32;
/// Characters of a token: 132 bits, so that two values never share one.
const TOKEN: usize = 22;
/// Characters of a key's id.
const ID: usize = 8;

/// A secret by which tokens are made; is never shown.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// Reads one: hexadecimal, or base64 in either alphabet, with padding or without.
    ///
    /// # Errors
    /// What is allowed, to be read after "must be"; never the key.
    pub fn parse(text: &str) -> Result<Self, String> {
        const ALLOWED: &str = "at least 32 random bytes in base64 or hexadecimal";
        let text = text.trim();
        let bytes = hexadecimal(text).or_else(|| base64(text)).ok_or(ALLOWED)?;
        if bytes.len() < LEAST {
            return Err(format!("{ALLOWED} (it has {})", bytes.len()));
        }
        // What somebody has typed is no secret.
        if bytes.iter().all(|byte| *byte == bytes[0]) {
            return Err(format!("{ALLOWED} (all its bytes are the same)"));
        }
        Hmac::new_from_slice(&bytes).map(Self).map_err(|_| ALLOWED.to_owned())
    }

    /// What makes tokens with this key.
    pub(super) fn tokens(&self) -> Tokens {
        let mut tokens = Tokens { keyed: self.0.clone(), key_id: String::new() };
        tokens.key_id = tokens.of("key", "id").chars().take(ID).collect();
        tokens
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let pairs = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { pairs.collect() } else { None }
}

fn base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let alphabets = [&alphabet::STANDARD, &alphabet::URL_SAFE];
    alphabets.into_iter().find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok())
}

/// Makes tokens by one key.
#[derive(Clone)]
pub(super) struct Tokens {
    keyed: Hmac<Sha256>,
    /// By what the key is told from others, which says nothing about it.
    pub key_id: String,
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Tokens {
    /// The token of a value of a column.
    pub fn of(&self, column: &str, value: &str) -> String {
        let mut token = URL_SAFE_NO_PAD.encode(self.hash(column, value));
        token.truncate(TOKEN);
        token
    }

    /// The same as a number, for what is compared and never shown.
    pub fn number(&self, column: &str, value: &str) -> u128 {
        let hash = self.hash(column, value);
        hash.iter().take(size_of::<u128>()).fold(0, |number, byte| number << 8 | u128::from(*byte))
    }

    fn hash(&self, column: &str, value: &str) -> [u8; 32] {
        let mut keyed = self.keyed.clone();
        keyed.update(column.as_bytes());
        keyed.update(b"\0");
        keyed.update(value.as_bytes());
        keyed.finalize().into_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    #[test]
    fn a_key_is_read_however_it_is_written() {
        let key = Key::parse(HEX).unwrap();
        let forms = [
            HEX.to_uppercase(),
            format!(" {HEX}\n"),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".to_owned(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8".to_owned(),
        ];
        let id = |key: &Key| key.tokens().key_id;
        assert!(forms.iter().all(|form| id(&Key::parse(form).unwrap()) == id(&key)));
        let other = [0xfb; 40];
        assert_ne!(id(&Key::parse(&URL_SAFE_NO_PAD.encode([&other[..], &[1]].concat())).unwrap()), id(&key));
        for (text, why) in [
            ("", "(it has 0)"),
            ("secret", "hexadecimal"),
            (&HEX[2..], "(it has 31)"),
            (&"0".repeat(64), "all its bytes are the same"),
            (&format!("{HEX}!"), "hexadecimal"),
        ] {
            let refused = Key::parse(text).unwrap_err();
            assert!(refused.contains(why), "{text}: {refused}");
        }
        assert_eq!(format!("{key:?}"), "Key");
    }

    /// By another implementation: Python's `hmac` and `base64`.
    #[test]
    fn a_token_is_made_as_the_contract_says() {
        let tokens = Key::parse(HEX).unwrap().tokens();
        assert_eq!(tokens.of("name", "ann lee"), "2ACkBhYgkFjGRteOXlyS-n");
        assert_eq!(tokens.of("participant_id", "x1"), "_yVPdIVCQDDi0QOGK3vZ_X");
        assert_eq!(tokens.key_id, "SNUROZ0N");
    }
}
