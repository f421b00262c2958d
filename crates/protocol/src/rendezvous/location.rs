//! Where a rendezvous session is.

use std::fmt;

use url::Url;

use super::session_id::SessionId;
use crate::revision::Revision;
use crate::web_url::{UrlError, WebUrl};

/// The longest URL of a session that is accepted, in bytes.
pub const MAX_SESSION_URL_BYTES: usize = 2048;

/// Where a rendezvous session is. It also shows which revision of the proposal is used there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// MSC4108: an absolute URL, which may be on another host than the homeserver.
    Url(SessionUrl),
    /// MSC4388: an ID at a homeserver.
    Id(SessionId),
}

impl Location {
    /// A URL of the server that has the session.
    #[must_use]
    pub fn server(&self) -> &Url {
        match self {
            Self::Url(session) => session.url(),
            Self::Id(session) => session.api().base_url().url(),
        }
    }

    /// The same session under the other names that its server may know it by (MSC4388, "Unstable
    /// prefix").
    #[must_use]
    pub fn under_other_names(&self) -> Option<Self> {
        match self {
            Self::Url(_) => None,
            Self::Id(session) => Some(Self::Id(
                session.clone().under(session.api().prefix().other()),
            )),
        }
    }
}

impl From<&Location> for Revision {
    fn from(location: &Location) -> Self {
        match location {
            Location::Url(_) => Self::Msc4108,
            Location::Id(_) => Self::Msc4388,
        }
    }
}

/// The URL of a rendezvous session: `http` or `https`, with a host, without credentials and
/// fragment. Anyone who knows it can write there: `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionUrl(WebUrl);

impl SessionUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// When it is longer than [`MAX_SESSION_URL_BYTES`] or not such a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        WebUrl::parse(text, MAX_SESSION_URL_BYTES).map(Self)
    }

    /// The text exactly as the server or the QR code gave it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The same, parsed.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.url
    }
}

impl fmt::Debug for SessionUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host) = (self.url().scheme(), self.url().host_str());
        let host = host.unwrap_or_default();
        write!(f, "SessionUrl({scheme}://{host}, [redacted])")
    }
}
