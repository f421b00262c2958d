//! Proxies that report the client of a connection by the PROXY protocol, and proxies that connect
//! over a Unix socket.

use std::time::Duration;

use matrix_qr_rendezvous::{Config, ForwardedHeader, Listener, Memory, Rate, Rendezvous, serve};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::oneshot,
};

use crate::support::*;

type TestServer = crate::support::TestServer<Memory>;

/// A creation as the only request of a connection.
const CREATE: &str = "POST /_matrix/client/v1/rendezvous HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\
                      Content-Type: text/plain\r\nContent-Length: 1\r\n";

/// A server at which each network may create two sessions, and one network none.
fn limits(config: &mut Config) {
    config.limits.creates = Rate::new(1, 2);
    config.limits.deny = vec!["198.51.100.0/24".parse().unwrap()];
}

async fn speaking(change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::with(|config| {
        config.proxy_protocol = true;
        limits(config);
        change(config);
    })
    .await
}

/// The status of a creation, after a header of the PROXY protocol and with more HTTP headers.
/// `None` if the connection was closed.
async fn create(server: &TestServer, header: &[u8], more: &str) -> Option<u16> {
    let mut stream = server.connect().await;
    let request = [header, CREATE.as_bytes(), more.as_bytes(), b"\r\nx"].concat();
    // The server may have closed it already.
    let _ = stream.write_all(&request).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    status_of(&answer)
}

fn status_of(answer: &[u8]) -> Option<u16> {
    str::from_utf8(answer.get(9..12)?).unwrap().parse().ok()
}

fn version_1(client: &str) -> Vec<u8> {
    format!("PROXY TCP4 {client} 203.0.113.1 4711 443\r\n").into_bytes()
}

fn version_2(client: [u8; 4]) -> Vec<u8> {
    [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
        &client[..],
        b"\xcb\0\x71\x01\x12\x67\x01\xbb",
    ]
    .concat()
}

async fn refused(server: &TestServer, reason: &str) -> Option<f64> {
    metric(
        server,
        &format!("rendezvous_connections_refused_total{{reason=\"{reason}\"}}"),
    )
    .await
}

#[tokio::test]
async fn the_client_is_whom_the_proxy_names() {
    let server = speaking(|_| {}).await;
    assert_eq!(create(&server, &version_1(ONE), "").await, Some(201));
    assert_eq!(
        create(&server, &version_2([192, 0, 2, 1]), "").await,
        Some(201)
    );
    assert_eq!(
        create(&server, &version_1(ONE), "").await,
        Some(429),
        "both have named the same one"
    );
    assert_eq!(
        create(&server, &version_2([192, 0, 2, 2]), "").await,
        Some(201)
    );
    assert_eq!(
        create(&server, &version_1("198.51.100.7"), "").await,
        Some(403)
    );
}

/// The client forges the header.
#[tokio::test]
async fn a_client_cannot_name_another_one() {
    let server = speaking(|_| {}).await;
    for expected in [201, 201, 429] {
        let forged = "X-Forwarded-For: 192.0.2.99\r\n";
        assert_eq!(
            create(&server, &version_1(ONE), forged).await,
            Some(expected)
        );
    }
}

#[tokio::test]
async fn any_header_may_name_the_client_and_no_other_does() {
    let header = ForwardedHeader::Single("cf-connecting-ip".parse().unwrap());
    let server = TestServer::with(|config| {
        limits(config);
        config.proxies.header = header;
    })
    .await;
    for (client, expected) in [(ONE, 201), (ONE, 201), (ONE, 429), (OTHER, 201)] {
        let headers = format!("X-Forwarded-For: 192.0.2.99\r\nCF-Connecting-IP: {client}\r\n");
        assert_eq!(create(&server, b"", &headers).await, Some(expected));
    }
}

/// There may be another trusted proxy in front of the one with the PROXY protocol.
#[tokio::test]
async fn a_proxy_behind_the_proxy_names_the_client() {
    let server =
        speaking(|config| config.proxies.trusted.push("10.0.0.0/8".parse().unwrap())).await;
    for (client, expected) in [(ONE, 201), (ONE, 201), (ONE, 429), (OTHER, 201)] {
        let forwarded = format!("X-Forwarded-For: {client}\r\n");
        assert_eq!(
            create(&server, &version_1("10.1.2.3"), &forwarded).await,
            Some(expected)
        );
    }
}

#[tokio::test]
async fn who_is_no_trusted_proxy_is_not_listened_to() {
    let server =
        speaking(|config| config.proxies.trusted = vec!["10.0.0.0/8".parse().unwrap()]).await;
    assert_eq!(create(&server, &version_1(ONE), "").await, None);
    assert_eq!(create(&server, b"", "").await, None);
    assert_eq!(refused(&server, "not_a_proxy").await, Some(2.0));
    assert_eq!(server.rendezvous.sessions(), 0);
}

/// In one thread, so that the server receives all of them first.
#[tokio::test]
async fn strangers_take_no_place_of_a_proxy() {
    let server = speaking(|config| {
        config.max_connections = 1;
        config.proxies.trusted.clear();
    })
    .await;
    let strangers: Vec<_> = (0..20)
        .map(|_| std::net::TcpStream::connect(server.address).unwrap())
        .collect();
    server
        .connect()
        .await
        .read_to_end(&mut Vec::new())
        .await
        .ok();
    assert_eq!(refused(&server, "too_many").await, Some(0.0));
    assert_eq!(refused(&server, "not_a_proxy").await, Some(21.0));
    drop(strangers);
}

#[tokio::test]
async fn a_proxy_that_says_nothing_is_refused() {
    let server = speaking(|_| {}).await;
    assert_eq!(
        create(&server, b"", "X-Forwarded-For: 192.0.2.1\r\n").await,
        None
    );
    assert_eq!(create(&server, b"PROXY TCP4 nobody\r\n", "").await, None);
    assert_eq!(refused(&server, "no_proxy_header").await, Some(2.0));
    assert_eq!(refused(&server, "too_many").await, Some(0.0));
}

async fn until_connections(server: &TestServer, count: f64) {
    while metric(server, "rendezvous_connections").await != Some(count) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The health checks of a load balancer must not be logged as errors.
#[tokio::test]
async fn who_connects_and_goes_is_not_refused() {
    let server = speaking(|_| {}).await;
    let stream = server.connect().await;
    until_connections(&server, 1.0).await;
    drop(stream);
    until_connections(&server, 0.0).await;
    assert_eq!(refused(&server, "no_proxy_header").await, Some(0.0));
}

#[tokio::test]
async fn a_header_has_the_time_of_a_request_s_headers() {
    let server = speaking(|config| config.timeouts.header = Duration::from_millis(300)).await;
    for begun in [&b""[..], b"PROXY TCP4 192.0.2.1 "] {
        let mut stream = server.connect().await;
        stream.write_all(begun).await.unwrap();
        assert_eq!(read_to_end(&mut stream).await, "");
    }
    assert_eq!(refused(&server, "no_proxy_header").await, Some(2.0));
}

/// Such a connection does not delay a stop.
#[tokio::test]
async fn a_header_that_never_comes_holds_up_no_stop() {
    let server = speaking(|config| config.timeouts.header = Duration::from_secs(3600)).await;
    let stream = server.connect().await;
    until_connections(&server, 1.0).await;
    tokio::time::timeout(SOON, server.stop())
        .await
        .expect("it waits");
    drop(stream);
}

/// The proxy's own connections, for example health checks. All of them are one network, also where
/// some networks are denied.
#[tokio::test]
async fn whom_the_proxy_does_not_name_is_one_unknown_client() {
    for nobody in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let server = speaking(|config| config.limits.deny = Vec::new()).await;
        for (forged, expected) in [
            ("192.0.2.97", 201),
            ("192.0.2.98", 201),
            ("192.0.2.99", 429),
        ] {
            let forged = format!("X-Forwarded-For: {forged}\r\n");
            assert_eq!(create(&server, nobody, &forged).await, Some(expected));
        }
        let server = speaking(|_| {}).await;
        assert_eq!(create(&server, nobody, "").await, Some(403));
    }
}

#[tokio::test]
async fn without_the_setting_such_a_header_is_no_request() {
    let server = TestServer::with(limits).await;
    assert_eq!(create(&server, &version_1(ONE), "").await, Some(400));
}

/// Every client of the socket counts as a proxy, so its header names the client.
#[tokio::test]
async fn over_a_unix_socket_the_header_names_the_client() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let mut config = Config::new("https://rendezvous.example".parse().unwrap());
    limits(&mut config);
    // There is no other proxy.
    (config.proxies.trusted, config.drain) = (Vec::new(), Duration::ZERO);
    let listener = Listener::bind_unix(&path, 0o600).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(serve(listener, Rendezvous::new(config), async {
        drop(stopped.await)
    }));
    for (client, expected) in [
        (ONE, 201),
        (ONE, 201),
        (ONE, 429),
        (OTHER, 201),
        ("198.51.100.7", 403),
    ] {
        let mut stream = UnixStream::connect(&path).await.unwrap();
        let request = format!("{CREATE}X-Forwarded-For: {client}\r\n\r\nx");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(status_of(&answer), Some(expected), "{client}");
    }
    drop(stop);
    task.await.unwrap().unwrap();
    assert!(!path.exists());
}
