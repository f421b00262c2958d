//! Why a homeserver or its OAuth server is not found.

use matrix_qr_protocol::error::{Cause, ToUserError};
use url::Url;

use crate::http::{HttpError, host};

/// The way around a `.well-known` document.
const INSTEAD: &str = "Give the homeserver's base URL instead of its name \
    (--homeserver https://…), and tell its administrator.";
const TELL: &str = "Tell its administrator.";

/// Why a homeserver or its OAuth server was not found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryError {
    /// A server could not be reached, or must not be contacted.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A server name without the document that says where its homeserver is.
    #[error("{name} does not say where its homeserver is (no /.well-known/matrix/client)")]
    NoWellKnown {
        /// The server name.
        name: String,
    },
    /// That document is there, and says nothing that can be read.
    #[error("{document} {what}")]
    BadWellKnown {
        /// The document's URL.
        document: String,
        /// What is wrong with it.
        what: String,
    },
    /// `.well-known` names a homeserver that cannot be one.
    #[error("{name} names a homeserver that is not a usable base URL")]
    BadBaseUrl {
        /// The server name.
        name: String,
    },
    /// `.well-known` redirects too often, or to where it must not.
    #[error("{host} redirects its .well-known document {why}")]
    BadRedirect {
        /// Who redirects.
        host: String,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// 404 from every form of the discovery.
    #[error("{host} does not support OAuth 2.0, which signing in by QR code needs")]
    NoOauth {
        /// The homeserver's host.
        host: String,
    },
    /// An OAuth server without the device authorization grant (RFC 8628).
    #[error(
        "{issuer} does not offer the device authorization grant, \
         which signing in by QR code needs"
    )]
    NoDeviceGrant {
        /// The OAuth server.
        issuer: Url,
    },
    /// A status that is neither "here it is" nor "there is none".
    #[error("{host} answered with status {status}{}", said(.errcode.as_deref()))]
    Refused {
        /// Who answered.
        host: String,
        /// The status.
        status: u16,
        /// Matrix's error code, when there was one; bounded, without control characters.
        errcode: Option<String>,
    },
    /// A document that cannot be read.
    #[error("{document} {what}")]
    BadDocument {
        /// The document's URL.
        document: String,
        /// What is wrong with it.
        what: String,
    },
    /// An answer that is not what it should be.
    #[error("{host} sent discovery data that is not usable: {what}")]
    Malformed {
        /// Who answered.
        host: String,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl DiscoveryError {
    pub(super) fn malformed(url: &Url, what: &'static str) -> Self {
        Self::Malformed {
            host: host(url),
            what,
        }
    }

    /// Whether the same may succeed a little later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Http(error) => error.is_transient(),
            Self::Refused { status, .. } => passes(*status),
            _ => false,
        }
    }
}

impl ToUserError for DiscoveryError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Http(error) => return error.verdict_at(Cause::Homeserver),
            Self::NoWellKnown { .. }
            | Self::BadWellKnown { .. }
            | Self::BadBaseUrl { .. }
            | Self::BadRedirect { .. } => INSTEAD,
            Self::NoOauth { .. } => "Sign in another way.",
            Self::NoDeviceGrant { .. } => {
                return (Cause::AuthorizationServer, "Sign in another way.");
            }
            Self::Refused { status, .. } => advice_on_status(*status),
            Self::BadDocument { .. } | Self::Malformed { .. } => TELL,
        };
        (Cause::Homeserver, advice)
    }
}

/// Whether a status may be another one a little later.
pub(crate) fn passes(status: u16) -> bool {
    status == 429 || status >= 500
}

/// What to do about a status.
pub(crate) fn advice_on_status(status: u16) -> &'static str {
    if passes(status) {
        "Try again later."
    } else {
        TELL
    }
}

pub(super) fn said(errcode: Option<&str>) -> String {
    errcode.map(|code| format!(" ({code})")).unwrap_or_default()
}
