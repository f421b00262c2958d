//! HAProxy itself says for whom it has opened a connection, in both versions of the PROXY protocol,
//! over TCP and over a Unix socket.
#![cfg(unix)]
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use matrix_qr_rendezvous::{Config, Listener, Rate, Rendezvous, serve};
use reqwest::Client;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};

const HAPROXY: &str = "/usr/sbin/haproxy";

/// In front of a server, passing on TCP. Ended with the test.
struct Haproxy {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Haproxy {
    async fn before(server: &str, options: &str) -> Self {
        // Free a moment ago: it cannot be told to take any.
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("haproxy.cfg");
        let text = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n\
             listen rendezvous\n  bind 127.0.0.1:{port}\n  server one {server} {options}\n"
        );
        fs::write(&config, text).unwrap();
        let mut haproxy = Command::new(HAPROXY);
        haproxy
            .arg("-db")
            .arg("-f")
            .arg(&config)
            .stdin(Stdio::null());
        let child = haproxy
            .spawn()
            .unwrap_or_else(|error| panic!("{HAPROXY}: {error}: apt-get install haproxy"));
        let mut this = Self {
            child,
            port,
            _directory: directory,
        };
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(this.child.try_wait().unwrap().is_none(), "HAProxy ended");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        this
    }

    /// The status of a creation by the client at this address of the machine. `None`: there was no
    /// answer.
    async fn create(&self, client: u8) -> Option<u16> {
        let client = Client::builder()
            .no_proxy()
            .local_address(Some([127, 0, 0, client].into()));
        let url = format!(
            "http://127.0.0.1:{}/_matrix/client/v1/rendezvous",
            self.port
        );
        // What a client makes up.
        let post = client
            .build()
            .unwrap()
            .post(url)
            .header("x-forwarded-for", "192.0.2.1");
        let response = post
            .header("content-type", "text/plain")
            .body("x")
            .send()
            .await
            .ok()?;
        Some(response.status().as_u16())
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Where each client may create two sessions, and one none.
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

async fn each_client_is_known(haproxy: Haproxy) {
    for (client, expected) in [(2, 201), (2, 201), (2, 429), (3, 201), (9, 403)] {
        assert_eq!(
            haproxy.create(client).await,
            Some(expected),
            "127.0.0.{client}"
        );
    }
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn each_client_is_known_in_both_versions() {
    // Its health checks are connections of its own.
    for options in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 check inter 100ms",
    ] {
        let (server, _) = start_tcp().await;
        each_client_is_known(Haproxy::before(&server, options).await).await;
    }
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn each_client_is_known_over_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    start(Listener::bind_unix(&path, 0o600).await.unwrap());
    let server = format!("unix@{}", path.display());
    each_client_is_known(Haproxy::before(&server, "send-proxy-v2").await).await;
}

#[tokio::test]
#[ignore = "needs haproxy: cargo xtask test"]
async fn a_proxy_that_says_nothing_has_no_answer() {
    let (server, rendezvous) = start_tcp().await;
    let haproxy = Haproxy::before(&server, "").await;
    assert_eq!(haproxy.create(2).await, None);
    assert_eq!(rendezvous.sessions(), 0);
}
