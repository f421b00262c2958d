//! The routes for the operator, on a listener of their own: whether the server is alive, whether it
//! can work, and its metrics.

mod accept;

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    metrics::{self, text},
    rendezvous::Rendezvous,
    store::Store,
};

impl<S: Store> Rendezvous<S> {
    /// The operator's routes: `/health` (the process responds), `/ready` (the store can be used,
    /// and the server is not about to stop) and `/metrics` (OpenMetrics, or Prometheus' text format
    /// for scrapers that prefer it). Do not expose them to the public: serve them on another
    /// listener than [`router`](Self::router).
    pub fn operations(&self) -> Router {
        Router::new()
            .route("/health", get(health).options(methods))
            .route("/ready", get(ready::<S>).options(methods))
            .route("/metrics", get(numbers::<S>).options(methods))
            .with_state(self.clone())
    }
}

async fn health() -> &'static str {
    "the server is running\n"
}

async fn methods() -> impl IntoResponse {
    (
        StatusCode::NO_CONTENT,
        [(header::ALLOW, "GET,HEAD,OPTIONS")],
    )
}

async fn ready<S: Store>(State(rendezvous): State<Rendezvous<S>>) -> Response {
    if rendezvous.released() {
        return (StatusCode::SERVICE_UNAVAILABLE, "the server is stopping\n").into_response();
    }
    match rendezvous.check_store().await {
        Ok(()) => "the server is ready\n".into_response(),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error}\n")).into_response(),
    }
}

async fn numbers<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    headers: HeaderMap,
) -> Response {
    match rendezvous
        .metrics()
        .encode(rendezvous.scrape_values().await)
    {
        Ok(text) if accept::prefers_text(&headers) => (
            [(header::CONTENT_TYPE, text::MEDIA_TYPE)],
            text::from_open_metrics(&text),
        )
            .into_response(),
        Ok(text) => ([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
