//! What ends a rendezvous session.

use matrix_qr_protocol::{
    error::{Cause, ToUserError},
    rendezvous::RendezvousApiError,
};

use crate::http::HttpError;

const ELSEWHERE: &str =
    "Leave out the other rendezvous server, or let the new device show the code.";

/// Why a rendezvous session cannot go on. None of these says where it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RendezvousError {
    /// The server could not be reached, or must not be.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// 404: expired, or deleted by the other device, which is how some clients cancel.
    #[error("the rendezvous session has ended: it expired or the other device cancelled")]
    Gone,
    /// Its time is up, by the server's clock.
    #[error("the QR code has expired")]
    Expired,
    /// The homeserver has no rendezvous API.
    #[error("{host} does not offer rendezvous sessions, which signing in by QR code needs")]
    NotSupported {
        /// The homeserver.
        host: String,
    },
    /// More than three hops.
    #[error("{host} and the servers that it names redirect in a loop")]
    TooManyRedirects {
        /// The last of them.
        host: String,
    },
    /// Somebody wrote to the session before us.
    #[error("this QR code has been used already")]
    AlreadyUsed,
    /// The server refuses our writes, and says that nobody else wrote: Apache's mod_deflate makes
    /// it so, which adds `-gzip` to ETags and does not take it off again.
    #[error(
        "a proxy in front of the rendezvous server rewrites its ETags: nothing has changed, \
         yet it refuses a write"
    )]
    Contradiction,
    /// The homeserver has no sessions of MSC4388.
    #[error("{host} does not offer MSC4388 rendezvous sessions")]
    NoNewer {
        /// The homeserver.
        host: String,
    },
    /// MSC4388: only devices that are signed in there may create a session, and this one is not.
    #[error("{host} lets only devices that are signed in there create rendezvous sessions")]
    MustScan {
        /// The server.
        host: String,
    },
    /// MSC4388: this device is signed in there, and may not create a session all the same.
    #[error("{host} does not let this device create rendezvous sessions")]
    MustNotShow {
        /// The server.
        host: String,
    },
    /// MSC4388's code of an existing device has room for one server.
    #[error("this kind of QR code can name only one server, for both the session and the account")]
    Elsewhere,
    /// MSC4388's codes name their server by a base URL: `https`, at most 512 bytes, no query.
    #[error("the rendezvous server's URL is not the base URL of a homeserver")]
    NoBaseUrl,
    /// Anything else that the server did.
    #[error(transparent)]
    Server(RendezvousApiError),
}

impl From<RendezvousApiError> for RendezvousError {
    fn from(error: RendezvousApiError) -> Self {
        match error {
            RendezvousApiError::Gone => Self::Gone,
            error => Self::Server(error),
        }
    }
}

impl RendezvousError {
    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Server(error) => error.is_transient(),
            _ => false,
        }
    }

    /// Whether the server does not know the path: without the API there is nothing there.
    pub(super) fn is_unknown_path(&self) -> bool {
        match self {
            Self::Gone => true,
            Self::Server(error) => error.is_unrecognized(),
            _ => false,
        }
    }
}

impl ToUserError for RendezvousError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Http(error) => return error.verdict_at(Cause::RendezvousServer),
            Self::Server(error) => return error.verdict(),
            Self::AlreadyUsed => return (Cause::OtherDevice, "Start again with a new one."),
            Self::NoBaseUrl => {
                let advice = "Name it without a query, or name another server.";
                return (Cause::Here, advice);
            }
            Self::Elsewhere => return (Cause::Here, ELSEWHERE),
            Self::Gone => "Start again with a new QR code.",
            Self::Expired => "Start again with a new one.",
            Self::NotSupported { .. } => "Name another rendezvous server.",
            Self::TooManyRedirects { .. } => "Tell its administrator.",
            Self::Contradiction => {
                "Tell its administrator to turn off compression there (Apache: SetEnv no-gzip 1) \
                 and to pass on the ETag header unchanged."
            }
            Self::NoNewer { .. } => "Show an MSC4108 code, or let the other device show one.",
            Self::MustScan { .. } => {
                "Let the other device show the QR code and scan it here, or name another \
                 rendezvous server."
            }
            Self::MustNotShow { .. } => "Let the new device show the QR code and scan it here.",
        };
        (Cause::RendezvousServer, advice)
    }
}
