//! The first exchange of the device that shows the code, in MSC4108.

use matrix_qr_protocol::rendezvous::{self, Created, RendezvousSession};
use url::Url;

use super::client::RendezvousClient;
use super::error::RendezvousError;
use super::patience::{in_time, patiently};
use super::state::State;
use super::wire::{QUICK, exchange};
use crate::discovery::join;
use crate::http::{Http, host};

/// Where a homeserver creates MSC4108's sessions: the stable path, and that of section "Unstable
/// prefix". They are tried in this order.
pub const PATHS: [&str; 2] = [
    "/_matrix/client/v1/rendezvous",
    "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
];

/// A homeserver delegates, and its delegate may delegate again. More hops than this are a circle.
const MAX_HOPS: usize = 3;

impl RendezvousClient {
    /// Creates a session at a homeserver: at the stable path, or else at the unstable one (step 2
    /// of "Establishment").
    ///
    /// # Errors
    ///
    /// [`RendezvousError::NotSupported`] when the homeserver has neither.
    pub async fn create(http: Http, homeserver: &Url) -> Result<Self, RendezvousError> {
        in_time(homeserver, at_homeserver(http, homeserver)).await
    }

    /// Creates a session at a rendezvous server's own endpoint.
    ///
    /// # Errors
    ///
    /// See [`RendezvousError`].
    pub async fn create_at(http: Http, endpoint: &Url) -> Result<Self, RendezvousError> {
        in_time(endpoint, at_endpoint(http, endpoint)).await
    }
}

async fn at_homeserver(http: Http, homeserver: &Url) -> Result<RendezvousClient, RendezvousError> {
    for path in PATHS {
        match at_endpoint(http.clone(), &join(homeserver, path)).await {
            Err(error) if error.is_unknown_path() => {}
            outcome => return outcome,
        }
    }
    Err(RendezvousError::NotSupported {
        host: host(homeserver),
    })
}

async fn at_endpoint(http: Http, endpoint: &Url) -> Result<RendezvousClient, RendezvousError> {
    // If a session was created and the answer was lost, nobody uses it, and it expires.
    let session = patiently(|| follow(&http, endpoint.clone())).await?;
    // The other device would refuse it, too.
    http.policy().check(session.location().server())?;
    Ok(RendezvousClient::new(http, State::new(session)))
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
