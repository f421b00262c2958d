//! Why a session cannot be used now: it has ended, or something else is in the way.

use matrix_qr_protocol::error::{Cause, ToUserError, UserError};

use crate::{client_server_api::HomeserverError, oauth::OAuthError};

/// Why there is no good token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AccessError {
    /// The session is over.
    #[error(transparent)]
    SessionEnd(#[from] SessionEnd),
    /// It may be good, and could not be used.
    #[error(transparent)]
    Other(#[from] UserError),
}

/// How this device learned that a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SessionEnd {
    /// The authorization server does not accept the refresh token (RFC 6749, section 5.2,
    /// `invalid_grant`).
    #[error(
        "this session has ended: it was removed in the account, or a copy of its directory is in \
         use elsewhere"
    )]
    Void,
    /// There is no refresh token.
    #[error("this session has ended: its token has expired, and there is no refresh token")]
    Expired,
    /// The homeserver refuses a token that was just issued.
    #[error(
        "this session has ended: the homeserver refuses even a fresh token, as it does when an \
         account is locked or deactivated"
    )]
    Refused,
    /// The homeserver says that the account is locked.
    #[error("this session has ended: the account is locked")]
    Locked,
}

impl ToUserError for SessionEnd {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Void | Self::Expired => {
                "Clear it here with `matrix-qr logout --local`, then sign in again with \
                 `matrix-qr login`."
            }
            Self::Refused | Self::Locked => {
                "Ask the homeserver's administrator. To give up the session, clear it here with \
                 `matrix-qr logout --local`, then sign in again with `matrix-qr login`."
            }
        };
        (Cause::Here, advice)
    }
}

impl From<OAuthError> for AccessError {
    fn from(error: OAuthError) -> Self {
        if error.is_invalid_grant() {
            SessionEnd::Void.into()
        } else {
            error.to_user_error().into()
        }
    }
}

impl From<HomeserverError> for AccessError {
    fn from(error: HomeserverError) -> Self {
        if error.is_locked() {
            SessionEnd::Locked.into()
        } else {
            error.to_user_error().into()
        }
    }
}

impl From<AccessError> for UserError {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::SessionEnd(end) => end.to_user_error(),
            AccessError::Other(error) => error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_session_ended_the_sentence_begins_the_same_and_names_the_way_out() {
        for end in [
            SessionEnd::Void,
            SessionEnd::Expired,
            SessionEnd::Refused,
            SessionEnd::Locked,
        ] {
            let error = end.to_user_error();
            assert!(
                error.what.starts_with("this session has ended: "),
                "{}",
                error.what
            );
            assert!(error.advice.contains("logout --local") && error.advice.contains("login`"));
            assert_eq!(error.cause, Cause::Here);
        }
    }
}
