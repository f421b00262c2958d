//! What a QR code says.

use crate::channel::PublicKey;
use crate::homeserver::HomeserverAddress;
use crate::rendezvous::Location;
use crate::revision::Role;

/// Everything that device S learns from the QR code of device G.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    /// Who shows it.
    pub shown_by: ShownBy,
    /// Gp, device G's ephemeral public key.
    pub key: PublicKey,
    /// Where the rendezvous session is.
    pub location: Location,
}

/// Which device shows the code. Only the existing one names a homeserver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// A new device wishing to be signed in.
    New,
    /// An existing device wishing to sign in a new one, at this homeserver.
    Existing(HomeserverAddress),
}

impl QrCode {
    /// The role of the device that shows the code.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.shown_by {
            ShownBy::New => Role::New,
            ShownBy::Existing(_) => Role::Existing,
        }
    }

    /// The homeserver, when the existing device shows the code.
    #[must_use]
    pub fn homeserver(&self) -> Option<&HomeserverAddress> {
        match &self.shown_by {
            ShownBy::New => None,
            ShownBy::Existing(homeserver) => Some(homeserver),
        }
    }
}
