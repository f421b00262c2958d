//! Settings that are more than a number: parsed once, whether from a flag or from the file. Errors
//! do not quote the value: it could be a secret, given in the wrong place.

use std::{fmt, net::IpAddr, str::FromStr};

use axum::http::HeaderName;
use ipnet::IpNet;
use matrix_qr_rendezvous::ForwardedHeader;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Of a URL, in bytes: other errors quote it.
const LONGEST_URL: usize = 1000;

/// The URL of a server: `https`, or `http` for trials.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct BaseUrlSetting(Url);

impl BaseUrlSetting {
    pub(super) fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether the host is this machine.
    pub(super) fn is_local(&self) -> bool {
        match self.0.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl FromStr for BaseUrlSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|error| format!("it is not a URL ({error})"))?;
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return Err("it must be https and have a host".to_owned());
        }
        if url.as_str().len() > LONGEST_URL {
            return Err(format!("it must have at most {LONGEST_URL} bytes"));
        }
        let more = url.query().is_some() || url.fragment().is_some() || !url.username().is_empty();
        if more || url.password().is_some() {
            return Err(
                "it may have a scheme, a host, a port and a path, and nothing else".to_owned(),
            );
        }
        Ok(Self(url))
    }
}

impl fmt::Display for BaseUrlSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<BaseUrlSetting> for Url {
    fn from(url: BaseUrlSetting) -> Self {
        url.0
    }
}

/// A path that creates sessions.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct CreatePath(String);

impl Default for CreatePath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

impl FromStr for CreatePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte));
        if !text.starts_with('/') || !plain {
            return Err(
                "it must be a path: start with a slash, and contain no question mark, hash or space".to_owned(),
            );
        }
        if text.starts_with("/rendezvous/") {
            return Err("it must not be below /rendezvous/, where the sessions are".to_owned());
        }
        Ok(Self(text.to_owned()))
    }
}

impl From<CreatePath> for String {
    fn from(path: CreatePath) -> Self {
        path.0
    }
}

impl fmt::Display for CreatePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A network, or one address.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Net(pub(super) IpNet);

impl FromStr for Net {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // In lists there is often a space after the comma.
        let text = text.trim();
        let address = || text.parse().map(|address: IpAddr| IpNet::from(address));
        let net = text.parse().or_else(|_| address());
        net.map(|net| Self(canonical(net))).map_err(|_| {
            "it must be a network such as 192.0.2.0/24, 2001:db8::/32, or an address".to_owned()
        })
    }
}

/// An IPv4-mapped IPv6 network (`::ffff:192.0.2.0/120`) becomes the IPv4 network: clients are
/// compared in that form.
fn canonical(net: IpNet) -> IpNet {
    let bits = if net.addr().is_ipv6() {
        net.prefix_len().checked_sub(96)
    } else {
        None
    };
    let IpAddr::V4(address) = net.addr().to_canonical() else {
        return net;
    };
    bits.and_then(|bits| IpNet::new(address.into(), bits).ok())
        .unwrap_or(net)
}

impl fmt::Display for Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The header in which proxies name the client.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ClientHeader(pub(super) ForwardedHeader);

impl FromStr for ClientHeader {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name: HeaderName = text
            .parse()
            .map_err(|_| "it must be the name of a header, such as CF-Connecting-IP".to_owned())?;
        Ok(Self(match name.as_str() {
            "x-forwarded-for" => ForwardedHeader::XForwardedFor,
            "forwarded" => ForwardedHeader::Forwarded,
            _ => ForwardedHeader::Single(name),
        }))
    }
}

impl fmt::Display for ClientHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            ForwardedHeader::XForwardedFor => f.write_str("x-forwarded-for"),
            ForwardedHeader::Forwarded => f.write_str("forwarded"),
            ForwardedHeader::Single(name) => f.write_str(name.as_str()),
        }
    }
}

/// Conversions from and to the text in a file.
macro_rules! as_text {
    ($($name:ident),*) => {$(
        impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }
    )*};
}

macro_rules! to_text {
    ($($name:ident),*) => {$(
        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        }
    )*};
}

pub(super) use {as_text, to_text};

as_text!(BaseUrlSetting, ClientHeader, CreatePath, Net);
to_text!(BaseUrlSetting, ClientHeader, Net);
