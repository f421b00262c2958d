//! What can go wrong with an OAuth server.

use matrix_qr_protocol::{
    error::{Cause, ToUserError, advice_on_refusal},
    printable,
};
use oauth2::{ErrorResponse, RequestTokenError, StandardErrorResponse};

use crate::discovery::{DiscoveryError, advice_on_status, passes};
use crate::http::HttpError;

const RANDOMNESS: &str = "Check that the operating system of this machine provides random numbers.";

/// Why a step with the OAuth server failed. No token or code is in any of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OAuthError {
    /// No answer, or the request is not allowed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The server lacks what this needs.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// Something in front of the OAuth server answered in its place, or it is out of order.
    #[error("{}", unavailable(.host, *.status))]
    Unavailable {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
    },
    /// The server does not register clients, and no client ID was given.
    #[error("{host} does not let clients register")]
    NoRegistration {
        /// The OAuth server.
        host: String,
    },
    /// The server does not register this client.
    #[error(
        "{host} did not register this client: {error}{}",
        explained(.description.as_deref())
    )]
    NotRegistered {
        /// The OAuth server.
        host: String,
        /// The error code of RFC 7591.
        error: String,
        /// The server's explanation; bounded, without control characters.
        description: Option<String>,
    },
    /// The server does not know the client ID that was given, or not for this.
    #[error("{host} does not accept the client ID that was given ({error})")]
    UnknownClient {
        /// The OAuth server.
        host: String,
        /// The error code of RFC 6749.
        error: String,
    },
    /// The server has no way to end a token.
    #[error("{host} has no way to revoke a token")]
    NoRevocation {
        /// The OAuth server.
        host: String,
    },
    /// The server said no.
    #[error("{what} was refused: {error}{}", explained(.description.as_deref()))]
    Refused {
        /// What was asked for.
        what: &'static str,
        /// The error code of RFC 6749, 7009, 7591 or 8628.
        error: String,
        /// The server's explanation; bounded, without control characters.
        description: Option<String>,
    },
    /// The server has given the token out already, and an answer of it was lost before that.
    #[error("the answer with the token was lost in transit")]
    TokenLost,
    /// An answer that is not usable.
    #[error("{what} failed: the OAuth server's answer is not usable ({why})")]
    Malformed {
        /// What was asked for.
        what: &'static str,
        /// What is wrong with the answer.
        why: &'static str,
    },
    /// The operating system gives no random numbers.
    #[error("this machine provides no random numbers, so no device ID can be created")]
    NoRandomness,
}

fn unavailable(host: &str, status: u16) -> String {
    if passes(status) {
        return format!("{host} is not available at the moment (status {status})");
    }
    format!(
        "something in front of the authorization server at {host} answered in its place \
         (status {status})"
    )
}

fn explained(description: Option<&str>) -> String {
    description
        .map(|text| format!(" ({text})"))
        .unwrap_or_default()
}

impl OAuthError {
    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Unavailable { .. } => true,
            _ => false,
        }
    }

    /// RFC 6749, section 5.2: the token that was to be exchanged is void, has expired or is another
    /// client's.
    pub(crate) fn is_invalid_grant(&self) -> bool {
        matches!(self, Self::Refused { error, .. } if error == "invalid_grant")
    }

    /// Whether a poll for the token that failed so may have brought one: it is lost then.
    pub(crate) fn may_have_lost_token(&self) -> bool {
        matches!(self, Self::TokenLost | Self::Malformed { .. })
    }

    pub(super) fn refused(what: &'static str, error: &str, description: Option<&str>) -> Self {
        Self::Refused {
            what,
            error: printable(error),
            description: description.map(printable),
        }
    }

    /// Without the answer's body, which the library keeps: it may hold a token.
    pub(super) fn of<T>(
        what: &'static str,
        error: RequestTokenError<Self, StandardErrorResponse<T>>,
    ) -> Self
    where
        T: oauth2::ErrorResponseType + AsRef<str>,
        StandardErrorResponse<T>: ErrorResponse,
    {
        match error {
            RequestTokenError::Request(error) => error,
            RequestTokenError::ServerResponse(said) => Self::refused(
                what,
                said.error().as_ref(),
                said.error_description().map(String::as_str),
            ),
            RequestTokenError::Parse(..) => Self::Malformed {
                what,
                why: "fields are missing or of the wrong type",
            },
            RequestTokenError::Other(_) => Self::Malformed {
                what,
                why: "it is not JSON",
            },
        }
    }
}

impl ToUserError for OAuthError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Http(error) => return error.verdict_at(Cause::AuthorizationServer),
            Self::Discovery(error) => return error.verdict(),
            Self::NoRandomness => return (Cause::Here, RANDOMNESS),
            Self::Unavailable { status, .. } => advice_on_status(*status),
            Self::NoRegistration { .. } | Self::NotRegistered { .. } => {
                "Ask its administrator for a client ID and give it with --client-id."
            }
            Self::UnknownClient { .. } => {
                "Check --client-id with its administrator, or leave it out, so that this client \
                 registers itself."
            }
            Self::NoRevocation { .. } => "Remove the device in the account's settings.",
            Self::TokenLost => {
                "Start again, and remove the device that is left behind in the account's settings."
            }
            Self::Refused { .. } | Self::Malformed { .. } => advice_on_refusal(false),
        };
        (Cause::AuthorizationServer, advice)
    }
}
