//! Signing in a new device as the existing one.

use std::future::ready;

use matrix_qr_protocol::{
    driver,
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
    rendezvous::Location,
    revision::{Dialect, Role},
};
use url::Url;

use crate::{
    device::Device,
    discovery,
    host::{HostAdapter, open_session},
    keys::KeyHolder,
    own_device::OwnDevice,
    person::{Person, ProgressEvent},
    random::rng,
    retry::patiently,
    showing::Showing,
    silence::{explained, unanswered_login},
    start::{Start, open_while, unless_cancelled},
    user_error::ToUserError,
};

mod duties;

use self::duties::ExistingDevice;
pub use self::duties::Granted;

/// How a sign-in is granted.
#[derive(Debug, Clone, Copy, Default)]
pub struct GrantOptions {
    /// Which reading of the proposal this device follows where it is the one to choose.
    pub dialect: Dialect,
    /// Which revision it follows when it shows the code.
    pub showing: Showing,
    /// How it names its homeserver to the new device, where the revision does not settle that.
    pub announce: Announce,
    /// Refuses a new device whose ID is not derived from the secure channel, before any link is
    /// opened ([`Error::DeviceUnbound`]). No other implementation derives it so far.
    pub require_bound_device: bool,
}

/// How a homeserver is named to the new device. The proposal says by its base URL; some deployed
/// clients only know server names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Announce {
    /// The base URL of the Client-Server API.
    #[default]
    BaseUrl,
    /// The server name of the account.
    ServerName,
}

impl<K: KeyHolder> Device<K> {
    /// Signs in a new device, which the person has said is their own: asks the person for the rest,
    /// and shares this device's secrets with it at the very end.
    ///
    /// # Errors
    ///
    /// Why it ended. A cancel that comes too late is no error: the new device is then reported as
    /// granted.
    /// [`Error::NoSecrets`] (a private cross-signing key is missing or is not the published one)
    /// and [`Error::UnsupportedProtocol`] (the homeserver cannot do it) come before there is a
    /// rendezvous session.
    pub async fn grant<P: Person>(
        &self,
        _own: OwnDevice,
        start: Start,
        options: GrantOptions,
        person: &P,
    ) -> Result<Granted, Error> {
        if matches!(&start, Start::Scan(code) if code.role() == Role::Existing) {
            return Err(Error::SameRole(Role::Existing));
        }
        person.tell(ProgressEvent::Checking);
        let check = explained(person, unanswered_login, Box::pin(self.check()));
        let home = Some(self.homeserver());
        let session = open_session(self.http(), &start, None, options.showing, home, person);
        let (issuer, rendezvous) = match &start {
            // No session is made for a device that cannot sign another one in.
            Start::Show(_) => {
                let issuer = unless_cancelled(person, check).await?;
                open_while(ready(Ok(issuer)), session, &start, person).await?
            }
            // Reading the session that the other device has made changes nothing there.
            Start::Scan(_) => open_while(check, session, &start, person).await?,
        };
        let location = rendezvous.location().clone();
        let homeserver = self.announced(options.announce, &location)?;
        let dialect = options.dialect;
        let device = ExistingDevice::new(self, person, issuer, options.require_bound_device);
        let host = HostAdapter::new(rendezvous, person, device);
        let end = host.while_reporting(Box::pin(async {
            let rng = &mut rng();
            match &start {
                Start::Show(_) => {
                    driver::show_as_existing_device(&host, location, dialect, homeserver, rng).await
                }
                Start::Scan(code) => {
                    driver::scan_as_existing_device(&host, code, dialect, homeserver, rng).await
                }
            }
        }));
        match end.await {
            Ok(()) => host.device.granted(),
            Err(Error::CancelledTooLate(id)) => Box::pin(host.device.too_late(id)).await,
            Err(error) => Err(host.explained(error)),
        }
    }

    /// "Cross-signing is mandatory", and so is a homeserver that can sign a device in. Returns its
    /// authorization server, as the homeserver itself names it now.
    async fn check(&self) -> Result<Url, Error> {
        let base = self.homeserver().base();
        let (_, found) = tokio::try_join!(
            async { self.check_cross_signing().await.map_err(Error::NoSecrets) },
            async { Ok(patiently(|| discovery::server_metadata(self.http(), base)).await) }
        )?;
        found
            .and_then(|metadata| metadata.device_grant().map(|_| metadata.issuer.clone()))
            .map_err(|error| Error::UnsupportedProtocol(error.to_user_error()))
    }

    /// How this device's homeserver is named to the new device.
    fn announced(
        &self,
        announce: Announce,
        session: &Location,
    ) -> Result<HomeserverAddress, Error> {
        let base = self.homeserver().base().as_str();
        let name = match (session, announce) {
            // The code, and the message that replaces it, have a base URL: the one that the session
            // is bound to.
            (Location::Id(_), _) => base,
            (Location::Url(_), Announce::BaseUrl) => base.trim_end_matches('/'),
            (Location::Url(_), Announce::ServerName) => self.user_id().server_name().as_str(),
        };
        let unnamed = |_| {
            UserError::new(
                Cause::Here,
                "this session's homeserver has no usable name",
                "Sign in again.",
            )
        };
        HomeserverAddress::parse(name).map_err(|error| Error::NoSecrets(unnamed(error)))
    }
}
