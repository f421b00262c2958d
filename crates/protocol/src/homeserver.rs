//! How a device names the homeserver to the other: in the QR code, and in `m.login.protocols`.
//!
//! MSC4108 says "base URL" in both places; some deployed clients send a server name. Both are
//! accepted.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;
use url::{ParseError, Url};

use crate::web_url::{UrlError, WebUrl, join};

/// The longest text that is accepted, in bytes.
pub const MAX_HOMESERVER_BYTES: usize = 512;

/// The longest host name in a server name, in bytes (Matrix appendices, "Server name").
const MAX_DNS_NAME_BYTES: usize = 255;

/// A homeserver as another device, or a person, named it: a base URL or a server name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HomeserverAddress(Address);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Address {
    BaseUrl(BaseUrl),
    ServerName(String),
}

/// The two things that a [`HomeserverAddress`] can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HomeserverKind<'a> {
    /// The base URL of the Client-Server API; no discovery is needed.
    BaseUrl(&'a Url),
    /// A server name, to be looked up with `.well-known/matrix/client`.
    ServerName(&'a str),
}

/// The base URL of a homeserver's Client-Server API, with the text that it came as.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl(WebUrl);

/// Why a text names no homeserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHomeserver {
    /// More than [`MAX_HOMESERVER_BYTES`].
    #[error("the homeserver's name is longer than {MAX_HOMESERVER_BYTES} bytes")]
    TooLong,
    /// It has a scheme, and is no base URL.
    #[error("the homeserver's base URL is not usable: {0}")]
    BaseUrl(#[from] UrlError),
    /// It has no scheme, and is no Matrix server name.
    #[error("the homeserver is neither a base URL nor a Matrix server name")]
    ServerName,
}

impl HomeserverAddress {
    /// Reads a base URL (`https` or `http`, no credentials, query or fragment) or a Matrix server
    /// name.
    ///
    /// # Errors
    /// When the text is too long or is neither of the two.
    pub fn parse(text: &str) -> Result<Self, InvalidHomeserver> {
        if text.len() > MAX_HOMESERVER_BYTES {
            return Err(InvalidHomeserver::TooLong);
        }
        // A URL parser alone cannot decide: it takes `localhost:8008` for a URL of the scheme
        // `localhost`.
        if text.contains("://") {
            Ok(BaseUrl::parse(text)?.into())
        } else if is_server_name(text) {
            Ok(Self(Address::ServerName(text.to_owned())))
        } else {
            Err(InvalidHomeserver::ServerName)
        }
    }

    /// The text exactly as it was received, without an added or removed slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Address::BaseUrl(base_url) => base_url.as_str(),
            Address::ServerName(name) => name,
        }
    }

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> HomeserverKind<'_> {
        match &self.0 {
            Address::BaseUrl(base_url) => HomeserverKind::BaseUrl(base_url.url()),
            Address::ServerName(name) => HomeserverKind::ServerName(name),
        }
    }
}

impl BaseUrl {
    /// Reads a base URL: `https` or `http`, no credentials, query or fragment.
    ///
    /// # Errors
    /// When the text is longer than [`MAX_HOMESERVER_BYTES`] or is not such a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        // A URL parser accepts `https:example.org`, too.
        if !text.contains("://") {
            return Err(UrlError::Syntax(ParseError::RelativeUrlWithoutBase));
        }
        let url = WebUrl::parse(text, MAX_HOMESERVER_BYTES)?;
        if url.url.query().is_some() {
            return Err(UrlError::UnexpectedPart("query"));
        }
        Ok(Self(url))
    }

    /// The text exactly as it was received, without an added or removed slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// The same, parsed.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.0.url
    }

    /// The URL of a path of the API, which begins with a slash.
    pub(crate) fn below(&self, path: &str) -> Url {
        join(self.url(), path)
    }
}

impl From<BaseUrl> for HomeserverAddress {
    fn from(base_url: BaseUrl) -> Self {
        Self(Address::BaseUrl(base_url))
    }
}

/// Matrix appendices, "Server name": `hostname [ ":" port ]`, the host being a DNS name, an IPv4 or
/// a bracketed IPv6 address.
fn is_server_name(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(ip, port)| {
            ip.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    match text.split_once(':') {
        Some((host, port)) => is_dns_name(host) && is_port(port),
        None => is_dns_name(text),
    }
}

fn is_dns_name(text: &str) -> bool {
    (1..=MAX_DNS_NAME_BYTES).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && text.len() <= 5 && text.parse::<u16>().is_ok()
}

impl fmt::Debug for HomeserverAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HomeserverAddress({:?})", self.as_str())
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({:?})", self.as_str())
    }
}

impl fmt::Display for HomeserverAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_value_with_a_scheme_is_a_base_url_and_keeps_its_text() {
        for text in [
            "https://matrix-client.matrix.org",
            "http://localhost:8008/",
            "https://example.org/base/path",
        ] {
            let homeserver = HomeserverAddress::parse(text).unwrap();
            assert_eq!(homeserver.as_str(), text);
            assert_eq!(
                homeserver.kind(),
                HomeserverKind::BaseUrl(&Url::parse(text).unwrap())
            );
        }
    }

    #[test]
    fn it_is_shown_as_it_was_received() {
        let homeserver = HomeserverAddress::parse("matrix.org").unwrap();
        assert_eq!(homeserver.to_string(), "matrix.org");
        assert_eq!(
            format!("{homeserver:?}"),
            "HomeserverAddress(\"matrix.org\")"
        );
    }

    #[test]
    fn anything_else_is_a_server_name() {
        let names = [
            "matrix.org",
            "localhost:8008",
            "1.2.3.4:8448",
            "[::1]",
            "[2001:db8::1]:65535",
            "a-b.example",
        ];
        for text in names {
            assert_eq!(
                HomeserverAddress::parse(text).unwrap().kind(),
                HomeserverKind::ServerName(text)
            );
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        let names = [
            "",
            " matrix.org",
            "matrix.org/",
            "matrix.org:",
            "matrix.org:+1",
            "matrix.org:65536",
            "matrix.org:000001",
            ":8448",
            "[::1",
            "[::1]8448",
            "[zz]",
            "[]",
            "a:b:c",
            "exa_mple.org",
            "bücher.example",
            "https:example.org",
            "matrix.org\n",
            "@alice:matrix.org",
        ];
        for text in names {
            assert_eq!(
                HomeserverAddress::parse(text),
                Err(InvalidHomeserver::ServerName),
                "{text:?}"
            );
        }
        for length in [256, 512] {
            assert_eq!(
                HomeserverAddress::parse(&"a".repeat(length)),
                Err(InvalidHomeserver::ServerName),
                "{length}"
            );
        }
        assert_eq!(
            HomeserverAddress::parse(&"a".repeat(513)),
            Err(InvalidHomeserver::TooLong)
        );
    }

    #[test]
    fn paths_go_below_a_base_url_that_keeps_its_text() {
        for (text, below) in [
            ("https://example.org", "https://example.org/_matrix/x"),
            ("https://example.org/", "https://example.org/_matrix/x"),
            (
                "http://localhost:8008/base//",
                "http://localhost:8008/base/_matrix/x",
            ),
        ] {
            let base = BaseUrl::parse(text).unwrap();
            assert_eq!(
                (base.as_str(), base.below("/_matrix/x").as_str()),
                (text, below)
            );
            assert_eq!(
                HomeserverAddress::from(base),
                HomeserverAddress::parse(text).unwrap()
            );
        }
        for text in ["example.org", "https:example.org", "localhost:8008", ""] {
            let error = UrlError::Syntax(ParseError::RelativeUrlWithoutBase);
            assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_base_url_is_a_place_and_nothing_more() {
        let cases = [
            ("ftp://example.org", UrlError::Scheme),
            ("https://alice:secret@example.org", UrlError::Credentials),
            ("https://example.org?a=b", UrlError::UnexpectedPart("query")),
            (
                "https://example.org#a",
                UrlError::UnexpectedPart("fragment"),
            ),
            (
                "https://example.org\\@evil.example",
                UrlError::ForbiddenCharacter,
            ),
        ];
        for (text, error) in cases {
            assert_eq!(
                HomeserverAddress::parse(text),
                Err(InvalidHomeserver::BaseUrl(error)),
                "{text}"
            );
            assert_eq!(BaseUrl::parse(text), Err(error), "{text}");
        }
    }
}
