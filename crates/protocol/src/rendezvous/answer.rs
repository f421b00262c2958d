//! What the answers of a rendezvous session mean, in either API.

use super::payload::Payload;

/// What the answer to [`RendezvousSession::receive`](super::RendezvousSession::receive) means.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A payload of the other device that this device has not seen.
    Payload(Payload),
    /// A payload that this device wrote, or tried to write, since the other one last wrote.
    Ours,
    /// Nothing new.
    Nothing {
        /// The server held the request as `Prefer` asked it to, so the next one can follow at once.
        waited: bool,
    },
}

/// What the answer to [`RendezvousSession::send`](super::RendezvousSession::send) means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is the session's payload now.
    Accepted,
    /// 412 or 409: it is not, somebody else wrote first. Receive that before sending again, so that
    /// nothing unseen is overwritten.
    Conflict,
}
