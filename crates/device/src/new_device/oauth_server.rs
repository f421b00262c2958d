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
        // A misspelt name is reported at once. Only a lost connection is worth a wait.
        Start::Show(RendezvousAt::Homeserver(named)) => {
            discovery::look_up(http, named)
                .await
                .map_err(|error| Error::NotAuthorized(error.to_user_error()))?;
            find_oauth_server(http, named)
                .await
                .map(|_| ())
                .map_err(Error::from)
        }
        Start::Show(RendezvousAt::Endpoint(url)) => http
            .look_up(url)
            .await
            .map_err(|error| Error::Rendezvous(error.to_user_error())),
        Start::Scan(_) => Ok(()),
    }
}

/// The homeserver's base URL, and the metadata of an authorization server that has the device
/// authorization grant.
pub(super) async fn find_oauth_server(
    http: &Http,
    named: &HomeserverAddress,
) -> Result<(Url, ServerMetadata), NoAuthorization> {
    let base = patiently(|| discovery::resolve(http, named))
        .await
        .map_err(undiscovered)?;
    let metadata = patiently(|| discovery::server_metadata(http, &base))
        .await
        .map_err(undiscovered)?;
    metadata.device_grant().map_err(undiscovered)?;
    Ok((base, metadata))
}

fn undiscovered(error: DiscoveryError) -> NoAuthorization {
    match error {
        DiscoveryError::NoOauth { .. } | DiscoveryError::NoDeviceGrant { .. } => {
            NoAuthorization::Unsupported(error.to_user_error())
        }
        _ => NoAuthorization::Failed(error.to_user_error()),
    }
}
