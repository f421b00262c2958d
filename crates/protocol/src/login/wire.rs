//! The messages as JSON objects.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::message::{
    Authorization, DeviceId, Message, Protocol, Protocols, Reason, Secrets, Unreadable,
    VerificationLink,
};
use crate::{
    homeserver::{BaseUrl, Homeserver},
    revision::Revision,
};

/// The one protocol that there is so far: RFC 8628.
const DEVICE_AUTHORIZATION_GRANT: &str = "device_authorization_grant";

impl Message {
    /// The message as JSON.
    pub fn encode(&self, revision: impl Into<Revision>) -> Zeroizing<Vec<u8>> {
        // One allocation that is large enough: a buffer that grows would leave copies of the keys
        // behind.
        let mut json = Zeroizing::new(Vec::with_capacity(4096));
        let written = serde_json::to_writer(&mut *json, &Written::new(self, revision.into()));
        debug_assert!(written.is_ok(), "writing strings into memory does not fail");
        json
    }

    /// The message that this JSON is.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]: the answer to all of them is `unexpected_message_received`.
    pub fn parse(json: &[u8], revision: impl Into<Revision>) -> Result<Self, Unreadable> {
        let revision = revision.into();
        let Tag { kind } = serde_json::from_slice(json).map_err(|_| Unreadable::NotAMessage)?;
        match kind.as_str() {
            "m.login.protocols" => protocols(json, revision).map(Self::Protocols),
            "m.login.protocol" => protocol(json).map(Self::Protocol),
            "m.login.protocol_accepted" => Ok(Self::ProtocolAccepted),
            "m.login.failure" => fields("m.login.failure", json)
                .map(|ReadFailure { reason }| Self::Failure(Reason::parse(&reason, revision))),
            "m.login.declined" => Ok(Self::Declined),
            "m.login.success" => Ok(Self::Success),
            "m.login.secrets" => fields("m.login.secrets", json).map(Self::Secrets),
            _ => Err(Unreadable::UnknownType(kind)),
        }
    }
}

/// A message as it is written. `untagged`, with the type as a field, so that secrets are only
/// borrowed.
#[derive(Serialize)]
#[serde(untagged)]
enum Written<'a> {
    Protocols {
        r#type: &'static str,
        protocols: &'static [&'static str],
        #[serde(skip_serializing_if = "Option::is_none")]
        homeserver: Option<&'a str>,
        /// The same in the later revision.
        #[serde(skip_serializing_if = "Option::is_none")]
        base_url: Option<&'a str>,
    },
    Protocol {
        r#type: &'static str,
        protocol: &'static str,
        device_authorization_grant: &'a VerificationLink,
        device_id: &'a str,
    },
    OtherProtocol {
        r#type: &'static str,
        protocol: &'a str,
    },
    Failure {
        r#type: &'static str,
        reason: &'a str,
    },
    Secrets {
        r#type: &'static str,
        #[serde(flatten)]
        secrets: &'a Secrets,
    },
    Bare {
        r#type: &'static str,
    },
}

impl<'a> Written<'a> {
    fn new(message: &'a Message, revision: Revision) -> Self {
        let r#type = message.kind();
        match message {
            Message::Protocols(offer) => {
                let place = |named_in| (revision == named_in).then_some(offer.homeserver.as_str());
                Self::Protocols {
                    r#type,
                    protocols: if offer.device_authorization_grant {
                        &[DEVICE_AUTHORIZATION_GRANT]
                    } else {
                        &[]
                    },
                    homeserver: place(Revision::Msc4108),
                    base_url: place(Revision::Msc4388),
                }
            }
            Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)) => Self::Protocol {
                r#type,
                protocol: DEVICE_AUTHORIZATION_GRANT,
                device_authorization_grant: &wanted.link,
                device_id: wanted.device_id.as_str(),
            },
            Message::Protocol(Protocol::Other(protocol)) => {
                Self::OtherProtocol { r#type, protocol }
            }
            Message::Failure(reason) => Self::Failure {
                r#type,
                reason: reason.name(revision),
            },
            Message::Secrets(secrets) => Self::Secrets { r#type, secrets },
            Message::ProtocolAccepted | Message::Declined | Message::Success => {
                Self::Bare { r#type }
            }
        }
    }
}

/// What is read of any message first.
#[derive(Deserialize)]
struct Tag {
    #[serde(rename = "type")]
    kind: String,
}

/// `m.login.protocols` of MSC4108 of 2024.
#[derive(Deserialize)]
struct ReadProtocols {
    protocols: Vec<String>,
    homeserver: String,
}

/// The same in the later revision.
#[derive(Deserialize)]
struct ReadProtocolsAt {
    protocols: Vec<String>,
    base_url: String,
}

#[derive(Deserialize)]
struct ProtocolName {
    protocol: String,
}

#[derive(Deserialize)]
struct ReadProtocol {
    device_authorization_grant: VerificationLink,
    device_id: String,
}

#[derive(Deserialize)]
struct ReadFailure {
    reason: String,
}

fn fields<'de, T: Deserialize<'de>>(kind: &'static str, json: &'de [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|_| Unreadable::Malformed(kind))
}

/// Where the account lives has two names, and in the later revision it is always a base URL.
fn protocols(json: &[u8], revision: Revision) -> Result<Protocols, Unreadable> {
    let kind = "m.login.protocols";
    let (protocols, homeserver) = match revision {
        Revision::Msc4108 => {
            let read: ReadProtocols = fields(kind, json)?;
            (read.protocols, Homeserver::parse(&read.homeserver).ok())
        }
        Revision::Msc4388 => {
            let read: ReadProtocolsAt = fields(kind, json)?;
            let base = BaseUrl::parse(&read.base_url).ok();
            (read.protocols, base.map(Homeserver::from))
        }
    };
    Ok(Protocols {
        device_authorization_grant: protocols
            .iter()
            .any(|name| name == DEVICE_AUTHORIZATION_GRANT),
        homeserver: homeserver.ok_or(Unreadable::Malformed(kind))?,
    })
}

/// An unknown protocol is well formed, whatever else it brings: it has an answer of its own.
fn protocol(json: &[u8]) -> Result<Protocol, Unreadable> {
    let kind = "m.login.protocol";
    let ProtocolName { protocol } = fields(kind, json)?;
    if protocol != DEVICE_AUTHORIZATION_GRANT {
        return Ok(Protocol::Other(protocol));
    }
    let read: ReadProtocol = fields(kind, json)?;
    Ok(Protocol::DeviceAuthorizationGrant(Authorization {
        link: read.device_authorization_grant,
        device_id: DeviceId::parse(&read.device_id).ok_or(Unreadable::Malformed(kind))?,
    }))
}
