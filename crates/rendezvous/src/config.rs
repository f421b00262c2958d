//! The settings of the service.

use std::time::Duration;

use url::Url;

use crate::{creation::Creation, limits::Limits, proxies::Proxies};

/// The settings of a rendezvous server. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// The URL under which clients reach this server. Session URLs are built from it, never from
    /// the `Host` header of a request, which the client chooses. If it has a path, the proxy must
    /// strip that path.
    pub public_url: Url,
    /// One more path that creates sessions, for a homeserver that answers its own create path with
    /// a 307 to here (MSC4108, "Create a rendezvous session"). Default `/`.
    pub create_path: String,
    /// How long a session lives. Fixed at creation and not extended by writes; at most one day.
    /// Default 300 s: the 60 s that the proposal suggests are too short for a second factor.
    pub lifetime: Duration,
    /// Who may create sessions through MSC4388's API. Default: anybody.
    pub creation: Creation,
    /// The limits of each client network, and of all together.
    pub limits: Limits,
    /// How the address of a client behind a proxy is determined.
    pub proxies: Proxies,
    /// Whether each connection starts with a header of the PROXY protocol, version 1 or 2. Then
    /// only trusted proxies may connect, and the address in that header replaces that of the proxy.
    /// Default `false`.
    pub proxy_protocol: bool,
    /// The timeouts for slow clients.
    pub timeouts: Timeouts,
    /// How many connections may be open at the same time; further ones are closed at once. Default
    /// 60 000. The system must allow more open files than that.
    pub max_connections: usize,
    /// How long a stopping server still accepts connections, so that load balancers notice. Default
    /// 5 s.
    pub drain: Duration,
}

impl Config {
    /// The defaults, for sessions below `public_url`.
    #[must_use]
    pub fn new(public_url: Url) -> Self {
        Self {
            public_url,
            create_path: "/".to_owned(),
            lifetime: Duration::from_secs(300),
            creation: Creation::default(),
            limits: Limits::default(),
            proxies: Proxies::default(),
            proxy_protocol: false,
            timeouts: Timeouts::default(),
            max_connections: 60_000,
            drain: Duration::from_secs(5),
        }
    }
}

/// The timeouts for slow clients. Each counts from its start: sending a byte now and then does not
/// extend it.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its headers. Then the connection is closed.
    /// Default 10 s.
    pub header: Duration,
    /// From the end of the headers to the end of the body. Then reading the body fails. Default 10
    /// s.
    pub body: Duration,
    /// From a response to the first byte of the next request, and for the first request of a
    /// connection. Default 60 s.
    pub idle: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header: Duration::from_secs(10),
            body: Duration::from_secs(10),
            idle: Duration::from_secs(60),
        }
    }
}
