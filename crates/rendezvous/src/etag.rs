//! MSC4108's API of 2024: payloads are bodies of `text/plain`, revisions are ETags. HTTP in, the store's
//! outcome out.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::{
    Config, Rendezvous, Store,
    answer::add_session_headers,
    limits::Wish,
    metrics::{Api, Held},
    payload,
    refusal::Refusal,
    store::{Errcodes, Id, Read, Revision, Session, Write, Written},
    wait,
};

/// Where sessions are. `/{id}` follows.
pub(crate) const SESSIONS: &str = "/rendezvous";

const STABLE: &str = "/_matrix/client/v1/rendezvous";
const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// The paths of the API. The bare create path is compared in the fallback: it is configured, and must not be
/// read as a pattern.
pub(crate) fn routes<S: Store>() -> Router<Rendezvous<S>> {
    let at = |errcodes| post(move |state, client, request| create::<S>(state, errcodes, (client, request)));
    Router::new()
        .route(STABLE, at(Errcodes::Stable))
        .route(UNSTABLE, at(Errcodes::Unstable))
        .route(&format!("{SESSIONS}/{{id}}"), get(receive::<S>).put(send::<S>).delete(cancel::<S>))
        .method_not_allowed_fallback(async || Refusal::NoSuchMethod)
        .fallback(elsewhere::<S>)
}

/// Whether a path is one of this API's.
pub(crate) fn api(path: &str, config: &Config) -> Api {
    let session = path.strip_prefix(SESSIONS).is_some_and(|rest| rest.starts_with('/'));
    let ours = session || path == STABLE || path == UNSTABLE || path == config.create_path;
    if ours { Api::Msc4108 } else { Api::Unknown }
}

/// The bare path has no unstable form, so its sessions speak the text's own codes.
async fn elsewhere<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    client: Client,
    request: Request,
) -> Response {
    if request.uri().path() != rendezvous.config().create_path {
        return Refusal::NoSuchPath.into_response();
    }
    if request.method() != Method::POST {
        return ([(header::ALLOW, "POST")], Refusal::NoSuchMethod).into_response();
    }
    create(State(rendezvous), Errcodes::Stable, (client, request)).await.into_response()
}

/// "Create a rendezvous session and send initial payload".
async fn create<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    errcodes: Errcodes,
    (Client(client), request): (Client, Request),
) -> Result<Response, Refusal> {
    rendezvous.admit(client, Wish::Create)?;
    let write = new_write(request).await?;
    let (id, session) = rendezvous.create(client, write, errcodes).await?;
    let body = Json(json!({ "url": rendezvous.session_url(id) }));
    Ok(about(&session, (StatusCode::CREATED, body).into_response()))
}

/// "Receive a payload from the rendezvous session".
async fn receive<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    SessionId(id): SessionId,
    Client(client): Client,
    headers: HeaderMap,
) -> Response {
    match read(&rendezvous, id, client, &headers).await {
        Ok(response) => response,
        Err(refusal) => refuse(&rendezvous, id, refusal).await,
    }
}

async fn read<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    client: Option<IpAddr>,
    headers: &HeaderMap,
) -> Result<Response, Refusal> {
    rendezvous.admit(client, Wish::Other)?;
    let condition = condition(headers, &header::IF_NONE_MATCH)?;
    let seen = condition.and_then(Revision::parse);
    let held = wait::preferred(headers).filter(|_| condition.is_some());
    let outcome = match held {
        Some(time) => rendezvous.read_held(id, seen, time).await?,
        None => rendezvous.read(id, seen).await?,
    };
    let mut response = match outcome {
        Read::Changed(session) => about(&session, plain(session.payload.to_vec())),
        Read::Unchanged(session) => about(&session, StatusCode::NOT_MODIFIED.into_response()),
        Read::Gone => return Err(Refusal::NoSession),
    };
    // Not once the server lets everybody go: a reader that is not held shall poll, and not ask again at once.
    if let Some(time) = held.filter(|_| !rendezvous.released()) {
        response.headers_mut().extend(preference_applied(time));
        response.extensions_mut().insert(Held);
    }
    Ok(response)
}

/// "Send a payload to the rendezvous session".
async fn send<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    SessionId(id): SessionId,
    Client(client): Client,
    request: Request,
) -> Response {
    match write(&rendezvous, id, client, request).await {
        Ok(response) => response,
        Err(refusal) => refuse(&rendezvous, id, refusal).await,
    }
}

async fn write<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    client: Option<IpAddr>,
    request: Request,
) -> Result<Response, Refusal> {
    rendezvous.admit(client, Wish::Other)?;
    let condition = condition(request.headers(), &header::IF_MATCH)?.ok_or(Refusal::NoIfMatch)?;
    let expected = Revision::parse(condition);
    let write = new_write(request).await?;
    match rendezvous.write(id, expected, write).await? {
        Written::Replaced(session) => Ok(about(&session, accepted())),
        Written::Conflict(session) => {
            Ok(about(&session, Refusal::ConcurrentWrite(session.errcodes).into_response()))
        }
        Written::Gone => Err(Refusal::NoSession),
    }
}

/// "Cancel a rendezvous session".
async fn cancel<S: Store>(
    State(rendezvous): State<Rendezvous<S>>,
    SessionId(id): SessionId,
    Client(client): Client,
) -> Response {
    let deleted = async {
        rendezvous.admit(client, Wish::Other)?;
        Ok(rendezvous.delete(id).await?)
    };
    match deleted.await {
        Ok(true) => StatusCode::NO_CONTENT.into_response(),
        Ok(false) => Refusal::NoSession.into_response(),
        Err(refusal) => refuse(&rendezvous, id, refusal).await,
    }
}

/// Refuses. On a live session with that session's headers, since a deployed client takes an answer without an
/// ETag for news and reads its own last message back. On one that is gone, always with the same words,
/// whatever else is wrong.
async fn refuse<S: Store>(rendezvous: &Rendezvous<S>, id: Id, refusal: Refusal) -> Response {
    if matches!(refusal, Refusal::Network | Refusal::NoStore) {
        return refusal.into_response();
    }
    match rendezvous.read(id, None).await {
        Ok(Read::Changed(session) | Read::Unchanged(session)) => about(&session, refusal.into_response()),
        Ok(Read::Gone) => Refusal::NoSession.into_response(),
        Err(unavailable) => Refusal::from(unavailable).into_response(),
    }
}

fn about(session: &Session, mut response: Response) -> Response {
    add_session_headers(&mut response, session);
    response
}

/// Deployed clients compare the whole content type: no `charset`.
fn plain(body: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain")], body).into_response()
}

/// The content type of nothing is there because a known cache drops the ETag of an answer without one.
fn accepted() -> Response {
    let headers = [(header::CONTENT_TYPE, "text/plain"), (header::CONTENT_LENGTH, "0")];
    (StatusCode::ACCEPTED, headers).into_response()
}

fn preference_applied(time: Duration) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::try_from(format!("wait={}", time.as_secs())).ok()?;
    Some((HeaderName::from_static("preference-applied"), value))
}

/// The payload of a request, copied to an allocation of its own size, with the revision that it will have. It
/// counts as written now, when all of it is here.
async fn new_write(request: Request) -> Result<Write, Refusal> {
    let payload = Arc::from(payload::read(request).await?);
    let revision = Revision::random().map_err(|_| Refusal::NoRandomness)?;
    Ok(Write { revision, payload, now: Instant::now() })
}

/// What is within the quotes of a conditional header: one strong ETag (MSC4108, "The send mechanism"). `*`,
/// lists, weak ones and those without quotes are malformed.
fn condition<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Refusal> {
    let mut lines = headers.get_all(name).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    let text = line.to_str().map_err(|_| Refusal::MalformedETag)?;
    let tag = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).ok_or(Refusal::MalformedETag)?;
    let one = lines.next().is_none() && tag.bytes().all(|byte| byte != b'"' && byte.is_ascii_graphic());
    if one { Ok(Some(tag)) } else { Err(Refusal::MalformedETag) }
}

/// The session that a path names. One that cannot be ours is like one that is gone.
struct SessionId(Id);

impl<S: Sync> FromRequestParts<S> for SessionId {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let last = parts.uri.path().rsplit('/').next();
        last.and_then(Id::parse).map(Self).ok_or(Refusal::NoSession)
    }
}

/// The address that a request comes from, if it can be known. [`crate::serve_router`] and `axum::serve` with connect info
/// say who the peer is.
struct Client(Option<IpAddr>);

impl<S: Store> FromRequestParts<Rendezvous<S>> for Client {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, rendezvous: &Rendezvous<S>) -> Result<Self, Refusal> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        Ok(Self(rendezvous.config().proxies.client(peer, &parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn one_strong_tag_and_nothing_else() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("if-match", HeaderValue::from_bytes(line.as_bytes()).unwrap());
            }
            condition(&headers, &header::IF_MATCH).map(|tag| tag.map(str::to_owned)).map_err(|_| ())
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["\"abc\""]), Ok(Some("abc".to_owned())));
        assert_eq!(read(&["\"\""]), Ok(Some(String::new())));
        for wrong in
            ["", "*", "abc", "\"", "W/\"abc\"", "\"a\", \"b\"", "\"a\",\"b\"", "\"a b\"", "'a'", "\"é\""]
        {
            assert_eq!(read(&[wrong]), Err(()), "{wrong}");
        }
        assert_eq!(read(&["\"a\"", "\"a\""]), Err(()));
    }
}
