//! A passphrase: of the store, or of a file with room keys.

use crate::secret::Secret;

/// What the store, or a file with room keys, is encrypted with. Not empty: that would be no
/// encryption. Its `Debug` is redacted, its memory is wiped when it is dropped.
#[derive(Debug, Clone)]
pub struct Passphrase(Secret);

impl Passphrase {
    /// Takes the passphrase as it is, blanks included; nothing if it is empty.
    pub fn new(passphrase: Secret) -> Option<Self> {
        (!passphrase.expose().is_empty()).then_some(Self(passphrase))
    }

    pub(super) fn expose(&self) -> &str {
        self.0.expose()
    }
}
