//! The ports of the servers.

use std::net::TcpListener;

use anyhow::Result;

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
    pub(crate) fn free(is_proxied: bool) -> Result<Self> {
        let (homeserver, authority, rendezvous) = (free_port()?, free_port()?, free_port()?);
        let public = if is_proxied { free_port()? } else { homeserver };
        Ok(Self {
            homeserver,
            public,
            authority,
            rendezvous,
        })
    }
}

/// A port that is free now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
