//! What every answer has, whatever was asked: leave for web clients to read it, orders to caches, the date.

use std::time::{Instant, SystemTime};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{Rendezvous, Store, etag, refusal::Refusal, store::Session};

/// Around all routes, so that no answer can lack these headers, an error least of all: a web client that may
/// not read an error sees only "network failure".
pub(crate) async fn common<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let (method, api) = (request.method().clone(), etag::api(request.uri().path(), rendezvous.config()));
    let mut response = if method == Method::OPTIONS {
        // A preflight asks about the method to come, and must get a 2xx on any path.
        StatusCode::NO_CONTENT.into_response()
    } else if is_navigation(request.headers()) {
        Refusal::Navigation.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.extend(ALWAYS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    headers.entry(header::DATE).or_insert_with(|| http_date(SystemTime::now()));
    rendezvous.metrics().answered((&method, api), &response, started.elapsed());
    // No path: it names the session. No address.
    tracing::debug!(%method, status = response.status().as_u16(), "answered");
    response
}

const ALWAYS: [(HeaderName, &str); 9] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, PUT, DELETE, OPTIONS"),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "If-Match, If-None-Match, Content-Type, Prefer, Authorization, X-Requested-With",
    ),
    (
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        "ETag, Expires, Last-Modified, Date, Preference-Applied, Retry-After, Cache-Control, Pragma",
    ),
    // Each poll has a header that needs a preflight; without this a web client would send two requests for
    // each.
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
    // A proxy that compresses would weaken the ETag, and only strong ones are accepted.
    (header::CACHE_CONTROL, "no-store, no-transform"),
    (header::PRAGMA, "no-cache"),
    // MSC4108, "Unsafe content": anybody can store anything here, and no browser shall show or run it.
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; sandbox"),
];

/// Whether a browser is about to show the answer, or to run it, rather than to hand it to a script that asked
/// for it (Fetch Metadata Request Headers). Clients that are no browsers send neither header.
fn is_navigation(headers: &HeaderMap) -> bool {
    let says = |name: &'static str, wrong: fn(&[u8]) -> bool| {
        headers.get_all(name).iter().any(|value| wrong(value.as_bytes()))
    };
    says("sec-fetch-mode", |mode| mode.eq_ignore_ascii_case(b"navigate"))
        || says("sec-fetch-dest", |dest| !dest.eq_ignore_ascii_case(b"empty"))
}

/// The headers that every answer about a live session has (MSC4108, "Common HTTP response headers"), whether
/// it grants or refuses. `Date` is among them so that it is from the same moment: clients take the time that
/// is left from `Expires` minus `Date`.
pub(crate) fn add_session_headers(response: &mut Response, session: &Session) {
    let (now, date) = (Instant::now(), SystemTime::now());
    let left = session.expires.saturating_duration_since(now);
    let age = now.saturating_duration_since(session.modified);
    let headers = response.headers_mut();
    headers.extend(entity_tag(session).map(|tag| (header::ETAG, tag)));
    headers.insert(header::EXPIRES, http_date(date.checked_add(left).unwrap_or(date)));
    headers.insert(header::LAST_MODIFIED, http_date(date.checked_sub(age).unwrap_or(date)));
    headers.insert(header::DATE, http_date(date));
}

fn entity_tag(session: &Session) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("\"{}\"", session.revision)).ok()
}

fn http_date(time: SystemTime) -> HeaderValue {
    let text = httpdate::fmt_http_date(time.max(SystemTime::UNIX_EPOCH));
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static("0"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_script_may_and_a_page_may_not() {
        let cases: [(&[(&'static str, &str)], bool); 9] = [
            (&[], false),
            (
                &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty"), ("sec-fetch-site", "cross-site")],
                false,
            ),
            (&[("sec-fetch-mode", "same-origin"), ("sec-fetch-dest", "empty")], false),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")], true),
            (&[("sec-fetch-mode", "navigate")], true),
            (&[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")], true),
            (&[("sec-fetch-dest", "iframe")], true),
            (&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")], true),
            (&[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")], true),
        ];
        for (lines, refused) in cases {
            let line = |(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), value.parse().unwrap())
            };
            assert_eq!(is_navigation(&lines.iter().map(line).collect()), refused, "{lines:?}");
        }
    }
}
