//! The rendezvous service next to the homeserver, and its faults. The service is the real one:
//! faults act on its requests and responses, as a bad network or a busy server would.

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
    faults::{ExchangeOutcome, Fault, LateServer},
    late,
    oauth::session::Introspection,
    options::Options,
    serve::CloseConnection,
    state::SandboxState,
};

/// Where a homeserver creates sessions: MSC4108, "Create a rendezvous session", stable and
/// unstable.
pub(crate) const STABLE: &str = "_matrix/client/v1/rendezvous";
const UNSTABLE: &str = "_matrix/client/unstable/org.matrix.msc4108/rendezvous";
/// The same of MSC4388, "Unstable prefix". Its stable path is that of MSC4108.
const UNSTABLE_MSC4388: &str = "_matrix/client/unstable/io.element.msc4388/rendezvous";
/// The service has its own paths below this one.
const MOUNT: &str = "rz";

pub(crate) fn service(here: &Url, options: &Options) -> std::io::Result<Rendezvous> {
    let mut config = Config::new(here.join(MOUNT).map_err(std::io::Error::other)?);
    config.lifetime = options.session_lifetime;
    // There is no proxy in front of it: requests from this machine come from clients.
    config.proxies.trusted.clear();
    Ok(Rendezvous::new(config))
}

pub(crate) fn router(state: Arc<SandboxState>, rendezvous: &Rendezvous) -> Router {
    let late =
        middleware::from_fn_with_state((LateServer::Rendezvous, state.clone()), late::answer);
    let rendezvous = RendezvousState {
        sandbox: state,
        service: rendezvous.router(),
    };
    let service = rendezvous.service.clone();
    // A service, not a router that axum would merge: these routes are the whole service, with its
    // fallback.
    let service = tower::service_fn(move |request: Request| service.clone().oneshot(request));
    [STABLE, UNSTABLE, UNSTABLE_MSC4388]
        .iter()
        .fold(Router::new(), |router, create| {
            router.route_service(&format!("/{create}"), service.clone())
        })
        .route_service(&format!("/{STABLE}/{{id}}"), service.clone())
        .route_service(&format!("/{UNSTABLE_MSC4388}/{{id}}"), service.clone())
        .nest_service(&format!("/{MOUNT}"), service)
        .layer(middleware::from_fn_with_state(rendezvous, disturb))
        .layer(late)
}

#[derive(Clone)]
struct RendezvousState {
    sandbox: Arc<SandboxState>,
    service: Router,
}

/// Counts each request, and applies the faults that are set.
async fn disturb(
    State(rendezvous): State<RendezvousState>,
    request: Request,
    next: Next,
) -> Response {
    let state = &rendezvous.sandbox;
    state.count_rendezvous(request.method().as_str());
    let delivery = state.faults.deliver(request.method());
    if delivery == ExchangeOutcome::RequestLost {
        return CloseConnection.into_response();
    }
    let response = match turned_away(state, &request) {
        Some(response) => response,
        None => run(&rendezvous, request, next).await,
    };
    if delivery == ExchangeOutcome::ResponseLost {
        CloseConnection.into_response()
    } else {
        response
    }
}

/// The response to a create request that does not reach the service: the server is full, requires a
/// token, or redirects to another server.
fn turned_away(state: &SandboxState, request: &Request) -> Option<Response> {
    if state.faults.is_set(&Fault::RendezvousWantsToken) && !may_create(state, request) {
        return Some(not_signed_in(request.method()));
    }
    if request.method() != Method::POST {
        return None;
    }
    if state.faults.is_set(&Fault::RendezvousFull) {
        return Some(full());
    }
    // Not the service's own path: a redirect may lead there. MSC4388 has no redirects.
    let location = state.options.rendezvous_redirect.as_ref()?;
    let at_homeserver = request.uri().path().starts_with("/_matrix/") && !is_json(request);
    let headers = [
        (header::LOCATION, location.as_str()),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    at_homeserver.then(|| (StatusCode::TEMPORARY_REDIRECT, headers).into_response())
}

/// MSC4388: "Requires authentication: Optional - depending on server policy". Requests to a session
/// require no authentication.
fn may_create(state: &SandboxState, request: &Request) -> bool {
    let path = request.uri().path().trim_start_matches('/');
    let creates = match *request.method() {
        Method::GET => path == STABLE || path == UNSTABLE_MSC4388,
        Method::POST => is_json(request),
        _ => false,
    };
    let header = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    !creates
        || token
            .is_some_and(|token| matches!(state.introspect(token), Introspection::Active { .. }))
}

fn is_json(request: &Request) -> bool {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    media_type.is_some_and(|value| value.as_bytes().starts_with(b"application/json"))
}

fn not_signed_in(method: &Method) -> Response {
    let headers = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")];
    if method == Method::GET {
        return (headers, Json(json!({ "create_available": false }))).into_response();
    }
    let body =
        json!({ "errcode": "M_FORBIDDEN", "error": "only signed-in devices may create a session" });
    (StatusCode::FORBIDDEN, headers, Json(body)).into_response()
}

fn full() -> Response {
    let headers = [
        (header::RETRY_AFTER, "60"),
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    ];
    let body =
        json!({ "errcode": "M_UNKNOWN", "error": "too many sessions", "retry_after_ms": 60_000 });
    (StatusCode::TOO_MANY_REQUESTS, headers, Json(body)).into_response()
}

/// With [`Fault::RendezvousGone`] the session is deleted first. A long-polling reader learns of it
/// at once.
async fn run(rendezvous: &RendezvousState, request: Request, next: Next) -> Response {
    let whole = request.uri().path();
    let path = whole
        .strip_prefix(&format!("/{MOUNT}"))
        .unwrap_or(whole)
        .to_owned();
    let delete = async {
        rendezvous
            .sandbox
            .faults
            .until_set(&Fault::RendezvousGone)
            .await;
        let request = Request::builder()
            .method(Method::DELETE)
            .uri(path)
            .body(Body::empty());
        if let Ok(request) = request {
            // A 404 is fine: the session no longer existed.
            let _ = rendezvous.service.clone().oneshot(request).await;
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
