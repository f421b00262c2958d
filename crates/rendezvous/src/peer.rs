//! Who is at the other end of a connection.

use std::net::IpAddr;

/// The peer of a connection, before any header of a request is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Somebody at this address, a client or a proxy.
    At(IpAddr),
    /// One of our proxies, which needs no address for that: it could open a Unix socket, and the
    /// mode of the socket says who can.
    Proxy,
    /// One for whom a proxy speaks and whom it does not name, in the PROXY protocol.
    Unknown,
}
