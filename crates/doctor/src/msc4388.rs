//! MSC4388's sessions: whether they are offered, and whether one behaves as the proposal says. No
//! app in use requests them yet, so no finding here is worse than a warning.

use matrix_qr_device::rendezvous_client::incoming;
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{
    self, ApiRoot, Location, Payload, Received, RendezvousApiError, RendezvousSession, Request,
    Sent, SessionId, json,
};
use matrix_qr_protocol::revision::Prefix;
use url::Url;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::{Probe, ProbeRequest, TEST_PAYLOAD};
use crate::response::status_text;
use crate::unanswered::unanswered;

/// A payload that must not replace [`TEST_PAYLOAD`].
const STALE_PAYLOAD: &[u8] = b"matrix-qr doctor was here before";

const CHECK: Check = Check::Msc4388;

pub(crate) async fn check(probe: &Probe<'_>, base: &Url) -> Finding {
    let finding = match BaseUrl::parse(base.as_str()) {
        Ok(base) => check_at(probe, &base).await,
        Err(_) => Err(Finding::not_checked(CHECK, "the URL is not a base URL")),
    };
    finding.unwrap_or_else(|finding| finding)
}

/// A finding in both cases: `Err` is what ends the check early, by `?`.
async fn check_at(probe: &Probe<'_>, base: &BaseUrl) -> Result<Finding, Finding> {
    let seen = match discover(probe, base).await? {
        None => "not offered, and no app in use requests them".to_owned(),
        Some((api, false)) => format!("offered to signed-in users, {}", prefix_name(&api)),
        Some((api, true)) => {
            try_session(probe, &api).await?;
            format!(
                "offered to everybody, {}; written, read, deleted",
                prefix_name(&api)
            )
        }
    };
    Ok(Finding::good(CHECK, seen))
}

/// Section "Discover if the rendezvous API is available", under both names; and whether a client
/// without an account can create sessions.
async fn discover(probe: &Probe<'_>, base: &BaseUrl) -> Result<Option<(ApiRoot, bool)>, Finding> {
    for prefix in [Prefix::default(), Prefix::default().other()] {
        let api = ApiRoot::new(base.clone(), prefix);
        let result = probe
            .send(ProbeRequest::rendezvous(json::discover(&api, None)))
            .await;
        let response = result.map_err(|no_response| unanswered(CHECK, &no_response))?;
        let seen = format!(
            "{} to the discovery {}",
            status_text(&response),
            prefix_name(&api)
        );
        match json::discovered(&incoming(response)) {
            Err(error) if error.is_unrecognized() => {}
            discovered => return Ok(Some((api, is_open(discovered, seen)?))),
        }
    }
    Ok(None)
}

fn prefix_name(api: &ApiRoot) -> &'static str {
    match api.prefix() {
        Prefix::Stable => "under the stable path",
        Prefix::Unstable => "under the unstable path",
    }
}

fn is_open(discovered: Result<bool, RendezvousApiError>, seen: String) -> Result<bool, Finding> {
    match discovered {
        Ok(open) => Ok(open),
        Err(RendezvousApiError::CreationForbidden) => Ok(false),
        Err(RendezvousApiError::RateLimited { .. }) => {
            Err(Finding::not_checked(CHECK, RATE_LIMITED))
        }
        Err(RendezvousApiError::Redirected { .. }) => {
            Err(Finding::warning(CHECK, seen, NO_REDIRECT))
        }
        Err(error) => Err(Finding::warning(
            CHECK,
            format!("{seen}: {error}"),
            NOT_MSC4388,
        )),
    }
}

const RATE_LIMITED: &str = "the server limits requests";

const NO_REDIRECT: Advice<'_> = Advice {
    effect: "Clients follow no redirect here, so they cannot use these sessions.",
    remedy: "Let the homeserver's proxy pass the request on (nginx: proxy_pass, Caddy: \
        reverse_proxy) instead of redirecting it.",
};

const NOT_MSC4388: Advice<'_> = Advice {
    effect: "Clients that request it regard it as broken.",
    remedy: "Check what responds at /_matrix/client/unstable/io.element.msc4388/rendezvous: it \
        should be matrix-qr-rendezvous, Synapse (msc4388_mode), or a 404 with M_UNRECOGNIZED.",
};

/// Uses one session from its creation to its deletion, as two devices would.
async fn try_session(probe: &Probe<'_>, api: &ApiRoot) -> Result<(), Finding> {
    let result = probe
        .send_create(ProbeRequest::rendezvous(json::create(api, None)))
        .await;
    let response = result.map_err(|no_response| unanswered(CHECK, &no_response))?;
    let session = json::created(api, &incoming(response)).map_err(not_created)?;
    let Location::Id(id) = session.location() else {
        return Err(Finding::not_checked(
            CHECK,
            "the session is of another proposal",
        ));
    };
    probe.created(&id.url());
    read_and_write(probe, session, &id).await?;
    probe.deleted(&id.url());
    Ok(())
}

fn not_created(error: RendezvousApiError) -> Finding {
    match error {
        RendezvousApiError::RateLimited { .. } => Finding::not_checked(CHECK, RATE_LIMITED),
        error => Finding::warning(
            CHECK,
            format!("a session cannot be created: {error}"),
            NOT_AS_PROPOSED,
        ),
    }
}

/// "The send mechanism", and the requests of a session, as the proposal has them.
async fn read_and_write(
    probe: &Probe<'_>,
    mut ours: RendezvousSession,
    id: &SessionId,
) -> Result<(), Finding> {
    let mut theirs = RendezvousSession::join(Location::Id(id.clone()));
    if let Err(error) = receive(probe, &mut theirs).await? {
        let seen = format!("a new session cannot be read: {error}");
        return Err(Finding::warning(CHECK, seen, NOT_ROUTED));
    }
    let first = ours.binding();
    let payload = Payload {
        bytes: TEST_PAYLOAD.to_vec(),
        binding: first.clone(),
    };
    let written = write(probe, &mut ours, &payload).await?;
    expect(written, &Ok(Sent::Accepted), "a write")?;
    let second = ours.binding();
    let repeated = write(probe, &mut ours, &payload)
        .await?
        .map(|sent| (sent, ours.binding()));
    expect(repeated, &Ok((Sent::Accepted, second)), "a repeated write")?;
    let stale = Payload {
        bytes: STALE_PAYLOAD.to_vec(),
        binding: first,
    };
    let refused = write(probe, &mut ours, &stale).await?;
    expect(refused, &Ok(Sent::Conflict), "a write with an old token")?;
    let read = receive(probe, &mut theirs)
        .await?
        .map(|received| is_test_payload(&received));
    expect(read, &Ok(true), "a read")?;
    exchange(probe, ours.delete()).await?;
    let gone = receive(probe, &mut theirs).await?.map(|_| ());
    expect(
        gone,
        &Err(RendezvousApiError::Gone),
        "a read after the deletion",
    )
}

fn is_test_payload(received: &Received) -> bool {
    matches!(received, Received::Payload(payload) if payload.bytes == TEST_PAYLOAD)
}

fn expect<T: PartialEq>(
    got: Result<T, RendezvousApiError>,
    expected: &Result<T, RendezvousApiError>,
    what: &str,
) -> Result<(), Finding> {
    let seen = match got {
        got if got == *expected => return Ok(()),
        Ok(_) => format!("{what} does not have the expected effect"),
        Err(error) => format!("{what} fails: {error}"),
    };
    Err(Finding::warning(CHECK, seen, NOT_AS_PROPOSED))
}

const NO_SIGN_IN: &str = "Apps that use MSC4388 cannot sign in by QR code here.";

const NOT_AS_PROPOSED: Advice<'_> = Advice {
    effect: NO_SIGN_IN,
    remedy: "Update the rendezvous server, and let its proxy pass GET, PUT and DELETE on \
        unchanged.",
};

const NOT_ROUTED: Advice<'_> = Advice {
    effect: NO_SIGN_IN,
    remedy: "The proxy passes the path that creates sessions on, but not the paths below it: \
        nginx: location ~ ^/_matrix/client/(v1|unstable/io\\.element\\.msc4388)/rendezvous, \
        without a $ at its end.",
};

async fn write(
    probe: &Probe<'_>,
    session: &mut RendezvousSession,
    payload: &Payload,
) -> Result<Result<Sent, RendezvousApiError>, Finding> {
    match session.send(payload) {
        Ok(request) => Ok(session.sent(&exchange(probe, request).await?)),
        Err(error) => Ok(Err(error)),
    }
}

async fn receive(
    probe: &Probe<'_>,
    session: &mut RendezvousSession,
) -> Result<Result<Received, RendezvousApiError>, Finding> {
    Ok(session.received(&exchange(probe, session.receive(None)).await?))
}

async fn exchange(probe: &Probe<'_>, request: Request) -> Result<rendezvous::Response, Finding> {
    let result = probe.send(ProbeRequest::rendezvous(request)).await;
    result
        .map(incoming)
        .map_err(|no_response| unanswered(CHECK, &no_response))
}
