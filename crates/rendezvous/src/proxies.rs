//! Which address a request comes from, when it comes through a proxy.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use crate::peer::Peer;

/// Whose word is taken for where a request comes from.
///
/// A request from any other address is from that address, whatever it says: else every client could choose its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Where the proxies are. Default: this machine.
    ///
    /// A request from one of them that names no client has no known address: limits by network do not apply to it.
    pub trusted: Vec<IpNet>,
    /// Which header they set. The other is not looked at: a proxy that does not know it passes on what a client made up.
    pub header: ForwardedHeader,
}

/// How a proxy says for whom it asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses, separated by commas, the nearest last.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): elements with `for=`, the nearest last.
    Forwarded,
}

impl Default for Proxies {
    fn default() -> Self {
        let here = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|net| net.parse().ok());
        Self { trusted: here.collect(), header: ForwardedHeader::default() }
    }
}

impl Proxies {
    /// The address of the client, if it can be known: of all the hops that the request took, the nearest that is no proxy
    /// of ours.
    pub(crate) fn client(&self, peer: Peer, headers: &HeaderMap) -> Option<IpAddr> {
        match peer {
            Peer::Unknown => return None,
            Peer::At(address) if !self.trusts(address.to_canonical()) => return Some(address.to_canonical()),
            Peer::At(_) | Peer::Proxy => {}
        }
        let lines: Vec<_> =
            headers.get_all(self.header.name()).iter().filter_map(|line| line.to_str().ok()).collect();
        let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
        let hops = hops.map(|hop| self.header.address(hop));
        // A hop that cannot be read hides whatever is beyond it.
        hops.map_while(|hop| hop).find(|hop| !self.trusts(*hop))
    }

    /// Whether this is one of our proxies.
    pub(crate) fn vouch(&self, peer: Peer) -> bool {
        match peer {
            Peer::At(address) => self.trusts(address.to_canonical()),
            Peer::Proxy => true,
            Peer::Unknown => false,
        }
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

impl ForwardedHeader {
    fn name(self) -> HeaderName {
        match self {
            Self::XForwardedFor => HeaderName::from_static("x-forwarded-for"),
            Self::Forwarded => header::FORWARDED,
        }
    }

    fn address(self, hop: &str) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => node(hop),
            Self::Forwarded => hop.split(';').find_map(for_of).and_then(node),
        }
    }
}

/// The value of `for=` (RFC 7239, section 5.2).
fn for_of(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=')?;
    name.trim().eq_ignore_ascii_case("for").then_some(value)
}

/// An address, perhaps in quotes, an IPv6 one perhaps in brackets, perhaps with a port (RFC 7239, section 6).
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = text.parse().ok().or_else(|| {
        let bare = match text.strip_prefix('[') {
            Some(rest) => rest.split(']').next()?,
            None => text.split(':').next()?,
        };
        bare.parse().ok()
    });
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn client(header: ForwardedHeader, peer: &str, lines: &[&str]) -> Option<String> {
        let mut proxies = Proxies { header, ..Proxies::default() };
        proxies.trusted.push("10.0.0.0/8".parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), line.parse().unwrap());
        }
        let found = proxies.client(Peer::At(peer.parse().unwrap()), &headers);
        found.map(|address| address.to_string())
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_of_ours_is_the_client() {
        let cases: [(&str, &[&str], Option<&str>); 12] = [
            ("192.0.2.1", &[], Some("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.1"], Some("192.0.2.1")),
            ("127.0.0.1", &[], None),
            ("127.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["203.0.113.9, 192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["203.0.113.9", "192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["192.0.2.1, 10.0.0.3,10.0.0.4"], Some("192.0.2.1")),
            ("::1", &["2001:db8::1"], Some("2001:db8::1")),
            ("::ffff:127.0.0.1", &["::ffff:192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["192.0.2.1, unknown"], None),
            ("127.0.0.1", &["192.0.2.1:4711"], Some("192.0.2.1")),
            ("127.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
        ];
        for (peer, lines, expected) in cases {
            let found = client(ForwardedHeader::XForwardedFor, peer, lines);
            assert_eq!(found.as_deref(), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_written() {
        let cases: [(&[&str], Option<&str>); 6] = [
            (&["for=192.0.2.1"], Some("192.0.2.1")),
            (&["For=\"[2001:db8::1]:4711\";proto=https"], Some("2001:db8::1")),
            (&["for=203.0.113.9, by=10.0.0.1;FOR=\"192.0.2.1:80\""], Some("192.0.2.1")),
            (&["for=192.0.2.1, for=10.0.0.2;by=10.0.0.1"], Some("192.0.2.1")),
            (&["for=_hidden"], None),
            (&["for=192.0.2.1, proto=https"], None),
        ];
        for (lines, expected) in cases {
            let found = client(ForwardedHeader::Forwarded, "127.0.0.1", lines);
            assert_eq!(found.as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn the_other_header_is_not_looked_at() {
        let headers = [(header::FORWARDED, "for=192.0.2.1".parse().unwrap())].into_iter().collect();
        assert_eq!(Proxies::default().client(Peer::At("127.0.0.1".parse().unwrap()), &headers), None);
    }

    #[test]
    fn without_a_peer_there_is_no_client() {
        assert_eq!(Proxies::default().client(Peer::Unknown, &HeaderMap::new()), None);
    }
}
