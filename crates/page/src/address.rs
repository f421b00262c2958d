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
        let listen = self.listen.ip();
        if name.eq_ignore_ascii_case("localhost") {
            return listen.is_loopback() || listen.is_unspecified();
        }
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        bare.parse()
            .is_ok_and(|ip: IpAddr| listen.is_unspecified() || ip == listen)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(listen: &str, public: Option<&str>, hosts: &[&str]) -> Vec<Option<String>> {
        let public = public.map(|url| url.parse().unwrap());
        let address = Address::new(listen.parse().unwrap(), public);
        let origin = |host: &&str| address.origin(&host.parse().unwrap());
        hosts.iter().map(origin).collect()
    }

    #[test]
    fn a_page_for_other_machines_has_any_address_but_no_name() {
        let hosts = ["172.17.0.2:8787", "[fd00::2]:8787", "localhost:8787"];
        let found = origins("0.0.0.0:8787", None, &hosts);
        assert_eq!(found, hosts.map(|host| Some(format!("http://{host}"))));
        let hosts = ["attic.example:8787", "172.17.0.2:8788", "172.17.0.2"];
        assert_eq!(origins("0.0.0.0:8787", None, &hosts), [None, None, None]);
    }

    #[test]
    fn a_page_at_one_address_has_that_one() {
        let found = origins("[::1]:8787", None, &["[::1]:8787", "[::2]:8787"]);
        assert_eq!(found, [Some("http://[::1]:8787".to_owned()), None]);
        assert_eq!(origins("192.0.2.1:80", None, &["localhost"]), [None]);
    }

    #[test]
    fn behind_a_proxy_its_host_has_the_origin_of_its_url() {
        let hosts = ["Bot.example.org", "bot.example.org:443", "127.0.0.1:8787"];
        let found = origins("127.0.0.1:8787", Some("https://bot.example.org"), &hosts);
        let public = || Some("https://bot.example.org".to_owned());
        let own = Some("http://127.0.0.1:8787".to_owned());
        assert_eq!(found, [public(), public(), own]);
        let others = ["bot.example.org:80", "example.org"];
        let found = origins("127.0.0.1:8787", Some("https://bot.example.org"), &others);
        assert_eq!(found, [None, None]);
    }
}
