//! Our server behind the proxies that operators use, as Debian has them: as they are installed,
//! compressing, and as docs/deploy.md sets them up.
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

use std::{net::Ipv4Addr, time::Duration};

use matrix_qr_rendezvous::{Config, Limits, Rate, Rendezvous, serve};
use reqwest::{Method, header::HeaderValue};
use tokio::net::TcpListener;

use crate::{
    browser::{Browser, chunked},
    program::{Program, Proxy},
};

const CREATE: &str = "/_matrix/client/v1/rendezvous";

/// Where the browser is. The proxy is at 127.0.0.1.
const CLIENT: [u8; 4] = [127, 0, 0, 2];

/// Our server, and a proxy before it.
struct Deployment {
    rendezvous: Rendezvous,
    proxy: Proxy,
}

impl Deployment {
    /// `site` is the proxy's configuration, which has `LISTEN` and `BACKEND` where addresses
    /// belong.
    async fn start(program: Program, site: &str, change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::new("https://rendezvous.example.org".parse().unwrap());
        config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
        change(&mut config);
        let rendezvous = Rendezvous::new(config);
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let backend = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, rendezvous.clone(), std::future::pending()));
        Self {
            rendezvous,
            proxy: Proxy::start(program, site, backend).await,
        }
    }

    fn browser(&self) -> Browser {
        Browser::new(&self.proxy.url, CLIENT)
    }
}

/// What Element Web does, with the tags as it sees them.
async fn a_whole_exchange(program: Program, site: &str) -> Vec<String> {
    let deployment = Deployment::start(program, site, |_| {}).await;
    let browser = deployment.browser();
    // Long and dull enough to be compressed.
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

/// A site that compresses all that it can. The exchange works however the tags come.
async fn compressed(program: Program) {
    let tags = a_whole_exchange(program, sites::compressing(program)).await;
    // Seen with the versions of Debian 12: these heed `no-transform`, or do not touch the tag.
    let decorated = tags.iter().any(|tag| tag.len() > 24);
    assert_eq!(
        decorated,
        matches!(program, Program::Nginx | Program::Apache),
        "{program:?}: {tags:?}"
    );
}

#[tokio::test]
#[ignore = "needs nginx: cargo xtask test"]
async fn a_browsers_exchange_works_behind_nginx_that_compresses() {
    compressed(Program::Nginx).await;
}

#[tokio::test]
#[ignore = "needs apache2: cargo xtask test"]
async fn a_browsers_exchange_works_behind_apache_that_compresses() {
    compressed(Program::Apache).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_browsers_exchange_works_behind_haproxy_that_compresses() {
    compressed(Program::Haproxy).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn a_browsers_exchange_works_behind_caddy_that_compresses() {
    compressed(Program::Caddy).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn a_browsers_exchange_works_behind_varnish_as_installed() {
    compressed(Program::Varnish).await;
}

/// Of this client no more than three sessions, whatever it sends along. What the proxy itself
/// refuses is none.
async fn forged(program: Program) {
    forged_behind(program, sites::plain(program)).await;
}

async fn forged_behind(program: Program, site: &str) {
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
    forged(Program::Nginx).await;
}

#[tokio::test]
#[ignore = "needs apache2: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_apache() {
    forged(Program::Apache).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_haproxy() {
    forged(Program::Haproxy).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_caddy() {
    forged(Program::Caddy).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn a_forged_address_is_of_no_use_behind_varnish() {
    forged(Program::Varnish).await;
}

/// A payload whose length nobody has said, passed on as it comes.
async fn streamed(program: Program, site: &str) {
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
    streamed(Program::Nginx, sites::plain(Program::Nginx)).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn bodies_without_a_length_come_through_haproxy() {
    streamed(Program::Haproxy, sites::plain(Program::Haproxy)).await;
    streamed(Program::Haproxy, sites::HAPROXY_HTTP2).await;
}

#[tokio::test]
#[ignore = "needs caddy: cargo xtask test"]
async fn bodies_without_a_length_come_through_caddy() {
    streamed(Program::Caddy, sites::plain(Program::Caddy)).await;
    streamed(Program::Caddy, sites::CADDY_HTTP2).await;
}

#[tokio::test]
#[ignore = "needs varnish: cargo xtask test"]
async fn bodies_without_a_length_come_through_varnish() {
    streamed(Program::Varnish, sites::plain(Program::Varnish)).await;
}

/// What any of the tests waits for at most.
const PATIENCE: Duration = Duration::from_secs(30);
