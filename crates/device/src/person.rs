//! The person at the device: what they are shown, what they are asked.

use std::{future::Future, time::Duration};

use matrix_qr_protocol::{
    channel::CheckCode, driver::Progress, error::UserError, login::message::DeviceId,
};
use ruma::UserId;

use crate::{consent_link::ConsentLink, keys::BackupState};

/// A front end: it shows, asks and tells. Every future may be dropped when its answer is not needed
/// any more; an implementation then takes its question off the screen.
pub trait Person: Sync {
    /// Shows where the sign-in is. Must return at once.
    fn tell(&self, event: ProgressEvent<'_>);

    /// Existing device, before it scans or shows a code: tells the person what that can lead to
    /// ([`crate::OwnDevice::WARNING`]), and asks whether the new device is theirs. An
    /// implementation that has nobody to ask says no, unless somebody has said yes beforehand.
    fn confirm_own_device(&self) -> impl Future<Output = bool> + Send;

    /// Asks for the two digits that the other device shows. There is one attempt: what is not two
    /// digits may be asked for again, what is two digits is final.
    fn enter_check_code(&self) -> impl Future<Output = CheckCode> + Send;

    /// Existing device: shows this link's host and its warning, asks whether to open it, and opens
    /// it. The new device's user code may have to be typed there.
    fn open_link(&self, link: &ConsentLink) -> impl Future<Output = Opening> + Send;

    /// New device, where nobody said beforehand which account it must be: shows the account that
    /// the other device signs it in to, and asks whether it is the right one. An implementation
    /// that has nobody to ask says yes.
    fn confirm_account(&self, user_id: &UserId) -> impl Future<Output = bool> + Send;

    /// Is ready as soon as the person has given up, however often it is asked.
    fn cancelled(&self) -> impl Future<Output = ()> + Send;
}

/// What became of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opening {
    /// It is open, or the person opens it by hand.
    Opened,
    /// The person does not want to.
    Refused,
    /// It could not be opened, and the person cannot do it by hand. With what the system said.
    Failed(String),
}

/// Where a sign-in is, for the person.
#[derive(Debug)]
#[non_exhaustive]
pub enum ProgressEvent<'a> {
    /// What both devices go through: the code, the digits, the messages.
    Progress(Progress<'a>),
    /// Looking at the homeserver and its authorization server.
    Checking,
    /// There is a rendezvous session; it ends after this time, and the sign-in with it.
    Session {
        /// The time that is left.
        time_left: Duration,
    },
    /// New device: show the user code, large, until the end: the consent page may ask for it.
    UserCode {
        /// RFC 8628, section 3.2, `user_code`.
        code: &'a str,
        /// The page where it may have to be typed, which the other device opens.
        link: &'a ConsentLink,
    },
    /// New device: the person agreed, there is an access token.
    Token,
    /// New device: whose device it is about to become. Nothing is stored yet.
    Account(&'a UserId),
    /// Existing device: the new device's ID, and whether it is derived from the secure channel. If
    /// not, any device could have it, and only the person knows which one asks.
    DeviceBound {
        /// The device ID.
        id: &'a DeviceId,
        /// Whether it is bound.
        bound: bool,
    },
    /// Existing device: asking whether this device ID is free.
    LookingForDevice(&'a DeviceId),
    /// Existing device: the homeserver lists the new device.
    DeviceFound(&'a DeviceId),
    /// Existing device: the secrets are taken out of the store.
    SharingSecrets,
    /// New device: the secrets are checked, the device signs itself.
    ImportingSecrets,
    /// New device: the one upload of the device's keys, with both signatures, is accepted.
    KeysUploaded,
    /// New device: what became of the key backup.
    Backup(&'a BackupState),
    /// Existing device: the homeserver lists the new device as signed by its owner.
    Verified(&'a DeviceId),
    /// New device: an earlier sign-in was interrupted in its directory. Its device was signed out
    /// again, and its files are removed.
    Cleared {
        /// The earlier device, where there was a token for it.
        device_id: Option<&'a str>,
    },
    /// New device: the sign-in failed, and its device may still be in the account.
    DeviceLeft {
        /// The device.
        device_id: &'a str,
        /// Why its sign-out could not be confirmed.
        why: &'a str,
        /// What to do about it: a sentence.
        advice: &'a str,
    },
    /// Something takes so long that the person should know why, or does not work at the moment.
    /// The program keeps trying.
    Problem(&'a UserError),
    /// Existing device: the person gave up after the secrets were sent. The homeserver is asked
    /// for the result.
    TooLate(&'a DeviceId),
    /// Something could not be taken away at the end. What it is, for the person to remove.
    LeftBehind(&'a str),
}
