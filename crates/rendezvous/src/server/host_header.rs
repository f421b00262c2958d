//! The `Host` header. Nothing here depends on its value, but a missing or repeated one is the mark
//! of a malformed request.

use axum::http::{Request, Version, header};

/// Whether the request has as many `Host` headers as it must: one, or in HTTP/1.0 at most one (RFC
/// 9112, section 3.2). HTTP/2 uses `:authority` instead.
pub(super) fn is_valid<B>(request: &Request<B>) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (Some(_), None) => true,
        (Some(_), Some(_)) => false,
        (None, _) => request.version() != Version::HTTP_11,
    }
}
