//! What the person who runs the server chooses.

use std::time::Duration;

use url::Url;

use crate::{creation::Creation, limits::Limits, proxies::Proxies};

/// The settings of a rendezvous server. [`Config::new`] has the defaults.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients reach this server. Session URLs are made from it, never from a request's
    /// `Host` header, which the requester chooses. With a path in it, the proxy in front must
    /// remove that path.
    pub public_url: Url,
    /// A bare path that also creates sessions, for a homeserver that answers its own create path
    /// with a 307 to here (MSC4108, "Create a rendezvous session"). Default `/`.
    pub create_path: String,
    /// How long a session lives. Fixed at creation, never extended by a write; cut to a day at
    /// most. Default 300 s: the 60 s of the text are too short for a second factor.
    pub lifetime: Duration,
    /// Who may create sessions through MSC4388's API. Default: anybody.
    pub creation: Creation,
    /// What a client network may do, and all of them.
    pub limits: Limits,
    /// How a client's address is known behind a proxy.
    pub proxies: Proxies,
    /// Whether each connection begins with a header of the PROXY protocol, of version 1 or 2. Then
    /// only trusted proxies may connect, and the address in that header takes the place of the
    /// proxy's. Default `false`.
    pub proxy_protocol: bool,
    /// How long a client may take over each part of a request.
    pub timeouts: Timeouts,
    /// How many connections may be open at once; further ones are closed at once. Default 60 000.
    /// The system's limit of open files must be higher.
    pub max_connections: usize,
    /// How long a server that stops still takes connections, so that whoever sends clients here can
    /// notice. Default 5 s.
    pub drain: Duration,
}

impl Config {
    /// The defaults, for sessions that are reached below `public_url`.
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

/// How long a client may take. Each starts anew: a byte now and then does not buy more time.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the first byte of a request to the end of its headers. Then the connection is closed.
    /// Default 10 s.
    pub header: Duration,
    /// From the end of the headers to the end of the body. Then the body fails to read. Default 10
    /// s.
    pub body: Duration,
    /// From one answer to the first byte of the next request, and for the first request of a
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
