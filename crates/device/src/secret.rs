//! A secret text: wiped when dropped, never printed. A passphrase: of the store, or of a file with
//! room keys.

use std::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// A token or a code. Its `Debug` is `[redacted]`, its memory is wiped when it is dropped.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes the text; a copy that the caller keeps is the caller's to wipe.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself, for the one place that must send or store it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What the store, or a file with room keys, is encrypted with. Not empty: that would be no
/// encryption. Its `Debug` is redacted, its memory is wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct Passphrase(Secret);

impl Passphrase {
    /// Takes the passphrase as it is, blanks included; nothing if it is empty.
    pub fn new(passphrase: Secret) -> Option<Self> {
        (!passphrase.expose().is_empty()).then_some(Self(passphrase))
    }

    /// The text itself, for whoever encrypts with it.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_says_nothing() {
        assert_eq!(format!("{:?}", Secret::new("mat_abc")), "[redacted]");
    }
}
