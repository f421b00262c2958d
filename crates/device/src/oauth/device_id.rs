//! The new device's ID.

use super::error::OAuthError;

/// Five bits each: 100 bits in all.
const LENGTH: usize = 20;

/// A device ID that nobody can guess: 20 characters of `A-Z2-7`, 100 bits.
///
/// The server makes it part of URLs and scopes, and some proxies break a `%2F` in a path: so no
/// base64.
///
/// # Errors
///
/// [`OAuthError::NoRandomness`] when the operating system gives none.
pub fn new_device_id() -> Result<String, OAuthError> {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).map_err(|_| OAuthError::NoRandomness)?;
    Ok(bytes.into_iter().map(letter).collect())
}

/// RFC 4648's base32 alphabet: 32 divides 256, so that no letter is likelier than another.
fn letter(byte: u8) -> char {
    match byte % 32 {
        n @ 0..26 => char::from(b'A' + n),
        n => char::from(b'2' + n - 26),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_need_no_escaping() {
        let ids: HashSet<String> = (0..100).map(|_| new_device_id().unwrap()).collect();
        assert_eq!(ids.len(), 100);
        for id in ids {
            assert_eq!(id.len(), LENGTH);
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()),
                "{id}"
            );
        }
    }

    #[test]
    fn every_letter_is_equally_likely() {
        let letters: Vec<char> = (0..=255).map(letter).collect();
        let alphabet: HashSet<_> = letters.iter().collect();
        assert_eq!(alphabet.len(), 32);
        assert!(
            alphabet
                .iter()
                .all(|l| letters.iter().filter(|x| x == l).count() == 8)
        );
    }
}
