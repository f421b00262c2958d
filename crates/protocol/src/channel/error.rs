//! What can go wrong with the channel.

use thiserror::Error;

use crate::rendezvous::MAX_PAYLOAD_BYTES;

/// Why the channel could not be established, or cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The payload does not have the form that this step requires.
    #[error("the payload in the rendezvous session does not belong to this sign-in: {what}")]
    Malformed {
        /// Which part of it.
        what: &'static str,
    },
    /// The other device's public key is one with which every shared secret is zero.
    #[error("the other device's public key is forged")]
    NonContributoryKey,
    /// The payload was not written by the other device, or was changed, replayed or reordered on
    /// the way.
    #[error("the payload does not come from the other device: someone may be interfering")]
    NotAuthentic,
    /// The first message is not the one that the proposal defines.
    #[error(
        "the other device opened the channel with an unexpected message: it may use another \
         version of the protocol"
    )]
    UnexpectedGreeting,
    /// An earlier payload did not open: nothing that comes after it can be trusted.
    #[error("the channel was closed because an earlier payload could not be decrypted")]
    Broken,
    /// The sealed message would exceed what a rendezvous session carries.
    #[error(
        "the message would need a payload of {size} bytes, but a rendezvous session carries at \
         most {MAX_PAYLOAD_BYTES}"
    )]
    TooLarge {
        /// The size of the payload that it would make, in bytes.
        size: usize,
    },
    /// The message counter is used up; no sign-in comes near it.
    #[error("the channel has reached its limit of messages")]
    Exhausted,
    /// The key derivation or the cipher refused its input; it cannot with the sizes that are used
    /// here.
    #[error("the cipher failed: this is a bug in this program")]
    Cipher,
}
