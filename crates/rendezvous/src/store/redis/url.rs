//! The URL of a Redis. No error, and no way to print a URL, contains any part of it that may be
//! secret.

mod address;
mod credentials;
mod error;
mod query;

use std::{fmt, path::PathBuf, str::FromStr};

pub use self::error::RedisUrlError;
pub(super) use self::{address::ServerAddress, credentials::Credentials};

/// The longest URL that is read, in bytes.
const LONGEST: usize = 4096;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Stands for a secret when a URL is printed.
const REDACTED: &str = "[redacted]";

const FORM: RedisUrlError = RedisUrlError::new(
    "the form is redis://user:password@host:port/database, unix:///path?db=number, \
     redis+cluster://host:port,host:port or redis+sentinel://host:port,host:port/service/database; \
     with TLS rediss://, rediss+cluster:// or rediss+sentinel://",
);

/// Where a Redis or Valkey is, and how to sign in to it. Printed without its secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl {
    scheme: String,
    pub(super) tls: bool,
    pub(super) topology: Topology,
    pub(super) credentials: Option<Credentials>,
    pub(super) database: u16,
}

/// Which servers there are.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Topology {
    One(ServerAddress),
    Socket(PathBuf),
    /// Some nodes of a cluster. Each knows the others.
    Cluster(Vec<ServerAddress>),
    Sentinel(Sentinels),
}

/// They know which server is currently the main one.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Sentinels {
    pub(super) addresses: Vec<ServerAddress>,
    pub(super) service: String,
    /// For the Sentinels themselves.
    pub(super) credentials: Option<Credentials>,
}

impl RedisUrl {
    /// Whether the URL contains a secret: a user or a password.
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
        check_characters(text)?;
        let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (credentials, hosts) = match authority.rsplit_once('@') {
            Some((credentials, hosts)) => (Some(credentials), hosts),
            None => (None, authority),
        };
        let parts = UrlParts {
            credentials: credentials.map(Credentials::parse).transpose()?,
            hosts,
            path,
            query,
        };
        let (engine, kind) = scheme.split_once('+').unwrap_or((scheme, ""));
        let tls = matches!(engine, "rediss" | "valkeys");
        let url = match (engine, kind) {
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

/// What no part of the URL may contain. A `#` begins a fragment: what follows would be lost, and is
/// usually part of a password.
fn check_characters(text: &str) -> Result<(), RedisUrlError> {
    let problem = if text.len() > LONGEST {
        "it is too long"
    } else if text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        "it contains a space or a line break; in a password write %20"
    } else if text.contains('#') {
        "it contains a #; in a password write %23"
    } else if text.contains(REDACTED) {
        "it was printed without its password"
    } else {
        return Ok(());
    };
    Err(RedisUrlError::new(problem))
}

/// The parts of a URL. The scheme tells what they mean.
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
        let database = query::database(self.path.strip_prefix('/').unwrap_or_default())?;
        Ok(self.url(topology, database))
    }

    fn cluster(self) -> Result<RedisUrl, RedisUrlError> {
        query::none(self.query)?;
        if !matches!(self.path, "" | "/" | "/0") {
            return Err(RedisUrlError::new("a cluster has no database except 0"));
        }
        let topology = Topology::Cluster(ServerAddress::parse_all(self.hosts, PORT)?);
        Ok(self.url(topology, 0))
    }

    fn sentinel(self) -> Result<RedisUrl, RedisUrlError> {
        let path = self.path.get(1..).unwrap_or_default();
        let (service, number) = path.split_once('/').unwrap_or((path, ""));
        // The characters that redis-sentinel allows in a name.
        let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        if service.is_empty() || !service.bytes().all(letter) {
            return Err(RedisUrlError::new(
                "the name of the service that the Sentinels watch must follow the hosts: /mymaster",
            ));
        }
        let topology = Topology::Sentinel(Sentinels {
            addresses: ServerAddress::parse_all(self.hosts, SENTINEL_PORT)?,
            service: service.to_owned(),
            credentials: query::sentinel(self.query)?,
        });
        let database = query::database(number)?;
        Ok(self.url(topology, database))
    }

    fn socket(self) -> Result<RedisUrl, RedisUrlError> {
        if !self.hosts.is_empty() || self.path.len() < 2 {
            return Err(RedisUrlError::new(
                "the path of a socket begins with a slash: unix:///run/redis/redis.sock",
            ));
        }
        let path = credentials::decode(self.path)?;
        let query = query::socket(self.query)?;
        if self.credentials.is_some() && query.credentials.is_some() {
            return Err(RedisUrlError::new("it has two passwords"));
        }
        let topology = Topology::Socket(PathBuf::from(path.as_str()));
        let url = self.url(topology, query.database);
        Ok(RedisUrl {
            credentials: url.credentials.or(query.credentials),
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

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.has_secret() {
            write!(f, "{REDACTED}@")?;
        }
        match &self.topology {
            Topology::One(address) => write!(f, "{address}/{}", self.database),
            Topology::Socket(path) => write!(f, "{}?db={}", path.display(), self.database),
            Topology::Cluster(addresses) => address::list(f, addresses),
            Topology::Sentinel(Sentinels {
                addresses, service, ..
            }) => {
                address::list(f, addresses)?;
                write!(f, "/{service}/{}", self.database)
            }
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
