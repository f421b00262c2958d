//! MSC4388's API: payloads are strings in JSON, revisions are sequence tokens. HTTP in, the store's
//! outcome out.

mod body;

use std::time::{Duration, Instant};

use axum::http::{HeaderMap, Method, Request, StatusCode};
use serde::Serialize;
use url::form_urlencoded;

use self::body::{Available, Cancelled, Created, NewPayload, Received, Sent, ToSend};
use crate::{
    Rendezvous, Store,
    answer::{Answer, Content},
    etag,
    limits::RequestKind,
    payload::{self, Incoming},
    proxies::Client,
    refusal::Refusal,
    store::{Api, Errcodes, Id, Write, WriteTag, Written},
    wait,
};

const UNSTABLE: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// Where sessions are created, and below which they are. With the error code there for a write that
/// comes too late (MSC4388, "Unstable prefix").
const COLLECTIONS: [(&str, &str); 2] = [
    (etag::STABLE, "M_CONCURRENT_WRITE"),
    (UNSTABLE, "IO_ELEMENT_MSC4388_CONCURRENT_WRITE"),
];

/// What a path of this API names, and that code.
pub(crate) struct Route {
    place: Place,
    concurrent_write: &'static str,
}

enum Place {
    Collection,
    /// A session. A name that cannot be of this API is like one that is gone.
    Session(Option<Id>),
}

/// What this path names, if it is one of this API's.
pub(crate) fn route(path: &str) -> Option<Route> {
    COLLECTIONS
        .into_iter()
        .find_map(|(collection, concurrent_write)| {
            let below = path.strip_prefix(collection)?;
            let place = if below.is_empty() {
                Place::Collection
            } else {
                Place::Session(named(below)?)
            };
            Some(Route {
                place,
                concurrent_write,
            })
        })
}

fn named(below: &str) -> Option<Option<Id>> {
    let name = below
        .strip_prefix('/')
        .filter(|name| !name.is_empty() && !name.contains('/'))?;
    Some(Id::parse(name, Api::Msc4388))
}

pub(crate) async fn answer<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    Route {
        place,
        concurrent_write,
    }: Route,
    client: Client,
    request: &mut Request<B>,
) -> Answer {
    let outcome = match place {
        Place::Collection => collection(rendezvous, client, request).await,
        Place::Session(id) => session(rendezvous, (id, concurrent_write), client, request).await,
    };
    outcome.unwrap_or_else(Refusal::in_json)
}

async fn collection<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
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
    client: Client,
    headers: &HeaderMap,
) -> Result<Answer, Refusal> {
    rendezvous.admit(client, RequestKind::Other)?;
    // Whoever makes up tokens here shall not have more questions asked of the homeserver than one
    // who creates.
    let admit = || rendezvous.admit(client, RequestKind::Create);
    // Also when the server is full: that passes, and a POST says after how long.
    let create_available = rendezvous.may_create(headers, admit).await?;
    Ok(ok(&Available { create_available }, REST))
}

/// "Create a rendezvous session and send initial payload".
async fn create<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    rendezvous.admit(client, RequestKind::Create)?;
    if !rendezvous.may_create(request.headers(), || Ok(())).await? {
        return Err(Refusal::NoToken);
    }
    let text = payload::read_json(request).await?;
    let write = new_write(&body::parse::<NewPayload<'_>>(&text)?.data)?;
    let now = write.now;
    // The form of the error codes is not the session's: here it is that of the path of each
    // request.
    let (id, session) = rendezvous
        .create(client, write, (Api::Msc4388, Errcodes::Stable))
        .await?;
    Ok(ok(&Created::new(id, &session, now), REST))
}

/// A request about a session. On one that is gone it is always the same words, whatever else is
/// wrong with the request.
async fn session<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    (id, concurrent_write): (Option<Id>, &'static str),
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    let allowed = "GET,HEAD,PUT,DELETE";
    if ![Method::GET, Method::PUT, Method::DELETE, Method::HEAD].contains(request.method()) {
        return Err(Refusal::NoSuchMethod { allowed });
    }
    let id = id.ok_or(Refusal::NoSession)?;
    match attempt(rendezvous, (id, concurrent_write), client, request).await {
        // One who asks too fast is not worth a look, and a guess at a name is none that could hit.
        Err(
            refusal @ (Refusal::Network
            | Refusal::NoSession
            | Refusal::NoStore
            | Refusal::TooFast { .. }),
        ) => Err(refusal),
        Err(_) if !rendezvous.lives(id).await? => Err(Refusal::NoSession),
        outcome => outcome,
    }
}

async fn attempt<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    (id, concurrent_write): (Id, &'static str),
    client: Client,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    rendezvous.admit(client, RequestKind::Other)?;
    match *request.method() {
        Method::PUT => send(rendezvous, id, concurrent_write, request).await,
        Method::DELETE => cancel(rendezvous, id).await,
        _ => receive(rendezvous, id, waiting(request)).await,
    }
}

/// "Receive a payload from a rendezvous session". Held, if it asks for that, until there is another
/// than was seen.
async fn receive<S: Store>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    (seen, held): (Option<WriteTag>, Option<Duration>),
) -> Result<Answer, Refusal> {
    let session = rendezvous
        .read_whole(id, seen, held)
        .await?
        .ok_or(Refusal::NoSession)?;
    let body = Received::new(&session, Instant::now()).ok_or(Refusal::NoStore)?;
    let answer = ok(&body, session.payload.len() + REST);
    Ok(match held.filter(|_| !rendezvous.released()) {
        None => answer,
        Some(time) => wait::applied(answer, time),
    })
}

/// What the reader has seen, and for how long it would be held: `Prefer: wait` with
/// `?sequence_token=`, which the text has as "a future optimisation". A token that is none of ours
/// is not the current one.
fn waiting<B>(request: &Request<B>) -> (Option<WriteTag>, Option<Duration>) {
    let mut parameters =
        form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let token = parameters.find_map(|(name, value)| (name == "sequence_token").then_some(value));
    let held = wait::preferred(request.headers()).filter(|_| token.is_some());
    (token.and_then(|token| WriteTag::parse(&token)), held)
}

/// "Send a payload to an existing rendezvous".
async fn send<S: Store, B: Incoming>(
    rendezvous: &Rendezvous<S>,
    id: Id,
    concurrent_write: &'static str,
    request: &mut Request<B>,
) -> Result<Answer, Refusal> {
    let text = payload::read_json(request).await?;
    let ToSend {
        sequence_token,
        data,
    } = body::parse(&text)?;
    let (expected, write) = (WriteTag::parse(&sequence_token), new_write(&data)?);
    let payload = write.payload.clone();
    match rendezvous.write(id, expected, write).await? {
        Written::Replaced(session) => Ok(ok(&Sent::new(&session), REST)),
        // "To make sends idempotent": a client repeats a write whose answer was lost. Nothing has
        // changed.
        Written::Conflict(session) if session.payload == payload => {
            Ok(ok(&Sent::new(&session), REST))
        }
        Written::Conflict(_) => Ok(Refusal::StaleToken {
            errcode: concurrent_write,
        }
        .in_json()),
        Written::Gone => Err(Refusal::NoSession),
    }
}

/// "Cancel a rendezvous session".
async fn cancel<S: Store>(rendezvous: &Rendezvous<S>, id: Id) -> Result<Answer, Refusal> {
    let deleted = rendezvous.delete(id).await?;
    if deleted {
        Ok(ok(&Cancelled {}, 2))
    } else {
        Err(Refusal::NoSession)
    }
}

/// How long an answer is, less its payload.
const REST: usize = 192;

fn ok(body: &impl Serialize, room: usize) -> Answer {
    Answer::new(StatusCode::OK, Content::Json(body::to_text(body, room)))
}

/// Its bytes are counted as they are without the escapes of JSON ("Maximum payload size"), and it
/// has an allocation of its own.
fn new_write(data: &str) -> Result<Write, Refusal> {
    if data.len() > payload::LARGEST {
        return Err(Refusal::TooLarge);
    }
    Ok(Write {
        revision: WriteTag::random(),
        payload: data.as_bytes().into(),
        now: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_collection_has_its_own_code_and_sessions_below_it() {
        let id = Id::random(Api::Msc4388).to_string();
        for (collection, code) in COLLECTIONS {
            let found = |rest: &str| route(&format!("{collection}{rest}"));
            assert!(matches!(
                found(""),
                Some(Route { place: Place::Collection, concurrent_write }) if concurrent_write == code
            ));
            for (name, ours) in [(id.as_str(), true), ("x", false), ("%FF", false)] {
                let Some(Route {
                    place: Place::Session(found),
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
