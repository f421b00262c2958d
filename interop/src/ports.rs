//! The ports of the servers.

use crate::free_port::free_port;

/// Ports of this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Where Synapse listens.
    pub(crate) homeserver: u16,
    /// Where its clients connect: to Synapse, or to the proxy in front of it.
    pub(crate) public: u16,
    pub(crate) authority: u16,
    pub(crate) rendezvous: u16,
}

impl Ports {
    /// `is_proxied`: whether there is a proxy in front of the homeserver.
    pub(crate) fn free(is_proxied: bool) -> Self {
        let homeserver = free_port();
        Self {
            homeserver,
            public: if is_proxied { free_port() } else { homeserver },
            authority: free_port(),
            rendezvous: free_port(),
        }
    }
}
