//! MSC4388's API: payloads are strings in JSON, tags are sequence tokens. Requests come in as HTTP,
//! the outcome goes out as a response.

mod body;

use std::time::{Duration, Instant};

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, StatusCode},
};
use serde::Serialize;
use url::form_urlencoded;

use self::body::{
    CancelResponse, CreateRequest, CreateResponse, DiscoverResponse, ReceiveResponse, SendRequest,
    SendResponse,
};
use crate::{
    limits::RequestKind,
    paths,
    payload::{self, RequestBody},
    prefer,
    proxies::ClientAddress,
    refusal::Refusal,
    rendezvous::Rendezvous,
    response::{ApiResponse, ResponseBody},
    store::{
        Store,
        id::{SessionApi, SessionId, WriteTag},
        session::{Errcodes, Write, WriteOutcome},
    },
};

/// The paths where sessions are created, and below which they are. Each with its error code for a
/// write that comes too late (MSC4388, "Unstable prefix").
const COLLECTIONS: [(&str, &str); 2] = [
    (paths::STABLE, "M_CONCURRENT_WRITE"),
    (
        paths::UNSTABLE_MSC4388,
        "IO_ELEMENT_MSC4388_CONCURRENT_WRITE",
    ),
];

/// What a path of this API leads to, and that error code.
pub(crate) struct JsonRoute {
    target: JsonTarget,
    concurrent_write: &'static str,
}

enum JsonTarget {
    Collection,
    /// A session. `None`: an ID that cannot belong to this API, treated like one of a session that
    /// has ended.
    Session(Option<SessionId>),
}

/// What this path leads to, if it belongs to this API.
pub(crate) fn route(path: &str) -> Option<JsonRoute> {
    COLLECTIONS
        .into_iter()
        .find_map(|(collection, concurrent_write)| {
            let below = path.strip_prefix(collection)?;
            let target = if below.is_empty() {
                JsonTarget::Collection
            } else {
                JsonTarget::Session(named(below)?)
            };
            Some(JsonRoute {
                target,
                concurrent_write,
            })
        })
}

fn named(below: &str) -> Option<Option<SessionId>> {
    let id = paths::only_segment(below.strip_prefix('/')?)?;
    Some(SessionId::parse(id, SessionApi::Msc4388))
}

pub(crate) async fn answer<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    JsonRoute {
        target,
        concurrent_write,
    }: JsonRoute,
    client: ClientAddress,
    request: &mut Request<B>,
) -> ApiResponse {
    let outcome = match target {
        JsonTarget::Collection => collection(rendezvous, client, request).await,
        JsonTarget::Session(id) => session(rendezvous, id, concurrent_write, client, request).await,
    };
    outcome.unwrap_or_else(Refusal::into_json_response)
}

async fn collection<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    match *request.method() {
        Method::POST => create(rendezvous, client, request).await,
        Method::GET | Method::HEAD => discover(rendezvous, client, request.headers()).await,
        _ => Err(Refusal::NoSuchMethod {
            allowed: "GET,HEAD,POST",
        }),
    }
}

/// "Discover if the rendezvous API is available".
async fn discover<S: Store>(
    rendezvous: &Rendezvous<S>,
    client: ClientAddress,
    headers: &HeaderMap,
) -> Result<ApiResponse, Refusal> {
    rendezvous.admit(client, RequestKind::Other)?;
    // Requests with made-up tokens must not cause more questions to the homeserver here than where
    // sessions are created.
    let admit = || rendezvous.admit(client, RequestKind::Create);
    // `true` even when the server is full: that is temporary, and a POST says when to retry.
    let create_available = rendezvous.may_create(headers, admit).await?;
    Ok(ok(&DiscoverResponse { create_available }, OVERHEAD))
}

/// "Create a rendezvous session and send initial payload".
async fn create<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    rendezvous.admit(client, RequestKind::Create)?;
    if !rendezvous.may_create(request.headers(), || Ok(())).await? {
        return Err(Refusal::NoToken);
    }
    let text = payload::read_json(request).await?;
    let write = new_write(&body::parse::<CreateRequest<'_>>(&text)?.data)?;
    let now = write.now;
    // Here the form of the error codes depends on the path of each request, not on the session.
    let (id, session) = rendezvous
        .create(client, write, SessionApi::Msc4388, Errcodes::Stable)
        .await?;
    Ok(ok(&CreateResponse::new(id, &session, now), OVERHEAD))
}

/// A request about a session. Once the session has ended the response is always the same, whatever
/// else is wrong with the request.
async fn session<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: Option<SessionId>,
    concurrent_write: &'static str,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    let allowed = "GET,HEAD,PUT,DELETE";
    if ![Method::GET, Method::PUT, Method::DELETE, Method::HEAD].contains(request.method()) {
        return Err(Refusal::NoSuchMethod { allowed });
    }
    let id = id.ok_or(Refusal::NoSession)?;
    match attempt(rendezvous, id, concurrent_write, client, request).await {
        // A client over its rate is not worth a read of the store, and a 429 looks the same for
        // every ID.
        Err(
            refusal @ (Refusal::Network
            | Refusal::NoSession
            | Refusal::NoStore
            | Refusal::TooFast { .. }),
        ) => Err(refusal),
        Err(_) if !rendezvous.exists(id).await? => Err(Refusal::NoSession),
        outcome => outcome,
    }
}

async fn attempt<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    concurrent_write: &'static str,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    rendezvous.admit(client, RequestKind::Other)?;
    match *request.method() {
        Method::PUT => send(rendezvous, id, concurrent_write, request).await,
        Method::DELETE => cancel(rendezvous, id).await,
        _ => receive(rendezvous, id, Wait::of(request)).await,
    }
}

/// "Receive a payload from a rendezvous session". Waits for a new payload if the request asks for
/// that.
async fn receive<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    wait: Wait,
) -> Result<ApiResponse, Refusal> {
    let Wait { seen, max_wait } = wait;
    let session = rendezvous
        .read_whole(id, seen, max_wait)
        .await?
        .ok_or(Refusal::NoSession)?;
    let body = ReceiveResponse::new(&session, Instant::now()).ok_or(Refusal::NoStore)?;
    let response = ok(&body, session.payload.len() + OVERHEAD);
    Ok(match max_wait.filter(|_| !rendezvous.released()) {
        None => response,
        Some(time) => prefer::with_preference_applied(response, time),
    })
}

/// What the reader has seen, and for how long the request may wait for something else: `Prefer:
/// wait` with `?sequence_token=`, which the proposal mentions as "a future optimisation".
struct Wait {
    /// `None` also for a token that is not one of this server's: it is not the current one.
    seen: Option<WriteTag>,
    max_wait: Option<Duration>,
}

impl Wait {
    fn of<B>(request: &Request<B>) -> Self {
        let query = request.uri().query().unwrap_or_default();
        let mut parameters = form_urlencoded::parse(query.as_bytes());
        let token =
            parameters.find_map(|(name, value)| (name == "sequence_token").then_some(value));
        Self {
            max_wait: prefer::preferred_wait(request.headers()).filter(|_| token.is_some()),
            seen: token.and_then(|token| WriteTag::parse(&token)),
        }
    }
}

/// "Send a payload to an existing rendezvous".
async fn send<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    concurrent_write: &'static str,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    let text = payload::read_json(request).await?;
    let SendRequest {
        sequence_token,
        data,
    } = body::parse(&text)?;
    let (expected, write) = (WriteTag::parse(&sequence_token), new_write(&data)?);
    let payload = write.payload.clone();
    match rendezvous.write(id, expected, write).await? {
        WriteOutcome::Replaced(session) => Ok(ok(&SendResponse::new(&session), OVERHEAD)),
        // "To make sends idempotent": a client repeats a write whose response was lost. Nothing has
        // changed.
        WriteOutcome::Conflict(session) if session.payload == payload => {
            Ok(ok(&SendResponse::new(&session), OVERHEAD))
        }
        WriteOutcome::Conflict(_) => Ok(Refusal::StaleToken {
            errcode: concurrent_write,
        }
        .into_json_response()),
        WriteOutcome::Gone => Err(Refusal::NoSession),
    }
}

/// "Cancel a rendezvous session".
async fn cancel<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
) -> Result<ApiResponse, Refusal> {
    let deleted = rendezvous.delete(id).await?;
    if deleted {
        Ok(ok(&CancelResponse {}, 2))
    } else {
        Err(Refusal::NoSession)
    }
}

/// The size of a response without its payload, in bytes.
const OVERHEAD: usize = 192;

fn ok(body: &impl Serialize, capacity: usize) -> ApiResponse {
    ApiResponse::new(
        StatusCode::OK,
        ResponseBody::Json(body::to_text(body, capacity)),
    )
}

/// The size is that without JSON escapes ("Maximum payload size"). The payload gets an allocation
/// of its own.
fn new_write(data: &str) -> Result<Write, Refusal> {
    if data.len() > payload::MAX_PAYLOAD {
        return Err(Refusal::TooLarge);
    }
    Ok(Write {
        tag: WriteTag::random(),
        payload: Bytes::copy_from_slice(data.as_bytes()),
        now: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_collection_has_its_own_code_and_sessions_below_it() {
        let id = SessionId::random(SessionApi::Msc4388).to_string();
        for (collection, code) in COLLECTIONS {
            let found = |rest: &str| route(&format!("{collection}{rest}"));
            assert!(matches!(
                found(""),
                Some(JsonRoute { target: JsonTarget::Collection, concurrent_write }) if concurrent_write == code
            ));
            for (name, ours) in [(id.as_str(), true), ("x", false), ("%FF", false)] {
                let Some(JsonRoute {
                    target: JsonTarget::Session(found),
                    concurrent_write,
                }) = found(&format!("/{name}"))
                else {
                    unreachable!("{name}")
                };
                assert_eq!((found.is_some(), concurrent_write), (ours, code), "{name}");
            }
            for other in ["/", "/x/y", "s", "/x/"] {
                assert!(found(other).is_none(), "{other}");
            }
        }
    }
}
