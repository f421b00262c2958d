//! Who may create sessions through MSC4388's API: anybody, or the users of a homeserver ("Create a
//! rendezvous session and send initial payload"). MSC4108's has no such question: its clients send
//! no access token.

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

/// Who may create sessions through MSC4388's API. Whoever knows a session's ID may use it, in any
/// case.
#[derive(Clone, Debug, Default)]
pub enum Creation {
    /// Anybody: also a new device that shows the code, before anyone is signed in on it.
    #[default]
    Open,
    /// Users of this homeserver, who show an access token (the feature `whoami`, on by default).
    /// What the text calls the default.
    #[cfg(feature = "whoami")]
    Authenticated(WhoamiClient),
}

/// Keeps to that.
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
    /// first, `admit` says whether the client may cause that.
    #[cfg_attr(
        not(feature = "whoami"),
        expect(unused_variables, reason = "nobody is asked")
    )]
    pub(crate) async fn allows(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        match self {
            Self::Open => Ok(true),
            #[cfg(feature = "whoami")]
            Self::Users(users) => users.include(headers, admit).await,
        }
    }
}
