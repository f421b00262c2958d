//! Where a Redis is, read once from the URL that a person wrote. No error here, and no way to print
//! a URL, has any part of what may be a secret.

use std::{fmt, path::PathBuf, str::FromStr};

use zeroize::Zeroizing;

mod query;

/// The longest URL that is read.
const LONGEST: usize = 4096;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

const FORM: RedisUrlError = RedisUrlError(
    "its form is redis://user:password@host:port/database, unix:///path?db=number, redis+cluster://host:port,host:port or \
     redis+sentinel://host:port,host:port/service/database; with TLS rediss://, rediss+cluster:// or rediss+sentinel://",
);

/// Where a Redis or Valkey is, and what it wants to be told. Printed without its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    scheme: String,
    pub(super) tls: bool,
    pub(super) topology: Topology,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u16,
}

/// What is asked, and how it is found.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Topology {
    One(ServerAddress),
    Socket(PathBuf),
    /// Nodes of a cluster. Each knows the others.
    Cluster(Vec<ServerAddress>),
    Sentinel(Sentinels),
}

/// They know which server is the main one now.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sentinels {
    pub(super) addresses: Vec<ServerAddress>,
    pub(super) service: String,
    /// For the Sentinels themselves.
    pub(super) credentials: Option<Credentials>,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct ServerAddress {
    /// An IPv6 address has no brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    pub(super) user: Option<Zeroizing<String>>,
    pub(super) password: Zeroizing<String>,
}

/// What is wrong with the URL of a Redis. It never quotes the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the URL of a Redis: {0}")]
pub struct RedisUrlError(&'static str);

impl RedisUrlError {
    pub(super) fn unusable() -> Self {
        Self("the library that speaks to it does not take it")
    }
}

impl RedisUrl {
    /// Whether it has what others must not see: a user, a password.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        let of_sentinels = matches!(&self.topology, Topology::Sentinel(sentinels) if sentinels.credentials.is_some());
        self.credentials.is_some() || of_sentinels
    }

    /// Whether connections are encrypted.
    #[must_use]
    pub fn has_tls(&self) -> bool {
        self.tls
    }
}

impl FromStr for RedisUrl {
    type Err = RedisUrlError;

    fn from_str(text: &str) -> Result<Self, RedisUrlError> {
        plain(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (credentials, hosts) = authority
            .rsplit_once('@')
            .map_or((None, authority), |(l, h)| (Some(l), h));
        let parts = UrlParts {
            credentials: credentials.map(Credentials::parse).transpose()?,
            hosts,
            path,
            query,
        };
        let (connector, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = matches!(connector, "rediss" | "valkeys");
        let url = match (connector, kind) {
            ("redis" | "rediss" | "valkey" | "valkeys", "") => parts.one(),
            ("redis" | "rediss" | "valkey" | "valkeys", "cluster") => parts.cluster(),
            ("redis" | "rediss" | "valkey" | "valkeys", "sentinel") => parts.sentinel(),
            ("unix", "") | ("redis" | "valkey", "unix") => parts.socket(),
            _ => Err(FORM),
        };
        Ok(Self {
            scheme: scheme.to_owned(),
            tls,
            ..url?
        })
    }
}

/// What no part of it may have. A `#` begins a fragment: what follows would be lost, and is most
/// often a password's.
fn plain(text: &str) -> Result<(), RedisUrlError> {
    if text.len() > LONGEST {
        return Err(RedisUrlError("it is too long"));
    }
    if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(RedisUrlError(
            "it has a space or a line break in it; in a password write %20",
        ));
    }
    if text.contains('#') {
        return Err(RedisUrlError("it has a # in it; in a password write %23"));
    }
    if text.contains(REDACTED) {
        return Err(RedisUrlError(
            "it is one that was printed without its password",
        ));
    }
    Ok(())
}

/// Of a URL whose scheme says what they mean.
struct UrlParts<'a> {
    credentials: Option<Credentials>,
    hosts: &'a str,
    path: &'a str,
    query: &'a str,
}

impl UrlParts<'_> {
    fn one(self) -> Result<RedisUrl, RedisUrlError> {
        query::none(self.query)?;
        let topology = Topology::One(ServerAddress::parse(self.hosts, PORT)?);
        let database = database(self.path.strip_prefix('/').unwrap_or_default())?;
        Ok(self.url(topology, database))
    }

    fn cluster(self) -> Result<RedisUrl, RedisUrlError> {
        query::none(self.query)?;
        if !matches!(self.path, "" | "/" | "/0") {
            return Err(RedisUrlError("a cluster has no database but 0"));
        }
        let topology = Topology::Cluster(ServerAddress::parse_all(self.hosts, PORT)?);
        Ok(self.url(topology, 0))
    }

    fn sentinel(self) -> Result<RedisUrl, RedisUrlError> {
        let (service, number) = self
            .path
            .get(1..)
            .unwrap_or_default()
            .split_once('/')
            .map_or_else(
                || (self.path.get(1..).unwrap_or_default(), ""),
                |(service, number)| (service, number),
            );
        // What redis-sentinel allows in such a name.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if service.is_empty() || !service.bytes().all(letter) {
            return Err(RedisUrlError(
                "the name of the service that the Sentinels watch must follow the hosts: /mymaster",
            ));
        }
        let topology = Topology::Sentinel(Sentinels {
            addresses: ServerAddress::parse_all(self.hosts, SENTINEL_PORT)?,
            service: service.to_owned(),
            credentials: query::sentinel(self.query)?,
        });
        let database = database(number)?;
        Ok(self.url(topology, database))
    }

    fn socket(self) -> Result<RedisUrl, RedisUrlError> {
        if !self.hosts.is_empty() || self.path.len() < 2 {
            return Err(RedisUrlError(
                "the path of a socket begins with a slash: unix:///run/redis/redis.sock",
            ));
        }
        let path = decode(self.path)?;
        let asked = query::socket(self.query)?;
        if self.credentials.is_some() && asked.credentials.is_some() {
            return Err(RedisUrlError("it has two passwords"));
        }
        let url = self.url(
            Topology::Socket(PathBuf::from(path.as_str())),
            asked.database,
        );
        Ok(RedisUrl {
            credentials: url.credentials.or(asked.credentials),
            ..url
        })
    }

    fn url(self, topology: Topology, database: u16) -> RedisUrl {
        RedisUrl {
            scheme: String::new(),
            tls: false,
            topology,
            credentials: self.credentials,
            database,
        }
    }
}

impl Credentials {
    fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (user, password) = text.split_once(':').ok_or(RedisUrlError(
            "it has a user, or a password without a colon before it",
        ))?;
        let user = Some(user).filter(|user| !user.is_empty());
        Ok(Self {
            user: user.map(decode).transpose()?,
            password: decode(password)?,
        })
    }
}

impl ServerAddress {
    fn parse_all(texts: &str, port: u16) -> Result<Vec<Self>, RedisUrlError> {
        texts
            .split(',')
            .map(|text| Self::parse(text, port))
            .collect()
    }

    fn parse(text: &str, default: u16) -> Result<Self, RedisUrlError> {
        let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port),
            Some(_) => return Err(HOST),
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().ok().filter(|port| *port > 0).ok_or(HOST)?,
            None if port.is_empty() => default,
            None => return Err(HOST),
        };
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
        let host = Some(host)
            .filter(|host| !host.is_empty() && host.bytes().all(letter))
            .ok_or(HOST)?;
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

const HOST: RedisUrlError = RedisUrlError(
    "its host or port is wrong; in a user and a password write all but letters and digits as %XX, a slash as %2F",
);

fn database(text: &str) -> Result<u16, RedisUrlError> {
    match text {
        "" => Ok(0),
        number => number
            .parse()
            .map_err(|_| RedisUrlError("the database is no number")),
    }
}

/// Without `%XX`. A letter that need not be written so is taken as it is.
fn decode(text: &str) -> Result<Zeroizing<String>, RedisUrlError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let (byte, after) = if byte == b'%' {
            escaped(after)?
        } else {
            (byte, after)
        };
        bytes.push(byte);
        rest = after;
    }
    let text =
        str::from_utf8(&bytes).map_err(|_| RedisUrlError("what its %XX mean is not UTF-8"))?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn escaped(rest: &[u8]) -> Result<(u8, &[u8]), RedisUrlError> {
    const WRONG: RedisUrlError =
        RedisUrlError("after a % there must be two digits from 0 to F; % itself is %25");
    let (&[high, low], after) = rest.split_first_chunk().ok_or(WRONG)?;
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    Ok((
        digit(high).ok_or(WRONG)? << 4 | digit(low).ok_or(WRONG)?,
        after,
    ))
}

/// In place of a secret.
const REDACTED: &str = "[redacted]";

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.has_secret() {
            write!(f, "{REDACTED}@")?;
        }
        match &self.topology {
            Topology::One(address) => write!(f, "{address}/{}", self.database),
            Topology::Socket(path) => write!(f, "{}?db={}", path.display(), self.database),
            Topology::Cluster(addresses) => list(f, addresses),
            Topology::Sentinel(Sentinels {
                addresses, service, ..
            }) => {
                list(f, addresses)?;
                write!(f, "/{service}/{}", self.database)
            }
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, addresses: &[ServerAddress]) -> fmt::Result {
    for (place, address) in addresses.iter().enumerate() {
        write!(f, "{}{address}", if place == 0 { "" } else { "," })?;
    }
    Ok(())
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

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
