//! Why a session cannot be used now: it has ended, or something else is in the way.

use matrix_qr_protocol::error::{Side, Trouble};

use crate::{homeserver::HomeserverError, oauth::OAuthError, trouble::Told};

/// Why there is no good token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lapse {
    /// The session is over.
    Ended(Ended),
    /// It may be good, and could not be used.
    Trouble(Trouble),
}

/// How it was seen that a session has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The authorization server does not take the refresh token (RFC 6749, section 5.2, `invalid_grant`).
    Void,
    /// There is no refresh token.
    Expired,
    /// The homeserver refuses a token that was just given.
    Refused,
    /// The homeserver says that the account is locked.
    Locked,
}

impl Ended {
    fn cause(self) -> &'static str {
        match self {
            Self::Void => "it was removed in the account, or a copy of its directory is in use elsewhere",
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

impl From<Ended> for Trouble {
    /// On this device's side: what it needs, a session, it does not have.
    fn from(ended: Ended) -> Self {
        Self::new(Side::Here, format!("this session has ended: {}", ended.cause()), ended.advice())
    }
}

impl From<Ended> for Lapse {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

impl From<Trouble> for Lapse {
    fn from(trouble: Trouble) -> Self {
        Self::Trouble(trouble)
    }
}

impl From<OAuthError> for Lapse {
    fn from(error: OAuthError) -> Self {
        if error.is_invalid_grant() { Ended::Void.into() } else { error.told().into() }
    }
}

impl From<HomeserverError> for Lapse {
    fn from(error: HomeserverError) -> Self {
        if error.is_locked() { Ended::Locked.into() } else { error.told().into() }
    }
}

impl From<Lapse> for Trouble {
    fn from(lapse: Lapse) -> Self {
        match lapse {
            Lapse::Ended(ended) => ended.into(),
            Lapse::Trouble(trouble) => trouble,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_session_ended_the_sentence_begins_the_same_and_names_the_way_out() {
        for ended in [Ended::Void, Ended::Expired, Ended::Refused, Ended::Locked] {
            let trouble = Trouble::from(ended);
            assert!(trouble.what.starts_with("this session has ended: "), "{}", trouble.what);
            assert!(trouble.advice.contains("logout --local") && trouble.advice.contains("login`"));
            assert_eq!(trouble.side, Side::Here);
        }
    }
}
