//! One hash for all that is known by a text: sessions, records, partitions, places.

use sha2::{Digest, Sha256};

/// The first 128 bits of a text's SHA-256. Whoever names sessions or participants can't make two ids that are taken for one, and
/// stages of several machines agree.
pub fn hash(text: &str) -> u128 {
    let mut first = [0; 16];
    first.iter_mut().zip(Sha256::digest(text.as_bytes())).for_each(|(place, byte)| *place = byte);
    u128::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_known_by_the_same_number_on_every_machine() {
        // FIPS 180-4, its first example.
        assert_eq!(hash("abc"), 0xba78_16bf_8f01_cfea_4141_40de_5dae_2223);
    }
}
