//! The messages as JSON objects.

use serde::{Deserialize, Serialize};

use super::message::{self, DEVICE_AUTHORIZATION_GRANT, Message, Secrets, VerificationLink};

/// A message as it is written. `untagged`, with the type as a field, so that secrets are only
/// borrowed.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Wire<'a> {
    Protocols {
        r#type: &'static str,
        protocols: &'static [&'static str],
        homeserver: &'a str,
    },
    ProtocolsAt {
        r#type: &'static str,
        protocols: &'static [&'static str],
        base_url: &'a str,
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

impl<'a> From<&'a Message> for Wire<'a> {
    fn from(message: &'a Message) -> Self {
        let r#type = message.kind();
        match message {
            Message::Protocols(message::Protocols {
                device_authorization_grant,
                homeserver,
            }) => Self::Protocols {
                r#type,
                protocols: if *device_authorization_grant {
                    &[DEVICE_AUTHORIZATION_GRANT]
                } else {
                    &[]
                },
                homeserver: homeserver.as_str(),
            },
            Message::Protocol(message::Protocol::DeviceAuthorizationGrant(wanted)) => {
                Self::Protocol {
                    r#type,
                    protocol: DEVICE_AUTHORIZATION_GRANT,
                    device_authorization_grant: &wanted.link,
                    device_id: wanted.device_id.as_str(),
                }
            }
            Message::Protocol(message::Protocol::Other(protocol)) => {
                Self::OtherProtocol { r#type, protocol }
            }
            Message::Failure(reason) => Self::Failure {
                r#type,
                reason: reason.as_str(),
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
pub(super) struct Tag {
    #[serde(rename = "type")]
    pub(super) kind: String,
}

/// `m.login.protocols` of MSC4108 of 2024.
#[derive(Deserialize)]
pub(super) struct Protocols {
    pub(super) protocols: Vec<String>,
    pub(super) homeserver: String,
}

/// The same of 2026.
#[derive(Deserialize)]
pub(super) struct ProtocolsAt {
    pub(super) protocols: Vec<String>,
    pub(super) base_url: String,
}

#[derive(Deserialize)]
pub(super) struct ProtocolName {
    pub(super) protocol: String,
}

#[derive(Deserialize)]
pub(super) struct Protocol {
    pub(super) device_authorization_grant: VerificationLink,
    pub(super) device_id: String,
}

#[derive(Deserialize)]
pub(super) struct Failure {
    pub(super) reason: String,
}
