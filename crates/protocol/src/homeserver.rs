//! How a device names the homeserver to the other: in the QR code, and in `m.login.protocols`.
//!
//! MSC4108 says "base URL" in both places; some deployed clients send a server name. Both are
//! accepted.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;
use url::{ParseError, Url};

use crate::web_url::{self, UrlError};

/// The longest text that is accepted, in bytes.
pub const MAX_HOMESERVER_BYTES: usize = 512;

/// The longest host name in a server name, in bytes (Matrix appendices, "Server name").
const MAX_DNS_NAME_BYTES: usize = 255;

/// A homeserver as another device named it: a base URL or a server name.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct HomeserverAddress {
    text: String,
    base_url: Option<Url>,
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
pub struct BaseUrl {
    text: String,
    url: Url,
}

/// Why a text names no homeserver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidHomeserver {
    /// More than [`MAX_HOMESERVER_BYTES`].
    #[error("the homeserver's name is longer than {MAX_HOMESERVER_BYTES} bytes")]
    TooLong,
    /// It has a scheme, but it is no base URL.
    #[error("the homeserver's base URL is not usable: {0}")]
    BaseUrl(#[from] UrlError),
    /// It has no scheme, and it is no Matrix server name.
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
        // Not "whatever a URL parser accepts": to it, `localhost:8008` is a URL of the scheme
        // `localhost`.
        let base_url = if text.contains("://") {
            Some(parse_base_url(text)?)
        } else {
            None
        };
        if base_url.is_none() && !is_server_name(text) {
            return Err(InvalidHomeserver::ServerName);
        }
        Ok(Self {
            text: text.to_owned(),
            base_url,
        })
    }

    /// The text exactly as it came, without an added or removed slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Which of the two it is.
    #[must_use]
    pub fn kind(&self) -> HomeserverKind<'_> {
        match &self.base_url {
            Some(url) => HomeserverKind::BaseUrl(url),
            None => HomeserverKind::ServerName(&self.text),
        }
    }
}

impl BaseUrl {
    /// Reads a base URL: `https` or `http`, no credentials, query or fragment.
    ///
    /// # Errors
    /// When the text is longer than [`MAX_HOMESERVER_BYTES`] or is not such a URL.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        // To a URL parser, `https:example.org` is one, too.
        if !text.contains("://") {
            return Err(UrlError::Syntax(ParseError::RelativeUrlWithoutBase));
        }
        Ok(Self {
            text: text.to_owned(),
            url: parse_base_url(text)?,
        })
    }

    /// The text exactly as it came, without an added or removed slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, parsed.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The URL of a path of the API, which begins with a slash.
    pub(crate) fn below(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        url.set_path(&format!("{}{path}", self.url.path().trim_end_matches('/')));
        url
    }
}

impl From<BaseUrl> for HomeserverAddress {
    fn from(BaseUrl { text, url }: BaseUrl) -> Self {
        Self {
            text,
            base_url: Some(url),
        }
    }
}

fn parse_base_url(text: &str) -> Result<Url, UrlError> {
    let url = web_url::parse(text, MAX_HOMESERVER_BYTES)?;
    if url.query().is_some() {
        return Err(UrlError::UnexpectedPart("query"));
    }
    Ok(url)
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
        write!(f, "HomeserverAddress({:?})", self.text)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({:?})", self.text)
    }
}

impl fmt::Display for HomeserverAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
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
        assert_eq!(
            HomeserverAddress::parse(&"a".repeat(256)),
            Err(InvalidHomeserver::ServerName)
        );
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
