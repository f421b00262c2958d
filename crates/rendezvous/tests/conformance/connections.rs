//! Clients that take their time, and a server that stops.

use std::time::Duration;

use matrix_qr_rendezvous::{Config, Memory, Timeouts, serve_router};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::support::*;

type TestServer = crate::support::TestServer<Memory>;

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

fn timeouts(change: impl FnOnce(&mut Timeouts)) -> impl FnOnce(&mut Config) {
    let mut timeouts = Timeouts {
        header: LONG,
        body: LONG,
        idle: LONG,
    };
    change(&mut timeouts);
    move |config| config.timeouts = timeouts
}

/// Sends a byte from time to time until the server closes. Returns its response. Fails if the
/// server never closes.
async fn drip(mut stream: TcpStream, byte: u8) -> String {
    let mut said = Vec::new();
    for _ in 0..400 {
        // Closed for writing. A response may still be readable.
        let _ = stream.write_all(&[byte]).await;
        let mut buffer = [0; 4096];
        match tokio::time::timeout(Duration::from_millis(50), stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return String::from_utf8(said).unwrap(),
            Ok(Ok(n)) => said.extend_from_slice(&buffer[..n]),
            Err(_) => {}
        }
    }
    panic!("the server leaves the connection open");
}

#[tokio::test]
async fn headers_that_come_byte_by_byte_end_the_connection() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.header = SHORT)).await;
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nX: ").await.unwrap();
    assert_eq!(drip(stream, b'x').await, "");
}

#[tokio::test]
async fn headers_of_a_later_request_have_no_more_time() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.header = SHORT)).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 404 "));
    drip(stream, b'x').await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_ends() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.idle = SHORT)).await;
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn a_connection_that_says_nothing_more_ends() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.idle = SHORT)).await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut stream).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn an_idle_connection_may_outlast_the_time_for_headers_and_is_used_again() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.header = SHORT)).await;
    let mut stream = server.connect().await;
    for _ in 0..2 {
        tokio::time::sleep(2 * SHORT).await;
        stream
            .write_all(b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n")
            .await
            .unwrap();
        assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 404 "));
    }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_refused_and_ends_the_connection() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.body = SHORT)).await;
    let session = server.create("kept").await;
    let rest = "Host: x\r\nContent-Type: text/plain\r\nContent-Length: 4096\r\n\r\n";
    let put = format!(
        "PUT {} HTTP/1.1\r\nIf-Match: {}\r\n{rest}",
        session.path, session.etag
    );
    for (request, has_etag) in [
        (put, true),
        (format!("POST {STABLE} HTTP/1.1\r\n{rest}"), false),
    ] {
        let mut stream = server.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = drip(stream, b'x').await;
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
        assert!(
            answer.contains("connection: close")
                && answer.contains("access-control-allow-origin: *"),
            "{answer}"
        );
        assert_eq!(
            answer.contains(&format!("etag: {}", session.etag)),
            has_etag
        );
    }
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
    assert_eq!(server.rendezvous.sessions(), 1);
}

/// A proxy reuses a connection until it is told that it ends.
#[tokio::test]
async fn a_request_that_is_refused_before_its_body_arrives_does_not_cost_the_connection() {
    let server = TestServer::with(timeouts(|_| {})).await;
    let mut stream = server.connect().await;
    for body in [
        "Content-Length: 4\r\n\r\nbody",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
    ] {
        let (head, body) = body.split_once("\r\n\r\n").unwrap();
        let head = format!("POST /x HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        // Long enough for the server to refuse it.
        tokio::time::sleep(SHORT).await;
        stream.write_all(body.as_bytes()).await.unwrap();
        let refusal = read_some(&mut stream).await;
        assert!(refusal.starts_with("HTTP/1.1 404 "), "{refusal}");
        assert!(!refusal.contains("connection: close"), "{refusal}");
    }
    let next = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n";
    stream.write_all(next).await.unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn who_is_refused_with_a_body_that_is_not_read_is_told_that_the_connection_ends() {
    let server = TestServer::with(timeouts(|timeouts| timeouts.body = SHORT)).await;
    for body in [
        "Content-Length: 16385\r\n",
        "Content-Length: 4\r\n",
        "Content-Length: 4\r\nExpect: 100-continue\r\n",
        "Transfer-Encoding: chunked\r\n",
    ] {
        let refusal = server
            .raw(&format!("POST /x HTTP/1.1\r\nHost: x\r\n{body}\r\n"))
            .await;
        assert!(refusal.starts_with("HTTP/1.1 404 "), "{refusal}");
        assert!(refusal.contains("connection: close"), "{refusal}");
    }
}

#[tokio::test]
async fn a_held_reader_is_neither_idle_nor_slow() {
    let all_short = Timeouts {
        header: SHORT,
        body: SHORT,
        idle: SHORT,
    };
    let server = TestServer::with(|config| config.timeouts = all_short).await;
    let session = server.create("first").await;
    let waiting = tokio::spawn(server.poll(&session).header("prefer", "wait=30").send());
    tokio::time::sleep(3 * SHORT).await;
    server.put(&session, "second").send().await.unwrap();
    assert_eq!(
        waiting.await.unwrap().unwrap().text().await.unwrap(),
        "second"
    );
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    let server = TestServer::start().await;
    let mut stream = server.connect().await;
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        .await
        .unwrap();
    // The server may close before it has received everything.
    let _ = stream.write_all(&[b'x'; 64 * 1024]).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_stop_lets_requests_under_way_finish_and_takes_no_new_ones() {
    let mut server = TestServer::start().await;
    let session = server.create("first").await;
    let mut writing = server.connect().await;
    let idle = &mut server.connect().await;
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: x\r\nIf-Match: {}\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\nsec",
        session.path, session.etag
    );
    writing.write_all(head.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.tell_to_stop();
    assert_eq!(read_to_end(idle).await, "");
    let refused = async {
        while TcpStream::connect(server.address).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), refused)
        .await
        .expect("it takes new connections");
    writing.write_all(b"ond").await.unwrap();
    assert!(read_to_end(&mut writing).await.starts_with("HTTP/1.1 202 "));
    server.stop().await;
}

#[tokio::test]
async fn dropping_the_server_drops_its_connections() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = serve_router(
        listener,
        axum::Router::new(),
        Timeouts::default(),
        std::future::pending(),
    );
    let task = tokio::spawn(serving);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    assert!(read_some(&mut stream).await.starts_with("HTTP/1.1 404 "));
    task.abort();
    assert_eq!(read_to_end(&mut stream).await, "");
}

async fn read_some(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 8192];
    let n = stream.read(&mut buffer).await.unwrap();
    String::from_utf8(buffer[..n].to_vec()).unwrap()
}
