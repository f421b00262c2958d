//! What a sign-in needs of the device and the person that it runs on.

use std::future::Future;

use crate::{
    channel::CheckCode,
    error::UserError,
    homeserver::HomeserverAddress,
    login::{
        DeviceLookup, Ended, NoAuthorization, NoToken, NotImported, NotLookedUp, NotOpened,
        VerificationOutcome,
        message::{Authorization, DeviceId, Secrets, VerificationLink},
    },
    qr::ShownCode,
    rendezvous::{Binding, Payload},
};

/// The result of writing a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// It is stored in the session.
    Done,
    /// Another payload is stored there, and [`Host::receive`] gives it next. Either the other
    /// device answered what we thought was lost, or it wrote at the same moment: what it says tells
    /// which.
    Overtaken,
}

/// The rendezvous session and the person of either device. Every future may be dropped at any time,
/// except that of [`Host::send`], which should be driven to its end: a payload that is sealed and
/// never written cannot be replaced.
pub trait Host {
    /// Waits for the next payload that this device did not write itself.
    fn receive(&self) -> impl Future<Output = Result<Payload, Ended>>;
    /// What the next payload is written against: the last one that was received or sent.
    fn binding(&self) -> Binding;
    /// Writes a payload, trying again until it is known what became of it, within the session's
    /// time.
    fn send(&self, payload: Payload) -> impl Future<Output = Result<Delivery, Ended>>;
    /// Is ready when the last payload of this device has been answered, or has been stored long
    /// enough to be read, or when the session is over. What answers it is not given again: a last
    /// word waits for this, and so does the end of a session that holds one.
    fn until_read(&self) -> impl Future<Output = ()>;
    /// Deletes the rendezvous session, as well as it can.
    fn delete(&self) -> impl Future<Output = ()>;
    /// Asks the person for the two digits that the other device shows.
    fn enter_check_code(&self) -> impl Future<Output = CheckCode>;
    /// Is ready as soon as the person at this device has given up, however often it is asked.
    fn cancelled(&self) -> impl Future<Output = ()>;
    /// Is ready when a last word has had time enough to be written: a few seconds.
    fn patience(&self) -> impl Future<Output = ()>;
    /// Shows the person the progress of the sign-in.
    fn tell(&self, progress: Progress<'_>);
}

/// The device that is being signed in: one method for each question of its login. A future is
/// dropped when the sign-in ends before it is ready.
pub trait NewDeviceHost: Host {
    /// Step 2: asks the homeserver's authorization server for a device authorization. With this
    /// device ID it is bound to the channel, so that the existing device can tell it from others.
    fn request_authorization(
        &self,
        homeserver: HomeserverAddress,
        device_id: DeviceId,
    ) -> impl Future<Output = Result<Authorization, NoAuthorization>>;
    /// Step 4: shows the user code, and waits for the person's decision.
    fn await_token(&self) -> impl Future<Output = Result<(), NoToken>>;
    /// Secret sharing, step 3: checks and stores them, signs, uploads, connects the backup.
    fn import_secrets(&self, secrets: Secrets) -> impl Future<Output = Result<(), NotImported>>;
}

/// The device that is already signed in: one method for each question of its login. A future is
/// dropped when the sign-in ends before it is ready.
pub trait ExistingDeviceHost: Host {
    /// Step 5: is this device ID free? `bound`: it is derived from the channel, so it is that of the
    /// device at its other end, and of no other.
    fn find_device(
        &self,
        id: DeviceId,
        bound: bool,
    ) -> impl Future<Output = Result<DeviceLookup, NotLookedUp>>;
    /// Step 5: shows the link's host, and opens it if the person agrees.
    fn open_uri(&self, link: VerificationLink) -> impl Future<Output = Result<(), NotOpened>>;
    /// Secret sharing, step 1: waits up to 10 s for the homeserver to show this device.
    fn await_device(&self, id: DeviceId) -> impl Future<Output = Result<DeviceLookup, UserError>>;
    /// Secret sharing, step 2: takes the secrets out of the store.
    fn export_secrets(&self) -> impl Future<Output = Result<Secrets, UserError>>;
    /// Sees on the homeserver that the new device has signed itself. The end does not depend on it.
    fn await_verified(&self, id: DeviceId) -> impl Future<Output = VerificationOutcome>;
}

/// The progress of a sign-in.
#[derive(Debug)]
pub enum Progress<'a> {
    /// Show this code to the other device.
    Show(&'a ShownCode),
    /// The other device answered; the channel is not yet known to be with it.
    Connected,
    /// Show these digits to the person, to be typed on the other device. The channel is secure.
    Secure(&'a CheckCode),
    /// The digits were right. The channel is secure.
    Confirmed,
    /// A message went out.
    Sent(&'static str),
    /// A message came in.
    Received(&'static str),
}
