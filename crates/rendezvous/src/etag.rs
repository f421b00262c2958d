//! MSC4108's API of 2024: payloads are bodies of `text/plain`, tags are ETags. Requests come in as
//! HTTP, the outcome goes out as a response.

mod condition;

use std::time::Instant;

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, StatusCode, header},
};

use self::condition::Condition;
use crate::{
    config::Config,
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
        session::{Errcodes, ReadOutcome, Write, WriteOutcome},
    },
};

/// What a path of this API leads to.
pub(crate) enum EtagRoute {
    /// Where sessions are created.
    Create(Errcodes),
    /// A session. `None`: an ID that this server cannot have created, treated like one of a session
    /// that has ended.
    Session(Option<SessionId>),
}

/// What this path leads to, if it belongs to this API. The create path of the settings has no
/// unstable form, so its sessions use the stable error codes.
pub(crate) fn route(path: &str, config: &Config) -> Option<EtagRoute> {
    match path {
        paths::STABLE => Some(EtagRoute::Create(Errcodes::Stable)),
        paths::UNSTABLE_MSC4108 => Some(EtagRoute::Create(Errcodes::Unstable)),
        _ if path == config.create_path => Some(EtagRoute::Create(Errcodes::Stable)),
        _ => {
            let id = paths::only_segment(path.strip_prefix(paths::MSC4108_SESSIONS)?)?;
            Some(EtagRoute::Session(SessionId::parse(
                id,
                SessionApi::Msc4108,
            )))
        }
    }
}

pub(crate) async fn answer<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    route: EtagRoute,
    client: ClientAddress,
    request: &mut Request<B>,
) -> ApiResponse {
    match route {
        EtagRoute::Create(errcodes) if request.method() == Method::POST => {
            create(rendezvous, errcodes, client, request)
                .await
                .unwrap_or_else(ApiResponse::from)
        }
        EtagRoute::Create(_) => Refusal::NoSuchMethod { allowed: "POST" }.into(),
        EtagRoute::Session(id) => session(rendezvous, id, client, request).await,
    }
}

/// "Create a rendezvous session and send initial payload".
async fn create<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    errcodes: Errcodes,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    rendezvous.admit(client, RequestKind::Create)?;
    let write = new_write(request).await?;
    let (id, session) = rendezvous
        .create(client, write, SessionApi::Msc4108, errcodes)
        .await?;
    let body = ResponseBody::Json(rendezvous.created(id));
    Ok(ApiResponse::new(StatusCode::CREATED, body).session(session))
}

/// A request about a session. While the session lives, a refusal has its headers too: a deployed
/// client takes a response without an ETag for a new payload, and reads its own last message back.
/// Once the session has ended the response is always the same, whatever else is wrong with the
/// request.
async fn session<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: Option<SessionId>,
    client: ClientAddress,
    request: &mut Request<B>,
) -> ApiResponse {
    let allowed = "GET,HEAD,PUT,DELETE";
    let method = request.method();
    if ![Method::GET, Method::PUT, Method::DELETE, Method::HEAD].contains(method) {
        return Refusal::NoSuchMethod { allowed }.into();
    }
    let Some(id) = id else {
        return Refusal::NoSession.into();
    };
    match attempt(rendezvous, id, client, request).await {
        Ok(response) => response,
        Err(refusal @ (Refusal::Network | Refusal::NoSession | Refusal::NoStore)) => refusal.into(),
        Err(refusal) => match rendezvous.read(id, None).await {
            Ok(ReadOutcome::Changed(session) | ReadOutcome::Unchanged(session)) => {
                ApiResponse::from(refusal).session(session)
            }
            Ok(ReadOutcome::Gone) => Refusal::NoSession.into(),
            Err(unavailable) => Refusal::from(unavailable).into(),
        },
    }
}

async fn attempt<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    client: ClientAddress,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    rendezvous.admit(client, RequestKind::Other)?;
    match *request.method() {
        Method::PUT => send(rendezvous, id, request).await,
        Method::DELETE => cancel(rendezvous, id).await,
        _ => receive(rendezvous, id, request.headers()).await,
    }
}

/// "Receive a payload from the rendezvous session".
async fn receive<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    headers: &HeaderMap,
) -> Result<ApiResponse, Refusal> {
    let condition = Condition::of(headers, header::IF_NONE_MATCH)?;
    let seen = condition.and_then(Condition::tag);
    let max_wait = condition.and_then(|_| prefer::preferred_wait(headers));
    let outcome = match max_wait {
        Some(time) => rendezvous.read_when_changed(id, seen, time).await?,
        None => rendezvous.read(id, seen).await?,
    };
    let response = match outcome {
        ReadOutcome::Changed(session) => {
            let payload = session.payload.clone();
            ApiResponse::new(StatusCode::OK, ResponseBody::Plain(payload)).session(session)
        }
        ReadOutcome::Unchanged(session) => {
            ApiResponse::new(StatusCode::NOT_MODIFIED, ResponseBody::Nothing).session(session)
        }
        ReadOutcome::Gone => return Err(Refusal::NoSession),
    };
    Ok(match max_wait.filter(|_| !rendezvous.released()) {
        None => response,
        Some(time) => prefer::with_preference_applied(response, time),
    })
}

/// "Send a payload to the rendezvous session".
async fn send<S: Store, B: RequestBody>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
    request: &mut Request<B>,
) -> Result<ApiResponse, Refusal> {
    let condition =
        Condition::of(request.headers(), header::IF_MATCH)?.ok_or(Refusal::NoIfMatch)?;
    let expected = condition.tag();
    let write = new_write(request).await?;
    match rendezvous.write(id, expected, write).await? {
        WriteOutcome::Replaced(session) => Ok(accepted().session(session)),
        WriteOutcome::Conflict(session) => {
            Ok(ApiResponse::from(Refusal::ConcurrentWrite(session.errcodes)).session(session))
        }
        WriteOutcome::Gone => Err(Refusal::NoSession),
    }
}

fn accepted() -> ApiResponse {
    ApiResponse::new(StatusCode::ACCEPTED, ResponseBody::Plain(Bytes::new()))
}

/// "Cancel a rendezvous session".
async fn cancel<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: SessionId,
) -> Result<ApiResponse, Refusal> {
    let deleted = rendezvous.delete(id).await?;
    let response = ApiResponse::new(StatusCode::NO_CONTENT, ResponseBody::Nothing);
    if deleted {
        Ok(response)
    } else {
        Err(Refusal::NoSession)
    }
}

/// The payload of a request, with a new tag. It counts as written now, when it has arrived
/// completely.
async fn new_write(request: &mut Request<impl RequestBody>) -> Result<Write, Refusal> {
    let payload = payload::read(request).await?;
    Ok(Write {
        tag: WriteTag::random(),
        payload,
        now: Instant::now(),
    })
}
