//! The homeserver that a new device is signed in at, and the authorization server behind it. Where
//! the homeserver is known before the other device names it, both are asked while the devices meet.

use std::{convert::Infallible, future::pending, time::Duration};

use matrix_qr_protocol::{
    error::Error,
    homeserver::HomeserverAddress,
    login::NoAuthorization,
    qr::{QrCode, ShownBy},
    revision::Role,
};
use tokio::{sync::OnceCell, time::timeout};
use url::Url;

use super::options::SignInOptions;
use crate::{
    discovery::{self, DiscoveryError, ServerMetadata},
    http::Http,
    oauth::{OAuth, OAuthError},
    retry::patiently,
    start::{RendezvousAt, Start},
    user_error::ToUserError,
};

/// How long it is tried to be early.
const EARLY: Duration = Duration::from_secs(5);

/// Before any QR code is shown, where the homeserver is known by then: does its name have an
/// address? A code of our own role is refused before it is looked at any further.
pub(super) async fn check_start(http: &Http, start: &Start) -> Result<(), Error> {
    match start {
        Start::Scan(code) if code.shown_by == ShownBy::New => Err(Error::SameRole(Role::New)),
        // A misspelt name is reported at once. Only a lost connection is retried.
        Start::Show(RendezvousAt::Homeserver(named)) => {
            let found = discovery::look_up(http, named).await;
            found.map_err(|error| Error::NotAuthorized(error.to_user_error()))
        }
        Start::Show(RendezvousAt::Endpoint(url)) => {
            let found = http.look_up(url).await;
            found.map_err(|error| Error::Rendezvous(error.to_user_error()))
        }
        Start::Scan(_) => Ok(()),
    }
}

/// A homeserver and its authorization server, each asked once.
pub(super) struct OAuthServer {
    http: Http,
    options: SignInOptions,
    named: HomeserverAddress,
    base: OnceCell<Url>,
    metadata: OnceCell<ServerMetadata>,
    oauth: OnceCell<OAuth>,
}

impl OAuthServer {
    fn new(http: &Http, options: &SignInOptions, named: &HomeserverAddress) -> Self {
        Self {
            http: http.clone(),
            options: options.clone(),
            named: named.clone(),
            base: OnceCell::new(),
            metadata: OnceCell::new(),
            oauth: OnceCell::new(),
        }
    }

    /// The one that is known from the start: the person named it, or the code does.
    pub(super) fn expected(http: &Http, options: &SignInOptions, start: &Start) -> Option<Self> {
        let named = match start {
            Start::Show(RendezvousAt::Homeserver(named))
            | Start::Scan(QrCode {
                shown_by: ShownBy::Existing(named),
                ..
            }) => named,
            Start::Show(RendezvousAt::Endpoint(_)) | Start::Scan(_) => return None,
        };
        Some(Self::new(http, options, named))
    }

    /// The homeserver's base URL.
    pub(super) async fn base(&self) -> Result<&Url, NoAuthorization> {
        let resolve = || patiently(|| discovery::resolve(&self.http, &self.named));
        Ok(self.base.get_or_try_init(resolve).await?)
    }

    /// The metadata of an authorization server that has the device authorization grant.
    pub(super) async fn metadata(&self) -> Result<&ServerMetadata, NoAuthorization> {
        let base = self.base().await?;
        let find = || patiently(|| self.find(base));
        Ok(self.metadata.get_or_try_init(find).await?)
    }

    async fn find(&self, base: &Url) -> Result<ServerMetadata, DiscoveryError> {
        let metadata = discovery::server_metadata(&self.http, base).await?;
        metadata.device_grant()?;
        Ok(metadata)
    }

    /// This device as its client, registered if need be (step 2).
    async fn oauth(&self) -> Result<&OAuth, NoAuthorization> {
        let metadata = self.metadata().await?;
        let connect = || patiently(|| self.connect(metadata));
        let failed = |error: OAuthError| NoAuthorization::Failed(error.to_user_error());
        self.oauth.get_or_try_init(connect).await.map_err(failed)
    }

    async fn connect(&self, metadata: &ServerMetadata) -> Result<OAuth, OAuthError> {
        let (http, client) = (self.http.clone(), &self.options.client);
        let oauth = OAuth::connect(http, metadata.clone(), client).await?;
        Ok(oauth.on_device(&self.options.name))
    }

    /// Asks for everything early. Whatever fails is asked for again when it is needed. Never ends.
    pub(super) async fn prepare(this: Option<&Self>) -> Infallible {
        if let Some(this) = this {
            let _ = timeout(EARLY, this.oauth()).await;
        }
        pending().await
    }

    /// The homeserver that the other device names, mostly the expected one.
    pub(super) async fn named(
        expected: Option<&Self>,
        http: &Http,
        options: &SignInOptions,
        named: &HomeserverAddress,
    ) -> Result<(Url, OAuth), NoAuthorization> {
        let other = Self::new(http, options, named);
        let this = match expected {
            Some(expected) if expected.is(&other).await? => expected,
            _ => &other,
        };
        Ok((this.base().await?.clone(), this.oauth().await?.clone()))
    }

    /// Whether that is the same homeserver, by another name perhaps.
    async fn is(&self, other: &Self) -> Result<bool, NoAuthorization> {
        Ok(self.named == other.named || self.base.get() == Some(other.base().await?))
    }
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
