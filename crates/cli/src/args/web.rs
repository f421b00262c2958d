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
    let bare: Result<IpAddr, _> = text.trim_matches(['[', ']']).parse();
    bare.map(|ip| SocketAddr::new(ip, 0))
        .or_else(|_| {
            text.replace("localhost", &Ipv4Addr::LOCALHOST.to_string())
                .parse()
        })
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
