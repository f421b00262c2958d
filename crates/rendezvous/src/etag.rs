//! MSC4108's API of 2024: payloads are bodies of `text/plain`, revisions are ETags. HTTP in, the
//! store's outcome out.

mod condition;

use std::time::Instant;

use axum::{
    body::Bytes,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use serde::Serialize;

use self::condition::Condition;
use crate::{
    Config, Rendezvous, Store,
    answer::{Answer, Content},
    limits::RequestKind,
    payload::{self, Incoming},
    proxies::Client,
    refusal::Refusal,
    store::{Api, Errcodes, Id, Read, Write, WriteTag, Written},
    wait,
};

/// Where sessions are. The ID follows.
pub(crate) const SESSIONS: &str = "/rendezvous/";

/// Shared with MSC4388, whose requests are of another content type.
pub(crate) const STABLE: &str = "/_matrix/client/v1/rendezvous";
const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// What a path of this API names.
pub(crate) enum Route {
    /// Where sessions are created.
    Create(Errcodes),
    /// A session. A name that cannot be ours is like one that is gone.
    Session(Option<Id>),
}

/// What this path names, if it is one of this API's. The bare create path has no unstable form, so
/// its sessions speak the text's own codes.
pub(crate) fn route(path: &str, config: &Config) -> Option<Route> {
    match path {
        STABLE => Some(Route::Create(Errcodes::Stable)),
        UNSTABLE => Some(Route::Create(Errcodes::Unstable)),
        _ if path == config.create_path => Some(Route::Create(Errcodes::Stable)),
        _ => {
            let name = path
                .strip_prefix(SESSIONS)
                .filter(|name| !name.is_empty() && !name.contains('/'))?;
            Some(Route::Session(Id::parse(name, Api::Msc4108)))
        }
    }
}

pub(crate) async fn answer<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    route: Route,
    client: Client,
    request: &mut Request<B>,
) -> Answer {
    match route {
        Route::Create(errcodes) if request.method() == Method::POST => {
            create(rendezvous, errcodes, client, request)
                .await
                .unwrap_or_else(Answer::from)
        }
        Route::Create(_) => Refusal::NoSuchMethod { allowed: "POST" }.into(),
        Route::Session(id) => session(rendezvous, id, client, request).await,
    }
}

/// "Create a rendezvous session and send initial payload".
async fn create<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    errcodes: Errcodes,
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    rendezvous.admit(client, RequestKind::Create)?;
    let write = new_write(request).await?;
    let (id, session) = rendezvous
        .create(client, write, (Api::Msc4108, errcodes))
        .await?;
    let body = serde_json::to_vec(&CreatedBody {
        url: &rendezvous.session_url(id),
    })
    .unwrap_or_default();
    Ok(Answer::new(StatusCode::CREATED, Content::Json(body)).about(session))
}

#[derive(Serialize)]
struct CreatedBody<'a> {
    url: &'a str,
}

/// A request about a session. On a live one also a refusal has that session's headers, since a
/// deployed client takes an answer without an ETag for news and reads its own last message back. On
/// one that is gone, it is always the same words, whatever else is wrong.
async fn session<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    id: Option<Id>,
    client: Client,
    request: &mut Request<B>,
) -> Answer {
    let allowed = "GET,HEAD,PUT,DELETE";
    let method = request.method();
    if ![Method::GET, Method::PUT, Method::DELETE, Method::HEAD].contains(method) {
        return Refusal::NoSuchMethod { allowed }.into();
    }
    let Some(id) = id else {
        return Refusal::NoSession.into();
    };
    match attempt(rendezvous, id, client, request).await {
        Ok(answer) => answer,
        Err(refusal @ (Refusal::Network | Refusal::NoSession | Refusal::NoStore)) => refusal.into(),
        Err(refusal) => match rendezvous.read(id, None).await {
            Ok(Read::Changed(session) | Read::Unchanged(session)) => {
                Answer::from(refusal).about(session)
            }
            Ok(Read::Gone) => Refusal::NoSession.into(),
            Err(unavailable) => Refusal::from(unavailable).into(),
        },
    }
}

async fn attempt<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
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
    id: Id,
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    let condition = Condition::of(headers, header::IF_NONE_MATCH)?;
    let seen = condition.and_then(Condition::revision);
    let held = wait::preferred(headers).filter(|_| condition.is_some());
    let outcome = match held {
        Some(time) => rendezvous.read_held(id, seen, time).await?,
        None => rendezvous.read(id, seen).await?,
    };
    let answer = match outcome {
        Read::Changed(session) => {
            let payload = Bytes::copy_from_slice(&session.payload);
            Answer::new(StatusCode::OK, Content::Plain(payload)).about(session)
        }
        Read::Unchanged(session) => {
            Answer::new(StatusCode::NOT_MODIFIED, Content::Nothing).about(session)
        }
        Read::Gone => return Err(Refusal::NoSession),
    };
    Ok(match held.filter(|_| !rendezvous.released()) {
        None => answer,
        Some(time) => wait::applied(answer, time),
    })
}

/// "Send a payload to the rendezvous session".
async fn send<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    let condition =
        Condition::of(request.headers(), header::IF_MATCH)?.ok_or(Refusal::NoIfMatch)?;
    let expected = condition.revision();
    let write = new_write(request).await?;
    match rendezvous.write(id, expected, write).await? {
        Written::Replaced(session) => Ok(accepted().about(session)),
        Written::Conflict(session) => {
            Ok(Answer::from(Refusal::ConcurrentWrite(session.errcodes)).about(session))
        }
        Written::Gone => Err(Refusal::NoSession),
    }
}

fn accepted() -> Answer {
    Answer::new(StatusCode::ACCEPTED, Content::Plain(Bytes::new()))
}

/// "Cancel a rendezvous session".
async fn cancel<S: Store>(rendezvous: &Rendezvous<S>, id: Id) -> Result<Answer, Refusal> {
    let deleted = rendezvous.delete(id).await?;
    let answer = Answer::new(StatusCode::NO_CONTENT, Content::Nothing);
    if deleted {
        Ok(answer)
    } else {
        Err(Refusal::NoSession)
    }
}

/// The payload of a request, with the revision that it will have. It counts as written now, when
/// all of it is here.
async fn new_write(request: &mut Request<impl Incoming>) -> Result<Write, Refusal> {
    let payload = payload::read(request).await?;
    Ok(Write {
        revision: WriteTag::random(),
        payload,
        now: Instant::now(),
    })
}
