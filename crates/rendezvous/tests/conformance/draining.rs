//! A server that is about to stop: it says so, and still answers whoever comes.

use std::time::Duration;

use matrix_qr_rendezvous::{Memory, Store};
use reqwest::{Client, Version};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::support::*;

const LONG: Duration = Duration::from_secs(3600);
const GET: &[u8] = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n";

/// Told to stop, with all the time that it wants. Those who were held are let go, so it has heard
/// it.
async fn draining() -> TestServer<Memory> {
    let mut server = TestServer::<Memory>::with(|config| config.drain = LONG).await;
    let session = server.create("x").await;
    let reader = held(server.poll(&session).header("prefer", "wait=30")).await;
    assert_eq!(ask(&server, "/ready").await.0, 200);
    server.tell_to_stop();
    assert_eq!(answer(reader).await.status(), 304);
    server
}

async fn until_connections(server: &TestServer<impl Store>, count: f64) {
    let closed = async {
        while metric(server, "rendezvous_connections").await != Some(count) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, closed)
        .await
        .unwrap_or_else(|_| panic!("there are never {count} connections"));
}

#[tokio::test]
async fn it_is_not_ready_and_lives() {
    let server = draining().await;
    assert_eq!(
        ask(&server, "/ready").await,
        (503, "the server is stopping\n".to_owned())
    );
    assert_eq!(ask(&server, "/health").await.0, 200);
}

#[tokio::test]
async fn whoever_still_comes_is_answered_and_told_to_close() {
    let server = draining().await;
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(GET).await.unwrap();
        let answer = read_to_end(&mut stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("connection: close\r\n"),
            "{answer}"
        );
    }
    let session = server.create("y").await;
    assert_eq!(server.get(&session).await.text().await.unwrap(), "y");
}

/// A request may be on its way there when the server begins to stop.
#[tokio::test]
async fn an_idle_connection_has_one_more_answer() {
    let mut server = TestServer::<Memory>::with(|config| config.drain = LONG).await;
    let mut used = server.connect().await;
    used.write_all(GET).await.unwrap();
    assert!(used.read(&mut [0; 8192]).await.unwrap() > 0);
    let mut new = server.connect().await;
    until_connections(&server, 2.0).await;
    server.tell_to_stop();
    while ask(&server, "/ready").await.0 != 503 {
        sleep(Duration::from_millis(5)).await;
    }
    for stream in [&mut used, &mut new] {
        stream.write_all(GET).await.unwrap();
        let answer = read_to_end(stream).await;
        assert!(
            answer.starts_with("HTTP/1.1 404 ") && answer.contains("connection: close\r\n"),
            "{answer}"
        );
    }
}

/// One of HTTP/2 can be told at any time, and closes when it has nothing under way.
#[tokio::test]
async fn a_connection_of_http2_is_told_at_once() {
    let mut server = TestServer::<Memory>::with(|config| config.drain = LONG).await;
    let client = Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap();
    let get = || client.get(format!("http://{}/x", server.address)).send();
    assert_eq!(get().await.unwrap().version(), Version::HTTP_2);
    until_connections(&server, 1.0).await;
    server.tell_to_stop();
    until_connections(&server, 0.0).await;
    let get = || client.get(format!("http://{}/x", server.address)).send();
    assert_eq!(get().await.unwrap().status(), 404, "and comes on a new one");
    until_connections(&server, 0.0).await;
}

#[tokio::test]
async fn after_its_time_it_takes_no_more() {
    let mut server =
        TestServer::<Memory>::with(|config| config.drain = Duration::from_millis(300)).await;
    let idle = &mut server.connect().await;
    server.tell_to_stop();
    assert_eq!(read_to_end(idle).await, "");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, refused).await.expect("it takes connections");
    server.stop().await;
}
