//! Which client a request is from, where it came through proxies: never one that a client made up.
#![no_main]

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use libfuzzer_sys::fuzz_target;
use sources::{peer, proxies};

use self::{
    peer::Peer,
    proxies::{ClientAddress, ForwardedHeader, Proxies},
};

/// The server's own source: what it decides is not public.
#[path = "../../crates/rendezvous/src"]
#[allow(dead_code, unreachable_pub)]
mod sources {
    pub(crate) mod peer;
    pub(crate) mod proxies;
}

/// The nearest hop that is not trusted, as a trusted proxy writes it down, and whom it means.
const HOPS: [(&str, Option<&str>); 6] = [
    ("192.0.2.1", Some("192.0.2.1")),
    ("192.0.2.1:4711", Some("192.0.2.1")),
    ("[2001:db8::1]:1", Some("2001:db8::1")),
    ("::ffff:192.0.2.1", Some("192.0.2.1")),
    ("unknown", None),
    ("_hidden", None),
];

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn trusting(header: ForwardedHeader) -> Proxies {
    Proxies {
        trusted: ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"]
            .map(|net| net.parse().expect("a network"))
            .to_vec(),
        header,
    }
}

/// The lines of a header, in the order in which they came.
fn headers(name: &HeaderName, lines: &[Vec<u8>]) -> Option<HeaderMap> {
    lines
        .iter()
        .map(|line| Some((name.clone(), HeaderValue::from_bytes(line).ok()?)))
        .collect()
}

/// What a trusted proxy adds: to the last line, or as a line of its own.
fn add(lines: &mut Vec<Vec<u8>>, seen: &str, quoted: bool, own_line: bool) {
    let element = if quoted {
        format!("for=\"{seen}\"")
    } else {
        seen.to_owned()
    };
    match lines.last_mut().filter(|_| !own_line) {
        Some(line) => line.extend_from_slice(format!(", {element}").as_bytes()),
        None => lines.push(element.into_bytes()),
    }
}

/// A list that contains no quotes is split at its commas.
fn without_quotes(
    proxies: &Proxies,
    lines: &[Vec<u8>],
    read: fn(&str) -> Option<IpAddr>,
) -> Option<IpAddr> {
    let list = lines.join(&b","[..]);
    for hop in String::from_utf8_lossy(&list).split(',').rev() {
        let address = read(hop.trim())?;
        if !proxies.trusted.iter().any(|net| net.contains(&address)) {
            return Some(address);
        }
    }
    None
}

/// An address, or an IPv4 address with a port of one to five digits.
fn plain(hop: &str) -> Option<IpAddr> {
    if let Ok(address) = hop.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let (address, port) = hop.split_once(':')?;
    let digits = (1..=5).contains(&port.len()) && port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse::<u32>().ok().filter(|port| *port <= 65_535);
    port.filter(|_| digits)?;
    address.parse().ok().map(IpAddr::V4)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&[kind, hop, how], rest)) = bytes.split_first_chunk() else {
        return;
    };
    let lines: Vec<Vec<u8>> = rest.split(|byte| *byte == b'\n').map(Into::into).collect();
    let (header, name) = match kind % 3 {
        0 => (
            ForwardedHeader::XForwardedFor,
            HeaderName::from_static("x-forwarded-for"),
        ),
        1 => (ForwardedHeader::Forwarded, header::FORWARDED),
        _ => {
            let name = HeaderName::from_static("cf-connecting-ip");
            (ForwardedHeader::Single(name.clone()), name)
        }
    };
    let Some(said) = headers(&name, &lines) else {
        return;
    };
    let proxies = trusting(header);
    let from =
        |peer: &str, headers: &HeaderMap| proxies.client(Some(Peer::At(address(peer))), headers);

    // Who is not trusted speaks for nobody but itself.
    let stranger = ClientAddress::Known(address("203.0.113.9"));
    assert_eq!(from("203.0.113.9", &said), stranger);
    assert_eq!(from("::ffff:203.0.113.9", &said), stranger);
    assert_eq!(proxies.client(None, &said), ClientAddress::NoPeer);
    assert_eq!(
        proxies.client(Some(Peer::Unknown), &said),
        ClientAddress::Unknown
    );

    // A trusted proxy is never the client.
    let found = from("127.0.0.1", &said);
    assert_eq!(found, proxies.client(Some(Peer::Proxy), &said));
    if let ClientAddress::Known(address) = found {
        assert!(!proxies.contains(Peer::At(address)), "{address}");
        assert_eq!(address, address.to_canonical());
    }
    if kind % 3 == 2 {
        // Of several lines nobody knows which one the proxy wrote.
        assert!(lines.len() == 1 || found == ClientAddress::Unknown);
        return;
    }
    // The standard header and the other one differ in how an element is read, not in the list.
    let text = String::from_utf8_lossy(rest);
    if kind % 3 == 0 && !text.contains(['"', '_']) && text.is_ascii() {
        let expected = without_quotes(&proxies, &lines, plain);
        let expected = expected.map_or(ClientAddress::Unknown, ClientAddress::Known);
        // An obsolete form of an address in brackets without a port is read, too.
        if !text.contains('[') {
            assert_eq!(found, expected);
        }
    }

    // Whatever a client says: what the proxies have seen themselves decides.
    let (hop, means) = HOPS[usize::from(hop) % HOPS.len()];
    let mut lines = lines;
    add(&mut lines, hop, kind % 3 == 1, how & 1 > 0);
    if how & 2 > 0 {
        add(&mut lines, "10.0.0.3", kind % 3 == 1, how & 4 > 0);
    }
    let seen = headers(&name, &lines).expect("what was added can be sent");
    let means = means.map_or(ClientAddress::Unknown, |means| {
        ClientAddress::Known(address(means))
    });
    assert_eq!(from("127.0.0.1", &seen), means);
});
