//! Which client a request comes from, if it comes through a proxy.

mod forwarded;

use std::net::IpAddr;

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{self, GetAll},
};
use ipnet::IpNet;

use self::forwarded::FromRight;
use crate::peer::Peer;

/// Which proxies are trusted to say where a request comes from.
///
/// A request from any other address counts as from that address, whatever its headers say:
/// otherwise every client could choose its own address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxies {
    /// The networks of the trusted proxies. Default: this machine.
    ///
    /// A request from one of them that names no client, or none that can be parsed, is from an
    /// unknown client. All unknown clients share the limits of one network, and where
    /// [`Limits`](crate::Limits) deny or allow networks, they are refused.
    pub trusted: Vec<IpNet>,
    /// Which header they set. All others are ignored: a proxy passes on a header that it does not
    /// know, as the client made it up.
    pub header: ForwardedHeader,
}

/// How a proxy names the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: addresses separated by commas, the nearest last.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): elements with `for=`, the nearest last.
    Forwarded,
    /// A header that contains the address of the client and nothing else: `CF-Connecting-IP`,
    /// `X-Real-IP`, `Fly-Client-IP`. The proxy must replace what the client sends.
    Single(HeaderName),
}

/// The client that a request comes from, as far as known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientAddress {
    /// At this address.
    Known(IpAddr),
    /// Behind a trusted proxy that does not name it, or not in a form that can be parsed. All such
    /// clients are one network.
    Unknown,
    /// The server that runs the router does not provide peers. Nothing can be counted per network.
    NoPeer,
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

impl Default for Proxies {
    fn default() -> Self {
        let here = ["127.0.0.0/8", "::1/128"]
            .into_iter()
            .filter_map(|net| net.parse().ok());
        Self {
            trusted: here.collect(),
            header: ForwardedHeader::default(),
        }
    }
}

impl Proxies {
    /// The client of a request of this peer.
    pub(crate) fn client(&self, peer: Option<Peer>, headers: &HeaderMap) -> ClientAddress {
        match peer {
            None => ClientAddress::NoPeer,
            Some(Peer::Unknown) => ClientAddress::Unknown,
            Some(Peer::At(address)) if !self.trusts(address.to_canonical()) => {
                ClientAddress::Known(address.to_canonical())
            }
            Some(Peer::At(_) | Peer::Proxy) => self
                .named_client(headers)
                .map_or(ClientAddress::Unknown, ClientAddress::Known),
        }
    }

    fn named_client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let lines = headers.get_all(self.header.name());
        match &self.header {
            ForwardedHeader::XForwardedFor => self.nearest(lines, forwarded::node),
            ForwardedHeader::Forwarded => self.nearest(lines, forwarded::forwarded),
            ForwardedHeader::Single(_) => self.only(lines),
        }
    }

    /// Of all hops that the request took, the nearest one that is not a trusted proxy. A hop that
    /// cannot be parsed ends the search: everything to its left was written by someone who is not
    /// trusted.
    fn nearest(
        &self,
        lines: GetAll<'_, HeaderValue>,
        address: fn(&[u8]) -> Option<IpAddr>,
    ) -> Option<IpAddr> {
        let hops = lines
            .iter()
            .rev()
            .flat_map(|line| FromRight::new(line.as_bytes(), b','));
        hops.map_while(address)
            .find(|address| !self.trusts(*address))
    }

    /// The only address. If there are several lines, nobody knows which one the proxy wrote.
    fn only(&self, lines: GetAll<'_, HeaderValue>) -> Option<IpAddr> {
        let mut lines = lines.iter();
        let line = lines.next().filter(|_| lines.next().is_none())?;
        forwarded::node(line.as_bytes()).filter(|address| !self.trusts(*address))
    }

    /// Whether this peer is a trusted proxy.
    pub(crate) fn contains(&self, peer: Peer) -> bool {
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
    fn name(&self) -> HeaderName {
        match self {
            Self::XForwardedFor => X_FORWARDED_FOR,
            Self::Forwarded => header::FORWARDED,
            Self::Single(name) => name.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};

    use super::*;

    const BOTH: [ForwardedHeader; 2] = [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded];

    fn known(address: &str) -> ClientAddress {
        ClientAddress::Known(address.parse().unwrap())
    }

    /// Of a request from this peer with these lines, where this machine and 10.0.0.0/8 are proxies.
    fn client(header: ForwardedHeader, peer: &str, lines: &[impl AsRef<[u8]>]) -> ClientAddress {
        let mut proxies = Proxies {
            header: header.clone(),
            ..Proxies::default()
        };
        proxies.trusted.push("10.0.0.0/8".parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                header.name(),
                HeaderValue::from_bytes(line.as_ref()).unwrap(),
            );
        }
        proxies.client(Some(Peer::At(peer.parse().unwrap())), &headers)
    }

    #[test]
    fn the_nearest_hop_that_is_not_a_trusted_proxy_is_the_client() {
        let cases: [(&str, &[&str], Option<&str>); 16] = [
            ("192.0.2.1", &[], Some("192.0.2.1")),
            ("192.0.2.1", &["198.51.100.1"], Some("192.0.2.1")),
            ("127.0.0.1", &[], None),
            ("127.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &["203.0.113.9, 192.0.2.1"], Some("192.0.2.1")),
            (
                "127.0.0.1",
                &["203.0.113.9", "192.0.2.1"],
                Some("192.0.2.1"),
            ),
            (
                "127.0.0.1",
                &["192.0.2.1, 10.0.0.3,10.0.0.4"],
                Some("192.0.2.1"),
            ),
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
            assert_eq!(
                found,
                expected.map_or(ClientAddress::Unknown, known),
                "{peer} {lines:?}"
            );
        }
    }

    #[test]
    fn the_standard_header_is_read_as_written() {
        let cases: [(&[&str], Option<&str>); 8] = [
            (&["for=192.0.2.1"], Some("192.0.2.1")),
            (
                &["For=\"[2001:db8::1]:4711\";proto=https"],
                Some("2001:db8::1"),
            ),
            (
                &["for=203.0.113.9, by=10.0.0.1;FOR=\"192.0.2.1:80\""],
                Some("192.0.2.1"),
            ),
            (
                &["for=192.0.2.1, for=10.0.0.2;by=10.0.0.1"],
                Some("192.0.2.1"),
            ),
            (
                &["for=192.0.2.1;host=\"a, for=203.0.113.9\""],
                Some("192.0.2.1"),
            ),
            (&["for=\"203.0.113.9", "for=192.0.2.1"], Some("192.0.2.1")),
            (&["for=_hidden"], None),
            (&["for=192.0.2.1, proto=https"], None),
        ];
        for (lines, expected) in cases {
            let found = client(ForwardedHeader::Forwarded, "127.0.0.1", lines);
            assert_eq!(
                found,
                expected.map_or(ClientAddress::Unknown, known),
                "{lines:?}"
            );
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

    /// Through one trusted proxy or two, which append to the client's last line or add one:
    /// whatever the client's own part is, it is the one that the first of them saw, or an unknown
    /// one where that one does not say.
    #[test]
    fn no_header_of_a_client_changes_its_address() {
        let hops = [
            "192.0.2.1",
            "192.0.2.1:4711",
            "[2001:db8::1]:1",
            "unknown",
            "_hidden",
        ];
        let mut random = StdRng::seed_from_u64(4108);
        for round in 0..20_000 {
            let hop = *hops.choose(&mut random).unwrap();
            let expected = match hop {
                "unknown" | "_hidden" => ClientAddress::Unknown,
                "[2001:db8::1]:1" => known("2001:db8::1"),
                _ => known("192.0.2.1"),
            };
            let header = BOTH[round % 2].clone();
            let mut lines: Vec<_> = (0..random.random_range(0..3))
                .map(|_| made_up(&mut random))
                .collect();
            for seen in [hop, "10.0.0.3"]
                .into_iter()
                .take(random.random_range(1..=2))
            {
                let element = match header {
                    ForwardedHeader::Forwarded => format!("for=\"{seen}\""),
                    _ => seen.to_owned(),
                };
                match lines.last_mut().filter(|_| random.random_bool(0.5)) {
                    Some(line) => line.extend_from_slice(format!(", {element}").as_bytes()),
                    None => lines.push(element.into_bytes()),
                }
            }
            let shown: Vec<_> = lines
                .iter()
                .map(|line| line.escape_ascii().to_string())
                .collect();
            assert_eq!(client(header, "127.0.0.1", &lines), expected, "{shown:?}");
        }
    }

    #[test]
    fn a_header_of_one_address_has_one_address() {
        let header = || ForwardedHeader::Single(HeaderName::from_static("cf-connecting-ip"));
        let cases: [(&str, &[&str], Option<&str>); 10] = [
            ("127.0.0.1", &["192.0.2.1"], Some("192.0.2.1")),
            ("127.0.0.1", &[" 2001:db8::1 "], Some("2001:db8::1")),
            ("::ffff:10.0.0.3", &["192.0.2.1"], Some("192.0.2.1")),
            ("192.0.2.7", &["192.0.2.1"], Some("192.0.2.7")),
            ("127.0.0.1", &[], None),
            ("127.0.0.1", &[""], None),
            ("127.0.0.1", &["192.0.2.1", "192.0.2.2"], None),
            ("127.0.0.1", &["192.0.2.1", "192.0.2.1"], None),
            ("127.0.0.1", &["192.0.2.1, 192.0.2.2"], None),
            ("127.0.0.1", &["10.0.0.3"], None),
        ];
        for (peer, lines, expected) in cases {
            let found = client(header(), peer, lines);
            assert_eq!(
                found,
                expected.map_or(ClientAddress::Unknown, known),
                "{peer} {lines:?}"
            );
        }
        assert_eq!(
            client(header(), "127.0.0.1", &[b"192.0.2.1\xe9"]),
            ClientAddress::Unknown
        );
    }

    /// Neither address nor name of a hop: only the peer itself says that.
    #[test]
    fn a_proxy_without_an_address_is_a_proxy_and_one_without_a_name_names_nobody() {
        let name = || ForwardedHeader::default().name();
        let headers = [(name(), "192.0.2.1".parse().unwrap())]
            .into_iter()
            .collect();
        let nobody = Proxies {
            trusted: Vec::new(),
            ..Proxies::default()
        };
        assert_eq!(
            nobody.client(Some(Peer::Proxy), &headers),
            known("192.0.2.1")
        );
        assert_eq!(
            nobody.client(Some(Peer::Proxy), &HeaderMap::new()),
            ClientAddress::Unknown
        );
        assert_eq!(
            Proxies::default().client(Some(Peer::Unknown), &headers),
            ClientAddress::Unknown
        );
    }

    #[test]
    fn the_other_header_is_ignored() {
        let headers = [(header::FORWARDED, "for=192.0.2.1".parse().unwrap())]
            .into_iter()
            .collect();
        let found =
            Proxies::default().client(Some(Peer::At("127.0.0.1".parse().unwrap())), &headers);
        assert_eq!(found, ClientAddress::Unknown);
    }

    #[test]
    fn without_a_peer_no_header_is_believed() {
        let headers = [(
            ForwardedHeader::XForwardedFor.name(),
            "192.0.2.1".parse().unwrap(),
        )]
        .into_iter()
        .collect();
        assert_eq!(
            Proxies::default().client(None, &headers),
            ClientAddress::NoPeer
        );
    }
}
