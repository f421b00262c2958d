//! The first exchange of each device with the session.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{
    self, ApiRoot, Created, Location, RendezvousApiError, RendezvousSession, json,
};
use matrix_qr_protocol::revision::Prefix;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::outage::Outages;
use super::pace::Backoff;
use super::state::State;
use super::{QUICK, RendezvousClient, RendezvousError, exchange, unanswered};
use crate::discovery::join as below;
use crate::http::Http;
use crate::secret::Secret;

/// The stable path, and that of section "Unstable prefix".
pub(crate) const PATHS: [&str; 2] = [
    "/_matrix/client/v1/rendezvous",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
];

/// A homeserver delegates, and its delegate may once more. More than this is a circle.
const MAX_HOPS: usize = 3;
/// How long it may take until a session is there or is joined, whatever is tried on the way.
const LONGEST: Duration = Duration::from_secs(30);
/// How often the first exchange is tried when connections break.
const ATTEMPTS: u32 = 5;
/// How long a server may ask us to stay away before there is a session at all.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a session lives when the server does not say.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
/// How long it lives at most, whatever the server says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);

/// A server that never answers is known to be one before anybody gives up on us.
pub(super) async fn in_time<T>(
    server: &Url,
    work: impl Future<Output = Result<T, RendezvousError>>,
) -> Result<T, RendezvousError> {
    timeout(LONGEST, work)
        .await
        .unwrap_or_else(|_| Err(unanswered(server)))
}

pub(super) async fn at_homeserver(
    http: Http,
    homeserver: &Url,
) -> Result<RendezvousClient, RendezvousError> {
    for path in PATHS {
        match at_endpoint(http.clone(), &below(homeserver, path)).await {
            Err(error) if is_unknown_path(&error) => {}
            outcome => return outcome,
        }
    }
    Err(RendezvousError::NotSupported {
        host: host(homeserver),
    })
}

/// Client-Server API, section "Unsupported endpoints": 404, or `M_UNRECOGNIZED` with the 400 or 405
/// of older servers.
fn is_unknown_path(error: &RendezvousError) -> bool {
    match error {
        RendezvousError::Gone => true,
        RendezvousError::Server(error) => is_unrecognized(error),
        _ => false,
    }
}

pub(crate) fn is_unrecognized(error: &RendezvousApiError) -> bool {
    let RendezvousApiError::Refused {
        status, errcode, ..
    } = error
    else {
        return false;
    };
    *status == 404 || (matches!(status, 400 | 405) && errcode.as_deref() == Some("M_UNRECOGNIZED"))
}

pub(super) async fn at_endpoint(
    http: Http,
    endpoint: &Url,
) -> Result<RendezvousClient, RendezvousError> {
    // If a session was made where the answer was lost, nobody uses it, and it expires.
    let session = patiently(|| follow(&http, endpoint.clone())).await?;
    check_location(&http, &session.location())?;
    Ok(client(http, State::new(session)))
}

/// MSC4388, step 2 of "Establishment".
pub(super) async fn with_id(
    http: Http,
    base_url: &BaseUrl,
    access_token: Option<&Secret>,
) -> Result<RendezvousClient, RendezvousError> {
    let token = access_token.map(Secret::expose);
    let api = offered(&http, base_url, token).await?;
    let session = patiently(|| create_with_id(&http, &api, token)).await;
    let session = session.map_err(|error| not_let(error, base_url, token))?;
    Ok(client(http, State::new(session)))
}

async fn create_with_id(
    http: &Http,
    api: &ApiRoot,
    token: Option<&str>,
) -> Result<RendezvousSession, RendezvousError> {
    let answer = exchange(http, json::create(api, token), QUICK).await?;
    Ok(json::created(api, &answer)?)
}

/// MSC4388, section "Discover if the rendezvous API is available", at the names that are shown
/// until the proposal is accepted, or else at the other ones.
async fn offered(
    http: &Http,
    base_url: &BaseUrl,
    token: Option<&str>,
) -> Result<ApiRoot, RendezvousError> {
    let first = Prefix::default();
    for prefix in [first, first.other()] {
        let api = ApiRoot::new(base_url.clone(), prefix);
        let discovered = patiently(|| is_available(http, &api, token)).await;
        match discovered {
            Ok(()) => return Ok(api),
            Err(error) if is_unknown_path(&error) => {}
            Err(error) => return Err(not_let(error, base_url, token)),
        }
    }
    Err(RendezvousError::NoNewer {
        host: host(base_url.url()),
    })
}

async fn is_available(
    http: &Http,
    api: &ApiRoot,
    token: Option<&str>,
) -> Result<(), RendezvousError> {
    let answer = exchange(http, json::discover(api, token), QUICK).await?;
    if json::discovered(&answer)? {
        Ok(())
    } else {
        Err(RendezvousApiError::CreationForbidden.into())
    }
}

/// Who may create a session is the server's to say; what to do about it depends on who we are to
/// it.
fn not_let(error: RendezvousError, base_url: &BaseUrl, token: Option<&str>) -> RendezvousError {
    let host = host(base_url.url());
    match (error, token) {
        (RendezvousError::Server(RendezvousApiError::CreationForbidden), None) => {
            RendezvousError::MustScan { host }
        }
        (RendezvousError::Server(RendezvousApiError::CreationForbidden), Some(_)) => {
            RendezvousError::MustNotShow { host }
        }
        (error, _) => error,
    }
}

/// Section "Create a rendezvous session": 307 only, method and body stay, `https` is never left.
async fn follow(http: &Http, mut endpoint: Url) -> Result<RendezvousSession, RendezvousError> {
    for _ in 0..=MAX_HOPS {
        let response = exchange(http, rendezvous::create(&endpoint), QUICK).await?;
        match rendezvous::created(&endpoint, &response)? {
            Created::Session(session) => return Ok(session),
            Created::Redirect(target) => endpoint = target,
        }
    }
    Err(RendezvousError::TooManyRedirects {
        host: host(&endpoint),
    })
}

/// Steps 3 and 4: the scanning device reads the session, which is empty, and then writes first.
pub(super) async fn join(
    http: Http,
    location: Location,
) -> Result<RendezvousClient, RendezvousError> {
    check_location(&http, &location)?;
    let other = location.under_other_names();
    match (join_at(http.clone(), location).await, other) {
        // The code does not say under which names the server has it.
        (Err(error), Some(other)) if is_unknown_path(&error) => match join_at(http, other).await {
            Err(as_well) if is_unknown_path(&as_well) => Err(error),
            outcome => outcome,
        },
        (outcome, _) => outcome,
    }
}

async fn join_at(http: Http, location: Location) -> Result<RendezvousClient, RendezvousError> {
    let (mut state, mut patience) = (
        State::new(RendezvousSession::join(location)),
        Patience::new(),
    );
    while let Err(error) = first_look(&http, &mut state).await {
        patience.pause(error).await?;
    }
    match state.overheard.take() {
        Some(payload) if !payload.bytes.is_empty() => Err(RendezvousError::AlreadyUsed),
        _ => Ok(client(http, state)),
    }
}

async fn first_look(http: &Http, state: &mut State) -> Result<(), RendezvousError> {
    let response = exchange(http, state.session.receive(None), QUICK).await?;
    state.heard(&response)?;
    Ok(())
}

fn client(http: Http, state: State) -> RendezvousClient {
    // A session that just answered has not expired: then `Date` is a proxy's, of another clock than
    // `Expires`.
    let stated = state.session.time_left().filter(|left| !left.is_zero());
    let lifetime = stated.unwrap_or(USUAL_LIFETIME).min(LONGEST_LIFETIME);
    RendezvousClient {
        http,
        location: state.session.location(),
        deadline: Instant::now() + lifetime,
        relaxed: AtomicBool::new(false),
        outages: Outages::new(),
        state: Mutex::new(state),
    }
}

async fn patiently<T, F: Future<Output = Result<T, RendezvousError>>>(
    step: impl Fn() -> F,
) -> Result<T, RendezvousError> {
    let mut patience = Patience::new();
    loop {
        match step().await {
            Ok(done) => return Ok(done),
            Err(error) => patience.pause(error).await?,
        }
    }
}

/// Tries a few times, as long as it is the network's fault, or the server's for a moment.
struct Patience {
    left: u32,
    backoff: Backoff,
}

impl Patience {
    fn new() -> Self {
        Self {
            left: ATTEMPTS - 1,
            backoff: Backoff::new(),
        }
    }

    /// Waits before the next try, or gives the error back when there is none.
    async fn pause(&mut self, error: RendezvousError) -> Result<(), RendezvousError> {
        let pause = self.backoff.pause(&error);
        if self.left == 0 || !error.is_transient() || pause > LONGEST_PAUSE {
            return Err(error);
        }
        self.left -= 1;
        sleep(pause).await;
        Ok(())
    }
}

/// Before the QR code is shown: the other device would refuse it, too.
fn check_location(http: &Http, location: &Location) -> Result<(), RendezvousError> {
    Ok(http.policy().check(location.server())?)
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
