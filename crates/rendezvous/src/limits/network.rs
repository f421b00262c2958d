//! What counts as one client network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The network of an address: its leading bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Network {
    /// That of all clients that a trusted proxy does not name.
    Unknown,
    V4(u32),
    V6(u128),
}

impl Network {
    /// The first `v4` or `v6` bits of an address. An IPv4-mapped IPv6 address counts as the IPv4
    /// address.
    pub(super) fn of(address: IpAddr, v4: u8, v6: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits() & mask(Ipv4Addr::BITS, v4)),
            IpAddr::V6(address) => Self::V6(address.to_bits() & wide_mask(v6)),
        }
    }
}

fn mask(bits: u32, prefix: u8) -> u32 {
    u32::MAX
        .checked_shl(bits.saturating_sub(prefix.into()))
        .unwrap_or(0)
}

fn wide_mask(prefix: u8) -> u128 {
    u128::MAX
        .checked_shl(Ipv6Addr::BITS.saturating_sub(prefix.into()))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_is_the_leading_bits() {
        let same = |a: &str, b: &str, v4, v6| {
            Network::of(a.parse().unwrap(), v4, v6) == Network::of(b.parse().unwrap(), v4, v6)
        };
        assert!(!same("192.0.2.1", "192.0.2.2", 32, 64));
        assert!(same("192.0.2.1", "192.0.2.2", 24, 64));
        assert!(same("192.0.2.1", "198.51.100.1", 0, 64));
        assert!(same("2001:db8::1", "2001:db8::2", 32, 64));
        assert!(!same("2001:db8::1", "2001:db8::2", 32, 128));
        assert!(same("2001:db8::1", "fe80::2", 32, 0));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1", 32, 64));
        assert!(
            !same("0.0.0.0", "::", 0, 0),
            "two families are two networks"
        );
    }
}
