//! MSC4388's sessions: are they offered, and does one do what the text says? No app in use asks for
//! them yet, so nothing about them is worse than to be looked at.

use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{
    self, ApiRoot, Location, Payload, Received, RendezvousApiError, RendezvousSession, Request,
    Sent, SessionId, json,
};
use matrix_qr_protocol::revision::Prefix;
use url::Url;

use super::probe::{Probe, Question};
use super::seen::{silent, status};
use super::{Check, Finding};
use crate::rendezvous_client::incoming;

/// What is written, and read back.
const LETTER: &[u8] = b"matrix-qr doctor was here";
const OTHER_LETTER: &[u8] = b"matrix-qr doctor was here before";

pub(super) async fn check(probe: &Probe<'_>, base: &Url) -> Finding {
    let checked = match BaseUrl::parse(base.as_str()) {
        Ok(base) => look(probe, &base).await,
        Err(_) => Err(Finding::not_checked(Check::Newer, "the URL is no base URL")),
    };
    checked.unwrap_or_else(|finding| finding)
}

/// A finding either way: what ends the check early is on the right of `?`.
async fn look(probe: &Probe<'_>, base: &BaseUrl) -> Result<Finding, Finding> {
    let Some((api, open)) = discover(probe, base).await? else {
        return Ok(Finding::good(
            Check::Newer,
            "not offered, and no app in use asks for it",
        ));
    };
    if open {
        try_session(probe, &api).await
    } else {
        Ok(Finding::good(
            Check::Newer,
            format!("offered to those who are signed in, {}", name(&api)),
        ))
    }
}

/// Section "Discover if the rendezvous API is available", under both names; and whether it is open.
async fn discover(probe: &Probe<'_>, base: &BaseUrl) -> Result<Option<(ApiRoot, bool)>, Finding> {
    for prefix in [Prefix::default(), Prefix::default().other()] {
        let api = ApiRoot::new(base.clone(), prefix);
        let answer = probe.ask(Question::of(json::discover(&api, None))).await;
        let answer = answer.map_err(|silence| silent(Check::Newer, &silence))?;
        let seen = format!("{}, asked for {}", status(&answer), name(&api));
        match json::discovered(&incoming(answer)) {
            Err(error) if error.is_unrecognized() => {}
            discovered => return Ok(Some((api, is_open(discovered, seen)?))),
        }
    }
    Ok(None)
}

fn name(api: &ApiRoot) -> &'static str {
    match api.prefix() {
        Prefix::Stable => "under its stable name",
        Prefix::Unstable => "under its unstable name",
    }
}

/// Whether somebody without an account there can make a session.
fn is_open(discovered: Result<bool, RendezvousApiError>, seen: String) -> Result<bool, Finding> {
    match discovered {
        Ok(open) => Ok(open),
        Err(RendezvousApiError::CreationForbidden) => Ok(false),
        Err(RendezvousApiError::RateLimited { .. }) => {
            Err(Finding::not_checked(Check::Newer, TOO_MANY))
        }
        Err(RendezvousApiError::Redirected { .. }) => {
            Err(Finding::warning(Check::Newer, seen, NO_REDIRECT))
        }
        Err(error) => Err(Finding::warning(
            Check::Newer,
            format!("{seen}: {error}"),
            NOT_OURS,
        )),
    }
}

const TOO_MANY: &str = "the server asks for fewer requests";

const NO_REDIRECT: (&str, &str) = (
    "Clients follow no redirect here, so that they cannot use it.",
    "Let the homeserver's proxy pass the request on (nginx: proxy_pass, Caddy: reverse_proxy) instead of redirecting it.",
);

const NOT_OURS: (&str, &str) = (
    "Clients that ask for it take it for broken.",
    "See what answers at /_matrix/client/unstable/io.element.msc4388/rendezvous: matrix-qr-rendezvous, Synapse (msc4388_mode), or a \
     404 with M_UNRECOGNIZED.",
);

/// One session, from its creation to its end, as two devices use it.
async fn try_session(probe: &Probe<'_>, api: &ApiRoot) -> Result<Finding, Finding> {
    let check = Check::Newer;
    let answer = probe
        .ask_to_create(Question::of(json::create(api, None)))
        .await;
    let answer = answer.map_err(|silence| silent(check, &silence))?;
    let session = json::created(api, &incoming(answer)).map_err(not_made)?;
    let Location::Id(id) = session.location() else {
        return Err(Finding::not_checked(check, "it is of another kind"));
    };
    probe.owns(&id.url());
    talk(probe, session, &id).await?;
    probe.disowns(&id.url());
    Ok(Finding::good(
        check,
        format!(
            "offered to everybody, {}; written, read, deleted",
            name(api)
        ),
    ))
}

fn not_made(error: RendezvousApiError) -> Finding {
    match error {
        RendezvousApiError::RateLimited { .. } => Finding::not_checked(Check::Newer, TOO_MANY),
        error => at_odds(format!("a session is not made: {error}"), NO_SESSION),
    }
}

/// "The send mechanism", and the calls on a session: as far as it is as the text says.
async fn talk(
    probe: &Probe<'_>,
    mut ours: RendezvousSession,
    id: &SessionId,
) -> Result<(), Finding> {
    let mut theirs = RendezvousSession::join(Location::Id(id.clone()));
    if let Err(error) = hear(probe, &mut theirs).await? {
        return Err(at_odds(
            format!("a new one cannot be read: {error}"),
            NOT_BELOW,
        ));
    }
    let first = ours.binding();
    let letter = Payload {
        bytes: LETTER.to_vec(),
        binding: first.clone(),
    };
    let written = say(probe, &mut ours, &letter).await?;
    expect(written, &Ok(Sent::Accepted), "a write")?;
    let second = ours.binding();
    let repeated = say(probe, &mut ours, &letter).await?;
    expect(
        repeated.map(|sent| (sent, ours.binding())),
        &Ok((Sent::Accepted, second)),
        "a repeated write",
    )?;
    let late = Payload {
        bytes: OTHER_LETTER.to_vec(),
        binding: first,
    };
    expect(
        say(probe, &mut ours, &late).await?,
        &Ok(Sent::Conflict),
        "a late write",
    )?;
    let read = hear(probe, &mut theirs)
        .await?
        .map(|heard| is_letter(&heard));
    expect(read, &Ok(true), "a read")?;
    ask(probe, ours.delete()).await?;
    let gone = hear(probe, &mut theirs).await?.map(|_| ());
    expect(
        gone,
        &Err(RendezvousApiError::Gone),
        "a read after the deletion",
    )
}

fn is_letter(heard: &Received) -> bool {
    matches!(heard, Received::Payload(payload) if payload.bytes == LETTER)
}

fn expect<T: PartialEq>(
    got: Result<T, RendezvousApiError>,
    right: &Result<T, RendezvousApiError>,
    what: &str,
) -> Result<(), Finding> {
    match got {
        got if got == *right => Ok(()),
        Ok(_) => Err(at_odds(
            format!("{what} has another effect than it should"),
            NO_SESSION,
        )),
        Err(error) => Err(at_odds(format!("{what} fails: {error}"), NO_SESSION)),
    }
}

fn at_odds(seen: String, advice: (&str, &str)) -> Finding {
    Finding::warning(Check::Newer, seen, advice)
}

const NO_SESSION: (&str, &str) = (
    "Apps of the coming kind cannot sign in by QR code here.",
    "Update the rendezvous server, and let its proxy pass GET, PUT and DELETE on as they are.",
);

const NOT_BELOW: (&str, &str) = (
    "Apps of the coming kind cannot sign in by QR code here.",
    "The proxy passes the path on that makes sessions, and not what is below it: nginx: location ~ \
     ^/_matrix/client/(v1|unstable/io\\.element\\.msc4388)/rendezvous, without a $ at its end.",
);

async fn say(
    probe: &Probe<'_>,
    session: &mut RendezvousSession,
    payload: &Payload,
) -> Result<Result<Sent, RendezvousApiError>, Finding> {
    match session.send(payload) {
        Ok(request) => Ok(session.sent(&ask(probe, request).await?)),
        Err(error) => Ok(Err(error)),
    }
}

async fn hear(
    probe: &Probe<'_>,
    session: &mut RendezvousSession,
) -> Result<Result<Received, RendezvousApiError>, Finding> {
    Ok(session.received(&ask(probe, session.receive(None)).await?))
}

async fn ask(probe: &Probe<'_>, request: Request) -> Result<rendezvous::Response, Finding> {
    let answer = probe.ask(Question::of(request)).await;
    answer
        .map(incoming)
        .map_err(|silence| silent(Check::Newer, &silence))
}
