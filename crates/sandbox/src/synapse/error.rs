//! Why the sandbox cannot work in front of a Synapse.

use url::Url;

/// Why the sandbox cannot stand in front of a Synapse, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SynapseError {
    /// Somebody else's homeserver, or one that is reached over more than this machine.
    #[error("{0} is not an address like http://localhost:8008/: the sandbox stays on this machine")]
    NotHere(Url),
    /// An empty secret would be everybody's.
    #[error("the secret that is shared with Synapse is empty")]
    NoSecret,
    /// No connection, or no answer in time.
    #[error("Synapse at {homeserver} cannot be reached ({why}): is it running?")]
    Unreachable {
        /// Where it should be.
        homeserver: Url,
        /// What the connection said.
        why: String,
    },
    /// Synapse does not take the sandbox for its authorization server.
    #[error(
        "Synapse answered {status} to {call}: in its configuration, `matrix_authentication_service` must be enabled and have \
         the secret that was given here"
    )]
    Refused {
        /// 403 or 404.
        status: u16,
        /// What was asked.
        call: &'static str,
    },
    /// An answer that has nothing to do with the secret.
    #[error("Synapse answered {status} to {call}: its log says why")]
    Failed {
        /// The status of the answer.
        status: u16,
        /// What was asked.
        call: &'static str,
    },
    /// An answer that is not what Synapse 1.163 sends.
    #[error("Synapse's answer to {0} was not understood")]
    Malformed(&'static str),
    /// Synapse asks another authorization server what tokens are good for, or does not reach this
    /// one.
    #[error(
        "Synapse does not find the sandbox: `matrix_authentication_service` in its configuration must have the endpoint {issuer} \
         (it found: {found}); change it and restart Synapse"
    )]
    OtherIssuer {
        /// Ours.
        issuer: Url,
        /// What Synapse names.
        found: String,
    },
}
