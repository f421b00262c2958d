//! The addresses to listen on.

use std::{
    fmt, io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use url::Host;

use super::values::{as_text, to_text};

/// An address with a port, or the path of a Unix socket.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum ListenAddress {
    Socket(SocketAddr),
    /// All addresses of the machine, IPv4 and IPv6.
    All {
        port: u16,
    },
    /// The addresses of a name.
    Name {
        name: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

impl ListenAddress {
    /// For a proxy on this machine.
    pub(super) const DEFAULT: Self =
        Self::Socket(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8090));

    /// The addresses to try in turn. None for a Unix socket.
    pub(crate) async fn to_bind(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Socket(address) => Ok(vec![*address]),
            Self::All { port } => Ok(vec![
                (Ipv6Addr::UNSPECIFIED, *port).into(),
                (Ipv4Addr::UNSPECIFIED, *port).into(),
            ]),
            Self::Name { name, port } => resolved(name, *port).await,
            #[cfg(unix)]
            Self::Unix(_) => Ok(Vec::new()),
        }
    }

    /// The addresses under which programs on this machine reach the listener. None for a Unix
    /// socket.
    pub(crate) async fn to_connect(&self) -> io::Result<Vec<SocketAddr>> {
        let mut addresses = self.to_bind().await?;
        for address in addresses
            .iter_mut()
            .filter(|address| address.ip().is_unspecified())
        {
            address.set_ip(match address.ip() {
                IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
                IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
            });
        }
        Ok(addresses)
    }
}

async fn resolved(name: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(ipv4_first(tokio::net::lookup_host((name, port)).await?))
}

/// `localhost` has both, and the configuration of proxies usually says `127.0.0.1`.
fn ipv4_first(addresses: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut addresses: Vec<_> = addresses.collect();
    addresses.sort_by_key(SocketAddr::is_ipv6);
    addresses
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        #[cfg(unix)]
        if let Some(path) = text.strip_prefix("unix:") {
            let path = PathBuf::from(path);
            let absolute = path.is_absolute() && path.file_name().is_some();
            return if absolute {
                Ok(Self::Unix(path))
            } else {
                Err(FORM.to_owned())
            };
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Socket(address));
        }
        let (name, port) = text.rsplit_once(':').ok_or(FORM)?;
        let port = port.parse().map_err(|_| FORM)?;
        match Host::parse(name) {
            _ if name.is_empty() => Ok(Self::All { port }),
            Ok(Host::Domain(name)) => Ok(Self::Name { name, port }),
            _ => Err(FORM.to_owned()),
        }
    }
}

const FORM: &str = "it must be an address and a port, such as 127.0.0.1:8090, [::1]:8090 or \
                    localhost:8090, only a port for all addresses, such as :8090, or the path of \
                    a Unix socket, such as unix:/run/matrix-qr/socket";

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket(address) => address.fmt(f),
            Self::All { port } => write!(f, ":{port}"),
            Self::Name { name, port } => write!(f, "{name}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The mode of a Unix socket, which decides who may connect, as `chmod` takes it.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct SocketMode(u32);

impl SocketMode {
    pub(crate) fn bits(self) -> u32 {
        self.0
    }
}

/// The owner and the group may connect.
impl Default for SocketMode {
    fn default() -> Self {
        Self(0o660)
    }
}

impl FromStr for SocketMode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match u32::from_str_radix(text, 8) {
            Ok(mode) if digits && mode <= 0o777 => Ok(Self(mode)),
            _ => Err("it must be a mode in octal, 0000 to 0777, such as 0660".to_owned()),
        }
    }
}

impl fmt::Display for SocketMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04o}", self.0)
    }
}

as_text!(ListenAddress, SocketMode);
to_text!(ListenAddress, SocketMode);

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses_are_parsed_and_printed_alike() {
        let all = |port| ListenAddress::All { port };
        let name = |name: &str, port| ListenAddress::Name {
            name: name.to_owned(),
            port,
        };
        let socket = |address: &str| ListenAddress::Socket(address.parse().unwrap());
        for (text, expected) in [
            ("127.0.0.1:8090", socket("127.0.0.1:8090")),
            ("[::1]:8090", socket("[::1]:8090")),
            ("0.0.0.0:0", socket("0.0.0.0:0")),
            (":8090", all(8090)),
            ("localhost:8090", name("localhost", 8090)),
            ("rendezvous.internal:80", name("rendezvous.internal", 80)),
            (
                "unix:/run/x/socket",
                ListenAddress::Unix("/run/x/socket".into()),
            ),
        ] {
            let address: ListenAddress = text.parse().unwrap();
            assert_eq!(address, expected);
            assert_eq!(address.to_string(), text);
        }
        for text in [
            "",
            ":",
            "8090",
            "localhost",
            "127.0.0.1",
            "127.1:80",
            "::1:8090",
            "[::1]",
            "localhost:x",
            "localhost:65536",
            "a b:80",
            "http://localhost:8090",
            "unix:socket",
            "unix:/",
            "unix:",
        ] {
            let error = text.parse::<ListenAddress>().unwrap_err();
            assert!(error.contains("unix:/run"), "{text}: {error}");
        }
    }

    #[test]
    fn a_mode_is_octal() {
        for (text, bits) in [("0660", 0o660), ("660", 0o660), ("0", 0), ("0777", 0o777)] {
            let mode: SocketMode = text.parse().unwrap();
            assert_eq!(mode.bits(), bits);
            assert_eq!(mode.to_string().parse::<SocketMode>().unwrap(), mode);
        }
        for text in ["", "rw", "0888", "01000", "+660", "-1"] {
            assert!(text.parse::<SocketMode>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn a_name_is_tried_at_ipv4_first_and_all_addresses_are_reached_locally() {
        let connect = async |text: &str| {
            text.parse::<ListenAddress>()
                .unwrap()
                .to_connect()
                .await
                .unwrap()
        };
        assert_eq!(
            connect("localhost:1").await.first(),
            Some(&"127.0.0.1:1".parse().unwrap())
        );
        let resolved = ["[::1]:1", "127.0.0.1:1"].map(|address| address.parse().unwrap());
        assert_eq!(ipv4_first(resolved.into_iter()), [resolved[1], resolved[0]]);
        assert_eq!(connect("0.0.0.0:1").await, ["127.0.0.1:1".parse().unwrap()]);
        assert_eq!(
            connect(":1").await,
            ["[::1]:1".parse().unwrap(), "127.0.0.1:1".parse().unwrap()]
        );
        assert_eq!(
            connect("192.0.2.1:1").await,
            ["192.0.2.1:1".parse().unwrap()]
        );
    }
}
