//! The other end of a connection.

use std::net::IpAddr;

/// The peer of a connection, before any request header is considered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// A client or a proxy at this address.
    At(IpAddr),
    /// A trusted proxy without an address: it could open a Unix socket, and the mode of the socket
    /// decides who can.
    Proxy,
    /// A client that a proxy announces with the PROXY protocol without naming it.
    Unknown,
}
