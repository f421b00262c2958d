//! The kinds of load.

use crate::api::RendezvousApi;

/// The requests that a load repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Load {
    /// A read by a client that has already seen the payload.
    Poll,
    Read,
    Create,
    /// A whole sign-in: one device creates a session, two read and write in turn, one deletes it.
    Exchange,
    /// The same in MSC4388's API, where a poll is a read.
    JsonRead,
    JsonCreate,
    JsonExchange,
}

impl Load {
    pub(crate) const ALL: [Self; 7] = [
        Self::Poll,
        Self::Read,
        Self::Create,
        Self::Exchange,
        Self::JsonRead,
        Self::JsonCreate,
        Self::JsonExchange,
    ];

    pub(crate) fn api(self) -> RendezvousApi {
        match self {
            Self::Poll | Self::Read | Self::Create | Self::Exchange => RendezvousApi::Text,
            Self::JsonRead | Self::JsonCreate | Self::JsonExchange => RendezvousApi::Json,
        }
    }

    pub(super) fn is_exchange(self) -> bool {
        matches!(self, Self::Exchange | Self::JsonExchange)
    }

    /// The messages of a sign-in are smaller than a session allows. Only the secrets take almost
    /// 1 KiB.
    pub(crate) fn payload(self) -> Vec<u8> {
        vec![b'x'; if self.is_exchange() { 256 } else { 1024 }]
    }

    /// The status of a successful read.
    pub(crate) fn found(self) -> u16 {
        if self == Self::Poll { 304 } else { 200 }
    }
}
