//! The rendezvous service beside the homeserver, and what can be done to it. The service itself is the real one: faults act on
//! what comes in and what goes out, as a bad network or a busy server would.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    http::{Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use matrix_qr_rendezvous::{Config, Rendezvous};
use serde_json::json;
use tower::ServiceExt as _;
use url::Url;

use crate::{
    Options,
    faults::{Delivery, Fault},
    serve::NoAnswer,
    state::Shared,
};

/// Where a homeserver creates sessions: MSC4108, "Create a rendezvous session", stable and unstable.
pub(crate) const STABLE: &str = "_matrix/client/v1/rendezvous";
const UNSTABLE: &str = "_matrix/client/unstable/org.matrix.msc4108/rendezvous";
/// Below which the service has its own paths.
const MOUNT: &str = "rz";

pub(crate) fn service(here: &Url, options: &Options) -> std::io::Result<Rendezvous> {
    let mut config = Config::new(here.join(MOUNT).map_err(std::io::Error::other)?);
    config.lifetime = options.session_lifetime;
    Ok(Rendezvous::new(config))
}

pub(crate) fn router(shared: Arc<Shared>, rendezvous: &Rendezvous) -> Router {
    let door = Door { shared, service: rendezvous.router() };
    let service = door.service.clone();
    // axum takes another router only where it may look inside; these routes are the whole service, fallback included.
    let service = tower::service_fn(move |request: Request| service.clone().oneshot(request));
    Router::new()
        .route_service(&format!("/{STABLE}"), service.clone())
        .route_service(&format!("/{UNSTABLE}"), service.clone())
        .nest_service(&format!("/{MOUNT}"), service)
        .layer(middleware::from_fn_with_state(door, disturb))
}

#[derive(Clone)]
struct Door {
    shared: Arc<Shared>,
    service: Router,
}

/// Counts each request, and does to it what the set faults say.
async fn disturb(State(door): State<Door>, request: Request, next: Next) -> Response {
    let shared = &door.shared;
    shared.count_rendezvous(request.method().as_str());
    let delivery = shared.faults.deliver(request.method());
    if delivery == Delivery::RequestLost {
        return NoAnswer.into_response();
    }
    let response = match turned_away(shared, &request) {
        Some(response) => response,
        None => run(&door, request, next).await,
    };
    if delivery == Delivery::AnswerLost { NoAnswer.into_response() } else { response }
}

/// A create request that does not get through: to a full server, or to a homeserver that delegates.
fn turned_away(shared: &Shared, request: &Request) -> Option<Response> {
    if request.method() != Method::POST {
        return None;
    }
    if shared.faults.is_set(&Fault::RendezvousFull) {
        return Some(full());
    }
    // Not the service's own path: a redirect may lead there.
    let location = shared.options.rendezvous_redirect.as_ref()?;
    let at_homeserver = request.uri().path().starts_with("/_matrix/");
    let headers = [(header::LOCATION, location.as_str()), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    at_homeserver.then(|| (StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

fn full() -> Response {
    let headers = [(header::RETRY_AFTER, "60"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    let body = json!({ "errcode": "M_UNKNOWN", "error": "too many sessions", "retry_after_ms": 60_000 });
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}

/// With [`Fault::RendezvousGone`] the session is deleted first; a reader that is being held learns of it at once.
async fn run(door: &Door, request: Request, next: Next) -> Response {
    let path = request.uri().path().strip_prefix(&format!("/{MOUNT}")).map(str::to_owned);
    let delete = async {
        door.shared.faults.until_set(&Fault::RendezvousGone).await;
        let request = path
            .and_then(|path| Request::builder().method(Method::DELETE).uri(path).body(Body::empty()).ok());
        if let Some(request) = request {
            // An answer of 404 is as good: then it was gone already.
            let _ = door.service.clone().oneshot(request).await;
        }
    };
    let answer = next.run(request);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        () = delete => answer.await,
        response = &mut answer => response,
    }
}
