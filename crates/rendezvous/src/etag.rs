//! MSC4108's API of 2024: payloads are bodies of `text/plain`, revisions are ETags. HTTP in, the store's
//! outcome out.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json, Router,
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use crate::{
    Rendezvous,
    answer::add_session_headers,
    payload,
    refusal::Refusal,
    store::{Created, Errcodes, Id, Read, Revision, Session, Write, Written},
    wait,
};

/// Where sessions are. `/{id}` follows.
pub(crate) const SESSIONS: &str = "/rendezvous";

const STABLE: &str = "/_matrix/client/v1/rendezvous";
const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";

/// The paths of the API. The bare create path is compared in the fallback: it is configured, and must not be
/// read as a pattern.
pub(crate) fn routes() -> Router<Rendezvous> {
    Router::new()
        .route(STABLE, post(|state, request| create(state, Errcodes::Stable, request)))
        .route(UNSTABLE, post(|state, request| create(state, Errcodes::Unstable, request)))
        .route(&format!("{SESSIONS}/{{id}}"), get(receive).put(send).delete(cancel))
        .method_not_allowed_fallback(async || Refusal::NoSuchMethod)
        .fallback(elsewhere)
}

/// The bare path has no unstable form, so its sessions speak the text's own codes.
async fn elsewhere(State(rendezvous): State<Rendezvous>, request: Request) -> Response {
    if request.uri().path() != rendezvous.0.config.create_path {
        return Refusal::NoSuchPath.into_response();
    }
    if request.method() != Method::POST {
        return ([(header::ALLOW, "POST")], Refusal::NoSuchMethod).into_response();
    }
    create(State(rendezvous), Errcodes::Stable, request).await.into_response()
}

/// "Create a rendezvous session and send initial payload".
async fn create(
    State(rendezvous): State<Rendezvous>,
    errcodes: Errcodes,
    request: Request,
) -> Result<Response, Refusal> {
    let write = new_write(request).await?;
    let id = Id::random().map_err(|_| Refusal::NoRandomness)?;
    let now = write.now;
    match rendezvous.0.store.create(id, write, errcodes) {
        Created::Created(session) => {
            let body = Json(json!({ "url": rendezvous.session_url(id) }));
            Ok(about(&session, (StatusCode::CREATED, body).into_response()))
        }
        Created::Full { until } => Err(Refusal::Full { retry_after: until.saturating_duration_since(now) }),
    }
}

/// "Receive a payload from the rendezvous session".
async fn receive(
    State(rendezvous): State<Rendezvous>,
    SessionId(id): SessionId,
    headers: HeaderMap,
) -> Response {
    match read(&rendezvous, id, &headers).await {
        Ok(response) => response,
        Err(refusal) => refuse(&rendezvous, id, refusal),
    }
}

async fn read(rendezvous: &Rendezvous, id: Id, headers: &HeaderMap) -> Result<Response, Refusal> {
    let condition = condition(headers, &header::IF_NONE_MATCH)?;
    let seen = condition.and_then(Revision::parse);
    let look = |now| rendezvous.0.store.read(id, seen, now);
    let held = wait::preferred(headers).filter(|_| condition.is_some());
    let outcome = match held {
        Some(time) => rendezvous.0.waiters.hold(id, Instant::now() + time, look).await,
        None => look(Instant::now()),
    };
    let mut response = match outcome {
        Read::Changed(session) => about(&session, plain(session.payload.to_vec())),
        Read::Unchanged(session) => about(&session, StatusCode::NOT_MODIFIED.into_response()),
        Read::Gone => return Err(Refusal::NoSession),
    };
    // Not once the server lets everybody go: a reader that is not held shall poll, and not ask again at once.
    if let Some(time) = held.filter(|_| !rendezvous.0.waiters.released()) {
        response.headers_mut().extend(preference_applied(time));
    }
    Ok(response)
}

/// "Send a payload to the rendezvous session".
async fn send(State(rendezvous): State<Rendezvous>, SessionId(id): SessionId, request: Request) -> Response {
    match write(&rendezvous, id, request).await {
        Ok(response) => response,
        Err(refusal) => refuse(&rendezvous, id, refusal),
    }
}

async fn write(rendezvous: &Rendezvous, id: Id, request: Request) -> Result<Response, Refusal> {
    let condition = condition(request.headers(), &header::IF_MATCH)?.ok_or(Refusal::NoIfMatch)?;
    let expected = Revision::parse(condition);
    let write = new_write(request).await?;
    match rendezvous.0.store.write(id, expected, write) {
        Written::Replaced(session) => {
            rendezvous.0.waiters.wake(id);
            Ok(about(&session, accepted()))
        }
        Written::Conflict(session) => {
            Ok(about(&session, Refusal::ConcurrentWrite(session.errcodes).into_response()))
        }
        Written::Gone => Err(Refusal::NoSession),
    }
}

/// "Cancel a rendezvous session".
async fn cancel(
    State(rendezvous): State<Rendezvous>,
    SessionId(id): SessionId,
) -> Result<StatusCode, Refusal> {
    if !rendezvous.0.store.delete(id, Instant::now()) {
        return Err(Refusal::NoSession);
    }
    rendezvous.0.waiters.wake(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses. On a live session with that session's headers, since a deployed client takes an answer without an
/// ETag for news and reads its own last message back. On one that is gone, always with the same words,
/// whatever else is wrong.
fn refuse(rendezvous: &Rendezvous, id: Id, refusal: Refusal) -> Response {
    match rendezvous.0.store.read(id, None, Instant::now()) {
        Read::Changed(session) | Read::Unchanged(session) => about(&session, refusal.into_response()),
        Read::Gone => Refusal::NoSession.into_response(),
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
