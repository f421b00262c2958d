//! Why a session cannot be used now: it has ended, or something else is in the way.

use matrix_qr_protocol::error::{Cause, UserError};

use crate::{homeserver::HomeserverError, oauth::OAuthError, user_error::ToUserError};

/// Why there is no good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AccessError {
    /// The session is over.
    SessionEnd(SessionEnd),
    /// It may be good, and could not be used.
    Trouble(UserError),
}

/// How it was seen that a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionEnd {
    /// The authorization server does not take the refresh token (RFC 6749, section 5.2,
    /// `invalid_grant`).
    Void,
    /// There is no refresh token.
    Expired,
    /// The homeserver refuses a token that was just given.
    Refused,
    /// The homeserver says that the account is locked.
    Locked,
}

impl SessionEnd {
    fn cause(self) -> &'static str {
        match self {
            Self::Void => {
                "it was removed in the account, or a copy of its directory is in use elsewhere"
            }
            Self::Expired => "its token has expired, and there is none to refresh it with",
            Self::Refused => {
                "the homeserver refuses even a fresh token, as it does when an account is locked or deactivated"
            }
            Self::Locked => "the account is locked",
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Void | Self::Expired => {
                "Clear it here with `matrix-qr logout --local`, then sign in again with `matrix-qr login`."
            }
            Self::Refused | Self::Locked => {
                "Ask the homeserver's administrator. To give it up, clear it here with `matrix-qr logout --local`, then \
                 sign in again with `matrix-qr login`."
            }
        }
    }
}

impl From<SessionEnd> for UserError {
    /// On this device's side: what it needs, a session, it does not have.
    fn from(ended: SessionEnd) -> Self {
        Self::new(
            Cause::Here,
            format!("this session has ended: {}", ended.cause()),
            ended.advice(),
        )
    }
}

impl From<SessionEnd> for AccessError {
    fn from(ended: SessionEnd) -> Self {
        Self::SessionEnd(ended)
    }
}

impl From<UserError> for AccessError {
    fn from(trouble: UserError) -> Self {
        Self::Trouble(trouble)
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
            AccessError::SessionEnd(ended) => ended.into(),
            AccessError::Trouble(trouble) => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_session_ended_the_sentence_begins_the_same_and_names_the_way_out() {
        for ended in [
            SessionEnd::Void,
            SessionEnd::Expired,
            SessionEnd::Refused,
            SessionEnd::Locked,
        ] {
            let trouble = UserError::from(ended);
            assert!(
                trouble.what.starts_with("this session has ended: "),
                "{}",
                trouble.what
            );
            assert!(trouble.advice.contains("logout --local") && trouble.advice.contains("login`"));
            assert_eq!(trouble.cause, Cause::Here);
        }
    }
}
