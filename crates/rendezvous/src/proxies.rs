//! From which client a request comes, when it comes through a proxy.

mod walk;

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, header};
use ipnet::IpNet;

use self::walk::FromRight;

/// Whose word is taken for where a request comes from.
///
/// A request from any other address is from that address, whatever it says: else every client could choose its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// Where the proxies are. Default: this machine.
    ///
    /// A request from one of them that names no client, or none that can be read, is from an unknown one. All unknown clients
    /// together may do what one network may, and where [`Limits`](crate::Limits) deny or allow networks, they are refused.
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

/// From whom a request comes, as far as that can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Client {
    /// From this address.
    Known(IpAddr),
    /// From a trusted proxy, which does not say for whom it asks, or not readably. All of these are one network.
    Unknown,
    /// Whoever serves the router does not say from where requests come. Nothing can be counted by network.
    NoPeer,
}

impl Default for Proxies {
    fn default() -> Self {
        let here = ["127.0.0.0/8", "::1/128"].into_iter().filter_map(|net| net.parse().ok());
        Self { trusted: here.collect(), header: ForwardedHeader::default() }
    }
}

impl Proxies {
    /// From whom a request of this peer comes.
    pub(crate) fn client(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Client {
        let Some(peer) = peer.map(|peer| peer.to_canonical()) else { return Client::NoPeer };
        if self.trusts(peer) { self.named(headers) } else { Client::Known(peer) }
    }

    /// Of all the hops that the request took, the nearest that is no proxy of ours. A hop that cannot be read ends the search:
    /// whatever is left of it was written by somebody who is not trusted.
    fn named(&self, headers: &HeaderMap) -> Client {
        let lines = headers.get_all(self.header.name()).iter().rev();
        let hops = lines.flat_map(|line| FromRight::new(line.as_bytes(), b','));
        let mut addresses = hops.map_while(|hop| self.header.address(hop));
        addresses.find(|address| !self.trusts(*address)).map_or(Client::Unknown, Client::Known)
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

    fn address(self, hop: &[u8]) -> Option<IpAddr> {
        match self {
            Self::XForwardedFor => walk::node(hop),
            Self::Forwarded => walk::forwarded(hop),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::http::HeaderValue;
    use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

    use super::*;

    const BOTH: [ForwardedHeader; 2] = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];

    fn known(address: &str) -> Client {
        Client::Known(address.parse().unwrap())
    }

    /// Of a request from this peer with these lines, where this machine and 10.0.0.0/8 are proxies.
    fn client(header: ForwardedHeader, peer: &str, lines: &[impl AsRef<[u8]>]) -> Client {
        let mut proxies = Proxies { header, ..Proxies::default() };
        proxies.trusted.push("10.0.0.0/8".parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header.name(), HeaderValue::from_bytes(line.as_ref()).unwrap());
        }
        proxies.client(Some(peer.parse().unwrap()), &headers)
    }

    #[test]
    fn the_nearest_hop_that_is_no_proxy_of_ours_is_the_client() {
        let cases: [(&str, &[&str], Option<&str>); 16] = [
            ("192.0.2.1", &[], Some("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.1"], Some("192.0.2.1")),
            ("127.0.0.1", &[], None),
            ("127.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["203.0.113.9, 192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["203.0.113.9", "192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["192.0.2.1, 10.0.0.3,10.0.0.4"], Some("192.0.2.1")),
            ("127.0.0.1", &["192.0.2.1", "10.0.0.3"], Some("192.0.2.1")),
            ("127.0.0.1", &["10.0.0.3"], None),
            ("::1", &["2001:db8::1"], Some("2001:db8::1")),
            ("::ffff:127.0.0.1", &["::ffff:192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["192.0.2.1, unknown"], None),
            ("127.0.0.1", &["192.0.2.1,"], None),
            ("127.0.0.1", &["192.0.2.1", ""], None),
            ("127.0.0.1", &["192.0.2.1, fe80::1%eth0, 10.0.0.3"], None),
            ("127.0.0.1", &["[2001:db8::1]:4711"], Some("2001:db8::1")),
        ];
        for (peer, lines, expected) in cases {
            let found = client(ForwardedHeader::XForwardedFor, peer, lines);
            assert_eq!(found, expected.map_or(Client::Unknown, known), "{peer} {lines:?}");
        }
    }

    #[test]
    fn the_standard_header_is_read_as_written() {
        let cases: [(&[&str], Option<&str>); 8] = [
            (&["for=192.0.2.1"], Some("192.0.2.1")),
            (&["For=\"[2001:db8::1]:4711\";proto=https"], Some("2001:db8::1")),
            (&["for=203.0.113.9, by=10.0.0.1;FOR=\"192.0.2.1:80\""], Some("192.0.2.1")),
            (&["for=192.0.2.1, for=10.0.0.2;by=10.0.0.1"], Some("192.0.2.1")),
            (&["for=192.0.2.1;host=\"a, for=203.0.113.9\""], Some("192.0.2.1")),
            (&["for=\"203.0.113.9", "for=192.0.2.1"], Some("192.0.2.1")),
            (&["for=_hidden"], None),
            (&["for=192.0.2.1, proto=https"], None),
        ];
        for (lines, expected) in cases {
            let found = client(ForwardedHeader::Forwarded, "127.0.0.1", lines);
            assert_eq!(found, expected.map_or(Client::Unknown, known), "{lines:?}");
        }
    }

    /// What a client sends: any bytes that a header may have, but often those that mean something.
    fn made_up(random: &mut StdRng) -> Vec<u8> {
        const WORDS: [&[u8]; 16] = [
            b"\"",
            b"\\",
            b",",
            b";",
            b"=",
            b" ",
            b"for=",
            b"for=\"",
            b"203.0.113.9",
            b"10.0.0.9",
            b"127.0.0.1",
            b"[",
            b"]:1",
            b"unknown",
            b"\xe9",
            b"fe80::1%eth0",
        ];
        let mut bytes = Vec::new();
        for _ in 0..random.random_range(0..12) {
            match random.random_bool(0.9) {
                true => bytes.extend_from_slice(WORDS.choose(random).unwrap()),
                false => bytes.push(random.random_range(0x80..=0xff)),
            }
        }
        bytes
    }

    /// Through one trusted proxy or two, which append to the client's last line or add one: whatever the client's own part is, it
    /// is the one that the first of them saw, or an unknown one where that one does not say.
    #[test]
    fn no_header_of_a_client_makes_it_another() {
        let hops = ["192.0.2.1", "192.0.2.1:4711", "[2001:db8::1]:1", "unknown", "_hidden"];
        let mut random = StdRng::seed_from_u64(4108);
        for round in 0..20_000 {
            let hop = *hops.choose(&mut random).unwrap();
            let expected = match hop {
                "unknown" | "_hidden" => Client::Unknown,
                "[2001:db8::1]:1" => known("2001:db8::1"),
                _ => known("192.0.2.1"),
            };
            let header = BOTH[round % 2];
            let mut lines: Vec<_> = (0..random.random_range(0..3)).map(|_| made_up(&mut random)).collect();
            for seen in [hop, "10.0.0.3"].into_iter().take(random.random_range(1..=2)) {
                let element = match header {
                    ForwardedHeader::XForwardedFor => seen.to_owned(),
                    ForwardedHeader::Forwarded => format!("for=\"{seen}\""),
                };
                match lines.last_mut().filter(|_| random.random_bool(0.5)) {
                    Some(line) => line.extend_from_slice(format!(", {element}").as_bytes()),
                    None => lines.push(element.into_bytes()),
                }
            }
            let shown: Vec<_> = lines.iter().map(|line| line.escape_ascii().to_string()).collect();
            assert_eq!(client(header, "127.0.0.1", &lines), expected, "{shown:?}");
        }
    }

    #[test]
    fn the_other_header_is_not_looked_at() {
        let headers = [(header::FORWARDED, "for=192.0.2.1".parse().unwrap())].into_iter().collect();
        let found = Proxies::default().client(Some("127.0.0.1".parse().unwrap()), &headers);
        assert_eq!(found, Client::Unknown);
    }

    #[test]
    fn without_a_peer_no_header_is_believed() {
        let headers =
            [(ForwardedHeader::XForwardedFor.name(), "192.0.2.1".parse().unwrap())].into_iter().collect();
        assert_eq!(Proxies::default().client(None, &headers), Client::NoPeer);
    }
}
