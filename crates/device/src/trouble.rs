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
/// For an answer that will be the same in a moment.
const TELL: &str = "Tell the server's administrator.";

/// What to do about an answer that says no.
fn later(transient: bool) -> &'static str {
    if transient { AGAIN } else { TELL }
}

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

/// Whose side a failed exchange with a server of this side is on: where none was reached, or none may be, it is not the server's.
fn between(error: &HttpError, server: Side) -> Side {
    match error {
        HttpError::LoopbackHttp { .. } => Side::Person,
        HttpError::Unresolved { .. } | HttpError::NoNetwork { .. } => Side::Network,
        _ => server,
    }
}

impl Told for HomeserverError {
    fn side(&self) -> Side {
        match self {
            Self::Http(error) => between(error, Side::Homeserver),
            _ => Side::Homeserver,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
    }
}

impl Told for HttpError {
    fn side(&self) -> Side {
        between(self, Side::Here)
    }

    fn advice(&self) -> &'static str {
        "Look at this machine's connection and at the address, then begin again."
    }
}

impl Told for DiscoveryError {
    fn side(&self) -> Side {
        match self {
            Self::Http(error) => between(error, Side::Homeserver),
            Self::NoDeviceGrant { .. } => Side::AuthorizationServer,
            _ => Side::Homeserver,
        }
    }
}

impl Told for OAuthError {
    fn side(&self) -> Side {
        match self {
            Self::Http(error) => between(error, Side::AuthorizationServer),
            Self::Discovery(error) => error.side(),
            Self::NoRandomness => Side::Here,
            _ => Side::AuthorizationServer,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
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
            Self::Homeserver(error) => error.side(),
            _ => Side::Here,
        }
    }
}

impl Told for RendezvousError {
    fn side(&self) -> Side {
        match self {
            Self::Http(error) => between(error, Side::RendezvousServer),
            Self::AlreadyUsed => Side::OtherDevice,
            Self::Elsewhere | Self::NoBaseUrl => Side::Here,
            _ => Side::RendezvousServer,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
    }
}

impl Told for RestoreError {
    fn side(&self) -> Side {
        match self {
            Self::Homeserver(error) => error.side(),
            Self::NotConnected | Self::Gone(_) | Self::Store(_) => Side::Here,
        }
    }
}

impl Told for ImportError {
    fn side(&self) -> Side {
        match self {
            Self::Refused(_) => Side::OtherDevice,
            Self::Query(error) | Self::Upload(error) => error.side(),
            Self::Unsigned | Self::Store(_) => Side::Here,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Refused(_) => {
                "Nothing was stored. See that the other device is a verified one of this account, then begin again."
            }
            Self::Query(error) | Self::Upload(error) => error.advice(),
            _ => AGAIN,
        }
    }
}
