//! The `Host` header, which nothing here goes by, and which tells a request from one that was put
//! together badly.

use axum::http::{Request, Version, header};

/// Whether a request names its host as it must: once, or in HTTP/1.0 at most once (RFC 9112,
/// section 3.2). HTTP/2 has `:authority` in its place.
pub(super) fn is_valid<B>(request: &Request<B>) -> bool {
    let mut named = request.headers().get_all(header::HOST).iter();
    match (named.next(), named.next()) {
        (Some(_), None) => true,
        (Some(_), Some(_)) => false,
        (None, _) => request.version() != Version::HTTP_11,
    }
}
