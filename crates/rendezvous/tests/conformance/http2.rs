//! The same service for clients that begin with HTTP/2, and the bound on connections.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::{Bytes, HttpBody};
use hyper::body::Frame;
use matrix_qr_rendezvous::{Memory, Timeouts};
use reqwest::{Client, Method, RequestBuilder, StatusCode, Version};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

/// RFC 9113, section 3.4, and an empty SETTINGS frame.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";
/// A PING frame (section 6.7).
const PING: &[u8] = b"\x00\x00\x08\x06\x00\x00\x00\x00\x00pingping";
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(300);

fn client() -> Client {
    Client::builder()
        .no_proxy()
        .http2_prior_knowledge()
        .build()
        .unwrap()
}

fn request(
    client: &Client,
    server: &TestServer<Memory>,
    method: Method,
    path: &str,
) -> RequestBuilder {
    client
        .request(method, format!("http://{}{path}", server.address))
        .header("content-type", "text/plain")
}

/// A body without a known length.
struct OfNoLength(Option<Bytes>);

impl HttpBody for OfNoLength {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[tokio::test]
async fn two_devices_exchange_payloads() {
    let (server, client) = (TestServer::<Memory>::start().await, client());
    let mut session = server.create("first").await;
    let put =
        request(&client, &server, Method::PUT, &session.path).header("if-match", &session.etag);
    // Without Content-Length: RFC 9113 does not need it.
    let response = put
        .body(reqwest::Body::wrap(OfNoLength(Some("second".into()))))
        .send()
        .await
        .unwrap();
    assert_eq!(
        (response.version(), response.status()),
        (Version::HTTP_2, StatusCode::ACCEPTED)
    );
    session.etag = header(&response, "etag");
    let response = request(&client, &server, Method::GET, &session.path)
        .send()
        .await
        .unwrap();
    assert_eq!(header(&response, "etag"), session.etag);
    assert_session_headers(&response);
    assert_eq!(response.text().await.unwrap(), "second");
}

#[tokio::test]
async fn many_wait_on_one_connection_and_each_is_let_go_alone() {
    let (server, client) = (TestServer::<Memory>::start().await, client());
    let mut waiting = Vec::new();
    for n in 0..200 {
        let session = server.create(&format!("{n}")).await;
        let get = request(&client, &server, Method::GET, &session.path)
            .header("if-none-match", &session.etag);
        waiting.push((
            session,
            tokio::spawn(get.header("prefer", "wait=30").send()),
        ));
    }
    for (session, task) in waiting.into_iter().rev() {
        assert!(!task.is_finished());
        server
            .put(&session, session.path.clone())
            .send()
            .await
            .unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(20), task)
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        assert_eq!(answer.text().await.unwrap(), session.path);
    }
}

#[tokio::test]
async fn a_connection_that_asks_for_nothing_ends_whatever_else_it_says() {
    for http2_was_used in [false, true] {
        let timeouts = Timeouts {
            header: SHORT,
            body: LONG,
            idle: 2 * SHORT,
        };
        let server = TestServer::<Memory>::with(|config| config.timeouts = timeouts).await;
        let mut stream = server.connect().await;
        stream.write_all(PREFACE).await.unwrap();
        if http2_was_used {
            stream.write_all(&get_headers()).await.unwrap();
        }
        let pings = async {
            loop {
                if stream.write_all(PING).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), pings)
            .await
            .expect("it is kept open for its pings");
    }
}

/// A proxy keeps its connections alive with pings. They start no request, so the time limit for
/// headers does not apply.
#[tokio::test]
async fn a_ping_is_no_slow_request() {
    let timeouts = Timeouts {
        header: SHORT,
        body: LONG,
        idle: LONG,
    };
    let server = TestServer::<Memory>::with(|config| config.timeouts = timeouts).await;
    let mut stream = server.connect().await;
    stream.write_all(PREFACE).await.unwrap();
    stream.write_all(&get_headers()).await.unwrap();
    for _ in 0..3 {
        stream.write_all(PING).await.unwrap();
        tokio::time::sleep(2 * SHORT).await;
    }
    let mut said = vec![0; 4096];
    let n = stream.read(&mut said).await.unwrap();
    said.truncate(n);
    let acknowledged = said.windows(8).filter(|bytes| bytes == b"pingping").count();
    stream.write_all(PING).await.unwrap();
    assert_eq!(
        (acknowledged, stream.read(&mut [0; 17]).await.unwrap()),
        (3, 17)
    );
}

/// A HEADERS frame that asks for `/` (section 6.2), in the static table of HPACK (RFC 7541,
/// appendix A).
fn get_headers() -> Vec<u8> {
    let block = [0x82, 0x86, 0x84, 0x41, 0x01, b'x'];
    let mut frame = vec![0, 0, 6, 1, 0x05, 0, 0, 0, 1];
    frame.extend_from_slice(&block);
    frame
}

#[tokio::test]
async fn there_are_at_most_so_many_connections() {
    let server = TestServer::<Memory>::with(|config| config.max_connections = 2).await;
    let kept = [server.connect().await, server.connect().await];
    // The server has accepted the second when the third is refused.
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
    let [mut first, second] = kept;
    first
        .write_all(b"GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .await
        .unwrap();
    assert!(read_to_end(&mut first).await.starts_with("HTTP/1.1 404 "));
    // Its place is free again.
    server.create("x").await;
    drop(second);
}
