//! The messages of the secure channel, from "Message reference" of MSC4108.
//!
//! A [`Message`] that exists is well formed: URLs are parsed, keys are 32 bytes, names are known.

use serde::{Deserialize, Serialize};
use url::Url;

pub use super::secrets::{Backup, CrossSigning, SecretKey, SecretText, Secrets};
use crate::homeserver::HomeserverAddress;
pub use crate::{device_id::DeviceId, error::Unreadable, reason::Reason};

/// A message of the login, in either direction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// `m.login.protocols`, by the existing device.
    Protocols(Protocols),
    /// `m.login.protocol`, by the new device.
    Protocol(Protocol),
    /// `m.login.protocol_accepted`, by the existing device.
    ProtocolAccepted,
    /// `m.login.failure`, by either.
    Failure(Reason),
    /// `m.login.declined`, by the new device: the person said no on the consent page.
    Declined,
    /// `m.login.success`, by the new device: it has an access token.
    Success,
    /// `m.login.secrets`, by the existing device.
    Secrets(Secrets),
}

/// What `m.login.protocols` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Protocols {
    /// Whether `device_authorization_grant` is among the protocols on offer.
    pub device_authorization_grant: bool,
    /// Which homeserver the account is on.
    pub homeserver: HomeserverAddress,
}

/// What `m.login.protocol` says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// RFC 8628: the new device has asked, the person must agree at this link.
    DeviceAuthorizationGrant(Authorization),
    /// A protocol that we do not know, by its name.
    Other(String),
}

/// The new device's request, as the existing device needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Authorization {
    /// Where the person agrees.
    pub link: VerificationLink,
    /// The device ID that the new device asked for.
    pub device_id: DeviceId,
}

/// The two verification URIs of RFC 8628, section 3.2. Their scheme is for the device to judge.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct VerificationLink {
    /// `verification_uri`: the person must type the user code there.
    pub verification_uri: Url,
    /// `verification_uri_complete`: the user code is already in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verification_uri_complete: Option<Url>,
}

impl VerificationLink {
    /// The one to open: the complete one where there is one.
    pub fn to_open(&self) -> &Url {
        self.verification_uri_complete
            .as_ref()
            .unwrap_or(&self.verification_uri)
    }
}

impl Message {
    /// The message's `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Protocols(_) => "m.login.protocols",
            Self::Protocol(_) => "m.login.protocol",
            Self::ProtocolAccepted => "m.login.protocol_accepted",
            Self::Failure(_) => "m.login.failure",
            Self::Declined => "m.login.declined",
            Self::Success => "m.login.success",
            Self::Secrets(_) => "m.login.secrets",
        }
    }
}
