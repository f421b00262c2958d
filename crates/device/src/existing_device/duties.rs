//! How the existing device answers the questions of its login.

use std::{
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use matrix_qr_protocol::{
    driver::ExistingDeviceHost,
    error::{Cause, Error, UserError},
    login::{
        DeviceLookup, NotLookedUp, NotOpened, VerificationOutcome,
        message::{DeviceId, Secrets, VerificationLink},
    },
};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::{
    client_server_api::HomeserverError,
    consent_link::{AccountServers, ConsentLink},
    device::Device,
    host::HostAdapter,
    keys::{
        AccountLookup, CrossSigningError, HeldIdentity, KeyHolder, await_verified, export_looked_up,
    },
    person::{Opening, Person, ProgressEvent},
    silence::Wait,
    user_error::out_of_order,
};

/// How long the homeserver may take to say whether it knows a device: less than one call may.
const LOOKUP: Duration = Duration::from_secs(15);
/// "it can repeat the GET request for up to, say, 10 seconds".
const APPEAR: Duration = Duration::from_secs(10);
/// The pause between two of those requests.
const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long the new device may take to publish its keys, once it has the secrets.
const SIGN: Duration = Duration::from_secs(10);
/// How long it may take then until it says that it failed, or deletes the session.
const STORE: Duration = Duration::from_secs(1);

/// What a grant led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The new device.
    pub device_id: DeviceId,
    /// Whether its ID is derived from the secure channel. If not, the device that was signed in
    /// under this ID may be another one than that which has the secrets.
    pub bound: bool,
    /// Whether the homeserver was seen to show it as signed by its owner. If not, that may still
    /// happen.
    pub verified: bool,
}

/// The existing device, and what it has seen of the new one.
pub(super) struct ExistingDevice<'a, P, K> {
    device: &'a Device<K>,
    person: &'a P,
    issuer: Url,
    require_bound: bool,
    /// Whether the new device's ID is bound to the channel, once it is known.
    bound: OnceLock<bool>,
    /// What the homeserver said of the account while the new device was looked for.
    account: Mutex<Option<AccountLookup>>,
    /// The public halves of the secrets that were sent.
    shared: OnceLock<HeldIdentity>,
    granted: OnceLock<Granted>,
}

impl<'a, P: Person, K: KeyHolder> ExistingDevice<'a, P, K> {
    /// `issuer` is the authorization server that the homeserver of this device names.
    pub(super) fn new(
        device: &'a Device<K>,
        person: &'a P,
        issuer: Url,
        require_bound: bool,
    ) -> Self {
        Self {
            device,
            person,
            issuer,
            require_bound,
            bound: OnceLock::new(),
            account: Mutex::new(None),
            shared: OnceLock::new(),
            granted: OnceLock::new(),
        }
    }

    pub(super) fn granted(&self) -> Result<Granted, Error> {
        self.granted.get().cloned().ok_or(Error::OutOfOrder)
    }

    /// Step 5: nobody may be signed in under the name of a device that exists. A name that is
    /// derived from the channel is nobody else's.
    async fn find(&self, id: &DeviceId, bound: bool) -> Result<DeviceLookup, NotLookedUp> {
        let _ = self.bound.set(bound);
        self.person.tell(ProgressEvent::DeviceBound { id, bound });
        if self.require_bound && !bound {
            return Err(NotLookedUp::Unbound);
        }
        self.person.tell(ProgressEvent::LookingForDevice(id));
        let found = timeout(LOOKUP, self.look(id)).await;
        found
            .unwrap_or_else(|_| Err(no_answer(LOOKUP)))
            .map_err(NotLookedUp::Failed)
    }

    /// Secret sharing, step 1: only a device that the homeserver shows gets the secrets.
    async fn appear(&self, id: &DeviceId) -> Result<DeviceLookup, UserError> {
        // What is needed next is asked for at the same time.
        let device = self.device;
        let account = async {
            let account = AccountLookup::of(device.homeserver(), device.user_id()).await;
            *self.account() = Some(account);
            Ok(())
        };
        let present = async {
            match self.await_present(id).await {
                Ok(DeviceLookup::Present) => Ok(()),
                other => Err(other),
            }
        };
        match tokio::try_join!(present, account) {
            Ok(_) => Ok(DeviceLookup::Present),
            Err(other) => other,
        }
    }

    async fn await_present(&self, id: &DeviceId) -> Result<DeviceLookup, UserError> {
        // A homeserver that never answers does not say that the device is absent.
        let mut last = Err(no_answer(APPEAR));
        let appears = async {
            loop {
                last = self.look(id).await;
                match last {
                    Ok(DeviceLookup::Absent) => sleep(LOOK_AGAIN).await,
                    _ => return,
                }
            }
        };
        let _ = timeout(APPEAR, appears).await;
        if last == Ok(DeviceLookup::Present) {
            self.person.tell(ProgressEvent::DeviceFound(id));
        }
        last
    }

    fn account(&self) -> MutexGuard<'_, Option<AccountLookup>> {
        self.account.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn look(&self, id: &DeviceId) -> Result<DeviceLookup, UserError> {
        let found = self.device.homeserver().device(id.as_str().into()).await;
        if let Err(error) = &found {
            self.explain(error).await?;
        }
        Ok(found?)
    }

    /// Where a call failed because this device's own session has ended: says why. The call has
    /// tried another token.
    async fn explain(&self, error: &HomeserverError) -> Result<(), UserError> {
        if error.ends_session() {
            self.device.stay_signed_in().await?;
        }
        Ok(())
    }

    async fn open(&self, link: &VerificationLink) -> Result<(), NotOpened> {
        let url = link.to_open();
        if let Some(what) = self.unusable(url) {
            let advice =
                "Do not open it. No secrets were sent; tell the homeserver's administrator.";
            let refused = UserError::new(Cause::OtherDevice, what, advice);
            return Err(NotOpened::Unusable(refused));
        }
        // All from this device's own session and its homeserver, not from the new device.
        let servers = AccountServers {
            homeserver: self.device.homeserver().base(),
            issuer: &self.issuer,
            server_name: Some(self.device.user_id().server_name().as_str()),
        };
        let link = ConsentLink::new(url.clone(), &servers);
        match self.person.open_link(&link).await {
            Opening::Opened => Ok(()),
            Opening::Refused => Err(NotOpened::Refused),
            Opening::Failed(why) => Err(NotOpened::Unusable(UserError::new(
                Cause::Here,
                format!("the link could not be opened: {why}"),
                "Start again with --no-browser and open the link yourself.",
            ))),
        }
    }

    /// What is wrong with a link that nobody should see. What is before an `@` looks like a host.
    fn unusable(&self, url: &Url) -> Option<String> {
        if !self.device.http().policy().permits(url) {
            let scheme = url.scheme();
            return Some(format!(
                "the link to the consent page is not an https link ({scheme}:)"
            ));
        }
        let is_disguised = !url.username().is_empty() || url.password().is_some();
        is_disguised
            .then(|| "the link to the consent page has a user name before its host".to_owned())
    }

    async fn export(&self) -> Result<Secrets, UserError> {
        self.person.tell(ProgressEvent::SharingSecrets);
        let device = self.device;
        let account = self.account().take().ok_or_else(out_of_order)?;
        let exported = export_looked_up(device.keys(), account, device.user_id()).await;
        if let Err(CrossSigningError::Homeserver(error)) = &exported {
            self.explain(error).await?;
        }
        let exported = exported?;
        if let Some(why) = exported.without_backup {
            tracing::info!(%why, "the key backup is not shared");
        }
        let _ = self.shared.set(exported.identity);
        Ok(exported.secrets)
    }

    /// A device that is verified may still fail to store what it has, and says so; when it is done it
    /// deletes the session.
    async fn verified(&self, id: DeviceId, done: impl Future<Output = ()>) -> VerificationOutcome {
        let outcome = self.outcome(&id).await;
        let verified = outcome == VerificationOutcome::Verified;
        if verified {
            let _ = timeout(STORE, done).await;
            self.person.tell(ProgressEvent::Verified(&id));
        }
        if outcome != VerificationOutcome::Gone {
            let _ = self.granted.set(self.granted_to(id, verified));
        }
        outcome
    }

    fn granted_to(&self, device_id: DeviceId, verified: bool) -> Granted {
        let bound = self.bound.get().copied().unwrap_or_default();
        Granted {
            device_id,
            bound,
            verified,
        }
    }

    /// The person gave up after the secrets were sent: what the homeserver shows now is the result.
    pub(super) async fn too_late(&self, id: DeviceId) -> Result<Granted, Error> {
        self.person.tell(ProgressEvent::TooLate(&id));
        match self.outcome(&id).await {
            VerificationOutcome::Verified => Ok(self.granted_to(id, true)),
            VerificationOutcome::Gone => Err(Error::Cancelled),
            VerificationOutcome::Unseen => Err(Error::CancelledTooLate(id)),
        }
    }

    async fn outcome(&self, id: &DeviceId) -> VerificationOutcome {
        let Some(held) = self.shared.get() else {
            return VerificationOutcome::Unseen;
        };
        let (homeserver, user_id) = (self.device.homeserver(), self.device.user_id());
        await_verified(homeserver, user_id, held, id.as_str().into(), SIGN).await
    }
}

impl<P: Person, K: KeyHolder> ExistingDeviceHost for HostAdapter<'_, P, ExistingDevice<'_, P, K>> {
    async fn find_device(&self, id: DeviceId, bound: bool) -> Result<DeviceLookup, NotLookedUp> {
        self.answer(Wait::FreeId, self.device.find(&id, bound))
            .await
    }

    async fn open_uri(&self, link: VerificationLink) -> Result<(), NotOpened> {
        self.answer(Wait::Person, self.device.open(&link)).await
    }

    async fn await_device(&self, id: DeviceId) -> Result<DeviceLookup, UserError> {
        self.answer(Wait::Appearance, self.device.appear(&id)).await
    }

    async fn export_secrets(&self) -> Result<Secrets, UserError> {
        self.answer(Wait::Secrets, self.device.export()).await
    }

    async fn await_verified(&self, id: DeviceId) -> VerificationOutcome {
        let verified = self.device.verified(id, self.until_gone());
        self.answer(Wait::Verification, verified).await
    }
}

fn no_answer(time: Duration) -> UserError {
    let seconds = time.as_secs();
    let what = format!(
        "the homeserver did not say within {seconds} seconds whether it knows the new device"
    );
    let advice = "No secrets were sent. Try again in a moment.";
    UserError::new(Cause::Homeserver, what, advice)
}
