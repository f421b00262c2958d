//! The fixed text that a Matrix QR code begins with.

use super::error::QrError;
use crate::revision::Prefix;

const STABLE: &[u8] = b"MATRIX";
/// MSC4388, section "Unstable QR code format".
const UNSTABLE: &[u8] = b"IO_ELEMENT_MSC4388";

/// Which text the code begins with, and the bytes after it.
pub(super) fn split(bytes: &[u8]) -> Result<(Prefix, &[u8]), QrError> {
    let under = |known| {
        bytes
            .strip_prefix(bytes_of(known))
            .map(|rest| (known, rest))
    };
    under(Prefix::Stable)
        .or_else(|| under(Prefix::Unstable))
        .ok_or(QrError::NotMatrix)
}

pub(super) fn bytes_of(prefix: Prefix) -> &'static [u8] {
    match prefix {
        Prefix::Stable => STABLE,
        Prefix::Unstable => UNSTABLE,
    }
}
