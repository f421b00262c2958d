//! The homeserver: the part of the Client-Server API that devices use, for one account. Knows of
//! OAuth only what a token is good for, and where the authorization server is.

mod account_data;
mod backup;
mod claim;
mod cross_signing;
mod devices;
mod discovery;
mod keys;
mod rooms;
pub(crate) mod signatures;
mod sync;
mod to_device;

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRequest, FromRequestParts, Request, State},
    http::{Method, StatusCode, header::AUTHORIZATION, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde_json::{Value, json};

use crate::{
    faults::Fault,
    oauth::{authority::Introspection, scope::allows_api},
    state::Shared,
};

const BODY_LIMIT: usize = 1024 * 1024;
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .merge(discovery_routes())
        .merge(key_routes())
        .merge(backup_routes())
        .merge(room_routes())
        .route("/_matrix/client/v3/account/whoami", get(devices::whoami))
        .route("/_matrix/client/v3/devices", get(devices::list))
        .route(
            "/_matrix/client/v3/devices/{device}",
            get(devices::one).put(devices::name),
        )
        .route("/_matrix/client/v3/logout", post(devices::logout))
        .fallback(unrecognized)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(shared.clone(), around))
        .with_state(shared)
}

fn discovery_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/matrix/client", get(discovery::well_known))
        .route("/_matrix/client/versions", get(discovery::versions))
        .route(
            "/_matrix/client/v1/auth_metadata",
            get(discovery::auth_metadata),
        )
        .route(
            "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
            get(discovery::auth_metadata),
        )
        .route(
            "/_matrix/client/v1/auth_issuer",
            get(discovery::auth_issuer),
        )
        .route(
            "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer",
            get(discovery::auth_issuer),
        )
}

fn key_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_matrix/client/v3/keys/upload", post(keys::upload))
        .route("/_matrix/client/v3/keys/query", post(keys::query))
        .route("/_matrix/client/v3/keys/claim", post(claim::claim))
        .route(
            "/_matrix/client/v3/keys/device_signing/upload",
            post(cross_signing::upload),
        )
        .route(
            "/_matrix/client/v3/keys/signatures/upload",
            post(cross_signing::upload_signatures),
        )
}

fn backup_routes() -> Router<Arc<Shared>> {
    let keys = "/_matrix/client/v3/room_keys/keys";
    let version = "/_matrix/client/v3/room_keys/version";
    Router::new()
        .route(version, get(backup::current).post(backup::create))
        .route(
            &format!("{version}/{{version}}"),
            get(backup::get_version).put(backup::put_version),
        )
        .route(keys, get(backup::get_all).put(backup::put_all))
        .route(
            &format!("{keys}/{{room}}"),
            get(backup::get_room).put(backup::put_room),
        )
        .route(
            &format!("{keys}/{{room}}/{{session}}"),
            get(backup::get_session).put(backup::put_session),
        )
}

fn room_routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/_matrix/client/v3/createRoom", post(rooms::create))
        .route("/_matrix/client/v3/joined_rooms", get(rooms::joined))
        .route(
            "/_matrix/client/v3/rooms/{room}/send/{type}/{txn}",
            put(rooms::send),
        )
        .route(
            "/_matrix/client/v3/rooms/{room}/messages",
            get(rooms::messages),
        )
        .route("/_matrix/client/v3/rooms/{room}/state", get(rooms::state))
        .route("/_matrix/client/v3/sync", get(sync::sync))
        .route(
            "/_matrix/client/v3/sendToDevice/{type}/{txn}",
            put(to_device::send),
        )
        .route(
            "/_matrix/client/v3/user/{user}/account_data/{type}",
            get(account_data::get).put(account_data::put),
        )
}

/// Around every request: late when told so; and who waits in `/sync` looks again after each write.
async fn around(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let delay = shared.faults.delay();
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
    let writes = request.method() != Method::GET;
    let response = next.run(request).await;
    if writes {
        shared.changed.send_replace(());
    }
    response
}

async fn unrecognized() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        "M_UNRECOGNIZED",
        "the sandbox does not know this endpoint",
    )
}

async fn wrong_method() -> Refusal {
    Refusal::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "M_UNRECOGNIZED",
        "not with this method",
    )
}

/// An error of the Client-Server API: "Standard error response".
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    body: Value,
}

impl Refusal {
    fn new(status: StatusCode, errcode: &str, error: &str) -> Self {
        Self {
            status,
            body: json!({ "errcode": errcode, "error": error }),
        }
    }

    fn bad_request(errcode: &str, error: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errcode, error)
    }

    fn bad_json(error: &str) -> Self {
        Self::bad_request("M_BAD_JSON", error)
    }

    fn invalid_param(error: &str) -> Self {
        Self::bad_request("M_INVALID_PARAM", error)
    }

    fn invalid_signature(error: &str) -> Self {
        Self::bad_request("M_INVALID_SIGNATURE", error)
    }

    fn forbidden(error: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", error)
    }

    fn not_found(error: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", error)
    }

    fn unknown_token(error: &str, soft_logout: bool) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", error)
            .with("soft_logout", soft_logout.into())
    }

    fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(fields) = self.body.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
        self
    }
}

impl From<getrandom::Error> for Refusal {
    fn from(_: getrandom::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "M_UNKNOWN",
            "the operating system gives no random bytes",
        )
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}

type Answer = Result<Json<Value>, Refusal>;

/// Who calls: the device that a good token stands for.
#[derive(Debug)]
struct Caller {
    device_id: String,
    access_token: String,
}

impl Caller {
    fn of(access_token: String, introspection: Introspection) -> Result<Self, Refusal> {
        match introspection {
            Introspection::Active { scope, .. } if !allows_api(&scope) => Err(Refusal::forbidden(
                "the token has no scope for the Client-Server API",
            )),
            Introspection::Active { device_id, .. } => Ok(Self {
                device_id,
                access_token,
            }),
            Introspection::Expired => Err(Refusal::unknown_token(
                "the access token has expired: refresh it",
                true,
            )),
            Introspection::Unknown => Err(Refusal::unknown_token(
                "the access token is unknown or revoked",
                false,
            )),
        }
    }
}

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let missing = || {
            Refusal::new(
                StatusCode::UNAUTHORIZED,
                "M_MISSING_TOKEN",
                "no access token",
            )
        };
        let token = token.ok_or_else(missing)?.to_owned();
        let introspection = shared.introspect(&token);
        if shared.faults.is_set(&Fault::AccountLocked) {
            // As Synapse does when its authorization server says that the token is not active.
            return Err(Refusal::unknown_token("Token is not active", false));
        }
        Self::of(token, introspection)
    }
}

/// A JSON object, of a bounded size, in bounded time, whatever its content type says.
struct Body(Value);

impl FromRequest<Arc<Shared>> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Refusal> {
        let bytes = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, shared)).await;
        let late = |_| {
            Refusal::new(
                StatusCode::REQUEST_TIMEOUT,
                "M_UNKNOWN",
                "the body did not arrive in time",
            )
        };
        let bytes = bytes.map_err(late)?.map_err(|bad| match bad.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "M_TOO_LARGE",
                "the body is over 1 MiB",
            ),
            _ => Refusal::bad_request("M_NOT_JSON", "the body could not be read"),
        })?;
        let not_json = |_| Refusal::bad_request("M_NOT_JSON", "the body is not JSON");
        let value: Value = serde_json::from_slice(&bytes).map_err(not_json)?;
        if value.is_object() {
            Ok(Self(value))
        } else {
            Err(Refusal::bad_json("the body is not an object"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(introspection: Introspection) -> Option<(StatusCode, Value)> {
        Caller::of(String::new(), introspection)
            .err()
            .map(|refusal| (refusal.status, refusal.body))
    }

    #[test]
    fn a_token_without_the_api_scope_is_forbidden() {
        let active = |scope: &str| Introspection::Active {
            device_id: String::new(),
            scope: scope.to_owned(),
            left: Duration::ZERO,
        };
        assert!(refused(active("urn:matrix:client:api:*")).is_none());
        let refusal = refused(active("openid urn:matrix:client:device:ABCDEFGHIJ"));
        assert!(refusal.is_some_and(|(status, _)| status == StatusCode::FORBIDDEN));
    }
}
