//! The lists in which proxies name the client, read from the right: the last element was written by
//! the nearest proxy, and everything to its left may be made up by the client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The elements of a list, the last one first. A separator within a quoted string (RFC 9110,
/// section 5.6.4) does not count.
///
/// Escapes are ignored. An escaped quote can move a boundary, but then the element contains a
/// backslash, and [`forwarded`] rejects such an element.
pub(super) struct FromRight<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> FromRight<'a> {
    pub(super) fn new(list: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(list),
            separator,
        }
    }
}

impl<'a> Iterator for FromRight<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest.take()?;
        let mut quoted = false;
        let cut = rest.iter().rposition(|&byte| {
            quoted ^= byte == b'"';
            byte == self.separator && !quoted
        });
        let Some((before, after)) = cut.and_then(|cut| rest.split_at_checked(cut)) else {
            return Some(rest);
        };
        self.rest = Some(before);
        after.get(1..)
    }
}

/// The client in an element of `Forwarded` (RFC 7239, section 4). An element with two `for`
/// parameters, or with escapes, names nobody.
pub(super) fn forwarded(element: &[u8]) -> Option<IpAddr> {
    let mut nodes = FromRight::new(element, b';').filter_map(for_of);
    let only = nodes.next()?;
    if nodes.next().is_some() || element.contains(&b'\\') {
        return None;
    }
    let unquoted = only
        .strip_prefix(b"\"")
        .and_then(|rest| rest.strip_suffix(b"\""));
    node(unquoted.unwrap_or(only))
}

/// The value of `for=`.
fn for_of(pair: &[u8]) -> Option<&[u8]> {
    let mut halves = pair.splitn(2, |&byte| byte == b'=');
    let (name, value) = (halves.next()?, halves.next()?);
    name.trim_ascii()
        .eq_ignore_ascii_case(b"for")
        .then(|| value.trim_ascii())
}

/// An address, optionally with a port (RFC 7239, section 6). `unknown`, `_hidden` and an address
/// with a zone do not count.
pub(super) fn node(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(text.trim_ascii()).ok()?;
    let address = text.parse().ok().or_else(|| with_port(text))?;
    Some(address.to_canonical())
}

fn with_port(text: &str) -> Option<IpAddr> {
    let (address, rest) = match text.strip_prefix('[') {
        Some(bracketed) => {
            let (address, rest) = bracketed.split_once(']')?;
            (IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), rest)
        }
        None => {
            let (address, rest) = text.split_at_checked(text.find(':')?)?;
            (IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), rest)
        }
    };
    (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port)).then_some(address)
}

/// A number of at most five digits, or an obfuscated port (RFC 7239, sections 6.2 and 6.3).
fn is_port(text: &str) -> bool {
    let digits = text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit());
    let obfuscated = |rest: &str| {
        rest.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    (digits && text.parse::<u16>().is_ok())
        || text
            .strip_prefix('_')
            .is_some_and(|rest| !rest.is_empty() && obfuscated(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(list: &str) -> Vec<&str> {
        FromRight::new(list.as_bytes(), b',')
            .filter_map(|part| str::from_utf8(part).ok())
            .collect()
    }

    #[test]
    fn a_list_is_split_from_the_right_and_not_within_quotes() {
        assert_eq!(parts(""), [""]);
        assert_eq!(parts("a"), ["a"]);
        assert_eq!(parts("a,b,"), ["", "b", "a"]);
        assert_eq!(parts("a,\"b,c\",d"), ["d", "\"b,c\"", "a"]);
        assert_eq!(
            parts("\",b"),
            ["b", "\""],
            "what is open on the left takes nothing from the right"
        );
        assert_eq!(parts("a,b\""), ["a,b\""]);
    }

    #[test]
    fn a_node_is_an_address_with_or_without_a_port() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            (" 192.0.2.1\t", Some("192.0.2.1")),
            ("192.0.2.1:4711", Some("192.0.2.1")),
            ("192.0.2.1:_port", Some("192.0.2.1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:4711", Some("2001:db8::1")),
            ("::ffff:192.0.2.1", Some("192.0.2.1")),
            ("[::ffff:192.0.2.1]:1", Some("192.0.2.1")),
            ("", None),
            ("unknown", None),
            ("_hidden", None),
            ("192.0.2.1:", None),
            ("192.0.2.1:65536", None),
            ("192.0.2.1:x", None),
            ("192.0.2.1:+80", None),
            ("[2001:db8::1]:+80", None),
            ("192.0.2.1:000080", None),
            ("192.0.2.01", None),
            ("[192.0.2.1]", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]x", None),
            ("fe80::1%eth0", None),
            ("[fe80::1%25eth0]:1", None),
            ("\"192.0.2.1\"", None),
        ] {
            assert_eq!(
                node(text.as_bytes())
                    .map(|address| address.to_string())
                    .as_deref(),
                expected,
                "{text}"
            );
        }
        assert_eq!(node(b"192.0.2.1\xe9"), None);
    }

    #[test]
    fn an_element_names_one_client_or_none() {
        for (text, expected) in [
            ("for=192.0.2.1", Some("192.0.2.1")),
            (
                "proto=https; FOR = \"[2001:db8::1]:1\" ;by=10.0.0.1",
                Some("2001:db8::1"),
            ),
            (
                "for=192.0.2.1;host=\"a;for=203.0.113.9\"",
                Some("192.0.2.1"),
            ),
            ("for=192.0.2.1;for=203.0.113.9", None),
            ("for=192.0.2.1;host=\"a\\\";for=203.0.113.9\"", None),
            ("for=\"192.0.2.1", None),
            ("for=\"[fe80::1%25eth0]:1\"", None),
            ("for=unknown", None),
            ("for=_hidden", None),
            ("for=", None),
            ("for", None),
            ("proto=https", None),
            ("", None),
        ] {
            let found = forwarded(text.as_bytes()).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{text}");
        }
    }
}
