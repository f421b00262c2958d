//! The access token of a request.

use std::fmt;

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// Wiped when it is dropped, and never printed.
pub(super) struct BearerToken(Zeroizing<String>);

/// What is kept of a token: it cannot be used as one.
pub(super) type Fingerprint = [u8; 32];

impl BearerToken {
    /// From `Authorization: Bearer` (Client-Server API, "Using access tokens"). `None` if the
    /// header is missing, repeated, or has another scheme.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(header::AUTHORIZATION).iter();
        let (scheme, token) = lines.next()?.to_str().ok()?.split_once(' ')?;
        let token = token.trim();
        let one =
            lines.next().is_none() && scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
        one.then(|| Self(Zeroizing::new(token.to_owned())))
    }

    pub(super) fn text(&self) -> &str {
        &self.0
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl fmt::Debug for BearerToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_bearer_token_and_nothing_else() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("authorization", line.parse().unwrap());
            }
            BearerToken::of(&headers).map(|token| token.text().to_owned())
        };
        for line in ["Bearer syt_a-b", "bearer syt_a-b", "BEARER  syt_a-b "] {
            assert_eq!(read(&[line]).as_deref(), Some("syt_a-b"), "{line}");
        }
        for lines in [
            &[][..],
            &[""],
            &["Bearer"],
            &["Bearer "],
            &["Basic c3l0"],
            &["syt_a"],
            &["Bearer\tx"],
            &["Bearer é"],
            &["Bearer a", "Bearer a"],
        ] {
            assert_eq!(read(lines), None, "{lines:?}");
        }
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = BearerToken(Zeroizing::new("geheim".to_owned()));
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(token.fingerprint()[..4], [0xad, 0xdb, 0x0f, 0x5e]);
    }
}
