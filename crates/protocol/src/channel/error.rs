//! What can go wrong with the channel.

use thiserror::Error;

use crate::rendezvous::MAX_PAYLOAD_BYTES;

/// Why the channel could not be established, or cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The payload does not have the form that this step requires.
    #[error("the payload at the rendezvous is not one of this sign-in: {what}")]
    Malformed {
        /// Which part of it.
        what: &'static str,
    },
    /// The other device's public key is one with which every shared secret is zero.
    #[error("the other device's public key is a forged one")]
    NonContributoryKey,
    /// The payload was not written by the other device, or was changed, replayed or reordered on
    /// the way.
    #[error("the payload does not come from the other device: someone may be interfering")]
    NotAuthentic,
    /// The first message is not the one that the proposal defines.
    #[error(
        "the other device opened the channel with an unexpected message: it may speak another version"
    )]
    UnexpectedGreeting,
    /// An earlier payload did not open: nothing that comes after it can be trusted.
    #[error("the channel was ended by an earlier payload that did not open")]
    Broken,
    /// The sealed message would exceed what a rendezvous session carries.
    #[error(
        "the message would need a payload of {size} bytes, and a rendezvous session carries {MAX_PAYLOAD_BYTES}"
    )]
    TooLarge {
        /// The size of the payload that it would make, in bytes.
        size: usize,
    },
    /// The message counter is used up; no sign-in comes near it.
    #[error("the channel has carried all messages that it can")]
    Exhausted,
    /// The key derivation or the cipher refused its input; it cannot with the sizes that are used
    /// here.
    #[error("the cipher refused to work: this is a defect of this program")]
    Cipher,
}
