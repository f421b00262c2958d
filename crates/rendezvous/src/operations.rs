//! For those who run the server, on a listener of its own: whether it lives, whether it can work, what it counts.

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{Rendezvous, Store, metrics};

impl<S: Store> Rendezvous<S> {
    /// The operator's routes: `/health` (this process answers), `/ready` (the store can be reached, and it is not about to stop) and `/metrics`
    /// (OpenMetrics, as Prometheus reads it). Not for the public: serve them elsewhere than [`router`](Self::router).
    pub fn operations(&self) -> Router {
        Router::new()
            .route("/health", get(health))
            .route("/ready", get(ready::<S>))
            .route("/metrics", get(numbers::<S>))
            .with_state(self.clone())
    }
}

async fn health() -> &'static str {
    "it runs\n"
}

async fn ready<S: Store>(State(rendezvous): State<Rendezvous<S>>) -> Response {
    if rendezvous.released() {
        return (StatusCode::SERVICE_UNAVAILABLE, "it is stopping\n").into_response();
    }
    match rendezvous.check().await {
        Ok(()) => "it can work\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn numbers<S: Store>(State(rendezvous): State<Rendezvous<S>>) -> Response {
    match rendezvous.metrics().encode(rendezvous.now().await) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
