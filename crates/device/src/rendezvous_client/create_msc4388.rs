//! The first exchange of the device that shows the code, in MSC4388.

use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{ApiRoot, RendezvousApiError, RendezvousSession, json};
use matrix_qr_protocol::revision::Prefix;

use super::client::RendezvousClient;
use super::error::RendezvousError;
use super::patience::{in_time, patiently};
use super::state::State;
use super::wire::{QUICK, exchange};
use crate::client_server_api::Homeserver;
use crate::http::{Http, host};
use crate::secret::Secret;

impl RendezvousClient {
    /// Creates a session of MSC4388 at a homeserver; as `home`, if this device is signed in there.
    ///
    /// # Errors
    ///
    /// [`RendezvousError::NoNewer`] when the homeserver has no such sessions,
    /// [`RendezvousError::MustScan`] and [`RendezvousError::MustNotShow`] when it does not let this
    /// device create one.
    pub async fn create_msc4388(
        http: Http,
        base_url: &BaseUrl,
        home: Option<&Homeserver>,
    ) -> Result<Self, RendezvousError> {
        in_time(base_url.url(), with_id(http, base_url, home)).await
    }
}

/// MSC4388, step 2 of "Establishment".
async fn with_id(
    http: Http,
    base_url: &BaseUrl,
    home: Option<&Homeserver>,
) -> Result<RendezvousClient, RendezvousError> {
    let Some(home) = home else {
        return with_token(http, base_url, None).await;
    };
    let token = home.token().await;
    match with_token(http.clone(), base_url, Some(token.expose())).await {
        // Servers do not say whether the token is not the right one or has expired: the homeserver
        // knows.
        Err(refused @ RendezvousError::MustNotShow { .. }) => match other_token(home, &token).await
        {
            Some(token) => with_token(http, base_url, Some(token.expose())).await,
            None => Err(refused),
        },
        outcome => outcome,
    }
}

/// The token that the device has by now, if the one before has expired.
async fn other_token(home: &Homeserver, before: &Secret) -> Option<Secret> {
    home.whoami().await.ok()?;
    Some(home.token().await).filter(|token| token != before)
}

async fn with_token(
    http: Http,
    base_url: &BaseUrl,
    token: Option<&str>,
) -> Result<RendezvousClient, RendezvousError> {
    let session = created(&http, base_url, token).await;
    let session = session.map_err(|error| not_let(error, base_url, token))?;
    Ok(RendezvousClient::new(http, State::new(session)))
}

async fn create_with_id(
    http: &Http,
    api: &ApiRoot,
    token: Option<&str>,
) -> Result<RendezvousSession, RendezvousError> {
    let answer = exchange(http, json::create(api, token), QUICK).await?;
    Ok(json::created(api, &answer)?)
}

/// At the names that are in use until the proposal is accepted, or else at the other ones. The
/// request itself shows whether there is such an API (MSC4388, section "Discover if the rendezvous
/// API is available": clients "can" ask first). But MSC4108 has sessions at the stable path, too,
/// and would make one of these.
async fn created(
    http: &Http,
    base_url: &BaseUrl,
    token: Option<&str>,
) -> Result<RendezvousSession, RendezvousError> {
    let first = Prefix::default();
    for prefix in [first, first.other()] {
        let api = ApiRoot::new(base_url.clone(), prefix);
        let session = async {
            if prefix == Prefix::Stable {
                patiently(|| is_available(http, &api, token)).await?;
            }
            patiently(|| create_with_id(http, &api, token)).await
        };
        match session.await {
            Err(error) if error.is_unknown_path() => {}
            outcome => return outcome,
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

/// The server decides who may create a session; the advice depends on whether this device is
/// signed in there.
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
