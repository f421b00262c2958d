//! A Matrix device ID.

use std::fmt;

use crate::printable;

/// A device ID: any text of 1 to 255 bytes. What deployed clients send has `/` and `+` in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// The longest device ID that we take, in bytes.
    pub const MAX_LEN: usize = 255;

    /// A device ID, or nothing if it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        (1..=Self::MAX_LEN)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
    }

    /// The ID as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}
