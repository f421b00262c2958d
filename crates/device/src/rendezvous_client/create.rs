//! The first exchange of each device with the session.

use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use matrix_qr_protocol::rendezvous::{self, Created, Error, Location, Session};
use tokio::time::{Instant, sleep};
use url::Url;

use super::pace::Backoff;
use super::state::State;
use super::{QUICK, RendezvousClient, RendezvousError, exchange};
use crate::discovery::join as below;
use crate::http::{Http, HttpError};

/// The stable path, and that of section "Unstable prefix".
pub(crate) const PATHS: [&str; 2] =
    ["/_matrix/client/v1/rendezvous", "/_matrix/client/unstable/org.matrix.msc4108/rendezvous"];

/// A homeserver delegates, and its delegate may once more. More than this is a circle.
const MAX_HOPS: usize = 3;
/// How often the first exchange is tried when connections break.
const ATTEMPTS: u32 = 5;
/// How long a server may ask us to stay away before there is a session at all.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How long a session lives when the server does not say.
const USUAL_LIFETIME: Duration = Duration::from_secs(300);
/// How long it lives at most, whatever the server says.
const LONGEST_LIFETIME: Duration = Duration::from_secs(60 * 60);

pub(super) async fn at_homeserver(http: Http, homeserver: &Url) -> Result<RendezvousClient, RendezvousError> {
    for path in PATHS {
        match at_endpoint(http.clone(), &below(homeserver, path)).await {
            Err(error) if is_unknown_path(&error) => {}
            outcome => return outcome,
        }
    }
    Err(RendezvousError::NotSupported { host: host(homeserver) })
}

/// Client-Server API, section "Unsupported endpoints": 404, or `M_UNRECOGNIZED` with the 400 or 405 of older servers.
fn is_unknown_path(error: &RendezvousError) -> bool {
    match error {
        RendezvousError::Gone => true,
        RendezvousError::Server(Error::Refused { status, errcode, .. }) => {
            let unrecognized = errcode.as_deref() == Some("M_UNRECOGNIZED");
            *status == 404 || (matches!(status, 400 | 405) && unrecognized)
        }
        _ => false,
    }
}

pub(super) async fn at_endpoint(http: Http, endpoint: &Url) -> Result<RendezvousClient, RendezvousError> {
    let mut patience = Patience::new();
    let session = loop {
        match follow(&http, endpoint.clone()).await {
            Ok(session) => break session,
            // If a session was made all the same, nobody uses it, and it expires.
            Err(error) => patience.pause(error).await?,
        }
    };
    check_location(&http, &session.location())?;
    Ok(client(http, State::new(session)))
}

/// Section "Create a rendezvous session": 307 only, method and body stay, `https` is never left.
async fn follow(http: &Http, mut endpoint: Url) -> Result<Session, RendezvousError> {
    for _ in 0..=MAX_HOPS {
        let response = exchange(http, rendezvous::create(&endpoint), QUICK).await?;
        match rendezvous::created(&endpoint, &response)? {
            Created::Session(session) => return Ok(session),
            Created::Redirect(target) => endpoint = target,
        }
    }
    Err(RendezvousError::TooManyRedirects { host: host(&endpoint) })
}

/// Steps 3 and 4: the scanning device reads the session, which is empty, and then writes first.
pub(super) async fn join(http: Http, location: Location) -> Result<RendezvousClient, RendezvousError> {
    check_location(&http, &location)?;
    let (mut state, mut patience) = (State::new(Session::join(location)), Patience::new());
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
    // A session that just answered has not expired: then `Date` is a proxy's, of another clock than `Expires`.
    let stated = state.session.time_left().filter(|left| !left.is_zero());
    let lifetime = stated.unwrap_or(USUAL_LIFETIME).min(LONGEST_LIFETIME);
    RendezvousClient {
        http,
        location: state.session.location(),
        deadline: Instant::now() + lifetime,
        relaxed: AtomicBool::new(false),
        state: Mutex::new(state),
    }
}

/// Tries a few times, as long as it is the network's fault, or the server's for a moment.
struct Patience {
    left: u32,
    backoff: Backoff,
}

impl Patience {
    fn new() -> Self {
        Self { left: ATTEMPTS - 1, backoff: Backoff::new() }
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
    let Location::Url(session) = location else { return Err(RendezvousError::LaterRevision) };
    match http.policy().permits(session.url()) {
        true => Ok(()),
        false => {
            let (scheme, host) = (session.url().scheme().to_owned(), host(session.url()));
            Err(HttpError::NotAllowed { scheme, host }.into())
        }
    }
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}
