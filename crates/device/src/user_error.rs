//! This crate's errors, told as the [`UserError`] that ends a sign-in.
//!
//! The errors of this crate say what happened and, after a semicolon, what to do now: here the two
//! are taken apart.

use matrix_qr_protocol::error::{Cause, UserError};

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
pub(crate) trait ToUserError: std::fmt::Display {
    /// Whose side it was on.
    fn cause(&self) -> Cause;

    /// What to do, where the error's own text does not say it.
    fn advice(&self) -> &'static str {
        AGAIN
    }

    /// The two sentences.
    fn to_user_error(&self) -> UserError {
        UserError::split(self.cause(), &self.to_string(), self.advice())
    }
}

/// The login asks in one order; this is only reached when it does not.
pub(crate) fn out_of_order() -> UserError {
    UserError::new(
        Cause::Here,
        "the steps of the sign-in came in the wrong order",
        "This is a defect: please report it.",
    )
}

/// Whose side a failed exchange with a server of this side is on: where none was reached, or none
/// may be, it is not the server's.
fn between(error: &HttpError, server: Cause) -> Cause {
    match error {
        HttpError::LoopbackHttp { .. } => Cause::Person,
        HttpError::Unresolved { .. } | HttpError::NoNetwork { .. } => Cause::Network,
        _ => server,
    }
}

impl ToUserError for HomeserverError {
    fn cause(&self) -> Cause {
        match self {
            Self::Http(error) => between(error, Cause::Homeserver),
            _ => Cause::Homeserver,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
    }
}

impl ToUserError for HttpError {
    fn cause(&self) -> Cause {
        between(self, Cause::Here)
    }

    fn advice(&self) -> &'static str {
        "Look at this machine's connection and at the address, then begin again."
    }
}

impl ToUserError for DiscoveryError {
    fn cause(&self) -> Cause {
        match self {
            Self::Http(error) => between(error, Cause::Homeserver),
            Self::NoDeviceGrant { .. } => Cause::AuthorizationServer,
            _ => Cause::Homeserver,
        }
    }
}

impl ToUserError for OAuthError {
    fn cause(&self) -> Cause {
        match self {
            Self::Http(error) => between(error, Cause::AuthorizationServer),
            Self::Discovery(error) => error.cause(),
            Self::NoRandomness => Cause::Here,
            _ => Cause::AuthorizationServer,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
    }
}

impl ToUserError for SessionError {
    fn cause(&self) -> Cause {
        Cause::Here
    }

    fn advice(&self) -> &'static str {
        "Look at the directory's owner, its permissions and the room on its disk."
    }
}

impl ToUserError for CrossSigningError {
    fn cause(&self) -> Cause {
        match self {
            Self::Homeserver(error) => error.cause(),
            _ => Cause::Here,
        }
    }
}

impl ToUserError for RendezvousError {
    fn cause(&self) -> Cause {
        match self {
            Self::Http(error) => between(error, Cause::RendezvousServer),
            Self::AlreadyUsed => Cause::OtherDevice,
            Self::Elsewhere | Self::NoBaseUrl => Cause::Here,
            _ => Cause::RendezvousServer,
        }
    }

    fn advice(&self) -> &'static str {
        later(self.is_transient())
    }
}

impl ToUserError for RestoreError {
    fn cause(&self) -> Cause {
        match self {
            Self::Homeserver(error) => error.cause(),
            Self::NotConnected | Self::Gone(_) | Self::Store(_) => Cause::Here,
        }
    }
}

impl ToUserError for ImportError {
    fn cause(&self) -> Cause {
        match self {
            Self::Refused(_) => Cause::OtherDevice,
            Self::Query(error) | Self::Upload(error) => error.cause(),
            Self::Unsigned | Self::Store(_) => Cause::Here,
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
