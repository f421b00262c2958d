//! The fixed text that a Matrix QR code begins with.

use super::error::QrError;
use crate::revision::Prefix;

/// Which text the code begins with, and the bytes after it.
pub(super) fn split(bytes: &[u8]) -> Result<(Prefix, &[u8]), QrError> {
    [Prefix::Stable, Prefix::Unstable]
        .into_iter()
        .find_map(|known| Some((known, bytes.strip_prefix(bytes_of(known))?)))
        .ok_or(QrError::NotMatrix)
}

pub(super) fn bytes_of(prefix: Prefix) -> &'static [u8] {
    match prefix {
        Prefix::Stable => b"MATRIX",
        // MSC4388, section "Unstable QR code format".
        Prefix::Unstable => b"IO_ELEMENT_MSC4388",
    }
}
