//! The messages of the secure channel, from "Message reference" of MSC4108.
//!
//! A [`Message`] that exists is well formed: URLs are parsed, keys are 32 bytes, names are known.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;

pub use super::secrets::{Backup, CrossSigning, SecretKey, SecretText, Secrets};
use crate::{homeserver::Homeserver, printable, revision::Revision};

/// A reason that only MSC4108 of 2026 has.
const UNABLE_TO_OPEN: &str = "unable_to_open_verification_uri";

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
    /// Where the account lives.
    pub homeserver: Homeserver,
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

/// A device ID: any text of 1 to 255 bytes. What deployed clients send has `/` and `+` in it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DeviceId(String);

impl DeviceId {
    /// The longest device ID that we take, in bytes.
    pub const MAX_LEN: usize = 255;

    /// A device ID, or nothing if it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        (1..=Self::MAX_LEN)
            .contains(&text.len())
            .then(|| Self(text.to_owned()))
    }

    /// The ID as it is sent.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(&self.0))
    }
}

/// The reasons of `m.login.failure`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The device authorization grant expired.
    AuthorizationExpired,
    /// The device ID is taken.
    DeviceAlreadyExists,
    /// The homeserver does not show the new device.
    DeviceNotFound,
    /// A message came that was not expected.
    UnexpectedMessageReceived,
    /// No suitable protocol.
    UnsupportedProtocol,
    /// The person gave up.
    UserCancelled,
    /// The link could not be opened. It has no name of its own in MSC4108 of 2024.
    UnableToOpenVerificationUri,
    /// Something newer than we are.
    Other(String),
}

impl Reason {
    /// The name on the wire.
    pub(super) fn as_str(&self, revision: Revision) -> &str {
        match self {
            Self::AuthorizationExpired => "authorization_expired",
            Self::DeviceAlreadyExists => "device_already_exists",
            Self::DeviceNotFound => "device_not_found",
            Self::UnexpectedMessageReceived => "unexpected_message_received",
            Self::UnsupportedProtocol => "unsupported_protocol",
            Self::UnableToOpenVerificationUri if revision == Revision::Msc4388 => UNABLE_TO_OPEN,
            // MSC4108 of 2024 has no reason for a link that does not open: for the peer it is a
            // refusal.
            Self::UserCancelled | Self::UnableToOpenVerificationUri => "user_cancelled",
            Self::Other(name) => name,
        }
    }

    pub(super) fn parse(name: &str, revision: Revision) -> Self {
        match name {
            UNABLE_TO_OPEN if revision == Revision::Msc4388 => Self::UnableToOpenVerificationUri,
            "authorization_expired" => Self::AuthorizationExpired,
            "device_already_exists" => Self::DeviceAlreadyExists,
            "device_not_found" => Self::DeviceNotFound,
            "unexpected_message_received" => Self::UnexpectedMessageReceived,
            "unsupported_protocol" => Self::UnsupportedProtocol,
            "user_cancelled" => Self::UserCancelled,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.as_str(Revision::Msc4108)))
    }
}

/// Why bytes that did authenticate are still not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not an object with a `type`.
    #[error("something that is not a message")]
    NotAMessage,
    /// A `type` that we do not know.
    #[error("a message of the unknown type {}", printable(.0))]
    UnknownType(String),
    /// A known `type` whose fields are wrong. The fields themselves are not repeated: they may be
    /// secret.
    #[error("a malformed {0}")]
    Malformed(&'static str),
    /// Another one was written over it before it was read, and that one is not the other device's
    /// last word.
    #[error("a message and wrote over it before it could be read")]
    Overwritten,
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
