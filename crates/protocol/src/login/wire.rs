//! The messages as JSON: what the two revisions write and read.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::message::{
    Authorization, DeviceId, Message, Protocol, Protocols, Reason, Secrets, Unreadable,
    VerificationLink,
};
use crate::{
    homeserver::{BaseUrl, HomeserverAddress},
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
        let written = serde_json::to_writer(&mut *json, &MessageJson::new(self, revision.into()));
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
        let TypeField { kind } =
            serde_json::from_slice(json).map_err(|_| Unreadable::NotAMessage)?;
        match kind.as_str() {
            "m.login.protocols" => protocols(json, revision).map(Self::Protocols),
            "m.login.protocol" => protocol(json).map(Self::Protocol),
            "m.login.protocol_accepted" => Ok(Self::ProtocolAccepted),
            "m.login.failure" => fields::<FailureFields>("m.login.failure", json)
                .map(|read| Self::Failure(Reason::parse(&read.reason, revision))),
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
enum MessageJson<'a> {
    Protocols {
        r#type: &'static str,
        protocols: &'static [&'static str],
        #[serde(flatten)]
        account: AccountLocation<'a>,
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

/// Which homeserver the account is on: the field's name depends on the revision.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum AccountLocation<'a> {
    Homeserver(&'a str),
    BaseUrl(&'a str),
}

impl<'a> MessageJson<'a> {
    fn new(message: &'a Message, revision: Revision) -> Self {
        let r#type = message.kind();
        match message {
            Message::Protocols(offer) => Self::Protocols {
                r#type,
                protocols: if offer.device_authorization_grant {
                    &[DEVICE_AUTHORIZATION_GRANT]
                } else {
                    &[]
                },
                account: match revision {
                    Revision::Msc4108 => AccountLocation::Homeserver(offer.homeserver.as_str()),
                    Revision::Msc4388 => AccountLocation::BaseUrl(offer.homeserver.as_str()),
                },
            },
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
struct TypeField {
    #[serde(rename = "type")]
    kind: String,
}

/// `m.login.protocols` of MSC4108 of 2024.
#[derive(Deserialize)]
struct ProtocolsFields2024 {
    protocols: Vec<String>,
    homeserver: String,
}

/// `m.login.protocols` of MSC4108 of 2026.
#[derive(Deserialize)]
struct ProtocolsFields2026 {
    protocols: Vec<String>,
    base_url: String,
}

#[derive(Deserialize)]
struct ProtocolName {
    protocol: String,
}

#[derive(Deserialize)]
struct ProtocolFields {
    device_authorization_grant: VerificationLink,
    device_id: String,
}

#[derive(Deserialize)]
struct FailureFields {
    reason: String,
}

fn fields<'de, T: Deserialize<'de>>(kind: &'static str, json: &'de [u8]) -> Result<T, Unreadable> {
    serde_json::from_slice(json).map_err(|_| Unreadable::Malformed(kind))
}

/// In the later revision the account's location is always a base URL.
fn protocols(json: &[u8], revision: Revision) -> Result<Protocols, Unreadable> {
    let kind = "m.login.protocols";
    let (protocols, homeserver) = match revision {
        Revision::Msc4108 => {
            let read: ProtocolsFields2024 = fields(kind, json)?;
            let address = HomeserverAddress::parse(&read.homeserver).ok();
            (read.protocols, address)
        }
        Revision::Msc4388 => {
            let read: ProtocolsFields2026 = fields(kind, json)?;
            let base_url = BaseUrl::parse(&read.base_url).ok();
            (read.protocols, base_url.map(HomeserverAddress::from))
        }
    };
    let mut names = protocols.iter();
    Ok(Protocols {
        device_authorization_grant: names.any(|name| name == DEVICE_AUTHORIZATION_GRANT),
        homeserver: homeserver.ok_or(Unreadable::Malformed(kind))?,
    })
}

/// An unknown protocol is well formed, whatever other fields it has: it has an answer of its own.
fn protocol(json: &[u8]) -> Result<Protocol, Unreadable> {
    let kind = "m.login.protocol";
    let ProtocolName { protocol } = fields(kind, json)?;
    if protocol != DEVICE_AUTHORIZATION_GRANT {
        return Ok(Protocol::Other(protocol));
    }
    let read: ProtocolFields = fields(kind, json)?;
    let device_id = DeviceId::parse(&read.device_id).ok_or(Unreadable::Malformed(kind))?;
    Ok(Protocol::DeviceAuthorizationGrant(Authorization {
        link: read.device_authorization_grant,
        device_id,
    }))
}
