//! Hosts and ports in URLs.

use std::fmt;

use super::error::RedisUrlError;

const WRONG: RedisUrlError = RedisUrlError::new(
    "its host or port is wrong; in a user and a password write all characters except letters and \
     digits as %XX, a slash as %2F",
);

#[derive(Clone, PartialEq, Eq)]
pub(in crate::store::redis) struct ServerAddress {
    /// An IPv6 address has no brackets here.
    pub(in crate::store::redis) host: String,
    pub(in crate::store::redis) port: u16,
}

impl ServerAddress {
    /// Several, separated by commas.
    pub(super) fn parse_all(texts: &str, port: u16) -> Result<Vec<Self>, RedisUrlError> {
        texts
            .split(',')
            .map(|text| Self::parse(text, port))
            .collect()
    }

    /// One, with the default port if the text has none.
    pub(super) fn parse(text: &str, default: u16) -> Result<Self, RedisUrlError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return Err(WRONG),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(WRONG)?,
            None if port.is_empty() => default,
            None => return Err(WRONG),
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        let host = Some(host)
            .filter(|host| !host.is_empty() && host.bytes().all(letter))
            .ok_or(WRONG)?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Writes them separated by commas.
pub(super) fn list(f: &mut fmt::Formatter<'_>, addresses: &[ServerAddress]) -> fmt::Result {
    for (index, address) in addresses.iter().enumerate() {
        write!(f, "{}{address}", if index == 0 { "" } else { "," })?;
    }
    Ok(())
}
