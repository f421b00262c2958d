//! `--web`: a page instead of the terminal

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use url::Url;

/// Where the person is asked.
#[derive(Debug, Args)]
pub(crate) struct WebArgs {
    /// Show and ask everything on a web page that this program serves at ADDR; by default on a free
    /// port of 127.0.0.1. With `--scan -`, the page takes the code: by camera, as a picture or as
    /// text
    #[arg(long, value_name = "ADDR", num_args = 0..=1, value_parser = address)]
    #[arg(default_missing_value = "127.0.0.1")]
    pub(crate) web: Option<SocketAddr>,

    /// Let ADDR be reached from other machines. Nothing is encrypted then: whoever sees the traffic
    /// can answer in your place, and sign in a device of their own. Put a proxy with TLS in front of it
    #[arg(long, requires = "web")]
    pub(crate) web_allow_remote: bool,

    /// The URL at which a proxy with TLS serves the page
    #[arg(long, requires = "web", value_name = "URL", value_parser = public)]
    pub(crate) web_url: Option<Url>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let text = match text.strip_prefix("localhost") {
        Some(port) if port.is_empty() || port.starts_with(':') => {
            format!("{}{port}", Ipv4Addr::LOCALHOST)
        }
        _ => text.to_owned(),
    };
    let bare: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
    bare.map(|ip| SocketAddr::new(ip, 0))
        .or_else(|_| text.parse())
        .map_err(|_| "it is neither an IP address nor one with a port".to_owned())
}

fn public(text: &str) -> Result<Url, String> {
    let url = super::endpoint(text)?;
    if url.path() == "/" && url.query().is_none() && url.fragment().is_none() {
        Ok(url)
    } else {
        Err("nothing may follow the host and its port".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_port_or_a_free_one() {
        for (given, meant) in [
            ("localhost", "127.0.0.1:0"),
            ("localhost:8787", "127.0.0.1:8787"),
            ("127.0.0.1", "127.0.0.1:0"),
            ("[::1]:8787", "[::1]:8787"),
            ("[::1]", "[::1]:0"),
            ("::1", "[::1]:0"),
        ] {
            assert_eq!(address(given), Ok(meant.parse().unwrap()), "{given}");
        }
        for wrong in ["", "attic", "localhost1", "127.0.0.1:", "notlocalhost:80"] {
            assert!(address(wrong).is_err(), "{wrong}");
        }
    }
}
