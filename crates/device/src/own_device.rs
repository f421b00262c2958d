//! The person's word that the new device is theirs (MSC4108, "Threat analysis": remote phishing).

use matrix_qr_protocol::error::Error;

use crate::{person::Person, start::unless_cancelled};

/// The person was warned, and said that the new device is theirs. [`OwnDevice::ask`] is the only way
/// to have one, and each is good for one [`crate::Device::grant`]. Ask before a code is scanned or
/// shown: the warning is of use only then.
#[derive(Debug)]
pub struct OwnDevice(());

impl OwnDevice {
    /// What [`Person::confirm_own_device`] tells the person: plain text, without line breaks.
    pub const WARNING: &'static str = "This signs another device in to your account. Whoever has \
        that device can read all your messages and act as you. Go on only if you have the new \
        device with you and started this sign-in yourself. If somebody sent you a code, or asks \
        you to scan or show one, it is their device that gets signed in. Support staff never ask \
        for this.";

    /// Warns the person, and asks whether the new device is theirs. Nothing is sent to anybody.
    ///
    /// # Errors
    ///
    /// [`Error::NotOwnDevice`], or [`Error::Cancelled`].
    pub async fn ask<P: Person>(person: &P) -> Result<Self, Error> {
        unless_cancelled(person, async {
            if person.confirm_own_device().await {
                Ok(Self(()))
            } else {
                Err(Error::NotOwnDevice)
            }
        })
        .await
    }
}
