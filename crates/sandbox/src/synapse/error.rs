//! Why the sandbox cannot work in front of a Synapse.

use url::Url;

/// Why the sandbox cannot work in front of a Synapse, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SynapseError {
    /// The homeserver is not on this machine.
    #[error(
        "{0} is not a loopback URL such as http://localhost:8008/: \
         the sandbox works on this machine only"
    )]
    NotHere(Url),
    /// The secret is empty: everybody would know it.
    #[error("the secret that Synapse and the sandbox share is empty")]
    NoSecret,
    /// No connection, or no response in time.
    #[error("Synapse at {homeserver} cannot be reached ({why}): is it running?")]
    Unreachable {
        /// The base URL of the Synapse.
        homeserver: Url,
        /// Why the connection failed.
        why: String,
    },
    /// Synapse does not accept the sandbox as its authorization server.
    #[error(
        "Synapse answered {status} to {call}: in its configuration, \
         `matrix_authentication_service` must be enabled and have the secret that was given here"
    )]
    Refused {
        /// 403 or 404.
        status: u16,
        /// The name of the call.
        call: &'static str,
    },
    /// Another error response of Synapse.
    #[error("Synapse answered {status} to {call}: its log says why")]
    Failed {
        /// The status of the response.
        status: u16,
        /// The name of the call.
        call: &'static str,
    },
    /// A response that Synapse 1.163 would not send.
    #[error("Synapse's response to {0} was not understood")]
    Malformed(&'static str),
    /// Synapse uses another authorization server, or does not reach this one.
    #[error(
        "Synapse does not find the sandbox: `matrix_authentication_service` in its configuration \
         must have the endpoint {issuer} (it found: {found}); change it and restart Synapse"
    )]
    OtherIssuer {
        /// The issuer of the sandbox.
        issuer: Url,
        /// The issuer that Synapse uses, or `nothing`.
        found: String,
    },
}
