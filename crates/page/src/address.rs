//! Where the page is, and by which names a browser may know it.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use axum::http::uri::Authority;
use url::Url;

/// Where the page is.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    listen: SocketAddr,
    public: Option<Url>,
}

impl Address {
    pub(crate) fn new(listen: SocketAddr, public: Option<Url>) -> Self {
        Self { listen, public }
    }

    /// The page's own URL.
    pub(crate) fn url(&self, secret: &str) -> io::Result<Url> {
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, error);
        let base = match &self.public {
            Some(public) => public.clone(),
            None => Url::parse(&format!("http://{}/", self.listen)).map_err(invalid)?,
        };
        base.join(&format!("/{secret}/")).map_err(invalid)
    }

    /// The origin that a browser has for this `Host`, if the page is there.
    pub(crate) fn origin(&self, host: &Authority) -> Option<String> {
        if let Some(public) = self.public.as_ref().filter(|public| is_at(public, host)) {
            return Some(public.origin().ascii_serialization());
        }
        self.is_ours(host).then(|| format!("http://{host}"))
    }

    /// Only addresses, which nobody can point at this machine, and the name that every machine has
    /// for itself.
    fn is_ours(&self, host: &Authority) -> bool {
        let port = host.port_u16().unwrap_or(80);
        if port != self.listen.port() {
            return false;
        }
        let name = host.host();
        if name.eq_ignore_ascii_case("localhost") {
            return self.listen.ip().is_loopback();
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse()
            .is_ok_and(|ip: IpAddr| self.listen.ip().is_unspecified() || ip == self.listen.ip())
    }
}

fn is_at(public: &Url, host: &Authority) -> bool {
    let port = host.port_u16().or_else(|| match public.scheme() {
        "https" => Some(443),
        _ => Some(80),
    });
    public
        .host_str()
        .is_some_and(|name| name.eq_ignore_ascii_case(host.host()))
        && public.port_or_known_default() == port
}
