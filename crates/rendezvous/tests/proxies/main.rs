//! Our server behind the proxies that operators use, as Debian packages them: with plain sites,
//! with compression, and with the files of docs/deploy.md.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod browser;
mod program;
mod recipes;
mod sites;

use std::net::Ipv4Addr;

use matrix_qr_rendezvous::{Config, Limits, Rate, Rendezvous, serve};
use reqwest::{Method, header::HeaderValue};
use tokio::net::TcpListener;

use crate::{
    browser::{Browser, chunked},
    program::{ProxyProcess, ProxyProgram, free_port},
};

const CREATE: &str = "/_matrix/client/v1/rendezvous";

/// The address of the browser. The proxy has 127.0.0.1.
const CLIENT: [u8; 4] = [127, 0, 0, 2];

/// Our server, and a proxy in front of it.
struct Deployment {
    rendezvous: Rendezvous,
    proxy: ProxyProcess,
}

impl Deployment {
    /// `site` is the proxy's configuration, with `LISTEN` and `BACKEND` in place of addresses.
    async fn start(program: ProxyProgram, site: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("https://rendezvous.example.org".parse().unwrap());
        config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        change(&mut config);
        let rendezvous = Rendezvous::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let backend = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, rendezvous.clone(), std::future::pending()));
        Self {
            rendezvous,
            proxy: ProxyProcess::start(program, site, backend).await,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.proxy.url, CLIENT)
    }
}

/// The requests of Element Web. Returns the ETags as the browser sees them.
async fn a_whole_exchange(program: ProxyProgram, site: &str) -> Vec<String> {
    let deployment = Deployment::start(program, site, |_| {}).await;
    let browser = deployment.browser();
    // Long and uniform enough to be compressed.
    let [first, second, late] =
        ["first", "second", "late"].map(|word| format!("{word} ").repeat(400));
    let created = browser.ask(Method::POST, CREATE, &[], &first).await;
    assert_eq!(created.status, 201, "{program:?}");
    let body: serde_json::Value = serde_json::from_slice(&created.body).unwrap();
    let path = body["url"]
        .as_str()
        .unwrap()
        .strip_prefix("https://rendezvous.example.org")
        .unwrap();
    let read = browser.ask(Method::GET, path, &[], "").await;
    assert_eq!((read.status, read.text()), (200, first), "{program:?}");
    for tag in [&created.etag, &read.etag] {
        let unchanged = browser
            .ask(Method::GET, path, &[("if-none-match", tag)], "")
            .await;
        assert_eq!(unchanged.status, 304, "{program:?}: {tag}");
    }
    let written = browser
        .ask(Method::PUT, path, &[("if-match", &read.etag)], &second)
        .await;
    assert_eq!(written.status, 202, "{program:?}: {}", read.etag);
    let news = browser
        .ask(Method::GET, path, &[("if-none-match", &read.etag)], "")
        .await;
    assert_eq!((news.status, news.text()), (200, second), "{program:?}");
    let stale = browser
        .ask(Method::PUT, path, &[("if-match", &read.etag)], &late)
        .await;
    assert_eq!(
        (stale.status, stale.etag.as_str()),
        (412, ""),
        "{program:?}"
    );
    let written = browser
        .ask(Method::PUT, path, &[("if-match", &news.etag)], &late)
        .await;
    assert_eq!(written.status, 202, "{program:?}: {}", news.etag);
    assert_eq!(browser.ask(Method::DELETE, path, &[], "").await.status, 204);
    assert_eq!(deployment.rendezvous.sessions(), 0);
    vec![created.etag, read.etag, news.etag]
}

/// A site that compresses all that it can. The exchange works whatever the proxy does to the ETags.
async fn compressed(program: ProxyProgram) {
    let tags = a_whole_exchange(program, &sites::compressing(program)).await;
    // With the versions of Debian 12, the others obey `no-transform` or do not change the ETag.
    let decorated = tags.iter().any(|tag| tag.len() > 24);
    assert_eq!(
        decorated,
        matches!(program, ProxyProgram::Nginx | ProxyProgram::Apache),
        "{program:?}: {tags:?}"
    );
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_browsers_exchange_works_behind_nginx_that_compresses() {
    compressed(ProxyProgram::Nginx).await;
}

#[tokio::test]
#[ignore = "needs apache2: cargo xtask test"]
async fn a_browsers_exchange_works_behind_apache_that_compresses() {
    compressed(ProxyProgram::Apache).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_browsers_exchange_works_behind_haproxy_that_compresses() {
    compressed(ProxyProgram::Haproxy).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn a_browsers_exchange_works_behind_caddy_that_compresses() {
    compressed(ProxyProgram::Caddy).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn a_browsers_exchange_works_behind_varnish_as_installed() {
    compressed(ProxyProgram::Varnish).await;
}

/// A client gets three sessions, whatever forwarding header it sends. The proxy itself may refuse
/// some.
async fn forged(program: ProxyProgram) {
    forged_behind(program, &sites::plain(program)).await;
}

async fn forged_behind(program: ProxyProgram, site: &str) {
    let limited = |config: &mut Config| config.limits.creates = Rate::new(1, 3);
    let deployment = Deployment::start(program, site, limited).await;
    let browser = deployment.browser();
    for expected in [201, 201, 201, 429] {
        assert_eq!(
            browser.ask(Method::POST, CREATE, &[], "x").await.status,
            expected,
            "{program:?}"
        );
    }
    let other = Browser::new(&deployment.proxy.url, [127, 0, 0, 3]);
    assert_eq!(
        other.ask(Method::POST, CREATE, &[], "x").await.status,
        201,
        "{program:?}: it is another client"
    );
    let forgeries: [&[u8]; 8] = [
        b"\xe9",
        b"203.0.113.9",
        b"fe80::1%eth0",
        b",",
        b"",
        b"unknown",
        b"127.0.0.1",
        b"203.0.113.9,",
    ];
    let create = async |forgery: &[u8]| {
        let value = HeaderValue::from_bytes(forgery).unwrap();
        browser.create_with(CREATE, value).await
    };
    for forgery in forgeries {
        let status = create(forgery).await;
        assert!(
            [400, 429].contains(&status),
            "{program:?}: {status} for {}",
            forgery.escape_ascii()
        );
    }
    let deny = vec!["127.0.0.2/32".parse().unwrap()];
    deployment.rendezvous.set_limits(Limits {
        deny,
        ..Limits::default()
    });
    assert_eq!(
        browser.ask(Method::POST, CREATE, &[], "x").await.status,
        403,
        "{program:?}"
    );
    for forgery in forgeries {
        let status = create(forgery).await;
        assert!(
            [400, 403].contains(&status),
            "{program:?}: {status} for {}",
            forgery.escape_ascii()
        );
    }
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_nginx() {
    forged(ProxyProgram::Nginx).await;
}

#[tokio::test]
#[ignore = "needs apache2: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_apache() {
    forged(ProxyProgram::Apache).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_haproxy() {
    forged(ProxyProgram::Haproxy).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_caddy() {
    forged(ProxyProgram::Caddy).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_varnish() {
    forged(ProxyProgram::Varnish).await;
}

/// A payload without `Content-Length`, which the proxy streams.
async fn streamed(program: ProxyProgram, site: &str) {
    let deployment = Deployment::start(program, site, |_| {}).await;
    let browser = deployment.browser();
    for (length, expected) in [(0, 201), (1, 201), (4096, 201), (4097, 413)] {
        let status = browser.stream(CREATE, chunked(length)).await;
        assert_eq!(status, expected, "{program:?}: {length}");
    }
    assert_eq!(deployment.rendezvous.sessions(), 3);
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn bodies_without_a_length_come_through_nginx_that_does_not_buffer() {
    streamed(ProxyProgram::Nginx, &sites::plain(ProxyProgram::Nginx)).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn bodies_without_a_length_come_through_haproxy() {
    streamed(ProxyProgram::Haproxy, &sites::plain(ProxyProgram::Haproxy)).await;
    streamed(ProxyProgram::Haproxy, &sites::haproxy_http2()).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn bodies_without_a_length_come_through_caddy() {
    streamed(ProxyProgram::Caddy, &sites::plain(ProxyProgram::Caddy)).await;
    streamed(ProxyProgram::Caddy, &sites::caddy_http2()).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn bodies_without_a_length_come_through_varnish() {
    streamed(ProxyProgram::Varnish, &sites::plain(ProxyProgram::Varnish)).await;
}

/// A port that the system may give to a connection is taken now and then before its program binds
/// it: the program in front of which a test finds itself is then another one.
#[test]
fn nobody_else_gets_the_port_of_a_program() {
    let ours = [free_port(), free_port()];
    assert_ne!(ours[0], ours[1], "nothing listens on either yet");
    let file = "/proc/sys/net/ipv4/ip_local_port_range";
    let range = std::fs::read_to_string(file).unwrap();
    let (first, _) = range.split_once(char::is_whitespace).unwrap();
    let first: u16 = first.parse().unwrap();
    assert!(ours.iter().all(|port| *port < first), "{ours:?}, {range}");
}
