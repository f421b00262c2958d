//! Who may create sessions through MSC4388's API: anybody, or the users of a homeserver ("Create a
//! rendezvous session and send initial payload"). Through MSC4108's API anybody may: its clients
//! send no access token.

#[cfg(feature = "whoami")]
mod bearer_token;
#[cfg(feature = "whoami")]
mod token_checker;
#[cfg(feature = "whoami")]
mod whoami;

use axum::http::HeaderMap;

#[cfg(feature = "whoami")]
use self::token_checker::TokenChecker;
#[cfg(feature = "whoami")]
pub use self::whoami::{WhoamiClient, WhoamiClientError};
use crate::{metrics::Metrics, refusal::Refusal};

/// Who may create sessions through MSC4388's API. Using a session only takes its ID.
#[derive(Clone, Debug, Default)]
pub enum Creation {
    /// Anybody, including a new device that shows the QR code before anyone is signed in on it.
    #[default]
    Open,
    /// Users of this homeserver, by their access token (feature `whoami`, on by default). The
    /// proposal's default.
    #[cfg(feature = "whoami")]
    Authenticated(WhoamiClient),
}

/// Enforces [`Creation`].
pub(crate) enum CreationPolicy {
    Open,
    #[cfg(feature = "whoami")]
    Users(Box<TokenChecker>),
}

impl CreationPolicy {
    #[cfg_attr(
        not(feature = "whoami"),
        expect(unused_variables, reason = "there is nothing to count")
    )]
    pub(crate) fn new(creation: &Creation, metrics: &Metrics) -> Self {
        match creation {
            Creation::Open => Self::Open,
            #[cfg(feature = "whoami")]
            Creation::Authenticated(homeserver) => {
                Self::Users(TokenChecker::new(homeserver.clone(), metrics.clone()).into())
            }
        }
    }

    /// Whether a request with these headers may create a session. If the homeserver must be asked
    /// first, `admit` decides whether the client may cause that.
    #[cfg_attr(
        not(feature = "whoami"),
        expect(unused_variables, reason = "no homeserver is asked")
    )]
    pub(crate) async fn allows(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        match self {
            Self::Open => Ok(true),
            #[cfg(feature = "whoami")]
            // Boxed: it is large, and part of every request's future.
            Self::Users(checker) => Box::pin(checker.is_user(headers, admit)).await,
        }
    }
}
