//! The messages of the secure channel, from "Message reference" of MSC4108.
//!
//! A [`Message`] that exists is well formed: URLs are parsed, keys are 32 bytes, names are known.

use std::fmt;

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

pub use super::secrets::{Backup, CrossSigning, SecretKey, SecretText, Secrets};
use super::wire::{self, Wire};
use crate::{
    homeserver::{BaseUrl, HomeserverAddress},
    printable,
    revision::Revision,
};

/// The one protocol that there is so far: RFC 8628.
pub(super) const DEVICE_AUTHORIZATION_GRANT: &str = "device_authorization_grant";

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
    /// The name in MSC4108 of 2024.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::AuthorizationExpired => "authorization_expired",
            Self::DeviceAlreadyExists => "device_already_exists",
            Self::DeviceNotFound => "device_not_found",
            Self::UnexpectedMessageReceived => "unexpected_message_received",
            Self::UnsupportedProtocol => "unsupported_protocol",
            // msc4108 has no reason for a link that does not open: for the peer it is a refusal.
            Self::UserCancelled | Self::UnableToOpenVerificationUri => "user_cancelled",
            Self::Other(name) => name,
        }
    }

    fn parse(name: &str, revision: Revision) -> Self {
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
        f.write_str(&printable(self.as_str()))
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

    /// The message as JSON.
    pub fn encode(&self, revision: impl Into<Revision>) -> Zeroizing<Vec<u8>> {
        // One allocation that is large enough: a buffer that grows would leave copies of the keys
        // behind.
        let mut json = Zeroizing::new(Vec::with_capacity(4096));
        let written = serde_json::to_writer(&mut *json, &self.wire(revision.into()));
        debug_assert!(written.is_ok(), "writing strings into memory does not fail");
        json
    }

    /// What the later revision says in other words.
    fn wire(&self, revision: Revision) -> Wire<'_> {
        let r#type = self.kind();
        match (self, Wire::from(self)) {
            (_, wire) if revision == Revision::Msc4108 => wire,
            (
                _,
                Wire::Protocols {
                    protocols,
                    homeserver,
                    ..
                },
            ) => Wire::ProtocolsAt {
                r#type,
                protocols,
                base_url: homeserver,
            },
            (Self::Failure(Reason::UnableToOpenVerificationUri), _) => Wire::Failure {
                r#type,
                reason: UNABLE_TO_OPEN,
            },
            (_, wire) => wire,
        }
    }

    /// The message that this JSON is.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: the answer to all of them is `unexpected_message_received`.
    pub fn parse(json: &[u8], revision: impl Into<Revision>) -> Result<Self, Unreadable> {
        let revision = revision.into();
        let wire::Tag { kind } =
            serde_json::from_slice(json).map_err(|_| Unreadable::NotAMessage)?;
        match kind.as_str() {
            "m.login.protocols" => protocols(json, revision).map(Self::Protocols),
            "m.login.protocol" => protocol(json).map(Self::Protocol),
            "m.login.protocol_accepted" => Ok(Self::ProtocolAccepted),
            "m.login.failure" => fields::<wire::Failure>("m.login.failure", json)
                .map(|wire| Self::Failure(Reason::parse(&wire.reason, revision))),
            "m.login.declined" => Ok(Self::Declined),
            "m.login.success" => Ok(Self::Success),
            "m.login.secrets" => fields("m.login.secrets", json).map(Self::Secrets),
            _ => Err(Unreadable::UnknownType(kind)),
        }
    }
}

fn fields<'de, T: Deserialize<'de>>(kind: &'static str, json: &'de [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|_| Unreadable::Malformed(kind))
}

/// Where the account lives has two names, and in the later revision it is always a base URL.
fn protocols(json: &[u8], revision: Revision) -> Result<Protocols, Unreadable> {
    let kind = "m.login.protocols";
    let (protocols, homeserver) = match revision {
        Revision::Msc4108 => {
            let wire::Protocols {
                protocols,
                homeserver,
            } = fields(kind, json)?;
            (protocols, HomeserverAddress::parse(&homeserver).ok())
        }
        Revision::Msc4388 => {
            let wire::ProtocolsAt {
                protocols,
                base_url,
            } = fields(kind, json)?;
            (
                protocols,
                BaseUrl::parse(&base_url).ok().map(HomeserverAddress::from),
            )
        }
    };
    let device_authorization_grant = protocols
        .iter()
        .any(|name| name == DEVICE_AUTHORIZATION_GRANT);
    let homeserver = homeserver.ok_or(Unreadable::Malformed(kind))?;
    Ok(Protocols {
        device_authorization_grant,
        homeserver,
    })
}

/// An unknown protocol is well formed, whatever else it brings: it has an answer of its own.
fn protocol(json: &[u8]) -> Result<Protocol, Unreadable> {
    let kind = "m.login.protocol";
    let wire::ProtocolName { protocol } = fields(kind, json)?;
    if protocol != DEVICE_AUTHORIZATION_GRANT {
        return Ok(Protocol::Other(protocol));
    }
    let wire: wire::Protocol = fields(kind, json)?;
    let device_id = DeviceId::parse(&wire.device_id).ok_or(Unreadable::Malformed(kind))?;
    Ok(Protocol::DeviceAuthorizationGrant(Authorization {
        link: wire.device_authorization_grant,
        device_id,
    }))
}
