//! A Matrix device ID.

use std::fmt;

use crate::is_identifier;

/// A device ID: 1 to 255 characters of ASCII, without spaces and control characters. It is a part of
/// an OAuth scope, which has no others (RFC 6749, section 3.3). What deployed clients send has `/`
/// and `+` in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// A device ID, or nothing if it is empty, too long, or has other characters.
    pub fn parse(text: &str) -> Option<Self> {
        is_identifier(text).then(|| Self(text.to_owned()))
    }

    /// 20 characters of `A-Z2-7`, one of each byte: 100 bits, if the bytes are random.
    ///
    /// Servers make device IDs part of URLs and scopes, and some proxies break a `%2F` in a path: so
    /// no base64. 32 divides 256, so that no letter is likelier than another.
    pub fn from_bytes(bytes: &[u8; 20]) -> Self {
        Self(bytes.iter().map(|byte| letter(*byte)).collect())
    }

    /// The ID as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// RFC 4648's base32 alphabet.
fn letter(byte: u8) -> char {
    match byte % 32 {
        n @ 0..26 => char::from(b'A' + n),
        n => char::from(b'2' + n - 26),
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_a_letter_for_every_five_bits() {
        let low = DeviceId::from_bytes(&std::array::from_fn(|i| u8::try_from(i).unwrap_or(0)));
        assert_eq!(low.as_str(), "ABCDEFGHIJKLMNOPQRST");
        let high = DeviceId::from_bytes(&[
            20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 63, 64, 127, 128, 254, 255,
        ]);
        assert_eq!(high.as_str(), "UVWXYZ234567AB7A7A67");
    }

    #[test]
    fn an_id_with_what_a_terminal_obeys_is_none() {
        assert_eq!(DeviceId::parse("AB/+\u{1b}[2J"), None);
    }

    #[test]
    fn every_letter_is_equally_likely() {
        for wanted in ('A'..='Z').chain('2'..='7') {
            let made = (0..=255).filter(|byte| letter(*byte) == wanted);
            assert_eq!(made.count(), 8, "{wanted}");
        }
    }
}
