//! The homeserver that a new device is signed in at, and the authorization server behind it.

use matrix_qr_protocol::{
    error::Error, homeserver::HomeserverAddress, login::NoAuthorization, qr::ShownBy,
    revision::Role,
};
use url::Url;

use crate::{
    discovery::{self, DiscoveryError, ServerMetadata},
    http::Http,
    retry::patiently,
    start::{RendezvousAt, Start},
    user_error::ToUserError,
};

/// Before any QR code is shown, where the homeserver is known by then: can anybody be signed in
/// there at all? A code of our own role is refused before it is looked at any further.
pub(super) async fn check_homeserver(http: &Http, start: &Start) -> Result<(), Error> {
    match start {
        Start::Scan(code) if code.shown_by == ShownBy::New => Err(Error::SameRole(Role::New)),
        // A misspelt name is reported at once. Only a lost connection is retried.
        Start::Show(RendezvousAt::Homeserver(named)) => {
            let found = discovery::look_up(http, named).await;
            found.map_err(|error| Error::NotAuthorized(error.to_user_error()))?;
            Ok(find_oauth_server(http, named).await.map(drop)?)
        }
        Start::Show(RendezvousAt::Endpoint(url)) => {
            let found = http.look_up(url).await;
            found.map_err(|error| Error::Rendezvous(error.to_user_error()))
        }
        Start::Scan(_) => Ok(()),
    }
}

/// The homeserver's base URL, and the metadata of an authorization server that has the device
/// authorization grant.
pub(super) async fn find_oauth_server(
    http: &Http,
    named: &HomeserverAddress,
) -> Result<(Url, ServerMetadata), NoAuthorization> {
    let base = patiently(|| discovery::resolve(http, named)).await?;
    let metadata = patiently(|| discovery::server_metadata(http, &base)).await?;
    metadata.device_grant()?;
    Ok((base, metadata))
}

impl From<DiscoveryError> for NoAuthorization {
    fn from(error: DiscoveryError) -> Self {
        match error {
            DiscoveryError::NoOauth { .. } | DiscoveryError::NoDeviceGrant { .. } => {
                Self::Unsupported(error.to_user_error())
            }
            _ => Self::Failed(error.to_user_error()),
        }
    }
}
