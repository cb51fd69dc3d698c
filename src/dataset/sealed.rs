//! Records that carry a sum of themselves: a damaged bit that leaves a record readable is found, too, before the record is believed.
//!
//! The last member of such a record is `"sum"`, the SHA-256 of all bytes before that member, in hexadecimal. An earlier version wrote
//! records without a sum, and a record that was laid out anew by hand has none that can be checked: both are read as they are.

use sha2::{Digest, Sha256};

use super::encode::hexadecimal;

const BEFORE: &str = ",\n  \"sum\": \"";
const BEHIND: &str = "\"\n}\n";
/// Hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Adds the sum to an object as `serde_json::to_string_pretty` writes it.
pub fn seal(pretty: &str) -> String {
    let text = pretty.strip_suffix("\n}").unwrap_or(pretty);
    let sum = hexadecimal(&Sha256::digest(text.as_bytes()));
    format!("{text}{BEFORE}{sum}{BEHIND}")
}

/// Whether a record's bytes are those that it was sealed with; so are those of a record without a sum.
pub fn is_whole(record: &[u8]) -> bool {
    let Some(rest) = record.strip_suffix(BEHIND.as_bytes()) else { return true };
    let Some((rest, sum)) = rest.split_at_checked(rest.len().saturating_sub(DIGITS)) else { return true };
    let Some(text) = rest.strip_suffix(BEFORE.as_bytes()) else { return true };
    hexadecimal(&Sha256::digest(text)).as_bytes() == sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bit_that_leaves_a_record_readable_is_found() {
        let record = serde_json::json!({"base_url": "https://api.example", "rules": [{"number": 1}], "text": "a\n}"});
        let sealed = seal(&serde_json::to_string_pretty(&record).unwrap());
        assert!(is_whole(sealed.as_bytes()));
        let mut read: serde_json::Value = serde_json::from_str(&sealed).unwrap();
        assert_eq!(read.as_object_mut().unwrap().remove("sum").unwrap().as_str().unwrap().len(), DIGITS);
        assert_eq!(read, record);
        for bit in 0..sealed.len() * 8 {
            let mut bytes = sealed.clone().into_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            if let Ok(mut read) = serde_json::from_slice::<serde_json::Value>(&bytes) {
                read.as_object_mut().unwrap().retain(|name, _| record.get(name).is_some());
                assert!(!is_whole(&bytes) || read == record, "{bit}: {read}");
            }
        }
    }

    #[test]
    fn a_record_without_a_sum_is_read_as_it_is() {
        for record in ["", "{}", "{\n}\n", "{\n  \"a\": 1\n}\n", "\"\n}\n", "{\"sum\":\"0\"}"] {
            assert!(is_whole(record.as_bytes()), "{record}");
        }
    }
}
