//! What answers the requests of a connection: the service itself, or any router.

use std::{convert::Infallible, error::Error, future::Future, net::SocketAddr};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
    response::IntoResponse,
};
use http_body_util::Full;
use tower::ServiceExt;

use super::timed_body::TimedBody;
use crate::{peer::Peer, refusal::Refusal, rendezvous::Rendezvous, store::Store};

/// Answers the requests of a connection.
pub(super) trait RequestHandler: Clone + Send + Sync + 'static {
    type Body: HttpBody<Data = Bytes, Error: Error + Send + Sync> + Send + 'static;

    fn answer(
        &self,
        request: Request<TimedBody>,
        peer: Peer,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// The response to a request without a valid `Host` header.
    fn refuse_host(&self, request: &Request<TimedBody>) -> Response<Self::Body>;
}

/// Without a router in between: it would take as long as the response itself.
impl<S: Store> RequestHandler for Rendezvous<S> {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<TimedBody>, peer: Peer) -> Response<Full<Bytes>> {
        self.answer(request, Some(peer)).await
    }

    fn refuse_host(&self, request: &Request<TimedBody>) -> Response<Full<Bytes>> {
        self.refuse(request, Refusal::NoHost)
    }
}

impl RequestHandler for Router {
    type Body = Body;

    async fn answer(&self, request: Request<TimedBody>, peer: Peer) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(peer);
        if let Peer::At(address) = peer {
            // As axum's own server does. Nothing uses the port.
            request
                .extensions_mut()
                .insert(ConnectInfo(SocketAddr::new(address, 0)));
        }
        self.clone()
            .oneshot(request)
            .await
            .unwrap_or_else(|never: Infallible| match never {})
    }

    fn refuse_host(&self, _: &Request<TimedBody>) -> Response<Body> {
        (
            StatusCode::BAD_REQUEST,
            "the request must have one Host header\n",
        )
            .into_response()
    }
}
