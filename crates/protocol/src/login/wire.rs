//! The messages as JSON objects, on their way out.

use serde::Serialize;

use super::message::{DEVICE_AUTHORIZATION_GRANT, Message, Protocol, Protocols, Secrets, VerificationLink};

/// A message as it is written. `untagged`, with the type as a field, so that secrets are only borrowed.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Wire<'a> {
    Protocols {
        r#type: &'static str,
        protocols: &'static [&'static str],
        homeserver: &'a str,
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
            Message::Protocols(Protocols { device_authorization_grant, homeserver }) => Self::Protocols {
                r#type,
                protocols: if *device_authorization_grant { &[DEVICE_AUTHORIZATION_GRANT] } else { &[] },
                homeserver: homeserver.as_str(),
            },
            Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)) => Self::Protocol {
                r#type,
                protocol: DEVICE_AUTHORIZATION_GRANT,
                device_authorization_grant: &wanted.link,
                device_id: wanted.device_id.as_str(),
            },
            Message::Protocol(Protocol::Other(protocol)) => Self::OtherProtocol { r#type, protocol },
            Message::Failure(reason) => Self::Failure { r#type, reason: reason.as_str() },
            Message::Secrets(secrets) => Self::Secrets { r#type, secrets },
            Message::ProtocolAccepted | Message::Declined | Message::Success => Self::Bare { r#type },
        }
    }
}
