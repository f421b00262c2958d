//! Why a request has no answer.

use matrix_qr_protocol::error::{Cause, ToUserError, advice_on_refusal};

const CHECK_NAME: &str = "Check the spelling of that name, and this machine's network connection.";
const CHECK_NETWORK: &str = "Check this machine's network connection.";
const CHECK_BOTH: &str = "Check this machine's network connection and the address, then try again.";

/// Why there is no answer. None of these says a URL's path or query: they may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The policy forbids this server.
    #[error("{scheme}://{host} was refused: only https is allowed")]
    NotAllowed {
        /// The URL's scheme.
        scheme: String,
        /// The URL's host.
        host: String,
    },
    /// `http` to this machine itself, and nobody has allowed it.
    #[error(
        "http://{host} was refused: by default, only https is allowed, even to this machine \
         itself"
    )]
    LoopbackHttp {
        /// The URL's host.
        host: String,
    },
    /// A name without an address. A machine without a network cannot tell it from a name that does
    /// not exist.
    #[error("no address was found for {host}")]
    Unresolved {
        /// The name.
        host: String,
    },
    /// This machine has no way to that address.
    #[error("this machine has no network connection to {host} ({why})")]
    NoNetwork {
        /// The server's host.
        host: String,
        /// What the system said.
        why: String,
    },
    /// No connection, or it broke, or it took too long.
    #[error("{host} could not be reached: {why}")]
    Unreachable {
        /// The server's host.
        host: String,
        /// What the connection said.
        why: String,
    },
    /// The answer was larger than what we read.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// The server's host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The request could not be built: a URL or a header that cannot be sent.
    #[error("the request could not be built")]
    BadRequest,
}

impl HttpError {
    pub(crate) fn unreachable(host: String, why: &str) -> Self {
        Self::Unreachable {
            host,
            why: why.to_owned(),
        }
    }

    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::NoNetwork { .. } | Self::Unresolved { .. }
        )
    }

    /// The verdict when this server was asked.
    pub(crate) fn verdict_at(&self, server: Cause) -> (Cause, &'static str) {
        self.verdict_or((server, advice_on_refusal(self.is_transient())))
    }

    /// Where no server was reached, or none may be, it is not due to the server.
    fn verdict_or(&self, at_server: (Cause, &'static str)) -> (Cause, &'static str) {
        match self {
            Self::LoopbackHttp { .. } => (Cause::Person, "Add --allow-loopback-http."),
            Self::Unresolved { .. } => (Cause::Network, CHECK_NAME),
            Self::NoNetwork { .. } => (Cause::Network, CHECK_NETWORK),
            Self::NotAllowed { .. }
            | Self::Unreachable { .. }
            | Self::TooLarge { .. }
            | Self::BadRequest => at_server,
        }
    }
}

impl ToUserError for HttpError {
    fn verdict(&self) -> (Cause, &'static str) {
        self.verdict_or((Cause::Here, CHECK_BOTH))
    }
}
