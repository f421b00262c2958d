//! Which revision a device follows when it shows the code. A device that scans follows the code.

use matrix_qr_protocol::{homeserver::BaseUrl, revision::Revision};
use url::Url;

use crate::{
    client_server_api::Homeserver,
    http::Http,
    rendezvous_client::{RendezvousClient, RendezvousError},
};

/// Which revision a device follows when it shows the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Showing {
    /// This one; if the server does not have it, the sign-in fails.
    Only(Revision),
    /// MSC4388 where the server lets this device create such a session, else MSC4108.
    Newest,
}

/// What deployed clients can read.
const USUAL: Showing = Showing::Only(Revision::Msc4108);

impl Default for Showing {
    fn default() -> Self {
        USUAL
    }
}

/// Where a session is to be made.
pub(crate) enum Place {
    Homeserver(Url),
    Endpoint(Url),
}

impl Place {
    /// Makes a session there; `home` is the homeserver that this device is signed in at.
    pub(crate) async fn open(
        &self,
        http: &Http,
        showing: Showing,
        home: Option<&Homeserver>,
    ) -> Result<RendezvousClient, RendezvousError> {
        match showing {
            Showing::Only(Revision::Msc4108) => self.with_url(http).await,
            Showing::Only(Revision::Msc4388) => self.with_id(http, home).await,
            Showing::Newest => match self.with_id(http, home).await {
                Ok(client) => Ok(client),
                // A server that does not answer will not answer another request.
                Err(RendezvousError::Http(error)) if error.is_transient() => Err(error.into()),
                Err(error) => self
                    .with_url(http)
                    .await
                    .map_err(|older| likelier(older, error)),
            },
        }
    }

    async fn with_url(&self, http: &Http) -> Result<RendezvousClient, RendezvousError> {
        match self {
            Self::Homeserver(base) => RendezvousClient::create(http.clone(), base).await,
            Self::Endpoint(url) => RendezvousClient::create_at(http.clone(), url).await,
        }
    }

    async fn with_id(
        &self,
        http: &Http,
        home: Option<&Homeserver>,
    ) -> Result<RendezvousClient, RendezvousError> {
        let (Self::Homeserver(base) | Self::Endpoint(base)) = self;
        // The code of an existing device says at once where the session and where the account is.
        // Nor does anybody else get the token.
        if home.is_some_and(|home| home.base() != base) {
            return Err(RendezvousError::Elsewhere);
        }
        // In the form that a parsed URL has: parsing the code's text and writing it again gives the
        // same text.
        let base_url = BaseUrl::parse(base.as_str()).map_err(|_| RendezvousError::NoBaseUrl)?;
        RendezvousClient::create_msc4388(http.clone(), &base_url, home).await
    }
}

/// The more useful of two errors: a server that has none of the older sessions may have said more
/// about the newer ones.
fn likelier(older: RendezvousError, newer: RendezvousError) -> RendezvousError {
    match (&older, &newer) {
        (RendezvousError::NotSupported { .. }, RendezvousError::NoNewer { .. }) => older,
        (RendezvousError::NotSupported { .. }, _) => newer,
        _ => older,
    }
}
