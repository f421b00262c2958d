//! From a request to a response, in any HTTP server: what applies to all requests, and which API a
//! request is for.

use std::{net::SocketAddr, time::Instant};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderMap, HeaderName, Method, Request, StatusCode},
};

use crate::{
    etag, json,
    media_type::MediaType,
    metrics::Answered,
    paths,
    payload::{RequestBody, check_media_type},
    peer::Peer,
    refusal::Refusal,
    rendezvous::Rendezvous,
    response::{ApiResponse, HttpResponse, ResponseBody},
    store::{Store, id::SessionApi},
};

impl<S: Store> Rendezvous<S> {
    /// The service as an axum router of its own; nest it as a service.
    ///
    /// [`serve`](crate::serve) does more than respond. Whoever serves this router in another way
    /// must take care of slow clients (axum's own server waits for them for ever), provide the
    /// peer's address (`into_make_service_with_connect_info`), and poll [`upkeep`](Self::upkeep).
    /// Without peer addresses the limits per network do not apply, and if [`Limits`](crate::Limits)
    /// deny or allow networks, every request is refused.
    pub fn router(&self) -> Router {
        let rendezvous = self.clone();
        Router::new().fallback(async move |request: Request<Body>| {
            let peer = peer(&request);
            rendezvous.answer(request, peer).await.map(Body::new)
        })
    }

    /// Answers a request of this peer.
    ///
    /// The request stays in this function and is passed on by reference: by value it would be
    /// copied at each step.
    pub(crate) async fn answer(
        &self,
        mut request: Request<impl RequestBody>,
        peer: Option<Peer>,
    ) -> HttpResponse {
        let started = Instant::now();
        let method = request.method().clone();
        let route = self.route(&request);
        let api = route.as_ref().map(ApiRoute::api);
        let response = self.dispatch(route, &mut request, peer, started).await;
        self.finish(&method, api, response, started)
    }

    /// Refuses a request before any API sees it.
    pub(crate) fn refuse<B>(&self, request: &Request<B>, refusal: Refusal) -> HttpResponse {
        let api = self.route(request).as_ref().map(ApiRoute::api);
        self.finish(request.method(), api, refusal.into(), Instant::now())
    }

    fn finish(
        &self,
        method: &Method,
        api: Option<SessionApi>,
        response: ApiResponse,
        started: Instant,
    ) -> HttpResponse {
        let status = response.status.as_u16();
        let ended = Instant::now();
        self.metrics().answered(Answered {
            method,
            api,
            status,
            refusal: response.refusal,
            latency: (!response.waited).then(|| ended - started),
        });
        // Without the path, which contains the session ID, and without the address.
        tracing::debug!(%method, status, "answered");
        response.into_http(ended)
    }

    async fn dispatch(
        &self,
        route: Option<ApiRoute>,
        request: &mut Request<impl RequestBody>,
        peer: Option<Peer>,
        now: Instant,
    ) -> ApiResponse {
        if request.method() == Method::OPTIONS {
            // A preflight asks about a future request, and needs a 2xx on any path.
            return ApiResponse::new(StatusCode::NO_CONTENT, ResponseBody::Nothing);
        }
        if is_navigation(request.headers()) {
            return Refusal::Navigation.into();
        }
        let Some(route) = route else {
            return Refusal::NoSuchPath.into();
        };
        let client = self.client(peer, request.headers(), now);
        match route {
            ApiRoute::Etag(route) => etag::answer(self, route, client, request).await,
            ApiRoute::Json(route) => json::answer(self, route, client, request).await,
        }
    }

    /// Which API a request is for. Both create sessions at one path, and the content type tells
    /// them apart; all other methods there belong to MSC4388, except a preflight, which does not
    /// say what the request will be.
    fn route<B>(&self, request: &Request<B>) -> Option<ApiRoute> {
        let path = request.uri().path();
        let is_text = || match *request.method() {
            Method::POST => check_media_type(MediaType::Json, request.headers()).is_err(),
            ref method => method == Method::OPTIONS,
        };
        let json = if path == paths::STABLE && is_text() {
            None
        } else {
            json::route(path)
        };
        json.map(ApiRoute::Json)
            .or_else(|| etag::route(path, self.config()).map(ApiRoute::Etag))
    }
}

/// The peer, from this crate's own server or from any server that axum supports.
fn peer<B>(request: &Request<B>) -> Option<Peer> {
    let ours = request.extensions().get().copied();
    ours.or_else(|| {
        Some(Peer::At(
            request
                .extensions()
                .get::<ConnectInfo<SocketAddr>>()?
                .0
                .ip(),
        ))
    })
}

/// What a path leads to, in one of the APIs.
enum ApiRoute {
    Etag(etag::EtagRoute),
    Json(json::JsonRoute),
}

impl ApiRoute {
    fn api(&self) -> SessionApi {
        match self {
            Self::Etag(_) => SessionApi::Msc4108,
            Self::Json(_) => SessionApi::Msc4388,
        }
    }
}

const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether a browser would show or run the response, rather than hand it to a script that requested
/// it (Fetch Metadata Request Headers). Clients that are not browsers send neither header.
fn is_navigation(headers: &HeaderMap) -> bool {
    // A look at all headers takes less time than to find two of them.
    headers.iter().any(|(name, value)| {
        let is = |expected: &[u8]| value.as_bytes().eq_ignore_ascii_case(expected);
        (*name == SEC_FETCH_MODE && is(b"navigate")) || (*name == SEC_FETCH_DEST && !is(b"empty"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn scripts_may_read_and_pages_may_not() {
        let cases: [(&[(&'static str, &str)], bool); 9] = [
            (&[], false),
            (
                &[
                    ("sec-fetch-mode", "cors"),
                    ("sec-fetch-dest", "empty"),
                    ("sec-fetch-site", "cross-site"),
                ],
                false,
            ),
            (
                &[
                    ("sec-fetch-mode", "same-origin"),
                    ("sec-fetch-dest", "empty"),
                ],
                false,
            ),
            (
                &[
                    ("sec-fetch-mode", "navigate"),
                    ("sec-fetch-dest", "document"),
                ],
                true,
            ),
            (&[("sec-fetch-mode", "navigate")], true),
            (
                &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "empty")],
                true,
            ),
            (&[("sec-fetch-dest", "iframe")], true),
            (
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "script")],
                true,
            ),
            (
                &[("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
                true,
            ),
        ];
        for (lines, refusal) in cases {
            let line = |(name, value): &(&'static str, &str)| {
                (HeaderName::from_static(name), value.parse().unwrap())
            };
            assert_eq!(
                is_navigation(&lines.iter().map(line).collect()),
                refusal,
                "{lines:?}"
            );
        }
    }
}
