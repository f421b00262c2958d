//! A real HAProxy reports each client's address by the PROXY protocol: in both versions, over TCP
//! and over a Unix socket.
#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[allow(dead_code, reason = "other tests use more of it")]
#[path = "proxies/program.rs"]
mod program;

use matrix_qr_rendezvous::{Config, Listener, Rate, Rendezvous, serve};
use reqwest::Client;
use tokio::net::TcpListener;

use crate::program::{ProxyProcess, ProxyProgram, free_address};

/// HAProxy in front of this server, forwarding TCP.
async fn haproxy(server: &str, options: &str) -> ProxyProcess {
    let site = format!(
        "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
         listen rendezvous\n  bind LISTEN\n  server one {server} {options}\n"
    );
    ProxyProcess::start_at(ProxyProgram::Haproxy, &site, free_address()).await
}

/// The status of a creation by the client at 127.0.0.`client`. `None` if there is no response.
async fn create(haproxy: &ProxyProcess, client: u8) -> Option<u16> {
    let client = Client::builder()
        .no_proxy()
        .local_address(Some([127, 0, 0, client].into()));
    let url = format!("{}/_matrix/client/v1/rendezvous", haproxy.url);
    let post = client.build().unwrap().post(url);
    let response = post
        // A forged one.
        .header("x-forwarded-for", "192.0.2.1")
        .header("content-type", "text/plain")
        .body("x")
        .send()
        .await
        .ok()?;
    Some(response.status().as_u16())
}

/// A server at which each client may create two sessions, and one client none.
fn start(listener: impl Into<Listener>) -> Rendezvous {
    let mut config = Config::new("https://rendezvous.example".parse().unwrap());
    config.proxy_protocol = true;
    // This machine's other addresses are clients.
    config.proxies.trusted = vec!["127.0.0.1/32".parse().unwrap()];
    config.limits.creates = Rate::new(1, 2);
    config.limits.deny = vec!["127.0.0.9/32".parse().unwrap()];
    let rendezvous = Rendezvous::new(config);
    tokio::spawn(serve(
        listener.into(),
        rendezvous.clone(),
        std::future::pending(),
    ));
    rendezvous
}

async fn start_tcp() -> (String, Rendezvous) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (listener.local_addr().unwrap().to_string(), start(listener))
}

async fn each_client_is_known(haproxy: ProxyProcess) {
    for (client, expected) in [(2, 201), (2, 201), (2, 429), (3, 201), (9, 403)] {
        assert_eq!(
            create(&haproxy, client).await,
            Some(expected),
            "127.0.0.{client}"
        );
    }
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn each_client_is_known_in_both_versions() {
    // Its health checks are connections without a client.
    for options in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 check inter 100ms",
    ] {
        let (server, _) = start_tcp().await;
        each_client_is_known(haproxy(&server, options).await).await;
    }
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn each_client_is_known_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    start(Listener::bind_unix(&path, 0o600).await.unwrap());
    let server = format!("unix@{}", path.display());
    each_client_is_known(haproxy(&server, "send-proxy-v2").await).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_proxy_that_says_nothing_has_no_answer() {
    let (server, rendezvous) = start_tcp().await;
    let proxy = haproxy(&server, "").await;
    assert_eq!(create(&proxy, 2).await, None);
    assert_eq!(rendezvous.sessions(), 0);
}
