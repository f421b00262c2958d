//! Who may ask at all. The secret in the path is the key; what a browser says of a request keeps
//! out pages of other origins that came to know it, and names that were pointed at this address
//! (DNS rebinding).

use std::sync::Arc;

use axum::{
    Router,
    body::HttpBody as _,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri,
        header::{self, HOST, ORIGIN},
        uri::{Authority, PathAndQuery},
    },
    response::IntoResponse as _,
};
use tower::ServiceExt as _;

use crate::shared::Shared;

/// Everything is of this page alone: nothing is loaded from elsewhere, framed, cached or told on.
/// `data:` is for the icon, which is empty: without one, browsers ask for `/favicon.ico`.
const HEADERS: [(HeaderName, &str); 8] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (
        HeaderName::from_static("permissions-policy"),
        "camera=(self), microphone=(), geolocation=()",
    ),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        "same-origin",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// The outermost layer.
pub(crate) fn guarded(app: Router, shared: Arc<Shared>) -> Router {
    let checked = move |State(shared): State<Arc<Shared>>, request: Request| {
        let app = app.clone();
        let has_body = !request.body().is_end_stream();
        async move {
            let mut response = match check(&shared, request) {
                Ok(request) => match app.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                },
                Err(refusal) => refusal.into_response(),
            };
            complete(response.headers_mut());
            if has_body && !response.status().is_success() {
                say_close(response.headers_mut());
            }
            response
        }
    };
    Router::new().fallback(checked).with_state(shared)
}

type Refusal = (StatusCode, &'static str);

/// The request as the page's own routes have it: without the secret.
fn check(shared: &Shared, mut request: Request) -> Result<Request, Refusal> {
    let elsewhere = (
        StatusCode::MISDIRECTED_REQUEST,
        "this page has another address\n",
    );
    let origin = one(request.headers(), &HOST)
        .and_then(|host| host.parse::<Authority>().ok())
        .and_then(|host| shared.address.origin(&host))
        .ok_or(elsewhere)?;
    let path = page_path(shared, request.uri()).ok_or((StatusCode::NOT_FOUND, "not found\n"))?;
    if !comes_from_the_page(&request, &origin, &path) {
        return Err((StatusCode::FORBIDDEN, "only the page itself may ask this\n"));
    }
    *request.uri_mut() = Uri::from(path);
    Ok(request)
}

/// What follows the secret.
fn page_path(shared: &Shared, uri: &Uri) -> Option<PathAndQuery> {
    let (secret, _) = uri.path().strip_prefix('/')?.split_once('/')?;
    if !shared.secret.is(secret) {
        return None;
    }
    let whole = uri.path_and_query()?.as_str();
    whole.get(1 + secret.len()..)?.parse().ok()
}

/// A browser says where a request comes from. What changes anything must say so; the page itself
/// may be opened by a link anywhere, since only whoever knows the secret has that link.
fn comes_from_the_page(request: &Request, origin: &str, path: &PathAndQuery) -> bool {
    let headers = request.headers();
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    let is_same_origin = matches!(site, None | Some(b"same-origin" | b"none"));
    if request.method() == Method::GET {
        let is_navigation = headers
            .get(SEC_FETCH_MODE)
            .is_some_and(|mode| mode == "navigate");
        return is_same_origin || (is_navigation && path.path() == "/");
    }
    is_same_origin && one(headers, &ORIGIN) == Some(origin)
}

/// The value of a header that is there once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// hyper closes a connection whose request was not read to its end: a proxy must hear of it, or gives
/// the connection to the next request.
fn say_close(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

fn complete(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
