//! This crate's errors, told as the [`Trouble`] that ends a sign-in.
//!
//! The errors of this crate say what happened and, after a semicolon, what to do now: here the two are taken apart.

use matrix_qr_protocol::error::{Side, Trouble};

use crate::{
    discovery::DiscoveryError,
    encryption::{CrossSigningError, ImportError, RestoreError},
    homeserver::HomeserverError,
    http::HttpError,
    oauth::OAuthError,
    rendezvous_client::RendezvousError,
    session::SessionError,
};

const AGAIN: &str = "Begin again in a moment; if it stays, tell the server's administrator.";

/// An error with a side.
pub(crate) trait Told: std::error::Error {
    /// Whose side it was on.
    fn side(&self) -> Side;

    /// What to do, where the error's own text does not say it.
    fn advice(&self) -> &'static str {
        AGAIN
    }

    /// The two sentences.
    fn told(&self) -> Trouble {
        Trouble::split(self.side(), &self.to_string(), self.advice())
    }
}

/// The login asks in one order; this is only reached when it does not.
pub(crate) fn out_of_order() -> Trouble {
    Trouble::new(
        Side::Here,
        "the steps of the sign-in came in the wrong order",
        "This is a defect: please report it.",
    )
}

impl Told for HomeserverError {
    fn side(&self) -> Side {
        Side::Homeserver
    }
}

impl Told for HttpError {
    fn side(&self) -> Side {
        Side::Here
    }

    fn advice(&self) -> &'static str {
        "Look at this machine's connection and at the address, then begin again."
    }
}

impl Told for DiscoveryError {
    fn side(&self) -> Side {
        match self {
            Self::NoDeviceGrant { .. } => Side::AuthorizationServer,
            _ => Side::Homeserver,
        }
    }
}

impl Told for OAuthError {
    fn side(&self) -> Side {
        match self {
            Self::Discovery(error) => error.side(),
            Self::NoRandomness => Side::Here,
            _ => Side::AuthorizationServer,
        }
    }
}

impl Told for SessionError {
    fn side(&self) -> Side {
        Side::Here
    }

    fn advice(&self) -> &'static str {
        "Look at the directory's owner, its permissions and the room on its disk."
    }
}

impl Told for CrossSigningError {
    fn side(&self) -> Side {
        match self {
            Self::Homeserver(_) => Side::Homeserver,
            _ => Side::Here,
        }
    }
}

impl Told for RendezvousError {
    fn side(&self) -> Side {
        match self {
            Self::AlreadyUsed => Side::OtherDevice,
            Self::Elsewhere | Self::NoBaseUrl => Side::Here,
            _ => Side::RendezvousServer,
        }
    }
}

impl Told for RestoreError {
    fn side(&self) -> Side {
        match self {
            Self::Homeserver(_) => Side::Homeserver,
            Self::NotConnected | Self::Gone(_) | Self::Store(_) => Side::Here,
        }
    }
}

impl Told for ImportError {
    fn side(&self) -> Side {
        match self {
            Self::Refused(_) => Side::OtherDevice,
            Self::Query(_) | Self::Upload(_) => Side::Homeserver,
            Self::Unsigned | Self::Store(_) => Side::Here,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Refused(_) => {
                "Nothing was stored. See that the other device is a verified one of this account, then begin again."
            }
            _ => AGAIN,
        }
    }
}
